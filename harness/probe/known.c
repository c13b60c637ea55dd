/* SPDX-License-Identifier: MIT */
#include "harness/probe/known.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SHARED_FIRST (WG_TRACE_DB_PENDING_BYTE + 2)
#define SHARED_LAST  (SHARED_FIRST + 509)

/* --- names ---------------------------------------------------------------------------------- */

static bool ends_with(const char *path, size_t size, const char *suffix, size_t length)
{
    return size > length && memcmp(path + size - length, suffix, length) == 0;
}

static const char *last_part(const char *path, size_t size)
{
    const char *slash = memrchr(path, '/', size);
    return slash ? slash + 1 : path;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

/* NAME-mjXXXXXX9XX, a super-journal (vdbeaux.c of SQLite makes these names). */
static bool is_super_journal(const char *path, size_t size)
{
    const char *end = path + size;
    if (size <= 12 || memcmp(end - 12, "-mj", 3) != 0 || end[-3] != '9')
        return false;
    for (int i = 1; i <= 9; i++)
        if (!is_hex(end[-i]))
            return false;
    return true;
}

struct wg_family wg_probe_family_of_name(const char *path, size_t size)
{
    static const struct {
        const char *suffix;
        size_t length;
        enum wg_trace_role role;
    } suffixes[] = {
        {"-wal", 4, WG_TRACE_ROLE_WAL},
        {"-shm", 4, WG_TRACE_ROLE_SHM},
        {"-journal", 8, WG_TRACE_ROLE_JOURNAL},
    };
    const char *name = last_part(path, size);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (ends_with(name, size - (size_t)(name - path), suffixes[i].suffix, suffixes[i].length))
            return (struct wg_family){suffixes[i].role, size - suffixes[i].length};
    if (is_super_journal(path, size))
        return (struct wg_family){WG_TRACE_ROLE_SUPER_JOURNAL, size - 12};
    if (strncmp(name, "etilqs_", 7) == 0)
        return (struct wg_family){WG_TRACE_ROLE_TEMPORARY, size};
    return (struct wg_family){WG_TRACE_ROLE_NONE, size};
}

bool wg_probe_name_like_database(const char *path, size_t size)
{
    static const char *const endings[] = {".db",   ".sqlite", ".sqlite3",  ".db3",  ".sdb",
                                          ".s3db", ".sl3",    ".sqlitedb", ".gpkg", ".mbtiles"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (ends_with(path, size, endings[i], strlen(endings[i])))
            return true;
    return false;
}

bool wg_probe_size_of_database(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_size >= 512 && st->st_size % 512 == 0;
}

size_t wg_probe_normalise(char *path, size_t size)
{
    size_t out = 0;
    for (size_t in = 0; in < size;) {
        while (in < size && path[in] == '/')
            in++;
        size_t part = in;
        while (in < size && path[in] != '/')
            in++;
        size_t length = in - part;
        if (length == 0 || (length == 1 && path[part] == '.'))
            continue;
        if (length == 2 && path[part] == '.' && path[part + 1] == '.') {
            while (out > 0 && path[--out] != '/')
                ;
            continue;
        }
        path[out++] = '/';
        memmove(path + out, path + part, length);
        out += length;
    }
    if (out == 0)
        path[out++] = '/';
    path[out] = '\0';
    return out;
}

char *wg_probe_put_number(char *at, uint64_t number)
{
    char digits[20];
    int count = 0;
    for (; count == 0 || number > 0; number /= 10)
        digits[count++] = (char)('0' + number % 10);
    while (count > 0)
        *at++ = digits[--count];
    return at;
}

/* --- locks ---------------------------------------------------------------------------------- */

static bool touches(int64_t first, int64_t last, int64_t from, int64_t to)
{
    return first <= to && last >= from;
}

/* The bits for a lock on a database file: those to set when it is granted, those to clear first. */
static void database_bits(short type, int64_t first, int64_t last, uint32_t *set, uint32_t *clear)
{
    const struct {
        int64_t from, to;
        uint32_t read, write;
    } regions[] = {
        {WG_TRACE_DB_PENDING_BYTE, WG_TRACE_DB_PENDING_BYTE, WG_TRACE_HELD_PENDING,
         WG_TRACE_HELD_PENDING},
        {WG_TRACE_DB_PENDING_BYTE + 1, WG_TRACE_DB_PENDING_BYTE + 1, WG_TRACE_HELD_RESERVED,
         WG_TRACE_HELD_RESERVED},
        {SHARED_FIRST, SHARED_LAST, WG_TRACE_HELD_SHARED,
         WG_TRACE_HELD_SHARED | WG_TRACE_HELD_EXCLUSIVE},
    };
    for (size_t i = 0; i < sizeof regions / sizeof *regions; i++) {
        if (!touches(first, last, regions[i].from, regions[i].to))
            continue;
        *clear |= regions[i].read | regions[i].write;
        if (type != F_UNLCK)
            *set |= type == F_WRLCK ? regions[i].write : regions[i].read;
    }
    if (first < WG_TRACE_DB_PENDING_BYTE || (last > SHARED_LAST && type != F_UNLCK)) {
        *clear |= WG_TRACE_HELD_ELSE;
        *set |= type == F_UNLCK ? 0 : WG_TRACE_HELD_ELSE;
    }
}

static void shm_bits(short type, int64_t first, int64_t last, uint32_t *set, uint32_t *clear)
{
    const int64_t end = WG_TRACE_SHM_LOCK_FIRST + WG_TRACE_SHM_LOCKS - 1;
    int64_t from = first > WG_TRACE_SHM_LOCK_FIRST ? first : WG_TRACE_SHM_LOCK_FIRST;
    int64_t to = last < end ? last : end;
    if (from > to)
        return;
    /* A bit for each byte of the range, that of the first lock the lowest. */
    uint32_t bytes = ((UINT32_C(2) << (to - from)) - 1) << (from - WG_TRACE_SHM_LOCK_FIRST);
    *clear |= bytes * WG_TRACE_HELD_SHM(0) | bytes * WG_TRACE_HELD_SHM_WRITE(0);
    if (type != F_UNLCK)
        *set |= bytes * WG_TRACE_HELD_SHM(0) |
                (type == F_WRLCK ? bytes * WG_TRACE_HELD_SHM_WRITE(0) : 0);
}

void wg_probe_lock_bits(enum wg_trace_role role, short type, int64_t start, int64_t length,
                        uint32_t *set, uint32_t *clear)
{
    int64_t last = length > 0 && start <= INT64_MAX - length ? start + length - 1 : INT64_MAX;
    if (role == WG_TRACE_ROLE_SHM)
        shm_bits(type, start, last, set, clear);
    else
        database_bits(type, start, last, set, clear);
}

/* --- programs ------------------------------------------------------------------------------- */

void wg_probe_needle(char needle[static WG_PROBE_NEEDLE + 1])
{
    /* In two parts, so that this file does not contain it. */
    memcpy(needle, "-mj%06", 6);
    memcpy(needle + 6, "X9%02X", 7);
}

bool wg_probe_holds(const char *at, size_t size, const char needle[static WG_PROBE_NEEDLE])
{
    for (const char *end = at + size; (size_t)(end - at) >= WG_PROBE_NEEDLE; at++) {
        size_t same = 0;
        while (same < WG_PROBE_NEEDLE && at[same] == needle[same])
            same++;
        if (same == WG_PROBE_NEEDLE)
            return true;
    }
    return false;
}

const char wg_probe_is_32_bit[] = "it is a 32-bit program";
const char wg_probe_is_musl[] = "it uses musl instead of glibc, the probe cannot be loaded into it";

/* The path of the dynamic linker ends in "/ld-musl-MACHINE.so.1". */
static bool is_musl_linker(int fd, const Elf64_Phdr *part)
{
    char path[256] = "";
    size_t size = part->p_filesz < sizeof path ? part->p_filesz : sizeof path - 1;
    if (part->p_type != PT_INTERP || pread(fd, path, size, (off_t)part->p_offset) < 0)
        return false;
    const char *slash = strrchr(path, '/');
    return slash && strncmp(slash + 1, "ld-musl", 7) == 0;
}

/* Go's linker leaves a note of this name (cmd/internal/buildid of Go), perhaps behind others. */
static bool is_go_note(int fd, const Elf64_Phdr *part)
{
    struct {
        Elf64_Nhdr header;
        char name[4];
    } note;
    uint64_t at = part->p_offset;
    uint64_t end = at + part->p_filesz;
    for (int i = 0; part->p_type == PT_NOTE && i < 16 && at + sizeof note <= end; i++) {
        if (pread(fd, &note, sizeof note, (off_t)at) != sizeof note)
            return false;
        if (note.header.n_namesz == 4 && memcmp(note.name, "Go", 3) == 0)
            return true;
        at += sizeof note.header + ((note.header.n_namesz + UINT64_C(3)) & ~UINT64_C(3)) +
              ((note.header.n_descsz + UINT64_C(3)) & ~UINT64_C(3));
    }
    return false;
}

const char *wg_probe_obstacle(int fd)
{
    Elf64_Ehdr elf;
    bool dynamic = false;
    bool go = false;
    bool musl = false;
    if (pread(fd, &elf, sizeof elf, 0) != sizeof elf || memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0)
        return NULL;
    if (elf.e_ident[EI_CLASS] != ELFCLASS64)
        return wg_probe_is_32_bit;
    if (elf.e_phentsize != sizeof(Elf64_Phdr))
        return NULL;
    for (int i = 0; i < elf.e_phnum; i++) {
        Elf64_Phdr part;
        off_t at = (off_t)(elf.e_phoff + (uint64_t)i * sizeof part);
        if (pread(fd, &part, sizeof part, at) != sizeof part)
            break;
        dynamic |= part.p_type == PT_INTERP;
        go |= is_go_note(fd, &part);
        musl |= is_musl_linker(fd, &part);
    }
    if (!dynamic)
        return "it is statically linked, the probe cannot be loaded into it";
    if (musl)
        return wg_probe_is_musl;
    return go ? "it is a Go program, which makes calls without libc" : NULL;
}
