/* SPDX-License-Identifier: MIT */
#include "harness/run/classify.h"

#include "harness/base/json.h"
#include "harness/base/sqlite_code.h"

#include <assert.h>
#include <string.h>

/* Primary result codes that are evidence. */
static const struct {
    int code;
    enum wg_evidence_class class_;
} primary_codes[] = {
    {5, WG_EVIDENCE_BUSY}, {6, WG_EVIDENCE_BUSY}, {10, WG_EVIDENCE_IO}, {11, WG_EVIDENCE_CORRUPT},
    {13, WG_EVIDENCE_IO},  {14, WG_EVIDENCE_IO},  {15, WG_EVIDENCE_IO}, {26, WG_EVIDENCE_CORRUPT},
};

/* What sqlite3_errstr() says, as applications pass it on. The first that is found decides. */
static const struct {
    const char *text;
    enum wg_evidence_class class_;
} messages[] = {
    {"disk I/O error", WG_EVIDENCE_IO},
    {"database disk image is malformed", WG_EVIDENCE_CORRUPT},
    {"malformed database schema", WG_EVIDENCE_CORRUPT},
    {"file is not a database", WG_EVIDENCE_CORRUPT},
    {"unable to open database file", WG_EVIDENCE_IO},
    {"database or disk is full", WG_EVIDENCE_IO},
    {"locking protocol", WG_EVIDENCE_IO},
    {"attempt to write a readonly database", WG_EVIDENCE_IO},
    {"database is locked", WG_EVIDENCE_BUSY},
    {"database table is locked", WG_EVIDENCE_BUSY},
    {"database schema is locked", WG_EVIDENCE_BUSY},
};

enum wg_evidence_class wg_classify_code(int extended_code)
{
    if (extended_code == 1032 || extended_code == 776 || extended_code == 1544)
        return WG_EVIDENCE_IO;
    for (size_t i = 0; i < sizeof primary_codes / sizeof primary_codes[0]; i++)
        if (primary_codes[i].code == (extended_code & 0xff))
            return primary_codes[i].class_;
    return WG_EVIDENCE_COUNT;
}

enum wg_evidence_class wg_classify_text(const char *text, size_t size, const char **ret_message)
{
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        if (memmem(text, size, messages[i].text, strlen(messages[i].text))) {
            if (ret_message)
                *ret_message = messages[i].text;
            return messages[i].class_;
        }
    }
    return WG_EVIDENCE_COUNT;
}

const char *wg_evidence_class_name(enum wg_evidence_class class_)
{
    static const char *const names[] = {
#define CLASS_NAME(identifier, name, fails, meaning) [WG_EVIDENCE_##identifier] = (name),
        WG_EVIDENCE_CLASSES(CLASS_NAME)
#undef CLASS_NAME
    };
    assert(class_ < WG_EVIDENCE_COUNT);
    return names[class_];
}

json_t *wg_classify_response(const json_t *request)
{
    int status = (int)wg_json_int(request, "status", 0);
    const char *body = wg_json_str(request, "body", "");
    const char *message = NULL;
    enum wg_evidence_class class_ = wg_classify_text(body, strlen(body), &message);
    if (class_ == WG_EVIDENCE_COUNT && status < 500)
        return NULL;
    if (class_ == WG_EVIDENCE_COUNT) {
        class_ = WG_EVIDENCE_SERVER;
        message = body;
    }
    char line[256];
    snprintf(line, sizeof line, "%s %s -> %d", wg_json_str(request, "method", ""),
             wg_json_str(request, "path", ""), status);
    json_t *evidence =
        json_pack("{s:s, s:s, s:o, s:i}", "class", wg_evidence_class_name(class_), "source",
                  "response", "request", wg_json_text_new(line), "status", status);
    json_object_set_new(evidence, "message", wg_json_string_new(message, strlen(message)));
    json_object_set(evidence, "test", json_object_get(request, "test"));
    json_object_set(evidence, "unit", json_object_get(request, "unit"));
    return evidence;
}

/* A line {"event":"leak","method":…,"path":…}: that request did not give its connection back. */
static json_t *classify_leak(const json_t *line)
{
    char request[256];
    const char *message = wg_json_str(line, "message", "");
    snprintf(request, sizeof request, "%s %s", wg_json_str(line, "method", ""),
             wg_json_str(line, "path", ""));
    json_t *evidence = json_pack("{s:s, s:s}", "class", wg_evidence_class_name(WG_EVIDENCE_LEAK),
                                 "source", "server-log");
    json_object_set_new(evidence, "request", wg_json_string_new(request, strlen(request)));
    json_object_set_new(evidence, "message", wg_json_string_new(message, strlen(message)));
    json_object_set(evidence, "test", json_object_get(line, "test"));
    json_object_set(evidence, "file", json_object_get(line, "db"));
    return evidence;
}

/* A line {"event":"sqlite","code":522,…} as a server writes it that logs its result codes. */
static json_t *classify_json_line(const json_t *line)
{
    const char *event = wg_json_str(line, "event", "");
    if (strcmp(event, "leak") == 0)
        return classify_leak(line);
    if (strcmp(event, "sqlite") != 0 && strcmp(event, "sqlite-log") != 0)
        return NULL;
    int code = (int)wg_json_int(line, "code", 0);
    enum wg_evidence_class class_ = wg_classify_code(code);
    if (class_ == WG_EVIDENCE_COUNT)
        return NULL;
    json_t *evidence =
        json_pack("{s:s, s:s, s:i, s:s}", "class", wg_evidence_class_name(class_), "source",
                  "server-code", "code", code, "name", wg_sqlite_code_name(code));
    const char *message = wg_json_str(line, "message", "");
    json_object_set_new(evidence, "message", json_string(message));
    static const char *const copied[][2] = {
        {"test", "test"}, {"db", "file"}, {"errno", "errno"}, {"sql", "sql"}, {"path", "request"}};
    for (size_t i = 0; i < sizeof copied / sizeof copied[0]; i++) {
        json_t *value = json_object_get(line, copied[i][0]);
        if (value)
            json_object_set(evidence, copied[i][1], value);
    }
    return evidence;
}

json_t *wg_classify_log_line(const char *line, size_t size)
{
    if (size > 0 && line[0] == '{') {
        json_t *object = json_loadb(line, size, 0, NULL);
        if (object) {
            json_t *evidence = classify_json_line(object);
            json_decref(object);
            return evidence;
        }
    }
    const char *message = NULL;
    enum wg_evidence_class class_ = wg_classify_text(line, size, &message);
    if (class_ == WG_EVIDENCE_COUNT)
        return NULL;
    json_t *evidence =
        json_pack("{s:s, s:s}", "class", wg_evidence_class_name(class_), "source", "server-log");
    json_object_set_new(evidence, "message", wg_json_string_new(line, size));
    return evidence;
}
