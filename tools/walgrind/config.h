/* SPDX-License-Identifier: MIT */
/*
 * config.h - options of a subcommand from a file, walgrind.yaml.
 *
 *     run:                        # a subcommand
 *       server: ./app --port {port} --data {data}
 *       input: [schema.sql, migrations]
 *       workers: 8
 *     profiles:
 *       ci:                       # --profile=ci: on top of the above
 *         run:
 *           repeat: 3
 *
 * Keys are the long names of options, values what the command line takes; flags are true or false,
 * lists may be one value. A profile replaces values and lists of the general part. Format: YAML 1.1
 * (yaml.org/spec/1.1), read by libyaml.
 */
#ifndef WG_TOOLS_WALGRIND_CONFIG_H
#define WG_TOOLS_WALGRIND_CONFIG_H

#include "tools/walgrind/command.h"

#define WG_CONFIG_FILE "walgrind.yaml"

/*
 * Sets the options that `path` holds for `command` in `values`, the command's options struct, then
 * those of `profile` (NULL: none). With `path` NULL: WG_CONFIG_FILE of the current directory, and
 * nothing without one. Text values live in `texts`, which the caller finishes after `values`.
 * Errors: WG_ERR_USAGE "FILE:LINE:COLUMN: what is wrong", a missing file, an unknown profile.
 */
int wg_config_load(const struct wg_command *command, const char *path, const char *profile,
                   void *values, struct wg_strv *texts, struct wg_err *err);

#endif
