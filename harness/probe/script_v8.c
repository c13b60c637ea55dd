/* SPDX-License-Identifier: MIT */
/*
 * script_v8.c - the JavaScript frames of the calling thread, in Node.
 *
 * V8 has a function for this, v8::StackTrace::CurrentStackTrace(), which is of no use here. It
 * allocates on V8's heap, so it may collect garbage, and with that run what the program wants done
 * with garbage: node:sqlite closes databases and finalizes statements there, in the middle of the
 * call of SQLite that we are in. So V8 is not asked. Its frames and objects are read, as a debugger
 * reads a core dump, with the v8dbg_ numbers that Node exports for such debuggers (llnode).
 *
 *   1. Only on a thread with an isolate: v8::Isolate::TryGetCurrent() returns a thread-local
 *      variable. A thread of libuv's pool has none.
 *   2. The native stack is unwound from the call on. It must lead to code that V8 made, or that
 *      came with V8 (builtins), without a gap; that has no unwind tables, but frame pointers. When
 *      it leads through the garbage collector then JavaScript did not make the call, and there are
 *      no frames. Since V8 12 the collector begins with such a gap.
 *   3. The chain of frame pointers, up to where C++ called V8. A frame has its type or, when it is
 *      one of a function, the context and the function; from there lead pointers to the name, the
 *      script, and its source.
 *   4. The line: a frame that is interpreted, which is one that returns into the builtins, has its
 *      bytecode and the offset in it, and the bytecode has a table of positions in the source. Of
 *      compiled code only the line at which the function begins is told, and said to be that.
 *
 * While this thread is here, its isolate does not collect garbage, so that nothing moves; threads
 * that help it only mark, and give dead memory back. Nothing depends on that: all is read through
 * the kernel, types and limits are checked, and what does not fit ends the walk (script_v8.h).
 *
 * What a V8 exports in other forms than those that are known (10 to 13, Node 18 to 24) gives no
 * frames. Only x86-64: on other machines the frame pointer has another number.
 */
#include "harness/probe/script_v8.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unwind.h>

#define NATIVE_MAX    96         /* frames between a call and V8 */
#define WALK_MAX      256        /* frames of V8 that are looked at */
#define STACK_MAX     (64 << 20) /* bytes between two frames */
#define FUNCTION_MAX  200        /* bytes of a name */
#define FILE_MAX      480
#define TEXT_MAX      2600
#define EXTRAS        64 /* bytes of a line of text beside the names, and more */
#define PAGE          4096
#define FRAME_POINTER 6 /* the number of rbp in unwind tables */

typedef void *current_function(void);
typedef void range_function(void *isolate, const void **ret_start, size_t *ret_size);

struct range {
    uint64_t start, end;
};

static bool lies_in(struct range range, uint64_t address)
{
    return address >= range.start && address < range.end;
}

/* A V8 in the process. */
struct found {
    current_function *current;
    range_function *range; /* of the builtins in the object, of which isolates may have copies */
    struct range object;   /* with V8 in it */
    uint64_t collect;      /* where the garbage collector begins; 0 unknown */
    struct wg_v8 numbers;
};

#define SEARCHES 8

/* Threads that search at the same time find the same, each in a place of its own. */
static struct {
    _Atomic uint32_t searches;
    _Atomic(const struct found *) found;
    struct found places[SEARCHES];
} v8;

static const struct found *known(void)
{
    return atomic_load_explicit(&v8.found, memory_order_acquire);
}

/* --- where things lie ----------------------------------------------------------------------- */

static bool number_of(const struct wg_module *module, const char *start, const char *end,
                      int32_t *ret)
{
    char name[128] = "v8dbg_";
    size_t size = 6;
    for (; *start && size < sizeof name - 1; start++)
        name[size++] = *start;
    for (; *end && size < sizeof name - 1; end++)
        name[size++] = *end;
    const int32_t *number = wg_probe_symbol(module, name);
    if (number)
        *ret = *number;
    return number != NULL;
}

static bool fill(const struct wg_module *module, struct wg_v8 *ret)
{
    static const struct {
        size_t member;
        const char *start, *ends[3];
    } rows[] = {
#define ROW(member, start, end, end2, end3)                                                        \
    {offsetof(struct wg_v8, member), start, {end, end2, end3}},
        WG_V8_NUMBERS(ROW)
#undef ROW
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int32_t *number = (int32_t *)(void *)((char *)ret + rows[i].member);
        bool found = false;
        for (int end = 0; end < 3 && rows[i].ends[end] && !found; end++)
            found = number_of(module, rows[i].start, rows[i].ends[end], number);
        if (!found)
            return false;
    }
    /* V8 does not export it: in the order of the members, before and since V8 12. */
    int32_t other;
    ret->positions =
        number_of(module, "class_BytecodeArray__wrapper__Tagged_BytecodeWrapper_", "", &other)
            ? other + 8
            : ret->array_length + 24;
    /* Compressed pointers (not in Node) would be other words. */
    return ret->tagged_size == 8 && ret->small_shift == 31 && ret->scope_variables >= 3 &&
           ret->scope_variables <= 5 && ret->scope_locals < 3 && ret->scope_locals > 0;
}

void wg_script_v8_search(const struct wg_module *module)
{
#ifdef __x86_64__
    void *current = wg_probe_symbol(module, "_ZN2v87Isolate13TryGetCurrentEv");
    void *range = wg_probe_symbol(module, "_ZN2v87Isolate20GetEmbeddedCodeRangeEPPKvPm");
    uint32_t place = current && range && !known() ? atomic_fetch_add(&v8.searches, 1) : SEARCHES;
    if (place >= SEARCHES || !fill(module, &v8.places[place].numbers))
        return;
    struct found *found = &v8.places[place];
    memcpy(&found->current, &current, sizeof current);
    memcpy(&found->range, &range, sizeof range);
    found->object = (struct range){module->start, module->end};
    found->collect = (uintptr_t)wg_probe_symbol(
        module, "_ZN2v88internal4Heap14CollectGarbageENS0_15AllocationSpaceENS0_"
                "23GarbageCollectionReasonENS_15GCCallbackFlagsE");
    atomic_store_explicit(&v8.found, found, memory_order_release);
#else
    (void)module;
#endif
}

/* --- from the call to V8 -------------------------------------------------------------------- */

/* The last frame that the unwinder came to. */
struct native {
    uint64_t pc, frame;
    int count;
    bool collecting;
};

static _Unwind_Reason_Code pass(struct _Unwind_Context *context, void *argument)
{
    struct native *native = argument;
    native->pc = _Unwind_GetIP(context);
    native->frame = _Unwind_GetGR(context, FRAME_POINTER);
    native->collecting |= known()->collect && _Unwind_GetRegionStart(context) == known()->collect;
    return native->pc && ++native->count < NATIVE_MAX ? _URC_NO_REASON : _URC_END_OF_STACK;
}

/*
 * Where the builtins lie of which `pc` is one: in the object, or the isolate has a copy of them, in
 * other pages but at the same place of them ("short builtin calls"): then the code around is the
 * same. Nowhere when it is no builtin.
 */
static struct range builtins_around(struct wg_v8_reader *reader, uint64_t pc)
{
    const void *start = NULL;
    size_t size = 0;
    uint8_t code[WG_V8_BLOCK];
    struct range none = {0};
    known()->range(known()->current(), &start, &size);
    struct range original = {(uintptr_t)start, (uintptr_t)start + size};
    if (original.start < known()->object.start || original.end > known()->object.end)
        return none;
    if (lies_in(known()->object, pc))
        return lies_in(original, pc) ? original : none;
    uint64_t place = pc / WG_V8_BLOCK * WG_V8_BLOCK;
    uint64_t from = original.start / PAGE * PAGE + place % PAGE;
    if (!wg_v8_read(reader, place, code, sizeof code))
        return none;
    /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
    const uint8_t *at = (const uint8_t *)(uintptr_t)(from < original.start ? from + PAGE : from);
    for (; (uintptr_t)at + sizeof code <= original.end; at += PAGE)
        if (memcmp(at, code, sizeof code) == 0)
            return (struct range){original.start + place - (uintptr_t)at,
                                  original.end + place - (uintptr_t)at};
    return none;
}

/* --- frames of V8 --------------------------------------------------------------------------- */

#define SLOTS_BELOW 6 /* words of a frame that are looked at, below where its pointer leads */

struct frame {
    uint64_t pc, address;
    uint64_t slots[SLOTS_BELOW + 2]; /* and the pointer of the next frame, the return address */
};

static uint64_t slot(const struct frame *frame, int32_t offset)
{
    int32_t index = SLOTS_BELOW + offset / 8;
    return index >= 0 && index < SLOTS_BELOW + 2 ? frame->slots[index] : 0;
}

static bool is_of_type(const struct frame *frame, int32_t type)
{
    return slot(frame, known()->numbers.frame_type) == (uint64_t)type << 1;
}

static bool load(struct wg_v8_reader *reader, struct frame *frame)
{
    uint64_t below = (uint64_t)SLOTS_BELOW * 8;
    return frame->address % 8 == 0 && frame->address > below &&
           wg_v8_read(reader, frame->address - below, frame->slots, sizeof frame->slots);
}

/* False at the end: where C++ called V8, or what is no frame. */
static bool step(struct wg_v8_reader *reader, struct frame *frame)
{
    uint64_t next = slot(frame, 0);
    if (is_of_type(frame, known()->numbers.entry_frame) ||
        is_of_type(frame, known()->numbers.construct_entry_frame) || next <= frame->address ||
        next - frame->address > STACK_MAX)
        return false;
    frame->pc = slot(frame, 8);
    frame->address = next;
    return load(reader, frame);
}

/* Frames that are not of a function have their type where others have their context. */
static bool is_of_function(const struct frame *frame)
{
    return (slot(frame, known()->numbers.frame_type) & 3) == 1;
}

/* The position in its source of what a frame is at, -1 when it is not interpreted. */
static int32_t position_in(struct wg_v8_reader *reader, const struct frame *frame,
                           struct range builtins)
{
    uint64_t bytecode = slot(frame, known()->numbers.frame_bytecode);
    uint64_t offset = slot(frame, known()->numbers.frame_offset);
    if (!lies_in(builtins, frame->pc) || !wg_v8_is_small(offset) ||
        wg_v8_type(reader, bytecode) != known()->numbers.type_bytecode)
        return -1;
    /* It counts from the word of the array, which is its address plus 1. */
    return wg_v8_position(reader, bytecode,
                          wg_v8_small(offset) - known()->numbers.bytecode_data + 1);
}

/* --- text ----------------------------------------------------------------------------------- */

struct out {
    char *at;
    const char *limit;
    int frames;
    bool told_own; /* a frame that is not Node's was among them */
};

static void put(struct out *out, const char *text, size_t size)
{
    memcpy(out->at, text, size);
    out->at += size;
}

static void put_line(struct out *out, int32_t line)
{
    char digits[12];
    size_t first = sizeof digits;
    for (; line > 0; line /= 10)
        digits[--first] = (char)('0' + line % 10);
    if (first == sizeof digits)
        digits[--first] = '?';
    put(out, digits + first, sizeof digits - first);
}

/* False when the frames from here on are of no use. */
static bool tell(struct wg_v8_reader *reader, const struct frame *frame, struct range builtins,
                 const struct wg_v8_function *function, struct out *out)
{
    char file[FILE_MAX];
    char name[FUNCTION_MAX];
    uint64_t script_name = wg_v8_word(reader, function->script, known()->numbers.script_name);
    size_t file_size = wg_v8_utf8(reader, script_name, file, sizeof file);
    bool is_node = file_size > 5 && memcmp(file, "node:", 5) == 0;
    if (file_size == 0)
        return true; /* of eval() */
    if (is_node && out->told_own)
        return false; /* how Node came to run the program */
    out->told_own |= !is_node;
    size_t name_size = wg_v8_utf8(reader, function->name, name, sizeof name);
    if (out->limit - out->at < (ptrdiff_t)(file_size + name_size + EXTRAS))
        return false;
    int32_t position = position_in(reader, frame, builtins);
    bool begins = position < 0;
    int32_t line = wg_v8_line(reader, function->script, begins ? function->start : position);
    size_t skip = file_size > 7 && memcmp(file, "file://", 7) == 0 ? 7 : 0;
    put(out, file + skip, file_size - skip);
    put(out, ":", 1);
    put_line(out, line);
    put(out, " ", 1);
    if (name_size > 0)
        put(out, name, name_size);
    else
        put(out, "<anonymous>", 11);
    if (begins)
        put(out, " (begins)", 9);
    put(out, "\n", 1);
    return ++out->frames < WG_TRACE_SCRIPT_MAX;
}

static uint32_t walk(struct wg_v8_reader *reader, const struct native *native, uint16_t *flags)
{
    char text[TEXT_MAX];
    struct out out = {.at = text, .limit = text + sizeof text};
    struct frame frame = {.pc = native->pc, .address = native->frame};
    struct range builtins = builtins_around(reader, native->pc);
    /* Else it is what V8 made, which lies in no object. */
    /* NOLINTNEXTLINE(performance-no-int-to-ptr) */
    if (builtins.end == 0 && wg_probe_module((const void *)(uintptr_t)native->pc))
        return 0;
    bool more = load(reader, &frame);
    for (int i = 0; more && i < WALK_MAX; i++) {
        struct wg_v8_function function;
        if (is_of_function(&frame) &&
            wg_v8_function(reader, slot(&frame, known()->numbers.frame_function), &function))
            more = tell(reader, &frame, builtins, &function, &out);
        more = more && step(reader, &frame);
    }
    return out.frames > 0 ? wg_probe_string(text, (size_t)(out.at - text), flags) : 0;
}

/* Apart, so that only threads of an isolate need room for its buffers. */
__attribute__((noinline)) static uint32_t look(uint16_t *flags)
{
    struct native native = {0};
    _Unwind_Backtrace(pass, &native);
    struct wg_v8_reader reader;
    for (size_t i = 0; i < WG_V8_BLOCKS; i++)
        reader.places[i] = WG_V8_NONE;
    reader.v8 = &known()->numbers;
    if (native.collecting || syscall(SYS_pipe2, reader.ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return 0;
    uint32_t text = walk(&reader, &native, flags);
    syscall(SYS_close, reader.ends[0]);
    syscall(SYS_close, reader.ends[1]);
    return text;
}

uint32_t wg_script_v8_frames(uint16_t *flags)
{
    return known() && known()->current() ? look(flags) : 0;
}
