/* SPDX-License-Identifier: MIT
 *
 * Plugins: what there is, and executing one.
 *
 * A plugin is a row of a table with the role that may see it and its endpoints. The report plugins
 * only compute addresses; the pages behind those addresses are not part of this server. Input that
 * a plugin rejects is answered with 404 and its message.
 */
#include "tools/refserver/analyze.h"
#include "tools/refserver/filerow.h"
#include "tools/refserver/handlers.h"

#include <ctype.h>
#include <string.h>

#define ENDPOINTS_MAX 2

const struct wg_field wg_plugin_fields[] = {
    {"endpoint", WG_FIELD_TEXT, WG_REQUIRED, NULL},
    {"params", WG_FIELD_OBJECT, WG_REQUIRED, NULL},
    {0},
};

const struct wg_field wg_analyze_fields[] = {{"text", WG_FIELD_TEXT, WG_REQUIRED, NULL}, {0}};

struct plugin;

struct endpoint {
    const char *name;
    const char *label;
    const char *description;
    const char *parameters[3];
    int (*run)(struct wg_req *req, const struct plugin *plugin, const json_t *params);
};

struct plugin {
    const char *id;
    const char *name;
    const char *description;
    const char *category;
    const char *role;
    bool testing;        /* only in testing mode */
    const char *subject; /* parameter that a report needs */
    const char *lacking; /* what a report says without it */
    struct endpoint endpoints[ENDPOINTS_MAX];
};

static int reply_result(struct wg_req *req, json_t *owned)
{
    return wg_reply_json(req, 200, json_pack("{s:b,s:o}", "success", 1, "result", owned));
}

/* Content of the TEI file that `id` names, from the arena. 1, 0 if there is none, -1. */
static int read_tei(struct wg_req *req, const char *id, const char **ret)
{
    struct wg_file file;
    struct wg_buf text = {0};
    int found = wg_file_find(req, id, &file);
    if (found <= 0)
        return found;
    if (strcmp(file.file_type, "tei") != 0)
        return 0;
    int got =
        wg_file_read(wg_store_path(&req->app->store, &req->arena, file.id, file.file_type), &text);
    if (got == 0)
        *ret = wg_arena_strdup(&req->arena, text.data);
    wg_buf_finish(&text);
    return got == 0;
}

static int sample_execute(struct wg_req *req, const struct plugin *plugin, const json_t *params)
{
    const json_t *given = json_object_get(params, "text");
    const char *text = given != NULL ? json_string_value(given) : "";
    const char *xml = wg_json_get_text(params, "xml");
    struct wg_text_counts counts;
    (void)plugin;
    if (text == NULL)
        return wg_reply_detail(req, 404, "Parameter 'text' must be a string");
    if (*text == '\0' && xml != NULL && *xml != '\0') {
        int found = read_tei(req, xml, &text);
        if (found <= 0)
            return found < 0 ? -1 : wg_reply_detail(req, 404, "XML file not found: %s", xml);
    }
    wg_text_count(&req->arena, text, &counts);
    json_t *result = json_pack("{s:{s:I,s:I,s:I,s:I,s:f},s:o}", "analysis", "character_count",
                               (json_int_t)counts.characters, "word_count",
                               (json_int_t)counts.words, "line_count", (json_int_t)counts.lines,
                               "unique_words", (json_int_t)counts.unique_words,
                               "average_word_length", counts.average_word_length, "text_preview",
                               wg_json_text(wg_text_preview(&req->arena, text, 100)));
    if (xml != NULL && *xml != '\0')
        json_object_set_new(result, "document",
                            json_pack("{s:o,s:o}", "xml", wg_json_text(xml), "variant",
                                      wg_json_text(wg_json_get_text(params, "variant"))));
    return reply_result(req, result);
}

static int sample_info(struct wg_req *req, const struct plugin *plugin, const json_t *params)
{
    (void)params;
    return reply_result(req, json_pack("{s:s,s:s,s:s}", "plugin", plugin->name, "version", "1.0.0",
                                       "message", "Sample analyzer ready to analyze text"));
}

static const char *percent_encode(struct wg_arena *arena, const char *text)
{
    struct wg_buf out = {0};
    wg_buf_add(&out, "", 0);
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte < 0x80 && (isalnum(byte) || strchr("-_.~", byte) != NULL))
            wg_buf_add(&out, text, 1);
        else
            wg_buf_addf(&out, "%%%02X", (unsigned)byte);
    }
    char *copy = wg_arena_strdup(arena, out.data);
    wg_buf_finish(&out);
    return copy;
}

static int reply_lacking(struct wg_req *req, const char *text)
{
    char *html = wg_arena_format(&req->arena, "<p>%s</p>", text);
    return reply_result(req, json_pack("{s:s,s:s}", "error", text, "html", html));
}

static int report(struct wg_req *req, const struct plugin *plugin, const json_t *params)
{
    const char *value = wg_json_get_text(params, plugin->subject);
    const char *variant = wg_json_get_text(params, "variant");
    if (value == NULL || *value == '\0')
        return reply_lacking(req, plugin->lacking);
    char *query =
        wg_arena_format(&req->arena, "%s=%s", plugin->subject, percent_encode(&req->arena, value));
    bool some = variant != NULL && *variant != '\0' && strcmp(variant, "all") != 0;
    if (some)
        query = wg_arena_format(&req->arena, "%s&variant=%s", query,
                                percent_encode(&req->arena, variant));
    json_t *result = json_object();
    json_object_set_new(
        result, "outputUrl",
        wg_json_text(wg_arena_format(&req->arena, "/api/plugins/%s/view?%s", plugin->id, query)));
    json_object_set_new(
        result, "exportUrl",
        wg_json_text(wg_arena_format(&req->arena, "/api/plugins/%s/export?%s", plugin->id, query)));
    json_object_set_new(result, plugin->subject, wg_json_text(value));
    json_object_set_new(result, "variant", wg_json_text(some ? variant : "all"));
    return reply_result(req, result);
}

static int agreement(struct wg_req *req, const struct plugin *plugin, const json_t *params)
{
    const char *id = wg_json_get_text(params, "pdf");
    struct wg_file pdf;
    int64_t count = 0;
    if (id == NULL || *id == '\0')
        return reply_lacking(req, plugin->lacking);
    int found = wg_file_find(req, id, &pdf);
    if (found == 0)
        return reply_lacking(req, "PDF file not found");
    if (found < 0 || wg_stmt_int(req->conns[WG_DB_METADATA], &count,
                                 "SELECT count(*) FROM files WHERE deleted = 0 AND doc_id = ? AND "
                                 "file_type = 'tei'",
                                 "s", pdf.doc_id) < 0)
        return -1;
    if (count >= 2)
        return report(req, plugin, params);
    return reply_result(req, json_pack("{s:s}", "html",
                                       "<p>At least two versions are needed to compute "
                                       "agreement</p>"));
}

static int convert(struct wg_req *req, const struct plugin *plugin, const json_t *params)
{
    const char *xml = wg_json_get_text(params, "xml");
    const char *variant = wg_json_get_text(params, "variant");
    if (xml == NULL || *xml == '\0')
        return reply_lacking(req, plugin->lacking);
    if (variant == NULL || *variant == '\0')
        variant = "rng-schema";
    char *address =
        wg_arena_format(&req->arena, "/api/plugins/%s/download?file_id=%s&variant=%s", plugin->id,
                        percent_encode(&req->arena, xml), percent_encode(&req->arena, variant));
    return reply_result(req, json_pack("{s:s,s:o,s:o,s:o}", "html", "<p>Schema generated</p>",
                                       "exportUrl", wg_json_text(address), "xml", wg_json_text(xml),
                                       "variant", wg_json_text(variant)));
}

static const struct plugin plugins[] = {
    {"sample-analyzer",
     "Sample Text Analyzer",
     "Counts characters, words and lines",
     "test",
     "user",
     true,
     NULL,
     NULL,
     {{"execute", "Analyze Text", "Analyze a text", {"xml", "variant"}, sample_execute},
      {"info", "Info", "About this plugin", {NULL}, sample_info}}},
    {"annotation-history",
     "Annotation History",
     "Versions of a document",
     "document",
     "user",
     false,
     "pdf",
     "No PDF document selected",
     {{"analyze", "Annotation History", "Show versions", {"pdf", "variant"}, report}}},
    {"annotation-progress",
     "Annotation Progress",
     "State of a collection",
     "collection",
     "user",
     false,
     "collection",
     "No collection selected",
     {{"show_progress", "Annotation Progress", "Show state", {"collection", "variant"}, report}}},
    {"edit-history",
     "Edit History",
     "Latest changes of a collection",
     "collection",
     "user",
     false,
     "collection",
     "No collection selected",
     {{"show_history", "Edit History", "Show changes", {"collection", "variant"}, report}}},
    {"iaa-analyzer",
     "Inter-Annotator Agreement",
     "Compares versions of a document",
     "document",
     "user",
     false,
     "pdf",
     "No PDF document selected",
     {{"compute_agreement", "Agreement", "Compare versions", {"pdf", "variant"}, agreement}}},
    {"rng-converter",
     "RelaxNG Schema Generator",
     "Derives a schema from a document",
     "converter",
     "reviewer",
     false,
     "xml",
     "No TEI document selected",
     {{"convert_to_rng", "Generate Schema", "Derive a schema", {"xml", "variant"}, convert}}},
};
#define PLUGINS (sizeof plugins / sizeof *plugins)

static bool permitted(const struct wg_req *req, const struct plugin *plugin)
{
    if (plugin->testing && !wg_options_testing(&req->app->options))
        return false;
    return req->user.entry != NULL && wg_user_has_right(&req->user, plugin->role);
}

static json_t *describe(const struct plugin *plugin)
{
    json_t *endpoints = json_array();
    for (size_t i = 0; i < ENDPOINTS_MAX && plugin->endpoints[i].name != NULL; i++) {
        const struct endpoint *endpoint = &plugin->endpoints[i];
        json_t *parameters = json_array();
        for (size_t k = 0; k < 3 && endpoint->parameters[k] != NULL; k++)
            json_array_append_new(parameters, json_string(endpoint->parameters[k]));
        json_array_append_new(endpoints,
                              json_pack("{s:s,s:s,s:s,s:o}", "name", endpoint->name, "label",
                                        endpoint->label, "description", endpoint->description,
                                        "state_params", parameters));
    }
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:o}", "id", plugin->id, "name", plugin->name,
                     "description", plugin->description, "category", plugin->category, "version",
                     "1.0.0", "endpoints", endpoints);
}

int wg_plugins_list(struct wg_req *req)
{
    const char *category = wg_req_query(req, "category");
    json_t *list = json_array();
    for (size_t i = 0; i < PLUGINS; i++)
        if (permitted(req, &plugins[i]) &&
            (category == NULL || strcmp(category, plugins[i].category) == 0))
            json_array_append_new(list, describe(&plugins[i]));
    return wg_reply_json(req, 200, json_pack("{s:o}", "plugins", list));
}

int wg_plugins_execute(struct wg_req *req)
{
    const char *id = req->arguments[0], *name = wg_req_text(req, "endpoint");
    const struct plugin *plugin = NULL;
    for (size_t i = 0; i < PLUGINS && plugin == NULL; i++)
        if (strcmp(plugins[i].id, id) == 0 && permitted(req, &plugins[i]))
            plugin = &plugins[i];
    if (plugin == NULL)
        return wg_reply_detail(req, 404, "Plugin not found: %s", id);
    for (size_t i = 0; i < ENDPOINTS_MAX && plugin->endpoints[i].name != NULL; i++)
        if (strcmp(plugin->endpoints[i].name, name) == 0)
            return plugin->endpoints[i].run(req, plugin, json_object_get(req->json, "params"));
    return wg_reply_detail(req, 404, "Endpoint not found: %s.%s", id, name);
}

/* The sample plugin's own routes exist in testing mode only. */
int wg_sample_analyze(struct wg_req *req)
{
    struct wg_text_counts counts;
    if (!wg_options_testing(&req->app->options))
        return wg_reply_detail(req, 405, "Method Not Allowed");
    wg_text_count(&req->arena, wg_req_text(req, "text"), &counts);
    char *message = wg_arena_format(&req->arena, "Analyzed %lld words in %lld characters",
                                    (long long)counts.words, (long long)counts.characters);
    return wg_reply_json(req, 200,
                         json_pack("{s:I,s:I,s:s}", "word_count", (json_int_t)counts.words,
                                   "char_count", (json_int_t)counts.characters, "message",
                                   message));
}

int wg_sample_status(struct wg_req *req)
{
    if (!wg_options_testing(&req->app->options))
        return wg_reply_detail(req, 404, "Not Found");
    return wg_reply_json(req, 200,
                         json_pack("{s:s,s:s,s:s}", "plugin", "sample-analyzer", "status", "active",
                                   "version", "1.0.0"));
}
