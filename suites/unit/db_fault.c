/* SPDX-License-Identifier: MIT */
/*
 * Every place where a reset of a set can fail: the n-th call fails, for n = 1, 2, ... until the
 * reset no longer meets it (all of them with WALGRIND_FAULT_STEP=1). Whatever fails, the set is as
 * it was or is the template as a whole, for the server that has it open and for whoever opens it
 * afterwards.
 *
 * reset.h names one exception, in which every member is the template but the reset is not complete;
 * it takes a write in place that fails, so a full disk must never lead there.
 */
#include "suites/unit/db_troupe.h"

#include "fixtures/db/exchange.h"
#include "harness/base/buf.h"
#include "harness/base/str.h"
#include "harness/base/token.h"
#include "suites/unit/fault_calls.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMBERS_MAX  5
#define POINTS_MAX   4000
#define DEFAULT_STEP 8
#define LOOK_MS      5

/* ---- one point ---- */

struct point {
    enum fault fault;
    long nth;
};

/* Every connection of the server sees what a new one sees. */
static void expect_server_sees(struct troupe *troupe, const struct point *point)
{
    for (size_t i = 0; i < troupe->count; i++) {
        const char *sql = "SELECT group_concat(name), (SELECT * FROM pragma_user_version), "
                          "(SELECT * FROM pragma_page_count), (SELECT * FROM "
                          "pragma_integrity_check) FROM sqlite_schema";
        char *answers[3];
        for (int k = 0; k < 3; k++) { /* 15 is a new one each time a server was started */
            worker_send(&troupe->workers[i], "sql %d %s", k == 2 ? 15 : k, sql);
            answers[k] = worker_answer(&troupe->workers[i]);
        }
        for (int k = 0; k < 3; k++)
            cr_assert(wg_str_ends(answers[k], "|ok") && strcmp(answers[k], answers[2]) == 0,
                      "%s, %s %ld: connection %d of %s: %s, a new one: %s", troupe->scenario->label,
                      fault_text(point->fault), point->nth, k, troupe->files[i], answers[k],
                      answers[2]);
        for (int k = 0; k < 3; k++)
            free(answers[k]);
    }
}

/*
 * In the middle of the reset the server wants to read every database. It may have to wait until the
 * end; answers are collected then. The time given here only makes it likelier that one that need
 * not wait has read before the reset goes on.
 */
static void look(void *context)
{
    struct troupe *troupe = context;
    for (size_t i = 0; i < troupe->count; i++)
        worker_send(&troupe->workers[i], "%s", look_sql(troupe, i));
    for (size_t i = 0; i < troupe->count; i++) {
        struct pollfd answer = {.fd = troupe->workers[i].from, .events = POLLIN};
        (void)poll(&answer, 1, LOOK_MS);
    }
    troupe->looked = true;
}

static char *ask(struct troupe *troupe, size_t member)
{
    worker_send(&troupe->workers[member], "%s", look_sql(troupe, member));
    return worker_answer(&troupe->workers[member]);
}

static void ask_all(struct troupe *troupe, char *answers[MEMBERS_MAX])
{
    for (size_t i = 0; i < troupe->count; i++)
        answers[i] = ask(troupe, i);
}

/* Nobody saw the template in a reset that failed. */
static void check_looks(struct troupe *troupe, const struct point *point, bool failed,
                        char *before[MEMBERS_MAX])
{
    for (size_t i = 0; i < troupe->count; i++) {
        char *seen = worker_answer(&troupe->workers[i]);
        char *now = ask(troupe, i);
        cr_assert(before[i] != NULL);
        bool right = strcmp(seen, before[i]) == 0 || (!failed && strcmp(seen, now) == 0);
        if (!right)
            cr_fatal("%s, %s %ld (%s): a reader of %zu.db saw %s, before it was %s, now it is %s",
                     troupe->scenario->label, fault_text(point->fault), point->nth, fault_call(), i,
                     seen, before[i], now);
        free(seen);
        free(now);
    }
}

/* Names the members that are neither one nor the other as asked for. */
static void fail_point(const struct troupe *troupe, const struct point *point, const char *what,
                       const struct wg_err *err)
{
    struct wg_buf states;
    wg_buf_init(&states, 4096);
    for (size_t i = 0; i < troupe->count; i++) {
        char *have = dump_database(troupe->files[i]);
        wg_buf_printf(&states, " %zu.db (%s) %s;", i, troupe->scenario->members[i].strategy,
                      strstr(troupe->original, have) != NULL ? "template" : "not the template");
        free(have);
    }
    cr_fatal("%s, %s %ld (%s): %s:%s %s", troupe->scenario->label, fault_text(point->fault),
             point->nth, fault_call(), what, states.data, err->message);
}

static void expect_no_remains(const struct troupe *troupe, const struct point *point)
{
    char *command =
        wg_format("cd '%s' && find . -name '*walgrind-*' -o -name '*-journal' -o -name '*-mj*'",
                  wg_dbset_directory(troupe->set));
    char *remains = output_of(command);
    if (remains[0] != '\0')
        cr_fatal("%s, %s %ld (%s): left behind: %s", troupe->scenario->label,
                 fault_text(point->fault), point->nth, fault_call(), remains);
    free(remains);
    free(command);
}

static bool is_complete(int rc, const struct wg_err *err)
{
    return rc == 0 || strstr(err->message, "in its template state, but") != NULL;
}

/* Nobody has to rebuild an index after a reset, failed or not. */
static void expect_valid_indices(const struct troupe *troupe, const struct point *point)
{
    char *command = wg_format("cd '%s' && for x in *.db-shm; do [ ! -e $x ] || "
                              "cmp -s -n 48 -i 0:48 $x $x || echo $x; done",
                              wg_dbset_directory(troupe->set));
    char *invalid = output_of(command);
    if (invalid[0] != '\0')
        cr_fatal("%s, %s %ld (%s): the index is not valid: %s", troupe->scenario->label,
                 fault_text(point->fault), point->nth, fault_call(), invalid);
    free(invalid);
    free(command);
}

/* What a reset takes back it takes back itself, where writing is possible. */
static void expect_no_journals(const struct troupe *troupe, const struct point *point)
{
    for (size_t i = 0; i < troupe->count; i++) {
        char *journal = wg_format("%s-journal", troupe->files[i]);
        if (access(journal, F_OK) == 0)
            cr_fatal("%s, %s %ld (%s): %s is left", troupe->scenario->label,
                     fault_text(point->fault), point->nth, fault_call(), journal);
        free(journal);
    }
}

static void check_state(struct troupe *troupe, const struct point *point, int rc,
                        const char *before, const struct wg_err *err)
{
    bool complete = is_complete(rc, err);
    const char *want = complete ? troupe->original : before;
    if (rc != 0 && (point->fault == FAULT_FULL || point->fault == FAULT_ONCE))
        expect_no_journals(troupe, point);
    if (rc != 0 && complete && point->fault == FAULT_FULL)
        fail_point(troupe, point, "changed, though nothing but space was wanting", err);
    char *have = set_text(troupe);
    if (strcmp(have, want) != 0)
        fail_point(troupe, point, rc != 0 ? "failed, but changed" : "done, but changed not", err);
    free(have);
    if (point->fault != FAULT_WRITES && (rc == 0 || !complete)) {
        char *recovered = recovered_text(troupe);
        if (strcmp(recovered, want) != 0)
            fail_point(troupe, point, "another state after a crash", err);
        free(recovered);
    }
}

/* True when the fault was met. */
static bool run_point(struct troupe *troupe, const struct point *point)
{
    struct wg_reset_report report;
    struct wg_err err = WG_ERR_INIT;
    char *answers[MEMBERS_MAX] = {NULL};
    change_all(troupe);
    char *before = set_text(troupe);
    if (troupe->scenario->stopped)
        stop_servers(troupe);
    else
        ask_all(troupe, answers);
    fault_arm(point->fault, point->nth, troupe->scenario->stopped ? NULL : look, troupe);
    int rc = wg_dbset_reset(troupe->set, 0, &report, &err);
    bool fired = fault_disarm();
    if (!troupe->scenario->stopped)
        expect_valid_indices(troupe, point);
    if (troupe->looked)
        check_looks(troupe, point, rc != 0 && !is_complete(rc, &err), answers);
    troupe->looked = false;
    for (size_t i = 0; i < troupe->count && !troupe->scenario->stopped; i++)
        free(answers[i]);
    cr_assert(rc == 0 || (fired && point->fault != FAULT_NONE), "%s, %s %ld: %s",
              troupe->scenario->label, fault_text(point->fault), point->nth, err.message);
    check_state(troupe, point, rc, before, &err);
    if (troupe->scenario->stopped)
        start_servers(troupe);
    expect_server_sees(troupe, point);
    if (troupe->scenario->stopped)
        stop_servers(troupe);
    err = WG_ERR_INIT;
    cr_assert(eq(int, wg_dbset_reset(troupe->set, -1, &report, &err), 0), "%s, %s %ld, again: %s",
              troupe->scenario->label, fault_text(point->fault), point->nth, err.message);
    check_state(troupe, point, 0, before, &err);
    expect_no_remains(troupe, point);
    if (troupe->scenario->stopped)
        start_servers(troupe);
    expect_server_sees(troupe, point);
    expect_sound(troupe->set);
    free(before);
    return fired;
}

/* Every point takes a minute of processor time, so a run takes every eighth, from a random one on.
 */
static long choose_step(void)
{
    long step = DEFAULT_STEP;
    const char *text = getenv("WALGRIND_FAULT_STEP");
    if (text != NULL)
        cr_assert(eq(int, wg_str_to_long(text, 1, POINTS_MAX, &step), 0));
    return step;
}

static void run_scenario(const struct scenario *scenario)
{
    fault_prepare();
    struct troupe troupe = troupe_open(scenario);
    for (int fault = 0; fault < FAULT_KINDS; fault++) {
        long step = choose_step();
        unsigned short chance;
        wg_random_bytes(&chance, sizeof chance);
        struct point point = {.fault = (enum fault)fault, .nth = 1 + chance % step};
        while (point.nth < POINTS_MAX && run_point(&troupe, &point))
            point.nth += step;
        cr_assert(lt(long, point.nth, POINTS_MAX), "%s: %s has no end", scenario->label,
                  fault_text(point.fault));
        if (getenv("WALGRIND_FAULT_VERBOSE") != NULL)
            fprintf(stderr, "%s: %s: %ld points\n", scenario->label, fault_text(point.fault),
                    point.nth / step);
    }
    troupe_close(&troupe);
}

Test(db_fault, databases_with_rollback_journals_reset_together_or_not_at_all, .timeout = 900)
{
    run_scenario(&several_rollback);
}

Test(db_fault, databases_in_wal_mode_reset_together_or_not_at_all, .timeout = 900)
{
    run_scenario(&several_wal);
}

Test(db_fault, both_journal_modes_reset_together_or_not_at_all, .timeout = 900)
{
    run_scenario(&both_journals);
}

Test(db_fault, databases_of_one_page_or_other_pages_reset_together_or_not_at_all, .timeout = 900)
{
    run_scenario(&corners);
}

Test(db_fault, guarded_databases_reset_together_or_not_at_all, .timeout = 900)
{
    run_scenario(&guards);
}

Test(db_fault, strategies_and_files_reset_together_or_not_at_all, .timeout = 900)
{
    run_scenario(&mixture);
}

Test(db_fault, recloned_databases_reset_together_or_not_at_all, .timeout = 900)
{
    run_scenario(&stopped);
}

/* ---- names ---- */

Test(db_fault, a_database_that_was_missing_is_missing_again, .timeout = 300)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_reset_report report;
    int failed = 0;
    bool fired = true;
    fault_prepare();
    struct troupe troupe = troupe_open(&stopped);
    for (long nth = 1; fired; nth += DEFAULT_STEP) {
        change_all(&troupe);
        stop_servers(&troupe);
        cr_assert(eq(int, unlink(troupe.files[0]), 0));
        fault_arm(FAULT_ONCE, nth, NULL, NULL);
        int rc = wg_dbset_reset(troupe.set, 0, &report, &err);
        fired = fault_disarm();
        bool complete = is_complete(rc, &err);
        bool there = access(troupe.files[0], F_OK) == 0;
        cr_assert(there == complete, "call %ld (%s): %s", nth, fault_call(), err.message);
        failed += !complete;
        err = WG_ERR_INIT;
        cr_assert(eq(int, wg_dbset_reset(troupe.set, -1, &report, &err), 0), "%s", err.message);
        start_servers(&troupe);
    }
    cr_assert(failed > 5, "%d", failed);
    expect_sound(troupe.set);
    troupe_close(&troupe);
}

static void expect_text(const struct place *place, const char *name, const char *text, long nth)
{
    char *command = wg_format("cd '%s' && cat '%s'", place->root, name);
    char *have = output_of(command);
    cr_assert(strcmp(have, text) == 0, "%s, call %ld: %s", name, nth, have);
    free(have);
    free(command);
}

Test(db_fault, two_files_change_places_in_three_steps_or_not_at_all, .timeout = 60)
{
    struct place place = place_create();
    char *fresh = place_path(&place, "fresh"), *path = place_path(&place, "path");
    int rc = -1;
    fault_without_exchange(true);
    for (long nth = 1; rc != 0; nth++) {
        static const char *const names[] = {"fresh", "path", "fresh.old", "path.old"};
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            place_write(&place, names[i], names[i]);
        fault_arm(FAULT_ONCE, nth, NULL, NULL);
        rc = wg_exchange(fresh, path);
        (void)fault_disarm();
        cr_assert(eq(int, rc != 0, nth <= 3));
        expect_text(&place, "fresh", rc == 0 ? "path" : "fresh", nth);
        expect_text(&place, "path", rc == 0 ? "fresh" : "path", nth);
        expect_text(&place, "fresh.old", "fresh.old", nth);
        expect_text(&place, "path.old", "path.old", nth);
    }
    cr_assert(eq(int, unlink(path), 0)); /* "path" comes to where nothing is */
    cr_assert(eq(int, wg_exchange(fresh, path), 0));
    expect_text(&place, "path", "path", 0);
    cr_expect(eq(int, wg_exchange(fresh, path), -1));
    expect_text(&place, "path", "path", 0);
    fault_without_exchange(false);
    free(fresh);
    free(path);
    place_remove(&place);
}

/* ---- killed ---- */

static void die(void *context)
{
    (void)context;
    (void)raise(SIGKILL);
}

/* Another process resets the set and is killed before its n-th call; true when it came so far. */
static bool killed_at(const struct troupe *troupe, long nth)
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct wg_dbset *set = NULL;
        if (wg_dbset_attach(troupe->tmpl, wg_dbset_directory(troupe->set), NULL, &set, NULL) != 0)
            _exit(1);
        fault_arm(FAULT_NONE, nth, die, NULL);
        _exit(wg_dbset_reset(set, 0, NULL, NULL) == 0 ? 0 : 2);
    }
    cr_assert(eq(int, waitpid(child, &status, 0), child));
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    cr_assert(killed || status == 0, "call %ld: status %x", nth, (unsigned)status);
    return killed;
}

Test(db_fault, a_killed_reset_of_rollback_journals_is_of_all_or_of_none, .timeout = 900)
{
    struct troupe troupe = troupe_open(&several_rollback);
    long nth = 1;
    long undone = 0;
    bool killed = true;
    for (; killed; nth++) {
        change_all(&troupe);
        char *before = set_text(&troupe);
        killed = killed_at(&troupe, nth);
        char *now = set_text(&troupe);
        bool is_before = strcmp(now, before) == 0;
        undone += is_before ? 1 : 0;
        cr_assert(is_before || strcmp(now, troupe.original) == 0,
                  "killed before call %ld: neither the old nor the template's state", nth);
        cr_assert(killed || !is_before, "done, but not changed");
        free(before);
        free(now);
        (void)reset_now(troupe.set);
    }
    cr_assert(undone > 50 && nth - undone > 3, "%ld points, %ld undone", nth, undone);
    expect_sound(troupe.set);
    troupe_close(&troupe);
}
