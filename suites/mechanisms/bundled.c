/* SPDX-License-Identifier: MIT */
/* bundled.c - a library with a SQLite of its own inside that nobody can see from outside, as
 * extension modules bring it: the second copy in a process that has the system's. */
#include <sqlite3.h>
#include <stddef.h>

__attribute__((visibility("default"))) int bundled_read(const char *path);

/* Reads a table through a connection that stays open. */
int bundled_read(const char *path)
{
    sqlite3 *connection = NULL;
    if (sqlite3_open(path, &connection) != SQLITE_OK)
        return -1;
    return sqlite3_exec(connection, "SELECT * FROM t", NULL, NULL, NULL);
}
