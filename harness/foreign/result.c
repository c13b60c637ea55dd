/* SPDX-License-Identifier: MIT */
#include "harness/foreign/result.h"

#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/base/str.h"

#include <stdlib.h>
#include <string.h>

/* Room for "#" and a number up to WG_LIMIT_TESTS behind a name. */
#define NAME_MAX_SIZE (WG_LIMIT_TEST_NAME - 9)

void wg_foreign_result_init(struct wg_foreign_result *result, const char *name)
{
    *result = (struct wg_foreign_result){
        .name = wg_strdup(name),
        .outcome = WG_OUTCOME_PASSED,
        .reason = wg_strdup(""),
        .message = wg_strdup(""),
        .output = wg_strdup(""),
        .file = wg_strdup(""),
        .stacks = wg_strdup(""),
        .server_stacks = wg_strdup(""),
    };
}

void wg_foreign_result_finish(struct wg_foreign_result *result)
{
    free(result->name);
    free(result->reason);
    free(result->message);
    free(result->output);
    free(result->file);
    free(result->stacks);
    free(result->server_stacks);
    *result = (struct wg_foreign_result){0};
}

void wg_foreign_result_set(char **member, const char *text)
{
    char *copy = wg_strdup(text ? text : "");
    free(*member);
    *member = copy;
}

/* Valid UTF-8 of limited size without control characters, in a suite. The caller frees it. */
static char *clean_name(const char *text)
{
    json_t *valid = wg_json_string_new(text, strlen(text));
    char *name = strchr(text, '/') ? wg_strdup(json_string_value(valid))
                                   : wg_format("%s/%s", WG_FOREIGN_SUITE, json_string_value(valid));
    json_decref(valid);
    size_t size = strlen(name);
    if (size > NAME_MAX_SIZE) {
        size = NAME_MAX_SIZE;
        while (((unsigned char)name[size] & 0xc0) == 0x80)
            size--;
        name[size] = '\0';
    }
    for (char *at = name; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = ' ';
    return name;
}

/* Of two tests with one name only one would be known to the history and to comparisons. */
static void make_unique(struct wg_foreign_results *results, char **name)
{
    if (!results->seen)
        results->seen = json_object();
    json_int_t times = wg_json_int(results->seen, *name, 0) + 1;
    json_object_set_new(results->seen, *name, json_integer(times));
    if (times == 1)
        return;
    char *numbered = wg_format("%s#%lld", *name, (long long)times);
    free(*name);
    *name = numbered;
}

int wg_foreign_results_take(struct wg_foreign_results *results, struct wg_foreign_result *result,
                            struct wg_err *err)
{
    if (results->count == WG_LIMIT_TESTS) {
        wg_foreign_result_finish(result);
        return wg_err_set(err, WG_ERR_LIMIT, "more than %d tests", WG_LIMIT_TESTS);
    }
    char *name = clean_name(result->name);
    make_unique(results, &name);
    free(result->name);
    result->name = name;
    if (results->count == results->room) {
        results->room = results->room ? 2 * results->room : 64;
        results->items = wg_realloc(results->items, results->room * sizeof *results->items);
    }
    results->items[results->count++] = *result;
    *result = (struct wg_foreign_result){0};
    return 0;
}

void wg_foreign_results_finish(struct wg_foreign_results *results)
{
    for (size_t i = 0; i < results->count; i++)
        wg_foreign_result_finish(&results->items[i]);
    free(results->items);
    json_decref(results->seen);
    *results = (struct wg_foreign_results){0};
}
