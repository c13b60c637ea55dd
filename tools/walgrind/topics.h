/* SPDX-License-Identifier: MIT */
/* topics.h - what `walgrind help TOPIC` tells about things that belong to no single command. */
#ifndef WG_TOOLS_WALGRIND_TOPICS_H
#define WG_TOOLS_WALGRIND_TOPICS_H

#include <stdio.h>

struct wg_topic {
    const char *name;
    const char *summary;
    const char *text; /* paragraphs, "\n\n" between them; a line of its own after "\n" */
};

/* Ends with a topic without name. */
extern const struct wg_topic wg_topics[];

/* Name, summary and the text, wrapped. */
void wg_topic_print(const struct wg_topic *topic, FILE *out);

#endif
