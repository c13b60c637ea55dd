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

/* The block of YAML below a test point: a literal scalar, each line indented. */
static void put_diagnostics(FILE *out, const struct wg_model *model, const json_t *test)
{
    struct wg_buf text;
    wg_buf_init(&text, WG_LIMIT_TEST_OUTPUT);
    wg_failure_describe(model, test, &text);
    fprintf(out, "  ---\n  outcome: %s\n  file: '%s'\n  line: %lld\n  message: |\n",
            wg_json_str(test, "outcome", ""), wg_json_str(test, "file", ""),
            (long long)wg_json_int(test, "line", 0));
    for (const char *at = text.data; *at;) {
        size_t length = strcspn(at, "\n");
        fprintf(out, "    %.*s\n", (int)length, at);
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
    fprintf(out, "TAP version %d\n1..%zu\n", version, count + 1);
    for (size_t i = 0; i < count; i++)
        put_test(out, i + 1, model, model->finished.items[i]);
    fprintf(out, "%s %zu - verdict: %s, %ld I/O errors in %ld requests\n",
            verdict == WG_VERDICT_PASS ? "ok" : "not ok", count + 1, wg_verdict_name(verdict),
            wg_model_io_errors(model), model->requests);
    if (verdict == WG_VERDICT_INCOMPLETE || verdict == WG_VERDICT_ERROR)
        fprintf(out, "Bail out! the run is not whole: %s\n", wg_verdict_name(verdict));
}
