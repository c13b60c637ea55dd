/* SPDX-License-Identifier: MIT */
/* record.c - run directories: no room in them, strange names, the reports made of them. */
#include "harness/base/json.h"
#include "harness/sys/process.h"
#include "harness/sys/tree.h"
#include "suites/selftest/support.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int lines_with(const char *text, const char *part)
{
    int count = 0;
    for (; (text = strstr(text, part)); text++)
        count++;
    return count;
}

/* The disk becomes full for the runner alone: its server and its tests run without the limit. */
Test(record, run_without_room_for_its_record_is_not_green, .timeout = 60)
{
    struct place place;
    struct call call;
    struct stat st;
    place_init(&place);
    char *record = wg_format("--run-dir=%s", place.record);
    char *events = place_path(&place, "record/events.jsonl");
    call_start(&call, &place, WORDS("run", record, "--isolate=none", "files*"));
    events_await(place.record, "test-finished", 1, 20000);

    cr_assert(eq(int, stat(events, &st), 0));
    const struct rlimit limit = {(rlim_t)st.st_size + 5000, (rlim_t)st.st_size + 5000};
    cr_assert(eq(int, prlimit(wg_process_pid(call.process), RLIMIT_FSIZE, &limit, NULL), 0));
    call_wait(&call, CALL_TIMEOUT_MS);

    cr_expect(eq(int, call.exit_code, 3), "%s%s", call.out, call.err);
    cr_expect(strstr(call.out, "verdict: ERROR") != NULL, "%s", call.out);
    cr_expect(eq(int, lines_with(call.out, "events.jsonl: No space left on device"), 1), "%s",
              call.out);
    cr_expect(strstr(call.out, "PASS") == NULL, "%s", call.out);
    call_finish(&call);
    free(events);
    free(record);
    place_finish(&place);
}

/* Every path that a run uses gets blanks, quotes, what a shell would expand, and a byte that is no
 * UTF-8. */
static void make_strange(struct place *place, char **ret_suite)
{
    free(place->work);
    free(place->sandbox);
    free(place->record);
    place->work = place_path(place, "wo rk'$HOME\xff");
    place->sandbox = place_path(place, "sand 'box\" *\xff");
    place->record = place_path(place, "rec ord'\"`id`{port}\xff");
    *ret_suite = place_path(place, "su ite'\"; false\xff");
    cr_assert(eq(int, wg_tree_make(place->work, NULL), 0));
    cr_assert(eq(int, wg_tree_make(place->sandbox, NULL), 0));
    cr_assert(eq(int, wg_file_copy(getenv("WALGRIND_API_SUITE"), *ret_suite, NULL, NULL), 0));
    wg_strv_setenv(&place->env, "WALGRIND_SANDBOX", place->sandbox);
}

Test(record, paths_with_blanks_and_quotes_are_just_paths, .timeout = 60)
{
    struct place place;
    struct call call;
    char *suite = NULL;
    place_init(&place);
    make_strange(&place, &suite);
    char *binary = wg_format("--suite-binary=%s", suite);
    char *record = wg_format("--run-dir=%s", place.record);

    call_run(&call, &place, WORDS("run", binary, record, "files_locks/second*", "health"));
    cr_expect(eq(int, call.exit_code, 0), "%s%s", call.out, call.err);
    cr_expect(strstr(call.out, "verdict: PASS") != NULL, "%s", call.out);
    cr_expect(strstr(call.out, place.record) != NULL, "%s", call.out);
    call_finish(&call);

    call_run(&call, &place, WORDS("report", place.record));
    cr_expect(eq(int, call.exit_code, 0), "%s%s", call.out, call.err);
    call_finish(&call);
    free(record);
    record = wg_format("--run-dir=%s-of-a-failure", place.record);
    call_run(&call, &place,
             WORDS("run", binary, record, "--server-arg=--break=corrupt-page:5",
                   "files_locks/*lock_is*"));
    cr_expect(eq(int, call.exit_code, 1), "%s%s", call.out, call.err);
    cr_expect(strstr(call.out, "verdict: FAIL") != NULL, "%s", call.out);
    call_finish(&call);
    free(record);
    free(binary);
    free(suite);
    place_finish(&place);
}

Test(record, junit_report_of_a_failed_run_is_well_formed, .timeout = 60)
{
    struct place place;
    struct call call;
    place_init(&place);
    char *record = wg_format("--run-dir=%s", place.record);
    call_run(&call, &place,
             WORDS("run", record, "--server-arg=--break=io-error-once:12", "--isolate=suite",
                   "files_locks"));
    cr_assert(eq(int, call.exit_code, 1));
    call_finish(&call);

    call_run(&call, &place, WORDS("report", "--format=junit", place.record));

    cr_expect(eq(int, call.exit_code, 1), "%s", call.err);
    xmlDocPtr document = xmlReadMemory(call.out, (int)strlen(call.out), "junit.xml", NULL,
                                       XML_PARSE_NONET | XML_PARSE_NOERROR);
    cr_assert(document != NULL, "%s", call.out);
    cr_expect(eq(str, (char *)xmlDocGetRootElement(document)->name, "testsuites"));
    cr_expect(ge(int, lines_with(call.out, "<failure"), 1));
    xmlFreeDoc(document);
    call_finish(&call);
    free(record);
    place_finish(&place);
}

/* The first failed test in the record; the caller releases it. */
static json_t *first_failure(const char *run_directory)
{
    json_t *events = events_read(run_directory), *found = NULL, *event;
    size_t i;
    json_array_foreach(events, i, event)
    {
        const char *outcome = wg_json_str(event, "outcome", "");
        if (!found && strcmp(outcome, "failed") == 0)
            found = json_incref(event);
    }
    json_decref(events);
    return found;
}

static void fail_some(const struct place *place, const char *mode)
{
    struct call call;
    char *record = wg_format("--run-dir=%s", place->record);
    call_run(&call, place,
             WORDS("run", record, "--server-arg=--break=wrong-status", mode, "files_locks"));
    cr_assert(eq(int, call.exit_code, 1), "%s", call.err);
    call_finish(&call);
    free(record);
}

Test(record, a_failed_test_keeps_its_databases_and_tells_what_it_changed, .timeout = 60)
{
    struct place place;
    struct call call;
    place_init(&place);
    fail_some(&place, "--isolate=suite");

    json_t *failure = first_failure(place.record);
    cr_assert(failure != NULL);
    const char *kept = wg_json_str(failure, "kept", "");
    char *database = wg_format("%s/db/metadata.db", kept);
    char *readme = wg_format("%s/README.txt", kept);
    cr_expect(wg_str_starts(kept, place.record), "%s", kept);
    cr_expect(eq(int, access(database, R_OK), 0), "%s", database);
    cr_expect(eq(int, access(readme, R_OK), 0), "%s", readme);
    cr_expect(ge(sz, json_array_size(json_object_get(failure, "changes")), 1));

    call_run(&call, &place, WORDS("report", place.record));
    cr_expect(strstr(call.out, "changed in its databases:") != NULL, "%s", call.out);
    cr_expect(strstr(call.out, " inserted") != NULL, "%s", call.out);
    cr_expect(strstr(call.out, kept) != NULL, "%s", call.out);
    call_finish(&call);
    call_run(&call, &place, WORDS("report", "--format=html", place.record));
    cr_expect(strstr(call.out, "changed in its databases:") != NULL);
    call_finish(&call);
    json_decref(failure);
    free(database);
    free(readme);
    place_finish(&place);
}

/* Who changed what cannot be told there, and nobody else may open a database that tests are using.
 */
Test(record, a_failure_in_the_swarm_keeps_the_databases_at_the_end, .timeout = 60)
{
    struct place place;
    struct call call;
    place_init(&place);
    fail_some(&place, "--isolate=none");
    json_t *failure = first_failure(place.record);
    cr_assert(failure != NULL);
    cr_expect(json_object_get(failure, "changes") == NULL);
    cr_expect(json_object_get(failure, "kept") == NULL);
    json_decref(failure);
    char *kept = place_path(&place, "record/databases/unit-1");
    cr_expect(eq(int, access(kept, R_OK), 0), "%s", kept);
    call_run(&call, &place, WORDS("report", place.record));
    cr_expect(strstr(call.out, kept) != NULL, "%s", call.out);
    call_finish(&call);
    free(kept);
    place_finish(&place);
}
