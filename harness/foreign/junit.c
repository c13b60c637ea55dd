/* SPDX-License-Identifier: MIT */
#include "harness/foreign/junit.h"

#include "harness/base/buf.h"
#include "harness/base/limit.h"
#include "harness/base/str.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xmlerror.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_element(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

/* The caller frees it; "" when there is none. */
static char *attribute(xmlNode *node, const char *name)
{
    xmlChar *value = xmlGetNoNsProp(node, BAD_CAST name);
    char *text = wg_strdup(value ? (const char *)value : "");
    xmlFree(value);
    return text;
}

/* Seconds as "1.5", with "," between thousands as Ant writes them. */
static double milliseconds(xmlNode *node)
{
    char *text = attribute(node, "time");
    char *to = text;
    for (const char *from = text; *from; from++)
        if (*from != ',')
            *to++ = *from;
    *to = '\0';
    double seconds = strtod(text, NULL);
    free(text);
    return isfinite(seconds) && seconds > 0 ? 1000 * seconds : 0;
}

static void append_trimmed(struct wg_buf *out, const char *text)
{
    text += strspn(text, "\r\n");
    size_t size = strlen(text);
    while (size > 0 && strchr(" \t\r\n", text[size - 1]))
        size--;
    if (size == 0)
        return;
    if (out->size > 0)
        wg_buf_puts(out, "\n");
    wg_buf_append(out, text, size);
}

static void append_content(struct wg_buf *out, xmlNode *node)
{
    xmlChar *content = xmlNodeGetContent(node);
    if (content)
        append_trimmed(out, (const char *)content);
    xmlFree(content);
}

/* The attribute and the text inside, which often begins with it. */
static void append_failure(struct wg_buf *out, xmlNode *node)
{
    char *message = attribute(node, "message");
    xmlChar *content = xmlNodeGetContent(node);
    bool repeated = content && message[0] && strstr((const char *)content, message);
    if (!repeated)
        append_trimmed(out, message);
    if (content)
        append_trimmed(out, (const char *)content);
    if (out->size == 0) {
        char *type = attribute(node, "type");
        append_trimmed(out, type[0] ? type : "without a message");
        free(type);
    }
    xmlFree(content);
    free(message);
}

/* "true" is what node writes where nothing was said. */
static void take_skipped(struct wg_foreign_result *result, xmlNode *node)
{
    char *message = attribute(node, "message");
    char *type = attribute(node, "type");
    bool said = message[0] && strcmp(message, "true") != 0;
    wg_foreign_result_set(&result->reason, said ? message : type[0] ? type : "skipped");
    result->reason[strcspn(result->reason, "\n")] = '\0';
    free(message);
    free(type);
}

static void decide(struct wg_foreign_result *result, bool skipped, const struct wg_buf *message,
                   int flaky)
{
    if (message->size > 0) {
        result->outcome = WG_OUTCOME_FAILED;
        wg_foreign_result_set(&result->message, message->data);
        wg_foreign_result_set(&result->reason, "");
    } else if (skipped) {
        result->outcome = WG_OUTCOME_SKIPPED;
    } else if (flaky > 0) {
        result->outcome = WG_OUTCOME_FLAKY;
        free(result->reason);
        result->reason = wg_format("failed %d times before it passed", flaky);
    }
}

static void take_children(struct wg_foreign_result *result, xmlNode *test)
{
    struct wg_buf message, output;
    bool skipped = false;
    int flaky = 0;
    wg_buf_init(&message, WG_LIMIT_MESSAGE);
    wg_buf_init(&output, WG_LIMIT_TEST_OUTPUT);
    for (xmlNode *node = test->children; node; node = node->next) {
        if (is_element(node, "failure") || is_element(node, "error")) {
            append_failure(&message, node);
        } else if (is_element(node, "skipped")) {
            skipped = true;
            take_skipped(result, node);
        } else if (is_element(node, "flakyFailure") || is_element(node, "flakyError")) {
            flaky++;
        } else if (is_element(node, "system-out") || is_element(node, "system-err")) {
            append_content(&output, node);
        }
    }
    decide(result, skipped, &message, flaky);
    wg_foreign_result_set(&result->output, output.data);
    wg_buf_finish(&message);
    wg_buf_finish(&output);
}

/* The first slash of a name ends its suite. */
static char *full_name(xmlNode *test, const char *suites)
{
    char *class = attribute(test, "classname");
    char *name = attribute(test, "name");
    bool says_nothing = class[0] == '\0' || strcmp(class, "test") == 0;
    char *suite = wg_strdup(!says_nothing ? class : suites[0] ? suites : WG_FOREIGN_SUITE);
    for (char *at = suite; *at; at++)
        if (*at == '/')
            *at = '.';
    char *full = wg_format("%s/%s", suite, name[0] ? name : "without a name");
    free(suite);
    free(name);
    free(class);
    return full;
}

static int take_test(xmlNode *test, const char *suites, struct wg_foreign_results *results,
                     struct wg_err *err)
{
    struct wg_foreign_result result;
    char *name = full_name(test, suites);
    char *line = attribute(test, "line");
    char *file = attribute(test, "file");
    wg_foreign_result_init(&result, name);
    wg_foreign_result_set(&result.file, file);
    result.ms = milliseconds(test);
    if (wg_str_to_long(line, 0, 1000000000, &result.line) != 0)
        result.line = 0;
    take_children(&result, test);
    free(name);
    free(line);
    free(file);
    return wg_foreign_results_take(results, &result, err);
}

/* libxml2 itself ends at a depth of 256. */
static int take_suite(xmlNode *suite, const char *around, struct wg_foreign_results *results,
                      struct wg_err *err)
{
    int rc = 0;
    char *name = attribute(suite, "name");
    bool named = is_element(suite, "testsuite") && name[0];
    char *suites = wg_format("%s%s%s", around, around[0] && named ? "." : "", named ? name : "");
    for (xmlNode *node = suite->children; rc == 0 && node; node = node->next) {
        if (is_element(node, "testcase"))
            rc = take_test(node, suites, results, err);
        else if (is_element(node, "testsuite"))
            rc = take_suite(node, suites, results, err);
    }
    free(suites);
    free(name);
    return rc;
}

static int take_document(xmlDoc *document, const char *path, struct wg_foreign_results *results,
                         struct wg_err *err)
{
    xmlNode *root = xmlDocGetRootElement(document);
    if (document->intSubset)
        return wg_err_set(err, WG_ERR_FORMAT, "%s: has a document type declaration", path);
    if (!root || (!is_element(root, "testsuites") && !is_element(root, "testsuite")))
        return wg_err_set(err, WG_ERR_FORMAT, "%s: is no JUnit XML: it begins with <%s>", path,
                          root ? (const char *)root->name : "");
    return take_suite(root, "", results, err);
}

int wg_junit_read(const char *path, struct wg_foreign_results *results, struct wg_err *err)
{
    struct stat st;
    int rc = -1;
    if (stat(path, &st) != 0)
        return wg_err_errno(err, "open %s", path);
    if (st.st_size > (off_t)WG_LIMIT_JUNIT_FILE)
        return wg_err_set(err, WG_ERR_LIMIT, "%s is longer than %u bytes", path,
                          WG_LIMIT_JUNIT_FILE);
    xmlParserCtxt *parser = xmlNewParserCtxt();
    if (!parser)
        abort();
    xmlDoc *document = xmlCtxtReadFile(parser, path, NULL,
                                       XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    const xmlError *error = xmlCtxtGetLastError(parser);
    if (document) {
        rc = take_document(document, path, results, err);
    } else {
        const char *text = error && error->message ? error->message : "cannot be read";
        wg_err_set(err, WG_ERR_FORMAT, "%s:%d: %.*s", path, error ? error->line : 0,
                   (int)strcspn(text, "\n"), text);
    }
    xmlFreeDoc(document);
    xmlFreeParserCtxt(parser);
    return rc;
}
