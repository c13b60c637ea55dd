/* SPDX-License-Identifier: MIT */
/* run_config.h - the options of `walgrind run`, from the command line and walgrind.yaml. */
#ifndef WG_TOOLS_WALGRIND_RUN_CONFIG_H
#define WG_TOOLS_WALGRIND_RUN_CONFIG_H

#include "tools/walgrind/command.h"
#include "tools/walgrind/perturb.h"
#include "tools/walgrind/selection.h"
#include "tools/walgrind/suite_rules.h"

#include <stdint.h>

struct wg_run_config {
    const char *isolate;
    bool both;
    bool swarm;
    long workers;
    int64_t timeout_ms;       /* 0: not given */
    int64_t suite_timeout_ms; /* 0: none */
    int64_t grace_ms;
    struct wg_selection selection;
    long repeat; /* 0: not given */
    long copies;
    long retries;
    const char *flaky;
    int64_t stress_ms;
    bool until_fail;
    long seed;
    bool shuffle;
    const char *run_directory;
    const char *suite_binary;
    const char *tests;
    const char *junit;
    const char *server;
    const char *server_url;
    const char *init;
    struct wg_strv inputs;
    const char *ready;
    int64_t ready_timeout_ms;
    struct wg_strv server_args;
    struct wg_strv init_args;
    struct wg_strv server_env;
    const char *reset;
    const char *check;
    const char *trace;
    struct wg_perturb_options perturb;
    bool files;
    bool probe;
    bool progress;
    const char *config;
    const char *profile;
    struct wg_suite_rules suite_rules;
    struct wg_strv config_texts; /* what the configuration gave; others point into it */
};

extern const struct wg_option wg_run_config_options[];

/*
 * Reads the configuration, then the command line over it, and settles what follows from others.
 * `ret_options` is overwritten and finished by the caller in any case, so is `ret_operands`.
 * Returns as wg_command_parse().
 */
int wg_run_config_read(const struct wg_command *command, int argc, char **argv,
                       struct wg_run_config *ret_options, struct wg_strv *ret_operands,
                       struct wg_err *err);
/* For wg_command.add_suites: `values` is a struct wg_run_config. */
void *wg_run_config_add_suites(void *values, const char *suites, const char *place);
void wg_run_config_finish(struct wg_run_config *options);

#endif
