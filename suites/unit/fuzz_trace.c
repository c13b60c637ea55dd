/* SPDX-License-Identifier: MIT */
/*
 * fuzz_trace.c - libFuzzer's way into the reader of traces: a file of any bytes must be read,
 * refused or reported as damage, never more. By hand:
 *
 *     CC=clang meson setup build-fuzz -Dfuzz=true -Db_lundef=false -Db_sanitize=address,undefined
 *     build-fuzz/suites/unit/fuzz-trace suites/unit/data/trace-corpus -max_total_time=600
 */
#include "harness/trace/trace.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Looks at everything that a reader can be asked for, so that a wrong reference is met. */
static size_t look_at(const struct wg_trace *trace)
{
    size_t sum = 0;
    for (size_t i = 0; i < wg_trace_process_count(trace); i++)
        sum += strlen(wg_trace_process_at(trace, i)->command);
    for (size_t i = 0; i < wg_trace_count(trace); i++) {
        struct wg_trace_event event;
        char words[64];
        const char *path = "";
        uint64_t address = 0;
        wg_trace_get(trace, i, &event);
        sum += strlen(event.path) + strlen(event.text) + strlen(event.script);
        wg_trace_held_text(event.record->held, words, sizeof words);
        for (size_t j = 0; j < event.frame_count; j++) {
            wg_trace_module(trace, event.process, event.frames[j], &path, &address);
            sum += strlen(path) + (size_t)address;
        }
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char directory[] = "/dev/shm/walgrind-fuzz-XXXXXX";
    char file[64];
    struct wg_trace *trace = NULL;
    if (!mkdtemp(directory))
        abort();
    snprintf(file, sizeof file, "%s/1-1" WG_TRACE_SUFFIX, directory);
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
        abort();
    close(fd);
    if (wg_trace_open(directory, &trace, NULL) == 0 && look_at(trace) == SIZE_MAX)
        abort();
    wg_trace_destroy(trace);
    unlink(file);
    rmdir(directory);
    return 0;
}
