/* SPDX-License-Identifier: MIT
 *
 * Validation of a document: well-formedness, then every schema that it refers to, each in a helper
 * process with a time limit.
 */
#include "tools/refserver/app.h"
#include "tools/refserver/handlers.h"
#include "tools/refserver/helper.h"
#include "tools/refserver/schemacache.h"
#include "tools/refserver/xmlcheck.h"

#include <string.h>

const struct wg_field wg_validate_fields[] = {
    {"xml_string", WG_FIELD_TEXT, WG_REQUIRED | WG_NOT_EMPTY, NULL},
    {0},
};

/*
 * Known large schemas get a part of the time limit: 10 of 30 seconds. The contract has one and does
 * not name it; TEI's complete schema it is.
 */
static const struct {
    const char *file;
    int divisor;
} large_schemas[] = {{"/tei_all.rng", 3}};

static int time_limit_ms(const struct wg_req *req, const char *url)
{
    int limit_ms = req->app->options.validation_seconds * 1000;
    for (size_t i = 0; i < sizeof large_schemas / sizeof *large_schemas; i++)
        if (wg_text_ends_with(url, large_schemas[i].file))
            return limit_ms / large_schemas[i].divisor;
    return limit_ms;
}

/* 0 with what the helper said added to `errors`, 1 refused (reply set). */
static int take_answer(struct wg_req *req, const struct wg_buf *output, json_t *errors)
{
    json_t *answer = json_loadb(output->data, output->len, 0, NULL);
    const char *refused = wg_json_get_text(answer, "refused");
    if (refused != NULL)
        wg_reply_detail(req, 400, "%s", refused);
    else
        json_array_extend(errors, json_object_get(answer, "errors"));
    json_decref(answer);
    return refused != NULL;
}

/* 0 checked, 1 refused (reply set), -1 failed. */
static int check_schema(struct wg_req *req, const char *xml, const char *url, json_t *errors)
{
    char name[] = "walgrind-refserver", role[] = "--validator";
    char *const arguments[] = {name, role, NULL};
    const char *error = NULL;
    struct wg_buf output = {0};
    int rc = -1;
    if (!wg_text_starts_with(url, "http"))
        return 0;
    const char *path = wg_schema_fetch(req, url, false, &error);
    if (path == NULL) {
        wg_reply_detail(req, 400, "%s", error);
        return 1;
    }
    json_t *order = wg_arena_json(
        &req->arena, json_pack("{s:s,s:s,s:s}", "xml", xml, "schema", path, "url", url));
    int limit_ms = time_limit_ms(req, url);
    switch (wg_helper_run(arguments, wg_arena_json_text(&req->arena, order), limit_ms, &output,
                          &req->fail)) {
    case WG_HELPER_DONE: rc = take_answer(req, &output, errors); break;
    case WG_HELPER_EXPIRED:
        error = wg_arena_format(&req->arena, "Validation timed out after %g seconds: %s",
                                limit_ms / 1000.0, url);
        json_array_append_new(errors, wg_xml_error(error, 1, 1, "warning"));
        rc = 0;
        break;
    case WG_HELPER_FAILED: break;
    }
    wg_buf_finish(&output);
    return rc;
}

int wg_xml_validate(struct wg_req *req)
{
    const char *xml = wg_req_text(req, "xml_string");
    json_t *errors = wg_arena_json(&req->arena, json_array());
    xmlDoc *document = wg_xml_parse(xml, errors);
    int rc = 0;
    if (document != NULL) {
        json_t *locations = wg_schema_find_xsd(&req->arena, xml), *location;
        size_t i;
        xmlFreeDoc(document);
        json_array_foreach(locations, i, location)
        {
            if (rc == 0)
                rc = check_schema(req, xml, json_string_value(location), errors);
        }
        const char *model = wg_schema_find_relaxng(&req->arena, xml);
        if (rc == 0 && model != NULL)
            rc = check_schema(req, xml, model, errors);
    }
    return rc != 0 ? (rc < 0 ? -1 : 0)
                   : wg_reply_json(req, 200, json_pack("{s:O}", "errors", errors));
}
