/* SPDX-License-Identifier: MIT */
/* script_cpython_text.c - strings of CPython, and the lines of its code objects. */
#include "harness/probe/script_cpython.h"

#include <string.h>

#define STRING_MAX 400   /* characters of one string */
#define LINES_MAX  65536 /* bytes of a table of lines */
#define NO_LINE    (-128)

bool wg_cpython_word(const struct wg_cpython_walk *walk, uint64_t address, uint64_t *ret)
{
    return wg_script_peek(walk->ends, address, ret, sizeof *ret);
}

/* --- Text ----------------------------------------------------------------------------------- */

void wg_cpython_put(struct wg_cpython_walk *walk, char byte)
{
    if (walk->used < sizeof walk->text)
        walk->text[walk->used++] = byte;
}

/* Half of a pair, as which Python has a byte of a path that is no UTF-8: "\udcff", as its own
 * tracebacks show it. */
static void put_half(struct wg_cpython_walk *walk, uint32_t character)
{
    wg_cpython_put(walk, '\\');
    wg_cpython_put(walk, 'u');
    for (int shift = 12; shift >= 0; shift -= 4)
        wg_cpython_put(walk, "0123456789abcdef"[(character >> shift) & 15]);
}

static void put_character(struct wg_cpython_walk *walk, uint32_t character)
{
    if (character >= 0xd800 && character < 0xe000) {
        put_half(walk, character);
        return;
    }
    if (character < 0x80) {
        wg_cpython_put(walk, character < 0x20 || character == 0x7f ? '?' : (char)character);
        return;
    }
    if (character > 0x10ffff)
        character = 0xfffd;
    static const uint8_t starts[] = {0, 0xc0, 0xe0, 0xf0};
    int more = character < 0x800 ? 1 : character < 0x10000 ? 2 : 3;
    wg_cpython_put(walk, (char)(starts[more] | (character >> (6 * more))));
    while (more-- > 0)
        wg_cpython_put(walk, (char)(0x80 | ((character >> (6 * more)) & 0x3f)));
}

void wg_cpython_put_number(struct wg_cpython_walk *walk, long number)
{
    char digits[24];
    int count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (count > 0)
        wg_cpython_put(walk, digits[--count]);
}

bool wg_cpython_put_string(struct wg_cpython_walk *walk, uint64_t object, uint64_t most)
{
    uint64_t length;
    uint32_t state;
    uint8_t bytes[STRING_MAX * sizeof(uint32_t)];
    if (!wg_cpython_word(walk, object + walk->at.text_length, &length) ||
        !wg_script_peek(walk->ends, object + walk->at.text_state, &state, sizeof state))
        return false;
    /* Two bits for interning, then three of the kind, then `compact` and `ascii`. */
    uint32_t kind = (state >> 2) & 7;
    bool compact = state & 0x20, ascii = state & 0x40;
    if (!compact || (kind != 1 && kind != 2 && kind != 4) || length == 0)
        return false;
    length = length < most ? length : most;
    length = length < STRING_MAX ? length : STRING_MAX;
    uint64_t data = object + (ascii ? walk->at.text_ascii : walk->at.text_compact);
    if (!wg_script_peek(walk->ends, data, bytes, length * kind))
        return false;
    for (uint64_t i = 0; i < length; i++) {
        uint32_t character = 0; /* little-endian, as the machines are that the probe is for */
        memcpy(&character, bytes + i * kind, kind);
        put_character(walk, character);
    }
    return true;
}

/* --- Lines ---------------------------------------------------------------------------------- */

/* A table of lines, read in pieces. */
struct table {
    const struct wg_cpython_walk *walk;
    uint64_t address, left;
    uint8_t piece[256];
    size_t at, size;
};

/* The next byte, -1 after the last. */
static int next_byte(struct table *table)
{
    if (table->at == table->size) {
        size_t size = table->left < sizeof table->piece ? table->left : sizeof table->piece;
        if (size == 0 || !wg_script_peek(table->walk->ends, table->address, table->piece, size))
            return -1;
        table->address += size;
        table->left -= size;
        table->size = size;
        table->at = 0;
    }
    return table->piece[table->at++];
}

/* A number of six bits a byte, the lowest first; bit 6 says that more follow. */
static uint32_t next_number(struct table *table)
{
    uint32_t number = 0;
    int byte;
    unsigned shift = 0;
    do {
        byte = next_byte(table);
        if (byte < 0)
            return 0;
        number |= shift < 32 ? (uint32_t)(byte & 63) << shift : 0;
        shift += 6;
    } while (byte & 64);
    return number;
}

/* One with a sign, in its lowest bit. */
static long next_delta(struct table *table)
{
    uint32_t number = next_number(table);
    return number & 1 ? -(long)(number >> 1) : (long)(number >> 1);
}

static long line_by_pairs(struct table *table, long line, uint64_t at, bool ranges)
{
    uint64_t end = 0;
    for (;;) {
        int size = next_byte(table), byte = next_byte(table);
        if (size < 0 || byte < 0)
            return ranges ? 0 : line;
        int delta = byte < 128 ? byte : byte - 256;
        end += (uint64_t)size;
        if (!ranges && end > at)
            return line;
        if (!ranges || delta != NO_LINE)
            line += delta;
        if (ranges && end > at)
            return delta == NO_LINE ? 0 : line;
    }
}

/*
 * An entry tells of up to eight code units of two bytes: bit 7 marks its first byte, which has the
 * form of the place in four bits and the number of units less one in three. Lines are told from one
 * entry to the next. Source: "The location table" in the internal documents of CPython.
 */
static long line_by_locations(struct table *table, long line, uint64_t at)
{
    uint64_t end = 0;
    for (int byte = next_byte(table); byte >= 0; byte = next_byte(table)) {
        enum { ONE_LINE = 10, NO_COLUMNS = 13, LONG = 14, NOWHERE = 15 };
        int form = (byte >> 3) & 15;
        end += 2 * ((uint64_t)(byte & 7) + 1);
        if (form == NO_COLUMNS || form == LONG)
            line += next_delta(table);
        else if (form >= ONE_LINE && form < NO_COLUMNS)
            line += form - ONE_LINE;
        for (int rest = form == LONG ? 3 : 0; rest > 0; rest--)
            next_number(table);
        for (int rest = form < ONE_LINE ? 1 : form < NO_COLUMNS ? 2 : 0; rest > 0; rest--)
            next_byte(table);
        if (at < end)
            return form == NOWHERE ? 0 : line;
    }
    return 0;
}

long wg_cpython_line(const struct wg_cpython_walk *walk, const uint8_t *code, uint64_t at)
{
    uint64_t object, length;
    int32_t line;
    memcpy(&object, code + walk->at.line_table, sizeof object);
    memcpy(&line, code + walk->at.first_line, sizeof line);
    if (!wg_cpython_word(walk, object + walk->at.bytes_size, &length) || length > LINES_MAX)
        return 0;
    struct table table = {.walk = walk, .address = object + walk->at.bytes_data, .left = length};
    long found = walk->at.lines == WG_CPYTHON_LOCATIONS
                     ? line_by_locations(&table, line, at)
                     : line_by_pairs(&table, line, at, walk->at.lines == WG_CPYTHON_RANGES);
    return found > 0 ? found : 0;
}
