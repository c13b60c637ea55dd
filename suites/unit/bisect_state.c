/* SPDX-License-Identifier: MIT */
/* What state.h promises: whole records survive whatever happens to the end of the file. */
#include "harness/base/json.h"
#include "harness/base/str.h"
#include "harness/bisect/state.h"
#include "harness/sys/tree.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
    char root[PATH_MAX / 2];
    char *path;
};

static struct place place_create(void)
{
    struct place place = {0};
    struct wg_err err = WG_ERR_INIT;
    cr_assert(
        eq(int, wg_sandbox_create("/tmp", "unit-bisect", place.root, sizeof place.root, &err), 0),
        "%s", err.message);
    place.path = wg_format("%s/log.jsonl", place.root);
    return place;
}

static void place_remove(struct place *place)
{
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_tree_remove(place->root, &err), 0), "%s", err.message);
    free(place->path);
}

static struct wg_bisect_state *open_state(const struct place *place, enum wg_bisect_access access)
{
    struct wg_bisect_state *state = NULL;
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_bisect_state_open(place->path, access, &state, &err), 0), "%s",
              err.message);
    return state;
}

static void append(struct wg_bisect_state *state, json_t *record)
{
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_bisect_state_append(state, record, &err), 0), "%s", err.message);
}

static json_t *run_record(int n, const char *commit, const char *result)
{
    return json_pack("{s:s, s:i, s:s, s:s, s:f}", "event", "run", "n", n, "commit", commit,
                     "result", result, "ms", 20.0);
}

/* A start, a build that worked, one that did not, and five runs. */
static void fill(const struct place *place)
{
    struct wg_bisect_state *state = open_state(place, WG_BISECT_CREATE);
    append(state, json_pack("{s:s, s:s, s:s}", "event", "start", "good", "g", "bad", "c"));
    append(state, json_pack("{s:s, s:s, s:b, s:f}", "event", "build", "commit", "a", "ok", 1, "ms",
                            100.0));
    append(state, json_pack("{s:s, s:s, s:b}", "event", "build", "commit", "b", "ok", 0));
    append(state, run_record(1, "c", "bad"));
    append(state, run_record(2, "a", "good"));
    append(state, run_record(3, "a", "good"));
    append(state, run_record(4, "a", "other"));
    append(state, run_record(5, "g", "lost"));
    wg_bisect_state_destroy(state);
}

static void append_way(struct wg_bisect_state *state, int n, const char *commit, int way,
                       const char *result)
{
    json_t *record = run_record(n, commit, result);
    json_object_set_new(record, "way", json_integer(way));
    append(state, record);
}

static void tally(const struct wg_bisect_state *state, struct wg_bisect_tally nodes[static 4])
{
    struct wg_bisect_history history = {0};
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_bisect_history_parse("g", "c b\nb a\na g\n", &history, &err), 0));
    wg_bisect_state_tally(state, &history, 0, nodes);
    wg_bisect_history_finish(&history);
}

Test(bisect_state, the_tally_is_a_function_of_the_records)
{
    struct place place = place_create();
    fill(&place);
    struct wg_bisect_state *state = open_state(&place, WG_BISECT_LEAD);
    struct wg_bisect_tally nodes[4];
    tally(state, nodes);
    cr_assert(eq(u32, nodes[3].failures, 1));
    cr_assert(eq(u32, nodes[1].passes, 2));
    cr_assert(eq(u32, nodes[1].skips, 1));
    cr_assert(nodes[1].built);
    cr_assert(nodes[2].untestable);
    cr_assert(eq(u32, nodes[0].passes + nodes[0].failures, 0), "a lost run says nothing");
    cr_assert(eq(u32, wg_bisect_state_next_run(state), 6));
    cr_assert(wg_bisect_state_build_cost(state, 7) == 5, "100 ms a build, 20 ms a run");
    wg_bisect_state_destroy(state);
    place_remove(&place);
}

Test(bisect_state, skip_before_any_answer_makes_a_commit_untestable_and_after_one_does_not)
{
    struct place place = place_create();
    struct wg_bisect_state *state = open_state(&place, WG_BISECT_CREATE);
    struct wg_bisect_tally nodes[4];
    append(state, run_record(1, "a", "skip"));
    append(state, run_record(2, "b", "bad"));
    append(state, run_record(3, "b", "skip"));
    for (int i = 0; i < 5; i++)
        append(state, run_record(4 + i, "c", "other"));
    tally(state, nodes);
    cr_assert(nodes[1].untestable);
    cr_assert(not(nodes[2].untestable));
    cr_assert(nodes[3].untestable, "it only ever fails in other ways");
    wg_bisect_state_destroy(state);
    place_remove(&place);
}

/* GOOD, two commits and BAD: what each way did at the ends, and what the tally holds of it. */
Test(bisect_state, runs_count_for_the_way_in_which_they_were_made)
{
    struct place place = place_create();
    struct wg_bisect_state *state = open_state(&place, WG_BISECT_CREATE);
    struct wg_bisect_history history = {0};
    struct wg_bisect_way ways[4];
    struct wg_bisect_tally nodes[4];
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_bisect_history_parse("g", "c b\nb a\na g\n", &history, &err), 0));
    append(state, run_record(1, "c", "good"));
    append_way(state, 2, "c", 1, "bad");
    append_way(state, 3, "g", 1, "bad");
    append_way(state, 4, "c", 2, "skip");
    append_way(state, 5, "c", 3, "bad");
    append_way(state, 6, "b", 3, "bad");
    append_way(state, 7, "g", 3, "bad");
    append_way(state, 8, "c", 9, "bad");
    cr_expect(eq(long, wg_bisect_state_way(state), -1));
    append(state, json_pack("{s:s, s:i}", "event", "way", "way", 1));
    append(state, json_pack("{s:s, s:i}", "event", "way", "way", 3));
    cr_expect(eq(long, wg_bisect_state_way(state), 3), "the last word counts");
    wg_bisect_state_ways(state, &history, 4, ways);
    cr_expect(eq(u32, ways[0].passes, 1));
    cr_expect(eq(u32, ways[0].failures, 0));
    cr_expect(eq(u32, ways[1].failures, 1));
    cr_expect(ways[1].dropped, "GOOD fails when it is run like that");
    cr_expect(ways[2].dropped, "it says nothing about BAD");
    cr_expect(not(ways[3].dropped), "GOOD failed after the search had begun: noise");
    append_way(state, 9, "c", 3, "good");
    append_way(state, 10, "b", 1, "bad");
    wg_bisect_state_tally(state, &history, 3, nodes);
    cr_expect(eq(u32, nodes[2].failures + nodes[2].passes, 0));
    cr_expect(eq(u32, nodes[3].failures, 0), "not what it was kept for");
    cr_expect(eq(u32, nodes[3].passes, 1));
    wg_bisect_history_finish(&history);
    wg_bisect_state_destroy(state);
    place_remove(&place);
}

/* Cuts the file to `size` bytes; the records that are whole by then are read, no more, no less. */
static void expect_prefix(const struct place *place, const char *text, size_t size)
{
    size_t whole = 0;
    for (size_t i = 0; i < size; i++)
        whole += text[i] == '\n';
    int fd = open(place->path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    cr_assert(ge(int, fd, 0));
    cr_assert(eq(long, write(fd, text, size), (long)size));
    close(fd);
    struct wg_bisect_state *state = open_state(place, WG_BISECT_LEAD);
    cr_assert(eq(sz, json_array_size(wg_bisect_state_records(state)), whole), "cut at %zu", size);
    bool started = wg_bisect_state_start(state) != NULL;
    cr_assert(started == (whole > 0), "cut at %zu", size);
    append(state, run_record(99, "a", "good"));
    wg_bisect_state_destroy(state);
    state = open_state(place, WG_BISECT_LEAD);
    cr_assert(eq(sz, json_array_size(wg_bisect_state_records(state)), whole + 1),
              "cut at %zu: what is appended afterwards stands on a line of its own", size);
    wg_bisect_state_destroy(state);
}

Test(bisect_state, a_file_cut_at_any_byte_keeps_its_whole_records)
{
    struct place place = place_create();
    fill(&place);
    char text[4096];
    int fd = open(place.path, O_RDONLY | O_CLOEXEC);
    ssize_t size = read(fd, text, sizeof text);
    close(fd);
    cr_assert(ge(long, size, 200));
    for (size_t cut = 0; cut <= (size_t)size; cut++)
        expect_prefix(&place, text, cut);
    place_remove(&place);
}

Test(bisect_state, a_file_cut_within_its_imports_was_never_begun)
{
    struct place place = place_create();
    for (size_t imported = 0; imported <= 3; imported++) {
        struct wg_bisect_state *state = open_state(&place, WG_BISECT_CREATE);
        append(state, json_pack("{s:s, s:s, s:i}", "event", "start", "good", "g", "imports", 3));
        for (size_t i = 0; i < imported; i++)
            append(state, json_pack("{s:s, s:i, s:s, s:s, s:b}", "event", "run", "n", (int)i + 1,
                                    "commit", "a", "result", "good", "imported", 1));
        wg_bisect_state_destroy(state);
        state = open_state(&place, WG_BISECT_LEAD);
        bool started = wg_bisect_state_start(state) != NULL;
        cr_assert(started == (imported == 3), "%zu of 3", imported);
        size_t whole = imported == 3 ? 4 : 0;
        cr_assert(eq(sz, json_array_size(wg_bisect_state_records(state)), whole));
        wg_bisect_state_destroy(state);
    }
    place_remove(&place);
}

Test(bisect_state, a_whole_line_that_is_no_record_is_an_error_with_its_number)
{
    struct place place = place_create();
    fill(&place);
    int fd = open(place.path, O_WRONLY | O_APPEND | O_CLOEXEC);
    cr_assert(eq(long, write(fd, "{\"event\": \n", 11), 11));
    close(fd);
    struct wg_bisect_state *state = NULL;
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_bisect_state_open(place.path, WG_BISECT_LEAD, &state, &err), -1));
    cr_assert(strstr(err.message, "log.jsonl:9:") != NULL, "%s", err.message);
    place_remove(&place);
}

Test(bisect_state, two_processes_cannot_lead_one_bisection)
{
    struct place place = place_create();
    struct wg_bisect_state *first = open_state(&place, WG_BISECT_CREATE), *second = NULL;
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_bisect_state_open(place.path, WG_BISECT_CREATE, &second, &err), -1));
    cr_assert(strstr(err.message, "another process") != NULL, "%s", err.message);
    wg_bisect_state_destroy(first);
    place_remove(&place);
}

Test(bisect_state, who_looks_needs_no_lock_and_leaves_a_torn_record_to_who_leads)
{
    struct place place = place_create();
    fill(&place);
    struct wg_bisect_state *leader = open_state(&place, WG_BISECT_LEAD);
    int fd = open(place.path, O_WRONLY | O_APPEND | O_CLOEXEC);
    cr_assert(eq(long, write(fd, "{\"event\":", 9), 9));
    close(fd);
    struct stat before, after;
    cr_assert(eq(int, stat(place.path, &before), 0));
    struct wg_bisect_state *onlooker = open_state(&place, WG_BISECT_LOOK);
    cr_expect(eq(sz, json_array_size(wg_bisect_state_records(onlooker)),
                 json_array_size(wg_bisect_state_records(leader))));
    cr_assert(eq(int, stat(place.path, &after), 0));
    cr_expect(eq(long, after.st_size, before.st_size));
    wg_bisect_state_destroy(onlooker);
    wg_bisect_state_destroy(leader);
    place_remove(&place);
}

Test(bisect_state, a_file_that_is_not_there_is_no_bisection)
{
    struct place place = place_create();
    struct wg_bisect_state *state = open_state(&place, WG_BISECT_LEAD);
    cr_assert(wg_bisect_state_start(state) == NULL);
    cr_assert(ne(int, access(place.path, F_OK), 0), "opening without create makes nothing");
    wg_bisect_state_destroy(state);
    place_remove(&place);
}

Test(bisect_state, seeds_are_a_function_of_base_and_number)
{
    cr_assert(eq(u64, wg_bisect_seed(1, 2), wg_bisect_seed(1, 2)));
    cr_assert(ne(u64, wg_bisect_seed(1, 2), wg_bisect_seed(1, 3)));
    cr_assert(ne(u64, wg_bisect_seed(1, 2), wg_bisect_seed(2, 2)));
}
