/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/run_tests.h"

#include "harness/base/shell.h"
#include "harness/foreign/command.h"

#include <string.h>

int wg_run_tests_check(const struct wg_run_config *given, const struct wg_strv *operands,
                       struct wg_err *err)
{
    const struct {
        const char *name;
        bool given;
    } foreign[] = {
        {"suite-binary", given->suite_binary != NULL},
        {"both", given->both},
        {"workers", given->workers > 0},
        {"suite-timeout", given->suite_timeout_ms > 0},
        {"retries", given->retries > 0},
        {"flaky", given->flaky != NULL},
        {"copies", given->copies > 1},
        {"shuffle", given->shuffle},
        {"seed", given->seed > 0},
        {"filter", given->selection.filter != NULL},
        {"failed", given->selection.failed},
        {"partition", given->selection.partition != NULL},
    };
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        if (foreign[i].given)
            return wg_err_set(err, WG_ERR_USAGE,
                              "--%s is for the tests of a suite binary, not for --tests",
                              foreign[i].name);
    if (given->isolate && !wg_mode_find(given->isolate)->swarm)
        return wg_err_set(err, WG_ERR_USAGE,
                          "--tests cannot isolate: its command runs once, on one server");
    if (operands->count > 0)
        return wg_err_set(err, WG_ERR_USAGE,
                          "'%s' selects nothing in --tests: put it into the command",
                          operands->items[0]);
    return 0;
}

int wg_run_tests_execute(const char *tests, const struct wg_run_options *options,
                         const struct wg_run_directory *directory, const struct wg_run_probe *probe,
                         struct wg_event_log *log, struct wg_err *err)
{
    struct wg_strv argv = {0};
    int rc = -1;
    wg_shell_server_command(tests, &argv);
    if (wg_run_probe_command(probe, &argv, err) != 0)
        goto out;
    const struct wg_foreign_command command = {
        .argv = argv.items,
        .junit_path = strstr(tests, "{junit}") ? directory->tests_xml : NULL,
        .log_path = directory->suite_log,
    };
    rc = wg_foreign_run(options, &command, log, err);
out:
    wg_strv_finish(&argv);
    return rc;
}
