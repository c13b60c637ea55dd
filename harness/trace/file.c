/* SPDX-License-Identifier: MIT */
#include "harness/trace/file.h"

#include "harness/base/limit.h"
#include "harness/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(struct wg_trace_record) == WG_TRACE_RECORD_SIZE, "a record has no padding");
_Static_assert(sizeof(struct wg_trace_header) <= WG_TRACE_HEADER_SIZE, "the header fits its page");

/* Reads `size` bytes; what the file does not have is 0, as in a file that was only set to a size.
 */
static int read_at(int fd, void *bytes, size_t size, uint64_t offset, struct wg_err *err)
{
    char *at = bytes;
    while (size > 0) {
        ssize_t n = pread(fd, at, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return wg_err_errno(err, "read");
        if (n == 0)
            break;
        at += n;
        size -= (size_t)n;
        offset += (uint64_t)n;
    }
    memset(at, 0, size);
    return 0;
}

static bool inside(uint64_t offset, uint64_t size, uint64_t file_size)
{
    return offset >= WG_TRACE_HEADER_SIZE && offset <= file_size && size <= file_size - offset;
}

static int check_header(const struct wg_trace_header *header, uint64_t file_size,
                        struct wg_err *err)
{
    if (memcmp(header->magic, WG_TRACE_MAGIC, sizeof header->magic) != 0)
        return wg_err_set(err, WG_ERR_FORMAT, "not a trace file");
    if (header->version != WG_TRACE_VERSION || header->record_size != WG_TRACE_RECORD_SIZE)
        return wg_err_set(err, WG_ERR_FORMAT, "version %u of the format, this reader knows %d",
                          header->version, WG_TRACE_VERSION);
    for (int i = 0; i < WG_TRACE_AREAS; i++) {
        const struct wg_trace_area_header *area = &header->areas[i];
        if (area->capacity == 0 || area->capacity > WG_LIMIT_TRACE_RECORDS ||
            !inside(area->offset, area->capacity * WG_TRACE_RECORD_SIZE, file_size))
            return wg_err_set(err, WG_ERR_FORMAT, "area %d lies outside the file", i);
    }
    if (header->strings_size > WG_LIMIT_TRACE_STRINGS ||
        !inside(header->strings_offset, header->strings_size, file_size))
        return wg_err_set(err, WG_ERR_FORMAT, "the strings lie outside the file");
    return 0;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Puts enumerators of a newer or damaged file back into their range. */
static void check_record(struct wg_trace_record *record)
{
    if (record->role >= WG_TRACE_ROLE_COUNT)
        record->role = WG_TRACE_ROLE_NONE;
    if (record->origin >= WG_TRACE_ORIGIN_COUNT)
        record->origin = WG_TRACE_ORIGIN_UNKNOWN;
    if (record->opener >= WG_TRACE_ORIGIN_COUNT)
        record->opener = WG_TRACE_ORIGIN_UNKNOWN;
    if (record->call >= WG_CALL_COUNT)
        record->call = WG_CALL_none;
}

/*
 * The moment after which no call is missing from a ring that has dropped records; `oldest` is the
 * place of the oldest that it kept. What was dropped had been written before that one, and that one
 * before its thread's next call began. Its own beginning says nothing: a call that takes long is
 * written late. INT64_MAX when that cannot be told.
 */
static int64_t complete_since(const struct wg_trace_record *records, size_t count, size_t oldest)
{
    for (size_t i = 1; i < count; i++) {
        const struct wg_trace_record *record = &records[(oldest + i) % count];
        if (record->tid == records[oldest % count].tid)
            return record->time_ns;
    }
    return INT64_MAX;
}

/* Adds the complete records of one area to the file's. */
static int read_area(int fd, const struct wg_trace_header *header, enum wg_trace_area which,
                     struct wg_trace_file *file, struct wg_err *err)
{
    const struct wg_trace_area_header *area = &header->areas[which];
    size_t given = (size_t)smaller(area->next, area->capacity);
    if (given == 0)
        return 0;
    file->records = wg_realloc(file->records, (file->record_count + given) * sizeof *file->records);
    struct wg_trace_record *records = file->records + file->record_count;
    if (read_at(fd, records, given * sizeof *records, area->offset, err) != 0)
        return -1;
    size_t kept = 0, oldest = 0;
    for (size_t slot = 0; slot < given; slot++) {
        if (slot == area->next % area->capacity)
            oldest = kept;
        struct wg_trace_record record = records[slot];
        bool complete = record.commit != 0 && (record.commit - 1) % area->capacity == slot;
        if (!complete || record.type == WG_TRACE_NONE || record.type >= WG_TRACE_TYPE_COUNT) {
            file->process.torn++;
            continue;
        }
        check_record(&record);
        records[kept++] = record;
    }
    uint64_t dropped = area->next - smaller(area->next, area->capacity);
    if (which == WG_TRACE_RARE) {
        file->process.rare_dropped = dropped;
    } else if (dropped > 0) {
        file->process.frequent_dropped = dropped;
        file->process.frequent_since_ns = complete_since(records, kept, oldest);
    }
    file->record_count += kept;
    return 0;
}

/* Last, so that what the records refer to is there. */
static int read_strings(int fd, struct wg_trace_header *header, struct wg_trace_file *file,
                        struct wg_err *err)
{
    struct wg_trace_header now;
    if (read_at(fd, &now, sizeof now, 0, err) != 0)
        return -1;
    size_t size = (size_t)smaller(now.strings_next, header->strings_size);
    file->strings = wg_calloc(size + 8, 1);
    file->strings_size = size;
    return read_at(fd, file->strings, size, header->strings_offset, err);
}

static void fill_process(const struct wg_trace_header *header, struct wg_trace_file *file)
{
    struct wg_trace_process *process = &file->process;
    process->file = file->name;
    process->pid = header->pid;
    process->ppid = header->ppid;
    process->start_ns = header->start_ns;
    process->parent_ns = header->parent_ns;
    process->wall_offset_ns = (int64_t)((uint64_t)header->wall_ns - (uint64_t)header->start_ns);
    process->uid = header->uid;
    process->state = header->state >= WG_TRACE_RUNNING && header->state <= WG_TRACE_EXECED
                         ? (enum wg_trace_state)header->state
                         : WG_TRACE_RUNNING;
    process->exe = wg_trace_file_string(file, header->exe);
    process->command = wg_trace_file_string(file, header->command);
    process->cwd = wg_trace_file_string(file, header->cwd);
    process->libc = wg_trace_file_string(file, header->libc);
    process->records = file->record_count;
    process->strings_lost = header->strings_lost;
}

int wg_trace_file_read(int directory_fd, const char *name, struct wg_trace_file *ret_file,
                       struct wg_err *err)
{
    int rc = -1;
    struct wg_trace_file file = {0};
    struct wg_trace_header header;
    struct stat st;
    /* Without O_NONBLOCK a pipe of that name would hold the reader for ever. */
    int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return wg_err_errno(err, "open %s", name);
    if (fstat(fd, &st) != 0) {
        wg_err_errno(err, "fstat");
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        wg_err_set(err, WG_ERR_FORMAT, "not a regular file");
        goto out;
    }
    if (read_at(fd, &header, sizeof header, 0, err) != 0 ||
        check_header(&header, (uint64_t)st.st_size, err) != 0)
        goto out;
    file.name = wg_strdup(name);
    file.process.frequent_since_ns = header.start_ns;
    if (read_area(fd, &header, WG_TRACE_RARE, &file, err) != 0 ||
        read_area(fd, &header, WG_TRACE_FREQUENT, &file, err) != 0 ||
        read_strings(fd, &header, &file, err) != 0)
        goto out;
    fill_process(&header, &file);
    *ret_file = file;
    rc = 0;
out:
    if (rc != 0)
        wg_trace_file_finish(&file);
    close(fd);
    return rc;
}

void wg_trace_file_finish(struct wg_trace_file *file)
{
    free(file->name);
    free(file->records);
    free(file->strings);
    *file = (struct wg_trace_file){0};
}

/* The entry at a reference: its bytes, and how many; NULL when it does not lie in the area. */
static const char *entry_at(const struct wg_trace_file *file, uint32_t reference, size_t *ret_size)
{
    uint32_t size;
    size_t room = file->strings_size;
    if (reference == 0 || reference % 8 != 0 || reference >= room || room - reference < 8)
        return NULL;
    memcpy(&size, file->strings + reference, sizeof size);
    if (size > room - reference - 8)
        return NULL;
    *ret_size = size;
    return file->strings + reference + 8;
}

const char *wg_trace_file_string(const struct wg_trace_file *file, uint32_t reference)
{
    size_t size;
    const char *bytes = entry_at(file, reference, &size);
    /* The NUL behind it may be missing in a damaged file; 8 zero bytes follow the last entry. */
    return bytes && bytes[size] == '\0' ? bytes : "";
}

size_t wg_trace_file_stack(const struct wg_trace_file *file, uint32_t reference,
                           const uint64_t **ret_frames)
{
    size_t size = 0;
    const char *bytes = entry_at(file, reference, &size);
    size_t count = bytes ? (size - size % 8) / 8 : 0;
    if (count > WG_TRACE_FRAMES_MAX)
        count = WG_TRACE_FRAMES_MAX;
    /* Aligned, since entries and the strings themselves are. */
    *ret_frames = (const uint64_t *)(const void *)bytes;
    return count;
}
