/* SPDX-License-Identifier: MIT */
#include "harness/report/junit.h"

#include "harness/base/buf.h"
#include "harness/base/json.h"
#include "harness/base/limit.h"
#include "harness/base/str.h"
#include "harness/report/failure.h"

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
    size_t count;
    int failures, errors, skipped;
    double ms;
};

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

/* The schema knows no flaky tests: the case passes, and its output begins with why it is one. */
static void write_flaky(xmlTextWriter *writer, const json_t *test)
{
    char *text = wg_format("flaky: %s\n%s", wg_json_str(test, "reason", ""),
                           wg_json_str(test, "output", ""));
    element_text(writer, "system-out", text);
    free(text);
}

static void write_case(xmlTextWriter *writer, const struct wg_model *model, const json_t *test)
{
    enum wg_outcome outcome = wg_outcome_of(wg_json_str(test, "outcome", ""));
    const char *name = wg_json_str(test, "test", "");
    const char *slash = strchr(name, '/');
    const char *element = element_of(outcome);
    const char *output = wg_json_str(test, "output", "");
    xmlTextWriterStartElement(writer, BAD_CAST "testcase");
    attribute(writer, "name", slash ? slash + 1 : name);
    char *class_name = slash ? strndup(name, (size_t)(slash - name)) : strdup("");
    if (!class_name)
        abort();
    attribute(writer, "classname", class_name);
    free(class_name);
    attribute_seconds(writer, "time", wg_json_real(test, "ms", 0));
    attribute(writer, "file", wg_json_str(test, "file", ""));
    attribute_number(writer, "line", (long long)wg_json_int(test, "line", 0));
    if (element) {
        struct wg_buf text;
        wg_buf_init(&text, WG_LIMIT_TEST_OUTPUT);
        wg_failure_describe(model, test, &text);
        char *first_line = strndup(text.data, strcspn(text.data, "\n"));
        if (!first_line)
            abort();
        char *clean = xml_text(text.data);
        xmlTextWriterStartElement(writer, BAD_CAST element);
        attribute(writer, "message", first_line);
        if (outcome != WG_OUTCOME_SKIPPED) {
            attribute(writer, "type", wg_outcome_name(outcome));
            xmlTextWriterWriteString(writer, BAD_CAST clean);
        }
        xmlTextWriterEndElement(writer);
        free(clean);
        free(first_line);
        wg_buf_finish(&text);
    }
    if (outcome == WG_OUTCOME_FLAKY)
        write_flaky(writer, test);
    else if (output[0])
        element_text(writer, "system-out", output);
    xmlTextWriterEndElement(writer);
}

static void write_group(xmlTextWriter *writer, const struct wg_model *model,
                        const struct group *group, const char *timestamp)
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
    for (size_t i = 0; i < group->count; i++)
        write_case(writer, model, group->tests[i]);
    xmlTextWriterEndElement(writer);
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
        group->tests =
            realloc(group->tests, (group->count + 1) * sizeof *group->tests); /* small lists */
        if (!group->tests)
            abort();
        group->tests[group->count++] = test;
        const char *element = element_of(wg_outcome_of(wg_json_str(test, "outcome", "")));
        group->failures += element && strcmp(element, "failure") == 0;
        group->errors += element && strcmp(element, "error") == 0;
        group->skipped += element && strcmp(element, "skipped") == 0;
        group->ms += wg_json_real(test, "ms", 0);
    }
    return count;
}

static void write_document(xmlTextWriter *writer, const struct wg_model *model)
{
    struct group *groups = calloc(model->finished.count + 1, sizeof *groups);
    if (!groups)
        abort();
    size_t count = make_groups(model, groups);
    int failures = 0, errors = 0, skipped = 0;
    for (size_t i = 0; i < count; i++) {
        failures += groups[i].failures;
        errors += groups[i].errors;
        skipped += groups[i].skipped;
    }
    /* The schema knows no fraction of a second in a timestamp. */
    char timestamp[20];
    snprintf(timestamp, sizeof timestamp, "%s", wg_json_str(model->run_started, "wall", ""));
    xmlTextWriterSetIndent(writer, 1);
    xmlTextWriterStartDocument(writer, NULL, "UTF-8", NULL);
    xmlTextWriterStartElement(writer, BAD_CAST "testsuites");
    attribute(writer, "name", "walgrind");
    attribute_number(writer, "tests", (long long)model->finished.count);
    attribute_number(writer, "failures", failures);
    attribute_number(writer, "errors", errors);
    attribute_number(writer, "skipped", skipped);
    attribute_seconds(writer, "time", wg_json_real(model->run_finished, "ms", 0));
    for (size_t i = 0; i < count; i++) {
        write_group(writer, model, &groups[i], timestamp);
        free(groups[i].tests);
    }
    xmlTextWriterEndElement(writer);
    xmlTextWriterEndDocument(writer);
    free(groups);
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
