/* SPDX-License-Identifier: MIT */
/*
 * api.c - the steps of api.h, each through the API as a client would take it.
 *
 * Steps that need a right take it from the fixture: golds and PDFs are made by reviewer, versions
 * by annotator, users and collections by admin, each in a session of its own that ends here, so
 * that no step changes what the test's own sessions see. What a step locks it releases.
 *
 * Writes to users, groups, roles and collections take turns by flock(2) on the data directory,
 * which leaves nothing behind; a test that is killed gives its turn back.
 *
 * To add a step: assert its success with the macros of expect.h, return what a test goes on with,
 * and describe it in api.h.
 */
#include "suites/api/api.h"

#include "harness/base/hash.h"
#include "harness/base/json.h"
#include "harness/base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { API_TEXT_MAX = 64 * 1024 }; /* bytes of a document made here */

/* ---- Sessions ---- */

struct wg_http *api_anonymous(void)
{
    return wg_http_create(NULL);
}

struct wg_http *api_with_session(const char *session_id)
{
    struct wg_http *http = api_anonymous();
    wg_http_set_header(http, "X-Session-Id", session_id);
    return http;
}

struct wg_http *api_login(const char *user)
{
    return api_login_with(user, user);
}

struct wg_http *api_login_with(const char *user, const char *password)
{
    struct wg_http *http = api_anonymous();
    struct wg_response *response = api_login_try(http, user, password);
    wg_expect_status(response, 200);
    wg_http_set_header(http, "X-Session-Id", wg_require_str(response, "sessionId"));
    return http;
}

struct wg_response *api_login_try(struct wg_http *http, const char *user, const char *password)
{
    char *digest = api_sha256(password, strlen(password));
    json_t *body = json_pack("{s:s, s:s}", "username", user, "passwd_hash", digest);
    struct wg_response *response = wg_http_post_json(http, "/api/v1/auth/login", body);
    free(digest);
    return response;
}

const char *api_session(struct wg_http *http)
{
    return wg_http_header(http, "X-Session-Id");
}

/* Waits for the right to write; -1 when the server's files are elsewhere and nobody takes turns. */
static int take_turn(void)
{
    const char *dir = getenv("WALGRIND_DATA");
    if (dir == NULL || *dir == '\0')
        return -1;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert(ge(int, fd, 0), "open %s: %s", dir, strerror(errno));
    int rc;
    do
        rc = flock(fd, LOCK_EX);
    while (rc != 0 && errno == EINTR);
    cr_assert(eq(int, rc, 0), "flock %s: %s", dir, strerror(errno));
    return fd;
}

struct wg_response *api_manage(struct wg_http *http, const char *method, const char *path,
                               json_t *body)
{
    struct wg_request request = {.method = method, .path = path, .json = body};
    int turn = take_turn();
    struct wg_response *response = wg_http_send(http, &request);
    if (turn >= 0)
        close(turn);
    json_decref(body);
    return response;
}

static json_t *string_array(const char *const *items)
{
    json_t *array = json_array();
    for (; items != NULL && *items != NULL; items++)
        json_array_append_new(array, json_string(*items));
    return array;
}

struct wg_http *api_user(const char *const *roles, const char *const *groups, char **ret_name)
{
    char *name = api_nonce("u");
    struct wg_http *admin = api_login("admin");
    json_t *body = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "username", name, "passwd_hash",
                             name, "fullname", name, "email", "someone@example.org", "roles",
                             string_array(roles), "groups", string_array(groups));
    wg_expect_status(api_manage(admin, "POST", "/api/v1/users", body), 200);
    wg_http_destroy(admin);
    struct wg_http *http = api_login_with(name, name);
    if (ret_name != NULL)
        *ret_name = name;
    else
        free(name);
    return http;
}

/* ---- Content ---- */

char *api_nonce(const char *prefix)
{
    return wg_format("%s%s", prefix, wg_nonce());
}

static void put_element(struct wg_buf *xml, const char *open, const char *text, const char *close)
{
    if (text != NULL)
        wg_buf_printf(xml, "%s%s%s", open, text, close);
}

static void put_file_desc(struct wg_buf *xml, const struct api_tei_options *options)
{
    wg_buf_puts(xml, " <fileDesc>\n  <titleStmt>");
    put_element(xml, "<title level=\"a\">", options->title, "</title>");
    if (options->surname != NULL) {
        wg_buf_puts(xml, "<author><persName>");
        put_element(xml, "<forename>", options->forename, "</forename>");
        put_element(xml, "<surname>", options->surname, "</surname>");
        wg_buf_puts(xml, "</persName></author>");
    }
    wg_buf_puts(xml, "</titleStmt>\n");
    if (options->edition != NULL || options->doc_id != NULL) {
        wg_buf_puts(xml, "  <editionStmt><edition>");
        put_element(xml, "<title>", options->edition, "</title>");
        put_element(xml, "<idno type=\"fileref\">", options->doc_id, "</idno>");
        wg_buf_puts(xml, "</edition></editionStmt>\n");
    }
    wg_buf_puts(xml, "  <publicationStmt>");
    put_element(xml, "<publisher>", options->publisher, "</publisher>");
    put_element(xml, "<date type=\"publication\">", options->date, "</date>");
    put_element(xml, "<idno type=\"DOI\">", options->doi, "</idno>");
    wg_buf_puts(xml, "</publicationStmt>\n  <sourceDesc><bibl>");
    put_element(xml, "<title level=\"j\">", options->journal, "</title>");
    wg_buf_puts(xml, "</bibl></sourceDesc>\n </fileDesc>\n");
}

char *api_tei_make(const struct api_tei_options *options)
{
    struct wg_buf xml;
    wg_buf_init(&xml, API_TEXT_MAX);
    wg_buf_puts(&xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    put_element(&xml, "", options->instruction, "\n");
    wg_buf_puts(&xml, "<TEI xmlns=\"http://www.tei-c.org/ns/1.0\"><teiHeader>\n");
    put_file_desc(&xml, options);
    put_element(&xml,
                " <encodingDesc><appInfo><application type=\"extractor\" ident=\"x\" version=\"1\">"
                "<label type=\"variant-id\">",
                options->variant, "</label></application></appInfo></encodingDesc>\n");
    wg_buf_printf(&xml, "</teiHeader><text><body><p>%s</p></body></text></TEI>\n",
                  options->text != NULL ? options->text : wg_nonce());
    cr_assert(not(xml.truncated), "a TEI document of more than %d bytes", API_TEXT_MAX);
    return wg_buf_steal(&xml);
}

char *api_tei(const char *doc_id, const char *variant, const char *text)
{
    char *edition = wg_format("Edition of %s", doc_id);
    char *xml = api_tei_make(&(struct api_tei_options){
        .doc_id = doc_id, .variant = variant, .text = text, .edition = edition});
    free(edition);
    return xml;
}

char *api_pdf_bytes(void)
{
    return wg_format("%%PDF-1.4\n%% %s\n%%%%EOF\n", wg_nonce());
}

char *api_sha256(const void *bytes, size_t size)
{
    struct wg_hash hash;
    char hex[WG_HASH_HEX_SIZE];
    wg_hash_init(&hash);
    wg_hash_add(&hash, bytes, size);
    wg_hash_hex(&hash, hex);
    return wg_strdup(hex);
}

/* ---- Documents ---- */

struct wg_response *api_save_try(struct wg_http *http, const char *file_id, const char *xml,
                                 bool new_version)
{
    json_t *body = json_pack("{s:s, s:s, s:b}", "file_id", file_id, "xml_string", xml,
                             "new_version", new_version);
    return wg_http_post_json(http, "/api/v1/files/save", body);
}

json_t *api_save(struct wg_http *http, const char *file_id, const char *xml, bool new_version)
{
    struct wg_response *response = api_save_try(http, file_id, xml, new_version);
    wg_expect_status(response, 200);
    wg_expect_str(response, "file_id", matches, "^[a-z0-9]{6,12}$");
    return wg_require_json(response, "");
}

/* Saves as a fixture user, releases the lock that saving took, gives the stable id. */
static char *save_and_leave(const char *user, const char *file_id, const char *xml,
                            bool new_version)
{
    struct wg_http *http = api_login(user);
    char *id = wg_strdup(wg_json_str(api_save(http, file_id, xml, new_version), "file_id", ""));
    api_release(http, id);
    wg_http_destroy(http);
    return id;
}

char *api_gold(const char *doc_id, const char *variant)
{
    char *xml = api_tei(doc_id, variant, NULL);
    char *id = save_and_leave("reviewer", doc_id, xml, false);
    free(xml);
    return id;
}

char *api_version(const char *gold_id, const char *doc_id)
{
    char *xml = api_tei(doc_id, NULL, NULL);
    char *id = save_and_leave("annotator", gold_id, xml, true);
    free(xml);
    return id;
}

char *api_pdf(const char *doc_id)
{
    struct wg_http *http = api_login("reviewer");
    char *bytes = api_pdf_bytes();
    char *filename = wg_format("%s.pdf", doc_id);
    char *id = api_upload(http, filename, bytes, strlen(bytes));
    free(filename);
    free(bytes);
    wg_http_destroy(http);
    return id;
}

char *api_upload(struct wg_http *http, const char *filename, const void *bytes, size_t size)
{
    struct wg_response *response = wg_http_upload(http, "/api/v1/files/upload", "file", filename,
                                                  "application/pdf", bytes, size);
    wg_expect_status(response, 200);
    wg_expect_str(response, "type", eq, "pdf");
    return wg_strdup(wg_require_str(response, "filename"));
}

struct wg_response *api_meta_try(struct wg_http *http, const char *id)
{
    return wg_http_get(http, wg_http_path(http, "/api/v1/files/%s/metadata", id));
}

json_t *api_meta(struct wg_http *http, const char *id)
{
    struct wg_response *response = api_meta_try(http, id);
    wg_expect_status(response, 200);
    wg_expect_str(response, "stable_id", eq, id);
    return wg_require_json(response, "");
}

struct wg_response *api_serve(struct wg_http *http, const char *id)
{
    return wg_http_get(http, wg_http_path(http, "/api/v1/files/%s", id));
}

void api_delete(struct wg_http *http, const char *id)
{
    struct wg_response *response =
        wg_http_post_json(http, "/api/v1/files/delete", json_pack("{s:[s]}", "files", id));
    wg_expect_status(response, 200);
    wg_expect_str(response, "result", eq, "ok");
}

static void place_document(const char *action, const char *pdf_id, const char *collection)
{
    struct wg_http *admin = api_login("admin");
    json_t *body = json_pack("{s:s, s:s, s:s}", "pdf_id", pdf_id, "xml_id", pdf_id,
                             "destination_collection", collection);
    struct wg_response *response =
        wg_http_post_json(admin, wg_http_path(admin, "/api/v1/files/%s", action), body);
    wg_expect_status(response, 200);
    wg_expect_str(response, "new_pdf_id", eq, pdf_id);
    wg_http_destroy(admin);
}

void api_move(const char *pdf_id, const char *collection)
{
    place_document("move", pdf_id, collection);
}

void api_copy(const char *pdf_id, const char *collection)
{
    place_document("copy", pdf_id, collection);
}

/* ---- Locks ---- */

struct wg_response *api_file_post(struct wg_http *http, const char *action, const char *file_id)
{
    return wg_http_post_json(http, wg_http_path(http, "/api/v1/files/%s", action),
                             json_pack("{s:s}", "file_id", file_id));
}

void api_acquire(struct wg_http *http, const char *id)
{
    struct wg_response *response = api_file_post(http, "acquire_lock", id);
    wg_expect_status(response, 200);
    wg_expect_str(response, "", eq, "OK");
}

void api_release(struct wg_http *http, const char *id)
{
    struct wg_response *response = api_file_post(http, "release_lock", id);
    wg_expect_status(response, 200);
    wg_expect_str(response, "action", eq, "released");
}

/* ---- Collections and lists ---- */

void api_collection(const char *id)
{
    struct wg_http *admin = api_login("admin");
    json_t *body = json_pack("{s:s, s:s}", "id", id, "name", id);
    wg_expect_status(api_manage(admin, "POST", "/api/v1/collections", body), 201);
    wg_http_destroy(admin);
}

json_t *api_list_find(struct wg_http *http, const char *doc_id)
{
    struct wg_response *response = wg_http_get(http, "/api/v1/files/list");
    wg_expect_status(response, 200);
    return api_find(wg_require_json(response, "files"), "doc_id", doc_id);
}

json_t *api_find(const json_t *array, const char *key, const char *value)
{
    size_t index;
    json_t *element;
    json_array_foreach(array, index, element)
    {
        if (strcmp(wg_json_str(element, key, ""), value) == 0)
            return element;
    }
    return NULL;
}

bool api_has(const json_t *array, const char *text)
{
    size_t index;
    json_t *element;
    json_array_foreach(array, index, element)
    {
        if (json_is_string(element) && strcmp(json_string_value(element), text) == 0)
            return true;
    }
    return false;
}

/* ---- The server's files ---- */

void api_need_data(void)
{
    const char *dir = getenv("WALGRIND_DATA"), *hidden = getenv("WALGRIND_NO_FILES");
    if (dir == NULL || *dir == '\0' || (hidden && *hidden))
        cr_skip_test("needs access to the server's files");
}

char *api_stored_path(const char *hash, const char *ext)
{
    return wg_format("%s/files/%.2s/%s%s", wg_data_dir(), hash, hash, ext);
}
