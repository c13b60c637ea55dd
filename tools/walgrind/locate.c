/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/locate.h"

#include "harness/base/str.h"
#include "harness/wire/trace.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Tried in order, relative to the directory of this program. */
static const char *const refserver_places[] = {
    "../refserver/walgrind-refserver", /* build tree */
    "walgrind-refserver",              /* installed side by side */
    NULL,
};
static const char *const api_suite_places[] = {
    "../../suites/api/walgrind-api-suite", /* build tree */
    "../libexec/walgrind/walgrind-api-suite",
    NULL,
};

static const char *const probe_places[] = {
    "../../harness/probe/libwalgrind-probe.so", /* build tree */
    "../lib/walgrind/libwalgrind-probe.so",
    WG_PROBE_INSTALLED, /* lib may have the name of an architecture below it */
    NULL,
};

static const char *const tracer_places[] = {
    "../tracer/" WG_TRACER_NAME, /* build tree */
    "../libexec/walgrind/" WG_TRACER_NAME,
    NULL,
};

static int locate(const char *what, const char *const *places, char **ret_path, struct wg_err *err)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        return wg_err_errno(err, "read /proc/self/exe");
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    for (; *places; places++) {
        char *path = **places == '/' ? wg_strdup(*places) : wg_format("%s/%s", self, *places);
        char *real = realpath(path, NULL);
        free(path);
        if (real && access(real, X_OK) == 0) {
            *ret_path = real;
            return 0;
        }
        free(real);
    }
    return wg_err_set(err, WG_ERR_STATE, "%s was not found beside %s; build or install it first",
                      what, self);
}

int wg_locate_refserver(char **ret_path, struct wg_err *err)
{
    return locate("the reference server (walgrind-refserver)", refserver_places, ret_path, err);
}

int wg_locate_probe(char **ret_path, struct wg_err *err)
{
    return locate("the probe (libwalgrind-probe.so)", probe_places, ret_path, err);
}

int wg_locate_tracer(char **ret_path, struct wg_err *err)
{
    return locate("the tracer (" WG_TRACER_NAME ")", tracer_places, ret_path, err);
}

int wg_locate_api_suite(char **ret_path, struct wg_err *err)
{
    return locate("the API suite (walgrind-api-suite)", api_suite_places, ret_path, err);
}
