/* SPDX-License-Identifier: MIT */
/*
 * origin.c - who made a call: SQLite or other code.
 *
 * The return address lies in an object (found by _dl_find_object, which takes no lock). Once per
 * object it is decided what the object is: does its dynamic symbol table define sqlite3_open_v2
 * (read straight from the hash table, without the dynamic linker), or does it at least contain a
 * text that every SQLite contains? An object whose name says that it is SQLite and that exports the
 * API has no other business; calls from it are SQLite's. In an object with SQLite *and* other code
 * (a program linked statically, an extension module with a bundled copy) the return address alone
 * proves nothing: SQLite passes O_NOFOLLOW since 3.31, creates the -wal, -shm and journal, and
 * always opens from the same place; a descriptor's further calls are attributed to who opened it.
 *
 * An object that stands in for the C library's file calls itself (a sanitizer's runtime linked into
 * the program, another preloaded library) hands on what others call: there the first frame outside
 * of it says who made the call.
 *
 * Limits: what the C library does by itself (fclose inside exit, dprintf) is not seen here at all.
 */
#include "harness/probe/probe.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>
#include <unwind.h>

/* Addresses that the loader keeps as numbers become pointers here. */
/* NOLINTBEGIN(performance-no-int-to-ptr) */

/* --- symbols of an object ------------------------------------------------------------------- */

struct symbols {
    const ElfW(Sym) * table;
    const char *strings;
    const uint32_t *gnu;  /* DT_GNU_HASH */
    const uint32_t *sysv; /* DT_HASH */
};

static struct symbols symbols_of(const struct wg_module *module)
{
    struct symbols symbols = {0};
    for (const ElfW(Dyn) *d = module->dynamic; d && d->d_tag != DT_NULL; d++) {
        /* glibc relocates these entries in place, except in the vdso. Not compared with the start:
         * of an object with gaps between its parts that is the start of its code only. */
        uintptr_t at = d->d_un.d_ptr < module->bias ? d->d_un.d_ptr + module->bias : d->d_un.d_ptr;
        if (d->d_tag == DT_SYMTAB)
            symbols.table = (const void *)at;
        else if (d->d_tag == DT_STRTAB)
            symbols.strings = (const void *)at;
        else if (d->d_tag == DT_GNU_HASH)
            symbols.gnu = (const void *)at;
        else if (d->d_tag == DT_HASH)
            symbols.sysv = (const void *)at;
    }
    return symbols;
}

static bool defines(const struct symbols *symbols, uint32_t index, const char *name)
{
    const ElfW(Sym) *symbol = &symbols->table[index];
    return symbol->st_shndx != SHN_UNDEF && symbol->st_value != 0 &&
           strcmp(symbols->strings + symbol->st_name, name) == 0;
}

/* The layout of DT_GNU_HASH: header of 4 words, bloom filter, buckets, chains. */
static uint32_t find_gnu(const struct symbols *symbols, const char *name)
{
    uint32_t hash = 5381;
    for (const unsigned char *c = (const void *)name; *c; c++)
        hash = hash * 33 + *c;
    uint32_t bucket_count = symbols->gnu[0];
    uint32_t first = symbols->gnu[1];
    const ElfW(Addr) *bloom = (const void *)(symbols->gnu + 4);
    const uint32_t *buckets = (const void *)(bloom + symbols->gnu[2]);
    const uint32_t *chains = buckets + bucket_count;
    uint32_t index = bucket_count ? buckets[hash % bucket_count] : 0;
    if (index < first)
        return 0;
    for (;; index++) {
        uint32_t link = chains[index - first];
        if ((link | 1) == (hash | 1) && defines(symbols, index, name))
            return index;
        if (link & 1)
            return 0;
    }
}

static uint32_t find_sysv(const struct symbols *symbols, const char *name)
{
    uint32_t hash = 0;
    for (const unsigned char *c = (const void *)name; *c; c++) {
        hash = (hash << 4) + *c;
        hash = (hash ^ ((hash >> 24) & 0xf0)) & 0x0fffffff;
    }
    uint32_t bucket_count = symbols->sysv[0];
    const uint32_t *buckets = symbols->sysv + 2;
    const uint32_t *chains = buckets + bucket_count;
    for (uint32_t index = bucket_count ? buckets[hash % bucket_count] : 0; index;
         index = chains[index])
        if (defines(symbols, index, name))
            return index;
    return 0;
}

void *wg_probe_symbol(const struct wg_module *module, const char *name)
{
    struct symbols symbols = symbols_of(module);
    if (!symbols.table || !symbols.strings || (!symbols.gnu && !symbols.sysv))
        return NULL;
    uint32_t index = symbols.gnu ? find_gnu(&symbols, name) : find_sysv(&symbols, name);
    return index ? (void *)(module->bias + symbols.table[index].st_value) : NULL;
}

/* --- objects -------------------------------------------------------------------------------- */

/* The ELF header, which lies at the start or, of an object with gaps, at the load bias; or NULL. */
static const ElfW(Ehdr) * header_of(const struct wg_module *module)
{
    const uintptr_t places[] = {module->start, module->bias};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct dl_find_object found;
        const ElfW(Ehdr) *elf = (const void *)places[i];
        if (_dl_find_object((void *)places[i], &found) == 0 &&
            found.dlfo_link_map->l_ld == module->dynamic &&
            memcmp(elf->e_ident, ELFMAG, SELFMAG) == 0)
            return elf;
    }
    return NULL;
}

/*
 * The program headers of an object. Those of the program itself the kernel tells: one that lies at
 * fixed addresses, with gaps, has its ELF header where the linker's look-up finds nothing.
 */
static const ElfW(Phdr) * headers_of(const struct wg_module *module, size_t *ret_count)
{
    const ElfW(Ehdr) *elf = header_of(module);
    if (elf) {
        *ret_count = elf->e_phnum;
        return (const void *)((uintptr_t)elf + elf->e_phoff);
    }
    const ElfW(Phdr) *program = (const void *)getauxval(AT_PHDR);
    *ret_count = program ? getauxval(AT_PHNUM) : 0;
    for (size_t i = 0; i < *ret_count; i++)
        if (program[i].p_type == PT_DYNAMIC &&
            module->bias + program[i].p_vaddr == (uintptr_t)module->dynamic)
            return program;
    *ret_count = 0;
    return NULL;
}

/*
 * Where the linker separates code from data, texts lie in the read-only parts behind the code, and
 * the code itself, the larger part by far, need not be searched.
 */
static bool contains_sqlite(const struct wg_module *module)
{
    char needle[WG_PROBE_NEEDLE + 1];
    wg_probe_needle(needle);
    size_t count;
    const ElfW(Phdr) *program = headers_of(module, &count);
    bool seen_code = false;
    bool separate = false;
    for (size_t i = 0; i < count; i++) {
        bool code = program[i].p_type == PT_LOAD && (program[i].p_flags & PF_X);
        separate |= seen_code && program[i].p_type == PT_LOAD && program[i].p_flags == PF_R;
        seen_code |= code;
    }
    for (size_t i = 0; i < count; i++) {
        const ElfW(Phdr) *part = &program[i];
        if (part->p_type == PT_LOAD && (part->p_flags & (PF_R | PF_W)) == PF_R &&
            !(separate && (part->p_flags & PF_X)) &&
            wg_probe_holds((const char *)(module->bias + part->p_vaddr), part->p_filesz, needle))
            return true;
    }
    return false;
}

static bool passes_on(const struct wg_module *module)
{
    static const char *const calls[] = {"open",   "open64",    "openat",      "openat64", "close",
                                        "write",  "pwrite",    "pwrite64",    "fcntl",    "fcntl64",
                                        "unlink", "ftruncate", "ftruncate64", "rename"};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (wg_probe_symbol(module, calls[i]))
            return true;
    return false;
}

static void classify(struct wg_module *module, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    module->kind = WG_MODULE_UNREAD;
    module->passes_on = passes_on(module);
    if (wg_probe_symbol(module, "sqlite3_open_v2")) {
        module->kind = WG_MODULE_EXPORTS;
        module->whole =
            strncmp(name, "lib", 3) == 0 && (strstr(name, "sqlite") || strstr(name, "sqlcipher"));
        module->version = wg_probe_symbol(module, "sqlite3_version");
    }
}

/* Makes sure that the object was searched. */
static void settle(struct wg_module *module)
{
    if (module->kind == WG_MODULE_UNREAD)
        module->kind = contains_sqlite(module) ? WG_MODULE_CONTAINS : WG_MODULE_NONE;
}

static struct wg_module *add_module(const struct dl_find_object *found, uint32_t slot)
{
    struct wg_module *module = &wg_probe.modules[slot];
    if (wg_probe.local)
        atomic_store_explicit(&wg_probe.local->announced[slot], 0, memory_order_relaxed);
    module->whole = 0;
    module->version = NULL;
    const char *path = found->dlfo_link_map->l_name;
    module->start = (uintptr_t)found->dlfo_map_start;
    module->end = (uintptr_t)found->dlfo_map_end;
    module->bias = found->dlfo_link_map->l_addr;
    module->dynamic = found->dlfo_link_map->l_ld;
    if (!path || !*path)
        path = wg_probe.exe_text;
    module->path = wg_probe_name(path, strnlen(path, WG_PROBE_PATH - 1));
    classify(module, path);
    atomic_store_explicit(&module->state, 2, memory_order_release);
    return module;
}

static bool lies_in(uintptr_t at, struct wg_module *module)
{
    return atomic_load_explicit(&module->state, memory_order_acquire) == 2 && at >= module->start &&
           at < module->end;
}

struct wg_module *wg_probe_module(const void *address)
{
    uintptr_t at = (uintptr_t)address;
    /* The same few places call again and again. */
    _Atomic uint16_t *hint = &wg_probe.hints[(at ^ (at >> 12)) % WG_PROBE_HINTS];
    struct wg_module *likely = &wg_probe.modules[atomic_load_explicit(hint, memory_order_relaxed)];
    if (lies_in(at, likely))
        return likely;
    for (uint32_t slot = 0; slot < WG_PROBE_MODULES; slot++) {
        struct wg_module *module = &wg_probe.modules[slot];
        uint32_t state = atomic_load_explicit(&module->state, memory_order_acquire);
        if (state == 0)
            break;
        if (state == 2 && at >= module->start && at < module->end) {
            atomic_store_explicit(hint, (uint16_t)slot, memory_order_relaxed);
            return module;
        }
    }
    struct dl_find_object found;
    if (_dl_find_object((void *)address, &found) != 0)
        return NULL;
    for (uint32_t slot = 0; slot < WG_PROBE_MODULES; slot++) {
        uint32_t state = atomic_load_explicit(&wg_probe.modules[slot].state, memory_order_relaxed);
        if ((state == 0 || state == 3) &&
            atomic_compare_exchange_strong(&wg_probe.modules[slot].state, &state, 1))
            return add_module(&found, slot);
    }
    return NULL;
}

static void forget_sites(void)
{
    for (int i = 0; i < WG_PROBE_SITES && wg_probe.local; i++)
        if (atomic_load_explicit(&wg_probe.local->sites[i], memory_order_relaxed) != 0)
            atomic_store_explicit(&wg_probe.local->sites[i], 0, memory_order_relaxed);
}

void wg_probe_forget_unloaded(void)
{
    for (uint32_t slot = 0; slot < WG_PROBE_MODULES; slot++) {
        struct wg_module *module = &wg_probe.modules[slot];
        struct dl_find_object found;
        uint32_t state = atomic_load_explicit(&module->state, memory_order_acquire);
        if (state == 0)
            break;
        if (state == 2 &&
            (_dl_find_object((void *)module->start, &found) != 0 ||
             found.dlfo_link_map->l_ld != module->dynamic) &&
            atomic_compare_exchange_strong(&module->state, &state, 3))
            forget_sites();
    }
}

/* Writes the record of an object that a record is going to speak of. */
static void announce(struct wg_module *module)
{
    size_t slot = (size_t)(module - wg_probe.modules);
    if (atomic_load_explicit(&wg_probe.local->announced[slot], memory_order_relaxed) ||
        atomic_exchange(&wg_probe.local->announced[slot], 1))
        return;
    struct wg_trace_record record = {
        .type = WG_TRACE_MODULE,
        .time_ns = wg_probe_now_ns(),
        .tid = (uint32_t)wg_probe_tid(),
        .fd = -1,
        .result = module->kind == WG_MODULE_UNREAD ? WG_MODULE_NONE : module->kind,
        .offset = (int64_t)module->start,
        .length = (int64_t)(module->end - module->start),
        .ino2 = module->bias,
        .path = wg_probe_name_ref(module->path),
    };
    if (module->version)
        record.text = wg_probe_string(module->version, strnlen(module->version, 32), &record.flags);
    wg_probe_emit(WG_TRACE_RARE, false, &record);
}

/* --- origin --------------------------------------------------------------------------------- */

#define SITES 16

/* Return addresses of calls by which SQLite alone can have opened a file. */
static struct {
    _Atomic uintptr_t open[SITES];
} learnt;

static bool is_learnt(const void *caller)
{
    for (int i = 0; i < SITES; i++) {
        uintptr_t site = atomic_load_explicit(&learnt.open[i], memory_order_relaxed);
        if (site == (uintptr_t)caller)
            return true;
        if (site == 0)
            return false;
    }
    return false;
}

static void learn(const void *caller)
{
    for (int i = 0; i < SITES; i++) {
        uintptr_t none = 0;
        if (atomic_compare_exchange_strong(&learnt.open[i], &none, (uintptr_t)caller) ||
            none == (uintptr_t)caller)
            return;
    }
}

struct passing {
    const struct wg_module *by;
    uintptr_t caller;
    bool seen; /* the frame of the caller */
    struct wg_module *from;
};

static _Unwind_Reason_Code leave(struct _Unwind_Context *context, void *argument)
{
    struct passing *passing = argument;
    uintptr_t at = _Unwind_GetIP(context);
    passing->seen |= at == passing->caller;
    if (!passing->seen || (at >= passing->by->start && at < passing->by->end))
        return at ? _URC_NO_REASON : _URC_END_OF_STACK;
    passing->from = at ? wg_probe_module((void *)at) : NULL;
    return _URC_END_OF_STACK;
}

/* The object that called what passed the call on; the latter itself when that cannot be told. */
static struct wg_module *origin_of_passed(struct wg_module *module, const void *caller)
{
    struct passing passing = {.by = module, .caller = (uintptr_t)caller};
    _Unwind_Backtrace(leave, &passing);
    return passing.from ? passing.from : module;
}

static _Atomic uint64_t *site_of(uintptr_t at)
{
    return &wg_probe.local->sites[(at ^ (at >> 12)) % WG_PROBE_SITES];
}

/* UNKNOWN when it must be found out. */
static enum wg_trace_origin known_origin(const void *caller)
{
    uintptr_t at = (uintptr_t)caller;
    uint64_t known = wg_probe.local ? atomic_load_explicit(site_of(at), memory_order_relaxed) : 0;
    return known >> 8 == at ? (enum wg_trace_origin)(known & 0xff) : WG_TRACE_ORIGIN_UNKNOWN;
}

/* The origin that all calls from the module have; UNKNOWN when they can have several. */
static enum wg_trace_origin origin_of_module(const struct wg_module *module)
{
    if (module->kind == WG_MODULE_NONE)
        return WG_TRACE_ORIGIN_OTHER;
    return module->kind == WG_MODULE_EXPORTS && module->whole ? WG_TRACE_ORIGIN_SQLITE
                                                              : WG_TRACE_ORIGIN_UNKNOWN;
}

enum wg_trace_origin wg_probe_origin(const void *caller, const struct wg_fd *entry)
{
    uintptr_t at = (uintptr_t)caller;
    enum wg_trace_origin origin = known_origin(caller);
    if (origin != WG_TRACE_ORIGIN_UNKNOWN)
        return origin;
    struct wg_module *module = wg_probe_module(caller);
    if (!module)
        return WG_TRACE_ORIGIN_UNKNOWN;
    settle(module);
    bool live = wg_probe_live();
    if (live)
        announce(module);
    bool passed = module->kind == WG_MODULE_NONE && module->passes_on;
    if (passed) {
        module = origin_of_passed(module, caller);
        settle(module);
    }
    origin = origin_of_module(module);
    if (origin != WG_TRACE_ORIGIN_UNKNOWN && live && !passed && at >> 56 == 0)
        atomic_store_explicit(site_of(at), (uint64_t)at << 8 | origin, memory_order_relaxed);
    if (origin != WG_TRACE_ORIGIN_UNKNOWN)
        return origin;
    if (!entry)
        return WG_TRACE_ORIGIN_UNKNOWN;
    if (entry->opener == WG_TRACE_ORIGIN_SQLITE)
        return WG_TRACE_ORIGIN_SQLITE_LIKELY;
    return entry->opener == WG_TRACE_ORIGIN_OTHER ? WG_TRACE_ORIGIN_OTHER_LIKELY
                                                  : (enum wg_trace_origin)entry->opener;
}

enum wg_trace_origin wg_probe_origin_of_open(const void *caller, const char *path, int flags,
                                             bool quick)
{
    enum wg_trace_origin origin = known_origin(caller);
    if (origin != WG_TRACE_ORIGIN_UNKNOWN)
        return origin;
    struct wg_module *module = wg_probe_module(caller);
    if (!module)
        return WG_TRACE_ORIGIN_UNKNOWN;
    if (quick && module->kind == WG_MODULE_UNREAD && !(flags & O_NOFOLLOW))
        return WG_TRACE_ORIGIN_OTHER;
    origin = wg_probe_origin(caller, NULL);
    if (origin != WG_TRACE_ORIGIN_UNKNOWN)
        return origin;
    if (flags & O_NOFOLLOW) {
        enum wg_trace_role role = wg_probe_family_of_name(path, strlen(path)).role;
        if (role == WG_TRACE_ROLE_WAL || role == WG_TRACE_ROLE_SHM || role == WG_TRACE_ROLE_JOURNAL)
            learn(caller);
        return WG_TRACE_ORIGIN_SQLITE_LIKELY;
    }
    return is_learnt(caller) ? WG_TRACE_ORIGIN_SQLITE_LIKELY : WG_TRACE_ORIGIN_OTHER_LIKELY;
}

/* --- native stacks -------------------------------------------------------------------------- */

struct walk {
    uint64_t frames[WG_TRACE_FRAMES_MAX];
    uint32_t count;
    const struct wg_module *self;
};

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *argument)
{
    struct walk *walk = argument;
    uintptr_t at = _Unwind_GetIP(context);
    if (at == 0)
        return _URC_END_OF_STACK;
    if (walk->count == 0 && walk->self && at >= walk->self->start && at < walk->self->end)
        return _URC_NO_REASON;
    walk->frames[walk->count++] = at;
    return walk->count < WG_TRACE_FRAMES_MAX ? _URC_NO_REASON : _URC_END_OF_STACK;
}

uint32_t wg_probe_stack(uint16_t *flags)
{
    struct walk walk = {.self = wg_probe_module(__builtin_return_address(0))};
    _Unwind_Backtrace(visit, &walk);
    for (uint32_t i = 0; i < walk.count; i++) {
        /* The address before: a call may be the last instruction of its function. */
        struct wg_module *module = wg_probe_module((void *)(uintptr_t)(walk.frames[i] - 1));
        if (module)
            announce(module);
    }
    return walk.count ? wg_probe_bytes(walk.frames, walk.count * sizeof *walk.frames, flags) : 0;
}
/* NOLINTEND(performance-no-int-to-ptr) */
