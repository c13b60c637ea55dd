/* SPDX-License-Identifier: MIT */
#include "harness/sys/port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

int wg_port_find_free(int *ret_port, struct wg_err *err)
{
    int rc = -1;
    const int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return wg_err_errno(err, "socket");
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        wg_err_errno(err, "find a free port of 127.0.0.1");
        goto out;
    }
    *ret_port = ntohs(address.sin_port);
    rc = 0;
out:
    close(fd);
    return rc;
}
