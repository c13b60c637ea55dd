/* SPDX-License-Identifier: MIT */
/*
 * known.h - what is known of SQLite's files and of programs without looking at any state: for the
 * probe and for the tracer, which watches programs that the probe cannot get into.
 *
 * Pure functions, async-signal-safe; those that take a descriptor read from it with pread.
 */
#ifndef WG_HARNESS_PROBE_KNOWN_H
#define WG_HARNESS_PROBE_KNOWN_H

#include "harness/wire/trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define WG_PROBE_HEADER "SQLite format 3" /* sqlite.org/fileformat2.html, section 1.3 */

struct wg_family {
    enum wg_trace_role role;
    size_t base; /* bytes of the path that name the main database */
};
/* By the name alone: never DATABASE, since any name can be one. */
struct wg_family wg_probe_family_of_name(const char *path, size_t size);
bool wg_probe_name_like_database(const char *path, size_t size);
/* Takes ".", ".." and double slashes out of an absolute path, in place; its new size. */
size_t wg_probe_normalise(char *path, size_t size);
/* Writes a number in decimal, 20 digits at most, without a NUL; the place behind it. */
char *wg_probe_put_number(char *at, uint64_t number);
/* Pages have at least 512 bytes, and a database consists of whole pages. */
bool wg_probe_size_of_database(const struct stat *st);

/*
 * The bits of WG_TRACE_HELD_* that a POSIX lock stands for: those to set when it is granted (type
 * F_RDLCK or F_WRLCK) and those to clear first; `length` 0 is to the end of the file.
 */
void wg_probe_lock_bits(enum wg_trace_role role, short type, int64_t start, int64_t length,
                        uint32_t *set, uint32_t *clear);

/* A text that every SQLite since 3.7 contains and nothing else (vdbeaux.c); no file of ours does.
 */
#define WG_PROBE_NEEDLE 12
void wg_probe_needle(char needle[static WG_PROBE_NEEDLE + 1]);
/* As memmem(3), which a program built with AddressSanitizer replaces by one that does not let
 * anybody read between its variables. */
bool wg_probe_holds(const char *at, size_t size, const char needle[static WG_PROBE_NEEDLE]);

/*
 * Why the probe does not see all that a program does, by its ELF file: NULL when it does as far as
 * one sees, or when the file is no ELF of this machine.
 */
const char *wg_probe_obstacle(int fd);
/* One of its answers: the tracer does not see those either. */
extern const char wg_probe_is_32_bit[];
/* Another: with the probe in LD_PRELOAD it does not even start. */
extern const char wg_probe_is_musl[];

#endif
