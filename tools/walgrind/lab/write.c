/* SPDX-License-Identifier: MIT */
/* write.c - the lab's table as text, Markdown and one page of HTML. */
#include "harness/base/json.h"
#include "tools/walgrind/lab/cell.h"
#include "tools/walgrind/lab/table.h"

#include <stdlib.h>
#include <string.h>

static const json_t *cell_at(const json_t *table, const char *init, const char *hazard)
{
    size_t i;
    json_t *cell;
    json_array_foreach(json_object_get(table, "cells"), i,
                       cell) if (strcmp(wg_json_str(cell, "init", ""), init) == 0 &&
                                 strcmp(wg_json_str(cell, "hazard", ""), hazard) == 0) return cell;
    return NULL;
}

static char letter_of(const json_t *cell)
{
    enum wg_lab_class class_ = wg_lab_class_of(wg_json_str(cell, "class", ""));
    return class_ < WG_LAB_CLASS_COUNT ? wg_lab_classes[class_].letter : '?';
}

/* "M 102", "w~ 3": class, whether rounds differed, mean number of failing tests. */
static void put_short(const json_t *cell, struct wg_buf *out)
{
    if (!cell) {
        wg_buf_puts(out, "-");
        return;
    }
    wg_buf_printf(out, "%c%s", letter_of(cell), wg_json_bool(cell, "unstable", false) ? "~" : "");
    double failed = wg_json_real(cell, "failed", 0);
    if (failed > 0)
        wg_buf_printf(out, " %.0f", failed);
}

void wg_lab_write_text(const json_t *table, struct wg_buf *out)
{
    const json_t *inits = json_object_get(table, "inits");
    const json_t *hazards = json_object_get(table, "hazards");
    size_t i, k;
    json_t *init, *hazard;
    json_array_foreach(hazards, k, hazard)
        wg_buf_printf(out, "%4zu  %s\n", k + 1, json_string_value(hazard));
    wg_buf_printf(out, "\n%-20s", "");
    json_array_foreach(hazards, k, hazard) wg_buf_printf(out, " %7zu", k + 1);
    wg_buf_puts(out, "\n");
    json_array_foreach(inits, i, init)
    {
        wg_buf_printf(out, "%-20s", json_string_value(init));
        json_array_foreach(hazards, k, hazard)
        {
            struct wg_buf text;
            wg_buf_init(&text, 64);
            put_short(cell_at(table, json_string_value(init), json_string_value(hazard)), &text);
            wg_buf_printf(out, " %7s", text.data);
            wg_buf_finish(&text);
        }
        wg_buf_puts(out, "\n");
    }
    wg_buf_puts(out, "\nnumbers are failing tests; ~ rounds differ;");
    for (int c = 0; c < WG_LAB_CLASS_COUNT; c++)
        wg_buf_printf(out, " %c %s%s", wg_lab_classes[c].letter, wg_lab_classes[c].name,
                      c + 1 < WG_LAB_CLASS_COUNT ? "," : "\n");
}

static void put_joined(const json_t *list, const char *none, struct wg_buf *out)
{
    size_t i;
    json_t *item;
    if (json_array_size(list) == 0)
        wg_buf_puts(out, none);
    json_array_foreach(list, i, item)
        wg_buf_printf(out, "%s%s", i > 0 ? ", " : "", json_string_value(item));
}

static void put_counts(const json_t *cell, struct wg_buf *out)
{
    const json_t *round = json_array_get(json_object_get(cell, "rounds"), 0);
    const char *class_;
    json_t *count;
    const char *separator = "";
    json_object_foreach(json_object_get(round, "answers"), class_, count)
    {
        wg_buf_printf(out, "%s%s %lld", separator, class_, (long long)json_integer_value(count));
        separator = ", ";
    }
    if (*separator == '\0')
        wg_buf_puts(out, "none");
}

void wg_lab_write_markdown(const json_t *table, struct wg_buf *out)
{
    const json_t *inits = json_object_get(table, "inits");
    const json_t *hazards = json_object_get(table, "hazards");
    size_t i, k;
    json_t *init, *hazard, *cell;
    wg_buf_puts(out, "| |");
    json_array_foreach(hazards, k, hazard) wg_buf_printf(out, " %s |", json_string_value(hazard));
    wg_buf_puts(out, "\n|---|");
    json_array_foreach(hazards, k, hazard) wg_buf_puts(out, "---|");
    wg_buf_puts(out, "\n");
    json_array_foreach(inits, i, init)
    {
        wg_buf_printf(out, "| %s |", json_string_value(init));
        json_array_foreach(hazards, k, hazard)
        {
            wg_buf_puts(out, " ");
            put_short(cell_at(table, json_string_value(init), json_string_value(hazard)), out);
            wg_buf_puts(out, " |");
        }
        wg_buf_puts(out, "\n");
    }
    wg_buf_puts(out,
                "\nNumbers are failing tests (mean of the rounds); `~` marks cells whose rounds "
                "differ.");
    for (int c = 0; c < WG_LAB_CLASS_COUNT; c++)
        wg_buf_printf(out, " `%c` %s: %s.", wg_lab_classes[c].letter, wg_lab_classes[c].name,
                      wg_lab_classes[c].meaning);
    wg_buf_puts(out,
                "\n\n| init | hazard | kind | symptoms | failing | answers (first round) | found "
                "|\n|---|---|---|---|---|---|---|\n");
    json_array_foreach(json_object_get(table, "cells"), i, cell)
    {
        char *rates =
            json_dumps(json_object_get(cell, "symptoms"), JSON_COMPACT | JSON_REAL_PRECISION(2));
        wg_buf_printf(out, "| %s | %s | %s | `%s` | %.1f | ", wg_json_str(cell, "init", ""),
                      wg_json_str(cell, "hazard", ""), wg_json_str(cell, "kind", ""),
                      rates ? rates : "", wg_json_real(cell, "failed", 0));
        free(rates);
        put_counts(cell, out);
        wg_buf_puts(out, " | ");
        put_joined(json_object_get(cell, "findings"), "nothing", out);
        wg_buf_puts(out, " |\n");
    }
}

static const char page_head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width\"><title>walgrind lab</title>\n<style>\n"
    ":root{color-scheme:light dark}body{font:14px/1.45 system-ui,sans-serif;margin:1.5rem}"
    "table{border-collapse:collapse}th{text-align:left;font-weight:600;padding:.25rem .5rem}"
    "thead th{writing-mode:vertical-rl;transform:rotate(180deg);height:15rem}"
    "td{min-width:3.4rem;text-align:center;padding:.3rem;border:2px solid Canvas;color:#111}"
    ".clean{background:#b7e1cd}.connection{background:#d9d2e9}.locked{background:#fff2cc}"
    ".schema{background:#fce5cd}.deadlock{background:#f9cb9c}.wrong{background:#ffb482}"
    ".io{background:#ea9999}.malformed{background:#e06666}.hung{background:#999}"
    ".unstable{outline:2px dashed #444;outline-offset:-4px}"
    ".none{background:none;color:inherit}dt{float:left;clear:left;width:7rem}dd{margin-left:8rem}"
    "</style></head><body>\n<h1>walgrind lab</h1>\n";

static void put_html_cell(const json_t *cell, struct wg_buf *out)
{
    if (!cell) {
        wg_buf_puts(out, "<td class=\"none\">-</td>");
        return;
    }
    wg_buf_printf(out, "<td class=\"%s%s\" title=\"", wg_json_str(cell, "class", ""),
                  wg_json_bool(cell, "unstable", false) ? " unstable" : "");
    wg_buf_printf(out, "%s x %s: ", wg_json_str(cell, "init", ""), wg_json_str(cell, "hazard", ""));
    put_counts(cell, out);
    wg_buf_puts(out, "; found: ");
    put_joined(json_object_get(cell, "findings"), "nothing", out);
    wg_buf_puts(out, "\">");
    put_short(cell, out);
    wg_buf_puts(out, "</td>");
}

/* Names come from the reference server's own lists and the classes' table: nothing to escape. */
void wg_lab_write_html(const json_t *table, struct wg_buf *out)
{
    const json_t *inits = json_object_get(table, "inits");
    const json_t *hazards = json_object_get(table, "hazards");
    size_t i, k;
    json_t *init, *hazard;
    wg_buf_puts(out, page_head);
    wg_buf_printf(out,
                  "<p>walgrind %s, SQLite %s, %s, %lld rounds. Numbers are failing tests.</p>\n",
                  wg_json_str(table, "walgrind", ""), wg_json_str(table, "sqlite", ""),
                  wg_json_str(table, "wall", ""), (long long)wg_json_int(table, "rounds", 1));
    wg_buf_puts(out, "<table><thead><tr><td class=\"none\"></td>");
    json_array_foreach(hazards, k, hazard)
        wg_buf_printf(out, "<th scope=\"col\">%s</th>", json_string_value(hazard));
    wg_buf_puts(out, "</tr></thead><tbody>\n");
    json_array_foreach(inits, i, init)
    {
        wg_buf_printf(out, "<tr><th scope=\"row\">%s</th>", json_string_value(init));
        json_array_foreach(hazards, k, hazard)
            put_html_cell(cell_at(table, json_string_value(init), json_string_value(hazard)), out);
        wg_buf_puts(out, "</tr>\n");
    }
    wg_buf_puts(out, "</tbody></table>\n<dl>\n");
    for (int c = 0; c < WG_LAB_CLASS_COUNT; c++)
        wg_buf_printf(out, "<dt>%c %s</dt><dd>%s</dd>\n", wg_lab_classes[c].letter,
                      wg_lab_classes[c].name, wg_lab_classes[c].meaning);
    wg_buf_puts(out, "</dl>\n</body></html>\n");
}
