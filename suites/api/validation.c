/* SPDX-License-Identifier: MIT */
/*
 * validation.c - POST /validate and /validate/autocomplete-data.
 *
 * Schemas come from the server's cache, into which a test puts its own under a host name that does
 * not exist, so nothing is asked of any network. One schema per directory: the autocomplete data
 * is kept beside it.
 */
#include "suites/api/api.h"

#include "harness/base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define VALIDATE     "/api/v1/validate"
#define AUTOCOMPLETE "/api/v1/validate/autocomplete-data"
#define NO_SCHEMA    "No schema location found in XML document"
#define HOST         "schemas.invalid"

static const char mini_rng[] =
    "<grammar xmlns='http://relaxng.org/ns/structure/1.0'"
    " datatypeLibrary='http://www.w3.org/2001/XMLSchema-datatypes'>"
    "<start><ref name='note'/></start>"
    "<define name='note'><element name='note'>"
    "<attribute name='kind'><choice><value>a</value><value>b</value></choice></attribute>"
    "<zeroOrMore><ref name='item'/></zeroOrMore></element></define>"
    "<define name='item'><element name='item'><text/></element></define></grammar>";

static const char mini_xsd[] =
    "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema' targetNamespace='urn:mini'"
    " elementFormDefault='qualified'>"
    "<xs:element name='note'><xs:complexType><xs:sequence>"
    "<xs:element name='item' type='xs:string'/></xs:sequence></xs:complexType></xs:element>"
    "</xs:schema>";

static struct wg_response *post_xml(const char *path, const char *xml)
{
    return wg_http_post_json(api_anonymous(), path, json_pack("{s:s}", "xml_string", xml));
}

static struct wg_response *validate(const char *xml)
{
    return post_xml(VALIDATE, xml);
}

static struct wg_response *autocomplete(const char *xml)
{
    return post_xml(AUTOCOMPLETE, xml);
}

/* Directory of the cache for documents that name http://schemas.invalid/<nonce>/...; made. */
static char *cache_directory(const char *nonce)
{
    static const char *const parts[] = {"schema", "cache", HOST};
    api_need_data();
    char *path = wg_format("%s", wg_data_dir());
    for (size_t i = 0; i <= sizeof parts / sizeof parts[0]; i++) {
        path = wg_format("%s/%s", path, i < sizeof parts / sizeof parts[0] ? parts[i] : nonce);
        cr_assert(mkdir(path, 0755) == 0 || errno == EEXIST, "mkdir %s", path);
    }
    return path;
}

/* Puts a schema into the cache; the nonce is part of its address. */
static const char *seed(const char *file, const char *schema)
{
    const char *nonce = api_nonce("schema");
    char *path = wg_format("%s/%s", cache_directory(nonce), file);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    cr_assert(ge(int, fd, 0));
    cr_assert(eq(long, write(fd, schema, strlen(schema)), (long)strlen(schema)));
    close(fd);
    return nonce;
}

/* A document that names the RelaxNG schema at an address. */
static char *with_rng(const char *address, const char *root)
{
    return wg_format("<?xml version=\"1.0\"?>\n<?xml-model href=\"%s\" type=\"application/xml\" "
                     "schematypens=\"http://relaxng.org/ns/structure/1.0\"?>\n%s",
                     address, root);
}

static char *with_seeded_rng(const char *schema, const char *root)
{
    return with_rng(wg_format("http://" HOST "/%s/mini.rng", seed("mini.rng", schema)), root);
}

static char *with_seeded_xsd(const char *schema, const char *content)
{
    return wg_format(
        "<note xmlns=\"urn:mini\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
        "xsi:schemaLocation=\"urn:mini http://" HOST "/%s/mini.xsd\">%s</note>",
        seed("mini.xsd", schema), content);
}

static void expect_valid(struct wg_response *response)
{
    wg_expect_status(response, 200);
    wg_expect_json(response, "", json_pack("{s:[]}", "errors"));
}

static void expect_errors(struct wg_response *response)
{
    wg_expect_status(response, 200);
    wg_expect_size(response, "errors", ge, 1);
}

/* ---- Validation ---- */

Test(validation, unclosed_element_is_an_error_with_its_place, .description = "VAL-03 VAL-X05")
{
    struct wg_response *response = validate("<a>\n<b>\n<c></b>\n</a>");

    expect_errors(response);
    wg_expect_size(response, "errors[0].message", ge, 1);
    wg_expect_int(response, "errors[0].line", ge, 1);
    wg_expect_int(response, "errors[0].column", ge, 0);
    wg_expect_null(response, "errors[0].severity");
}

Test(validation, error_is_told_with_its_line, .description = "VAL-X05")
{
    struct wg_response *response = validate("<a>\n<b/>\n<c></d>\n</a>");

    expect_errors(response);
    wg_expect_int(response, "errors[0].line", eq, 3);
}

Test(validation, document_without_schema_has_no_errors, .description = "VAL-04 VAL-X01")
{
    expect_valid(validate("<a><b/></a>"));
}

Test(validation, empty_string_is_refused, .description = "VAL-05")
{
    wg_expect_422(validate(""), "body", "xml_string");
    wg_expect_422(autocomplete(""), "body", "xml_string");
}

Test(validation, field_is_required, .description = "VAL-X02")
{
    struct wg_http *http = api_anonymous();

    wg_expect_422(wg_http_post_json(http, VALIDATE, json_object()), "body", "xml_string");
    wg_expect_422(wg_http_post_json(http, AUTOCOMPLETE, json_object()), "body", "xml_string");
}

Test(validation, schema_that_is_not_http_is_skipped, .description = "VAL-X03")
{
    expect_valid(validate(with_rng("file:///x.rng", "<note/>")));
}

Test(validation, schema_that_cannot_be_fetched_is_told, .description = "VAL-X04")
{
    struct wg_response *response = validate(
        with_rng(wg_format("http://127.0.0.1:9/%s/x.rng", api_nonce("schema")), "<note/>"));

    wg_expect_status(response, 400);
    wg_expect_detail_starts(response, "Failed to download schema");
}

Test(validation, document_that_fits_its_relaxng_is_valid, .description = "VAL-X06")
{
    expect_valid(
        validate(with_seeded_rng(mini_rng, "<note kind=\"a\"><item>one</item><item/></note>")));
}

Test(validation, unknown_element_is_an_error_of_relaxng, .description = "VAL-X07")
{
    expect_errors(validate(with_seeded_rng(mini_rng, "<note kind=\"a\"><other/></note>")));
}

Test(validation, wrong_attribute_value_is_an_error_of_relaxng, .description = "VAL-X07")
{
    expect_errors(validate(with_seeded_rng(mini_rng, "<note kind=\"c\"/>")));
}

Test(validation, document_that_fits_its_xsd_is_valid, .description = "VAL-X08")
{
    expect_valid(validate(with_seeded_xsd(mini_xsd, "<item>x</item>")));
}

Test(validation, missing_element_is_an_error_of_xsd, .description = "VAL-X08")
{
    expect_errors(validate(with_seeded_xsd(mini_xsd, "")));
}

Test(validation, cached_file_that_is_no_schema_is_told, .description = "VAL-X09")
{
    struct wg_response *response =
        validate(with_seeded_rng("<x xmlns=\"urn:other\"/>", "<note kind=\"a\"/>"));

    wg_expect_status(response, 400);
    wg_expect_detail_starts(response, "Unsupported schema namespace");
}

Test(validation, schema_that_does_not_parse_is_told, .description = "VAL-X09")
{
    struct wg_response *response = validate(with_seeded_rng("<grammar", "<note kind=\"a\"/>"));

    wg_expect_status(response, 400);
    wg_expect_detail_starts(response, "Failed to parse schema file");
}

/* ---- Schemas from elsewhere ---- */

/* A server of one file, in a thread of the test: every connection gets the same answer. */
struct source {
    int fd;
    const char *answer;
};

static void *serve_source(void *argument)
{
    const struct source *source = argument;
    for (;;) {
        char request[4096];
        int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return NULL;
        if (read(fd, request, sizeof request) > 0 &&
            write(fd, source->answer, strlen(source->answer)) < 0)
            return NULL;
        close(fd);
    }
}

/* Starts it on a free port; the process ends it. Address of its one file. */
static char *source_of(const char *status, const char *schema)
{
    struct source *source = malloc(sizeof *source);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    pthread_t thread;
    source->answer =
        wg_format("HTTP/1.1 %s\r\nContent-Type: application/xml\r\nContent-Length: %zu\r\n"
                  "Connection: close\r\n\r\n%s",
                  status, strlen(schema), schema);
    source->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert(ge(int, source->fd, 0));
    cr_assert(eq(int, bind(source->fd, (struct sockaddr *)&address, sizeof address), 0));
    cr_assert(eq(int, listen(source->fd, 16), 0));
    cr_assert(eq(int, getsockname(source->fd, (struct sockaddr *)&address, &size), 0));
    cr_assert(eq(int, pthread_create(&thread, NULL, serve_source, source), 0));
    return wg_format("http://127.0.0.1:%d/%s/mini.rng", ntohs(address.sin_port),
                     api_nonce("schema"));
}

Test(validation, schema_is_fetched_and_kept, .description = "VAL-02")
{
    api_need_data(); /* else the server may be on another machine */
    char *address = source_of("200 OK", mini_rng);

    expect_valid(validate(with_rng(address, "<note kind=\"a\"/>")));
    expect_errors(validate(with_rng(address, "<note kind=\"c\"/>")));
    char *kept = wg_format("%s/schema/cache/%s", wg_data_dir(), address + strlen("http://"));
    cr_expect(eq(int, access(kept, R_OK), 0), "%s", kept);
}

Test(validation, schema_that_its_server_does_not_have_is_told, .description = "VAL-X04")
{
    api_need_data();
    struct wg_response *response =
        validate(with_rng(source_of("404 Not Found", "nothing"), "<note kind=\"a\"/>"));

    wg_expect_status(response, 400);
    wg_expect_detail_starts(response, "Failed to download schema");
}

Test(autocomplete, schema_is_fetched, .description = "VAL-06")
{
    api_need_data();
    struct wg_response *response = autocomplete(with_rng(source_of("200 OK", mini_rng), "<note/>"));

    wg_expect_status(response, 200);
    wg_expect_present(response, "data.note");
}

/* ---- Autocomplete data ---- */

/* What a value of the data stands for: a string of keys is looked up and its parts merged. */
static json_t *resolve(const json_t *data, json_t *value)
{
    if (!json_is_string(value))
        return value;
    json_t *merged = NULL;
    char *keys = wg_format("%s", json_string_value(value)), *rest = NULL;
    for (char *key = strtok_r(keys, " ", &rest); key != NULL; key = strtok_r(NULL, " ", &rest)) {
        json_t *part = resolve(data, json_object_get(data, key));
        if (part == NULL)
            return value;
        if (merged == NULL)
            merged = json_deep_copy(part);
        else if (json_is_object(part))
            json_object_update(merged, part);
        else
            json_array_extend(merged, part);
    }
    return merged;
}

static json_t *member(struct wg_response *response, json_t *object, const char *key)
{
    return resolve(wg_require_json(response, "data"), json_object_get(object, key));
}

Test(autocomplete, document_without_schema_is_refused, .description = "VAL-07 VAL-X10")
{
    wg_expect_error(autocomplete("<a/>"), 400, NO_SCHEMA);
}

Test(autocomplete, broken_document_is_no_syntax_error, .description = "VAL-X15")
{
    wg_expect_error(autocomplete("<a><b>"), 400, NO_SCHEMA);
}

Test(autocomplete, location_must_be_http, .description = "VAL-X11")
{
    struct wg_response *response = autocomplete(with_rng("file:///x.rng", "<note/>"));

    wg_expect_status(response, 400);
    wg_expect_detail_starts(response, "Schema location must start with 'http'");
}

Test(autocomplete, elements_have_children_and_attribute_values, .description = "VAL-X12")
{
    struct wg_response *response = autocomplete(with_seeded_rng(mini_rng, "<note/>"));
    wg_expect_status(response, 200);

    json_t *note = member(response, wg_require_json(response, "data"), "note");
    json_t *attributes = member(response, note, "attrs");
    json_t *kind = member(response, attributes, "kind");
    json_t *values = json_is_object(kind) ? member(response, kind, "values") : kind;

    cr_expect(api_has(member(response, note, "children"), "item"));
    cr_expect(json_equal(values, json_pack("[s, s]", "a", "b")));
}

Test(autocomplete, global_attributes_are_added, .description = "VAL-X12")
{
    struct wg_response *response = autocomplete(with_seeded_rng(mini_rng, "<note/>"));
    wg_expect_status(response, 200);

    json_t *item = member(response, wg_require_json(response, "data"), "item");
    json_t *attributes = member(response, item, "attrs");

    cr_expect(json_object_get(attributes, "xml:id") != NULL);
    cr_expect(json_object_get(attributes, "corresp") != NULL);
    json_t *space = member(response, attributes, "xml:space");
    cr_expect(
        api_has(json_is_object(space) ? member(response, space, "values") : space, "preserve"));
}

Test(autocomplete, result_is_kept_beside_the_schema, .description = "VAL-X13")
{
    const char *nonce = seed("mini.rng", mini_rng);
    char *xml = with_rng(wg_format("http://" HOST "/%s/mini.rng", nonce), "<note/>");
    struct wg_response *first = autocomplete(xml);
    wg_expect_status(first, 200);

    char *kept = wg_format("%s/codemirror-autocomplete.json", cache_directory(nonce));
    cr_expect(eq(int, access(kept, R_OK), 0));
    struct wg_response *second = autocomplete(xml);
    wg_expect_json(second, "", json_incref(wg_response_json(first)));
}

Test(autocomplete, needs_a_relaxng_schema, .description = "VAL-X14")
{
    struct wg_response *response = autocomplete(with_seeded_xsd(mini_xsd, "<item/>"));

    wg_expect_status(response, 400);
    wg_expect_detail_starts(response, "Autocomplete generation only supported");
}
