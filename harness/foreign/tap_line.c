/* SPDX-License-Identifier: MIT */
#include "harness/foreign/tap_line.h"

#include "harness/base/limit.h"
#include "harness/base/str.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char blanks[] = " \t";

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, blanks);
}

/* A copy without blanks around it. */
static char *trimmed(const char *text, size_t size)
{
    while (size > 0 && strchr(blanks, *text)) {
        text++;
        size--;
    }
    while (size > 0 && strchr(blanks, text[size - 1]))
        size--;
    return wg_strndup(text, size);
}

/* "\#" and "\\" are how TAP 14 writes "#" and "\". */
static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (*from == '\\' && (from[1] == '#' || from[1] == '\\'))
            from++;
        *to++ = *from;
    }
    *to = '\0';
}

/* What begins a word: "SKIP", "skipped", "Skip:" are all said. */
static enum wg_tap_directive directive_of(const char *text)
{
    if (strncasecmp(text, "skip", 4) == 0)
        return WG_TAP_SKIP;
    if (strncasecmp(text, "todo", 4) == 0 && strchr(" \t:", text[4]))
        return WG_TAP_TODO;
    return WG_TAP_NONE;
}

static double time_of(const char *text)
{
    char *end;
    if (strncmp(text, "time=", 5) != 0)
        return -1;
    double value = strtod(text + 5, &end);
    if (end == text + 5 || !isfinite(value) || value < 0)
        return -1;
    return strncmp(end, "ms", 2) == 0 ? value : 1000 * value;
}

/* Cuts a directive, or a time, off the description; any other "#", which has no blank in front of
 * it when it is escaped, is part of it. */
static void read_description(const char *text, struct wg_tap_line *line)
{
    const char *end = text + strlen(text);
    for (const char *at = text; *at; at++) {
        if (*at != '#' || (at > text && !strchr(blanks, at[-1])))
            continue;
        const char *word = skip_blanks(at + 1);
        line->directive = directive_of(word);
        line->ms = time_of(word);
        if (line->directive == WG_TAP_NONE && line->ms < 0)
            continue;
        if (line->directive != WG_TAP_NONE) {
            word += strcspn(word, " \t:");
            word += strspn(word, " \t:");
            line->reason = trimmed(word, strlen(word));
        }
        end = at;
        break;
    }
    line->text = trimmed(text, (size_t)(end - text));
    unescape(line->text);
}

/* Behind "ok": a number and a dash, both optional. */
static void read_point(const char *text, struct wg_tap_line *line)
{
    line->kind = WG_TAP_POINT;
    text = skip_blanks(text);
    size_t digits = strspn(text, "0123456789");
    if (digits > 0 && (text[digits] == '\0' || strchr(blanks, text[digits])))
        text = skip_blanks(text + digits);
    if (text[0] == '-' && (text[1] == '\0' || strchr(blanks, text[1])))
        text++;
    read_description(text, line);
}

/* The number at the beginning of `text`, when there is one and nothing but a comment behind it. */
static bool read_number(const char *text, struct wg_tap_line *line)
{
    size_t digits = strspn(text, "0123456789");
    const char *rest = skip_blanks(text + digits);
    if (digits == 0 || (*rest != '\0' && *rest != '#'))
        return false;
    char *number = wg_strndup(text, digits);
    if (wg_str_to_long(number, 0, WG_LIMIT_TESTS, &line->number) != 0)
        line->number = -1;
    free(number);
    read_description(rest, line);
    return true;
}

static bool is_word(const char *text, const char *word)
{
    size_t size = strlen(word);
    return strncmp(text, word, size) == 0 && (text[size] == '\0' || strchr(blanks, text[size]));
}

static void read_kind(const char *text, struct wg_tap_line *line)
{
    static const char subtest[] = "# Subtest:", bail[] = "Bail out!", version[] = "TAP version ";
    if (is_word(text, "ok")) {
        line->ok = true;
        read_point(text + 2, line);
    } else if (is_word(text, "not ok")) {
        read_point(text + 6, line);
    } else if (wg_str_starts(text, "1..") && read_number(text + 3, line)) {
        line->kind = WG_TAP_PLAN;
    } else if (wg_str_starts(text, subtest)) {
        line->kind = WG_TAP_SUBTEST;
        text += sizeof subtest - 1;
        line->text = trimmed(text, strlen(text));
        unescape(line->text);
    } else if (*text == '#') {
        line->kind = WG_TAP_COMMENT;
        line->text = wg_strdup(text + 1 + (text[1] == ' '));
    } else if (strncasecmp(text, bail, sizeof bail - 1) == 0) {
        line->kind = WG_TAP_BAIL;
        text += sizeof bail - 1;
        line->text = trimmed(text, strlen(text));
    } else if (wg_str_starts(text, version) && read_number(text + sizeof version - 1, line)) {
        line->kind = WG_TAP_VERSION;
    } else if (wg_str_starts(text, "pragma +") || wg_str_starts(text, "pragma -")) {
        line->kind = WG_TAP_PRAGMA;
    }
}

void wg_tap_line_read(const char *line, struct wg_tap_line *ret_line)
{
    size_t indent = strspn(line, " ");
    *ret_line = (struct wg_tap_line){.indent = (int)indent, .ms = -1};
    read_kind(line + indent, ret_line);
    if (!ret_line->text)
        ret_line->text = wg_strdup(line + indent);
    if (!ret_line->reason)
        ret_line->reason = wg_strdup("");
}

void wg_tap_line_finish(struct wg_tap_line *line)
{
    free(line->text);
    free(line->reason);
}
