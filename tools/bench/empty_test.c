/* SPDX-License-Identifier: MIT */
/*
 * empty_test.c - what one empty test costs under our fork server and under other runners.
 *
 *     bench-empty-test SUITE_BINARY
 *
 * Every runner executes the same number of empty tests, two at a time; ours and Criterion's run the
 * same binary. CPU is user + system of all processes, as wait4(2) accounts them. One run, one
 * table; runners that are not installed are named as such. Absolute times depend on the machine and
 * on what else it does, so look at the ratios.
 */
#include "harness/base/clock.h"
#include "harness/base/str.h"
#include "harness/run/attempt.h"
#include "harness/run/pollset.h"
#include "harness/sys/process.h"
#include "harness/sys/tree.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define TESTS      500
#define AT_ONCE    2
#define TIMEOUT_MS 120000

struct cost {
    double wall_ms, cpu_ms; /* of one test */
};

/* ---- Ours: in a process of its own, so that its whole cost is that of one child ---- */

static void on_events(void *attempt)
{
    wg_attempt_read_events(attempt);
}

static void take_messages(struct wg_suite_client *client, struct wg_attempt *running[AT_ONCE])
{
    json_t *message = NULL;
    while (wg_suite_client_receive(client, &message, NULL) > 0) {
        long long run = json_integer_value(json_object_get(message, "run"));
        for (int i = 0; i < AT_ONCE; i++)
            if (running[i] && wg_attempt_number(running[i]) == run)
                wg_attempt_take_message(running[i], message);
        json_decref(message);
    }
}

static bool run_all(struct wg_suite_client *client, const struct wg_plan *plan,
                    struct wg_event_log *log, struct wg_err *err)
{
    struct wg_attempt *running[AT_ONCE] = {0};
    struct wg_strv env = {0};
    struct wg_pollset set = {0};
    size_t next = 0, done = 0, passed = 0;
    wg_strv_push(&env, "WALGRIND_URL=http://127.0.0.1:1");
    while (done < plan->test_count) {
        wg_pollset_reset(&set);
        for (int i = 0; i < AT_ONCE; i++) {
            if (running[i] && wg_attempt_ended(running[i])) {
                bool retry;
                passed += wg_attempt_finish(running[i], NULL, NULL, &retry) == WG_OUTCOME_PASSED;
                running[i] = NULL;
                done++;
            }
            if (!running[i] && next < plan->test_count) {
                struct wg_attempt_options options = {.number = (long long)next + 1,
                                                     .test = &plan->tests[next],
                                                     .mode = "bench",
                                                     .timeout_ms = TIMEOUT_MS,
                                                     .env = &env,
                                                     .repeat = ""};
                if (wg_attempt_start(&options, client, log, &running[i], err) != 0)
                    return false;
                next++;
            }
            if (running[i])
                wg_pollset_add(&set, wg_attempt_event_fd(running[i]), POLLIN, on_events,
                               running[i]);
        }
        wg_pollset_add(&set, wg_suite_client_fd(client), POLLIN, NULL, NULL);
        if (done < plan->test_count && wg_pollset_wait(&set, err) != 0)
            return false;
        take_messages(client, running);
    }
    wg_strv_finish(&env);
    wg_pollset_finish(&set);
    return passed == plan->test_count;
}

static int run_ours(const char *binary)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_suite_client *client = NULL;
    struct wg_event_log *log = NULL;
    struct wg_plan plan = {0};
    bool ok = wg_event_log_create("events.jsonl", &log, &err) == 0 &&
              wg_suite_client_start((char *[]){(char *)binary, NULL}, STDERR_FILENO, TIMEOUT_MS,
                                    &client, &err) == 0 &&
              wg_suite_client_list(client, TIMEOUT_MS, &plan, &err) == 0 &&
              plan.test_count == TESTS && run_all(client, &plan, log, &err);
    if (!ok)
        fprintf(stderr, "bench-empty-test: %s\n", err.message);
    wg_suite_client_destroy(client);
    wg_event_log_destroy(log);
    wg_plan_finish(&plan);
    return ok ? 0 : 1;
}

/* ---- Measuring a command ---- */

static int measure(const char *const *words, struct cost *ret_cost)
{
    struct wg_strv argv = {0};
    struct wg_process *process = NULL;
    struct rusage usage = {0};
    int status = -1;
    int log = open("output.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    struct wg_process_options options = WG_PROCESS_OPTIONS_INIT;
    options.stdout_fd = options.stderr_fd = log;
    for (; *words; words++)
        wg_strv_push(&argv, *words);
    options.argv = argv.items;
    int64_t begun_ns = wg_clock_now_ns();
    int rc = -1;
    if (wg_process_start(&options, &process, NULL) == 0 &&
        wg_process_wait(process, wg_deadline_in_ms(TIMEOUT_MS), &status, &usage, NULL) == 1 &&
        status == 0)
        rc = 0;
    ret_cost->wall_ms = (double)(wg_clock_now_ns() - begun_ns) / 1e6 / TESTS;
    ret_cost->cpu_ms = ((double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
                        (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3) /
                       TESTS;
    wg_process_destroy(process);
    wg_strv_finish(&argv);
    close(log);
    return rc;
}

static void write_peers(void)
{
    FILE *python = fopen("test_empty.py", "we"), *node = fopen("empty.test.mjs", "we");
    if (!python || !node)
        exit(3);
    fputs("import { test } from 'node:test';\n", node);
    for (int i = 0; i < TESTS; i++) {
        fprintf(python, "def test_%d():\n    pass\n", i);
        fprintf(node, "test('test %d', () => {});\n", i);
    }
    fclose(python);
    fclose(node);
}

static void print_row(const char *name, int rc, const struct cost *cost, const struct cost *ours)
{
    if (rc != 0)
        printf("| %-34s | not installed, or failed | | | |\n", name);
    else
        printf("| %-34s | %.3f ms | %.3f ms | %.1fx | %.1fx |\n", name, cost->wall_ms, cost->cpu_ms,
               cost->wall_ms / ours->wall_ms, cost->cpu_ms / ours->cpu_ms);
}

static int compare(const char *self, const char *binary)
{
    const char *const ours_words[] = {self, "--ours", binary, NULL};
    const char *const criterion_words[] = {binary, "-j2", NULL};
    const char *const pytest_words[] = {
        "/usr/bin/python3", "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider",
        "test_empty.py",    NULL};
    const char *const node_words[] = {"node", "--test", "empty.test.mjs", NULL};
    struct cost ours, cost;
    write_peers();
    if (measure(ours_words, &ours) != 0)
        return 1;
    printf("%d empty tests, %d at once\n\n", TESTS, AT_ONCE);
    puts("| runner | wall per test | CPU per test | wall against ours | CPU against ours |");
    puts("|---|---|---|---|---|");
    print_row("walgrind's fork server", 0, &ours, &ours);
    int rc = measure(criterion_words, &cost);
    print_row("Criterion's runner, same binary", rc, &cost, &ours);
    rc = measure(pytest_words, &cost);
    print_row("pytest-xdist -n 2", rc, &cost, &ours);
    rc = measure(node_words, &cost);
    print_row("node --test", rc, &cost, &ours);
    return 0;
}

int main(int argc, char **argv)
{
    char directory[] = "/tmp/walgrind-bench-XXXXXX";
    if (argc == 3 && strcmp(argv[1], "--ours") == 0)
        return run_ours(argv[2]);
    if (argc != 2) {
        fputs("usage: bench-empty-test SUITE_BINARY\n", stderr);
        return 2;
    }
    char *self = realpath("/proc/self/exe", NULL), *binary = realpath(argv[1], NULL);
    if (!self || !binary || !mkdtemp(directory) || chdir(directory) != 0) {
        perror("bench-empty-test");
        return 3;
    }
    int rc = compare(self, binary);
    wg_tree_remove(directory, NULL);
    free(self);
    free(binary);
    return rc;
}
