/* SPDX-License-Identifier: MIT */
/* foreign_support.h - what readers of other languages' results have read, as one text. */
#ifndef WG_SUITES_UNIT_FOREIGN_SUPPORT_H
#define WG_SUITES_UNIT_FOREIGN_SUPPORT_H

#include "harness/foreign/result.h"

/* "passed a/b; skipped a/c (why); failed a/d" — the caller frees it. */
char *results_text(const struct wg_foreign_results *results);

#endif
