/* SPDX-License-Identifier: MIT */
/*
 * SIGKILL at random points: of the process that resets, and of the server that is being reset.
 *
 * A timer of the kernel sends the signal (timer_create with SIGKILL), so that it comes between any
 * two instructions and needs nobody to be awake. Number of points and seed come from
 * WALGRIND_KILL_POINTS and WALGRIND_KILL_SEED; the seed in use is part of every message.
 */
#include "suites/unit/db_support.h"

#include "harness/base/clock.h"
#include "harness/base/str.h"
#include "harness/base/token.h"
#include "harness/sys/tree.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_POINTS 60 /* a strategy */
#define MORE           10 /* times as many at most, when too few resets met their signal */

static long from_environment(const char *name, long fallback)
{
    const char *text = getenv(name);
    long value;
    return text != NULL && wg_str_to_long(text, 1, LONG_MAX, &value) == 0 ? value : fallback;
}

static long choose_seed(void)
{
    unsigned short fresh;
    wg_random_bytes(&fresh, sizeof fresh);
    return from_environment("WALGRIND_KILL_SEED", 1 + fresh);
}

static uint32_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

/* One process that clones, waits for a word, resets, and may die in the middle. */
struct resetter {
    pid_t pid;
    int to;
    int from;
};

static void arm(long after_ns)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    struct itimerspec at = {
        .it_value = {.tv_sec = after_ns / WG_NS_PER_S, .tv_nsec = after_ns % WG_NS_PER_S}};
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 ||
        timer_settime(timer, 0, &at, NULL) != 0)
        _exit(4);
}

static void resetter_main(const struct wg_template *tmpl, const char *directory,
                          const char *strategy, long kill_after_ns, int in, int out)
{
    struct wg_dbset *set = NULL;
    struct wg_dbset_options options = {.strategy = strategy};
    char byte = 'c';
    int64_t times[2];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (wg_dbset_clone(tmpl, directory, &options, &set, NULL) != 0 || write(out, &byte, 1) != 1)
        _exit(1);
    if (read(in, &byte, 1) != 1)
        _exit(1);
    if (kill_after_ns > 0)
        arm(kill_after_ns);
    times[0] = wg_clock_now_ns();
    if (wg_dbset_reset(set, 5000, NULL, NULL) != 0)
        _exit(2);
    times[1] = wg_clock_now_ns();
    (void)write(out, times, sizeof times);
    (void)read(in, &byte, 1); /* keeps the guard until it is told to go, or killed */
    _exit(0);
}

static struct resetter resetter_start(const struct wg_template *tmpl, const char *directory,
                                      const char *strategy, long kill_after_ns)
{
    int to[2];
    int from[2];
    char byte = 0;
    cr_assert(eq(int, pipe2(to, O_CLOEXEC), 0));
    cr_assert(eq(int, pipe2(from, O_CLOEXEC), 0));
    pid_t pid = fork();
    if (pid == 0) {
        close(to[1]);
        close(from[0]);
        resetter_main(tmpl, directory, strategy, kill_after_ns, to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    cr_assert(eq(long, read(from[0], &byte, 1), 1), "the clone failed");
    return (struct resetter){pid, to[1], from[0]};
}

/* Lets it reset; gives the duration, 0 when it was killed in the middle. */
static int64_t resetter_go(struct resetter *resetter)
{
    int64_t times[2] = {0, 0};
    int status = 0;
    cr_assert(eq(long, write(resetter->to, "g", 1), 1));
    bool done = read(resetter->from, times, sizeof times) == (ssize_t)sizeof times;
    close(resetter->to);
    close(resetter->from);
    cr_assert(eq(int, waitpid(resetter->pid, &status, 0), resetter->pid));
    bool as_expected = status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    cr_assert(as_expected, "the reset failed: status %x", (unsigned)status);
    return done ? times[1] - times[0] : 0;
}

/* What happened over all points of one strategy. */
struct tally {
    long killed;
    long before;
    long after;
};

struct trial {
    struct place place;
    const struct wg_template *tmpl;
    const struct wg_reset_strategy_info *info;
    char *directory;
    char *database;
    char *template_dump;
    uint64_t random;
    long seed;
};

static void change_something(struct worker *worker, struct trial *trial)
{
    char *mark = wg_format("sql 0 UPDATE person SET name = 'mark %u'", next_random(&trial->random));
    worker_expect(worker, mark, "ok");
    if (next_random(&trial->random) % 2 == 0)
        worker_expect(worker, "sql 1 CREATE TABLE fresh AS SELECT * FROM note", "ok");
    if (next_random(&trial->random) % 3 == 0) {
        worker_expect(worker, "sql 2 DELETE FROM note", "ok");
        worker_expect(worker, "sql 2 VACUUM", "ok");
    }
    for (int i = 0; i < 4; i++) {
        char *read = wg_format("sql %d SELECT count(*) FROM person", i);
        worker_expect(worker, read, "ok 200");
        free(read);
    }
    free(mark);
}

/* The database as a whole is in one of two states, and sound; says which. */
static const char *state_of(const struct trial *trial, const char *before)
{
    struct worker fresh = worker_start(trial->database);
    worker_expect(&fresh, "sql 0 PRAGMA integrity_check", "ok ok"); /* rolls a hot journal back */
    worker_expect(&fresh, "sql 0 PRAGMA foreign_key_check", "ok");
    worker_stop(&fresh);
    char *now = dump_database(trial->database);
    const char *state = strcmp(now, trial->template_dump) == 0 ? "after"
                        : strcmp(now, before) == 0             ? "before"
                                                               : NULL;
    cr_assert(state != NULL, "%s, seed %ld: neither the old nor the template's state",
              trial->info->name, trial->seed);
    free(now);
    return state;
}

/* Every connection of the running server, with its caches, sees the state that a new one sees. */
static void expect_server_sees(struct worker *worker, const char *state)
{
    bool after = strcmp(state, "after") == 0;
    for (int i = 0; i < 4; i++) {
        char *mark = wg_format("sql %d SELECT count(*) FROM person WHERE name LIKE 'mark %%'", i);
        worker_expect(worker, mark, after ? "ok 0" : "ok 200");
        free(mark);
        char *check = wg_format("sql %d PRAGMA integrity_check", i);
        worker_expect(worker, check, "ok ok");
        free(check);
    }
}

static int64_t run_point(struct trial *trial, long kill_after_ns, struct tally *tally)
{
    struct wg_err err = WG_ERR_INIT;
    bool live = trial->info->live;
    struct resetter resetter =
        resetter_start(trial->tmpl, trial->directory, trial->info->name, kill_after_ns);
    struct worker server = worker_start(trial->database);
    change_something(&server, trial);
    char *before = dump_database(trial->database);
    if (!live)
        worker_kill(&server);
    int64_t duration_ns = resetter_go(&resetter);
    const char *state = state_of(trial, before);
    if (live) {
        expect_server_sees(&server, state);
        worker_expect(&server, "sql 3 INSERT INTO person(name) VALUES ('goes on')", "ok");
        worker_expect(&server, "sql 0 DELETE FROM person WHERE name = 'goes on'", "ok");
        if (next_random(&trial->random) % 2 == 0)
            worker_stop(&server);
        else
            worker_kill(&server);
        struct worker fresh = worker_start(trial->database);
        expect_server_sees(&fresh, state);
        worker_stop(&fresh);
    }
    if (duration_ns == 0)
        tally->killed++;
    *(strcmp(state, "after") == 0 ? &tally->after : &tally->before) += 1;
    cr_assert(eq(int, duration_ns != 0 && strcmp(state, "before") == 0, 0),
              "%s, seed %ld: a reset that ended left the old state", trial->info->name,
              trial->seed);
    free(before);
    cr_assert(eq(int, wg_tree_remove(trial->directory, &err), 0), "%s", err.message);
    return duration_ns;
}

/* Enough of each outcome that a wrong one would have had its chance. */
static bool has_met(const struct tally *tally, long points)
{
    return tally->killed >= points / 10 && tally->before >= 1 && tally->after >= 1;
}

static void kill_resets(const struct wg_reset_strategy_info *info, struct place *place,
                        const struct wg_template *tmpl, long seed)
{
    struct tally warm_up = {0};
    struct tally tally = {0};
    char *uri = wg_format("file:%s/app.db?immutable=1", wg_template_path(tmpl));
    struct trial trial = {.place = *place, .tmpl = tmpl, .info = info, .seed = seed};
    trial.directory = place_path(place, "clone");
    trial.database = wg_format("%s/app.db", trial.directory);
    trial.template_dump = dump_database(uri);
    trial.random = (uint64_t)seed;
    int64_t shortest_ns = INT64_MAX; /* the others may have waited for a processor */
    for (int i = 0; i < 5; i++) {
        int64_t duration_ns = run_point(&trial, 0, &warm_up);
        shortest_ns = duration_ns < shortest_ns ? duration_ns : shortest_ns;
    }
    /*
     * The range follows the machine's mood, so that about every second reset meets its signal.
     * Where it began far off, a few points are over before it is right: then there are more of
     * them.
     */
    long points = from_environment("WALGRIND_KILL_POINTS", DEFAULT_POINTS);
    double range_ns = (double)shortest_ns;
    for (long i = 0; i < points || (i < MORE * points && !has_met(&tally, points)); i++) {
        long after_ns = 1 + (long)(next_random(&trial.random) / (double)UINT32_MAX * 2 * range_ns);
        range_ns *= run_point(&trial, after_ns, &tally) == 0 ? 1.1 : 0.9;
    }
    cr_log_info("%s: seed %ld, %ld points: %ld killed in the reset, %ld left the old state, %ld "
                "the template's",
                info->name, seed, tally.before + tally.after, tally.killed, tally.before,
                tally.after);
    cr_expect(ge(long, tally.killed, points / 10), "the signal hardly ever met a reset");
    cr_expect(ge(long, tally.before, 1), "%s: never the old state", info->name);
    cr_expect(ge(long, tally.after, 1), "%s: never the new state", info->name);
    free(uri);
    free(trial.directory);
    free(trial.database);
    free(trial.template_dump);
}

static void kill_all_resets(const char *sql, long seed)
{
    struct place place = place_create();
    struct wg_template *tmpl = template_from_sql(&place, "app.db", sql);
    for (size_t i = 0; i < wg_reset_strategy_count(); i++) {
        const struct wg_reset_strategy_info *info = wg_reset_strategy(i);
        if (info->resets && (sql == sample_wal_sql || !info->keeps_base))
            kill_resets(info, &place, tmpl, seed);
    }
    wg_template_destroy(tmpl);
    place_remove(&place);
}

Test(db_kill, a_reset_that_is_killed_leaves_the_old_or_the_new_state, .timeout = 3600)
{
    kill_all_resets(sample_wal_sql, choose_seed());
}

Test(db_kill, with_a_rollback_journal_as_well, .timeout = 3600)
{
    kill_all_resets(sample_rollback_sql, choose_seed());
}

/* From a process of its own, so that it comes in the middle of whatever this one does then. */
static pid_t kill_later(pid_t victim, long after_ns)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct timespec wait = {.tv_nsec = after_ns};
        (void)ppoll(NULL, 0, &wait, NULL);
        _exit(kill(victim, SIGKILL) == 0 ? 0 : 1);
    }
    cr_assert(ge(int, pid, 1));
    return pid;
}

/* Reads, commits, waits and resets go on until the server dies; the next reset makes it all good.
 */
static void kill_servers(const struct wg_reset_strategy_info *info, const char *sql, long seed)
{
    struct place place = place_create();
    struct wg_template *tmpl = template_from_sql(&place, "app.db", sql);
    struct wg_dbset *set = clone_with(&place, tmpl, info->name);
    char *database = wg_format("%s/app.db", wg_dbset_directory(set));
    char *uri = wg_format("file:%s/app.db?immutable=1", wg_template_path(tmpl));
    char *want = dump_database(uri);
    uint64_t random = (uint64_t)seed;
    long points = from_environment("WALGRIND_KILL_POINTS", DEFAULT_POINTS);
    long done = 0;
    for (long i = 0; i < points; i++) {
        struct worker worker = worker_start(database);
        worker_expect(&worker, "sql 0 SELECT count(*) FROM person", "ok 200");
        worker_send(&worker, "storm 1000000 %u", next_random(&random));
        pid_t killer = kill_later(worker_pid(&worker), next_random(&random) % 3000000);
        while (waitpid(killer, NULL, WNOHANG) == 0) {
            struct wg_err err = WG_ERR_INIT;
            int rc = wg_dbset_reset(set, 5, NULL, &err);
            cr_assert(rc == 0 || err.kind == WG_ERR_TIMEOUT, "%s, seed %ld, point %ld: %s",
                      info->name, seed, i, err.message);
            done += rc == 0;
        }
        worker_kill(&worker);
        (void)reset_now(set);
        char *have = dump_database(database);
        cr_assert(eq(int, strcmp(have, want), 0), "%s, seed %ld, point %ld", info->name, seed, i);
        free(have);
        expect_sound(set);
    }
    cr_log_info("%s: seed %ld, %ld servers killed beside %ld resets", info->name, seed, points,
                done);
    cr_expect(ge(long, done, points / 10), "%s: hardly a reset while the server lived", info->name);
    wg_dbset_destroy(set);
    wg_template_destroy(tmpl);
    place_remove(&place);
    free(database);
    free(uri);
    free(want);
}

Test(db_kill, a_server_that_is_killed_does_not_hinder_the_reset, .timeout = 3600)
{
    long seed = choose_seed();
    for (size_t i = 0; i < wg_reset_strategy_count(); i++) {
        const struct wg_reset_strategy_info *info = wg_reset_strategy(i);
        if (!info->live || !info->resets)
            continue;
        kill_servers(info, sample_wal_sql, seed);
        if (!info->keeps_base)
            kill_servers(info, sample_rollback_sql, seed);
    }
}
