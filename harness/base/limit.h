/* SPDX-License-Identifier: MIT */
/*
 * limit.h - every limit of the harness in one list.
 *
 * A limit exists so that one runaway test, server or input cannot take the run with it. Reaching
 * one is never silent: the code that meets it says so in an event or an error.
 */
#ifndef WG_HARNESS_BASE_LIMIT_H
#define WG_HARNESS_BASE_LIMIT_H

#define WG_LIMIT_TEST_NAME      256          /* bytes of suite/test[label] with the NUL */
#define WG_LIMIT_TEST_OUTPUT    (1u << 20)   /* bytes of stdout + stderr kept per test */
#define WG_LIMIT_TEST_MESSAGES  64           /* assertion records kept per test */
#define WG_LIMIT_TEST_BESIDE    64           /* names of tests that ran beside a failed one */
#define WG_LIMIT_STACKS         (256u << 10) /* bytes of stacks kept per test that timed out */
#define WG_LIMIT_SERVER_LOG_CUT (32u << 10)  /* bytes of the server log kept per failed test */
#define WG_LIMIT_MESSAGE        (16u << 10)  /* bytes of one assertion message */
#define WG_LIMIT_PACKET         (64u << 10)  /* bytes of one packet of the suite protocol */
#define WG_LIMIT_PARAMS         100000       /* cases of one parameterised test */
#define WG_LIMIT_TESTS          100000       /* tests of one suite binary */
#define WG_LIMIT_WORKERS        256          /* concurrent tests */
#define WG_LIMIT_DATABASES      32           /* databases of one set */
#define WG_LIMIT_SERVER_LOG     (64u << 20)  /* bytes of server output scanned per run */
#define WG_LIMIT_LOG_LINE       (64u << 10)  /* bytes of one server log line */
#define WG_LIMIT_HTTP_BODY      (64u << 20)  /* bytes of one response body kept by a test */
#define WG_LIMIT_HTTP_PARALLEL  256          /* requests that a test has under way at once */
#define WG_LIMIT_HTTP_SHOWN     (2u << 10)   /* bytes of a body shown in messages and events */
#define WG_LIMIT_SERVER_PORTS   5            /* ports tried for one server start */
#define WG_LIMIT_JSON_FILE      (16u << 20)  /* bytes of a JSON file read whole */
#define WG_LIMIT_JUNIT_FILE     (64u << 20)  /* bytes of a JUnit XML file that tests wrote */
#define WG_LIMIT_TAP_DEPTH      32           /* subtests inside one another */
#define WG_LIMIT_COMMAND_OUTPUT (16u << 10)  /* bytes shown of the output of a test command */
#define WG_LIMIT_CHECK_LINES    200          /* violations kept per run of the check command */
#define WG_LIMIT_EVIDENCE       200          /* I/O-error evidence records kept in a report */
#define WG_LIMIT_HTML_REQUESTS  200000       /* requests drawn on the page of a run */
#define WG_LIMIT_BISECT_COMMITS 20000        /* commits of one bisection, GOOD among them */
#define WG_LIMIT_BISECT_LOG     (256u << 20) /* bytes of the log of one bisection */
#define WG_LIMIT_BISECT_OUTPUT  (64u << 10)  /* bytes of output kept of a failed run */

#define WG_LIMIT_TRACE_FILES   100000       /* traced processes of one run */
#define WG_LIMIT_TRACE_RECORDS (1u << 24)   /* records of one area of a trace file */
#define WG_LIMIT_TRACE_TOTAL   (1u << 28)   /* records of one trace */
#define WG_LIMIT_TRACE_STRINGS (1u << 30)   /* bytes of strings of a trace file */
#define WG_LIMIT_TRACE_KEPT    (256u << 20) /* bytes of traces kept from round to round of a run */
#define WG_LIMIT_TRACE_GAPS    50           /* programs named as not covered */
#define WG_LIMIT_DIAG_REQUESTS 200000       /* requests of a run that findings are joined with */
#define WG_LIMIT_DIAG_EVIDENCE 20000        /* evidence of a run, likewise */

#define WG_LIMIT_TEMPLATE_REHASH (64u << 20)  /* bytes of a cached template always hashed again */
#define WG_LIMIT_TEMPLATE_SQL    (256u << 20) /* bytes of one SQL file of a template */
#define WG_LIMIT_TREE_ENTRIES    100000       /* other files and directories of one set */
#define WG_LIMIT_TREE_DEPTH      64           /* directories below one another in a set */
#define WG_LIMIT_WAL_KEPT        (16 << 20)   /* bytes of a -wal that a reset keeps to write over */
#define WG_LIMIT_VERIFY_FINDINGS 50           /* finding lines kept per database */

#define WG_DEFAULT_TEST_TIMEOUT_MS    30000  /* per test, unless its suite says otherwise */
#define WG_DEFAULT_SLOW_NOTICE_MS     10000  /* a test that runs longer is named while it runs */
#define WG_DEFAULT_COMMAND_TIMEOUT_MS 600000 /* a whole command of tests */
#define WG_DEFAULT_GRACE_MS           2000   /* between SIGTERM and SIGKILL */
#define WG_DEFAULT_READY_TIMEOUT_MS   30000  /* from spawn to the first good answer */
#define WG_DEFAULT_HTTP_TIMEOUT_MS    20000  /* one request of a test */
#define WG_DEFAULT_CHECK_TIMEOUT_MS   60000  /* the check command on the data of one unit */
#define WG_DEFAULT_RESET_TIMEOUT_MS   5000   /* how long a reset waits for readers and writers */

#endif
