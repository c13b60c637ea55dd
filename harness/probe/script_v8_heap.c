/* SPDX-License-Identifier: MIT */
/* script_v8_heap.c - reads objects of V8's heap: strings, lines of scripts, functions. */
#include "harness/probe/script_v8.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHUNK      4096      /* bytes of a source read at once: a page or a part of one */
#define SOURCE_MAX (4 << 20) /* units of a source that is searched for lines */
#define TABLE_MAX  (1 << 20) /* bytes of a table of source positions */
#define WRAPS_MAX  8         /* strings around a string */
#define NAMES_MAX  75        /* locals of a scope beyond which V8 keeps their names apart */
#define LOCALS_MAX 100000
#define UNCACHED   0x10 /* of a string's type: external, and its text cannot be reached */
#define UTF8_MAX   3    /* bytes of UTF-8 for a unit of two bytes */

bool wg_v8_read(struct wg_v8_reader *reader, uint64_t address, void *to, size_t size)
{
    uint8_t *out = to;
    while (size > 0) {
        uint64_t place = address / WG_V8_BLOCK * WG_V8_BLOCK;
        size_t index = place / WG_V8_BLOCK % WG_V8_BLOCKS;
        size_t skip = address - place;
        size_t part = size < WG_V8_BLOCK - skip ? size : WG_V8_BLOCK - skip;
        if (reader->places[index] != place) {
            reader->places[index] = WG_V8_NONE;
            if (!wg_script_peek(reader->ends, place, reader->blocks[index], WG_V8_BLOCK))
                return false;
            reader->places[index] = place;
        }
        memcpy(out, reader->blocks[index] + skip, part);
        out += part;
        address += part;
        size -= part;
    }
    return true;
}

uint64_t wg_v8_word(struct wg_v8_reader *reader, uint64_t object, int32_t member)
{
    uint64_t word;
    bool is_object = (object & 3) == 1;
    return is_object && wg_v8_read(reader, object - 1 + (uint64_t)(int64_t)member, &word, 8) ? word
                                                                                             : 0;
}

int wg_v8_type(struct wg_v8_reader *reader, uint64_t object)
{
    uint64_t map = wg_v8_word(reader, object, reader->v8->map);
    uint16_t type;
    return (map & 3) == 1 && wg_v8_read(reader, map - 1 + (uint64_t)reader->v8->instance_type,
                                        &type, sizeof type)
               ? type
               : -1;
}

/* --- strings -------------------------------------------------------------------------------- */

static uint32_t length_of(struct wg_v8_reader *reader, uint64_t string)
{
    int32_t length = 0;
    wg_v8_read(reader, string - 1 + (uint64_t)reader->v8->string_length, &length, sizeof length);
    return length > 0 ? (uint32_t)length : 0;
}

bool wg_v8_text(struct wg_v8_reader *reader, uint64_t string, struct wg_v8_text *ret)
{
    const struct wg_v8 *v8 = reader->v8;
    uint32_t length = 0;
    uint32_t from = 0;
    for (int wraps = 0; wraps < WRAPS_MAX; wraps++) {
        int type = wg_v8_type(reader, string);
        if (type < 0 || (type & v8->not_string))
            return false;
        if (wraps == 0)
            length = length_of(reader, string);
        bool wide = !(type & v8->string_one_byte);
        int form = type & v8->string_form;
        if (form == v8->form_thin) {
            string = wg_v8_word(reader, string, v8->thin_actual);
        } else if (form == v8->form_sliced) {
            from += (uint32_t)wg_v8_small(wg_v8_word(reader, string, v8->sliced_offset));
            string = wg_v8_word(reader, string, v8->sliced_parent);
        } else if (form == v8->form_cons) {
            if (length_of(reader, wg_v8_word(reader, string, v8->cons_second)) > 0)
                return false;
            string = wg_v8_word(reader, string, v8->cons_first);
        } else if (form == v8->form_flat || (form == v8->form_external && !(type & UNCACHED))) {
            uint64_t at = string - 1 + (uint64_t)(wide ? v8->flat_two_byte : v8->flat_one_byte);
            if (form == v8->form_external)
                at = wg_v8_word(reader, string, v8->external_resource + 8);
            if (from + length > length_of(reader, string))
                return false;
            *ret = (struct wg_v8_text){at + ((uint64_t)from << wide), length, wide};
            return true;
        } else {
            return false;
        }
    }
    return false;
}

static size_t put_unit(char *to, uint32_t unit)
{
    if (unit < 0x80) {
        to[0] = (char)(unit < 0x20 || unit == 0x7f ? '?' : unit);
        return 1;
    }
    if (unit < 0x800) {
        to[0] = (char)(0xc0 | unit >> 6);
        to[1] = (char)(0x80 | (unit & 0x3f));
        return 2;
    }
    if (unit >= 0xd800 && unit < 0xe000) /* half of a pair */
        unit = 0xfffd;
    to[0] = (char)(0xe0 | unit >> 12);
    to[1] = (char)(0x80 | (unit >> 6 & 0x3f));
    to[2] = (char)(0x80 | (unit & 0x3f));
    return 3;
}

size_t wg_v8_utf8(struct wg_v8_reader *reader, uint64_t string, char *to, size_t room)
{
    struct wg_v8_text text;
    size_t size = 0;
    if (!wg_v8_text(reader, string, &text))
        return 0;
    for (uint32_t i = 0; i < text.length && size + UTF8_MAX <= room; i++) {
        uint16_t unit = 0;
        if (!wg_v8_read(reader, text.address + ((uint64_t)i << text.wide), &unit,
                        text.wide ? 2 : 1))
            return 0;
        size += put_unit(to + size, unit);
    }
    return size;
}

/* --- lines ---------------------------------------------------------------------------------- */

/* V8 has counted: an array with the ends of the lines. */
static int32_t line_by_ends(struct wg_v8_reader *reader, uint64_t ends, int32_t position)
{
    const struct wg_v8 *v8 = reader->v8;
    int32_t low = 0;
    int32_t high = wg_v8_small(wg_v8_word(reader, ends, v8->array_length));
    int32_t count = high;
    if (high <= 0 || high > SOURCE_MAX)
        return 0;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (wg_v8_small(wg_v8_word(reader, ends, v8->array_data + middle * 8)) < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count ? low + 1 : 0;
}

/* Counts the ends of lines as V8 does; `last` is the unit before. */
static int32_t ends_in(const uint8_t *bytes, size_t size, uint32_t *last)
{
    int32_t ends = 0;
    for (size_t i = 0; i < size; i++)
        ends += bytes[i] == '\n';
    ends -= size > 0 && bytes[0] == '\n' && *last == '\r';
    for (const uint8_t *at = bytes; (at = memchr(at, '\r', (size_t)(bytes + size - at))); at++)
        ends += at + 1 == bytes + size || at[1] != '\n';
    *last = size > 0 ? bytes[size - 1] : *last;
    return ends;
}

static int32_t wide_ends_in(const uint16_t *units, size_t count, uint32_t *last)
{
    int32_t ends = 0;
    for (size_t i = 0; i < count; i++) {
        uint16_t unit = units[i];
        ends += (unit == '\n' && *last != '\r') || unit == '\r' || unit == 0x2028 || unit == 0x2029;
        *last = unit;
    }
    return ends;
}

static int32_t line_by_source(struct wg_v8_reader *reader, uint64_t source, int32_t position)
{
    struct wg_v8_text text;
    if (position > SOURCE_MAX || !wg_v8_text(reader, source, &text) ||
        text.length < (uint32_t)position)
        return 0;
    union {
        uint8_t bytes[CHUNK];
        uint16_t units[CHUNK / 2];
    } chunk;
    int32_t line = 1;
    uint32_t last = 0;
    uint64_t rest = (uint64_t)position << text.wide;
    for (uint64_t at = text.address; rest > 0;) {
        size_t part = CHUNK - at % CHUNK < rest ? CHUNK - at % CHUNK : rest;
        if (!wg_script_peek(reader->ends, at, chunk.bytes, part))
            return 0;
        line += text.wide ? wide_ends_in(chunk.units, part / 2, &last)
                          : ends_in(chunk.bytes, part, &last);
        at += part;
        rest -= part;
    }
    return line;
}

int32_t wg_v8_line(struct wg_v8_reader *reader, uint64_t script, int32_t position)
{
    const struct wg_v8 *v8 = reader->v8;
    if (position < 0)
        return 0;
    uint64_t ends = wg_v8_word(reader, script, v8->script_line_ends);
    int32_t line =
        wg_v8_type(reader, ends) == v8->type_array
            ? line_by_ends(reader, ends, position)
            : line_by_source(reader, wg_v8_word(reader, script, v8->script_source), position);
    /* The line at which the script begins in its file follows its name (vm.Script, lineOffset). */
    int32_t first = wg_v8_small(wg_v8_word(reader, script, v8->script_name + 8));
    return line > 0 && first > 0 && first < SOURCE_MAX ? line + first : line;
}

/* --- positions ------------------------------------------------------------------------------ */

struct table {
    struct wg_v8_reader *reader;
    uint64_t next, end;
};

static bool next_byte(struct table *table, uint8_t *ret)
{
    return table->next < table->end && wg_v8_read(table->reader, table->next++, ret, 1);
}

/* Seven bits a byte, the lowest first; the sign is the lowest of all. */
static bool next_number(struct table *table, int64_t *ret)
{
    uint64_t value = 0;
    uint8_t byte = 0x80;
    for (unsigned shift = 0; byte & 0x80; shift += 7) {
        if (shift > 63 || !next_byte(table, &byte))
            return false;
        value |= (uint64_t)(byte & 0x7f) << shift;
    }
    *ret = (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
    return true;
}

int32_t wg_v8_position(struct wg_v8_reader *reader, uint64_t bytecode, int32_t offset)
{
    const struct wg_v8 *v8 = reader->v8;
    uint64_t bytes = wg_v8_word(reader, bytecode, v8->positions);
    if (wg_v8_type(reader, bytes) != v8->type_bytes)
        return -1;
    int32_t size = wg_v8_small(wg_v8_word(reader, bytes, v8->array_length));
    if (size <= 0 || size > TABLE_MAX)
        return -1;
    uint64_t first = bytes - 1 + (uint64_t)v8->array_data;
    struct table table = {.reader = reader, .next = first, .end = first + (uint64_t)size};
    int64_t code = -1; /* of the entry of a function */
    int64_t source = 0;
    int32_t position = -1;
    int64_t step;
    /* Statements have the step itself, expressions its complement. */
    while (next_number(&table, &step)) {
        code += step < 0 ? -step - 1 : step;
        if (!next_number(&table, &step) || code > offset)
            break;
        source += step;
        /* 1 bit: not of this script; 30 bits: one more than the position. */
        position = (source & 1) ? -1 : (int32_t)((source >> 1) & 0x3fffffff) - 1;
    }
    return position;
}

/* --- functions ------------------------------------------------------------------------------ */

/*
 * A scope's members: flags, counts, since V8 13 the position, then names and properties of its
 * locals, then what its flags say. Of that V8 exports the first indexes alone, the rest has been
 * the same since V8 9 (objects/scope-info.tq), and is checked: a name is a string, a position lies
 * before another.
 */
static void look_into_scope(struct wg_v8_reader *reader, uint64_t scope, struct wg_v8_function *ret)
{
    const struct wg_v8 *v8 = reader->v8;
    uint64_t members[6] = {0};
    if (!wg_v8_read(reader, scope - 1 + 8, members, sizeof members))
        return;
    int32_t locals = wg_v8_small(members[v8->scope_locals]);
    if (locals < 0 || locals > LOCALS_MAX)
        return;
    bool position_first = v8->scope_variables == 5;
    /* A small integer, or, newer, its 32 bits alone. */
    uint32_t flags = (uint32_t)(wg_v8_is_small(members[0]) ? members[0] >> 32 : members[0]);
    bool has_name = (flags >> 12 & 3) != 0;
    bool has_inferred = (flags >> 14 & 1) != 0;
    int32_t at = 8 + 8 * (v8->scope_variables + (locals < NAMES_MAX ? locals : 1) + locals);
    uint64_t name = has_name ? wg_v8_word(reader, scope, at) : 0;
    at += has_name ? 16 : 0;
    uint64_t inferred = has_inferred ? wg_v8_word(reader, scope, at) : 0;
    at += has_inferred ? 8 : 0;
    struct wg_v8_text text;
    if (wg_v8_text(reader, name, &text) && text.length > 0)
        ret->name = name;
    else if (wg_v8_text(reader, inferred, &text) && text.length > 0)
        ret->name = inferred;
    /* Of a module there is one word more. */
    for (int tries = 0; tries < 2 && ret->start < 0; tries++, at += 8) {
        uint64_t start = position_first ? members[3] : wg_v8_word(reader, scope, at);
        uint64_t end = position_first ? members[4] : wg_v8_word(reader, scope, at + 8);
        if (wg_v8_is_small(start) && wg_v8_is_small(end) && wg_v8_small(start) >= 0 &&
            wg_v8_small(start) < wg_v8_small(end))
            ret->start = wg_v8_small(start);
    }
}

bool wg_v8_function(struct wg_v8_reader *reader, uint64_t function, struct wg_v8_function *ret)
{
    const struct wg_v8 *v8 = reader->v8;
    uint64_t shared = wg_v8_word(reader, function, v8->function_shared);
    if (wg_v8_type(reader, function) < v8->type_function ||
        wg_v8_type(reader, shared) != v8->type_shared)
        return false;
    ret->start = -1;
    ret->name = wg_v8_word(reader, shared, v8->shared_name);
    ret->script = wg_v8_word(reader, shared, v8->shared_script);
    if (wg_v8_type(reader, ret->script) != v8->type_script)
        return false;
    if (wg_v8_type(reader, ret->name) == v8->type_scope)
        look_into_scope(reader, ret->name, ret);
    return true;
}
