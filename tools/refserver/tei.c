/* SPDX-License-Identifier: MIT */
#include "tools/refserver/tei.h"

#include <ctype.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TEI_NAMESPACE "http://www.tei-c.org/ns/1.0"

static bool is_tei(const xmlNode *node, const char *name)
{
    return node != NULL && node->type == XML_ELEMENT_NODE && node->ns != NULL &&
           strcmp((const char *)node->ns->href, TEI_NAMESPACE) == 0 &&
           strcmp((const char *)node->name, name) == 0;
}

/* Next node in document order below `top`. */
static xmlNode *next_node(xmlNode *node, const xmlNode *top)
{
    if (node->children != NULL && node->type == XML_ELEMENT_NODE)
        return node->children;
    while (node != top && node->next == NULL)
        node = node->parent;
    return node == top ? NULL : node->next;
}

static bool attribute_is(const xmlNode *node, const char *name, const char *value)
{
    xmlChar *text = xmlGetNoNsProp(node, (const xmlChar *)name);
    bool same = text != NULL && strcmp((const char *)text, value) == 0;
    xmlFree(text);
    return same;
}

struct place {
    const char *ancestor; /* some ancestor, or NULL */
    const char *parent;   /* the parent, or NULL for any */
    const char *name;
    const char *attribute; /* or NULL */
    const char *value;
};

static bool has_ancestor(const xmlNode *node, const char *name)
{
    for (const xmlNode *up = node->parent; up != NULL; up = up->parent)
        if (is_tei(up, name))
            return true;
    return false;
}

/* First element at the place after `from` (exclusive) in document order. */
static xmlNode *find_after(xmlNode *from, const xmlNode *top, const struct place *place)
{
    for (xmlNode *node = from; node != NULL; node = next_node(node, top)) {
        if (node == from && from != top)
            continue;
        if (is_tei(node, place->name) &&
            (place->parent == NULL || is_tei(node->parent, place->parent)) &&
            (place->ancestor == NULL || has_ancestor(node, place->ancestor)) &&
            (place->attribute == NULL || attribute_is(node, place->attribute, place->value)))
            return node;
    }
    return NULL;
}

static xmlNode *find(xmlNode *top, const struct place *place)
{
    return find_after(top, top, place);
}

static xmlNode *child_of(const xmlNode *node, const char *name)
{
    for (xmlNode *child = node->children; child != NULL; child = child->next)
        if (is_tei(child, name))
            return child;
    return NULL;
}

/* Text before the first child that is no text; NULL when blank and `trim`, or when there is none.
 */
static const char *text_of(struct wg_arena *arena, const xmlNode *node, bool trim)
{
    if (node == NULL)
        return NULL;
    struct wg_buf text = {0};
    wg_buf_add(&text, "", 0);
    for (const xmlNode *child = node->children; child != NULL; child = child->next) {
        if (child->type != XML_TEXT_NODE && child->type != XML_CDATA_SECTION_NODE &&
            child->type != XML_ENTITY_REF_NODE)
            break;
        xmlChar *part = xmlNodeGetContent(child);
        wg_buf_add_text(&text, part != NULL ? (const char *)part : "");
        xmlFree(part);
    }
    char *start = text.data, *end = text.data + text.len;
    while (trim && isspace((unsigned char)*start))
        start++;
    while (trim && end > start && isspace((unsigned char)end[-1]))
        end--;
    const char *copy = end > start ? wg_arena_strndup(arena, start, (size_t)(end - start)) : NULL;
    wg_buf_finish(&text);
    return copy;
}

static void read_authors(struct wg_arena *arena, xmlNode *root, struct wg_tei *ret)
{
    static const struct place author = {NULL, "titleStmt", "author", NULL, NULL};
    ret->authors = wg_arena_json(arena, json_array());
    for (xmlNode *node = find(root, &author); node != NULL;
         node = find_after(node, root, &author)) {
        const xmlNode *person = child_of(node, "persName");
        if (person == NULL)
            continue;
        const char *given = text_of(arena, child_of(person, "forename"), true);
        const char *family = text_of(arena, child_of(person, "surname"), true);
        if (given == NULL && family == NULL)
            continue;
        json_t *entry = json_object();
        json_object_set_new(entry, "given", wg_json_text(given != NULL ? given : ""));
        json_object_set_new(entry, "family", wg_json_text(family != NULL ? family : ""));
        json_array_append_new(ret->authors, entry);
    }
}

static void read_responsibilities(struct wg_arena *arena, xmlNode *root, struct wg_tei *ret)
{
    static const struct place place = {"titleStmt", "respStmt", "resp", NULL, NULL};
    for (xmlNode *node = find(root, &place); node != NULL; node = find_after(node, root, &place)) {
        const char *text = text_of(arena, node, true);
        if (text == NULL)
            continue;
        ret->responsibilities = ret->responsibilities == NULL
                                    ? text
                                    : wg_arena_format(arena, "%s, %s", ret->responsibilities, text);
    }
}

static xmlNode *find_reference(xmlNode *root)
{
    static const struct place place = {NULL, NULL, "idno", "type", "fileref"};
    return find(root, &place);
}

/* First child `edition` with a child `title` that counts: editionStmt/edition/title. */
static xmlNode *find_edition_title(xmlNode *root)
{
    static const struct place place = {"editionStmt", "edition", "title", NULL, NULL};
    return find(root, &place);
}

static void read_header(struct wg_arena *arena, xmlNode *root, struct wg_tei *ret)
{
    static const struct place doi = {NULL, NULL, "idno", "type", "DOI"};
    static const struct place title = {NULL, "titleStmt", "title", "level", "a"};
    static const struct place date = {NULL, "publicationStmt", "date", "type", "publication"};
    static const struct place journal = {"sourceDesc", NULL, "title", "level", "j"};
    static const struct place publisher = {NULL, "publicationStmt", "publisher", NULL, NULL};
    static const struct place extractor = {NULL, NULL, "application", "type", "extractor"};
    static const struct place variant = {NULL, "application", "label", "type", "variant-id"};
    ret->file_reference = text_of(arena, find_reference(root), false);
    const char *raw = text_of(arena, find(root, &doi), true);
    if (raw != NULL)
        ret->doi = wg_doc_id_encoded(raw) ? raw : wg_doc_id_encode(arena, raw);
    ret->edition_title = text_of(arena, find_edition_title(root), true);
    ret->title = text_of(arena, find(root, &title), true);
    ret->date = text_of(arena, find(root, &date), true);
    ret->journal = text_of(arena, find(root, &journal), true);
    ret->publisher = text_of(arena, find(root, &publisher), true);
    for (xmlNode *node = find(root, &extractor); node != NULL && ret->variant == NULL;
         node = find_after(node, root, &extractor)) {
        const xmlNode *label = find(node, &variant);
        if (label != NULL && label->parent == node)
            ret->variant = text_of(arena, label, false);
    }
    read_authors(arena, root, ret);
    read_responsibilities(arena, root, ret);
}

int wg_tei_parse(struct wg_arena *arena, const char *xml, size_t size, struct wg_tei *ret,
                 const char **ret_error)
{
    *ret = (struct wg_tei){0};
    xmlParserCtxt *context = xmlNewParserCtxt();
    xmlDoc *document = NULL;
    if (context == NULL)
        abort();
    if (size <= INT32_MAX)
        document = xmlCtxtReadMemory(context, xml, (int)size, NULL, "UTF-8",
                                     XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (document == NULL || xmlDocGetRootElement(document) == NULL) {
        const xmlError *error = xmlCtxtGetLastError(context);
        const char *text = error != NULL && error->message != NULL ? error->message : "no document";
        *ret_error = wg_arena_format(arena, "%.*s, line %d", (int)strcspn(text, "\n"), text,
                                     error != NULL ? error->line : 1);
        xmlFreeDoc(document);
        xmlFreeParserCtxt(context);
        return -1;
    }
    xmlFreeParserCtxt(context);
    ret->document = document;
    read_header(arena, xmlDocGetRootElement(document), ret);
    return 0;
}

void wg_tei_finish(struct wg_tei *tei)
{
    xmlFreeDoc(tei->document);
    tei->document = NULL;
}

/* The edition element that is to hold the reference, made if need be; NULL without a place. */
static xmlNode *make_edition(xmlNode *root)
{
    static const struct place statement = {NULL, NULL, "editionStmt", NULL, NULL};
    static const struct place description = {NULL, NULL, "fileDesc", NULL, NULL};
    xmlNode *holder = find(root, &statement);
    if (holder == NULL) {
        xmlNode *file = find(root, &description);
        if (file == NULL)
            return NULL;
        holder = xmlNewChild(file, file->ns, (const xmlChar *)"editionStmt", NULL);
    }
    xmlNode *edition = child_of(holder, "edition");
    return edition != NULL ? edition
                           : xmlNewChild(holder, holder->ns, (const xmlChar *)"edition", NULL);
}

static const char *serialise(struct wg_arena *arena, xmlDoc *document, size_t *ret_size)
{
    struct wg_buf text = {0};
    if (document->encoding == NULL)
        document->encoding = xmlStrdup((const xmlChar *)"UTF-8");
    for (xmlNode *node = document->children; node != NULL; node = node->next) {
        xmlBuffer *part = xmlBufferCreate();
        if (part == NULL)
            abort();
        xmlNodeDump(part, document, node, 0, 0);
        wg_buf_add(&text, xmlBufferContent(part), (size_t)xmlBufferLength(part));
        if (node->next != NULL)
            wg_buf_add_text(&text, "\n");
        xmlBufferFree(part);
    }
    char *copy = wg_arena_strndup(arena, text.data != NULL ? text.data : "", text.len);
    *ret_size = text.len;
    wg_buf_finish(&text);
    return copy;
}

const char *wg_tei_set_reference(struct wg_arena *arena, struct wg_tei *tei, const char *xml,
                                 size_t size, const char *value, size_t *ret_size)
{
    xmlNode *root = xmlDocGetRootElement(tei->document);
    xmlNode *reference = find_reference(root);
    *ret_size = size;
    if (reference != NULL && wg_text_same(tei->file_reference, value))
        return xml;
    if (reference == NULL) {
        xmlNode *edition = make_edition(root);
        if (edition == NULL)
            return xml;
        reference = xmlNewChild(edition, edition->ns, (const xmlChar *)"idno", NULL);
        xmlNewProp(reference, (const xmlChar *)"type", (const xmlChar *)"fileref");
    }
    xmlNodeSetContent(reference, NULL);
    xmlNodeAddContent(reference, (const xmlChar *)value);
    tei->file_reference = wg_arena_strdup(arena, value);
    return serialise(arena, tei->document, ret_size);
}

json_t *wg_tei_metadata(const struct wg_tei *tei)
{
    const struct {
        const char *key;
        const char *text;
    } texts[] = {{"title", tei->title},
                 {"date", tei->date},
                 {"journal", tei->journal},
                 {"publisher", tei->publisher}};
    json_t *metadata = json_object();
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].text != NULL)
            json_object_set_new(metadata, texts[i].key, wg_json_text(texts[i].text));
    if (json_array_size(tei->authors) > 0)
        json_object_set(metadata, "authors", tei->authors);
    return metadata;
}

const char *wg_tei_label(struct wg_arena *arena, const struct wg_tei *tei)
{
    if (tei->title == NULL)
        return NULL;
    const char *family = wg_json_get_text(json_array_get(tei->authors, 0), "family");
    const char *label = "";
    if (family != NULL && *family != '\0')
        label = wg_arena_format(arena, "%s ", family);
    if (tei->date != NULL)
        label = wg_arena_format(arena, "%s(%s) ", label, tei->date);
    return wg_arena_format(arena, "%s%s", label, tei->title);
}

const char *wg_doc_id_encode(struct wg_arena *arena, const char *text)
{
    struct wg_buf out = {0};
    wg_buf_add(&out, "", 0);
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '/')
            wg_buf_add_text(&out, "__");
        else if ((unsigned char)*at < 0x20 || strchr("<>:\"|?*\\$", *at) != NULL)
            wg_buf_addf(&out, "$%02X$", (unsigned)(unsigned char)*at);
        else
            wg_buf_add(&out, at, 1);
    }
    char *copy = wg_arena_strdup(arena, out.data);
    wg_buf_finish(&out);
    return copy;
}

bool wg_doc_id_encoded(const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (const char *at = strchr(text, '$'); at != NULL; at = strchr(at + 1, '$'))
        if (at[1] != '\0' && strchr(hex, at[1]) != NULL && at[2] != '\0' &&
            strchr(hex, at[2]) != NULL && at[3] == '$')
            return true;
    if (strncmp(text, "10.", 3) != 0)
        return false;
    size_t digits = strspn(text + 3, "0123456789");
    return digits > 0 && strncmp(text + 3 + digits, "__", 2) == 0;
}
