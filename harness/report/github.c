/* SPDX-License-Identifier: MIT */
#include "harness/report/github.h"

#include "harness/base/buf.h"
#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/base/str.h"
#include "harness/report/failure.h"

#include <stdlib.h>
#include <string.h>

/*
 * What the runner of GitHub Actions reads as another character: in messages %, carriage return and
 * newline; in properties ':' and ',' too.
 */
static void put_escaped(FILE *out, const char *text, const char *special)
{
    for (; *text; text++) {
        if (strchr(special, *text))
            fprintf(out, "%%%02X", (unsigned)(unsigned char)*text);
        else
            fputc(*text, out);
    }
}

static void put_property(FILE *out, const char *name, const char *value)
{
    fputs(name, out);
    put_escaped(out, value, "%\r\n:,");
}

static void put_failure(FILE *out, const struct wg_model *model, const json_t *test)
{
    struct wg_buf text;
    wg_buf_init(&text, WG_LIMIT_TEST_OUTPUT);
    wg_failure_describe(model, test, &text);
    const char *file = wg_json_str(test, "file", "");
    fputs("::error ", out);
    if (file[0]) {
        put_property(out, "file=", file);
        fprintf(out, ",line=%lld,", (long long)wg_json_int(test, "line", 0));
    }
    put_property(out, "title=", wg_json_str(test, "test", ""));
    put_property(out, " (", wg_json_str(test, "mode", ""));
    fputs(")::", out);
    put_escaped(out, text.data, "%\r\n");
    fputc('\n', out);
    wg_buf_finish(&text);
}

/* At the line of the program that did it, where that is known: "FILE:LINE FUNCTION". */
static void put_finding(FILE *out, const json_t *finding)
{
    const char *where = wg_json_str(finding, "where", "");
    size_t size = strcspn(where, " \n");
    size_t file = size;
    while (file > 0 && where[file - 1] != ':')
        file--;
    fprintf(out, "::%s ", wg_json_bool(finding, "fails", true) ? "error" : "warning");
    bool number = file < size && strspn(where + file, "0123456789") >= size - file;
    if (file > 1 && number) {
        char *path = wg_strndup(where, file - 1);
        put_property(out, "file=", path);
        fprintf(out, ",line=%.*s,", (int)(size - file), where + file);
        free(path);
    }
    put_property(out, "title=", wg_json_str(finding, "id", ""));
    fputs("::", out);
    put_escaped(out, wg_json_str(finding, "text", ""), "%\r\n");
    fputc('\n', out);
}

/* At most `left` findings, those that fail the run or the others; how many. */
static int put_some_findings(FILE *out, const struct wg_model *model, bool failing, int left)
{
    int put = 0;
    for (size_t i = 0; i < model->findings.count && put < left; i++) {
        if (wg_json_bool(model->findings.items[i], "fails", true) != failing)
            continue;
        put_finding(out, model->findings.items[i]);
        put++;
    }
    return put;
}

static int count_failed(const struct wg_model *model)
{
    int count = 0;
    for (size_t i = 0; i < model->finished.count; i++)
        count += wg_outcome_is_failure(
            wg_outcome_of(wg_json_str(model->finished.items[i], "outcome", "")));
    return count;
}

static int put_some_failures(FILE *out, const struct wg_model *model, int left)
{
    int put = 0;
    for (size_t i = 0; i < model->finished.count && put < left; i++) {
        const json_t *test = model->finished.items[i];
        if (!wg_outcome_is_failure(wg_outcome_of(wg_json_str(test, "outcome", ""))))
            continue;
        put_failure(out, model, test);
        put++;
    }
    return put;
}

/* One for all; false when everything was seen. */
static bool put_gaps(FILE *out, const struct wg_model *model)
{
    struct wg_strv gaps = {0};
    wg_model_gaps(model, &gaps);
    bool any = gaps.count > 0;
    if (any)
        fputs("::notice title=not covered::", out);
    for (size_t i = 0; i < gaps.count; i++) {
        fputs(i > 0 ? "%0A" : "", out);
        put_escaped(out, gaps.items[i], "%\r\n");
    }
    if (any)
        fputc('\n', out);
    wg_strv_finish(&gaps);
    return any;
}

void wg_github_write_annotations(const struct wg_model *model, FILE *out)
{
    enum wg_verdict verdict = wg_model_verdict(model);
    int left = WG_GITHUB_ANNOTATIONS - 1; /* the verdict takes one */
    left -= put_gaps(out, model);
    /* Findings and failures leave room for each other, warnings take what is over. */
    int failed = count_failed(model);
    left -= put_some_findings(out, model, true, left - (failed < left / 2 ? failed : left / 2));
    left -= put_some_failures(out, model, left);
    put_some_findings(out, model, false, left);
    fprintf(out, "::%s title=walgrind::%s, %ld failures, %ld I/O errors in %ld requests\n",
            verdict == WG_VERDICT_PASS ? "notice" : "error", wg_verdict_name(verdict),
            wg_model_failures(model), wg_model_io_errors(model), model->requests);
}

/* Text in a cell of a table: nothing in it is Markdown or HTML, or ends the cell. */
static void put_cell(FILE *out, const char *text)
{
    for (text += strspn(text, "\r\n"); *text && *text != '\n'; text++) {
        switch (*text) {
        case '\r': fputc(' ', out); break;
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '&': fputs("&amp;", out); break;
        case '|':
        case '`':
        case '*':
        case '_':
        case '~':
        case '$':
        case '[':
        case ']':
        case '\\': fprintf(out, "\\%c", *text); break;
        default: fputc(*text, out);
        }
    }
}

static void put_row(FILE *out, const struct wg_model *model, const json_t *test)
{
    struct wg_buf text;
    wg_buf_init(&text, WG_LIMIT_TEST_OUTPUT);
    wg_failure_describe(model, test, &text);
    fputs("| ", out);
    put_cell(out, wg_json_str(test, "test", ""));
    fprintf(out, " | %s | %s | ", wg_json_str(test, "mode", ""), wg_json_str(test, "outcome", ""));
    put_cell(out, text.data);
    fputs(" |\n", out);
    wg_buf_finish(&text);
}

static void put_failures(const struct wg_model *model, FILE *out)
{
    long rows = 0, left_out = 0;
    for (size_t i = 0; i < model->finished.count; i++) {
        const json_t *test = model->finished.items[i];
        if (!wg_outcome_is_failure(wg_outcome_of(wg_json_str(test, "outcome", ""))))
            continue;
        if (rows == 0)
            fputs("\n| test | mode | outcome | why |\n|---|---|---|---|\n", out);
        if (rows++ < WG_GITHUB_ROWS)
            put_row(out, model, test);
        else
            left_out++;
    }
    if (left_out > 0)
        fprintf(out, "\n%ld more tests failed.\n", left_out);
}

static void put_findings(const struct wg_model *model, FILE *out)
{
    for (size_t i = 0; i < model->findings.count && i < WG_GITHUB_ROWS; i++) {
        const json_t *finding = model->findings.items[i];
        if (i == 0)
            fputs("\n| finding | what | who | where |\n|---|---|---|---|\n", out);
        const char *cells[] = {"id", "title", "who", "where"};
        for (size_t j = 0; j < sizeof cells / sizeof cells[0]; j++) {
            fputs(j == 0 ? "| " : " | ", out);
            put_cell(out, wg_json_str(finding, cells[j], ""));
        }
        fputs(" |\n", out);
    }
    if (model->finding_count > WG_GITHUB_ROWS)
        fprintf(out, "\n%ld more findings.\n", model->finding_count - WG_GITHUB_ROWS);
}

void wg_github_write_summary(const struct wg_model *model, FILE *out)
{
    enum wg_verdict verdict = wg_model_verdict(model);
    fprintf(out,
            "### walgrind: %s\n\n| mode | tests | failed | skipped | rounds | time |\n"
            "|---|---|---|---|---|---|\n",
            wg_verdict_name(verdict));
    for (size_t i = 0; i < model->mode_count; i++) {
        const struct wg_mode_summary *mode = &model->modes[i];
        fprintf(out, "| %s | %ld | %ld | %ld | %ld | %.1f s |\n", mode->mode, wg_mode_total(mode),
                wg_mode_failed(mode), mode->outcomes[WG_OUTCOME_SKIPPED], mode->rounds,
                mode->ms / 1000);
    }
    fprintf(out, "\n%ld I/O errors in %ld requests, %zu databases verified, %ld bad.\n",
            wg_model_io_errors(model), model->requests, model->verified.count,
            model->databases_bad);
    struct wg_strv gaps = {0};
    wg_model_gaps(model, &gaps);
    for (size_t i = 0; i < gaps.count; i++) {
        fputs(i == 0 ? "\n- not covered: " : "- not covered: ", out);
        put_cell(out, gaps.items[i]);
        fputc('\n', out);
    }
    wg_strv_finish(&gaps);
    put_findings(model, out);
    put_failures(model, out);
}
