/* SPDX-License-Identifier: MIT */
/* sqlite_code.h - names of SQLite's result codes (sqlite.org/rescode.html), for people. */
#ifndef WG_HARNESS_BASE_SQLITE_CODE_H
#define WG_HARNESS_BASE_SQLITE_CODE_H

/* "SQLITE_IOERR_SHORT_READ" and the like; the primary code's name for unknown extensions, and
 * "SQLITE_ERROR" for codes that are not known at all. */
const char *wg_sqlite_code_name(int extended_code);
/* The words of sqlite3_errstr() for the codes that a broken database gives, NULL for others. */
const char *wg_sqlite_code_message(int extended_code);

#endif
