/* SPDX-License-Identifier: MIT */
#include "harness/foreign/tap.h"

#include "harness/base/buf.h"
#include "harness/base/clock.h"
#include "harness/base/limit.h"
#include "harness/base/str.h"
#include "harness/foreign/tap_line.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define INDENT 4 /* spaces of a subtest */

/* The stream itself, or the subtests that run inside its last test. */
struct level {
    struct wg_foreign_result *done; /* subtests, named from here; unused in the stream itself */
    size_t count, room;
    long points;
    long planned; /* -1: no plan yet */
    char *title;  /* of the subtest that runs below this level, when a comment told */
};

struct wg_tap_reader {
    struct wg_foreign_results *results;
    struct level levels[WG_LIMIT_TAP_DEPTH];
    int depth; /* the deepest level that is open; 0: the stream */
    int64_t previous_ns;

    /* The last point: what belongs to it may still follow. */
    bool open;
    bool superfluous; /* its children say it all */
    int open_level;
    struct wg_foreign_result point;
    struct wg_buf message;
    int yaml_indent; /* of the block that is being read, -1: none */

    struct wg_buf line;
    struct wg_buf output; /* printed since the last point */
    bool bailed_out;
    char *problem; /* the first one, NULL: none */
    struct wg_err err;
};

static void level_reset(struct level *level)
{
    for (size_t i = 0; i < level->count; i++)
        wg_foreign_result_finish(&level->done[i]);
    free(level->done);
    free(level->title);
    *level = (struct level){.planned = -1};
}

struct wg_tap_reader *wg_tap_reader_create(struct wg_foreign_results *results, int64_t now_ns)
{
    struct wg_tap_reader *reader = wg_calloc(1, sizeof *reader);
    reader->results = results;
    reader->previous_ns = now_ns;
    reader->yaml_indent = -1;
    for (int i = 0; i < WG_LIMIT_TAP_DEPTH; i++)
        level_reset(&reader->levels[i]);
    wg_buf_init(&reader->line, WG_LIMIT_LOG_LINE);
    wg_buf_init(&reader->output, WG_LIMIT_TEST_OUTPUT);
    wg_buf_init(&reader->message, WG_LIMIT_MESSAGE);
    return reader;
}

void wg_tap_reader_destroy(struct wg_tap_reader *reader)
{
    if (!reader)
        return;
    for (int i = 0; i < WG_LIMIT_TAP_DEPTH; i++)
        level_reset(&reader->levels[i]);
    if (reader->open)
        wg_foreign_result_finish(&reader->point);
    wg_buf_finish(&reader->line);
    wg_buf_finish(&reader->output);
    wg_buf_finish(&reader->message);
    free(reader->problem);
    free(reader);
}

static void note_problem(struct wg_tap_reader *reader, char *problem)
{
    if (reader->problem)
        free(problem);
    else
        reader->problem = problem;
}

/* Takes the result over. */
static void add(struct wg_tap_reader *reader, int number, struct wg_foreign_result *result)
{
    struct level *level = &reader->levels[number];
    if (number == 0) {
        (void)wg_foreign_results_take(reader->results, result, &reader->err);
        return;
    }
    if (level->count == level->room) {
        level->room = level->room ? 2 * level->room : 16;
        level->done = wg_realloc(level->done, level->room * sizeof *level->done);
    }
    level->done[level->count++] = *result;
}

/* Of the YAML block of node and others. */
static void take_place(struct wg_foreign_result *point, const char *value)
{
    const char *column = strrchr(value, ':');
    const char *line = column ? memrchr(value, ':', (size_t)(column - value)) : NULL;
    if (!line)
        return;
    char *number = wg_strndup(line + 1, (size_t)(column - line - 1));
    if (wg_str_to_long(number, 0, 1000000000, &point->line) == 0) {
        free(point->file);
        point->file = wg_strndup(value, (size_t)(line - value));
    }
    free(number);
}

/* A line of a block, without the block's indentation. True: nothing more to show of it. */
static bool take_member(struct wg_foreign_result *point, const char *text)
{
    size_t key = strcspn(text, ":");
    if (text[key] == '\0')
        return false;
    const char *value = text + key + 1;
    value += strspn(value, " \"'");
    char *bare = wg_strndup(value, strcspn(value, "\"'"));
    bool known = true;
    if (strncmp(text, "duration_ms:", key + 1) == 0)
        point->ms = isfinite(strtod(bare, NULL)) ? fmax(0, strtod(bare, NULL)) : 0;
    else if (strncmp(text, "location:", key + 1) == 0)
        take_place(point, bare);
    else if (strncmp(text, "file:", key + 1) == 0)
        wg_foreign_result_set(&point->file, bare);
    else if (strncmp(text, "line:", key + 1) == 0)
        known = wg_str_to_long(bare, 0, 1000000000, &point->line) == 0;
    else
        known = false;
    free(bare);
    return known;
}

static void append_line(struct wg_buf *out, const char *text)
{
    if (out->size > 0)
        wg_buf_puts(out, "\n");
    wg_buf_puts(out, text);
}

/* Nothing more can belong to the last point. */
static void close_point(struct wg_tap_reader *reader)
{
    reader->yaml_indent = -1;
    if (!reader->open)
        return;
    reader->open = false;
    if (reader->superfluous) {
        wg_foreign_result_finish(&reader->point);
    } else {
        if (reader->point.outcome == WG_OUTCOME_FAILED)
            wg_foreign_result_set(&reader->point.message, reader->message.data);
        add(reader, reader->open_level, &reader->point);
    }
    wg_buf_reset(&reader->message);
}

/* What is wrong with the plan of a level; NULL: nothing. The caller frees it. */
static char *check_plan(const struct level *level, const char *what)
{
    if (level->planned < 0)
        return wg_format("there is no plan: the %s ended early", what);
    if (level->planned != level->points)
        return wg_format("the plan says %ld tests, and there were %ld", level->planned,
                         level->points);
    return NULL;
}

/*
 * Names what ran below `number` after the test `parent` and hands it up. `excused`: failures do not
 * count. Returns how many failed.
 */
static size_t hand_up(struct wg_tap_reader *reader, int number, const char *parent,
                      const char *excused)
{
    struct level *below = &reader->levels[number + 1];
    char *prefix = wg_strdup(parent[0] ? parent : "subtest");
    size_t failed = 0;
    for (char *at = prefix; *at; at++)
        if (*at == '/')
            *at = '.';
    for (size_t i = 0; i < below->count; i++) {
        struct wg_foreign_result *child = &below->done[i];
        char *name = wg_format("%s/%s", prefix, child->name);
        free(child->name);
        child->name = name;
        if (excused && child->outcome == WG_OUTCOME_FAILED) {
            child->outcome = WG_OUTCOME_SKIPPED;
            wg_foreign_result_set(&child->reason, excused);
        }
        failed += child->outcome == WG_OUTCOME_FAILED;
        add(reader, number, child);
    }
    below->count = 0;
    level_reset(below);
    reader->depth = number;
    free(prefix);
    return failed;
}

/* Subtests that end without the point of their parent. */
static void close_orphans(struct wg_tap_reader *reader, int number, bool whole)
{
    while (reader->depth > number) {
        int above = reader->depth - 1;
        char *title = wg_strdup(reader->levels[above].title ? reader->levels[above].title : "");
        hand_up(reader, above, title, NULL);
        if (whole) {
            struct wg_foreign_result parent;
            wg_foreign_result_init(&parent, title[0] ? title : "subtest");
            parent.outcome = WG_OUTCOME_FAILED;
            wg_foreign_result_set(&parent.reason, "it has subtests, but no result of its own");
            add(reader, above, &parent);
        }
        free(title);
    }
}

static char *excuse_of(const struct wg_tap_line *line)
{
    return line->reason[0] ? wg_format("todo: %s", line->reason) : wg_strdup("todo");
}

static void judge(struct wg_foreign_result *point, const struct wg_tap_line *line)
{
    if (line->directive == WG_TAP_SKIP) {
        point->outcome = WG_OUTCOME_SKIPPED;
        wg_foreign_result_set(&point->reason, line->reason[0] ? line->reason : "SKIP");
    } else if (line->directive == WG_TAP_TODO && !line->ok) {
        point->outcome = WG_OUTCOME_SKIPPED;
        free(point->reason);
        point->reason = excuse_of(line);
    } else if (!line->ok) {
        point->outcome = WG_OUTCOME_FAILED;
    }
}

/* The subtests of a point, which comes behind them. */
static void take_children(struct wg_tap_reader *reader, int number, const struct wg_tap_line *line)
{
    const struct level *below = &reader->levels[number + 1];
    struct wg_foreign_result *point = &reader->point;
    char *excuse = line->directive == WG_TAP_TODO ? excuse_of(line) : NULL;
    bool any = below->count > 0;
    bool only_title = below->points == 0 && below->planned < 0 && !any;
    char *problem = only_title ? NULL : check_plan(below, "subtest");
    size_t failed = hand_up(reader, number, line->text, excuse);
    reader->superfluous = any && (point->outcome != WG_OUTCOME_FAILED || failed > 0);
    if (problem && !excuse) {
        reader->superfluous = false;
        point->outcome = WG_OUTCOME_FAILED;
        wg_foreign_result_set(&point->reason, problem);
    }
    free(problem);
    free(excuse);
}

static void take_point(struct wg_tap_reader *reader, int number, const struct wg_tap_line *line,
                       int64_t now_ns)
{
    struct level *level = &reader->levels[number];
    struct wg_foreign_result *point = &reader->point;
    char *name = line->text[0] ? wg_strdup(line->text) : wg_format("%ld", level->points + 1);
    close_orphans(reader, number + 1, true);
    level->points++;
    /* The slash of a description does not end a suite. */
    char *full = number == 0 ? wg_format(WG_FOREIGN_SUITE "/%s", name) : wg_strdup(name);
    wg_foreign_result_init(point, full);
    judge(point, line);
    point->ms =
        line->ms >= 0 ? line->ms : (double)(now_ns - reader->previous_ns) / (double)WG_NS_PER_MS;
    wg_foreign_result_set(&point->output, reader->output.data);
    wg_buf_reset(&reader->output);
    point->ended_ns = reader->previous_ns = now_ns;
    reader->open = true;
    reader->open_level = number;
    reader->superfluous = false;
    if (reader->depth > number)
        take_children(reader, number, line);
    free(level->title);
    level->title = NULL;
    free(full);
    free(name);
}

static void take_plan(struct wg_tap_reader *reader, int number, const struct wg_tap_line *line)
{
    struct level *level = &reader->levels[number];
    if (level->planned >= 0 || line->number < 0) {
        note_problem(reader, wg_strdup(line->number < 0 ? "a plan of too many tests"
                                                        : "there is more than one plan"));
        return;
    }
    level->planned = line->number;
    if (number > 0 || line->number > 0 || line->directive != WG_TAP_SKIP)
        return;
    struct wg_foreign_result all;
    wg_foreign_result_init(&all, WG_FOREIGN_SUITE "/all");
    all.outcome = WG_OUTCOME_SKIPPED;
    wg_foreign_result_set(&all.reason, line->reason[0] ? line->reason : "SKIP");
    add(reader, 0, &all);
}

/* The level that a line of TAP belongs to, -1 when it cannot be TAP there. */
static int level_of(const struct wg_tap_reader *reader, const struct wg_tap_line *line)
{
    int number = line->indent / INDENT;
    bool opens = line->kind == WG_TAP_POINT || line->kind == WG_TAP_PLAN ||
                 line->kind == WG_TAP_SUBTEST || line->kind == WG_TAP_VERSION;
    if (line->kind == WG_TAP_OTHER || line->indent % INDENT != 0 || number >= WG_LIMIT_TAP_DEPTH)
        return -1;
    return number <= reader->depth + (opens ? 1 : 0) ? number : -1;
}

static void set_title(struct level *level, const char *title)
{
    free(level->title);
    level->title = wg_strdup(title);
}

/* Older producers indent the title like the subtests themselves: as the first line there it may be
 * that of their parent. */
static void take_title(struct wg_tap_reader *reader, int number, const char *title)
{
    if (number > reader->depth) {
        reader->depth = number;
        if (!reader->levels[number - 1].title)
            set_title(&reader->levels[number - 1], title);
    }
    set_title(&reader->levels[number], title);
}

static void take_comment(struct wg_tap_reader *reader, const char *text)
{
    bool is_diagnosis = reader->open && reader->point.outcome == WG_OUTCOME_FAILED;
    append_line(is_diagnosis ? &reader->message : &reader->output, text);
}

static void take_tap(struct wg_tap_reader *reader, int number, const struct wg_tap_line *line,
                     int64_t now_ns)
{
    if (line->kind == WG_TAP_COMMENT) {
        take_comment(reader, line->text);
        return;
    }
    close_point(reader);
    if (line->kind == WG_TAP_SUBTEST) {
        take_title(reader, number, line->text);
        return;
    }
    if (number > reader->depth)
        reader->depth = number;
    switch (line->kind) {
    case WG_TAP_POINT: take_point(reader, number, line, now_ns); break;
    case WG_TAP_PLAN: take_plan(reader, number, line); break;
    case WG_TAP_VERSION:
        if (line->number < 12 || line->number > 14)
            note_problem(reader, wg_format("unknown: TAP version %ld", line->number));
        break;
    case WG_TAP_BAIL:
        reader->bailed_out = true;
        note_problem(reader, wg_format("Bail out!%s%s", line->text[0] ? " " : "", line->text));
        break;
    case WG_TAP_PRAGMA:
    case WG_TAP_OTHER:
    case WG_TAP_COMMENT:
    case WG_TAP_SUBTEST: break;
    }
}

/* True when the line belongs to the YAML block of the last point. */
static bool take_yaml(struct wg_tap_reader *reader, const char *text)
{
    int indent = (int)strspn(text, " ");
    if (reader->yaml_indent < 0) {
        bool begins = reader->open && strcmp(text + indent, "---") == 0 &&
                      indent > INDENT * reader->open_level;
        reader->yaml_indent = begins ? indent : -1;
        return begins;
    }
    if (indent < reader->yaml_indent && text[indent] != '\0') {
        reader->yaml_indent = -1;
        return false;
    }
    if (indent == reader->yaml_indent && strcmp(text + indent, "...") == 0) {
        reader->yaml_indent = -1;
        return true;
    }
    text += indent < reader->yaml_indent ? indent : reader->yaml_indent;
    if (*text == ' ' || !take_member(&reader->point, text))
        append_line(&reader->message, text);
    return true;
}

static void take_line(struct wg_tap_reader *reader, const char *text, int64_t now_ns)
{
    if (reader->bailed_out || take_yaml(reader, text))
        return;
    struct wg_tap_line line;
    wg_tap_line_read(text, &line);
    int number = level_of(reader, &line);
    if (number >= 0)
        take_tap(reader, number, &line, now_ns);
    else if (text[0] != '\0')
        append_line(&reader->output, text);
    wg_tap_line_finish(&line);
}

static void end_line(struct wg_tap_reader *reader, int64_t now_ns)
{
    struct wg_buf *line = &reader->line;
    if (line->size > 0 && line->data[line->size - 1] == '\r')
        line->data[line->size - 1] = '\0';
    take_line(reader, line->data, now_ns);
    wg_buf_reset(line);
}

int wg_tap_reader_feed(struct wg_tap_reader *reader, const char *bytes, size_t size, int64_t now_ns,
                       struct wg_err *err)
{
    while (size > 0) {
        const char *newline = memchr(bytes, '\n', size);
        size_t part = newline ? (size_t)(newline - bytes) : size;
        wg_buf_append(&reader->line, bytes, part);
        if (!newline)
            break;
        end_line(reader, now_ns);
        bytes += part + 1;
        size -= part + 1;
    }
    return wg_err_is_set(&reader->err) ? wg_err_set(err, WG_ERR_LIMIT, "%s", reader->err.message)
                                       : 0;
}

int wg_tap_reader_end(struct wg_tap_reader *reader, bool whole, int64_t now_ns, struct wg_err *err)
{
    if (reader->line.size > 0)
        end_line(reader, now_ns);
    close_point(reader);
    close_orphans(reader, 0, whole && !reader->bailed_out);
    struct level *stream = &reader->levels[0];
    bool silent = stream->points == 0 && stream->planned < 0;
    char *plan = silent ? wg_strdup("there is no TAP in the output") : check_plan(stream, "output");
    if (plan && whole)
        note_problem(reader, plan);
    else
        free(plan);
    if (wg_err_is_set(&reader->err))
        return wg_err_set(err, WG_ERR_LIMIT, "%s", reader->err.message);
    return reader->problem && (whole || reader->bailed_out)
               ? wg_err_set(err, WG_ERR_FORMAT, "%s", reader->problem)
               : 0;
}
