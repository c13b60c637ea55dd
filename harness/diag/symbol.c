/* SPDX-License-Identifier: MIT */
#include "harness/diag/symbol.h"

#include "harness/base/str.h"

#include <elfutils/libdwfl.h>
#include <stdlib.h>
#include <string.h>

#define OBJECTS_MAX    64 /* kept open at once; the rest stays without names */
#define BUILD_ID_SHOWN 8  /* bytes of it that are enough for people */

struct object {
    char *path;
    Dwfl *session; /* NULL: the file cannot be used */
    Dwfl_Module *module;
    GElf_Addr bias; /* from addresses in the file to those of the session */
};

struct wg_symbols {
    struct object objects[OBJECTS_MAX];
    size_t count;
    char *debug_path; /* where separate debug files are looked for; NULL: libdw's own list */
    Dwfl_Callbacks callbacks;
};

struct wg_symbols *wg_symbols_create(void)
{
    struct wg_symbols *symbols = wg_calloc(1, sizeof *symbols);
    symbols->callbacks = (Dwfl_Callbacks){.find_elf = dwfl_build_id_find_elf,
                                          .find_debuginfo = dwfl_standard_find_debuginfo,
                                          .section_address = dwfl_offline_section_address,
                                          .debuginfo_path = &symbols->debug_path};
    return symbols;
}

void wg_symbols_destroy(struct wg_symbols *symbols)
{
    if (!symbols)
        return;
    for (size_t i = 0; i < symbols->count; i++) {
        if (symbols->objects[i].session)
            dwfl_end(symbols->objects[i].session);
        free(symbols->objects[i].path);
    }
    free(symbols);
}

static void open_object(struct wg_symbols *symbols, struct object *object)
{
    object->session = dwfl_begin(&symbols->callbacks);
    if (!object->session)
        return;
    dwfl_report_begin(object->session);
    object->module = dwfl_report_offline(object->session, object->path, object->path, -1);
    if (dwfl_report_end(object->session, NULL, NULL) == 0 && object->module &&
        dwfl_module_getelf(object->module, &object->bias))
        return;
    dwfl_end(object->session);
    object->session = NULL;
}

/* NULL when there is no room or no usable file. */
static const struct object *object_of(struct wg_symbols *symbols, const char *path)
{
    struct object *object = NULL;
    for (size_t i = 0; i < symbols->count && !object; i++)
        if (strcmp(symbols->objects[i].path, path) == 0)
            object = &symbols->objects[i];
    if (!object && symbols->count < OBJECTS_MAX) {
        object = &symbols->objects[symbols->count++];
        object->path = wg_strdup(path);
        open_object(symbols, object);
    }
    return object && object->session ? object : NULL;
}

static char *nameless(const struct object *object, const char *path, uint64_t address)
{
    const unsigned char *id = NULL;
    GElf_Addr at;
    int size = object ? dwfl_module_build_id(object->module, &id, &at) : 0;
    char text[2 * BUILD_ID_SHOWN + 1] = "";
    for (int i = 0; i < size && i < BUILD_ID_SHOWN; i++)
        snprintf(text + 2 * (size_t)i, 3, "%02x", id[i]);
    return wg_format("%s+0x%llx%s%s%s", path, (unsigned long long)address,
                     size > 0 ? " (build-id " : "", text, size > 0 ? ")" : "");
}

char *wg_symbols_describe(struct wg_symbols *symbols, const char *path, uint64_t address)
{
    const struct object *object = object_of(symbols, path);
    /* A call may be the last instruction of its function. */
    GElf_Addr call = address - 1 + (object ? object->bias : 0);
    const char *name = object ? dwfl_module_addrname(object->module, call) : NULL;
    Dwfl_Line *line = name ? dwfl_module_getsrc(object->module, call) : NULL;
    int number = 0;
    const char *file = line ? dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL) : NULL;
    if (!name)
        return nameless(object, path, address);
    return file ? wg_format("%s (%s:%d)", name, file, number) : wg_format("%s in %s", name, path);
}

void wg_diag_symbolise(const struct wg_trace *trace, struct wg_findings *findings)
{
    struct wg_symbols *symbols = wg_symbols_create();
    for (size_t i = 0; i < findings->count; i++) {
        struct wg_finding *finding = &findings->items[i];
        const struct wg_trace_event *event = &finding->event;
        for (size_t f = 0; f < event->frame_count && finding->stack.count < WG_FINDING_FRAMES;
             f++) {
            const char *path;
            uint64_t address;
            if (wg_trace_module(trace, event->process, event->frames[f], &path, &address) == 0)
                wg_strv_take(&finding->stack, wg_symbols_describe(symbols, path, address));
        }
    }
    wg_symbols_destroy(symbols);
}
