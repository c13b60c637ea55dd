/* SPDX-License-Identifier: MIT
 *
 * Extraction. The only extractor that works here is the mock, which makes a TEI document of fixed
 * shape; the real ones are known by name and, in testing mode, replaced by it.
 */
#include "tools/refserver/files_save.h"
#include "tools/refserver/handlers.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOCK "mock-extractor"

static const char *const extractors[] = {MOCK, "grobid-training", "llamore-gemini",
                                         "kisski-neural-chat"};

const struct wg_field wg_extract_fields[] = {
    {"extractor", WG_FIELD_TEXT, WG_REQUIRED | WG_NOT_EMPTY, NULL},
    {"file_id", WG_FIELD_TEXT, WG_REQUIRED | WG_NOT_EMPTY, NULL},
    {"options", WG_FIELD_OBJECT, WG_NOT_NULL, NULL},
    {0},
};

static json_t *option(const char *label, const char *description)
{
    return json_pack("{s:s,s:s,s:s,s:b}", "type", "string", "label", label, "description",
                     description, "required", 0);
}

int wg_extract_list(struct wg_req *req)
{
    if (!wg_options_testing(&req->app->options))
        return wg_reply_json(req, 200, json_array());
    json_t *variant = option("Variant", "Variant id of the result");
    json_object_set_new(variant, "options", json_pack("[s]", "mock-default"));
    return wg_reply_json(
        req, 200,
        json_pack("[{s:s,s:s,s:s,s:[ss],s:[s],s:b,s:{s:o,s:o}}]", "id", MOCK, "name",
                  "Mock Extractor", "description", "Makes a document of fixed shape for tests",
                  "input", "pdf", "xml", "output", "tei-document", "available", 1, "options", "doi",
                  option("DOI", "DOI of the document"), "variant_id", variant));
}

/* Text as XML character data. */
static void add_escaped(struct wg_buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '&')
            wg_buf_add_text(out, "&amp;");
        else if (*text == '<')
            wg_buf_add_text(out, "&lt;");
        else if (*text == '>')
            wg_buf_add_text(out, "&gt;");
        else
            wg_buf_add(out, text, 1);
    }
}

static void add_references(struct wg_buf *out)
{
    for (int i = 1; i <= 3; i++)
        wg_buf_addf(out,
                    "<biblStruct status=\"verified\"><analytic><title level=\"a\">Mock Reference "
                    "Title %d</title><author><persName><forename>John%d</forename><surname>Doe%d"
                    "</surname></persName></author></analytic><monogr><title level=\"j\">Mock "
                    "Journal %d</title><imprint><date when=\"%d\">%d</date></imprint></monogr>"
                    "</biblStruct>\n",
                    i, i, i, i, 2019 + i, 2019 + i);
}

/* The time stamp with nanoseconds makes every result unique, and with it its hash. */
static void make_mock(struct wg_buf *out, const char *doc_id, const json_t *options)
{
    const char *doi = wg_json_get_text(options, "doi");
    const char *variant = wg_json_get_text(options, "variant_id");
    struct timespec now;
    struct tm utc;
    char stamp[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    wg_buf_addf(out,
                "<TEI xmlns=\"http://www.tei-c.org/ns/1.0\">\n<teiHeader><fileDesc>"
                "<titleStmt><title level=\"a\">Unknown Title</title></titleStmt>"
                "<editionStmt><edition><date when=\"%s.%09ldZ\"/>"
                "<title>Mock extraction for testing</title><idno type=\"fileref\">",
                stamp, now.tv_nsec);
    add_escaped(out, doc_id);
    wg_buf_add_text(out, "</idno></edition></editionStmt><publicationStmt><publisher/>"
                         "<date type=\"publication\"/><idno type=\"DOI\">");
    add_escaped(out, doi != NULL ? doi : "");
    wg_buf_add_text(out, "</idno></publicationStmt><sourceDesc><bibl/></sourceDesc></fileDesc>"
                         "<encodingDesc><appInfo><application type=\"extractor\" ident=\"" MOCK
                         "\" version=\"1.0\"><label type=\"variant-id\">");
    add_escaped(out, variant != NULL ? variant : "mock-default");
    wg_buf_addf(out,
                "</label></application></appInfo></encodingDesc><revisionDesc>"
                "<change when=\"%sZ\" status=\"extraction\"><desc>Mock extraction</desc></change>"
                "</revisionDesc></teiHeader>\n<standOff><listBibl>\n",
                stamp);
    add_references(out);
    wg_buf_add_text(out, "</listBibl></standOff>\n</TEI>\n");
}

struct extraction {
    struct wg_req *req;
    struct wg_file input;
    bool from_pdf;
    const json_t *options;
    struct wg_tei tei;
    struct wg_staged staged;
    struct wg_file result;
};

static void describe_result(struct extraction *job)
{
    struct wg_req *req = job->req;
    const char *collection = wg_json_get_text(job->options, "collection");
    json_t *collections = wg_arena_json(&req->arena, json_array());
    json_array_append_new(
        collections,
        wg_json_text(collection != NULL && *collection != '\0' ? collection : "_inbox"));
    job->result = (struct wg_file){
        .id = job->staged.hash,
        .file_type = "tei",
        .variant = wg_json_get_text(job->options, "variant_id"),
        .file_size = (int64_t)job->staged.size,
        .gold = true,
        .collections = collections,
        .doc_metadata = wg_arena_json(&req->arena, json_object()),
        .file_metadata = wg_arena_json(&req->arena, json_object()),
    };
    if (job->from_pdf) {
        job->result.doc_id = job->input.doc_id;
        job->result.filename = wg_arena_format(&req->arena, "%s-extracted.xml", job->input.doc_id);
        job->result.label = job->tei.edition_title;
        return;
    }
    time_t now = time(NULL);
    struct tm utc;
    char stamp[32];
    gmtime_r(&now, &utc);
    strftime(stamp, sizeof stamp, "%Y%m%d_%H%M%S", &utc);
    job->result.doc_id = wg_arena_format(&req->arena, MOCK "_%s_%.8s", stamp, job->staged.hash);
    job->result.filename = wg_arena_format(&req->arena, "%s.tei.xml", job->result.doc_id);
    job->result.label = MOCK;
}

static int store_result(struct extraction *job)
{
    struct wg_req *req = job->req;
    struct wg_conn *conn = wg_req_conn(req, WG_DB_METADATA);
    if (conn == NULL || wg_conn_begin(conn) < 0)
        return -1;
    if (wg_store_publish(&req->app->store, &job->staged, &req->fail) < 0 ||
        wg_reference_add(req, job->staged.hash, "tei") < 0 || wg_file_insert(req, &job->result) < 0)
        return -1;
    if (job->from_pdf &&
        wg_save_pdf_metadata(req, job->input.doc_id, &job->tei, job->result.collections) < 0)
        return -1;
    return wg_conn_commit(conn);
}

static int run_mock(struct extraction *job)
{
    struct wg_req *req = job->req;
    struct wg_buf xml = {0};
    const char *complaint = "";
    int rc = -1;
    make_mock(&xml, job->input.doc_id, job->options);
    if (wg_tei_parse(&req->arena, xml.data, xml.len, &job->tei, &complaint) < 0) {
        wg_fail_set(&req->fail, 0, "%s", complaint);
        goto out;
    }
    if (wg_store_stage(&req->app->store, &req->arena, xml.data, xml.len, "tei", &job->staged,
                       &req->fail) == 0) {
        describe_result(job);
        rc = store_result(job);
        wg_store_discard(&job->staged);
    }
    wg_tei_finish(&job->tei);
out:
    wg_buf_finish(&xml);
    return rc;
}

static bool is_known(const char *extractor)
{
    for (size_t i = 0; i < sizeof extractors / sizeof *extractors; i++)
        if (strcmp(extractors[i], extractor) == 0)
            return true;
    return false;
}

int wg_extract_run(struct wg_req *req)
{
    const char *extractor = wg_req_text(req, "extractor"), *id = wg_req_text(req, "file_id");
    struct extraction job = {.req = req, .options = wg_req_value(req, "options")};
    if (!is_known(extractor))
        return wg_reply_detail(req, 400, "Unknown extractor: %s", extractor);
    if (!wg_options_testing(&req->app->options) && !wg_options_truth(getenv("USE_MOCK_EXTRACTORS")))
        return wg_reply_detail(req, 500, "Extraction failed: %s is not available", extractor);
    int found = wg_file_find(req, id, &job.input);
    if (found <= 0)
        return found < 0 ? -1 : wg_reply_detail(req, 404, "File not found: %s", id);
    job.from_pdf = strcmp(job.input.file_type, "pdf") == 0;
    if (!job.from_pdf && strcmp(job.input.file_type, "tei") != 0)
        return wg_reply_detail(req, 400,
                               "Extractor %s expects ['pdf', 'xml'] input, but file has type: %s",
                               extractor, job.input.file_type);
    if (!wg_store_exists(&req->app->store, &req->arena, job.input.id, job.input.file_type))
        return wg_reply_detail(req, 404, "Physical file not found for: %s", id);
    if (run_mock(&job) < 0)
        return wg_reply_detail(req, 500, "Extraction failed: %s", req->fail.message);
    if (!job.from_pdf)
        return wg_reply_json(req, 200,
                             json_pack("{s:n,s:n,s:s}", "id", "pdf", "xml", job.result.stable_id));
    return wg_reply_json(req, 200,
                         json_pack("{s:o,s:s,s:s}", "id", wg_json_text(job.input.doc_id), "pdf",
                                   job.input.stable_id, "xml", job.result.stable_id));
}
