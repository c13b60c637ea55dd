/* SPDX-License-Identifier: MIT */
/* probe_overlay.c - the probe compares mapped databases on overlayfs with their files
 * (probe_layers.c). */
#include "suites/unit/probe_support.h"
#include "suites/unit/probe_worker.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>
#include <sys/wait.h>

TestSuite(probe_overlay, .timeout = 60);

static struct wg_watched watch(const char *deed)
{
    struct wg_watched watched = wg_probe_watch(WG_TEST_PROBE_WORKER, deed, NULL);
    bool cannot = WIFEXITED(watched.status) && WEXITSTATUS(watched.status) == PROBE_WORKER_CANNOT;
    if (cannot)
        wg_probe_finish(&watched);
    if (cannot)
        cr_skip_test("no overlay can be mounted here");
    cr_assert(zero(int, watched.status), "%s: status %x", deed, watched.status);
    return watched;
}

Test(probe_overlay, a_mapping_of_the_lower_file_is_told_once)
{
    struct wg_watched watched = watch("overlay-lower");
    struct wg_trace_event event;
    struct wg_trace_record like = {.type = WG_TRACE_STALE_MAP,
                                   .role = WG_TRACE_ROLE_DATABASE,
                                   .origin = WG_TRACE_ORIGIN_SQLITE};
    cr_assert(eq(sz, wg_probe_count(&watched, like, &event), 1));
    /* The change counter, and behind it the size in pages. */
    cr_expect(eq(i64, event.record->length, 24));
    cr_expect(eq(i64, event.record->result >> 32, 2));
    cr_expect(eq(u64, event.record->ino2 >> 32, 3));
    cr_expect(eq(int, event.call, WG_CALL_fcntl));
    cr_expect(ne(u32, event.record->held & WG_TRACE_HELD_SHARED, 0));
    cr_expect(ne(ptr, strstr(event.path, "/merged/x.db"), NULL));
    cr_expect(ge(sz, event.frame_count, 2));
    wg_probe_finish(&watched);
}

Test(probe_overlay, nothing_is_told_of_mappings_that_follow_their_file)
{
    const char *deeds[] = {"overlay-upper", "overlay-untouched", "overlay-same",
                           "mapped-elsewhere"};
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        struct wg_watched watched = watch(deeds[i]);
        struct wg_trace_record like = {.type = WG_TRACE_MAP, .role = WG_TRACE_ROLE_DATABASE};
        cr_expect(ge(sz, wg_probe_count(&watched, like, NULL), 1), "%s", deeds[i]);
        like.type = WG_TRACE_STALE_MAP;
        cr_expect(zero(sz, wg_probe_count(&watched, like, NULL)), "%s", deeds[i]);
        wg_probe_finish(&watched);
    }
}

Test(probe_overlay, a_mapping_that_has_grown_is_known_by_its_new_size)
{
    struct wg_watched watched = watch("grow-mapped");
    struct wg_trace_event event;
    struct wg_trace_record like = {.type = WG_TRACE_UNMAP, .role = WG_TRACE_ROLE_DATABASE};
    cr_assert(eq(sz, wg_probe_count(&watched, like, &event), 1));
    cr_expect(ge(i64, event.record->length, 400000));
    wg_probe_finish(&watched);
}
