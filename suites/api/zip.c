/* SPDX-License-Identifier: MIT */
#include "suites/api/zip.h"

#include <archive.h>
#include <archive_entry.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#define ARCHIVE_MAX (4u << 20)
#define ENTRY_MAX   (1u << 20)

char *api_archive_make(const struct api_entry *entries, size_t *ret_size)
{
    char *bytes = malloc(ARCHIVE_MAX);
    size_t size = 0;
    struct archive *archive = archive_write_new();
    cr_assert(bytes != NULL && archive != NULL);
    cr_assert(eq(int, archive_write_set_format_zip(archive), ARCHIVE_OK));
    cr_assert(eq(int, archive_write_open_memory(archive, bytes, ARCHIVE_MAX, &size), ARCHIVE_OK));
    for (; entries->name != NULL; entries++) {
        struct archive_entry *entry = archive_entry_new();
        archive_entry_set_pathname(entry, entries->name);
        archive_entry_set_size(entry, (la_int64_t)strlen(entries->text));
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        cr_assert(eq(int, archive_write_header(archive, entry), ARCHIVE_OK));
        archive_write_data(archive, entries->text, strlen(entries->text));
        archive_entry_free(entry);
    }
    cr_assert(eq(int, archive_write_close(archive), ARCHIVE_OK));
    archive_write_free(archive);
    *ret_size = size;
    return bytes;
}

struct wg_response *api_import_bytes(struct wg_http *http, const char *query, const char *filename,
                                     const void *bytes, size_t size)
{
    return wg_http_upload(http, wg_http_path(http, "/api/v1/import%s", query), "file", filename,
                          "application/zip", bytes, size);
}

struct wg_response *api_import(struct wg_http *http, const char *query,
                               const struct api_entry *entries)
{
    size_t size = 0;
    char *bytes = api_archive_make(entries, &size);
    return api_import_bytes(http, query, "import.zip", bytes, size);
}

static char *read_entry(struct archive *archive)
{
    char *text = calloc(1, ENTRY_MAX);
    cr_assert(text != NULL);
    cr_assert(ge(long, archive_read_data(archive, text, ENTRY_MAX - 1), 0));
    return text;
}

struct api_archive api_archive_read(struct wg_response *response)
{
    struct api_archive result = {0};
    struct archive_entry *entry;
    struct archive *archive = archive_read_new();
    wg_expect_status(response, 200);
    wg_expect_header(response, "Content-Type", "application/zip");
    archive_read_support_format_zip(archive);
    int code = archive_read_open_memory(archive, response->body.data, response->body.size);
    while (code == ARCHIVE_OK && (code = archive_read_next_header(archive, &entry)) == ARCHIVE_OK) {
        result.entries = reallocarray(result.entries, result.count + 1, sizeof *result.entries);
        cr_assert(result.entries != NULL);
        result.entries[result.count].name = strdup(archive_entry_pathname(entry));
        result.entries[result.count++].text = read_entry(archive);
    }
    cr_assert(eq(int, code, ARCHIVE_EOF), "%s", archive_error_string(archive));
    archive_read_free(archive);
    return result;
}

const char *api_archive_find(const struct api_archive *archive, const char *name)
{
    for (size_t i = 0; i < archive->count; i++)
        if (strcmp(archive->entries[i].name, name) == 0)
            return archive->entries[i].text;
    return NULL;
}

size_t api_archive_count(const struct api_archive *archive, const char *pattern)
{
    regex_t expression;
    size_t count = 0;
    cr_assert(eq(int, regcomp(&expression, pattern, REG_EXTENDED | REG_NOSUB), 0));
    for (size_t i = 0; i < archive->count; i++)
        count += regexec(&expression, archive->entries[i].name, 0, NULL, 0) == 0;
    regfree(&expression);
    return count;
}
