/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/lab/table.h"

#include "harness/base/clock.h"
#include "harness/base/json.h"
#include "harness/base/str.h"
#include "tools/walgrind/lab/cell.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

/* What the diagnosis is to name when a hazard does harm, and what follows from that. A server that
 * is killed and started again does nothing wrong to its databases, so it has no row. */
static const struct {
    const char *hazard;
    const char *finding;
} hazard_findings[] = {
    {"backup-copy", "close-drops-locks"},
    {"file-read", "close-drops-locks"},
    {"backup-copy", "wal-unlink-by-sqlite"},
    {"file-read", "wal-unlink-by-sqlite"},
    {"wipe", "wal-unlink-by-sqlite"},
    {"wipe", "unlink-open"},
    {"wipe", "deleted-in-service"},
    {"wipe", "wal-unlink"},
    {"wipe", "shm-unlink"},
    {"wipe", "hot-journal-deleted"},
    {"wipe", "copy-over"},
    {"fd-pressure", "nofile"},
    {"small-disk", "disk-full"},
};
#define HAZARD_FINDINGS (sizeof hazard_findings / sizeof hazard_findings[0])

static json_t *names_new(char *const *names)
{
    json_t *list = json_array();
    for (; *names; names++)
        json_array_append_new(list, json_string(*names));
    return list;
}

json_t *wg_lab_table_new(char *const *inits, char *const *hazards, long rounds)
{
    char wall[32];
    wg_clock_format_utc(wg_clock_wall_ns(), wall, sizeof wall);
    return json_pack("{s:s, s:s, s:s, s:I, s:o, s:o, s:[]}", "walgrind", WG_VERSION, "sqlite",
                     sqlite3_libversion(), "wall", wall, "rounds", (json_int_t)rounds, "inits",
                     names_new(inits), "hazards", names_new(hazards), "cells");
}

static json_t *find_cell(const json_t *table, const char *init, const char *hazard)
{
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(table, "cells"), i,
                       cell) if (strcmp(wg_json_str(cell, "init", ""), init) == 0 &&
                                 strcmp(wg_json_str(cell, "hazard", ""), hazard) == 0) return cell;
    return NULL;
}

void wg_lab_table_add(json_t *table, json_t *result)
{
    const char *init = wg_json_str(result, "init", "");
    const char *hazard = wg_json_str(result, "hazard", "");
    json_t *cell = find_cell(table, init, hazard);
    if (!cell) {
        cell = json_pack("{s:s, s:s, s:[]}", "init", init, "hazard", hazard, "rounds");
        json_array_append_new(json_object_get(table, "cells"), cell);
    }
    json_array_append(json_object_get(cell, "rounds"), result);
}

static long bump(json_t *counts, const char *key)
{
    long count = 1 + (long)wg_json_int(counts, key, 0);
    json_object_set_new(counts, key, json_integer(count));
    return count;
}

static json_t *rates_new(const json_t *counts, double total)
{
    json_t *rates = json_object(), *count;
    const char *key;
    json_object_foreach((json_t *)counts, key, count)
        json_object_set_new(rates, key, json_real((double)json_integer_value(count) / total));
    return rates;
}

/* The kind that most rounds showed, and the worst class of that kind. */
static void finish_class(json_t *cell)
{
    json_t *kinds = json_object(), *classes = json_object();
    const char *kind = "";
    int worst = 0;
    long most = 0;
    double failed = 0;
    const json_t *rounds = json_object_get(cell, "rounds");
    size_t i;
    json_t *round;
    json_array_foreach(rounds, i, round)
    {
        const struct wg_lab_class_row *class_ =
            &wg_lab_classes[wg_lab_class_of(wg_json_str(round, "class", ""))];
        bump(classes, class_->name);
        long count = bump(kinds, class_->kind);
        if (count > most)
            kind = class_->kind;
        most = count > most ? count : most;
        failed += (double)wg_json_int(round, "failed", 0);
    }
    for (int c = 0; c < WG_LAB_CLASS_COUNT; c++)
        if (strcmp(wg_lab_classes[c].kind, kind) == 0 &&
            json_object_get(classes, wg_lab_classes[c].name))
            worst = c;
    double total = (double)json_array_size(rounds);
    json_object_set_new(cell, "kind", json_string(kind));
    json_object_set_new(cell, "class", json_string(wg_lab_classes[worst].name));
    json_object_set_new(cell, "unstable", json_boolean(json_object_size(kinds) > 1));
    json_object_set_new(cell, "rates", rates_new(kinds, total));
    json_object_set_new(cell, "symptoms", rates_new(classes, total));
    json_object_set_new(cell, "failed", json_real(failed / total));
    json_decref(kinds);
    json_decref(classes);
}

static bool has_text(const json_t *list, const char *text)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) if (strcmp(json_string_value(item), text) == 0) return true;
    return false;
}

static void add_once(json_t *list, const char *text)
{
    if (!has_text(list, text))
        json_array_append_new(list, json_string(text));
}

/* Whether the hazards, joined by +, hold this one. */
static bool is_on(const char *hazards, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = hazards; at; at = strchr(at, '+')) {
        at += *at == '+';
        if (strncmp(at, name, length) == 0 &&
            (at[length] == '\0' || at[length] == '+' || at[length] == ':'))
            return true;
    }
    return false;
}

/* Findings of all rounds; hazards that are on, ought to be named, and are not; and findings that
 * belong to a hazard which is off. */
static void finish_findings(json_t *cell)
{
    const char *hazards = wg_json_str(cell, "hazard", "");
    const char *kind = wg_json_str(cell, "kind", "");
    /* A server that does not answer has no database error to explain. */
    const bool red = strcmp(kind, "clean") != 0 && strcmp(kind, "outage") != 0;
    json_t *findings = json_array(), *missing = json_array(), *foreign = json_array();
    size_t i, k;
    json_t *round, *id;
    json_array_foreach(json_object_get(cell, "rounds"), i, round)
        json_array_foreach(json_object_get(round, "findings"), k, id)
            add_once(findings, json_string_value(id));
    for (size_t h = 0; h < HAZARD_FINDINGS; h++) {
        const char *hazard = hazard_findings[h].hazard;
        bool named = false;
        for (size_t other = 0; other < HAZARD_FINDINGS; other++)
            named |= strcmp(hazard_findings[other].hazard, hazard) == 0 &&
                     has_text(findings, hazard_findings[other].finding);
        if (is_on(hazards, hazard) && !named && red)
            add_once(missing, hazard);
    }
    json_array_foreach(findings, i, id)
    {
        bool known = false, wanted = false;
        for (size_t h = 0; h < HAZARD_FINDINGS; h++) {
            if (strcmp(hazard_findings[h].finding, json_string_value(id)) != 0)
                continue;
            known = true;
            wanted |= is_on(hazards, hazard_findings[h].hazard);
        }
        if (known && !wanted)
            add_once(foreign, json_string_value(id));
    }
    json_object_set_new(cell, "findings", findings);
    json_object_set_new(cell, "missing", missing);
    json_object_set_new(cell, "foreign", foreign);
}

void wg_lab_table_finish(json_t *table)
{
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(table, "cells"), i, cell)
    {
        finish_class(cell);
        finish_findings(cell);
    }
}

long wg_lab_table_compare(json_t *table, const json_t *expected, struct wg_buf *out)
{
    long differences = 0;
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(table, "cells"), i, cell)
    {
        const char *init = wg_json_str(cell, "init", ""), *hazard = wg_json_str(cell, "hazard", "");
        const char *kind = wg_json_str(cell, "kind", "");
        json_t *allowed = json_object_get(json_object_get(expected, init), hazard);
        if (has_text(allowed, kind))
            continue;
        char *wanted = allowed ? json_dumps(allowed, JSON_COMPACT) : NULL;
        wg_buf_printf(out, "%s x %s: %s, but expected %s\n", init, hazard, kind,
                      wanted ? wanted : "nothing: the cell is not listed");
        json_object_set(cell, "expected", allowed ? allowed : json_null());
        free(wanted);
        differences++;
    }
    return differences;
}

long wg_lab_table_misnamed(const json_t *table, struct wg_buf *out)
{
    static const char *const lists[][2] = {{"missing", "not named"}, {"foreign", "named"}};
    long count = 0;
    size_t i, k;
    json_t *cell, *name;
    json_array_foreach(json_object_get(table, "cells"), i, cell)
    {
        for (size_t l = 0; l < sizeof lists / sizeof lists[0]; l++) {
            json_array_foreach(json_object_get(cell, lists[l][0]), k, name)
            {
                wg_buf_printf(out, "%s x %s: the diagnosis has %s %s\n",
                              wg_json_str(cell, "init", ""), wg_json_str(cell, "hazard", ""),
                              lists[l][1], json_string_value(name));
                count++;
            }
        }
    }
    return count;
}

json_t *wg_lab_table_expectations(const json_t *table)
{
    json_t *expected = json_object();
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(table, "cells"), i, cell)
    {
        const char *init = wg_json_str(cell, "init", "");
        if (!json_object_get(expected, init))
            json_object_set_new(expected, init, json_object());
        json_t *kinds = json_array();
        const char *kind;
        json_t *rate;
        json_object_foreach(json_object_get(cell, "rates"), kind, rate)
            json_array_append_new(kinds, json_string(kind));
        json_object_set_new(json_object_get(expected, init), wg_json_str(cell, "hazard", ""),
                            kinds);
    }
    return expected;
}
