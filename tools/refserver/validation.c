/* SPDX-License-Identifier: MIT
 *
 * Validation of a document: well-formedness, then every schema that it refers to.
 *
 * It runs on the worker of its request, without a time limit of its own: libxml2 offers none, and
 * the documents are the tests' own.
 */
#include "tools/refserver/handlers.h"
#include "tools/refserver/schemacache.h"

#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <libxml/xmlschemas.h>
#include <string.h>

const struct wg_field wg_validate_fields[] = {
    {"xml_string", WG_FIELD_TEXT, WG_REQUIRED | WG_NOT_EMPTY, NULL},
    {0},
};

struct findings {
    struct wg_req *req;
    json_t *errors; /* arena */
};

/* "{namespace}name" becomes "tei:name". */
static const char *shorten(struct wg_arena *arena, const char *message)
{
    static const char prefix[] = "{http://www.tei-c.org/ns/1.0}";
    struct wg_buf out = {0};
    wg_buf_add(&out, "", 0);
    for (const char *at = message; *at != '\0' && *at != '\n';) {
        if (strncmp(at, prefix, sizeof prefix - 1) == 0) {
            wg_buf_add_text(&out, "tei:");
            at += sizeof prefix - 1;
        } else {
            wg_buf_add(&out, at++, 1);
        }
    }
    char *copy = wg_arena_strdup(arena, out.data);
    wg_buf_finish(&out);
    return copy;
}

static void on_error(void *argument, xmlError *error)
{
    struct findings *findings = argument;
    const char *text = error->message != NULL ? error->message : "unknown error";
    json_array_append_new(findings->errors,
                          json_pack("{s:o,s:i,s:i,s:n}", "message",
                                    wg_json_text(shorten(&findings->req->arena, text)), "line",
                                    error->line > 0 ? error->line : 1, "column",
                                    error->int2 > 0 ? error->int2 : 0, "severity"));
}

static void on_ignored(void *argument, xmlError *error)
{
    (void)argument;
    (void)error;
}

static xmlDoc *parse(struct findings *findings, const char *xml, size_t size)
{
    xmlParserCtxt *context = xmlNewParserCtxt();
    if (context == NULL || size > INT32_MAX)
        abort();
    xmlSetStructuredErrorFunc(findings, on_error); /* of this thread */
    xmlDoc *document = xmlCtxtReadMemory(context, xml, (int)size, NULL, "UTF-8", XML_PARSE_NONET);
    xmlSetStructuredErrorFunc(NULL, NULL);
    xmlFreeParserCtxt(context);
    if (document == NULL && json_array_size(findings->errors) == 0)
        json_array_append_new(findings->errors,
                              json_pack("{s:s,s:i,s:i,s:n}", "message", "Document is empty", "line",
                                        1, "column", 0, "severity"));
    return document;
}

/* Both validators: -1 if the schema itself is bad, else 0 with the errors noted. */
static int run_relaxng(struct findings *findings, xmlDoc *schema_document, xmlDoc *document)
{
    xmlRelaxNGParserCtxt *parser = xmlRelaxNGNewDocParserCtxt(schema_document);
    xmlRelaxNGSetParserStructuredErrors(parser, on_ignored, NULL);
    xmlRelaxNG *schema = xmlRelaxNGParse(parser);
    xmlRelaxNGFreeParserCtxt(parser);
    if (schema == NULL)
        return -1;
    xmlRelaxNGValidCtxt *context = xmlRelaxNGNewValidCtxt(schema);
    xmlRelaxNGSetValidStructuredErrors(context, on_error, findings);
    xmlRelaxNGValidateDoc(context, document);
    xmlRelaxNGFreeValidCtxt(context);
    xmlRelaxNGFree(schema);
    return 0;
}

static int run_xsd(struct findings *findings, xmlDoc *schema_document, xmlDoc *document)
{
    xmlSchemaParserCtxt *parser = xmlSchemaNewDocParserCtxt(schema_document);
    xmlSchemaSetParserStructuredErrors(parser, on_ignored, NULL);
    xmlSchema *schema = xmlSchemaParse(parser);
    xmlSchemaFreeParserCtxt(parser);
    if (schema == NULL)
        return -1;
    xmlSchemaValidCtxt *context = xmlSchemaNewValidCtxt(schema);
    xmlSchemaSetValidStructuredErrors(context, on_error, findings);
    xmlSchemaValidateDoc(context, document);
    xmlSchemaFreeValidCtxt(context);
    xmlSchemaFree(schema);
    return 0;
}

static const struct {
    const char *namespace;
    int (*run)(struct findings *, xmlDoc *, xmlDoc *);
} validators[] = {{WG_RELAXNG_NAMESPACE, run_relaxng}, {WG_XSD_NAMESPACE, run_xsd}};

/* 0 checked, 1 refused (reply set). */
static int check_schema(struct findings *findings, xmlDoc *document, const char *url)
{
    struct wg_req *req = findings->req;
    const char *error = NULL;
    if (!wg_text_starts_with(url, "http"))
        return 0;
    const char *path = wg_schema_fetch(req, url, false, &error);
    if (path == NULL) {
        wg_reply_detail(req, 400, "%s", error);
        return 1;
    }
    xmlDoc *schema =
        xmlReadFile(path, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    const xmlNode *root = schema != NULL ? xmlDocGetRootElement(schema) : NULL;
    const char *namespace =
        root != NULL && root->ns != NULL ? (const char *)root->ns->href : "none";
    size_t kind = 0, kinds = sizeof validators / sizeof *validators;
    while (kind < kinds && strcmp(validators[kind].namespace, namespace) != 0)
        kind++;
    int rc = 1;
    if (root == NULL)
        wg_reply_detail(req, 400, "Failed to parse schema file from %s", url);
    else if (kind == kinds)
        wg_reply_detail(req, 400, "Unsupported schema namespace: %s", namespace);
    else if (validators[kind].run(findings, schema, document) < 0)
        wg_reply_detail(req, 400, "Failed to parse schema file from %s", url);
    else
        rc = 0;
    xmlFreeDoc(schema);
    return rc;
}

int wg_xml_validate(struct wg_req *req)
{
    const char *xml = wg_req_text(req, "xml_string");
    struct findings findings = {req, wg_arena_json(&req->arena, json_array())};
    xmlDoc *document =
        parse(&findings, xml, json_string_length(json_object_get(req->json, "xml_string")));
    int refused = 0;
    if (document != NULL) {
        json_t *locations = wg_schema_find_xsd(&req->arena, xml), *location;
        size_t i;
        json_array_foreach(locations, i, location)
        {
            if (refused == 0)
                refused = check_schema(&findings, document, json_string_value(location));
        }
        const char *model = wg_schema_find_relaxng(&req->arena, xml);
        if (refused == 0 && model != NULL)
            refused = check_schema(&findings, document, model);
        xmlFreeDoc(document);
    }
    if (refused)
        return 0;
    return wg_reply_json(req, 200, json_pack("{s:O}", "errors", findings.errors));
}
