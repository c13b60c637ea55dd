/* SPDX-License-Identifier: MIT
 *
 * Counting characters, words and lines of a text, as the sample plugin does.
 *
 * Characters are code points; words are separated by ASCII white space; different words are
 * counted after lower-casing ASCII letters.
 */
#ifndef WG_REFSERVER_ANALYZE_H
#define WG_REFSERVER_ANALYZE_H

#include "tools/refserver/util.h"

struct wg_text_counts {
    int64_t characters;
    int64_t words;
    int64_t lines;
    int64_t unique_words;
    double average_word_length;
};

void wg_text_count(struct wg_arena *arena, const char *text, struct wg_text_counts *ret);
/* The first `max` code points, with "..." if the text is longer. From the arena. */
const char *wg_text_preview(struct wg_arena *arena, const char *text, size_t max);

#endif
