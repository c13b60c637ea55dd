/* SPDX-License-Identifier: MIT */
/*
 * api.h - the words that the tests of the document editor's API are written in.
 *
 * Every helper plays one step of a test's arrangement through the API itself, as a client would,
 * and asserts that it succeeded; a step whose outcome a test is about is sent with the client of
 * http.h, or with one of the helpers below that return the response unjudged.
 *
 *     const char *doc = api_nonce("doc");
 *     const char *gold = api_gold(doc, NULL);
 *     struct wg_http *other = api_login("reviewer");
 *     wg_expect_error(api_file_post(other, "acquire_lock", gold), 423, ...);
 *
 * Rules that keep the tests apart on one server: documents, users and collections have nonce
 * names; content is unique because every TEI and PDF made here carries a nonce; the fixture's
 * users, groups and collections are used and never changed.
 *
 * Ownership: sessions and strings are the caller's, JSON and responses belong to their session. A
 * test frees none of them: its process ends with it.
 *
 * Fixture users (the password is the name): admin (role and group *), user, annotator, reviewer
 * (group default: collections _inbox and default).
 */
#ifndef WG_SUITES_API_API_H
#define WG_SUITES_API_API_H

#include "fixtures/walgrind.h"

#include <stdbool.h>
#include <stddef.h>

/* ---- Sessions ---- */

/* A client without a session. */
struct wg_http *api_anonymous(void);
/* A client whose X-Session-Id is the given text, known to the server or not. */
struct wg_http *api_with_session(const char *session_id);
/* Logs in a fixture user; every call makes a session of its own. */
struct wg_http *api_login(const char *user);
/* Logs in any user by the plain password. */
struct wg_http *api_login_with(const char *user, const char *password);
/* Tries to; returns the answer of the server unjudged. */
struct wg_response *api_login_try(struct wg_http *http, const char *user, const char *password);
/* The session id that the client sends, NULL for an anonymous one. Belongs to the client. */
const char *api_session(struct wg_http *http);

/*
 * Makes a user with a nonce name, its password the name, and logs it in. Lists end with NULL; NULL
 * itself is the empty list. `ret_name` may be NULL.
 */
struct wg_http *api_user(const char *const *roles, const char *const *groups, char **ret_name);
/* A list for the arguments of api_user: api_user(API_LIST("user"), NULL, &name). */
#define API_LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

/*
 * Sends one write to users, groups, roles or collections, and returns the answer unjudged; `body`
 * is taken over and may be NULL. The application may rewrite the files behind these without a lock
 * and so lose one of two writes at once: all tests on one server take turns here. Everything that
 * writes there goes this way.
 */
struct wg_response *api_manage(struct wg_http *http, const char *method, const char *path,
                               json_t *body);

/* ---- Content ---- */

/* The prefix and a nonce: [a-z0-9] after the prefix, less than 60 characters for a short one. */
char *api_nonce(const char *prefix);

/* What a TEI document says. NULL leaves the element out, but for `text`; texts go in verbatim. */
struct api_tei_options {
    const char *doc_id;   /* file reference */
    const char *variant;  /* of the extractor */
    const char *text;     /* of the body; NULL: a nonce */
    const char *edition;  /* edition title, becomes the label */
    const char *title;    /* of level "a" */
    const char *forename; /* of the author; with surname */
    const char *surname;
    const char *date; /* of publication */
    const char *publisher;
    const char *journal;
    const char *doi;
    const char *instruction; /* a processing instruction before the root, whole */
};

char *api_tei_make(const struct api_tei_options *options);
/* One with the edition title "Edition of <doc_id>" and no title, author or publisher. Two calls
 * with the same text that is not NULL give the same bytes. */
char *api_tei(const char *doc_id, const char *variant, const char *text);

/* A PDF's bytes with a nonce, a C string. */
char *api_pdf_bytes(void);
/* SHA-256 in lower-case hexadecimal. */
char *api_sha256(const void *bytes, size_t size);

/* ---- Documents; all give stable ids ---- */

/* As reviewer: a gold file of the document, not locked. */
char *api_gold(const char *doc_id, const char *variant);
/* As annotator: a version beside a gold file made without variant, not locked. */
char *api_version(const char *gold_id, const char *doc_id);
/* As reviewer: a PDF `<doc_id>.pdf` in _inbox, with bytes of its own. */
char *api_pdf(const char *doc_id);
/* Uploads bytes as a PDF under a file name. */
char *api_upload(struct wg_http *http, const char *filename, const void *bytes, size_t size);

/* Saves; the answer's object with "status" and "file_id". The session then holds the lock. */
json_t *api_save(struct wg_http *http, const char *file_id, const char *xml, bool new_version);
/* The same unjudged. */
struct wg_response *api_save_try(struct wg_http *http, const char *file_id, const char *xml,
                                 bool new_version);
/* The metadata object of a file by stable id. */
json_t *api_meta(struct wg_http *http, const char *id);
struct wg_response *api_meta_try(struct wg_http *http, const char *id);
/* GET /api/v1/files/<id>, unjudged. */
struct wg_response *api_serve(struct wg_http *http, const char *id);
/* Deletes one file. */
void api_delete(struct wg_http *http, const char *id);
/* Moves or copies the document of a PDF, as admin. */
void api_move(const char *pdf_id, const char *collection);
void api_copy(const char *pdf_id, const char *collection);

/* ---- Locks ---- */

/* POST /api/v1/files/<action> {"file_id": <id>}, unjudged: acquire_lock, heartbeat ... */
struct wg_response *api_file_post(struct wg_http *http, const char *action, const char *file_id);
void api_acquire(struct wg_http *http, const char *id);
void api_release(struct wg_http *http, const char *id);

/* ---- Collections and lists ---- */

/* As admin: makes a collection, its name the id. */
void api_collection(const char *id);
/* The group of a document in GET /files/list as the client sees it, or NULL. */
json_t *api_list_find(struct wg_http *http, const char *doc_id);
/* The element of an array of objects whose member `key` is the string, or NULL. */
json_t *api_find(const json_t *array, const char *key, const char *value);
/* True when an array of strings holds the text. */
bool api_has(const json_t *array, const char *text);

/* ---- The server's files ---- */

/* Skips the test when it cannot see the server's databases and files (no WALGRIND_DATA). */
void api_need_data(void);
/* Where the store keeps content; `ext` is ".pdf", ".tei.xml" or ".rng". */
char *api_stored_path(const char *hash, const char *ext);

#endif
