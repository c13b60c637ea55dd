/* SPDX-License-Identifier: MIT */
/*
 * files.h - more words for the tests about files: assertions, races, and looks into the store.
 *
 * Adds to api.h what the tests of /files/... share and no other test needs. Functions named
 * api_expect_* assert; the others return what they found. Text and responses live as long as the
 * test, as those of api.h.
 */
#ifndef WG_SUITES_API_FILES_H
#define WG_SUITES_API_FILES_H

#include "fixtures/walgrind.h"

#include <stdbool.h>
#include <stddef.h>

#define API_STABLE_ID "^[a-z0-9]{6,12}$" /* what clients may rely on */
#define API_TEI       ".tei.xml"
#define API_PDF       ".pdf"
#define API_NO_ACCESS "You do not have permission to access this file"
#define API_NO_CHANGE "You do not have permission to modify this file"

/* ---- Requests, unjudged ---- */

/* POST /files/delete of one file. */
struct wg_response *api_delete_try(struct wg_http *http, const char *file_id);
/* POST /files/copy or /files/move of a document. */
struct wg_response *api_place_try(struct wg_http *http, const char *verb, const char *pdf_id,
                                  const char *xml_id, const char *collection);
/* PATCH /files/{id}/metadata; takes over the reference to `body`. */
struct wg_response *api_patch_try(struct wg_http *http, const char *file_id, json_t *body);

/*
 * Sends POSTs of JSON at once: bodies[i], whose reference is taken over, by clients[i], or all by
 * clients[0] when `one_client`. At most WG_LIMIT_HTTP_PARALLEL.
 */
void api_post_at_once(struct wg_http *const *clients, bool one_client, const char *path,
                      json_t *const *bodies, size_t count, struct wg_response **ret_responses);
/* How many of the responses have the status. */
size_t api_count_status(struct wg_response *const *responses, size_t count, long status);

/* ---- Looks ---- */

/* The content hash of a file, from its metadata. */
char *api_hash(struct wg_http *http, const char *file_id);
/* Whether GET /files/locks, as the session sees it, lists the file. */
bool api_lists_lock(struct wg_http *http, const char *file_id);
/* Whether the store holds the content; asks the server's disk (api_need_data). */
bool api_is_stored(const char *hash, const char *ext);
/* Bytes in Base64, as a JSON string. */
json_t *api_base64(const char *text);

/* ---- Changes that no request can make (api_need_data) ---- */

/* Makes a lock look older: shifts `column`, updated_at or acquired_at, of its row. */
void api_age_lock(const char *file_id, const char *column, int seconds);
/* Writes an access rule, as {"visibility":"private"}, into a JSON column of the file's row. */
void api_set_access(const char *file_id, const char *column, const char *rule, const char *value,
                    const char *owner);

/* ---- Assertions ---- */

/* A save was answered with this "status" word; gives the stable id of the file. */
#define api_expect_saved(response, word)                                                           \
    api_expect_saved_at(WG_HERE("api_expect_saved"), (response), (word))
/* The file is locked by the session `owner`; NULL: by none other than the asking one. */
#define api_expect_lock(http, id, owner)                                                           \
    api_expect_lock_at(WG_HERE("api_expect_lock"), (http), (id), (owner))
/* Each member of `want`, whose reference is taken over, is the same in the file's metadata. */
#define api_expect_meta(http, id, want)                                                            \
    api_expect_meta_at(WG_HERE("api_expect_meta"), (http), (id), (want))
/* Some status of failure, where the contract leaves open which. */
#define api_expect_refused(response) api_expect_refused_at(WG_HERE(#response), (response))
/* Status 200 and exactly this text as body. */
#define api_expect_content(response, text)                                                         \
    api_expect_content_at(WG_HERE("api_expect_content"), (response), (text))
/* The file is gone: neither served nor described. */
#define api_expect_gone(http, id) api_expect_gone_at(WG_HERE("api_expect_gone"), (http), (id))

const char *api_expect_saved_at(struct wg_place place, struct wg_response *response,
                                const char *word);
void api_expect_lock_at(struct wg_place place, struct wg_http *http, const char *file_id,
                        const char *owner);
void api_expect_meta_at(struct wg_place place, struct wg_http *http, const char *file_id,
                        json_t *want);
void api_expect_refused_at(struct wg_place place, struct wg_response *response);
void api_expect_content_at(struct wg_place place, struct wg_response *response, const char *text);
void api_expect_gone_at(struct wg_place place, struct wg_http *http, const char *file_id);

#endif
