/* SPDX-License-Identifier: MIT */
/* run_classify.c - SQLite's complaints are recognised, and nothing else is. */
#include "harness/base/json.h"
#include "harness/base/sqlite_code.h"
#include "harness/run/classify.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <string.h>

#define NO_CLASS "none"

struct line_case {
    char label[40];
    char line[160];
    char class_[12];
    char name[32];
};

/* clang-format off */
ParameterizedTestParameters(classify, log_line_has_its_class)
{
    static struct line_case rows[] = {
        {"short read", "{\"event\":\"sqlite\",\"code\":522}", "io", "SQLITE_IOERR_SHORT_READ"},
        {"moved database", "{\"event\":\"sqlite\",\"code\":1032}", "io", "SQLITE_READONLY_DBMOVED"},
        {"plain malformed", "{\"event\":\"sqlite\",\"code\":11}", "corrupt", "SQLITE_CORRUPT"},
        {"not a database", "{\"event\":\"sqlite-log\",\"code\":26}", "corrupt", "SQLITE_NOTADB"},
        {"full", "{\"event\":\"sqlite\",\"code\":13}", "io", "SQLITE_FULL"},
        {"protocol", "{\"event\":\"sqlite\",\"code\":15}", "io", "SQLITE_PROTOCOL"},
        {"busy snapshot", "{\"event\":\"sqlite\",\"code\":517}", "busy", "SQLITE_BUSY_SNAPSHOT"},
        {"constraint", "{\"event\":\"sqlite\",\"code\":1555}", NO_CLASS, ""},
        {"leak", "{\"event\":\"leak\",\"method\":\"GET\",\"path\":\"/x\"}", "leak", ""},
        {"done", "{\"event\":\"sqlite\",\"code\":101}", NO_CLASS, ""},
        {"a request that quotes it", "{\"event\":\"request\",\"path\":\"/disk I/O error\"}", NO_CLASS, ""},
        {"Python's traceback", "sqlite3.OperationalError: disk I/O error", "io", ""},
        {"malformed in text", "ERROR database disk image is malformed", "corrupt", ""},
        {"locked in text", "peewee: database is locked", "busy", ""},
        {"broken JSON with a message", "{\"x\": disk I/O error", "io", ""},
        {"harmless text", "INFO started", NO_CLASS, ""},
        {"empty", "", NO_CLASS, ""},
    };
    return cr_make_param_array(struct line_case, rows, sizeof rows / sizeof *rows, NULL);
}
/* clang-format on */

ParameterizedTest(struct line_case *row, classify, log_line_has_its_class)
{
    json_t *evidence = wg_classify_log_line(row->line, strlen(row->line));
    cr_expect(eq(str, (char *)wg_json_str(evidence, "class", NO_CLASS), row->class_), "%s",
              row->label);
    cr_expect(eq(str, (char *)wg_json_str(evidence, "name", ""), row->name), "%s", row->label);
    json_decref(evidence);
}

Test(classify, a_leak_names_its_request)
{
    static const char line[] = "{\"event\":\"leak\",\"method\":\"POST\",\"path\":\"/api/x\","
                               "\"db\":\"metadata\",\"test\":\"s/t\",\"message\":\"kept\"}";
    json_t *evidence = wg_classify_log_line(line, sizeof line - 1);
    cr_expect(eq(str, (char *)wg_json_str(evidence, "request", ""), "POST /api/x"));
    cr_expect(eq(str, (char *)wg_json_str(evidence, "file", ""), "metadata"));
    cr_expect(eq(str, (char *)wg_json_str(evidence, "test", ""), "s/t"));
    cr_expect(eq(str, (char *)wg_json_str(evidence, "message", ""), "kept"));
    json_decref(evidence);
}

static const char *class_of_response(int status, const char *body)
{
    json_t *request = json_pack("{s:s, s:s, s:i, s:s}", "method", "GET", "path", "/x", "status",
                                status, "body", body);
    json_t *evidence = wg_classify_response(request);
    const char *class_ = NO_CLASS;
    for (int i = 0; evidence && i < WG_EVIDENCE_COUNT; i++)
        if (strcmp(wg_evidence_class_name((enum wg_evidence_class)i),
                   wg_json_str(evidence, "class", "")) == 0)
            class_ = wg_evidence_class_name((enum wg_evidence_class)i);
    json_decref(evidence);
    json_decref(request);
    return class_;
}

Test(classify, answer_500_without_a_message_is_trouble_of_the_server)
{
    cr_expect(eq(str, (char *)class_of_response(500, "Internal Server Error"), "server"));
}

Test(classify, message_in_an_answer_counts_whatever_the_status)
{
    cr_expect(eq(str, (char *)class_of_response(200, "{\"warning\":\"disk I/O error\"}"), "io"));
    cr_expect(eq(str, (char *)class_of_response(500, "database is locked"), "busy"));
}

/* The line is cut at an even byte and, with the other method, within a character. */
Test(classify, answer_to_a_long_path_is_evidence)
{
    static const char *const methods[] = {"GET", "POST"};
    char path[401] = "";
    for (size_t i = 0; i + 1 < sizeof path; i += 2)
        memcpy(&path[i], "\xc3\xa9", 2);
    for (size_t i = 0; i < 2; i++) {
        json_t *request = json_pack("{s:s, s:s, s:i, s:s}", "method", methods[i], "path", path,
                                    "status", 500, "body", "disk I/O error");
        json_t *evidence = wg_classify_response(request);
        cr_expect(eq(str, (char *)wg_json_str(evidence, "class", "none"), "io"), "%s", methods[i]);
        json_decref(evidence);
        json_decref(request);
    }
}

Test(classify, refusal_is_no_evidence)
{
    cr_expect(eq(str, (char *)class_of_response(423, "locked"), NO_CLASS));
    cr_expect(eq(str, (char *)class_of_response(404, ""), NO_CLASS));
}

Test(classify, unknown_extension_of_a_known_code_is_named_by_its_primary_code)
{
    cr_expect(eq(str, (char *)wg_sqlite_code_name(10 | (99 << 8)), "SQLITE_IOERR"));
    cr_expect(eq(int, (int)wg_classify_code(10 | (99 << 8)), WG_EVIDENCE_IO));
}
