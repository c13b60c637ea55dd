/* SPDX-License-Identifier: MIT */
/* db_stage.h - one database under a strategy with a server on it, and what a test does to it. */
#ifndef WG_SUITES_UNIT_DB_STAGE_H
#define WG_SUITES_UNIT_DB_STAGE_H

#include "suites/unit/db_support.h"

#include <stdbool.h>
#include <stddef.h>

/* Template, clone and another process with connections 0-5 that have used the database. */
struct stage {
    struct place place;
    struct wg_template *tmpl;
    struct wg_dbset *set;
    struct worker worker;
    char *database;
    char *original; /* the template's file */
};

struct stage stage_open(const char *strategy, const char *sql);
/* The same before the other process has opened anything. */
struct stage stage_open_unused(const char *strategy, const char *sql);
void stage_close(struct stage *stage);

/* Row by row against the template, and byte by byte where the strategy promises that. */
void expect_template_state(struct stage *stage, const struct wg_reset_strategy_info *info);

/* The rows that a running server can have under it and that undo something. */
bool is_live(const struct wg_reset_strategy_info *info);

/* One kind of change per row, as a test of a server would make it. */
struct change {
    const char *label;
    const char *statements[4];
};

size_t change_count(void);
const struct change *change_at(size_t index);
/* Fails the test when there is none of that label. */
const struct change *change_called(const char *label);
void run_change(struct worker *worker, int connection, const struct change *change);

#endif
