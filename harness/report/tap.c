/* SPDX-License-Identifier: MIT */
#include "harness/report/tap.h"

#include "harness/base/buf.h"
#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/report/failure.h"

#include <string.h>

/* A description: on one line, with what begins a directive escaped. */
static void put_escaped(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '#' || *text == '\\')
            fputc('\\', out);
        fputc(*text == '\n' ? ' ' : *text, out);
    }
}

static void put_comment(FILE *out, const char *text)
{
    for (; *text; text++)
        fputc((unsigned char)*text < ' ' ? ' ' : *text, out);
    fputc('\n', out);
}

/* A scalar of YAML in single quotes. */
static void put_quoted(FILE *out, const char *name, const char *text)
{
    fprintf(out, "  %s: '", name);
    for (; *text; text++)
        fputs(*text == '\'' ? "''" : (char[]){*text == '\n' ? ' ' : *text, '\0'}, out);
    fputs("'\n", out);
}

/* A line of a literal scalar: YAML allows no control characters in it but the tab. */
static void put_line(FILE *out, const char *text, size_t length)
{
    fputs("    ", out);
    while (length > 0 && text[length - 1] == '\r')
        length--;
    for (size_t i = 0; i < length; i++) {
        bool control = ((unsigned char)text[i] < 0x20 && text[i] != '\t') || text[i] == 0x7f;
        fputs(control ? "\xef\xbf\xbd" : (char[]){text[i], '\0'}, out);
    }
    fputc('\n', out);
}

/* The block of YAML below a test point: a literal scalar, each line indented. */
static void put_diagnostics(FILE *out, const struct wg_model *model, const json_t *test)
{
    struct wg_buf text;
    wg_buf_init(&text, WG_LIMIT_TEST_OUTPUT);
    wg_failure_describe(model, test, &text);
    fprintf(out, "  ---\n  outcome: %s\n", wg_json_str(test, "outcome", ""));
    put_quoted(out, "file", wg_json_str(test, "file", ""));
    fprintf(out, "  line: %lld\n  message: |\n", (long long)wg_json_int(test, "line", 0));
    /* Blanks at its beginning would say how far all lines are indented ("|2" is unknown to prove).
     */
    for (const char *at = text.data + strspn(text.data, " \t\n"); *at;) {
        size_t length = strcspn(at, "\n");
        put_line(out, at, length);
        at += length + (at[length] == '\n');
    }
    fputs("  ...\n", out);
    wg_buf_finish(&text);
}

static void put_test(FILE *out, size_t number, const struct wg_model *model, const json_t *test)
{
    enum wg_outcome outcome = wg_outcome_of(wg_json_str(test, "outcome", ""));
    bool failed = wg_outcome_is_failure(outcome);
    fprintf(out, "%s %zu - ", failed ? "not ok" : "ok", number);
    put_escaped(out, wg_json_str(test, "test", ""));
    fprintf(out, " (%s)", wg_json_str(test, "mode", ""));
    if (outcome == WG_OUTCOME_SKIPPED) {
        fputs(" # SKIP ", out);
        put_escaped(out, wg_skip_reason(test));
    }
    fputc('\n', out);
    if (failed)
        put_diagnostics(out, model, test);
}

void wg_tap_write(const struct wg_model *model, int version, FILE *out)
{
    size_t count = model->finished.count;
    enum wg_verdict verdict = wg_model_verdict(model);
    struct wg_strv gaps = {0};
    fprintf(out, "TAP version %d\n1..%zu\n", version, count + 1);
    wg_model_gaps(model, &gaps);
    for (size_t i = 0; i < gaps.count; i++) {
        fputs("# not covered: ", out);
        put_comment(out, gaps.items[i]);
    }
    wg_strv_finish(&gaps);
    for (size_t i = 0; i < count; i++)
        put_test(out, i + 1, model, model->finished.items[i]);
    fprintf(out, "%s %zu - verdict: %s, %ld I/O errors in %ld requests\n",
            verdict == WG_VERDICT_PASS ? "ok" : "not ok", count + 1, wg_verdict_name(verdict),
            wg_model_io_errors(model), model->requests);
    if (verdict == WG_VERDICT_INCOMPLETE || verdict == WG_VERDICT_ERROR)
        fprintf(out, "Bail out! the run is not whole: %s\n", wg_verdict_name(verdict));
}
