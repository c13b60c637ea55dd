/* SPDX-License-Identifier: MIT
 *
 * A document against its rules: those of XML in the server, those of a schema in a helper process.
 *
 * A schema may take libxml2 any time, and it offers no limit; so validation runs in a process that
 * can be ended.
 */
#ifndef WG_REFSERVER_XMLCHECK_H
#define WG_REFSERVER_XMLCHECK_H

#include <jansson.h>
#include <libxml/tree.h>

#define WG_RELAXNG_NAMESPACE "http://relaxng.org/ns/structure/1.0"
#define WG_XSD_NAMESPACE     "http://www.w3.org/2001/XMLSchema"

/* One error as the API tells it; `severity` may be NULL. A new reference. */
json_t *wg_xml_error(const char *message, int line, int column, const char *severity);

/* Appends what the parser says to `errors`. NULL if nothing could be parsed; free with xmlFreeDoc.
 */
xmlDoc *wg_xml_parse(const char *xml, json_t *errors);

/*
 * The helper: reads `{"xml","schema","url"}` (the schema's file and where it came from) from
 * standard input, writes `{"errors"}` or `{"refused"}` (a text) to standard output. 0, or -1.
 */
int wg_xml_check_serve(void);

#endif
