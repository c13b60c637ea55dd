/* SPDX-License-Identifier: MIT */
#include "harness/report/junit.h"

#include "harness/base/buf.h"
#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/base/str.h"
#include "harness/report/failure.h"
#include "harness/report/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <libxml/xmlwriter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One <testsuite>: the finished tests of one suite in one round of one mode. */
struct group {
    char name[WG_LIMIT_TEST_NAME + 32];
    const json_t **tests;
    size_t count, room;
    int failures, errors, skipped;
    double ms;
};

/* Tries of one test that are told. */
#define TRIES_MAX 128

/* One that another followed. */
struct
try {
    const json_t *event;
    size_t place; /* in the record */
    bool given;   /* stands in the document */
};

struct document {
    xmlTextWriter *writer;
    const struct wg_model *model;
    struct try *tries; /* model->retried, sorted */
};

static int compare_numbers(const json_t *left, const json_t *right, const char *member,
                           int64_t fallback)
{
    int64_t a = wg_json_int(left, member, fallback), b = wg_json_int(right, member, fallback);
    return (a > b) - (a < b);
}

/* Where an outcome goes: the element, NULL for none. */
static const char *element_of(enum wg_outcome outcome)
{
    switch (outcome) {
    case WG_OUTCOME_PASSED:
    case WG_OUTCOME_FLAKY: return NULL;
    case WG_OUTCOME_SKIPPED: return "skipped";
    case WG_OUTCOME_FAILED: return "failure";
    default: return "error";
    }
}

/*
 * The text as XML 1.0 allows it (section 2.2 of the recommendation): no control characters but tab
 * and newline, no U+FFFE, U+FFFF. Input is UTF-8 from a JSON string, so it holds no surrogates.
 */
static char *xml_text(const char *text)
{
    struct wg_buf clean;
    wg_buf_init(&clean, 4 * strlen(text) + 1);
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        bool control = *at < 0x20 && *at != '\t' && *at != '\n';
        bool nonchar = at[0] == 0xef && at[1] == 0xbf && (at[2] == 0xbe || at[2] == 0xbf);
        if (control || nonchar) {
            wg_buf_puts(&clean, "\xef\xbf\xbd");
            at += nonchar ? 2 : 0;
        } else {
            wg_buf_append(&clean, at, 1);
        }
    }
    return wg_buf_steal(&clean);
}

static void attribute(xmlTextWriter *writer, const char *name, const char *value)
{
    char *clean = xml_text(value);
    xmlTextWriterWriteAttribute(writer, BAD_CAST name, BAD_CAST clean);
    free(clean);
}

static void attribute_number(xmlTextWriter *writer, const char *name, long long value)
{
    xmlTextWriterWriteFormatAttribute(writer, BAD_CAST name, "%lld", value);
}

static void attribute_seconds(xmlTextWriter *writer, const char *name, double ms)
{
    xmlTextWriterWriteFormatAttribute(writer, BAD_CAST name, "%.6f", ms / 1000);
}

static void element_text(xmlTextWriter *writer, const char *name, const char *text)
{
    char *clean = xml_text(text);
    xmlTextWriterWriteElement(writer, BAD_CAST name, BAD_CAST clean);
    free(clean);
}

/* The words of a failure: all of them, and in `ret_line` the first line. The caller frees both. */
static char *words_of(const struct wg_model *model, const json_t *test, char **ret_line)
{
    struct wg_buf text;
    wg_buf_init(&text, WG_LIMIT_TEST_OUTPUT);
    wg_failure_describe(model, test, &text);
    *ret_line = wg_strndup(text.data, strcspn(text.data, "\n"));
    return wg_buf_steal(&text);
}

/* "failure", "error" or "skipped" of the try that counts. */
static void write_problem(const struct document *document, const char *element, const json_t *test)
{
    enum wg_outcome outcome = wg_outcome_of(wg_json_str(test, "outcome", ""));
    char *line, *text = words_of(document->model, test, &line);
    xmlTextWriterStartElement(document->writer, BAD_CAST element);
    attribute(document->writer, "message", line);
    if (outcome != WG_OUTCOME_SKIPPED) {
        char *clean = xml_text(text);
        attribute(document->writer, "type", wg_outcome_name(outcome));
        xmlTextWriterWriteString(document->writer, BAD_CAST clean);
        free(clean);
    }
    xmlTextWriterEndElement(document->writer);
    free(line);
    free(text);
}

/* A try beside the one that counts: "rerunFailure", "flakyError" and the like. */
static void write_try(const struct document *document, const char *element, const json_t *test)
{
    const char *output = wg_json_str(test, "output", "");
    char *line, *text = words_of(document->model, test, &line);
    xmlTextWriterStartElement(document->writer, BAD_CAST element);
    attribute(document->writer, "message", line);
    attribute(document->writer, "type", wg_json_str(test, "outcome", ""));
    element_text(document->writer, "stackTrace", text);
    if (output[0])
        element_text(document->writer, "system-out", output);
    xmlTextWriterEndElement(document->writer);
    free(line);
    free(text);
}

/* By test, mode, round and number; then in the order of the record. */
static int compare_tries(const void *a, const void *b)
{
    const struct try *left = a, *right = b;
    int order = strcmp(wg_json_str(left->event, "test", ""), wg_json_str(right->event, "test", ""));
    if (order == 0)
        order = strcmp(wg_json_str(left->event, "mode", ""), wg_json_str(right->event, "mode", ""));
    if (order == 0)
        order = compare_numbers(left->event, right->event, "round", 0);
    if (order == 0)
        order = compare_numbers(left->event, right->event, "try", 1);
    return order != 0 ? order : (left->place > right->place) - (left->place < right->place);
}

/* The tries before the last of all tests, sorted. */
static struct try *sort_tries(const struct wg_model *model)
{
    struct try *tries = wg_calloc(model->retried.count + 1, sizeof *tries);
    for (size_t i = 0; i < model->retried.count; i++)
        tries[i] = (struct try){.event = model->retried.items[i], .place = i};
    qsort(tries, model->retried.count, sizeof *tries, compare_tries);
    return tries;
}

/* Where the tries of a test begin. */
static size_t first_try(const struct document *document, const json_t *test)
{
    size_t low = 0, high = document->model->retried.count;
    json_t *first =
        json_pack("{s:O?, s:O?, s:O?, s:i}", "test", json_object_get(test, "test"), "mode",
                  json_object_get(test, "mode"), "round", json_object_get(test, "round"), "try", 0);
    const struct try wanted = {.event = first};
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_tries(&document->tries[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    json_decref(first);
    return low;
}

static bool is_try_of(const json_t *event, const json_t *test)
{
    return compare_numbers(event, test, "round", 0) == 0 &&
           strcmp(wg_json_str(event, "mode", ""), wg_json_str(test, "mode", "")) == 0 &&
           strcmp(wg_json_str(event, "test", ""), wg_json_str(test, "test", "")) == 0;
}

/* All tries of a test, the last being `test` itself. Copies of a test that ran at once have tries
 * of the same numbers: each is given away once. */
static size_t find_tries(struct document *document, const json_t *test, const json_t **tries)
{
    size_t count = 0;
    int64_t number = 1, last = wg_json_int(test, "try", 1);
    for (size_t i = last > 1 ? first_try(document, test) : SIZE_MAX;
         i < document->model->retried.count && count + 1 < TRIES_MAX && number < last; i++) {
        struct try *each = &document->tries[i];
        if (!is_try_of(each->event, test))
            break;
        if (each->given || wg_json_int(each->event, "try", 1) < number)
            continue;
        each->given = true;
        tries[count++] = each->event;
        number = wg_json_int(each->event, "try", 1) + 1;
    }
    tries[count++] = test;
    return count;
}

/*
 * Surefire's elements, in the order of its schema. The last try counts, the ones before it are
 * reruns; of one that passed in the end they are flaky.
 */
static void write_tries(struct document *document, const json_t *test)
{
    static const struct {
        const char *element, *rerun, *flaky;
    } kinds[] = {{"failure", "rerunFailure", "flakyFailure"},
                 {"skipped", NULL, NULL},
                 {"error", "rerunError", "flakyError"}};
    const json_t *tries[TRIES_MAX];
    size_t count = find_tries(document, test, tries);
    bool passed = !element_of(wg_outcome_of(wg_json_str(test, "outcome", "")));
    for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++)
        for (size_t i = 0; i < count; i++) {
            const char *element = element_of(wg_outcome_of(wg_json_str(tries[i], "outcome", "")));
            if (!element || strcmp(element, kinds[kind].element) != 0)
                continue;
            if (i + 1 == count)
                write_problem(document, element, tries[i]);
            else if (kinds[kind].rerun)
                write_try(document, passed ? kinds[kind].flaky : kinds[kind].rerun, tries[i]);
        }
}

static void write_case(struct document *document, const json_t *test)
{
    xmlTextWriter *writer = document->writer;
    const char *name = wg_json_str(test, "test", "");
    const char *slash = strchr(name, '/');
    const char *output = wg_json_str(test, "output", "");
    xmlTextWriterStartElement(writer, BAD_CAST "testcase");
    attribute(writer, "name", slash ? slash + 1 : name);
    char *class_name = wg_strndup(name, slash ? (size_t)(slash - name) : 0);
    attribute(writer, "classname", class_name);
    free(class_name);
    attribute_seconds(writer, "time", wg_json_real(test, "ms", 0));
    attribute(writer, "file", wg_json_str(test, "file", ""));
    attribute_number(writer, "line", (long long)wg_json_int(test, "line", 0));
    write_tries(document, test);
    if (output[0])
        element_text(writer, "system-out", output);
    xmlTextWriterEndElement(writer);
}

static void start_suite(xmlTextWriter *writer, const struct group *group, const char *timestamp)
{
    xmlTextWriterStartElement(writer, BAD_CAST "testsuite");
    attribute(writer, "name", group->name);
    attribute_number(writer, "tests", (long long)group->count);
    attribute_number(writer, "failures", group->failures);
    attribute_number(writer, "errors", group->errors);
    attribute_number(writer, "skipped", group->skipped);
    attribute_seconds(writer, "time", group->ms);
    attribute(writer, "timestamp", timestamp);
    attribute(writer, "hostname", "localhost");
}

static void write_group(struct document *document, const struct group *group, const char *timestamp)
{
    start_suite(document->writer, group, timestamp);
    for (size_t i = 0; i < group->count; i++)
        write_case(document, group->tests[i]);
    xmlTextWriterEndElement(document->writer);
}

static void group_name(const json_t *test, char *name, size_t size)
{
    const char *full_name = wg_json_str(test, "test", "");
    snprintf(name, size, "%s.%lld.%.*s", wg_json_str(test, "mode", ""),
             (long long)wg_json_int(test, "round", 0), (int)strcspn(full_name, "/"), full_name);
}

static struct group *find_group(struct group *groups, size_t *count, const char *name)
{
    for (size_t i = *count; i > 0; i--)
        if (strcmp(groups[i - 1].name, name) == 0)
            return &groups[i - 1];
    struct group *group = &groups[(*count)++];
    snprintf(group->name, sizeof group->name, "%s", name);
    return group;
}

static size_t make_groups(const struct wg_model *model, struct group *groups)
{
    size_t count = 0;
    for (size_t i = 0; i < model->finished.count; i++) {
        const json_t *test = model->finished.items[i];
        char name[sizeof groups->name];
        group_name(test, name, sizeof name);
        struct group *group = find_group(groups, &count, name);
        if (group->count == group->room) {
            group->room = group->room ? 2 * group->room : 16;
            group->tests = wg_realloc(group->tests, group->room * sizeof *group->tests);
        }
        group->tests[group->count++] = test;
        const char *element = element_of(wg_outcome_of(wg_json_str(test, "outcome", "")));
        group->failures += element && strcmp(element, "failure") == 0;
        group->errors += element && strcmp(element, "error") == 0;
        group->skipped += element && strcmp(element, "skipped") == 0;
        group->ms += wg_json_real(test, "ms", 0);
    }
    return count;
}

/* A test case that is none of a suite's; the schema wants a place all the same. */
static void start_own_case(xmlTextWriter *writer, const char *name, const char *class_name)
{
    xmlTextWriterStartElement(writer, BAD_CAST "testcase");
    attribute(writer, "name", name);
    attribute(writer, "classname", class_name);
    attribute_seconds(writer, "time", 0);
    attribute(writer, "file", "");
    attribute_number(writer, "line", 0);
}

/* What the probe did not see is a test case that was skipped. */
static void write_gaps(xmlTextWriter *writer, const struct wg_strv *gaps)
{
    struct wg_buf text;
    wg_buf_init(&text, WG_LIMIT_TEST_OUTPUT);
    for (size_t i = 0; i < gaps->count; i++)
        wg_buf_printf(&text, "%s%s", i > 0 ? "; " : "", gaps->items[i]);
    start_own_case(writer, "not covered", "probe");
    xmlTextWriterStartElement(writer, BAD_CAST "skipped");
    attribute(writer, "message", text.data);
    xmlTextWriterEndElement(writer);
    xmlTextWriterEndElement(writer);
    wg_buf_finish(&text);
}

/* A run that fails by a finding must not look green to who reads JUnit XML alone: each finding that
 * fails the run is a test case that failed. */
static void write_findings(xmlTextWriter *writer, const struct wg_model *model,
                           const struct wg_strv *gaps, const char *timestamp)
{
    if (model->findings.count == 0 && gaps->count == 0)
        return;
    struct group group = {.name = "probe", .skipped = gaps->count > 0};
    for (size_t i = 0; i < model->findings.count; i++)
        group.failures += wg_json_bool(model->findings.items[i], "fails", true);
    group.count = model->findings.count + (size_t)group.skipped;
    start_suite(writer, &group, timestamp);
    for (size_t i = 0; i < model->findings.count; i++) {
        const json_t *finding = model->findings.items[i];
        char *name = wg_format("finding %zu: %s", i + 1, wg_json_str(finding, "title", ""));
        bool fails = wg_json_bool(finding, "fails", true);
        start_own_case(writer, name, "probe");
        if (fails) {
            xmlTextWriterStartElement(writer, BAD_CAST "failure");
            attribute(writer, "message", wg_json_str(finding, "title", ""));
            attribute(writer, "type", wg_json_str(finding, "id", ""));
            char *clean = xml_text(wg_json_str(finding, "text", ""));
            xmlTextWriterWriteString(writer, BAD_CAST clean);
            xmlTextWriterEndElement(writer);
            free(clean);
        } else {
            element_text(writer, "system-out", wg_json_str(finding, "text", ""));
        }
        xmlTextWriterEndElement(writer);
        free(name);
    }
    if (gaps->count > 0)
        write_gaps(writer, gaps);
    xmlTextWriterEndElement(writer);
}

static char *summary_of(const struct wg_model *model)
{
    const struct wg_summary_options plain = {0};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    wg_summary_print(model, &plain, out);
    fclose(out);
    return text;
}

/* Evidence, a broken database, a flaky test or an error of the runner can fail a run in which every
 * test passed: then the verdict is a test case. */
static void write_verdict(xmlTextWriter *writer, const struct wg_model *model,
                          const struct group *group, const char *timestamp)
{
    const char *verdict = wg_verdict_name(wg_model_verdict(model));
    char *summary = summary_of(model), *clean = xml_text(summary);
    char *line = wg_format("verdict: %s, no test failed", verdict);
    start_suite(writer, group, timestamp);
    start_own_case(writer, "verdict", "walgrind");
    xmlTextWriterStartElement(writer, BAD_CAST(group->failures ? "failure" : "error"));
    attribute(writer, "message", line);
    attribute(writer, "type", verdict);
    xmlTextWriterWriteString(writer, BAD_CAST clean);
    xmlTextWriterEndElement(writer);
    xmlTextWriterEndElement(writer);
    xmlTextWriterEndElement(writer);
    free(line);
    free(clean);
    free(summary);
}

static void write_document(xmlTextWriter *writer, const struct wg_model *model)
{
    struct document document = {writer, model, sort_tries(model)};
    struct group *groups = wg_calloc(model->finished.count + 1, sizeof *groups);
    size_t count = make_groups(model, groups);
    int failures = 0, errors = 0, skipped = 0;
    for (size_t i = 0; i < count; i++) {
        failures += groups[i].failures;
        errors += groups[i].errors;
        skipped += groups[i].skipped;
    }
    for (size_t i = 0; i < model->findings.count; i++)
        failures += wg_json_bool(model->findings.items[i], "fails", true);
    enum wg_verdict verdict = wg_model_verdict(model);
    struct group own = {.name = "verdict"};
    own.count = verdict != WG_VERDICT_PASS && failures + errors == 0;
    own.failures = own.count > 0 && verdict == WG_VERDICT_FAIL;
    own.errors = (int)own.count - own.failures;
    /* The schema knows no fraction of a second in a timestamp. */
    char timestamp[20];
    snprintf(timestamp, sizeof timestamp, "%s", wg_json_str(model->run_started, "wall", ""));
    xmlTextWriterSetIndent(writer, 1);
    xmlTextWriterStartDocument(writer, NULL, "UTF-8", NULL);
    xmlTextWriterStartElement(writer, BAD_CAST "testsuites");
    attribute(writer, "name", "walgrind");
    struct wg_strv gaps = {0};
    wg_model_gaps(model, &gaps);
    skipped += gaps.count > 0;
    size_t cases =
        model->finished.count + model->findings.count + own.count + (gaps.count > 0 ? 1 : 0);
    attribute_number(writer, "tests", (long long)cases);
    attribute_number(writer, "failures", failures + own.failures);
    attribute_number(writer, "errors", errors + own.errors);
    attribute_number(writer, "skipped", skipped);
    attribute_seconds(writer, "time", wg_json_real(model->run_finished, "ms", 0));
    for (size_t i = 0; i < count; i++) {
        write_group(&document, &groups[i], timestamp);
        free(groups[i].tests);
    }
    write_findings(writer, model, &gaps, timestamp);
    wg_strv_finish(&gaps);
    if (own.count > 0)
        write_verdict(writer, model, &own, timestamp);
    xmlTextWriterEndElement(writer);
    xmlTextWriterEndDocument(writer);
    free(groups);
    free(document.tries);
}

static int write_all(int fd, const xmlChar *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

int wg_junit_write(const struct wg_model *model, const char *path, struct wg_err *err)
{
    int rc = -1;
    xmlBuffer *buffer = xmlBufferCreate();
    if (buffer)
        xmlBufferSetAllocationScheme(buffer, XML_BUFFER_ALLOC_DOUBLEIT);
    xmlTextWriter *writer = buffer ? xmlNewTextWriterMemory(buffer, 0) : NULL;
    if (!writer)
        abort();
    write_document(writer, model);
    xmlFreeTextWriter(writer);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        wg_err_errno(err, "create %s", path);
        goto out;
    }
    int written = write_all(fd, xmlBufferContent(buffer), (size_t)xmlBufferLength(buffer));
    if ((close(fd) != 0) | (written != 0)) {
        wg_err_errno(err, "write %s", path);
        goto out;
    }
    rc = 0;
out:
    xmlBufferFree(buffer);
    return rc;
}
