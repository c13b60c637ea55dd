/* SPDX-License-Identifier: MIT */
/*
 * symbol.h - names of functions and source lines for the addresses of native stacks.
 *
 * Addresses are looked up when a report is made, in the object files as they lie on the disk then
 * (libdw: symbol tables, DWARF, separate debug files as of debian's -dbg packages). An object that
 * was rebuilt since gives wrong names; its build-id stands beside addresses without a name.
 * Objects stay open until the end. Not thread-safe.
 */
#ifndef WG_HARNESS_DIAG_SYMBOL_H
#define WG_HARNESS_DIAG_SYMBOL_H

#include "harness/diag/diag.h"

#include <stdint.h>

struct wg_symbols;

struct wg_symbols *wg_symbols_create(void);
/* NULL is fine. */
void wg_symbols_destroy(struct wg_symbols *symbols);

/*
 * Describes a return address within the object file `path` (an address as addr2line takes it):
 * "function (FILE:LINE)", "function in PATH", or "PATH+0xADDRESS (build-id …)". The caller frees
 * it.
 */
char *wg_symbols_describe(struct wg_symbols *symbols, const char *path, uint64_t address);

/* Fills in `stack` of all findings: at most WG_FINDING_FRAMES native frames, innermost first. */
void wg_diag_symbolise(const struct wg_trace *trace, struct wg_findings *findings);

#endif
