/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/keys.h"

#include <unistd.h>

void wg_keys_open(struct wg_keys *keys)
{
    keys->fd = -1;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO) || tcgetpgrp(STDIN_FILENO) != getpgrp() ||
        tcgetattr(STDIN_FILENO, &keys->before) != 0)
        return;
    struct termios raw = keys->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0)
        keys->fd = STDIN_FILENO;
}

void wg_keys_close(struct wg_keys *keys)
{
    if (keys->fd >= 0 && tcgetpgrp(keys->fd) == getpgrp())
        tcsetattr(keys->fd, TCSANOW, &keys->before);
    keys->fd = -1;
}
