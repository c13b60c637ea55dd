/* SPDX-License-Identifier: MIT */
/*
 * script_cpython.c - the Python frames of the calling thread, in CPython 3.9, 3.10 and 3.13.
 *
 * These do not export the function that script_python.c calls, so the frames are read here: the
 * thread's newest frame, of each frame its code object and the instruction that it is at, of the
 * code its file, its name and the table of its lines. From 3.13 on a table of offsets at the start
 * of _PyRuntime, made for profilers, says where the members lie; in the others they lie where the
 * release's headers say.
 *
 * The frames of a thread change only while it runs Python code, and this one is in a call. Nothing
 * that is read is trusted all the same: memory is read through a pipe, an object is a code object
 * or is left alone, and texts and tables have limits. Builds without the GIL are left alone.
 *
 * To add a release: a row in `fixed` or in `tables`, and a run of
 * suites/mechanisms/python_frames.py with it.
 */
#include "harness/probe/script_cpython.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILE_MAX   400 /* characters */
#define NAME_MOST  100
#define TABLE_SIZE 71 /* words of the table that are looked at */

typedef void *get_state_function(void);
typedef const char *get_version_function(void);

/* Releases whose members are where they are, by the start of what Py_GetVersion() says. */
static const struct {
    const char *version;
    struct wg_cpython at;
} fixed[] = {
#define EITHER                                                                                     \
    .current_frame = 24, .previous = 24, .executable = 32, .frame_size = 112, .code_size = 128,    \
    .first_line = 40, .file = 104, .name = 112, .line_table = 120, .type = 8, .bytes_size = 16,    \
    .bytes_data = 32, .text_length = 16, .text_state = 32, .text_ascii = 48, .text_compact = 72
    {"3.9.", {EITHER, .instruction = 104, .lines = WG_CPYTHON_STEPS}},
    {"3.10.", {EITHER, .instruction = 96, .lines = WG_CPYTHON_RANGES}},
#undef EITHER
};

/* Where a release's table has its offsets: words from its start. */
static const struct layout {
    uint32_t release; /* PY_VERSION_HEX without its lower half */
    uint8_t current_frame, frame_size, previous, executable, instruction;
    uint8_t file, name, line_table, first_line, bytecode;
    uint8_t type, bytes_size, bytes_data, text_state, text_length, text_ascii;
} tables[] = {
    {
        .release = 0x030d,
        .current_frame = 23,
        .frame_size = 28,
        .previous = 29,
        .executable = 30,
        .instruction = 31,
        .file = 35,
        .name = 36,
        .line_table = 38,
        .first_line = 39,
        .bytecode = 43,
        .type = 45,
        .bytes_size = 65,
        .bytes_data = 66,
        .text_state = 68,
        .text_length = 69,
        .text_ascii = 70,
    },
};

static struct {
    _Atomic(get_state_function *) get_state;
    _Atomic(get_version_function *) get_version;
    _Atomic uintptr_t runtime;   /* address of _PyRuntime */
    _Atomic uintptr_t code_type; /* address of PyCode_Type */
} cpython;

void wg_script_cpython_search(const struct wg_module *module)
{
    get_state_function *get_state = NULL;
    get_version_function *get_version = NULL;
    void *state_symbol = wg_probe_symbol(module, "PyGILState_GetThisThreadState");
    void *version_symbol = wg_probe_symbol(module, "Py_GetVersion");
    const void *runtime = wg_probe_symbol(module, "_PyRuntime");
    const void *code_type = wg_probe_symbol(module, "PyCode_Type");
    memcpy(&get_state, &state_symbol, sizeof state_symbol);
    memcpy(&get_version, &version_symbol, sizeof version_symbol);
    if (!get_state || !get_version || !runtime || !code_type ||
        wg_probe_symbol(module, "_Py_DumpTraceback"))
        return;
    atomic_store(&cpython.code_type, (uintptr_t)code_type);
    atomic_store(&cpython.runtime, (uintptr_t)runtime);
    atomic_store(&cpython.get_version, get_version);
    atomic_store(&cpython.get_state, get_state);
}

/* --- Offsets -------------------------------------------------------------------------------- */

/* A word lies there, within an object of that size. */
static bool has_word(uint64_t size, uint64_t offset)
{
    return size >= sizeof(uint64_t) && offset <= size - sizeof(uint64_t);
}

static bool is_sane(const struct wg_cpython *at)
{
    const uint64_t frame[] = {at->previous, at->executable, at->instruction};
    const uint64_t code[] = {at->file, at->name, at->line_table, at->first_line};
    bool sane = at->frame_size <= WG_CPYTHON_OBJECT && at->code_size <= WG_CPYTHON_OBJECT;
    for (size_t i = 0; i < sizeof frame / sizeof frame[0]; i++)
        sane = sane && has_word(at->frame_size, frame[i]);
    for (size_t i = 0; i < sizeof code / sizeof code[0]; i++)
        sane = sane && has_word(at->code_size, code[i]);
    return sane;
}

static bool take_table(struct wg_cpython *at, const uint64_t table[TABLE_SIZE])
{
    const struct layout *layout = NULL;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        if (table[1] >> 16 == tables[i].release)
            layout = &tables[i];
    bool without_gil = table[2] != 0;
    if (!layout || without_gil)
        return false;
    *at = (struct wg_cpython){
        .current_frame = table[layout->current_frame],
        .frame_size = table[layout->frame_size],
        .previous = table[layout->previous],
        .executable = table[layout->executable],
        .instruction = table[layout->instruction],
        .code_size = table[layout->bytecode],
        .file = table[layout->file],
        .name = table[layout->name],
        .line_table = table[layout->line_table],
        .first_line = table[layout->first_line],
        .bytecode = table[layout->bytecode],
        .type = table[layout->type],
        .bytes_size = table[layout->bytes_size],
        .bytes_data = table[layout->bytes_data],
        .text_state = table[layout->text_state],
        .text_length = table[layout->text_length],
        .text_ascii = table[layout->text_ascii],
        /* What is not ASCII has the size and the address of its UTF-8 form before it. */
        .text_compact = table[layout->text_ascii] + 16,
        .lines = WG_CPYTHON_LOCATIONS,
    };
    return is_sane(at);
}

/* False when the interpreter is of no release that is known here. */
static bool find_offsets(struct wg_cpython_walk *walk)
{
    uint64_t table[TABLE_SIZE];
    if (wg_script_peek(walk->ends, atomic_load(&cpython.runtime), table, sizeof table) &&
        memcmp(table, "xdebugpy", 8) == 0)
        return take_table(&walk->at, table);
    const char *version = atomic_load(&cpython.get_version)();
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (strncmp(version, fixed[i].version, strlen(fixed[i].version)) == 0) {
            walk->at = fixed[i].at;
            return true;
        }
    return false;
}

/* --- Frames --------------------------------------------------------------------------------- */

/* How far into the bytecode a frame is, in bytes. */
static uint64_t place_in(const struct wg_cpython_walk *walk, const uint8_t *frame, uint64_t code)
{
    if (walk->at.bytecode != 0) {
        uint64_t address;
        memcpy(&address, frame + walk->at.instruction, sizeof address);
        return address - code - walk->at.bytecode;
    }
    int32_t index;
    memcpy(&index, frame + walk->at.instruction, sizeof index);
    uint64_t at = index < 0 ? 0 : (uint64_t)index;
    return walk->at.lines == WG_CPYTHON_RANGES ? 2 * at : at;
}

/* "FILE:LINE NAME\n", or nothing at all when the frame is of C code or cannot be read. */
static bool put_frame(struct wg_cpython_walk *walk, const uint8_t *frame)
{
    uint8_t code[WG_CPYTHON_OBJECT];
    uint64_t object, type, file, name;
    size_t before = walk->used;
    memcpy(&object, frame + walk->at.executable, sizeof object);
    if (!wg_cpython_word(walk, object + walk->at.type, &type) || type != walk->code_type ||
        !wg_script_peek(walk->ends, object, code, walk->at.code_size))
        return false;
    memcpy(&file, code + walk->at.file, sizeof file);
    memcpy(&name, code + walk->at.name, sizeof name);
    bool good = wg_cpython_put_string(walk, file, FILE_MAX);
    wg_cpython_put(walk, ':');
    wg_cpython_put_number(walk, wg_cpython_line(walk, code, place_in(walk, frame, object)));
    wg_cpython_put(walk, ' ');
    good = good && wg_cpython_put_string(walk, name, NAME_MOST);
    wg_cpython_put(walk, '\n');
    if (!good || walk->used == sizeof walk->text)
        walk->used = before;
    return walk->used > before;
}

static void walk_frames(struct wg_cpython_walk *walk, uint64_t state)
{
    uint64_t address;
    uint8_t frame[WG_CPYTHON_OBJECT];
    if (!find_offsets(walk) || !wg_cpython_word(walk, state + walk->at.current_frame, &address))
        return;
    int frames = 0;
    /* Frames of C code lie between those of Python, so there are more steps than frames. */
    for (int steps = 0; address != 0 && steps < 4 * WG_TRACE_SCRIPT_MAX; steps++) {
        if (frames == WG_TRACE_SCRIPT_MAX ||
            !wg_script_peek(walk->ends, address, frame, walk->at.frame_size))
            return;
        frames += put_frame(walk, frame);
        memcpy(&address, frame + walk->at.previous, sizeof address);
    }
}

/* Apart, so that only threads of an interpreter need room for its buffers: the stack may be that of
 * a signal handler. */
__attribute__((noinline)) static uint32_t frames_of(const void *state, uint16_t *flags)
{
    struct wg_cpython_walk walk = {.code_type = atomic_load(&cpython.code_type)};
    if (syscall(SYS_pipe2, walk.ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return 0;
    walk_frames(&walk, (uintptr_t)state);
    syscall(SYS_close, walk.ends[0]);
    syscall(SYS_close, walk.ends[1]);
    return wg_probe_string(walk.text, walk.used, flags);
}

uint32_t wg_script_cpython_frames(uint16_t *flags)
{
    get_state_function *get_state = atomic_load(&cpython.get_state);
    const void *state = get_state ? get_state() : NULL;
    return state ? frames_of(state, flags) : 0;
}
