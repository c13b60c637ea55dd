/* SPDX-License-Identifier: MIT */
#include "tools/refserver/internet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* A public name server; reaching it means that there is a network. */
#define PROBE_ADDRESS "8.8.8.8"
#define PROBE_PORT    53
#define PROBE_MS      3000

bool wg_internet_reachable(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PROBE_PORT)};
    inet_pton(AF_INET, PROBE_ADDRESS, &to.sin_addr);
    bool reached = connect(fd, (const struct sockaddr *)&to, sizeof to) == 0;
    if (!reached && errno == EINPROGRESS) {
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        int error = 0;
        socklen_t size = sizeof error;
        reached = poll(&wait, 1, PROBE_MS) == 1 &&
                  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
    }
    close(fd);
    return reached;
}
