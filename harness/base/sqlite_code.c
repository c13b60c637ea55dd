/* SPDX-License-Identifier: MIT */
#include "harness/base/sqlite_code.h"

#include <stddef.h>

static const struct {
    int code;
    const char *name;
    const char *message; /* NULL: not needed */
} primary_codes[] = {
    {5, "SQLITE_BUSY", "database is locked"},
    {6, "SQLITE_LOCKED", "database table is locked"},
    {7, "SQLITE_NOMEM", "out of memory"},
    {8, "SQLITE_READONLY", "attempt to write a readonly database"},
    {10, "SQLITE_IOERR", "disk I/O error"},
    {11, "SQLITE_CORRUPT", "database disk image is malformed"},
    {13, "SQLITE_FULL", "database or disk is full"},
    {14, "SQLITE_CANTOPEN", "unable to open database file"},
    {15, "SQLITE_PROTOCOL", "locking protocol"},
    {17, "SQLITE_SCHEMA", NULL},
    {19, "SQLITE_CONSTRAINT", NULL},
    {21, "SQLITE_MISUSE", NULL},
    {26, "SQLITE_NOTADB", "file is not a database"},
    {27, "SQLITE_NOTICE", NULL},
    {28, "SQLITE_WARNING", NULL},
};

static const struct {
    int code;
    const char *name;
} extended_codes[] = {
    {261, "SQLITE_BUSY_RECOVERY"},
    {517, "SQLITE_BUSY_SNAPSHOT"},
    {773, "SQLITE_BUSY_TIMEOUT"},
    {262, "SQLITE_LOCKED_SHAREDCACHE"},
    {266, "SQLITE_IOERR_READ"},
    {522, "SQLITE_IOERR_SHORT_READ"},
    {778, "SQLITE_IOERR_WRITE"},
    {1034, "SQLITE_IOERR_FSYNC"},
    {1290, "SQLITE_IOERR_DIR_FSYNC"},
    {1546, "SQLITE_IOERR_TRUNCATE"},
    {1802, "SQLITE_IOERR_FSTAT"},
    {2058, "SQLITE_IOERR_UNLOCK"},
    {2314, "SQLITE_IOERR_RDLOCK"},
    {2570, "SQLITE_IOERR_DELETE"},
    {2826, "SQLITE_IOERR_BLOCKED"},
    {3082, "SQLITE_IOERR_NOMEM"},
    {3338, "SQLITE_IOERR_ACCESS"},
    {3594, "SQLITE_IOERR_CHECKRESERVEDLOCK"},
    {3850, "SQLITE_IOERR_LOCK"},
    {4106, "SQLITE_IOERR_CLOSE"},
    {4618, "SQLITE_IOERR_SHMOPEN"},
    {4874, "SQLITE_IOERR_SHMSIZE"},
    {5130, "SQLITE_IOERR_SHMLOCK"},
    {5386, "SQLITE_IOERR_SHMMAP"},
    {5642, "SQLITE_IOERR_SEEK"},
    {5898, "SQLITE_IOERR_DELETE_NOENT"},
    {6154, "SQLITE_IOERR_MMAP"},
    {6410, "SQLITE_IOERR_GETTEMPPATH"},
    {8458, "SQLITE_IOERR_CORRUPTFS"},
    {267, "SQLITE_CORRUPT_VTAB"},
    {523, "SQLITE_CORRUPT_SEQUENCE"},
    {779, "SQLITE_CORRUPT_INDEX"},
    {526, "SQLITE_CANTOPEN_ISDIR"},
    {1032, "SQLITE_READONLY_DBMOVED"},
    {1288, "SQLITE_READONLY_CANTINIT"},
    {776, "SQLITE_READONLY_ROLLBACK"},
    {1544, "SQLITE_READONLY_DIRECTORY"},
    {283, "SQLITE_NOTICE_RECOVER_WAL"},
    {539, "SQLITE_NOTICE_RECOVER_ROLLBACK"},
};

const char *wg_sqlite_code_name(int extended_code)
{
    for (size_t i = 0; i < sizeof extended_codes / sizeof extended_codes[0]; i++)
        if (extended_codes[i].code == extended_code)
            return extended_codes[i].name;
    for (size_t i = 0; i < sizeof primary_codes / sizeof primary_codes[0]; i++)
        if (primary_codes[i].code == (extended_code & 0xff))
            return primary_codes[i].name;
    return "SQLITE_ERROR";
}

const char *wg_sqlite_code_message(int extended_code)
{
    for (size_t i = 0; i < sizeof primary_codes / sizeof primary_codes[0]; i++)
        if (primary_codes[i].code == (extended_code & 0xff))
            return primary_codes[i].message;
    return NULL;
}
