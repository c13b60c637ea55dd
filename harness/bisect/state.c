/* SPDX-License-Identifier: MIT */
#include "harness/bisect/state.h"

#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/base/str.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* A node whose every run failed in another way is given up after so many. */
#define OTHERS_MAX             5
/* A node that does say something may fail in other ways this many times as often. */
#define OTHERS_PER_OBSERVATION 4

/* Leaves 31 bits, which every shell and every language can calculate with. */
#define SEED_SHIFT 33

#define BUILD_COST_LEAST 1
#define BUILD_COST_MOST  500

struct wg_bisect_state {
    int fd;
    char *path;
    json_t *records;
};

static const char *const result_names[] = {
#define RESULT_NAME(identifier, name, meaning) name,
    WG_BISECT_RESULTS(RESULT_NAME)
#undef RESULT_NAME
};

const char *wg_bisect_result_name(enum wg_bisect_result result)
{
    return result_names[result];
}

/* Reads the whole file. */
static int read_all(const struct wg_bisect_state *state, struct wg_buf *text, struct wg_err *err)
{
    char chunk[64 * 1024];
    off_t at = 0;
    for (;;) {
        ssize_t size = pread(state->fd, chunk, sizeof chunk, at);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return wg_err_errno(err, "read %s", state->path);
        if (size == 0)
            return 0;
        if (wg_buf_append(text, chunk, (size_t)size) != 0)
            return wg_err_set(err, WG_ERR_LIMIT, "%s is larger than %u bytes", state->path,
                              WG_LIMIT_BISECT_LOG);
        at += size;
    }
}

/* Turns whole lines into records; with `lead` a torn last one is cut off. */
static int load(struct wg_bisect_state *state, bool lead, struct wg_err *err)
{
    int rc = -1;
    struct wg_buf text;
    wg_buf_init(&text, WG_LIMIT_BISECT_LOG);
    if (read_all(state, &text, err) != 0)
        goto out;
    size_t at = 0, line = 0;
    for (;;) {
        const char *end = memchr(text.data + at, '\n', text.size - at);
        if (!end)
            break;
        line++;
        json_error_t why;
        json_t *record = json_loadb(text.data + at, (size_t)(end - text.data) - at, 0, &why);
        if (!record || !json_is_object(record)) {
            json_decref(record);
            wg_err_set(err, WG_ERR_FORMAT,
                       "%s:%zu: not a record; 'walgrind bisect reset' gives the bisection up",
                       state->path, line);
            goto out;
        }
        json_array_append_new(state->records, record);
        at = (size_t)(end - text.data) + 1;
    }
    if (lead && at < text.size && ftruncate(state->fd, (off_t)at) != 0) {
        wg_err_errno(err, "cut the torn record off %s", state->path);
        goto out;
    }
    rc = 0;
out:
    wg_buf_finish(&text);
    return rc;
}

/*
 * A start record tells how many imported runs belong to it. With fewer than that in the file the
 * process was killed while it began: nothing was begun then.
 */
static int drop_half_begun(struct wg_bisect_state *state, bool lead, struct wg_err *err)
{
    const json_t *start = wg_bisect_state_start(state), *record = NULL;
    int64_t missing = start ? wg_json_int(start, "imports", 0) : 0;
    size_t i = 0;
    json_array_foreach(state->records, i, record)
    {
        missing -= wg_json_bool(record, "imported", false);
    }
    if (missing <= 0)
        return 0;
    json_array_clear(state->records);
    if (!lead)
        return 0;
    return ftruncate(state->fd, 0) == 0 ? 0 : wg_err_errno(err, "truncate %s", state->path);
}

/* A new file is one only once its directory is on the disk as well. */
static int sync_directory(const char *path, struct wg_err *err)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash ? wg_strndup(path, (size_t)(slash - path) + 1) : wg_strdup(".");
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd >= 0 && fsync(fd) == 0 ? 0 : wg_err_errno(err, "sync %s", directory);
    if (fd >= 0)
        close(fd);
    free(directory);
    return rc;
}

int wg_bisect_state_open(const char *path, enum wg_bisect_access access,
                         struct wg_bisect_state **ret_state, struct wg_err *err)
{
    int rc = -1;
    bool create = access == WG_BISECT_CREATE, lead = access != WG_BISECT_LOOK;
    int flags = (lead ? O_RDWR | O_APPEND : O_RDONLY) | (create ? O_CREAT : 0);
    struct wg_bisect_state *state = wg_calloc(1, sizeof *state);
    state->path = wg_strdup(path);
    state->records = json_array();
    state->fd = open(path, flags | O_CLOEXEC, 0666);
    bool absent = state->fd < 0 && !create && errno == ENOENT;
    if (state->fd < 0 && !absent) {
        wg_err_errno(err, "open %s", path);
        goto out;
    }
    if (!absent && lead && flock(state->fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            wg_err_set(err, WG_ERR_STATE, "another process is bisecting here (%s is locked)", path);
        else
            wg_err_errno(err, "lock %s", path);
        goto out;
    }
    if (!absent && (load(state, lead, err) != 0 || drop_half_begun(state, lead, err) != 0))
        goto out;
    if (create && json_array_size(state->records) == 0 && sync_directory(path, err) != 0)
        goto out;
    *ret_state = state;
    state = NULL;
    rc = 0;
out:
    wg_bisect_state_destroy(state);
    return rc;
}

void wg_bisect_state_destroy(struct wg_bisect_state *state)
{
    if (!state)
        return;
    if (state->fd >= 0)
        close(state->fd);
    json_decref(state->records);
    free(state->path);
    free(state);
}

static bool is_event(const json_t *record, const char *event)
{
    return strcmp(wg_json_str(record, "event", ""), event) == 0;
}

const json_t *wg_bisect_state_start(const struct wg_bisect_state *state)
{
    const json_t *first = json_array_get(state->records, 0);
    return first && is_event(first, "start") ? first : NULL;
}

const json_t *wg_bisect_state_records(const struct wg_bisect_state *state)
{
    return state->records;
}

const json_t *wg_bisect_state_verdict(const struct wg_bisect_state *state)
{
    size_t count = json_array_size(state->records);
    const json_t *last = count ? json_array_get(state->records, count - 1) : NULL;
    return last && is_event(last, "verdict") ? last : NULL;
}

int wg_bisect_state_append(struct wg_bisect_state *state, json_t *record, struct wg_err *err)
{
    int rc = -1;
    struct wg_buf line;
    wg_buf_init(&line, WG_LIMIT_BISECT_LOG);
    wg_json_dump(record, &line);
    wg_buf_puts(&line, "\n");
    ssize_t size = write(state->fd, line.data, line.size);
    if (size != (ssize_t)line.size) {
        if (size >= 0)
            errno = ENOSPC;
        wg_err_errno(err, "write %s", state->path);
        goto out;
    }
    if (fdatasync(state->fd) != 0) {
        wg_err_errno(err, "sync %s", state->path);
        goto out;
    }
    json_array_append(state->records, record);
    rc = 0;
out:
    json_decref(record);
    wg_buf_finish(&line);
    return rc;
}

static void add_run(struct wg_bisect_tally *node, const char *result)
{
    if (strcmp(result, result_names[WG_BISECT_RESULT_GOOD]) == 0) {
        node->passes++;
    } else if (strcmp(result, result_names[WG_BISECT_RESULT_BAD]) == 0) {
        node->failures++;
    } else if (strcmp(result, result_names[WG_BISECT_RESULT_SKIP]) == 0) {
        node->skips++;
        if (node->passes + node->failures == 0)
            node->untestable = true;
    } else {
        node->skips++;
    }
    if (node->skips >= OTHERS_MAX + OTHERS_PER_OBSERVATION * (node->passes + node->failures))
        node->untestable = true;
}

void wg_bisect_state_tally(const struct wg_bisect_state *state,
                           const struct wg_bisect_history *history, size_t way,
                           struct wg_bisect_tally *ret_tally)
{
    memset(ret_tally, 0, history->count * sizeof *ret_tally);
    bool kept = way == 0;
    size_t i = 0;
    const json_t *record = NULL;
    json_array_foreach(state->records, i, record)
    {
        bool same = wg_json_int(record, "way", 0) == (int64_t)way;
        kept = kept || (same && is_event(record, "way"));
        long node = wg_bisect_history_find(history, wg_json_str(record, "commit", ""));
        if (node < 0)
            continue;
        if (is_event(record, "run") && same && kept)
            add_run(&ret_tally[node], wg_json_str(record, "result", ""));
        else if (is_event(record, "build") && wg_json_bool(record, "ok", false))
            ret_tally[node].built = true;
        else if (is_event(record, "build"))
            ret_tally[node].untestable = true;
    }
}

void wg_bisect_state_ways(const struct wg_bisect_state *state,
                          const struct wg_bisect_history *history, size_t count,
                          struct wg_bisect_way *ret_ways)
{
    struct wg_bisect_tally good[WG_BISECT_WAYS] = {{0}}, bad[WG_BISECT_WAYS] = {{0}};
    bool elsewhere[WG_BISECT_WAYS] = {false};
    size_t i = 0;
    const json_t *record = NULL;
    assert(count <= WG_BISECT_WAYS);
    json_array_foreach(state->records, i, record)
    {
        int64_t way = wg_json_int(record, "way", 0);
        long node = wg_bisect_history_find(history, wg_json_str(record, "commit", ""));
        if (node < 0 || !is_event(record, "run") || way < 0 || way >= (int64_t)count)
            continue;
        const char *result = wg_json_str(record, "result", "");
        if ((size_t)node == wg_bisect_history_bad(history))
            add_run(&bad[way], result);
        else if (node > 0)
            elsewhere[way] = true;
        else if (!elsewhere[way])
            add_run(&good[way], result);
    }
    for (size_t w = 0; w < count; w++)
        ret_ways[w] = (struct wg_bisect_way){
            .failures = bad[w].failures,
            .passes = bad[w].passes,
            .skips = bad[w].skips,
            .dropped = w > 0 && (bad[w].untestable || good[w].untestable || good[w].failures > 0),
        };
}

long wg_bisect_state_way(const struct wg_bisect_state *state)
{
    for (size_t i = json_array_size(state->records); i-- > 0;) {
        const json_t *record = json_array_get(state->records, i);
        if (is_event(record, "way"))
            return (long)wg_json_int(record, "way", 0);
    }
    return -1;
}

unsigned wg_bisect_state_next_run(const struct wg_bisect_state *state)
{
    size_t i = 0;
    int64_t highest = 0;
    const json_t *record = NULL;
    json_array_foreach(state->records, i, record)
    {
        int64_t n = wg_json_int(record, "n", 0);
        if (n > highest && n < UINT32_MAX)
            highest = n;
    }
    return (unsigned)(highest + 1);
}

/* splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014). */
uint64_t wg_bisect_seed(uint64_t base, unsigned n)
{
    uint64_t z = base + (uint64_t)n * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) >> SEED_SHIFT;
}

double wg_bisect_state_build_cost(const struct wg_bisect_state *state, double fallback)
{
    double sums[2] = {0}; /* milliseconds of builds and of runs */
    unsigned counts[2] = {0};
    size_t i = 0;
    const json_t *record = NULL;
    json_array_foreach(state->records, i, record)
    {
        bool run = is_event(record, "run");
        double ms = wg_json_real(record, "ms", -1);
        if (ms < 0 || !(run || is_event(record, "build")))
            continue;
        sums[run] += ms;
        counts[run]++;
    }
    if (counts[0] == 0 || counts[1] == 0 || !(sums[1] > 0))
        return fallback;
    double cost = sums[0] / counts[0] / (sums[1] / counts[1]);
    return cost < BUILD_COST_LEAST  ? BUILD_COST_LEAST
           : cost > BUILD_COST_MOST ? BUILD_COST_MOST
                                    : cost;
}
