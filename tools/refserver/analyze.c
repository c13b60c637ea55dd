/* SPDX-License-Identifier: MIT */
#include "tools/refserver/analyze.h"

#include <ctype.h>
#include <string.h>

static bool is_start(char byte)
{
    return ((unsigned char)byte & 0xc0) != 0x80;
}

static int64_t code_points(const char *text, size_t length)
{
    int64_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += is_start(text[i]);
    return count;
}

static int64_t count_lines(const char *text)
{
    int64_t lines = 0;
    bool open = false;
    for (; *text != '\0'; text++) {
        open = *text != '\n';
        lines += *text == '\n';
    }
    return lines + open;
}

void wg_text_count(struct wg_arena *arena, const char *text, struct wg_text_counts *ret)
{
    json_t *seen = wg_arena_json(arena, json_object());
    int64_t letters = 0;
    *ret = (struct wg_text_counts){.characters = code_points(text, strlen(text)),
                                   .lines = count_lines(text)};
    for (const char *at = text; *at != '\0';) {
        if (isspace((unsigned char)*at)) {
            at++;
            continue;
        }
        size_t length = 0;
        while (at[length] != '\0' && !isspace((unsigned char)at[length]))
            length++;
        char *word = wg_arena_strndup(arena, at, length);
        for (char *letter = word; *letter != '\0'; letter++)
            *letter =
                (char)((unsigned char)*letter < 0x80 ? tolower((unsigned char)*letter) : *letter);
        json_object_set_new_nocheck(seen, word, json_true());
        ret->words++;
        letters += code_points(at, length);
        at += length;
    }
    ret->unique_words = (int64_t)json_object_size(seen);
    if (ret->words > 0)
        ret->average_word_length = (double)letters / (double)ret->words;
}

const char *wg_text_preview(struct wg_arena *arena, const char *text, size_t max)
{
    const char *end = text;
    for (size_t count = 0; *end != '\0' && (count < max || !is_start(*end)); end++)
        count += end[1] == '\0' || is_start(end[1]);
    size_t length = (size_t)(end - text);
    return wg_arena_format(arena, "%.*s%s", (int)length, text, *end != '\0' ? "..." : "");
}
