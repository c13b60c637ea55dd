/* SPDX-License-Identifier: MIT */
/*
 * fuzz_trace.c - libFuzzer's way into the reader of traces and into the diagnosis of what it read:
 * a file of any bytes must be read, refused or reported as damage, and then examined, never more.
 * How to run it: docs/probe.md, section "Fuzzing".
 */
#include "suites/unit/fuzz_look.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

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
    if (wg_trace_open(directory, &trace, NULL) == 0)
        wg_fuzz_look(trace);
    wg_trace_destroy(trace);
    unlink(file);
    rmdir(directory);
    return 0;
}
