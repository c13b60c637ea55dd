/* SPDX-License-Identifier: MIT
 *
 * A new version of a document from a file in the upload directory.
 */
#include "tools/refserver/files_save.h"
#include "tools/refserver/handlers.h"

#include <string.h>
#include <unistd.h>

/* Copies the XML without its declaration and without processing instructions that fit on a line. */
static void strip_instructions(const char *xml, struct wg_buf *ret)
{
    wg_buf_add(ret, "", 0);
    while (*xml != '\0') {
        const char *start = strstr(xml, "<?");
        if (start == NULL) {
            wg_buf_add_text(ret, xml);
            return;
        }
        wg_buf_add(ret, xml, (size_t)(start - xml));
        size_t line = strcspn(start, "\n");
        const char *end = memmem(start, line, "?>", 2);
        xml = end != NULL ? end + 2 : start + 2;
        if (end == NULL)
            wg_buf_add(ret, start, 2);
    }
}

int wg_files_version_from_upload(struct wg_req *req)
{
    const char *name = wg_req_text(req, "temp_filename"), *file_id = wg_req_text(req, "file_id");
    if (name == NULL || *name == '\0' || file_id == NULL || *file_id == '\0')
        return wg_reply_detail(req, 400, "Missing temp_filename or file_id");
    struct wg_buf raw = {0}, xml = {0};
    char *path = wg_arena_format(&req->arena, "%s/%s", req->app->options.upload_dir, name);
    /* Only names inside the directory: nobody reads elsewhere through this door. */
    if (strchr(name, '/') != NULL || strcmp(name, "..") == 0 || wg_file_read(path, &raw) < 0) {
        wg_buf_finish(&raw);
        return wg_reply_detail(req, 404, "Temporary file %s not found", name);
    }
    unlink(path);
    strip_instructions(raw.data, &xml);
    int rc = wg_save_xml(req, xml.data, xml.len, file_id, true);
    wg_buf_finish(&raw);
    wg_buf_finish(&xml);
    return rc;
}
