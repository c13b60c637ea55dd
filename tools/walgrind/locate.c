/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/locate.h"

#include "harness/base/str.h"
#include "harness/sys/process.h"
#include "harness/wire/trace.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* An errno, 0 when it can be executed. */
static int why_not(const char *path)
{
    struct stat st;
    if (!path)
        return ENOENT;
    if (access(path, X_OK) != 0 || stat(path, &st) != 0)
        return errno;
    return S_ISDIR(st.st_mode) ? EISDIR : 0;
}

static int find_suite(const char *name, char **ret_path, struct wg_err *err)
{
    char *path = wg_process_find(name);
    int why = why_not(path);
    if (why != 0) {
        free(path);
        return wg_err_set(err, WG_ERR_USAGE, "--suite-binary=%s: %s", name, strerror(why));
    }
    *ret_path = path;
    return 0;
}

int wg_locate_suite(const char *given, char **ret_path, struct wg_err *err)
{
    if (given)
        return find_suite(given, ret_path, err);
    return locate("the API suite (walgrind-api-suite)", api_suite_places, ret_path, err);
}
