/* SPDX-License-Identifier: MIT */
/*
 * probe_cpython.c - a program that looks like CPython 3.13 to the probe, with frames of its own
 * making, and then deletes the database argv[2].
 *
 * argv[1] says what is wrong with the frames: "sound" nothing, "damaged" one links to an address
 * where nothing is, "release" the table is of another release, "threads" it is of a build without
 * the GIL, "outside" a member lies before its object. Exits 0 when it came to its end.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VISIBLE __attribute__((visibility("default")))

/* Objects, laid out as this program likes: the table says how. */
struct text {
    const void *type;
    uint64_t length;
    uint64_t hash;
    uint32_t state;
    uint32_t unused;
    union {
        char ascii[40];
        struct {
            uint64_t utf8_size;
            const char *utf8;
            uint16_t units[20];
        };
    };
};

struct bytes {
    const void *type;
    uint64_t size;
    uint8_t data[32];
};

struct code {
    const void *type;
    int32_t first_line;
    struct text *file, *name;
    struct bytes *lines;
    uint8_t bytecode[64];
};

struct frame {
    struct frame *previous;
    void *executable;
    uint8_t *instruction;
    uint64_t owner;
};

struct state {
    uint64_t unused[5];
    struct frame *frame;
};

VISIBLE char PyCode_Type[8], _PyRuntime[1024];
static struct state state;

void *PyGILState_GetThisThreadState(void);
VISIBLE void *PyGILState_GetThisThreadState(void)
{
    return &state;
}

const char *Py_GetVersion(void);
VISIBLE const char *Py_GetVersion(void)
{
    return "3.13.0";
}

/* kind, compact and ascii, behind two bits for interning. */
#define STATE(kind, ascii) ((kind) << 2 | 1U << 5 | (unsigned)(ascii) << 6 | 1U)

static struct text plain_file = {.length = 11, .state = STATE(1, 1), .ascii = "/srv/app.py"};
static struct text plain_name = {.length = 6, .state = STATE(1, 1), .ascii = "delete"};
static struct text wide_file = {
    .length = 6, .state = STATE(2, 0), .units = {'/', 0x65e5, 0xdcff, '.', 'p', 'y'}};
static struct text wide_name = {.length = 3, .state = STATE(2, 0), .units = {0xe9, '\n', 0x20ac}};

/* Places of every form: line 10 for 2 units (short), + 2 (one line), + 100 (long), - 1 (no
 * columns), none, + 0. */
static struct bytes lines = {
    .size = 17,
    .data = {0x80 | 0 << 3 | 1, 0x12,                                  /* units 0 and 1 */
             0x80 | 12 << 3 | 0, 1, 2,                                 /* 2 */
             0x80 | 14 << 3 | 2, 0x40 | (200 & 63), 200 >> 6, 0, 1, 2, /* 3 to 5 */
             0x80 | 13 << 3 | 0, 3,                                    /* 6 */
             0x80 | 15 << 3 | 0,                                       /* 7 */
             0x80 | 10 << 3 | 7, 1, 2},                                /* 8 to 15 */
};

static struct code plain = {PyCode_Type, 10, &plain_file, &plain_name, &lines, {0}};
static struct code wide = {PyCode_Type, 20, &wide_file, &wide_name, &lines, {0}};
/* Not a code object, by its type. */
static struct code no_code = {_PyRuntime, 30, &plain_file, &plain_name, &lines, {0}};

/* The places of the table that the probe looks at, see script_cpython.c. */
static void make_table(uint64_t release, uint64_t without_gil)
{
    uint64_t table[sizeof _PyRuntime / 8] = {0};
    memcpy(table, "xdebugpy", 8);
    table[1] = release << 16;
    table[2] = without_gil;
    table[23] = offsetof(struct state, frame);
    table[28] = sizeof(struct frame);
    table[29] = offsetof(struct frame, previous);
    table[30] = offsetof(struct frame, executable);
    table[31] = offsetof(struct frame, instruction);
    table[33] = offsetof(struct frame, owner);
    table[34] = sizeof(struct code);
    table[35] = offsetof(struct code, file);
    table[36] = offsetof(struct code, name);
    table[38] = offsetof(struct code, lines);
    table[39] = offsetof(struct code, first_line);
    table[43] = offsetof(struct code, bytecode);
    table[45] = offsetof(struct code, type);
    table[65] = offsetof(struct bytes, size);
    table[66] = offsetof(struct bytes, data);
    table[68] = offsetof(struct text, state);
    table[69] = offsetof(struct text, length);
    table[70] = offsetof(struct text, ascii);
    memcpy(_PyRuntime, table, sizeof table);
}

static struct frame frames[] = {
    {&frames[1], &plain, plain.bytecode + 2, 0},     /* line 10 */
    {&frames[2], &no_code, NULL, 3},                 /* of C code */
    {&frames[3], &wide, wide.bytecode + 4, 0},       /* line 22 */
    {&frames[4], &plain, plain.bytecode + 2 * 5, 0}, /* line 112 */
    {&frames[5], &plain, plain.bytecode + 2 * 6, 0}, /* line 111 */
    {&frames[6], &plain, plain.bytecode + 2 * 7, 0}, /* none */
    {NULL, &plain, plain.bytecode + 2 * 15, 0},      /* line 111 */
};

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    make_table(strcmp(argv[1], "release") == 0 ? 0x030e : 0x030d, strcmp(argv[1], "threads") == 0);
    if (strcmp(argv[1], "damaged") == 0)
        frames[2].previous = (void *)0x10;
    if (strcmp(argv[1], "outside") == 0)
        memset(_PyRuntime + 29 * sizeof(uint64_t), 0xff, sizeof(uint64_t));
    state.frame = frames;
    static const char page[512] = "SQLite format 3";
    FILE *file = fopen(argv[2], "we");
    if (!file || fwrite(page, sizeof page, 1, file) != 1 || fclose(file) != 0)
        return 1;
    return unlink(argv[2]) == 0 ? 0 : 1;
}
