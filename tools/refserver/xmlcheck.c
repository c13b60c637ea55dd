/* SPDX-License-Identifier: MIT */
#include "tools/refserver/xmlcheck.h"

#include "tools/refserver/util.h"

#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <libxml/xmlschemas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *wg_xml_error(const char *message, int line, int column, const char *severity)
{
    return json_pack("{s:o,s:i,s:i,s:s?}", "message", wg_json_text(message), "line", line, "column",
                     column, "severity", severity);
}

/* The first line; "{namespace}name" becomes "tei:name". */
static void shorten(const char *message, struct wg_buf *ret)
{
    static const char prefix[] = "{http://www.tei-c.org/ns/1.0}";
    wg_buf_add(ret, "", 0);
    for (const char *at = message; *at != '\0' && *at != '\n';) {
        if (wg_text_starts_with(at, prefix)) {
            wg_buf_add_text(ret, "tei:");
            at += sizeof prefix - 1;
        } else {
            wg_buf_add(ret, at++, 1);
        }
    }
}

static void on_error(void *errors, xmlError *error)
{
    struct wg_buf message = {0};
    shorten(error->message != NULL ? error->message : "unknown error", &message);
    json_array_append_new(errors, wg_xml_error(message.data, error->line > 0 ? error->line : 1,
                                               error->int2 > 0 ? error->int2 : 0, NULL));
    wg_buf_finish(&message);
}

static void on_ignored(void *argument, xmlError *error)
{
    (void)argument;
    (void)error;
}

xmlDoc *wg_xml_parse(const char *xml, json_t *errors)
{
    size_t size = strlen(xml);
    xmlParserCtxt *context = xmlNewParserCtxt();
    if (context == NULL || size > INT32_MAX)
        abort();
    xmlSetStructuredErrorFunc(errors, on_error); /* of this thread */
    xmlDoc *document = xmlCtxtReadMemory(context, xml, (int)size, NULL, "UTF-8", XML_PARSE_NONET);
    xmlSetStructuredErrorFunc(NULL, NULL);
    xmlFreeParserCtxt(context);
    if (document == NULL && json_array_size(errors) == 0)
        json_array_append_new(errors, wg_xml_error("Document is empty", 1, 0, NULL));
    return document;
}

/* Both validators: -1 if the schema itself is bad, else 0 with the errors noted. */
static int run_relaxng(xmlDoc *schema_document, xmlDoc *document, json_t *errors)
{
    xmlRelaxNGParserCtxt *parser = xmlRelaxNGNewDocParserCtxt(schema_document);
    xmlRelaxNGSetParserStructuredErrors(parser, on_ignored, NULL);
    xmlRelaxNG *schema = xmlRelaxNGParse(parser);
    xmlRelaxNGFreeParserCtxt(parser);
    if (schema == NULL)
        return -1;
    xmlRelaxNGValidCtxt *context = xmlRelaxNGNewValidCtxt(schema);
    xmlRelaxNGSetValidStructuredErrors(context, on_error, errors);
    xmlRelaxNGValidateDoc(context, document);
    xmlRelaxNGFreeValidCtxt(context);
    xmlRelaxNGFree(schema);
    return 0;
}

static int run_xsd(xmlDoc *schema_document, xmlDoc *document, json_t *errors)
{
    xmlSchemaParserCtxt *parser = xmlSchemaNewDocParserCtxt(schema_document);
    xmlSchemaSetParserStructuredErrors(parser, on_ignored, NULL);
    xmlSchema *schema = xmlSchemaParse(parser);
    xmlSchemaFreeParserCtxt(parser);
    if (schema == NULL)
        return -1;
    xmlSchemaValidCtxt *context = xmlSchemaNewValidCtxt(schema);
    xmlSchemaSetValidStructuredErrors(context, on_error, errors);
    xmlSchemaValidateDoc(context, document);
    xmlSchemaFreeValidCtxt(context);
    xmlSchemaFree(schema);
    return 0;
}

static const struct {
    const char *namespace;
    int (*run)(xmlDoc *schema, xmlDoc *document, json_t *errors);
} validators[] = {{WG_RELAXNG_NAMESPACE, run_relaxng}, {WG_XSD_NAMESPACE, run_xsd}};

/* What the helper answers; a new reference. */
static json_t *check(xmlDoc *document, const char *path, const char *url, json_t *errors)
{
    xmlDoc *schema =
        xmlReadFile(path, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    const xmlNode *root = schema != NULL ? xmlDocGetRootElement(schema) : NULL;
    const char *namespace =
        root != NULL && root->ns != NULL ? (const char *)root->ns->href : "none";
    size_t kind = 0, kinds = sizeof validators / sizeof *validators;
    while (kind < kinds && strcmp(validators[kind].namespace, namespace) != 0)
        kind++;
    json_t *answer;
    if (root != NULL && kind == kinds)
        answer = json_pack("{s:o}", "refused",
                           json_sprintf("Unsupported schema namespace: %s", namespace));
    else if (root == NULL || validators[kind].run(schema, document, errors) < 0)
        answer =
            json_pack("{s:o}", "refused", json_sprintf("Failed to parse schema file from %s", url));
    else
        answer = json_pack("{s:O}", "errors", errors);
    xmlFreeDoc(schema);
    return answer;
}

int wg_xml_check_serve(void)
{
    json_t *order = json_loadf(stdin, 0, NULL), *errors = json_array(), *answer = NULL;
    const char *xml, *schema, *url;
    xmlDoc *document = NULL;
    if (json_unpack(order, "{s:s,s:s,s:s}", "xml", &xml, "schema", &schema, "url", &url) == 0)
        document = wg_xml_parse(xml, errors);
    if (document != NULL)
        answer = check(document, schema, url, errors);
    int rc = answer != NULL && json_dumpf(answer, stdout, 0) == 0 && fflush(stdout) == 0 ? 0 : -1;
    xmlFreeDoc(document);
    json_decref(answer);
    json_decref(errors);
    json_decref(order);
    return rc;
}
