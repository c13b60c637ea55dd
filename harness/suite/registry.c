/* SPDX-License-Identifier: MIT */
/*
 * registry.c - the tests of this binary, from the sections into which Criterion's macros put them.
 *
 * `cr_tst` holds pointers to tests, `cr_sts` to suites. The linker defines the start and stop
 * symbols of a section whose name is a C identifier; both are weak here, so a binary without
 * TestSuite() links too. Pointers may be NULL: a section is padded where objects were merged.
 */
#include "harness/suite/internal.h"

#include "harness/base/limit.h"
#include "harness/base/str.h"

#include <stdlib.h>
#include <string.h>

extern struct criterion_test *const __start_cr_tst[] __attribute__((weak, visibility("hidden")));
extern struct criterion_test *const __stop_cr_tst[] __attribute__((weak, visibility("hidden")));
extern struct criterion_suite *const __start_cr_sts[] __attribute__((weak, visibility("hidden")));
extern struct criterion_suite *const __stop_cr_sts[] __attribute__((weak, visibility("hidden")));

static struct criterion_suite *find_suite(const char *name)
{
    for (struct criterion_suite *const *at = __start_cr_sts; at < __stop_cr_sts; at++)
        if (*at && strcmp((*at)->name, name) == 0)
            return *at;
    return NULL;
}

static const struct wg_test_options *options_of(const struct criterion_test_extra_data *data)
{
    return data ? data->data : NULL;
}

static const char *label_of(const struct criterion_test *test, const void *param)
{
    const struct wg_test_options *options = options_of(test->data);
    const char *label = options && options->label ? options->label(param) : NULL;
    return label && label[0] ? label : NULL;
}

static void push(struct wg_case_list *list, struct wg_case item)
{
    list->items = wg_realloc(list->items, (list->count + 1) * sizeof *list->items);
    list->items[list->count++] = item;
}

/* The array of parameters is made once, here, and lives as long as the process: children inherit
 * it by fork, so its clean-up function is never called. */
static bool push_parameterized(struct wg_case_list *list, struct criterion_test *test,
                               struct criterion_suite *suite)
{
    struct criterion_test_params params = test->data->param_();
    if (params.length > WG_LIMIT_PARAMS)
        return false;
    for (size_t i = 0; i < params.length; i++) {
        void *param = (char *)params.params + i * params.size;
        push(list, (struct wg_case){test, suite, param, i, label_of(test, param)});
    }
    return true;
}

const char *wg_cases_collect(struct wg_case_list *ret_list)
{
    *ret_list = (struct wg_case_list){0};
    for (struct criterion_test *const *at = __start_cr_tst; at < __stop_cr_tst; at++) {
        struct criterion_test *test = *at;
        if (!test)
            continue;
        struct criterion_suite *suite = find_suite(test->category);
        if (test->data->kind_ != CR_TEST_PARAMETERIZED || !test->data->param_)
            push(ret_list, (struct wg_case){.test = test, .suite = suite});
        else if (!push_parameterized(ret_list, test, suite))
            return "a parameterised test has more cases than WG_LIMIT_PARAMS";
    }
    return ret_list->count > WG_LIMIT_TESTS ? "there are more tests than WG_LIMIT_TESTS" : NULL;
}

static char *case_name(const struct wg_case *test_case)
{
    if (!test_case->param)
        return wg_strdup(test_case->test->name);
    if (test_case->label)
        return wg_format("%s[%zu:%s]", test_case->test->name, test_case->index, test_case->label);
    return wg_format("%s[%zu]", test_case->test->name, test_case->index);
}

/* Criterion's timeout is in seconds and 0 for none; the test's own wins over its suite's. */
static int timeout_ms(const struct criterion_test_extra_data *data)
{
    const struct wg_test_options *options = options_of(data);
    if (options && options->timeout_ms > 0)
        return options->timeout_ms;
    return data && data->timeout > 0 ? (int)(data->timeout * 1000) : 0;
}

/* .signal and .exit_code are the test's own alone: Criterion's runner too ignores its suite's. */
json_t *wg_case_describe(const struct wg_case *test_case, size_t id)
{
    const struct criterion_test *test = test_case->test;
    const struct criterion_test_extra_data *data = test->data;
    const struct criterion_test_extra_data *suite =
        test_case->suite ? test_case->suite->data : NULL;
    const struct wg_test_options *options = options_of(data), *suite_options = options_of(suite);
    int own_timeout_ms = timeout_ms(data);
    char *name = case_name(test_case);
    json_t *message = json_pack(
        "{s:s, s:I, s:s, s:s, s:s, s:I, s:s, s:b, s:b, s:I, s:I, s:I}", "op", "test", "id",
        (json_int_t)id, "suite", test->category, "name", name, "file", data->file_, "line",
        (json_int_t)data->line_, "description", data->description ? data->description : "",
        "disabled", data->disabled || (suite && suite->disabled), "exclusive",
        (options && options->exclusive) || (suite_options && suite_options->exclusive),
        "timeout_ms", (json_int_t)(own_timeout_ms ? own_timeout_ms : timeout_ms(suite)), "signal",
        (json_int_t)data->signal, "exit_code", (json_int_t)data->exit_code);
    free(name);
    return message;
}
