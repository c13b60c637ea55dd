/* SPDX-License-Identifier: MIT */
/*
 * locate.h - where the parts of an installation lie.
 *
 * The same lookup serves the build tree and an installation: places are tried relative to the
 * directory of the running binary.
 */
#ifndef WG_TOOLS_WALGRIND_LOCATE_H
#define WG_TOOLS_WALGRIND_LOCATE_H

#include "harness/base/err.h"

/* The embedded reference server; an absolute path that the caller frees. */
int wg_locate_refserver(char **ret_path, struct wg_err *err);
/* What starts programs with a tracer beside them. */
int wg_locate_tracer(char **ret_path, struct wg_err *err);
/* The library that is loaded into watched programs. */
int wg_locate_probe(char **ret_path, struct wg_err *err);
/* The suite binary: what --suite-binary names, which must be there (WG_ERR_USAGE), or when that is
 * NULL the one with the API tests of the reference server. */
int wg_locate_suite(const char *given, char **ret_path, struct wg_err *err);

#endif
