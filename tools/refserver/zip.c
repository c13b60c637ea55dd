/* SPDX-License-Identifier: MIT */
#include "tools/refserver/zip.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct wg_zip {
    struct archive *writer;
    struct wg_buf *out;
};

static int read_content(struct wg_arena *arena, struct archive *reader, int64_t *budget,
                        struct wg_entry *ret)
{
    struct wg_buf content = {0};
    char block[16384];
    la_ssize_t got;
    wg_buf_add(&content, "", 0);
    while ((got = archive_read_data(reader, block, sizeof block)) > 0 && *budget >= got) {
        *budget -= got;
        wg_buf_add(&content, block, (size_t)got);
    }
    ret->data = wg_arena_strndup(arena, content.data, content.len);
    ret->size = content.len;
    wg_buf_finish(&content);
    return got == 0 ? 0 : -1;
}

static bool is_safe(const char *name)
{
    return name[0] != '/' && strncmp(name, "../", 3) != 0 && strstr(name, "/../") == NULL &&
           strcmp(name, "..") != 0;
}

static void append(struct wg_arena *arena, struct wg_entries *entries, size_t *room,
                   const struct wg_entry *entry)
{
    if (entries->count == *room) {
        *room = *room == 0 ? 16 : *room * 2;
        struct wg_entry *more = wg_arena_alloc(arena, *room * sizeof *more);
        if (entries->count > 0)
            memcpy(more, entries->items, entries->count * sizeof *more);
        entries->items = more;
    }
    entries->items[entries->count++] = *entry;
}

int wg_zip_read(struct wg_arena *arena, const void *data, size_t size, struct wg_entries *ret,
                const char **ret_error)
{
    struct archive *reader = archive_read_new();
    struct archive_entry *header;
    int64_t budget = WG_ARCHIVE_BYTES_MAX;
    size_t room = 0;
    int rc = -1, got;
    *ret = (struct wg_entries){0};
    *ret_error = "unreadable";
    if (reader == NULL)
        abort();
    /* An archive that begins with its end has no entries; libarchive does not take it for one. */
    if (size >= 22 && memcmp(data, "PK\5\6", 4) == 0) {
        rc = 0;
        goto out;
    }
    archive_read_support_format_zip_seekable(reader);
    if (archive_read_open_memory(reader, data, size) != ARCHIVE_OK)
        goto out;
    while ((got = archive_read_next_header(reader, &header)) == ARCHIVE_OK) {
        const char *name = archive_entry_pathname_utf8(header);
        if (name == NULL)
            name = archive_entry_pathname(header);
        if (name == NULL || !is_safe(name)) {
            *ret_error = "entry with an unsafe name";
            goto out;
        }
        struct wg_entry entry = {.name = wg_arena_strdup(arena, name)};
        if (archive_entry_filetype(header) != AE_IFDIR &&
            read_content(arena, reader, &budget, &entry) < 0)
            goto out;
        append(arena, ret, &room, &entry);
    }
    rc = got == ARCHIVE_EOF ? 0 : -1;
out:
    if (rc < 0 && archive_error_string(reader) != NULL)
        *ret_error = wg_arena_strdup(arena, archive_error_string(reader));
    archive_read_free(reader);
    return rc;
}

static la_ssize_t write_out(struct archive *writer, void *argument, const void *data, size_t size)
{
    struct wg_zip *archive = argument;
    (void)writer;
    wg_buf_add(archive->out, data, size);
    return (la_ssize_t)size;
}

struct wg_zip *wg_zip_create(struct wg_buf *out)
{
    struct wg_zip *archive = wg_mem_alloc(sizeof *archive);
    archive->out = out;
    archive->writer = archive_write_new();
    if (archive->writer == NULL)
        abort();
    wg_buf_add(out, "", 0);
    archive_write_set_format_zip(archive->writer);
    archive_write_zip_set_compression_deflate(archive->writer);
    archive_write_set_bytes_per_block(archive->writer, 0);
    if (archive_write_open(archive->writer, archive, NULL, write_out, NULL) != ARCHIVE_OK)
        abort();
    return archive;
}

int wg_zip_add(struct wg_zip *archive, const char *name, const void *data, size_t size)
{
    struct archive_entry *entry = archive_entry_new();
    if (entry == NULL)
        abort();
    archive_entry_set_pathname_utf8(entry, name);
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_mtime(entry, time(NULL), 0);
    archive_entry_set_size(entry, (la_int64_t)size);
    int rc = -1;
    if (archive_write_header(archive->writer, entry) == ARCHIVE_OK &&
        archive_write_data(archive->writer, data, size) == (la_ssize_t)size)
        rc = 0;
    archive_entry_free(entry);
    return rc;
}

int wg_zip_close(struct wg_zip *archive)
{
    int rc = archive_write_close(archive->writer) == ARCHIVE_OK ? 0 : -1;
    archive_write_free(archive->writer);
    free(archive);
    return rc;
}
