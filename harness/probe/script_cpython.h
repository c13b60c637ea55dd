/* SPDX-License-Identifier: MIT */
/* script_cpython.h - the parts of script_cpython.c, which has the whole story. */
#ifndef WG_HARNESS_PROBE_SCRIPT_CPYTHON_H
#define WG_HARNESS_PROBE_SCRIPT_CPYTHON_H

#include "harness/probe/script.h"

#define WG_CPYTHON_TEXT   1500 /* bytes of all frames */
#define WG_CPYTHON_OBJECT 512  /* bytes of a frame or a code object that are looked at */

/* How a code object's table says which lines its instructions are of. */
enum wg_cpython_lines {
    WG_CPYTHON_STEPS,    /* pairs: bytes of code, lines to add behind them (to 3.9) */
    WG_CPYTHON_RANGES,   /* pairs: bytes of code, lines to add for them (3.10) */
    WG_CPYTHON_LOCATIONS /* entries of columns, too (from 3.11) */
};

/* Where the members of objects lie, in bytes from their start. */
struct wg_cpython {
    uint64_t current_frame;                                     /* of a thread state */
    uint64_t frame_size, previous, executable, instruction;     /* of a frame */
    uint64_t code_size, file, name, line_table, first_line;     /* of a code object */
    uint64_t bytecode;                                          /* of one, 0 when it is apart */
    uint64_t type;                                              /* of any object */
    uint64_t bytes_size, bytes_data;                            /* of a bytes object */
    uint64_t text_state, text_length, text_ascii, text_compact; /* of a string; its characters */
    enum wg_cpython_lines lines;
};

/* A walk over the frames of a thread. */
struct wg_cpython_walk {
    int ends[2]; /* of the pipe that memory is read through */
    struct wg_cpython at;
    uint64_t code_type; /* the type of code objects */
    char text[WG_CPYTHON_TEXT];
    size_t used;
};

/* --- script_cpython_text.c --- */
bool wg_cpython_word(const struct wg_cpython_walk *walk, uint64_t address, uint64_t *ret);
/* Append to the walk's text, as UTF-8, what there is room for. */
void wg_cpython_put(struct wg_cpython_walk *walk, char byte);
void wg_cpython_put_number(struct wg_cpython_walk *walk, long number);
/* A string object, of which at most `most` characters; control characters as '?'. False when it is
 * none, or empty. */
bool wg_cpython_put_string(struct wg_cpython_walk *walk, uint64_t object, uint64_t most);
/*
 * The line of an instruction, 0 when there is none. `code` are the bytes of a code object, `at` is
 * how far into the bytecode the instruction lies, in bytes.
 */
long wg_cpython_line(const struct wg_cpython_walk *walk, const uint8_t *code, uint64_t at);

#endif
