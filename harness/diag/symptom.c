/* SPDX-License-Identifier: MIT */
/*
 * symptom.c - which errors a mechanism explains.
 *
 * A row says what was measured to follow from a mechanism (the programs of suites/mechanisms, and
 * sqlite.org/rescode.html for what a code means). An error seen after a finding whose row has its
 * code is told of as its consequence; any other only as something that was seen later. So a code
 * that has many other causes (5 'database is locked', 1 'no such table') has no place here unless
 * the mechanism makes it at once. To add one: measure it, and name it on the detector's page.
 */
#include "harness/diag/detector.h"

#include <string.h>

static const struct wg_symptom symptoms[] = {
    {"close-drops-locks", "wal-unlink-by-sqlite", {522, 11, 779, 26, 5898, 15, 283, 539}},
    {"unlink-open", NULL, {1032, 522, 26, 28}},
    {"deleted-in-service", NULL, {14}},
    {"wal-unlink", NULL, {522}},
    {"wal-unlink-by-sqlite", NULL, {522, 11, 26}},
    {"shm-unlink", NULL, {15, 283}},
    {"hot-journal-deleted", NULL, {5898, 11}},
    {"copy-over", NULL, {11, 779, 26, 522, 17}},
    {"fd-reuse", NULL, {26, 11, 779}},
    {"truncate-db", NULL, {11, 779, 26}},
    {"wal-truncate", NULL, {522, 11}},
    {"fork-use", NULL, {5, 11}},
    {"hard-link", NULL, {522, 11, 28}},
    {"two-copies", "wal-unlink-by-sqlite", {5898, 11, 779, 522}},
    {"nofile", NULL, {14}},
    {"disk-full", NULL, {13, 4874}},
    {"fsize-limit", NULL, {778}},
    {"as-limit", NULL, {5386}},
    {"overlay-copy-up", NULL, {11}},
    {"stale-wal", NULL, {11, 779, 26}},
    {"wal-reset-bug", NULL, {11, 779}},
    {"copy-live", NULL, {11, 779}},
    {"cookie-aba", NULL, {11}},
    {"immutable", NULL, {11}},
    {"nolock", NULL, {5898, 11}},
    {"vfs-mix", NULL, {5898, 11, 14}},
    {"thread-misuse", NULL, {11, 21}},
    {"idle-reader", NULL, {5}},
    {"leaked-transaction", NULL, {5}},
    {"lock-stuck", NULL, {5, 15}},
    {"dir-readonly", NULL, {1544, 14, 776}},
};

const size_t wg_symptom_count = sizeof symptoms / sizeof symptoms[0];

const struct wg_symptom *wg_detector_symptom(const struct wg_detector *detector)
{
    for (size_t i = 0; i < sizeof symptoms / sizeof symptoms[0]; i++)
        if (strcmp(symptoms[i].id, detector->id) == 0)
            return &symptoms[i];
    return NULL;
}
