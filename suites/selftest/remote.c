/* SPDX-License-Identifier: MIT */
/* remote.c - walgrind run --server-url: a server that somebody else started. */
#include "suites/selftest/support.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_MS 20 /* between two looks at the output of a server that is starting */

/* The address that a server has printed into its output; the caller frees it. */
static char *await_address(const struct call *server)
{
    char line[256] = "";
    for (int i = 0; i < CALL_TIMEOUT_MS / STEP_MS && !strchr(line, '\n'); i++) {
        FILE *file = fopen(server->out_path, "re");
        if (!file || !fgets(line, sizeof line, file))
            line[0] = '\0';
        if (file)
            fclose(file);
        poll(NULL, 0, STEP_MS);
    }
    cr_assert(strncmp(line, "ready http://", 13) == 0, "it said: %s", line);
    line[strcspn(line, "\n")] = '\0';
    return wg_strdup(line + 6);
}

Test(remote, server_of_somebody_else_is_used_and_left_alone, .timeout = 60)
{
    struct place there, here;
    struct call server, call;
    place_init(&there);
    place_init(&here);
    char *data = place_path(&there, "data");
    call_start_program(&server, &there, getenv("WALGRIND_REFSERVER"),
                       WORDS("--port", "0", "--data", data));
    char *url = await_address(&server);
    char *option = wg_format("--server-url=%s", url);
    char *record = wg_format("--run-dir=%s", here.record);

    call_run(&call, &here, WORDS("run", option, record, "storage/*", "health/*", "files_locks/*"));

    json_t *events = events_read(here.record);
    cr_expect(eq(int, call.exit_code, 0), "%s%s", call.out, call.err);
    cr_expect(ge(int, events_count(events, "test-finished", "{\"outcome\":\"passed\"}"), 21));
    int skipped = events_count(events, "test-finished", "{\"outcome\":\"skipped\"}");
    cr_expect(ge(int, skipped, 8));
    char *says = wg_format("skipped: %d x needs access to the server's files", skipped);
    cr_expect(strstr(call.out, says) != NULL, "no \"%s\" in:\n%s", says, call.out);
    cr_expect(eq(int, events_count(events, "verified", NULL), 0));
    cr_expect(eq(int, events_count(events, "probed", "{\"off\":\"~--server-url\"}"), 1));
    cr_expect(strstr(call.out, "not covered: --server-url") != NULL, "%s", call.out);
    call_signal(&server, SIGTERM);
    call_wait(&server, CALL_TIMEOUT_MS);
    cr_expect(eq(int, server.exit_code, 0), "the run has ended it");
    json_decref(events);
    call_finish(&call);
    call_finish(&server);
    free(says);
    free(record);
    free(option);
    free(url);
    free(data);
    place_finish(&here);
    place_finish(&there);
}

/* Python's file server: an unknown path is 404 for GET, and 501 for POST. */
Test(remote, missing_resources_are_skipped_by_name, .timeout = 60)
{
    struct place there, here;
    struct call server, call;
    char line[256] = "";
    place_init(&there);
    place_init(&here);
    call_start_program(&server, &there, "/usr/bin/env",
                       WORDS("python3", "-u", "-m", "http.server", "--bind", "127.0.0.1", "0"));
    for (int i = 0; i < CALL_TIMEOUT_MS / STEP_MS && !strstr(line, "http://"); i++) {
        FILE *file = fopen(server.out_path, "re");
        if (file && !fgets(line, sizeof line, file))
            line[0] = '\0';
        if (file)
            fclose(file);
        poll(NULL, 0, STEP_MS);
    }
    char *address = strstr(line, "http://");
    cr_assert(address != NULL, "it said: %s", line);
    address[strcspn(address + 7, "/") + 7] = '\0';
    char *option = wg_format("--server-url=%s", address);
    char *record = wg_format("--run-dir=%s", here.record);

    call_run(&call, &here, WORDS("run", option, record, "export/*", "validation/*"));

    json_t *events = events_read(here.record);
    cr_expect(strstr(call.out, "x the server has no export: GET /api/v1/export answers 404") !=
                  NULL,
              "%s%s", call.out, call.err);
    cr_expect(strstr(call.out,
                     "x the server has no validation: POST /api/v1/validate answers 501") != NULL,
              "%s", call.out);
    cr_expect(ge(int, events_count(events, "test-finished", "{\"outcome\":\"skipped\"}"), 30));
    cr_expect(eq(int, events_count(events, "test-finished", "{\"outcome\":\"passed\"}"), 0));
    cr_expect(eq(int, events_count(events, "evidence", NULL), 0));
    call_signal(&server, SIGTERM);
    call_wait(&server, CALL_TIMEOUT_MS);
    json_decref(events);
    call_finish(&call);
    call_finish(&server);
    free(record);
    free(option);
    place_finish(&here);
    place_finish(&there);
}

Test(remote, mistakes_are_one_line, .timeout = 60)
{
    static const struct {
        const char *words[4];
        int exit_code;
        const char *says;
    } cases[] = {
        {{"--server-url=nonsense"}, 2, "takes http://HOST:PORT, not 'nonsense'"},
        {{"--server-url=http://"}, 2, "takes http://HOST:PORT, not 'http://'"},
        /* Port 1 belongs to nobody here, and no unprivileged program can take it. */
        {{"--server-url=http://127.0.0.1:1"}, 3, "no server answers at http://127.0.0.1:1: "},
        {{"--server-url=http://127.0.0.1:1", "--check=true"}, 2, "--check is for servers that"},
        {{"--server-url=http://127.0.0.1:1", "--isolate=suite"}, 2, "cannot isolate"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct place place;
        struct call call;
        place_init(&place);
        call_run(&call, &place,
                 cases[i].words[1] ? WORDS("run", cases[i].words[0], cases[i].words[1])
                                   : WORDS("run", cases[i].words[0]));
        cr_expect(eq(int, call.exit_code, cases[i].exit_code), "%s", call.err);
        cr_expect(strstr(call.err, cases[i].says) != NULL, "%s", call.err);
        cr_expect(strchr(call.err, '\n') == strrchr(call.err, '\n'), "%s", call.err);
        cr_expect(not(place_has(&place, "work/.walgrind")));
        call_finish(&call);
        place_finish(&place);
    }
}
