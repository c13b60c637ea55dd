/* SPDX-License-Identifier: MIT */
/* cmd_doctor.c - walgrind doctor: databases and their users, looked at without running anything. */
#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "tools/walgrind/commands.h"
#include "tools/walgrind/doctor/doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct doctor_options {
    bool json;
};

static const struct wg_option options_table[] = {
    {"json", 0, WG_OPTION_FLAG, offsetof(struct doctor_options, json), NULL,
     "The findings as a JSON array.", 0, 0},
    {0},
};

static int doctor(int argc, char **argv);

const struct wg_command wg_command_doctor = {
    .name = "doctor",
    .summary = "look at databases and at the processes that use them",
    .synopsis = "[OPTION…] [DIRECTORY | DATABASE]",
    .description =
        "Tells what is wrong or risky with the databases below a directory without running or opening "
        "anything: file systems on which locks do not work, deleted files that processes still have "
        "open, databases with two names, WALs and journals that were left behind or lie alone, "
        "versions of SQLite with known faults, and who holds which lock. Processes of other users are "
        "seen by root only; how many were not seen is told. Exit code 1 when something is bad.",
    .options = options_table,
    .run = doctor,
};

static const char *const grades[] = {
    [DOCTOR_NOTE] = "note", [DOCTOR_WARN] = "warn", [DOCTOR_BAD] = "bad"};

void doctor_tell(struct doctor *doctor, enum doctor_grade grade, const char *path, pid_t pid,
                 const char *advice, const char *format, ...)
{
    struct wg_buf text;
    va_list values;
    wg_buf_init(&text, WG_LIMIT_MESSAGE);
    va_start(values, format);
    wg_buf_vprintf(&text, format, values);
    va_end(values);
    json_t *finding = json_pack("{s:s, s:o, s:o}", "grade", grades[grade], "path",
                                wg_json_string_new(path, strlen(path)), "message",
                                wg_json_string_new(text.data, text.size));
    if (pid > 0)
        json_object_set_new(finding, "pid", json_integer(pid));
    if (advice)
        json_object_set_new(finding, "advice", json_string(advice));
    json_array_append_new(doctor->findings, finding);
    doctor->counts[grade]++;
    wg_buf_finish(&text);
}

/* Names of files are anybody's words: what is not to be seen becomes '?'. */
static void put_visible(const char *text)
{
    for (; *text; text++)
        putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

/* A line each, the worst first; advice below. */
static void print_findings(const struct doctor *doctor)
{
    for (int grade = DOCTOR_BAD; grade >= DOCTOR_NOTE; grade--) {
        size_t i;
        json_t *finding;
        json_array_foreach(doctor->findings, i, finding)
        {
            if (strcmp(wg_json_str(finding, "grade", ""), grades[grade]) != 0)
                continue;
            printf("%-5s ", grades[grade]);
            put_visible(wg_json_str(finding, "path", ""));
            fputs(": ", stdout);
            if (json_object_get(finding, "pid"))
                printf("pid %lld: ", (long long)wg_json_int(finding, "pid", 0));
            put_visible(wg_json_str(finding, "message", ""));
            putchar('\n');
            if (json_object_get(finding, "advice"))
                printf("      %s\n", wg_json_str(finding, "advice", ""));
        }
    }
    printf("%d bad, %d to think about", doctor->counts[DOCTOR_BAD], doctor->counts[DOCTOR_WARN]);
    if (doctor->unseen > 0)
        printf(", %d process%s not seen", doctor->unseen, doctor->unseen == 1 ? "" : "es");
    putchar('\n');
}

static int examine(const char *place, struct doctor *doctor, struct wg_err *err)
{
    struct doctor_files files;
    char *path = realpath(place, NULL);
    if (!path)
        return wg_err_set(err, WG_ERR_USAGE, "%s: %s", place, strerror(errno));
    int rc = doctor_files_find(path, &files, err);
    if (rc == 0) {
        doctor_look_at_places(doctor, &files, path);
        doctor_look_at_processes(doctor, &files, path);
        doctor_look_at_files(doctor, &files);
        if (files.count == 0 && files.unread.count == 0)
            doctor_tell(doctor, DOCTOR_NOTE, path, 0, NULL, "no database is here");
        doctor_files_finish(&files);
    }
    free(path);
    return rc;
}

static int doctor(int argc, char **argv)
{
    struct wg_err err = WG_ERR_INIT;
    struct doctor_options options = {0};
    struct wg_strv operands = {0};
    struct doctor doctor = {.findings = json_array()};
    int exit_code = WG_EXIT_PASSED;
    int parsed = wg_command_parse(&wg_command_doctor, argc, argv, false, &options, &operands, &err);
    if (parsed == 0 && operands.count > 1)
        parsed =
            wg_err_set(&err, WG_ERR_USAGE, "one directory or database, not %zu", operands.count);
    if (parsed == 0)
        parsed = examine(operands.count > 0 ? operands.items[0] : ".", &doctor, &err) == 0 ? 1 : -1;
    if (parsed < 0) {
        exit_code = wg_command_fail(&wg_command_doctor, &err);
    } else if (parsed > 0 && json_array_size(doctor.findings) > 0) {
        if (options.json) {
            json_dumpf(doctor.findings, stdout, JSON_INDENT(2));
            putchar('\n');
        } else {
            print_findings(&doctor);
        }
        exit_code = doctor.counts[DOCTOR_BAD] > 0 ? WG_EXIT_FAILED : WG_EXIT_PASSED;
    }
    json_decref(doctor.findings);
    wg_strv_finish(&operands);
    return exit_code;
}
