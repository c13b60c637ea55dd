/* SPDX-License-Identifier: MIT
 *
 * Serving stored files, whole or one byte range.
 */
#include "tools/refserver/filerow.h"
#include "tools/refserver/handlers.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Parses "bytes=A-B", "bytes=A-" or "bytes=-N". False: serve all (also for several ranges). */
static bool parse_range(const char *text, uint64_t size, uint64_t *ret_first, uint64_t *ret_last)
{
    if (text == NULL || strncmp(text, "bytes=", 6) != 0 || strchr(text, ',') != NULL)
        return false;
    char *end;
    text += 6;
    if (*text == '-') {
        uint64_t tail = strtoull(text + 1, &end, 10);
        if (*end != '\0' || tail == 0)
            return false;
        *ret_first = tail < size ? size - tail : 0;
        *ret_last = size - 1;
        return true;
    }
    uint64_t first = strtoull(text, &end, 10), last = size - 1;
    if (end == text || *end != '-')
        return false;
    if (end[1] != '\0') {
        char *stop;
        last = strtoull(end + 1, &stop, 10);
        if (*stop != '\0' || last < first)
            return false;
    }
    *ret_first = first;
    *ret_last = last < size ? last : size - 1;
    return true;
}

static void add_headers(struct wg_req *req, const struct stat *status)
{
    struct tm utc;
    char date[64];
    wg_reply_header(req, "Cache-Control", "no-cache, no-store, must-revalidate");
    wg_reply_header(req, "Pragma", "no-cache");
    wg_reply_header(req, "Expires", "0");
    wg_reply_header(req, "Accept-Ranges", "bytes");
    gmtime_r(&status->st_mtim.tv_sec, &utc);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    wg_reply_header(req, "Last-Modified", wg_arena_strdup(&req->arena, date));
    wg_reply_header(req, "ETag",
                    wg_arena_format(&req->arena, "\"%" PRIx64 "-%lx-%" PRIx64 "-%" PRIx64 "\"",
                                    (uint64_t)status->st_mtim.tv_sec, status->st_mtim.tv_nsec,
                                    (uint64_t)status->st_size, (uint64_t)status->st_ino));
}

static int send_file(struct wg_req *req, int fd, const char *type)
{
    struct stat status;
    uint64_t first = 0, last = 0;
    if (fstat(fd, &status) < 0) {
        close(fd);
        wg_fail_set(&req->fail, 0, "cannot read stored file: %s", strerror(errno));
        return -1;
    }
    uint64_t size = (uint64_t)status.st_size;
    bool part = parse_range(wg_req_header(req, "Range"), size, &first, &last);
    if (part && first >= size) {
        close(fd);
        wg_reply_detail(req, 416, "Requested range not satisfiable");
        wg_reply_header(req, "Content-Range",
                        wg_arena_format(&req->arena, "bytes */%" PRIu64, size));
        return 0;
    }
    req->reply.status = part ? 206 : 200;
    req->reply.content_type = type;
    req->reply.fd = fd;
    req->reply.fd_offset = first;
    req->reply.fd_size = part ? last - first + 1 : size;
    add_headers(req, &status);
    if (part)
        wg_reply_header(req, "Content-Range",
                        wg_arena_format(&req->arena, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64,
                                        first, last, size));
    return 0;
}

/* A one-page document without content. */
static int send_empty_pdf(struct wg_req *req)
{
    req->reply.status = 200;
    req->reply.content_type = "application/pdf";
    wg_buf_add_text(&req->reply.body,
                    "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
                    "2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
                    "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj\n"
                    "trailer<</Root 1 0 R>>\n%%EOF\n");
    wg_reply_header(req, "Cache-Control", "no-cache, no-store, must-revalidate");
    wg_reply_header(req, "Pragma", "no-cache");
    wg_reply_header(req, "Expires", "0");
    return 0;
}

static int find_served(struct wg_req *req, const char *id, struct wg_file *ret)
{
    struct wg_files files;
    int found = wg_file_find(req, id, ret);
    if (found != 0 || !wg_text_starts_with(id, "schema-"))
        return found;
    if (wg_files_query(req, &files,
                       WG_FILES_WHERE WG_LIVE
                       "doc_id = ? AND is_gold_standard = 1 ORDER BY rowid LIMIT 1",
                       id, NULL, NULL) < 0)
        return -1;
    if (files.count == 0)
        return 0;
    *ret = files.items[0];
    return 1;
}

int wg_files_serve(struct wg_req *req)
{
    const char *id = req->arguments[0];
    struct wg_file file;
    if (strcmp(id, "empty.pdf") == 0)
        return send_empty_pdf(req);
    int found = find_served(req, id, &file);
    if (found < 0)
        return -1;
    if (found == 0)
        return wg_reply_detail(req, 404, "File not found: %s", id);
    if (!wg_access_read(req, file.doc_metadata, file.file_metadata))
        return wg_reply_detail(req, 403,
                               "Access denied: You don't have permission to view this document");
    char *path = wg_store_path(&req->app->store, &req->arena, file.id, file.file_type);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return wg_reply_detail(req, 404, "File content not found: %s", id);
    return send_file(req, fd,
                     strcmp(file.file_type, "pdf") == 0 ? "application/pdf" : "application/xml");
}
