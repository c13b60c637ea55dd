/* SPDX-License-Identifier: MIT
 *
 * Saving TEI: updates of a file, new versions, new gold standard files.
 */
#ifndef WG_REFSERVER_FILES_SAVE_H
#define WG_REFSERVER_FILES_SAVE_H

#include "tools/refserver/filerow.h"
#include "tools/refserver/tei.h"

/* Saves `xml` as the endpoint does and sets the reply. */
int wg_save_xml(struct wg_req *req, const char *xml, size_t size, const char *file_id,
                bool new_version);
/* What a gold TEI tells about its document, written onto the document's PDF row if there is one. */
int wg_save_pdf_metadata(struct wg_req *req, const char *doc_id, const struct wg_tei *tei,
                         const json_t *collections);

#endif
