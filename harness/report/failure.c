/* SPDX-License-Identifier: MIT */
#include "harness/report/failure.h"

#include "harness/base/clock.h"
#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/report/diff_text.h"

#include <stdlib.h>
#include <string.h>

#define BESIDE_SHOWN     10
#define FINDINGS_SHOWN   5
#define COMPANY_TEXT_MAX (64u << 10)

char *wg_failure_beside(const json_t *test, size_t shown)
{
    const json_t *names = json_object_get(test, "beside");
    size_t count = json_array_size(names), i;
    int64_t more = wg_json_int(test, "beside_more", 0);
    struct wg_buf text;
    wg_buf_init(&text, (shown + 1) * WG_LIMIT_TEST_NAME);
    for (i = 0; i < count && i < shown; i++)
        wg_buf_printf(&text, "%s%s", i > 0 ? ", " : "",
                      json_string_value(json_array_get(names, i)));
    more += (int64_t)(count - i);
    if (more > 0)
        wg_buf_printf(&text, " and %lld more", (long long)more);
    return wg_buf_steal(&text);
}

char *wg_failure_company(const struct wg_model *model, const json_t *test)
{
    size_t index;
    json_t *name;
    struct wg_buf text;
    wg_buf_init(&text, COMPANY_TEXT_MAX);
    json_t *seen = json_object();
    const json_t *beside = json_object_get(test, "beside");
    if (json_array_size(beside) > 0 && wg_model_is_concurrency_dependent(model, test)) {
        wg_buf_puts(&text, wg_json_str(test, "repeat", ""));
        json_object_set_new(seen, wg_json_str(test, "test", ""), json_true());
        json_array_foreach(beside, index, name)
        {
            if (!json_object_get(seen, json_string_value(name)))
                wg_buf_printf(&text, " '%s'", json_string_value(name));
            json_object_set_new(seen, json_string_value(name), json_true());
        }
    }
    json_decref(seen);
    return wg_buf_steal(&text);
}

/* Nanoseconds from a finding to the end of a test; negative when it cannot have to do with it. */
static int64_t before_end(const json_t *finding, const json_t *test)
{
    if (wg_json_int(finding, "unit", -1) != wg_json_int(test, "unit", 0))
        return -1;
    return wg_json_int(test, "at_ns", 0) - wg_json_int(finding, "happened_ns", INT64_MAX);
}

static void put_finding(const struct wg_model *model, size_t i, const json_t *test,
                        struct wg_buf *out)
{
    const json_t *finding = model->findings.items[i];
    int64_t before_ns = before_end(finding, test);
    bool during = (double)before_ns <= wg_json_real(test, "ms", 0) * (double)WG_NS_PER_MS;
    const char *where = wg_json_str(finding, "where", "");
    wg_buf_printf(out, "finding %zu, %.3f s before its end, %s: %s: %s", i + 1,
                  (double)before_ns / (double)WG_NS_PER_S,
                  during ? "while it ran" : "before it began", wg_json_str(finding, "id", ""),
                  wg_json_str(finding, "title", ""));
    if (where[0])
        wg_buf_printf(out, ", at %.*s", (int)strcspn(where, "\n"), where);
    wg_buf_puts(out, "\n");
}

/* Is one finding more to the point than another: does it fail the run, was it nearer to the end? */
static bool comes_first(const struct wg_model *model, size_t one, size_t other, const json_t *test)
{
    const json_t *a = model->findings.items[one], *b = model->findings.items[other];
    bool a_fails = wg_json_bool(a, "fails", true), b_fails = wg_json_bool(b, "fails", true);
    return a_fails != b_fails ? a_fails : before_end(a, test) < before_end(b, test);
}

void wg_failure_findings(const struct wg_model *model, const json_t *test, struct wg_buf *out)
{
    size_t shown[FINDINGS_SHOWN], count = 0, all = 0;
    for (size_t i = 0; i < model->findings.count; i++) {
        if (before_end(model->findings.items[i], test) < 0)
            continue;
        all++;
        size_t at = count < FINDINGS_SHOWN ? count++ : FINDINGS_SHOWN;
        for (; at > 0 && comes_first(model, i, shown[at - 1], test); at--)
            if (at < FINDINGS_SHOWN)
                shown[at] = shown[at - 1];
        if (at < FINDINGS_SHOWN)
            shown[at] = i;
    }
    /* In the order of their numbers, by which they are found in the report. */
    for (size_t i = 0; i < model->findings.count; i++)
        for (size_t k = 0; k < count; k++)
            if (shown[k] == i)
                put_finding(model, i, test, out);
    if (all > count)
        wg_buf_printf(out, "and %zu more findings before its end\n", all - count);
}

void wg_failure_describe(const struct wg_model *model, const json_t *test, struct wg_buf *out)
{
    size_t index;
    json_t *message;
    const char *reason = wg_json_str(test, "reason", "");
    static const struct {
        const char *member, *title;
    } stacks[] = {{"stacks", "stacks"}, {"server_stacks", "stacks of the server"}};
    if (reason[0])
        wg_buf_printf(out, "%s\n", reason);
    json_array_foreach(json_object_get(test, "messages"), index, message)
    {
        const char *file = wg_json_str(message, "file", "");
        if (file[0])
            wg_buf_printf(out, "%s:%lld: ", file, (long long)wg_json_int(message, "line", 0));
        wg_buf_printf(out, "%s\n", wg_json_str(message, "message", ""));
    }
    if (wg_model_is_concurrency_dependent(model, test))
        wg_buf_puts(out, "concurrency-dependent: passed when isolated\n");
    char *beside = wg_failure_beside(test, BESIDE_SHOWN);
    if (beside[0])
        wg_buf_printf(out, "ran beside: %s\n", beside);
    free(beside);
    for (size_t i = 0; i < sizeof stacks / sizeof stacks[0]; i++) {
        const char *text = wg_json_str(test, stacks[i].member, "");
        if (text[0])
            wg_buf_printf(out, "%s:\n%s\n", stacks[i].title, text);
    }
    char *changes = wg_changes_text(test, "");
    wg_buf_puts(out, changes);
    free(changes);
    wg_failure_findings(model, test, out);
    wg_buf_printf(out, "repeat: %s\n", wg_json_str(test, "repeat", ""));
    char *company = wg_failure_company(model, test);
    if (company[0])
        wg_buf_printf(out, "repeat in company: %s\n", company);
    free(company);
}

const char *wg_skip_reason(const json_t *test)
{
    const char *reason = wg_json_str(test, "reason", "");
    size_t index;
    json_t *message;
    json_array_foreach(json_object_get(test, "messages"), index, message)
    {
        if (!reason[0] && strcmp(wg_json_str(message, "event", ""), "skip") == 0)
            reason = wg_json_str(message, "message", "");
    }
    return reason[0] ? reason : "without a reason";
}
