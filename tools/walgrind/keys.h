/* SPDX-License-Identifier: MIT */
/*
 * keys.h - single keys from the terminal while a run goes on.
 *
 * Only where standard input and standard error are terminals and this process is in the foreground.
 * Ctrl-C and Ctrl-Z mean what they always do.
 */
#ifndef WG_TOOLS_WALGRIND_KEYS_H
#define WG_TOOLS_WALGRIND_KEYS_H

#include <termios.h>

struct wg_keys {
    int fd; /* to read them from; -1: there are none */
    struct termios before;
};

/* Lets keys come without Enter and without echo. */
void wg_keys_open(struct wg_keys *keys);
/* Puts the terminal back. */
void wg_keys_close(struct wg_keys *keys);

#endif
