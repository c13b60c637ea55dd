/* SPDX-License-Identifier: MIT */
#include "harness/report/diff_text.h"

#include "harness/base/json.h"

#include <stdio.h>
#include <string.h>

#define CHANGES_TEXT_MAX (64 << 10)

static void describe_value(const json_t *value, struct wg_buf *out)
{
    if (json_is_object(value))
        wg_buf_printf(out, "(%lld bytes)", (long long)wg_json_int(value, "blob", 0));
    else if (json_is_null(value))
        wg_buf_puts(out, "NULL");
    else
        wg_json_dump(value, out);
}

static void describe_values(const json_t *values, struct wg_buf *out)
{
    const char *column;
    json_t *value;
    json_object_foreach((json_t *)values, column, value)
    {
        wg_buf_printf(out, " %s=", column);
        describe_value(value, out);
    }
}

static void describe_row(const json_t *row, struct wg_buf *out)
{
    const char *change = wg_json_str(row, "change", "");
    const json_t *values = json_object_get(row, "values");
    const char *column, *separator = "";
    json_t *pair;
    if (strcmp(change, "updated") != 0) {
        wg_buf_puts(out, strcmp(change, "inserted") == 0 ? "+" : "-");
        describe_values(values, out);
        return;
    }
    wg_buf_puts(out, "~");
    describe_values(json_object_get(row, "key"), out);
    wg_buf_puts(out, ":");
    json_object_foreach((json_t *)values, column, pair)
    {
        wg_buf_printf(out, "%s %s ", separator, column);
        describe_value(json_array_get(pair, 0), out);
        wg_buf_puts(out, " -> ");
        describe_value(json_array_get(pair, 1), out);
        separator = ",";
    }
}

static void describe_table(const json_t *table, const char *indent, struct wg_buf *out)
{
    static const char *const changes[] = {"inserted", "updated", "deleted"};
    const json_t *rows = json_object_get(table, "rows");
    const char *error = wg_json_str(table, "error", NULL), *separator = ": ";
    long long hidden = -(long long)json_array_size(rows);
    size_t index;
    json_t *row;
    wg_buf_printf(out, "%s  %s", indent, wg_json_str(table, "table", ""));
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        long long count = wg_json_int(table, changes[i], 0);
        hidden += count;
        if (count > 0) {
            wg_buf_printf(out, "%s%lld %s", separator, count, changes[i]);
            separator = ", ";
        }
    }
    if (error)
        wg_buf_printf(out, "%scannot be compared: %s", separator, error);
    wg_buf_puts(out, "\n");
    json_array_foreach(rows, index, row)
    {
        wg_buf_printf(out, "%s    ", indent);
        describe_row(row, out);
        wg_buf_puts(out, "\n");
    }
    if (hidden > 0)
        wg_buf_printf(out, "%s    %lld more not shown\n", indent, hidden);
}

void wg_diff_describe(const json_t *databases, const char *indent, struct wg_buf *out)
{
    size_t i, k;
    json_t *database, *part;
    json_array_foreach(databases, i, database)
    {
        const char *error = wg_json_str(database, "error", NULL);
        wg_buf_printf(out, "%s%s%s%s\n", indent, wg_json_str(database, "path", ""),
                      error ? ": " : "", error ? error : "");
        json_array_foreach(json_object_get(database, "schema"), k, part)
            wg_buf_printf(out, "%s  %s %s %s\n", indent, wg_json_str(part, "type", ""),
                          wg_json_str(part, "name", ""), wg_json_str(part, "change", ""));
        json_array_foreach(json_object_get(database, "tables"), k, part)
            describe_table(part, indent, out);
        if (wg_json_bool(database, "incomplete", false))
            wg_buf_printf(out, "%s  the rest was not compared: no time left\n", indent);
    }
}

char *wg_changes_text(const json_t *finished, const char *indent)
{
    struct wg_buf out;
    const char *kept = wg_json_str(finished, "kept", "");
    const char *not_kept = wg_json_str(finished, "not_kept", "");
    const json_t *changes = json_object_get(finished, "changes");
    char deeper[32];
    wg_buf_init(&out, CHANGES_TEXT_MAX);
    snprintf(deeper, sizeof deeper, "%s  ", indent);
    if (json_array_size(changes) > 0)
        wg_buf_printf(&out, "%schanged in its databases:\n", indent);
    wg_diff_describe(changes, deeper, &out);
    if (kept[0])
        wg_buf_printf(&out, "%sdatabases kept: %s\n", indent, kept);
    if (not_kept[0])
        wg_buf_printf(&out, "%sdatabases not kept: %s\n", indent, not_kept);
    return wg_buf_steal(&out);
}
