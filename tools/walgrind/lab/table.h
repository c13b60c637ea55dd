/* SPDX-License-Identifier: MIT */
/*
 * table.h - the lab's results as one document, and what is computed from it.
 *
 * The document is JSON: {"walgrind", "sqlite", "wall", "rounds", "inits": [name…],
 * "hazards": [name…], "cells": [{"init", "hazard", "kind", "class",
 * "rates": {kind: part of the rounds}, "symptoms": {class: part}, "failed": mean, "unstable": bool,
 * "expected": class, "findings": [id…], "missing": [hazard…], "foreign": [id…], "rounds": [result
 * of wg_lab_cell_run…]}]}. Markdown, HTML and the terminal's table are functions of it.
 */
#ifndef WG_TOOLS_WALGRIND_LAB_TABLE_H
#define WG_TOOLS_WALGRIND_LAB_TABLE_H

#include "harness/base/buf.h"
#include "harness/base/err.h"

#include <jansson.h>

json_t *wg_lab_table_new(char *const *inits, char *const *hazards, long rounds);
/* Takes in one result, which it keeps a reference to. */
void wg_lab_table_add(json_t *table, json_t *result);
/* Computes what a cell's rounds say together. */
void wg_lab_table_finish(json_t *table);

/*
 * Compares with expectations, {"INIT": {"HAZARD": ["kind", …]}}: every cell of the table must be
 * listed and its kind be one of those. Marks the cells, writes a line for each that differs, and
 * returns how many do.
 */
long wg_lab_table_compare(json_t *table, const json_t *expected, struct wg_buf *out);
/* Cells in which the diagnosis did not name a hazard that did harm, or named one that was off: a
 * line for each, and their number. */
long wg_lab_table_misnamed(const json_t *table, struct wg_buf *out);
/* The table's own kinds in the shape of expectations. */
json_t *wg_lab_table_expectations(const json_t *table);

/* Rows are strategies, columns hazards: class letter and mean number of failing tests. */
void wg_lab_write_text(const json_t *table, struct wg_buf *out);
void wg_lab_write_markdown(const json_t *table, struct wg_buf *out);
void wg_lab_write_html(const json_t *table, struct wg_buf *out);

#endif
