/* SPDX-License-Identifier: MIT */
/* report_junit.c - JUnit XML is valid and says what happened, whatever a test printed. */
#include "harness/base/json.h"
#include "harness/report/junit.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <libxml/parser.h>
#include <libxml/xmlschemas.h>
#include <libxml/xpath.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void add_try(struct wg_model *model, const char *outcome, const char *output, int number,
                    bool retried)
{
    json_t *event =
        json_pack("{s:s, s:i, s:s, s:s, s:f, s:s, s:s, s:i, s:[{s:s, s:i, s:s}]}", "mode", "suite",
                  "round", 1, "test", "files/it's \"<here>\" & there", "outcome", outcome, "ms",
                  1.5, "reason", "because", "file", "a.c", "line", 3, "messages", "file", "a.c",
                  "line", 7, "message", "1 < 2 & \x01");
    json_object_set_new(event, "output", wg_json_string_new(output, strlen(output)));
    json_object_set_new(event, "try", json_integer(number));
    json_object_set_new(event, "retried", json_boolean(retried));
    wg_model_apply(model, WG_EVENT_TEST_FINISHED, event);
    json_decref(event);
}

static void add(struct wg_model *model, const char *outcome, const char *output)
{
    add_try(model, outcome, output, 1, false);
}

/* Ends the model. */
static xmlDoc *parse_report(struct wg_model *model)
{
    char path[] = "/tmp/walgrind-unit-junit-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    cr_assert(eq(int, wg_junit_write(model, path, NULL), 0));
    wg_model_finish(model);
    xmlDoc *document = xmlReadFile(path, NULL, XML_PARSE_NONET);
    unlink(path);
    close(fd);
    cr_assert(document != NULL, "not well-formed");
    return document;
}

/* Writes a report over one test of each kind of outcome and parses it. */
static xmlDoc *write_and_parse(void)
{
    struct wg_model model;
    json_t *started = json_pack("{s:s}", "wall", "2026-01-31T01:02:03.456789Z");
    wg_model_init(&model);
    wg_model_apply(&model, WG_EVENT_RUN_STARTED, started);
    add(&model, "passed", "plain");
    add(&model, "failed", "\x1b[31mred\x1b[0m ]]> \xff \xef\xbf\xbf");
    add(&model, "crashed", "");
    add(&model, "timeout", "");
    add(&model, "skipped", "");
    add_try(&model, "failed", "first of a flaky one", 1, true);
    add_try(&model, "crashed", "second of it", 2, true);
    add_try(&model, "flaky", "third of it", 3, false);
    add_try(&model, "crashed", "first of one that never passed", 1, true);
    add_try(&model, "failed", "second of it, too", 2, false);
    json_decref(started);
    return parse_report(&model);
}

/* A whole run of one test that passed, with one more event. */
static xmlDoc *write_passed_with(enum wg_event_kind kind, const char *text)
{
    static const struct {
        enum wg_event_kind kind;
        const char *text;
    } events[] = {{WG_EVENT_RUN_STARTED, "{\"wall\":\"2026-01-31T01:02:03.4Z\"}"},
                  {WG_EVENT_ROUND_STARTED, "{\"mode\":\"none\",\"round\":1,\"tests\":1}"},
                  {WG_EVENT_TEST_FINISHED,
                   "{\"mode\":\"none\",\"round\":1,\"test\":\"a/b\",\"outcome\":\"passed\"}"},
                  {WG_EVENT_ROUND_FINISHED, "{\"mode\":\"none\",\"round\":1,\"ms\":5.0}"},
                  {WG_EVENT_RUN_FINISHED, "{\"ms\":9.0}"}};
    struct wg_model model;
    wg_model_init(&model);
    for (size_t i = 0; i <= sizeof events / sizeof events[0]; i++) {
        bool more = i == sizeof events / sizeof events[0];
        json_t *event = json_loads(more ? text : events[i].text, 0, NULL);
        wg_model_apply(&model, more ? kind : events[i].kind, event);
        json_decref(event);
    }
    return parse_report(&model);
}

static int count_of(xmlDoc *document, const char *expression)
{
    xmlXPathContext *context = xmlXPathNewContext(document);
    xmlXPathObject *result = xmlXPathEvalExpression(BAD_CAST expression, context);
    int count = result->nodesetval ? result->nodesetval->nodeNr : 0;
    xmlXPathFreeObject(result);
    xmlXPathFreeContext(context);
    return count;
}

/* Ends the document. */
static void expect_valid(xmlDoc *document)
{
    xmlSchemaParserCtxt *parser = xmlSchemaNewParserCtxt(WG_TEST_JUNIT_SCHEMA);
    xmlSchema *schema = xmlSchemaParse(parser);
    cr_assert(schema != NULL);
    xmlSchemaValidCtxt *validation = xmlSchemaNewValidCtxt(schema);

    cr_expect(eq(int, xmlSchemaValidateDoc(validation, document), 0));

    xmlSchemaFreeValidCtxt(validation);
    xmlSchemaFree(schema);
    xmlSchemaFreeParserCtxt(parser);
    xmlFreeDoc(document);
}

Test(junit, report_is_valid_against_the_common_schema)
{
    expect_valid(write_and_parse());
}

static const char probed[] = "{\"lost\":1,\"not_covered\":[\"/bin/a: it is a Go program\"]}";

Test(junit, what_was_not_seen_is_a_case_that_was_skipped)
{
    xmlDoc *document = write_passed_with(WG_EVENT_PROBED, probed);
    cr_expect(eq(int, count_of(document, "/testsuites[@tests=2][@failures=0][@skipped=1]"), 1));
    cr_expect(eq(int, count_of(document, "//testsuite[@name='probe'][@tests=1][@skipped=1]"), 1));
    cr_expect(eq(int,
                 count_of(document, "//testcase[@name='not covered']/skipped[contains(@message, "
                                    "'/bin/a: it is a Go program; 1 records')]"),
                 1));
    xmlFreeDoc(document);
}

Test(junit, it_is_valid_too)
{
    expect_valid(write_passed_with(WG_EVENT_PROBED, probed));
}

static void add_named(struct wg_model *model, const char *mode, size_t number, const char *outcome,
                      bool retried)
{
    char name[32];
    snprintf(name, sizeof name, "suite/test_%zu", number);
    json_t *event = json_pack("{s:s, s:i, s:s, s:s, s:b, s:i}", "mode", mode, "round", 1, "test",
                              name, "outcome", outcome, "retried", retried, "try", retried ? 1 : 2);
    wg_model_apply(model, WG_EVENT_TEST_FINISHED, event);
    json_decref(event);
}

/* CPU seconds for a run of `count` tests that pass when isolated and fail twice in the swarm. */
static double cost_of(size_t count)
{
    struct timespec begin, end;
    struct wg_model model;
    wg_model_init(&model);
    for (size_t i = 0; i < count; i++)
        add_named(&model, "suite", i, "passed", false);
    for (size_t i = 0; i < 2 * count; i++)
        add_named(&model, "none", i % count, "failed", i < count);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    xmlFreeDoc(parse_report(&model));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    return (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
}

/* Eight times the tests may take twenty times the time, not sixty-four. */
Test(junit, ten_thousand_tests_with_retries_take_time_in_proportion)
{
    double small = cost_of(1250), large = cost_of(10000);
    cr_log_info("%.3f s, %.3f s", small, large);
    cr_expect(lt(dbl, large, 20 * small));
}

Test(junit, each_outcome_is_told_in_its_element)
{
    xmlDoc *document = write_and_parse();
    cr_expect(eq(int, count_of(document, "//testcase"), 7));
    cr_expect(eq(int, count_of(document, "//failure[@type='failed']"), 2));
    cr_expect(eq(int, count_of(document, "//error[@type='crashed']"), 1));
    cr_expect(eq(int, count_of(document, "//error[@type='timeout']"), 1));
    cr_expect(eq(int, count_of(document, "//skipped"), 1));
    cr_expect(eq(
        int, count_of(document, "/testsuites[@tests=7][@failures=2][@errors=2][@skipped=1]"), 1));
    xmlFreeDoc(document);
}

Test(junit, tries_are_told_as_reruns_and_flaky_ones)
{
    xmlDoc *document = write_and_parse();
    cr_expect(eq(int, count_of(document, "//testcase[flakyFailure][flakyError]"), 1));
    cr_expect(eq(int,
                 count_of(document, "//testcase[not(failure)][not(error)]/flakyFailure"
                                    "[system-out='first of a flaky one'][@type='failed']"),
                 1));
    cr_expect(eq(int, count_of(document, "//testcase[failure]/rerunError[@type='crashed']"), 1));
    cr_expect(eq(int, count_of(document, "//rerunFailure | //rerunError"), 1));
    cr_expect(eq(int, count_of(document, "//*[contains(stackTrace, 'because')]"), 3));
    xmlFreeDoc(document);
}

Test(junit, names_and_output_survive_with_all_their_special_characters)
{
    xmlDoc *document = write_and_parse();
    cr_expect(eq(int, count_of(document, "//testcase[contains(@name, '<here>')]"), 7));
    cr_expect(eq(int, count_of(document, "//system-out[contains(., ']]>')]"), 1));
    cr_expect(eq(int, count_of(document, "//failure[contains(., 'a.c:7: 1 < 2 &')]"), 2));
    xmlFreeDoc(document);
}

Test(junit, run_that_fails_without_a_failed_test_is_not_green)
{
    xmlDoc *document = write_passed_with(WG_EVENT_EVIDENCE,
                                         "{\"class\":\"model\",\"message\":\"one row is lost\"}");
    cr_expect(eq(int, count_of(document, "/testsuites[@tests=2][@failures=1][@errors=0]"), 1));
    cr_expect(eq(int, count_of(document, "//testcase[@name='verdict']/failure[@type='FAIL']"), 1));
    cr_expect(eq(int, count_of(document, "//failure[contains(., 'one row is lost')]"), 1));
    xmlFreeDoc(document);

    document = write_passed_with(WG_EVENT_INTERNAL_ERROR, "{\"message\":\"no room\"}");
    cr_expect(eq(int, count_of(document, "/testsuites[@tests=2][@failures=0][@errors=1]"), 1));
    cr_expect(eq(int, count_of(document, "//testcase[@name='verdict']/error"), 1));
    xmlFreeDoc(document);

    document = write_passed_with(WG_EVENT_EVIDENCE, "{\"class\":\"busy\"}");
    cr_expect(eq(int, count_of(document, "/testsuites[@tests=1][@failures=0][@errors=0]"), 1));
    cr_expect(eq(int, count_of(document, "//testcase"), 1));
    xmlFreeDoc(document);
}
