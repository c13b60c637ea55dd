/* SPDX-License-Identifier: MIT */
/*
 * fuzz_diag.c - libFuzzer's way into the diagnosis: bytes become a trace that is well formed, of a
 * few processes that do anything at all to a few databases, so that the detectors are reached
 * without the checks of the file format in the way (those are fuzz_trace.c's).
 *
 * An input is a row of events of EVENT_SIZE bytes each; a shorter rest is left out. Every byte is
 * reduced to the range of what it means, so that all inputs are sensible ones. How to run it:
 * docs/probe.md, section "Fuzzing".
 */
#include "harness/trace/write.h"
#include "suites/unit/fuzz_look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROCESSES  4
#define EVENT_SIZE 16
#define EVENTS_MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* An event's bytes by what they stand for. */
struct draw {
    uint8_t process, type, call, role, origin, opener, error, flags;
    uint8_t ino, ino2, offset, length, lock_type, open_count, path, step;
};

static const char *path_of(uint8_t number)
{
    static const char *const paths[] = {
        NULL, "/a.db", "/a.db-wal", "/a.db-shm", "/a.db-journal", "/b.db", "/b.db-wal", "/\xff\n",
    };
    return paths[number % (sizeof paths / sizeof paths[0])];
}

static const char *text_of(uint8_t number)
{
    static const char *const texts[] = {
        NULL,
        "BEGIN",
        "BEGIN IMMEDIATE",
        "COMMIT",
        "SELECT * FROM t",
        "INSERT INTO t VALUES(1)",
        "PRAGMA journal_mode=wal",
        "file:/a.db?immutable=1&cache=shared",
        "unix-dotfile",
        "/b.db",
    };
    return texts[number % (sizeof texts / sizeof texts[0])];
}

/* Small numbers, those at which code decides, and the ends of the range. */
static int64_t number_of(uint8_t byte)
{
    static const int64_t special[] = {
        -1, 0x40000000, 0x40000001, 0x40000002, 0100, 01000, 0101, INT64_MAX, INT64_MIN,
    };
    const uint8_t first = 256 - sizeof special / sizeof special[0];
    return byte < first ? byte : special[byte - first];
}

static void add(struct wg_trace_writer *writer, const struct draw *draw, int64_t time_ns)
{
    static const int32_t errors[] = {0, 0, 0, 0, 2, 4, 5, 11, 12, 13, 24, 27, 28, 30, 122, 522};
    const uint64_t frames[] = {draw->offset * UINT64_C(16), draw->length * UINT64_C(16)};
    const uint8_t held = draw->step;
    struct wg_trace_event_spec spec = {
        .record =
            {
                .type = draw->type % (WG_TRACE_TYPE_COUNT + 1),
                .call = draw->call % (WG_CALL_COUNT + 1),
                .role = draw->role % (WG_TRACE_ROLE_COUNT + 1),
                .origin = draw->origin % (WG_TRACE_ORIGIN_COUNT + 1),
                .opener = draw->opener % (WG_TRACE_ORIGIN_COUNT + 1),
                .error = errors[draw->error % 16],
                .flags = draw->flags,
                .tid = draw->process & 7,
                .fd = draw->ino & 15,
                .dev = draw->ino >> 7,
                .ino = draw->ino & 7,
                .ino2 = draw->ino2 & 15,
                .result = number_of(draw->ino2),
                .offset = number_of(draw->offset),
                .length = number_of(draw->length),
                .caller = draw->call * UINT64_C(16),
                .connection = draw->ino2 >> 6,
                .lock_type = draw->lock_type & 31,
                .open_count = draw->open_count & 3,
                .held = draw->open_count & 128 ? held * UINT32_C(0x010101) : 0,
                .time_ns = time_ns,
                .duration_us = draw->step,
            },
        .path = path_of(draw->path),
        .text = text_of(draw->path >> 1),
        .database = draw->path & 128 ? "/b.db" : "/a.db",
        .script = draw->path & 64 ? "a.py:1 f\n" : NULL,
        .frames = frames,
        .frame_count = draw->flags % 3,
    };
    wg_trace_writer_add(writer, &spec);
}

static void write_trace(const char *directory, const uint8_t *bytes, size_t size)
{
    struct wg_trace_writer *writers[PROCESSES] = {NULL};
    int64_t time_ns = 1;
    for (int i = 0; i < PROCESSES; i++) {
        struct wg_trace_writer_options options = {.pid = 100 + i / 2,
                                                  .ppid = i > 1 ? 100 : 1,
                                                  .start_ns = 1 + 4 * i,
                                                  .parent_ns = i == 3 ? 1 : 0,
                                                  .command = "p",
                                                  .rare_max = i == 0 ? 8 : 64,
                                                  .frequent_max = i == 1 ? 8 : 64,
                                                  .text_size = 4096};
        if (wg_trace_writer_create(directory, &options, &writers[i], NULL) != 0)
            abort();
    }
    for (size_t i = 0; i < EVENTS_MAX && size >= EVENT_SIZE; i++) {
        struct draw draw;
        memcpy(&draw, bytes, sizeof draw);
        time_ns += draw.step & 3;
        add(writers[draw.process % PROCESSES], &draw, time_ns);
        bytes += EVENT_SIZE;
        size -= EVENT_SIZE;
    }
    for (int i = 0; i < PROCESSES; i++) {
        if (size > (size_t)i && (bytes[i] & 1))
            wg_trace_writer_end(writers[i], WG_TRACE_EXITED);
        wg_trace_writer_destroy(writers[i]);
    }
}

static void remove_trace(const char *directory)
{
    for (int i = 0; i < PROCESSES; i++) {
        char file[80];
        snprintf(file, sizeof file, "%s/%d-%d" WG_TRACE_SUFFIX, directory, 100 + i / 2, 1 + 4 * i);
        unlink(file);
    }
    rmdir(directory);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    _Static_assert(sizeof(struct draw) == EVENT_SIZE, "a byte each");
    char directory[] = "/dev/shm/walgrind-fuzz-XXXXXX";
    struct wg_trace *trace = NULL;
    if (!mkdtemp(directory))
        abort();
    write_trace(directory, bytes, size);
    if (wg_trace_open(directory, &trace, NULL) != 0)
        abort();
    wg_fuzz_look(trace);
    wg_trace_destroy(trace);
    remove_trace(directory);
    return 0;
}
