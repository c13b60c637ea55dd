/* SPDX-License-Identifier: MIT */
/*
 * sql_library.c - which SQLite library a call is meant for.
 *
 * Without the probe a caller's reference would have been bound by the dynamic linker: to the first
 * definition in the global scope, else to one among the objects that came with the caller. Here
 * that is repeated, per calling address and once:
 *   1. what follows the probe in the global scope (RTLD_NEXT), function by function, since a
 *      library that stands in for some of them may come first;
 *   2. the caller's own object, when it exports the API itself;
 *   3. an object that exports the API and that the caller's was linked with (DT_NEEDED);
 *   4. the first object of the process that exports the API: callers that no object is known of
 *      (code made at run time), and libraries of libraries.
 * A library that ends one of its functions by a jump to another comes in with an address of the
 * probe's as caller: that is the library in which this thread is.
 *
 * An answer is a pointer into an object that dlclose() may take away; so dlclose() makes all
 * answers be looked for anew.
 */
#include "harness/probe/sql.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

/* Addresses that the loader keeps as numbers become pointers here. */
/* NOLINTBEGIN(performance-no-int-to-ptr) */

#define SITES 512 /* calling addresses that are remembered; a power of two */

static struct {
    struct wg_sql_library libraries[WG_SQL_LIBRARIES];
    /* address << 8 | inside << 7 | number of the library + 1 */
    _Atomic uint64_t sites[SITES];
} sql;

__thread struct wg_sql_library *wg_sql_current;

static bool find_object(const void *address, struct dl_find_object *ret)
{
    return _dl_find_object((void *)address, ret) == 0;
}

static struct wg_module module_of(const struct dl_find_object *object)
{
    return (struct wg_module){.start = (uintptr_t)object->dlfo_map_start,
                              .end = (uintptr_t)object->dlfo_map_end,
                              .bias = object->dlfo_link_map->l_addr,
                              .dynamic = object->dlfo_link_map->l_ld};
}

static bool is_whole(const struct dl_find_object *object)
{
    const char *path = object->dlfo_link_map->l_name;
    const char *slash = path ? strrchr(path, '/') : NULL;
    const char *name = slash ? slash + 1 : path;
    return name && (strncmp(name, "libsqlite3", 10) == 0 || strncmp(name, "libsqlcipher", 12) == 0);
}

/* Finds a function as rule 1 says when `next`, in the object itself otherwise. */
static void find_function(const struct wg_module *module, bool next, const char *name, void *ret)
{
    void *found = next ? wg_probe_dlsym()(RTLD_NEXT, name) : NULL;
    if (!found)
        found = wg_probe_symbol(module, name);
    memcpy(ret, &found, sizeof found);
}

static void fill(struct wg_sql_library *library, const struct dl_find_object *object, bool next)
{
    struct wg_module module = module_of(object);
    library->start = module.start;
    library->end = module.end;
    library->whole = is_whole(object);
#define FIND(name, ...) find_function(&module, next, "sqlite3_" #name, &library->name);
    WG_SQL_FUNCTIONS(FIND)
    WG_SQL_HELPERS(FIND)
#undef FIND
    find_function(&module, next, "sqlite3_config", &library->config);
    find_function(&module, next, "sqlite3_initialize", &library->initialize);
    atomic_store(&library->log_set, 0);
    atomic_store(&library->log, NULL);
    atomic_store(&library->log_argument, NULL);
}

/* The library in that object: known already, or taken up. */
static struct wg_sql_library *library_in(const struct dl_find_object *object, bool next)
{
    for (uint32_t i = 0; i < WG_SQL_LIBRARIES; i++) {
        struct wg_sql_library *library = &sql.libraries[i];
        if (atomic_load_explicit(&library->state, memory_order_acquire) == 2 &&
            library->start == (uintptr_t)object->dlfo_map_start)
            return library;
    }
    for (uint32_t i = 0; i < WG_SQL_LIBRARIES; i++) {
        struct wg_sql_library *library = &sql.libraries[i];
        uint32_t state = atomic_load(&library->state);
        if (state != 0 && state != 3)
            continue;
        if (!atomic_compare_exchange_strong(&library->state, &state, 1))
            continue;
        fill(library, object, next);
        atomic_store_explicit(&library->state, 2, memory_order_release);
        return library;
    }
    return NULL;
}

bool wg_sql_is_ours(const void *address)
{
    struct dl_find_object object;
    return find_object(address, &object) && (uintptr_t)&sql >= (uintptr_t)object.dlfo_map_start &&
           (uintptr_t)&sql < (uintptr_t)object.dlfo_map_end;
}

/* ...and is not the probe. */
static bool exports_api(const struct dl_find_object *object)
{
    struct wg_module module = module_of(object);
    return !wg_sql_is_ours(object->dlfo_map_start) &&
           wg_probe_symbol(&module, "sqlite3_open_v2") != NULL;
}

static const char *strings_of(const struct wg_module *module)
{
    for (const ElfW(Dyn) *d = module->dynamic; d && d->d_tag != DT_NULL; d++)
        if (d->d_tag == DT_STRTAB)
            return (const char *)(d->d_un.d_ptr < module->start ? d->d_un.d_ptr + module->bias
                                                                : d->d_un.d_ptr);
    return NULL;
}

/* The object `by` was linked with the one of that name. */
static bool needs(const struct wg_module *by, const char *name)
{
    const char *strings = strings_of(by);
    for (const ElfW(Dyn) *d = by->dynamic; strings && d && d->d_tag != DT_NULL; d++)
        if (d->d_tag == DT_NEEDED && strcmp(strings + d->d_un.d_val, name) == 0)
            return true;
    return false;
}

static const char *name_of(const struct wg_module *module)
{
    const char *strings = strings_of(module);
    for (const ElfW(Dyn) *d = module->dynamic; strings && d && d->d_tag != DT_NULL; d++)
        if (d->d_tag == DT_SONAME)
            return strings + d->d_un.d_val;
    return "";
}

struct scan {
    const struct wg_module *caller; /* NULL: unknown */
    struct dl_find_object found;
    bool any;
};

/* Ends with the first object that the caller needs; remembers the first of all. */
static int scan_object(struct dl_phdr_info *info, size_t size, void *argument)
{
    struct scan *scan = argument;
    struct dl_find_object object;
    int part = 0;
    (void)size;
    while (part < info->dlpi_phnum && info->dlpi_phdr[part].p_type != PT_LOAD)
        part++;
    if (part == info->dlpi_phnum)
        return 0;
    const void *address = (const void *)(info->dlpi_addr + info->dlpi_phdr[part].p_vaddr);
    if (!find_object(address, &object) || !exports_api(&object))
        return 0;
    struct wg_module module = module_of(&object);
    bool needed = scan->caller && needs(scan->caller, name_of(&module));
    if (needed || !scan->any)
        scan->found = object;
    scan->any = true;
    return needed;
}

bool wg_sql_any_library(void)
{
    struct scan scan = {.any = false};
    dl_iterate_phdr(scan_object, &scan);
    return scan.any;
}

static struct wg_sql_library *resolve(const void *caller)
{
    struct dl_find_object object, own;
    struct wg_module module;
    struct scan scan = {.any = false};
    if (wg_sql_is_ours(caller))
        return wg_sql_current;
    void *found = wg_probe_dlsym()(RTLD_NEXT, "sqlite3_open_v2");
    if (found && find_object(found, &object))
        return library_in(&object, true);
    dlerror(); /* what was not found is no error of the program's */
    if (find_object(caller, &own)) {
        if (exports_api(&own))
            return library_in(&own, false);
        module = module_of(&own);
        scan.caller = &module;
    }
    dl_iterate_phdr(scan_object, &scan);
    return scan.any ? library_in(&scan.found, false) : NULL;
}

struct wg_sql_from wg_sql_from_caller(const void *caller)
{
    uint64_t at = (uintptr_t)caller;
    _Atomic uint64_t *site = &sql.sites[(at ^ (at >> 9)) & (SITES - 1)];
    uint64_t known = atomic_load_explicit(site, memory_order_acquire);
    if (known >> 8 == at && known != 0)
        return (struct wg_sql_from){.library = &sql.libraries[(known & 0x7f) - 1],
                                    .caller = caller,
                                    .inside = (known & 0x80) != 0};
    struct wg_sql_from from = {.library = resolve(caller), .caller = caller};
    if (!from.library)
        return from;
    bool ours = wg_sql_is_ours(caller);
    from.inside =
        ours || (from.library->whole && at >= from.library->start && at < from.library->end);
    if (at >> 56 == 0 && !ours)
        atomic_store_explicit(
            site, at << 8 | (from.inside ? 0x80u : 0) | (wg_sql_library_number(from.library) + 1),
            memory_order_release);
    return from;
}

struct wg_sql_library *wg_sql_library_at(const void *address)
{
    struct dl_find_object object;
    return find_object(address, &object) && exports_api(&object) ? library_in(&object, false)
                                                                 : NULL;
}

uint32_t wg_sql_library_number(const struct wg_sql_library *library)
{
    return (uint32_t)(library - sql.libraries);
}

struct wg_sql_library *wg_sql_library_of_number(uint32_t number)
{
    return &sql.libraries[number];
}

void wg_sql_forget_unloaded(void)
{
    for (uint32_t i = 0; i < SITES; i++)
        atomic_store(&sql.sites[i], 0);
    for (uint32_t i = 0; i < WG_SQL_LIBRARIES; i++) {
        struct wg_sql_library *library = &sql.libraries[i];
        struct dl_find_object object;
        uint32_t ready = 2;
        void *open_v2 = NULL;
        if (atomic_load(&library->state) != 2)
            continue;
        memcpy(&open_v2, &library->open_v2, sizeof open_v2);
        if (!find_object((const void *)library->start, &object) ||
            (uintptr_t)object.dlfo_map_end != library->end || !exports_api(&object) ||
            !find_object(open_v2, &object))
            atomic_compare_exchange_strong(&library->state, &ready, 3);
    }
}
/* NOLINTEND(performance-no-int-to-ptr) */
