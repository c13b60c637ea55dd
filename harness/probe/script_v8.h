/* SPDX-License-Identifier: MIT */
/*
 * script_v8.h - the parts of script_v8.c, which has the whole story.
 *
 * A *word* of V8's heap is a small integer in its upper half, or the address of an object plus 1.
 * Nothing that is read is trusted: an address may be any number, an object has the type that its
 * map says or is left alone, counts have limits.
 */
#ifndef WG_HARNESS_PROBE_SCRIPT_V8_H
#define WG_HARNESS_PROBE_SCRIPT_V8_H

#include "harness/probe/script.h"

/*
 * Where things lie, as the v8dbg_ numbers say that every Node exports for debuggers: member, the
 * names that it has or had (the common start of all of them, then the ends).
 */
#define WG_V8_NUMBERS(X)                                                                           \
    X(tagged_size, "TaggedSize", "", NULL, NULL)                                                   \
    X(small_shift, "SmiShiftSize", "", NULL, NULL)                                                 \
    X(frame_function, "off_fp_function", "", NULL, NULL)                                           \
    X(frame_type, "off_fp_context_or_frame_type", "", NULL, NULL)                                  \
    X(frame_bytecode, "off_fp_bytecode_array", "", NULL, NULL)                                     \
    X(frame_offset, "off_fp_bytecode_offset", "", NULL, NULL)                                      \
    X(entry_frame, "frametype_EntryFrame", "", NULL, NULL)                                         \
    X(construct_entry_frame, "frametype_ConstructEntryFrame", "", NULL, NULL)                      \
    X(map, "class_HeapObject__map__Map", "", NULL, NULL)                                           \
    X(instance_type, "class_Map__instance_type__uint16_t", "", NULL, NULL)                         \
    X(type_function, "type_JSFunction__JS_FUNCTION_TYPE", "", NULL, NULL)                          \
    X(type_shared, "type_SharedFunctionInfo__SHARED_FUNCTION_INFO_TYPE", "", NULL, NULL)           \
    X(type_scope, "type_ScopeInfo__SCOPE_INFO_TYPE", "", NULL, NULL)                               \
    X(type_script, "type_Script__SCRIPT_TYPE", "", NULL, NULL)                                     \
    X(type_bytecode, "type_BytecodeArray__BYTECODE_ARRAY_TYPE", "", NULL, NULL)                    \
    X(type_bytes, "type_", "TrustedByteArray__TRUSTED_BYTE_ARRAY_TYPE",                            \
      "ByteArray__BYTE_ARRAY_TYPE", NULL)                                                          \
    X(type_array, "type_FixedArray__FIXED_ARRAY_TYPE", "", NULL, NULL)                             \
    X(function_shared, "class_JSFunction__shared__SharedFunctionInfo", "", NULL, NULL)             \
    X(shared_name, "class_SharedFunctionInfo__name_or_scope_info__", "Object", "Tagged_Object_",   \
      "Tagged_NameOrScopeInfoT_")                                                                  \
    X(shared_script, "class_SharedFunctionInfo__script", "_or_debug_info__HeapObject",             \
      "__Tagged_HeapObject_", NULL)                                                                \
    X(scope_variables, "scopeinfo_idx_first_vars", "", NULL, NULL)                                 \
    X(scope_locals, "scopeinfo_idx_ncontextlocals", "", NULL, NULL)                                \
    X(script_name, "class_Script__name__Object", "", NULL, NULL)                                   \
    X(script_source, "class_Script__source__Object", "", NULL, NULL)                               \
    X(script_line_ends, "class_Script__line_ends__Object", "", NULL, NULL)                         \
    X(bytecode_data, "class_BytecodeArray__data__uintptr_t", "", NULL, NULL)                       \
    X(array_length, "class_FixedArrayBase__length__SMI", "", NULL, NULL)                           \
    X(array_data, "class_FixedArray__data__uintptr_t", "", NULL, NULL)                             \
    X(not_string, "IsNotStringMask", "", NULL, NULL)                                               \
    X(string_form, "StringRepresentationMask", "", NULL, NULL)                                     \
    X(form_flat, "SeqStringTag", "", NULL, NULL)                                                   \
    X(form_cons, "ConsStringTag", "", NULL, NULL)                                                  \
    X(form_external, "ExternalStringTag", "", NULL, NULL)                                          \
    X(form_sliced, "SlicedStringTag", "", NULL, NULL)                                              \
    X(form_thin, "ThinStringTag", "", NULL, NULL)                                                  \
    X(string_one_byte, "OneByteStringTag", "", NULL, NULL)                                         \
    X(string_length, "class_String__length__int32_t", "", NULL, NULL)                              \
    X(flat_one_byte, "class_SeqOneByteString__chars__char", "", NULL, NULL)                        \
    X(flat_two_byte, "class_SeqTwoByteString__chars__char", "", NULL, NULL)                        \
    X(cons_first, "class_ConsString__first__String", "", NULL, NULL)                               \
    X(cons_second, "class_ConsString__second__String", "", NULL, NULL)                             \
    X(sliced_parent, "class_SlicedString__parent__String", "", NULL, NULL)                         \
    X(sliced_offset, "class_SlicedString__offset__SMI", "", NULL, NULL)                            \
    X(thin_actual, "class_ThinString__actual__String", "", NULL, NULL)                             \
    X(external_resource, "class_ExternalString__resource__Object", "", NULL, NULL)

struct wg_v8 {
#define MEMBER(member, start, end, end2, end3) int32_t member;
    WG_V8_NUMBERS(MEMBER)
#undef MEMBER
    int32_t positions; /* of a BytecodeArray: its table of source positions */
};

#define WG_V8_BLOCK  128 /* bytes read at once; a power of two, so that it lies in one page */
#define WG_V8_BLOCKS 32
#define WG_V8_NONE   UINT64_MAX /* where no block begins; at 0 one does, though nothing is there */

/*
 * Memory is read through a pipe: the kernel says EFAULT where a load would end the program. What
 * was read is kept for the rest of the walk, in which V8 does not move: its thread is here.
 */
struct wg_v8_reader {
    const struct wg_v8 *v8;
    int ends[2];
    uint64_t places[WG_V8_BLOCKS]; /* addresses of the blocks; WG_V8_NONE: of none */
    uint8_t blocks[WG_V8_BLOCKS][WG_V8_BLOCK];
};

/* --- script_v8_heap.c --- */
bool wg_v8_read(struct wg_v8_reader *reader, uint64_t address, void *to, size_t size);
/* A member of an object, 0 when it cannot be read: that is the small integer 0. */
uint64_t wg_v8_word(struct wg_v8_reader *reader, uint64_t object, int32_t member);
/* The type of an object, -1 when it is none. */
int wg_v8_type(struct wg_v8_reader *reader, uint64_t object);
static inline bool wg_v8_is_small(uint64_t word)
{
    return (word & UINT32_MAX) == 0;
}
static inline int32_t wg_v8_small(uint64_t word)
{
    return (int32_t)(word >> 32);
}

/* A text without its wrappings: `length` units of one or two bytes at an address. */
struct wg_v8_text {
    uint64_t address;
    uint32_t length;
    bool wide;
};
/* False for what is no string, or one in pieces. */
bool wg_v8_text(struct wg_v8_reader *reader, uint64_t string, struct wg_v8_text *ret);
/* Writes a string as UTF-8, control characters as '?'; at most `room` bytes; returns their number,
 * 0 for what is no string. */
size_t wg_v8_utf8(struct wg_v8_reader *reader, uint64_t string, char *to, size_t room);
/* The line, from 1, in which a position of a script lies; 0 unknown. */
int32_t wg_v8_line(struct wg_v8_reader *reader, uint64_t script, int32_t position);
/* The position in the source of a bytecode, -1 unknown. */
int32_t wg_v8_position(struct wg_v8_reader *reader, uint64_t bytecode, int32_t offset);
/* Name and start of a function. */
struct wg_v8_function {
    uint64_t name, script; /* objects */
    int32_t start;         /* position, -1 unknown */
};
bool wg_v8_function(struct wg_v8_reader *reader, uint64_t function, struct wg_v8_function *ret);

#endif
