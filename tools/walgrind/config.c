/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/config.h"

#include "tools/walgrind/suite_rules.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#define NAMES_MAX 80

struct config {
    const char *path;
    yaml_document_t *document;
    const struct wg_command *command;
    void *values;
    struct wg_strv *texts;
    struct wg_err *err;
};

static yaml_node_t *node_at(const struct config *config, int index)
{
    return yaml_document_get_node(config->document, index);
}

static const char *scalar(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

static int wrong(const struct config *config, const yaml_node_t *node, const char *message)
{
    return wg_err_set(config->err, WG_ERR_USAGE, "%s:%zu:%zu: %s", config->path,
                      node->start_mark.line + 1, node->start_mark.column + 1, message);
}

static int wrong_key(const struct config *config, const yaml_node_t *node, const char *const *names)
{
    const char *nearest = wg_str_nearest(scalar(node), names);
    char *message = nearest
                        ? wg_format("unknown key '%s'; did you mean '%s'?", scalar(node), nearest)
                        : wg_format("unknown key '%s'", scalar(node));
    wg_strv_take(config->texts, message);
    return wrong(config, node, message);
}

/* Fails unless `node` is a mapping whose keys are words that occur once. */
static int check_mapping(const struct config *config, const yaml_node_t *node, const char *what)
{
    if (node->type != YAML_MAPPING_NODE) {
        char *message = wg_format("%s takes keys with values, as in 'key: value'", what);
        wg_strv_take(config->texts, message);
        return wrong(config, node, message);
    }
    const yaml_node_pair_t *first = node->data.mapping.pairs.start;
    for (const yaml_node_pair_t *pair = first; pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = node_at(config, pair->key);
        if (!scalar(key))
            return wrong(config, key, "a key must be a word");
        for (const yaml_node_pair_t *other = first; other < pair; other++)
            if (strcmp(scalar(node_at(config, other->key)), scalar(key)) == 0)
                return wrong(config, key, "this key was there before");
    }
    return 0;
}

/* The value of a key in a mapping, NULL without it. */
static yaml_node_t *value_of(const struct config *config, const yaml_node_t *mapping,
                             const char *key)
{
    const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
    for (; pair < mapping->data.mapping.pairs.top; pair++)
        if (strcmp(scalar(node_at(config, pair->key)), key) == 0)
            return node_at(config, pair->value);
    return NULL;
}

static const struct wg_option *option_of(const struct wg_command *command, const char *name)
{
    for (const struct wg_option *option = command->options; option->name; option++)
        if (strcmp(option->name, name) == 0)
            return option;
    return NULL;
}

static bool is_word(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcasecmp(text, *words) == 0)
            return true;
    return false;
}

/* One scalar as a value of the option. */
static int set_one(const struct config *config, const struct wg_option *option,
                   const yaml_node_t *node)
{
    static const char *const yes[] = {"true", "yes", "on", NULL};
    static const char *const no[] = {"false", "no", "off", NULL};
    struct wg_err why = WG_ERR_INIT;
    const char *text = scalar(node);
    if (!text)
        return wrong(config, node, "a value is missing here, or is not a single one");
    if (option->kind == WG_OPTION_FLAG && !is_word(text, yes) && !is_word(text, no))
        return wrong(config, node, "this takes true or false");
    if (option->kind == WG_OPTION_FLAG && is_word(text, no))
        text = NULL;
    if (text) {
        char *copy = wg_strdup(text);
        wg_strv_take(config->texts, copy);
        text = copy;
    }
    if (wg_command_set(option, text, config->values, &why) == 0)
        return 0;
    return wrong(config, node, why.message);
}

static int set_option(const struct config *config, const yaml_node_t *key, const yaml_node_t *value)
{
    const char *names[NAMES_MAX] = {0};
    size_t count = 0;
    const struct wg_option *option = option_of(config->command, scalar(key));
    if (strcmp(scalar(key), "config") == 0 || strcmp(scalar(key), "profile") == 0)
        return wrong(config, key, "--config and --profile belong to the command line");
    if (!option) {
        const struct wg_option *o = config->command->options;
        for (; o->name && count < NAMES_MAX - 1; o++)
            names[count++] = o->name;
        return wrong_key(config, key, names);
    }
    if (option->kind != WG_OPTION_LIST)
        return set_one(config, option, value);
    wg_strv_finish((struct wg_strv *)(void *)((char *)config->values + option->offset));
    if (value->type != YAML_SEQUENCE_NODE)
        return set_one(config, option, value);
    const yaml_node_item_t *item = value->data.sequence.items.start;
    for (; item < value->data.sequence.items.top; item++)
        if (set_one(config, option, node_at(config, *item)) != 0)
            return -1;
    return 0;
}

/* Options for some suites only: globs with a mapping each. */
static int set_suites(const struct config *config, const yaml_node_t *suites)
{
    const struct wg_command keys = {.name = "suites", .options = wg_suite_rule_options};
    if (check_mapping(config, suites, "suites") != 0)
        return -1;
    const yaml_node_pair_t *pair = suites->data.mapping.pairs.start;
    for (; pair < suites->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = node_at(config, pair->key), *rule = node_at(config, pair->value);
        char *glob = wg_strdup(scalar(key));
        char *place = wg_format("%s:%zu:%zu", config->path, key->start_mark.line + 1,
                                key->start_mark.column + 1);
        wg_strv_take(config->texts, glob);
        wg_strv_take(config->texts, place);
        struct config inner = *config;
        inner.command = &keys;
        inner.values = config->command->add_suites(config->values, glob, place);
        if (!inner.values)
            return wrong(config, key, "these are too many rules for suites");
        if (check_mapping(config, rule, glob) != 0)
            return -1;
        const yaml_node_pair_t *option = rule->data.mapping.pairs.start;
        for (; option < rule->data.mapping.pairs.top; option++)
            if (set_option(&inner, node_at(config, option->key), node_at(config, option->value)) !=
                0)
                return -1;
    }
    return 0;
}

static int set_key(const struct config *config, const yaml_node_t *key, const yaml_node_t *value)
{
    return config->command->add_suites && strcmp(scalar(key), "suites") == 0
               ? set_suites(config, value)
               : set_option(config, key, value);
}

/* The part of a mapping of subcommands that belongs to ours. */
static int set_command(const struct config *config, const yaml_node_t *commands, bool profiles)
{
    const char *names[NAMES_MAX] = {0};
    size_t count = 0;
    for (const struct wg_command *const *at = wg_commands; *at && count < NAMES_MAX - 2; at++)
        names[count++] = (*at)->name;
    if (profiles)
        names[count++] = "profiles";
    if (check_mapping(config, commands, "a part of this file") != 0)
        return -1;
    const yaml_node_pair_t *pair = commands->data.mapping.pairs.start;
    for (; pair < commands->data.mapping.pairs.top; pair++)
        if (!is_word(scalar(node_at(config, pair->key)), names))
            return wrong_key(config, node_at(config, pair->key), names);
    const yaml_node_t *own = value_of(config, commands, config->command->name);
    if (!own)
        return 0;
    if (check_mapping(config, own, config->command->name) != 0)
        return -1;
    for (pair = own->data.mapping.pairs.start; pair < own->data.mapping.pairs.top; pair++)
        if (set_key(config, node_at(config, pair->key), node_at(config, pair->value)) != 0)
            return -1;
    return 0;
}

static int set_profile(const struct config *config, const yaml_node_t *root, const char *profile)
{
    const char *names[NAMES_MAX] = {0};
    size_t count = 0;
    const yaml_node_t *profiles = value_of(config, root, "profiles");
    if (!profiles)
        return wg_err_set(config->err, WG_ERR_USAGE, "%s has no profiles, so none is called '%s'",
                          config->path, profile);
    if (check_mapping(config, profiles, "profiles") != 0)
        return -1;
    const yaml_node_t *own = value_of(config, profiles, profile);
    if (own)
        return set_command(config, own, false);
    const yaml_node_pair_t *pair = profiles->data.mapping.pairs.start;
    for (; pair < profiles->data.mapping.pairs.top && count < NAMES_MAX - 1; pair++)
        names[count++] = scalar(node_at(config, pair->key));
    const char *nearest = wg_str_nearest(profile, names);
    return wg_err_set(config->err, WG_ERR_USAGE, "%s has no profile '%s'%s%s%s", config->path,
                      profile, nearest ? "; did you mean '" : "", nearest ? nearest : "",
                      nearest ? "'?" : "");
}

static int set_all(const struct config *config, const char *profile)
{
    const yaml_node_t *root = yaml_document_get_root_node(config->document);
    if (!root)
        return profile ? wg_err_set(config->err, WG_ERR_USAGE, "%s is empty: no profile '%s'",
                                    config->path, profile)
                       : 0;
    if (set_command(config, root, true) != 0)
        return -1;
    return profile ? set_profile(config, root, profile) : 0;
}

int wg_config_load(const struct wg_command *command, const char *path, const char *profile,
                   void *values, struct wg_strv *texts, struct wg_err *err)
{
    yaml_parser_t parser;
    yaml_document_t document;
    const char *name = path ? path : WG_CONFIG_FILE;
    FILE *file = fopen(name, "re");
    if (!file && errno == ENOENT && !path && !profile)
        return 0;
    if (!file)
        return wg_err_set(err, WG_ERR_USAGE, "read the configuration %s: %s", name,
                          strerror(errno));
    int rc = -1;
    if (!yaml_parser_initialize(&parser)) {
        fclose(file);
        return wg_err_set(err, WG_ERR_SYSTEM, "no memory to read %s", name);
    }
    yaml_parser_set_input_file(&parser, file);
    if (!yaml_parser_load(&parser, &document)) {
        wg_err_set(err, WG_ERR_USAGE, "%s:%zu:%zu: %s", name, parser.problem_mark.line + 1,
                   parser.problem_mark.column + 1,
                   parser.problem ? parser.problem : "this is no YAML");
    } else {
        rc = set_all(&(struct config){name, &document, command, values, texts, err}, profile);
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    fclose(file);
    return rc;
}
