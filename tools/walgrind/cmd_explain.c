/* SPDX-License-Identifier: MIT */
/* cmd_explain.c - walgrind explain: what a finding means and what to do about it. */
#include "harness/diag/detector.h"
#include "harness/diag/diag.h"
#include "tools/walgrind/commands.h"

#include <string.h>

static const struct wg_option options_table[] = {{0}};

static int explain(int argc, char **argv);

const struct wg_command wg_command_explain = {
    .name = "explain",
    .summary = "say what a finding means and what to do",
    .synopsis = "[ID…]",
    .description =
        "Prints what a finding of 'walgrind exec' means for the database, and how to put "
        "its cause right. Without an ID: a list of all that it can find.",
    .options = options_table,
    .run = explain,
};

static void print_list(void)
{
    puts("walgrind exec finds:");
    for (size_t i = 0; i < wg_detector_count; i++) {
        const char *title = wg_detectors[i].title;
        const char *hole = strstr(title, "%s");
        printf("  %-20s %.*sa database%s\n", wg_detectors[i].id, (int)(hole - title), title,
               hole + 2);
    }
    puts("\nwalgrind explain ID says what one means and what to do.");
}

static int explain_one(const char *id, struct wg_err *err)
{
    const char *names[64] = {0};
    const struct wg_detector *detector = wg_detector_find(id);
    if (detector) {
        wg_detector_print(detector, stdout);
        return 0;
    }
    for (size_t i = 0; i < wg_detector_count && i < 63; i++)
        names[i] = wg_detectors[i].id;
    const char *nearest = wg_str_nearest(id, names);
    if (nearest)
        return wg_err_set(err, WG_ERR_USAGE, "no finding is called '%s'; did you mean '%s'?", id,
                          nearest);
    return wg_err_set(err, WG_ERR_USAGE, "no finding is called '%s'; 'walgrind explain' lists them",
                      id);
}

static int explain(int argc, char **argv)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_strv ids = {0};
    struct {
        int none;
    } options;
    int parsed = wg_command_parse(&wg_command_explain, argc, argv, true, &options, &ids, &err);
    if (parsed == 0 && ids.count == 0)
        print_list();
    for (size_t i = 0; parsed == 0 && i < ids.count && !wg_err_is_set(&err); i++) {
        if (i > 0)
            putchar('\n');
        explain_one(ids.items[i], &err);
    }
    wg_strv_finish(&ids);
    return wg_err_is_set(&err) ? wg_command_fail(&wg_command_explain, &err) : WG_EXIT_PASSED;
}
