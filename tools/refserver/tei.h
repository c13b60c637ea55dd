/* SPDX-License-Identifier: MIT
 *
 * TEI documents: what the server reads from their header, and the one thing it writes into it.
 *
 * Parsing never touches the network nor expands external entities. The text of an element is what
 * precedes its first child that is not text. Text nodes beyond libxml2's default limit (10 MB) are
 * refused.
 */
#ifndef WG_REFSERVER_TEI_H
#define WG_REFSERVER_TEI_H

#include "tools/refserver/req.h"

struct wg_tei {
    void *document;             /* libxml2's */
    const char *file_reference; /* verbatim; NULL if absent, like all that follow */
    const char *doi;            /* encoded for use as a document id */
    const char *edition_title;
    const char *responsibilities; /* joined with ", " */
    const char *variant;
    const char *title;
    json_t *authors; /* [{"given","family"}], maybe empty */
    const char *date;
    const char *journal;
    const char *publisher;
};

/* 0, or -1 with the parser's complaint in `ret_error` (arena). */
int wg_tei_parse(struct wg_arena *arena, const char *xml, size_t size, struct wg_tei *ret,
                 const char **ret_error);
void wg_tei_finish(struct wg_tei *tei);
/*
 * The document with the given file reference. `xml` itself if it has it already, or if there is no
 * place for one; else a new serialisation from the arena. Changes the parsed document.
 */
const char *wg_tei_set_reference(struct wg_arena *arena, struct wg_tei *tei, const char *xml,
                                 size_t size, const char *value, size_t *ret_size);
/* Bibliographic part as the JSON object that PDF rows carry, a new reference; maybe empty. */
json_t *wg_tei_metadata(const struct wg_tei *tei);
/* "<family> (<date>) <title>" from the parts there are; NULL without a title. */
const char *wg_tei_label(struct wg_arena *arena, const struct wg_tei *tei);

/* Document id encoding: slashes and characters unfit for file names. */
const char *wg_doc_id_encode(struct wg_arena *arena, const char *text);
bool wg_doc_id_encoded(const char *text);

#endif
