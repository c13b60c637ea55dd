/* SPDX-License-Identifier: MIT
 *
 * Completion data for an editor, from a RELAX NG schema in XML syntax.
 *
 * For every element pattern its content is walked without entering nested element patterns,
 * following references to named patterns; what it meets are possible children and attributes. The
 * result is not compressed. It is kept in codemirror-autocomplete.json beside the schema.
 */
#include "tools/refserver/handlers.h"
#include "tools/refserver/internet.h"
#include "tools/refserver/schemacache.h"
#include "tools/refserver/xmlcheck.h"

#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NESTING_MAX 200

const struct wg_field wg_autocomplete_fields[] = {
    {"xml_string", WG_FIELD_TEXT, WG_REQUIRED | WG_NOT_EMPTY, NULL},
    {"invalidate_cache", WG_FIELD_BOOL, 0, NULL},
    {0},
};

static const struct {
    const char *name;
    const char *values; /* JSON */
} global_attributes[] = {
    {"xml:id", "null"},
    {"xml:lang", "null"},
    {"xml:base", "null"},
    {"xml:space", "[\"default\",\"preserve\"]"},
    {"n", "null"},
    {"rend", "null"},
    {"rendition", "null"},
    {"style", "null"},
    {"cert", "[\"high\",\"low\",\"medium\",\"unknown\"]"},
    {"resp", "null"},
    {"source", "null"},
    {"copyOf", "null"},
    {"corresp", "null"},
    {"synch", "null"},
    {"sameAs", "null"},
    {"exclude", "null"},
    {"select", "null"},
    {"next", "null"},
    {"prev", "null"},
};

/* Sets are objects with members that are true. */
struct walk {
    struct wg_arena *arena;
    const xmlNode *grammar;
    json_t *children; /* set */
    json_t *attrs;    /* name -> set of values */
    json_t *docs;     /* attribute name -> documentation */
    json_t *values;   /* set: of the attribute being walked, or NULL */
    json_t *visited;  /* named patterns on the way, a set */
    int depth;
};

static bool is_pattern(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && node->ns != NULL &&
           strcmp((const char *)node->ns->href, WG_RELAXNG_NAMESPACE) == 0 &&
           strcmp((const char *)node->name, name) == 0;
}

static const char *content_of(struct wg_arena *arena, const xmlNode *node)
{
    xmlChar *text = xmlNodeGetContent(node);
    char *copy = wg_arena_strdup(arena, text != NULL ? (const char *)text : "");
    xmlFree(text);
    char *start = copy + strspn(copy, " \t\r\n");
    size_t length = strlen(start);
    while (length > 0 && strchr(" \t\r\n", start[length - 1]) != NULL)
        start[--length] = '\0';
    return start;
}

static const char *property_of(struct wg_arena *arena, const xmlNode *node, const char *name)
{
    xmlChar *text = xmlGetNoNsProp(node, (const xmlChar *)name);
    char *copy = wg_arena_strdup(arena, (const char *)text);
    xmlFree(text);
    return copy;
}

/* Name of an element or attribute pattern: its property, or its <name> child. NULL for a wildcard.
 */
static const char *name_of(struct wg_arena *arena, const xmlNode *node)
{
    const char *name = property_of(arena, node, "name");
    for (const xmlNode *child = node->children; child != NULL && name == NULL; child = child->next)
        if (is_pattern(child, "name"))
            name = content_of(arena, child);
    return name;
}

static const char *documentation_of(struct wg_arena *arena, const xmlNode *node)
{
    for (const xmlNode *child = node->children; child != NULL; child = child->next)
        if (child->type == XML_ELEMENT_NODE && child->ns != NULL &&
            strcmp((const char *)child->name, "documentation") == 0)
            return content_of(arena, child);
    return NULL;
}

static void walk_content(struct walk *walk, const xmlNode *node);

static void walk_reference(struct walk *walk, const xmlNode *node)
{
    const char *name = property_of(walk->arena, node, "name");
    if (name == NULL || json_object_get(walk->visited, name) != NULL)
        return;
    json_object_set_new(walk->visited, name, json_true());
    for (const xmlNode *define = walk->grammar->children; define != NULL; define = define->next)
        if (is_pattern(define, "define") &&
            wg_text_same(property_of(walk->arena, define, "name"), name))
            walk_content(walk, define);
    json_object_del(walk->visited, name);
}

static void walk_attribute(struct walk *walk, const xmlNode *node)
{
    const char *name = name_of(walk->arena, node);
    const char *documentation = documentation_of(walk->arena, node);
    if (name == NULL)
        return;
    json_t *values = json_object_get(walk->attrs, name);
    if (values == NULL) {
        values = json_object();
        json_object_set_new(walk->attrs, name, values);
    }
    if (documentation != NULL)
        json_object_set_new(walk->docs, name, wg_json_text(documentation));
    json_t *outer = walk->values;
    walk->values = values;
    walk_content(walk, node);
    walk->values = outer;
}

static void walk_content(struct walk *walk, const xmlNode *node)
{
    if (++walk->depth <= NESTING_MAX) {
        for (const xmlNode *child = node->children; child != NULL; child = child->next) {
            if (child->type != XML_ELEMENT_NODE)
                continue;
            if (is_pattern(child, "element")) {
                const char *name = name_of(walk->arena, child);
                if (name != NULL && walk->values == NULL)
                    json_object_set_new(walk->children, name, json_true());
            } else if (is_pattern(child, "attribute")) {
                walk_attribute(walk, child);
            } else if (is_pattern(child, "ref")) {
                walk_reference(walk, child);
            } else if (is_pattern(child, "value") && walk->values != NULL) {
                json_object_set_new(walk->values, content_of(walk->arena, child), json_true());
            } else {
                walk_content(walk, child);
            }
        }
    }
    walk->depth--;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names in a set, sorted, as a new array. */
static json_t *sorted(struct wg_arena *arena, json_t *set)
{
    size_t count = 0;
    const char **names = wg_arena_alloc(arena, (json_object_size(set) + 1) * sizeof *names);
    const char *name;
    json_t *ignored, *list = json_array();
    json_object_foreach(set, name, ignored)
    {
        names[count++] = name;
    }
    qsort(names, count, sizeof *names, compare_texts);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, wg_json_text(names[i]));
    return list;
}

static void add_attributes(struct walk *walk, json_t *attrs)
{
    const char *name;
    json_t *values;
    json_object_foreach(walk->attrs, name, values)
    {
        json_t *documentation = json_object_get(walk->docs, name);
        json_t *list = json_object_size(values) > 0 ? sorted(walk->arena, values) : NULL;
        if (documentation != NULL) {
            json_t *entry = json_object();
            json_object_set(entry, "doc", documentation);
            if (list != NULL)
                json_object_set_new(entry, "values", list);
            json_object_set_new(attrs, name, entry);
        } else {
            json_object_set_new(attrs, name, list != NULL ? list : json_null());
        }
    }
    for (size_t i = 0; i < sizeof global_attributes / sizeof *global_attributes; i++) {
        json_error_t error;
        if (json_object_get(attrs, global_attributes[i].name) == NULL)
            json_object_set_new(attrs, global_attributes[i].name,
                                json_loads(global_attributes[i].values, JSON_DECODE_ANY, &error));
    }
}

/* Adds one element pattern to the data; a second pattern of that name adds to the first. */
static void add_element(struct wg_arena *arena, const xmlNode *grammar, const xmlNode *node,
                        json_t *data)
{
    const char *name = name_of(arena, node), *documentation = documentation_of(arena, node);
    if (name == NULL)
        return;
    struct walk walk = {
        .arena = arena,
        .grammar = grammar,
        .children = wg_arena_json(arena, json_object()),
        .attrs = wg_arena_json(arena, json_object()),
        .docs = wg_arena_json(arena, json_object()),
        .visited = wg_arena_json(arena, json_object()),
    };
    walk_content(&walk, node);
    json_t *entry = json_object_get(data, name), *child;
    if (entry == NULL) {
        entry = json_pack("{s:{}}", "attrs");
        json_object_set_new(data, name, entry);
    }
    size_t i;
    json_array_foreach(json_object_get(entry, "children"), i, child)
    {
        json_object_set_new(walk.children, json_string_value(child), json_true());
    }
    if (json_object_size(walk.children) > 0)
        json_object_set_new(entry, "children", sorted(arena, walk.children));
    if (documentation != NULL)
        json_object_set_new(entry, "doc", wg_json_text(documentation));
    add_attributes(&walk, json_object_get(entry, "attrs"));
}

static void add_elements(struct wg_arena *arena, const xmlNode *grammar, const xmlNode *node,
                         json_t *data)
{
    if (is_pattern(node, "element"))
        add_element(arena, grammar, node, data);
    for (const xmlNode *child = node->children; child != NULL; child = child->next)
        if (child->type == XML_ELEMENT_NODE)
            add_elements(arena, grammar, child, data);
}

/* Data of the schema at `path`: 0, 1 refused (reply set). */
static int generate(struct wg_req *req, const char *path, json_t **ret)
{
    xmlDoc *schema =
        xmlReadFile(path, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    const xmlNode *root = schema != NULL ? xmlDocGetRootElement(schema) : NULL;
    const char *namespace =
        root != NULL && root->ns != NULL ? (const char *)root->ns->href : "none";
    int rc = 1;
    if (root == NULL) {
        wg_reply_detail(req, 500, "Failed to generate autocomplete data: cannot parse the schema");
    } else if (strcmp(namespace, WG_RELAXNG_NAMESPACE) != 0) {
        wg_reply_detail(req, 400,
                        "Autocomplete generation only supported for RelaxNG schemas. Found: %s",
                        namespace);
    } else {
        *ret = wg_arena_json(&req->arena, json_object());
        add_elements(&req->arena, root, root, *ret);
        rc = 0;
    }
    xmlFreeDoc(schema);
    return rc;
}

static const char *find_location(struct wg_req *req, const char *xml)
{
    const char *location = wg_schema_find_relaxng(&req->arena, xml);
    if (location != NULL)
        return location;
    return json_string_value(json_array_get(wg_schema_find_xsd(&req->arena, xml), 0));
}

static char *cache_of(struct wg_req *req, const char *path)
{
    return wg_arena_format(&req->arena, "%.*s/codemirror-autocomplete.json",
                           (int)(strrchr(path, '/') - path), path);
}

int wg_xml_autocomplete(struct wg_req *req)
{
    bool again = wg_req_bool(req, "invalidate_cache", false);
    const char *error = NULL;
    json_error_t ignored;
    if (again && !wg_internet_reachable())
        return wg_reply_detail(req, 503,
                               "Cannot invalidate cache without internet connection. Schema "
                               "re-download requires network access.");
    const char *location = find_location(req, wg_req_text(req, "xml_string"));
    if (location == NULL)
        return wg_reply_detail(req, 400, "No schema location found in XML document");
    if (!wg_text_starts_with(location, "http"))
        return wg_reply_detail(req, 400, "Schema location must start with 'http': %s", location);
    const char *path = wg_schema_path(req, location);
    json_t *data = NULL;
    if (path != NULL && !again)
        data = wg_arena_json(&req->arena, json_load_file(cache_of(req, path), 0, &ignored));
    if (data != NULL)
        return wg_reply_json(req, 200, json_pack("{s:O}", "data", data));
    path = wg_schema_fetch(req, location, again, &error);
    if (path == NULL)
        return wg_reply_detail(req, 500, "Failed to generate autocomplete data: %s", error);
    if (generate(req, path, &data) != 0)
        return 0;
    uint_fast64_t serial =
        atomic_fetch_add_explicit(&req->app->store.serial, 1, memory_order_relaxed);
    char *cache = cache_of(req, path);
    char *temporary =
        wg_arena_format(&req->arena, "%s.%llu.new", cache, (unsigned long long)serial);
    if (json_dump_file(data, temporary, JSON_COMPACT) != 0 || rename(temporary, cache) != 0)
        unlink(temporary); /* the cache only saves time */
    return wg_reply_json(req, 200, json_pack("{s:O}", "data", data));
}
