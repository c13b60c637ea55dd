/* SPDX-License-Identifier: MIT */
#include "tools/refserver/validate.h"

#include "tools/refserver/multipart.h"
#include "tools/refserver/route.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

int wg_bool_word(const char *text)
{
    static const char *const words[2][6] = {{"false", "no", "off", "f", "n", "0"},
                                            {"true", "yes", "on", "t", "y", "1"}};
    for (int value = 0; value < 2; value++)
        for (size_t i = 0; i < 6; i++)
            if (strcasecmp(words[value][i], text) == 0)
                return value;
    return -1;
}

int wg_time_parse(const char *text, double *ret)
{
    struct tm tm = {0};
    double fraction = 0;
    const char *at = strptime(text, "%Y-%m-%d", &tm);
    if (at == NULL)
        return -1;
    if (*at == 'T' || *at == 't' || *at == ' ') {
        at = strptime(at + 1, "%H:%M", &tm);
        if (at == NULL)
            return -1;
        if (*at == ':' && (at = strptime(at + 1, "%S", &tm)) == NULL)
            return -1;
        if (*at == '.' || *at == ',') {
            double scale = 0.1;
            for (at++; isdigit((unsigned char)*at); at++, scale /= 10)
                fraction += scale * (*at - '0');
        }
    }
    long offset = 0;
    if (*at == 'Z' || *at == 'z') {
        at++;
    } else if (*at == '+' || *at == '-') {
        int hours = 0, minutes = 0, used = 0;
        if (sscanf(at + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 &&
            sscanf(at + 1, "%2d%2d%n", &hours, &minutes, &used) != 2)
            return -1;
        offset = (hours * 60L + minutes) * 60L * (*at == '-' ? -1 : 1);
        at += 1 + used;
    }
    if (*at != '\0')
        return -1;
    *ret = (double)timegm(&tm) + fraction - (double)offset;
    return 0;
}

struct problem {
    const char *type;
    const char *message;
};

static const struct problem missing = {"missing", "Field required"};
static const struct problem too_short = {"string_too_short",
                                         "String should have at least 1 character"};
static const struct problem no_object = {
    "model_attributes_type", "Input should be a valid dictionary or object to extract fields from"};
static const struct problem no_list = {"list_type", "Input should be a valid list"};
static const struct problem no_text = {"string_type", "Input should be a valid string"};
static const struct problem no_choice = {"literal_error", "Input should be one of the choices"};

static void add_problem(json_t *list, const struct problem *problem, json_t *place, json_t *input)
{
    json_array_append_new(list, json_pack("{s:s,s:o,s:s,s:O}", "type", problem->type, "loc", place,
                                          "msg", problem->message, "input", input));
}

/* NULL when fine; may replace `*value` by its coerced form, a new reference. */
typedef const struct problem *checker(json_t *value, const struct wg_field *field,
                                      json_t **ret_coerced);

static const struct problem *check_text(json_t *value, const struct wg_field *field,
                                        json_t **ret_coerced)
{
    (void)ret_coerced;
    if (!json_is_string(value))
        return &no_text;
    if ((field->flags & WG_NOT_EMPTY) && json_string_length(value) == 0)
        return &too_short;
    if (field->choices == NULL)
        return NULL;
    for (size_t i = 0; field->choices[i] != NULL; i++)
        if (strcmp(field->choices[i], json_string_value(value)) == 0)
            return NULL;
    return &no_choice;
}

static const struct problem *check_bool(json_t *value, const struct wg_field *field,
                                        json_t **ret_coerced)
{
    static const struct problem no_bool = {
        "bool_parsing", "Input should be a valid boolean, unable to interpret input"};
    int truth = -1;
    (void)field;
    if (json_is_boolean(value))
        return NULL;
    if (json_is_number(value)) {
        double number = json_number_value(value);
        truth = number == 0 ? 0 : number == 1 ? 1 : -1;
    } else if (json_is_string(value)) {
        truth = wg_bool_word(json_string_value(value));
    }
    if (truth < 0)
        return &no_bool;
    *ret_coerced = json_boolean(truth);
    return NULL;
}

static const struct problem *check_text_list(json_t *value, const struct wg_field *field,
                                             json_t **ret_coerced)
{
    size_t i;
    json_t *item;
    (void)field;
    (void)ret_coerced;
    if (!json_is_array(value))
        return &no_list;
    json_array_foreach(value, i, item)
    {
        if (!json_is_string(item))
            return &no_text;
    }
    return NULL;
}

static const struct problem *check_object(json_t *value, const struct wg_field *field,
                                          json_t **ret_coerced)
{
    static const struct problem no_dict = {"dict_type", "Input should be a valid dictionary"};
    (void)field;
    (void)ret_coerced;
    return json_is_object(value) ? NULL : &no_dict;
}

static const struct problem *check_any(json_t *value, const struct wg_field *field,
                                       json_t **ret_coerced)
{
    (void)value;
    (void)field;
    (void)ret_coerced;
    return NULL;
}

static const struct problem *check_time(json_t *value, const struct wg_field *field,
                                        json_t **ret_coerced)
{
    static const struct problem no_time = {"datetime_from_date_parsing",
                                           "Input should be a valid datetime or date"};
    double seconds;
    (void)field;
    (void)ret_coerced;
    if (json_is_number(value))
        return NULL;
    if (!json_is_string(value) || wg_time_parse(json_string_value(value), &seconds) < 0)
        return &no_time;
    return NULL;
}

static checker *const checkers[] = {
    [WG_FIELD_TEXT] = check_text,
    [WG_FIELD_BOOL] = check_bool,
    [WG_FIELD_TEXT_LIST] = check_text_list,
    [WG_FIELD_OBJECT] = check_object,
    [WG_FIELD_ANY] = check_any,
    [WG_FIELD_TIME] = check_time,
};

/* `index` < 0: the body itself is the record. */
static json_t *place_of(int index, const char *name)
{
    if (index < 0)
        return json_pack("[ss]", "body", name);
    return json_pack("[sis]", "body", index, name);
}

static void check_fields(json_t *problems, json_t *record, const struct wg_field *fields, int index)
{
    for (const struct wg_field *field = fields; field != NULL && field->name != NULL; field++) {
        if (field->flags & WG_IN_QUERY)
            continue;
        json_t *value = json_object_get(record, field->name), *coerced = NULL;
        bool optional = !(field->flags & (WG_REQUIRED | WG_NOT_NULL));
        if (value == NULL) {
            if (field->flags & WG_REQUIRED)
                add_problem(problems, &missing, place_of(index, field->name), record);
            continue;
        }
        if (json_is_null(value) && optional)
            continue;
        const struct problem *problem = checkers[field->type](value, field, &coerced);
        if (problem != NULL)
            add_problem(problems, problem, place_of(index, field->name), value);
        else if (coerced != NULL)
            json_object_set_new(record, field->name, coerced);
    }
}

static void check_query(struct wg_req *req, json_t *problems)
{
    for (const struct wg_field *field = req->route->fields; field != NULL && field->name != NULL;
         field++) {
        const char *text = NULL;
        if (field->flags & WG_IN_QUERY)
            text = wg_req_query(req, field->name);
        if (text == NULL)
            continue;
        json_t *value = wg_json_text(text), *coerced = NULL;
        const struct problem *problem = checkers[field->type](value, field, &coerced);
        if (problem != NULL)
            add_problem(problems, problem, json_pack("[ss]", "query", field->name), value);
        json_decref(coerced);
        json_decref(value);
    }
}

static void check_records(json_t *problems, json_t *body, const struct wg_field *fields)
{
    size_t i;
    json_t *record;
    if (!json_is_array(body)) {
        add_problem(problems, &no_list, json_pack("[s]", "body"), body);
        return;
    }
    json_array_foreach(body, i, record)
    {
        if (json_is_object(record))
            check_fields(problems, record, fields, (int)i);
        else
            add_problem(problems, &no_object, json_pack("[si]", "body", (int)i), record);
    }
}

static bool is_json(const char *type)
{
    if (type == NULL || *type == '\0')
        return true;
    size_t length = strcspn(type, "; \t");
    if (strncasecmp(type, "application/", 12) != 0)
        return false;
    return (length == 16 && strncasecmp(type + 12, "json", 4) == 0) ||
           (length > 17 && strncasecmp(type + length - 5, "+json", 5) == 0);
}

static void refuse(struct wg_req *req, json_t *problems)
{
    wg_reply_json(req, 422, json_pack("{s:O}", "detail", problems));
}

bool wg_body_parse(struct wg_req *req)
{
    if (req->route->body == WG_BODY_NONE)
        return true;
    if (req->route->body == WG_BODY_FILE) {
        if (wg_multipart_find(req, "file", &req->part) == 0)
            return true;
        wg_reply_detail(req, 400, "There was an error parsing the body");
        return false;
    }
    if (req->body.len == 0)
        return true;
    if (!is_json(wg_req_header(req, "Content-Type"))) {
        req->json = wg_arena_json(&req->arena, wg_json_text(req->body.data));
        return true;
    }
    json_error_t error;
    req->json = wg_arena_json(&req->arena, json_loadb(req->body.data, req->body.len,
                                                      JSON_DECODE_ANY | JSON_ALLOW_NUL, &error));
    if (req->json != NULL)
        return true;
    json_t *detail = json_pack("{s:s,s:[si],s:s,s:{},s:{}}", "type", "json_invalid", "loc", "body",
                               error.position, "msg", "JSON decode error", "input", "ctx");
    json_object_set_new(json_object_get(detail, "ctx"), "error", wg_json_text(error.text));
    wg_reply_json(req, 422, json_pack("{s:[o]}", "detail", detail));
    return false;
}

bool wg_body_check(struct wg_req *req)
{
    json_t *problems = wg_arena_json(&req->arena, json_array());
    json_t *body = req->json;
    enum wg_body_kind kind = req->route->body;
    check_query(req, problems);
    if (kind == WG_BODY_FILE) {
        if (!req->part.present)
            add_problem(problems, &missing, json_pack("[ss]", "body", "file"), json_null());
    } else if (kind != WG_BODY_NONE && body == NULL) {
        add_problem(problems, &missing, json_pack("[s]", "body"), json_null());
    } else if (kind == WG_BODY_FIELDS || kind == WG_BODY_OBJECT) {
        if (json_is_object(body))
            check_fields(problems, body, req->route->fields, -1);
        else
            add_problem(problems, &no_object, json_pack("[s]", "body"), body);
    } else if (kind == WG_BODY_TEXT_LIST) {
        const struct problem *problem = check_text_list(body, NULL, NULL);
        if (problem != NULL)
            add_problem(problems, problem, json_pack("[s]", "body"), body);
    } else if (kind == WG_BODY_RECORD_LIST) {
        check_records(problems, body, req->route->fields);
    }
    if (json_array_size(problems) == 0)
        return true;
    refuse(req, problems);
    return false;
}
