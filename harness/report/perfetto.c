/* SPDX-License-Identifier: MIT */
#include "harness/report/perfetto.h"

#include "harness/base/json.h"
#include "harness/report/model.h"

#include <string.h>

#define RESETS_THREAD  9999 /* of a unit: no worker has this number */
#define REQUESTS_FIRST 10000
#define TRACKS_MAX     1000 /* of one worker; more than WG_LIMIT_HTTP_PARALLEL */

struct timeline {
    FILE *out;
    json_t *workers; /* attempt -> worker */
    json_t *tracks;  /* "unit worker" -> [until when a request is in the track…] */
    bool any;
};

static double at_us(const json_t *event)
{
    return (double)wg_json_int(event, "at_ns", 0) / 1e3;
}

/* Takes over the object. It is NULL when a number of the record was none that JSON has. */
static void put(struct timeline *timeline, json_t *slice)
{
    if (!slice)
        return;
    fputs(timeline->any ? ",\n" : "", timeline->out);
    json_dumpf(slice, timeline->out, JSON_COMPACT);
    json_decref(slice);
    timeline->any = true;
}

static void put_name(struct timeline *timeline, const char *what, int64_t unit, int64_t worker,
                     const char *name)
{
    put(timeline, json_pack("{s:s, s:s, s:I, s:I, s:{s:s}}", "ph", "M", "name", what, "pid",
                            (json_int_t)unit, "tid", (json_int_t)worker, "args", "name", name));
}

/* A slice that ends at the event's time and lasted as long as its "ms" says. */
static void put_slice(struct timeline *timeline, const json_t *event, int64_t worker,
                      const char *category, json_t *name, json_t *arguments)
{
    double lasted_us = wg_json_real(event, "ms", 0) * 1000, begin_us = at_us(event) - lasted_us;
    put(timeline, json_pack("{s:s, s:o, s:s, s:I, s:I, s:f, s:f, s:o}", "ph", "X", "name", name,
                            "cat", category, "pid", (json_int_t)wg_json_int(event, "unit", 0),
                            "tid", (json_int_t)worker, "ts", begin_us > 0 ? begin_us : 0.0, "dur",
                            lasted_us, "args", arguments));
}

static json_t *copy_of(const json_t *event, const char *member)
{
    json_t *value = json_object_get(event, member);
    return value ? json_incref(value) : json_null();
}

static void key_of(const json_t *event, char *key, size_t size)
{
    snprintf(key, size, "%lld", (long long)wg_json_int(event, "attempt", 0));
}

/*
 * The thread that shows a request of a worker: its own, or one beside it while another request of
 * the test is under way there, since slices of a thread have to lie inside one another.
 */
static int64_t track_of(struct timeline *timeline, const json_t *event, int64_t worker)
{
    char key[48], name[48];
    int64_t unit = wg_json_int(event, "unit", 0);
    double end = at_us(event), begin = end - wg_json_real(event, "ms", 0) * 1000;
    snprintf(key, sizeof key, "%lld %lld", (long long)unit, (long long)worker);
    json_t *tracks = json_object_get(timeline->tracks, key);
    if (!tracks) {
        tracks = json_array();
        json_object_set_new(timeline->tracks, key, tracks);
    }
    size_t track = 0;
    while (track < json_array_size(tracks) &&
           json_real_value(json_array_get(tracks, track)) > begin)
        track++;
    if (track == TRACKS_MAX)
        track--;
    int64_t thread = track == 0 ? worker : REQUESTS_FIRST + worker * TRACKS_MAX + (int64_t)track;
    if (track == json_array_size(tracks)) {
        json_array_append_new(tracks, json_real(end));
        snprintf(name, sizeof name, "worker %lld, requests %zu", (long long)worker, track + 1);
        if (track > 0)
            put_name(timeline, "thread_name", unit, thread, name);
    } else {
        json_array_set_new(tracks, track, json_real(end));
    }
    return thread;
}

static void take_request(struct timeline *timeline, const json_t *event)
{
    char key[24];
    key_of(event, key, sizeof key);
    const json_t *worker = json_object_get(timeline->workers, key);
    json_t *name =
        json_sprintf("%s %s", wg_json_str(event, "method", ""), wg_json_str(event, "path", ""));
    put_slice(timeline, event, track_of(timeline, event, json_integer_value(worker)), "request",
              name ? name : json_string(""),
              json_pack("{s:o}", "status", copy_of(event, "status")));
}

/* What was not seen is of the whole run. */
static void put_gaps(struct timeline *timeline, const json_t *probed)
{
    struct wg_strv gaps = {0};
    wg_probed_gaps(probed, &gaps);
    for (size_t i = 0; i < gaps.count; i++)
        put(timeline, json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:f, s:{s:s}}", "ph", "i", "name",
                                "not covered", "cat", "finding", "s", "g", "pid", (json_int_t)0,
                                "tid", (json_int_t)0, "ts", 0.0, "args", "text", gaps.items[i]));
    wg_strv_finish(&gaps);
}

static void take_event(void *context, enum wg_event_kind kind, const json_t *event)
{
    struct timeline *timeline = context;
    char key[24];
    int64_t unit = wg_json_int(event, "unit", 0), worker = wg_json_int(event, "worker", 0);
    switch (kind) {
    case WG_EVENT_UNIT_STARTED:
        put_name(timeline, "process_name", unit, 0, wg_json_str(event, "name", ""));
        put_name(timeline, "thread_name", unit, RESETS_THREAD, "resets");
        break;
    case WG_EVENT_TEST_STARTED:
        key_of(event, key, sizeof key);
        json_object_set_new(timeline->workers, key, json_integer(worker));
        break;
    case WG_EVENT_REQUEST: take_request(timeline, event); break;
    case WG_EVENT_TEST_FINISHED:
        put_slice(timeline, event, worker, "test", copy_of(event, "test"),
                  json_pack("{s:o}", "outcome", copy_of(event, "outcome")));
        break;
    case WG_EVENT_RESET:
        put_slice(timeline, event, RESETS_THREAD, "reset", json_string("reset"),
                  json_pack("{s:o}", "after", copy_of(event, "after")));
        break;
    case WG_EVENT_EVIDENCE:
        put(timeline, json_pack("{s:s, s:o, s:s, s:s, s:I, s:I, s:f, s:{s:o}}", "ph", "i", "name",
                                copy_of(event, "class"), "cat", "evidence", "s", "p", "pid",
                                (json_int_t)unit, "tid", (json_int_t)0, "ts", at_us(event), "args",
                                "message", copy_of(event, "message")));
        break;
    case WG_EVENT_FINDING:
        put(timeline, json_pack("{s:s, s:o, s:s, s:s, s:I, s:I, s:f, s:{s:o}}", "ph", "i", "name",
                                copy_of(event, "id"), "cat", "finding", "s", "p", "pid",
                                (json_int_t)unit, "tid", (json_int_t)0, "ts",
                                (double)wg_json_int(event, "happened_ns", 0) / 1e3, "args", "text",
                                copy_of(event, "text")));
        break;
    case WG_EVENT_PROBED: put_gaps(timeline, event); break;
    default: break;
    }
}

int wg_perfetto_write(const char *events_path, FILE *out, struct wg_err *err)
{
    struct timeline timeline = {.out = out, .workers = json_object(), .tracks = json_object()};
    fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n", out);
    int rc = wg_events_read(events_path, take_event, &timeline, err);
    fputs("\n]}\n", out);
    json_decref(timeline.workers);
    json_decref(timeline.tracks);
    return rc;
}
