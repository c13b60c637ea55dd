/* SPDX-License-Identifier: MIT */
#include "harness/trace/write.h"

#include "harness/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEFAULT_RECORDS   4096
#define DEFAULT_TEXT_SIZE (UINT64_C(1) << 20)

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define CHUNK ((size_t)64 << 10) /* made real at once */

struct wg_trace_writer {
    struct wg_trace_header *header; /* the whole mapped file */
    size_t size;
    unsigned char *chunks; /* 1 when its pages are there, 2 when there was no room */
};

/*
 * Makes the pages of a part of the sparse file, before it is written for the first time; false when
 * the file system has no room, where writing would raise SIGBUS.
 */
static bool make_real(struct wg_trace_writer *writer, size_t offset, size_t size)
{
    bool real = true;
    for (size_t chunk = offset / CHUNK; chunk <= (offset + size - 1) / CHUNK; chunk++) {
        size_t start = chunk * CHUNK;
        size_t length = writer->size - start < CHUNK ? writer->size - start : CHUNK;
        /* Kernels before 5.14 do not know it; there a full disk stays a danger. */
        if (writer->chunks[chunk] == 0)
            writer->chunks[chunk] =
                madvise((char *)writer->header + start, length, MADV_POPULATE_WRITE) == 0 ||
                        errno == EINVAL
                    ? 1
                    : 2;
        real &= writer->chunks[chunk] == 1;
    }
    return real;
}

static uint64_t with_default(uint64_t value, uint64_t fallback)
{
    return value ? value : fallback;
}

/* Adds an entry to the strings; 0 when there is none or no room. */
static uint32_t put_bytes(struct wg_trace_writer *writer, const void *bytes, size_t size,
                          uint16_t *flags)
{
    struct wg_trace_header *header = writer->header;
    uint64_t at = header->strings_next;
    uint64_t need = (8 + size + 1 + 7) & ~UINT64_C(7);
    if (need > header->strings_size - at || !make_real(writer, header->strings_offset + at, need)) {
        header->strings_lost++;
        *flags |= WG_TRACE_CUT;
        return 0;
    }
    char *entry = (char *)header + header->strings_offset + at;
    uint32_t stored = (uint32_t)size;
    memcpy(entry, &stored, sizeof stored);
    memcpy(entry + 8, bytes, size);
    header->strings_next = at + need;
    return (uint32_t)at;
}

static uint32_t put_text(struct wg_trace_writer *writer, const char *text, uint16_t *flags)
{
    size_t size = text ? strlen(text) : 0;
    if (size > WG_TRACE_STRING_MAX) {
        size = WG_TRACE_STRING_MAX;
        *flags |= WG_TRACE_CUT;
    }
    return size ? put_bytes(writer, text, size, flags) : 0;
}

static void fill_header(struct wg_trace_writer *writer,
                        const struct wg_trace_writer_options *options)
{
    uint16_t flags = 0;
    struct wg_trace_header *header = writer->header;
    memcpy(header->magic, WG_TRACE_MAGIC, sizeof header->magic);
    header->version = WG_TRACE_VERSION;
    header->record_size = WG_TRACE_RECORD_SIZE;
    header->file_size = writer->size;
    header->pid = options->pid;
    header->ppid = options->ppid;
    header->start_ns = options->start_ns ? options->start_ns : 1;
    header->wall_ns = options->wall_ns;
    header->parent_ns = options->parent_ns;
    header->state = WG_TRACE_RUNNING;
    uint64_t offset = WG_TRACE_HEADER_SIZE;
    for (int i = 0; i < WG_TRACE_AREAS; i++) {
        header->areas[i].offset = offset;
        header->areas[i].capacity = with_default(
            i == WG_TRACE_RARE ? options->rare_max : options->frequent_max, DEFAULT_RECORDS);
        offset += header->areas[i].capacity * WG_TRACE_RECORD_SIZE;
    }
    header->strings_offset = offset;
    header->strings_size = writer->size - offset;
    header->strings_next = 8;
    header->exe = put_text(writer, options->exe, &flags);
    header->command = put_text(writer, options->command, &flags);
    header->cwd = put_text(writer, options->cwd, &flags);
    header->libc = put_text(writer, options->libc, &flags);
}

int wg_trace_writer_create(const char *directory, const struct wg_trace_writer_options *options,
                           struct wg_trace_writer **ret_writer, struct wg_err *err)
{
    int rc = -1;
    uint64_t records = with_default(options->rare_max, DEFAULT_RECORDS) +
                       with_default(options->frequent_max, DEFAULT_RECORDS);
    size_t size = (size_t)(WG_TRACE_HEADER_SIZE + records * WG_TRACE_RECORD_SIZE +
                           with_default(options->text_size, DEFAULT_TEXT_SIZE));
    char *path = wg_format("%s/%d-%lld" WG_TRACE_SUFFIX, directory, options->pid,
                           (long long)(options->start_ns ? options->start_ns : 1));
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)size) != 0) {
        wg_err_errno(err, "create %s", path);
        goto out;
    }
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        wg_err_errno(err, "mmap %s", path);
        goto out;
    }
    struct wg_trace_writer *writer = wg_calloc(1, sizeof *writer);
    writer->header = memory;
    writer->size = size;
    writer->chunks = wg_calloc(size / CHUNK + 1, 1);
    if (!make_real(writer, 0, WG_TRACE_HEADER_SIZE)) {
        errno = ENOSPC;
        wg_err_errno(err, "write %s", path);
        wg_trace_writer_destroy(writer);
        goto out;
    }
    fill_header(writer, options);
    *ret_writer = writer;
    rc = 0;
out:
    if (fd >= 0)
        close(fd);
    free(path);
    return rc;
}

static enum wg_trace_area usual_area(uint16_t type)
{
    static const uint8_t areas[] = {
#define AREA(identifier, name, area, members) WG_TRACE_##area,
        WG_TRACE_TYPES(AREA)
#undef AREA
    };
    return type < WG_TRACE_TYPE_COUNT ? (enum wg_trace_area)areas[type] : WG_TRACE_RARE;
}

void wg_trace_writer_add(struct wg_trace_writer *writer, const struct wg_trace_event_spec *spec)
{
    enum wg_trace_area which = usual_area(spec->record.type);
    struct wg_trace_area_header *area = &writer->header->areas[which];
    uint64_t number = area->next++;
    size_t offset = (size_t)(area->offset + number % area->capacity * WG_TRACE_RECORD_SIZE);
    if ((which == WG_TRACE_RARE && number >= area->capacity) ||
        !make_real(writer, offset, WG_TRACE_RECORD_SIZE))
        return;
    struct wg_trace_record record = spec->record;
    record.path = put_text(writer, spec->path, &record.flags);
    record.text = put_text(writer, spec->text, &record.flags);
    record.database = put_text(writer, spec->database, &record.flags);
    record.script = put_text(writer, spec->script, &record.flags);
    record.stack = 0;
    if (spec->frame_count > 0)
        record.stack = put_bytes(writer, spec->frames, spec->frame_count * sizeof *spec->frames,
                                 &record.flags);
    record.commit = (uint32_t)(number + 1);
    memcpy((char *)writer->header + offset, &record, sizeof record);
}

void wg_trace_writer_end(struct wg_trace_writer *writer, enum wg_trace_state state)
{
    writer->header->state = state;
}

void wg_trace_writer_destroy(struct wg_trace_writer *writer)
{
    if (!writer)
        return;
    munmap(writer->header, writer->size);
    free(writer->chunks);
    free(writer);
}
