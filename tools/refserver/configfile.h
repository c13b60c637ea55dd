/* SPDX-License-Identifier: MIT
 *
 * The JSON configuration files in DATA_ROOT/db: users, roles, groups, collections, settings,
 * prompts.
 *
 * Files are read whenever a request needs them: they may be edited or restored from outside at any
 * time, and they are small. A change is read, edit, write to a temporary name, fsync, rename, all
 * under the mutex of that file, so parallel changes are never lost and readers see the old or the
 * new file.
 *
 * Locking: one mutex per file. Whoever needs several takes them in the order of the enumeration
 * below, and never waits for a database while holding one.
 */
#ifndef WG_REFSERVER_CONFIGFILE_H
#define WG_REFSERVER_CONFIGFILE_H

#include "tools/refserver/util.h"

#include <pthread.h>

enum wg_config_name {
    WG_CONFIG_SETTINGS,
    WG_CONFIG_COLLECTIONS,
    WG_CONFIG_GROUPS,
    WG_CONFIG_USERS,
    WG_CONFIG_ROLES,
    WG_CONFIG_PROMPT,
    WG_CONFIG_COUNT
};

extern const char *const wg_config_files[WG_CONFIG_COUNT];

struct wg_configs {
    char *directory;
    pthread_mutex_t mutex[WG_CONFIG_COUNT];
};

void wg_configs_init(struct wg_configs *configs, const char *directory);
void wg_configs_finish(struct wg_configs *configs);

/* Content, a new reference. A missing file is an empty object (settings) or array. NULL on failure.
 */
json_t *wg_config_load(struct wg_configs *configs, enum wg_config_name name, struct wg_fail *fail);
bool wg_config_exists(struct wg_configs *configs, enum wg_config_name name);
/* Locks the file, then loads it. On failure (NULL) the lock is not held. */
json_t *wg_config_edit(struct wg_configs *configs, enum wg_config_name name, struct wg_fail *fail);
/* Writes the file that is locked by wg_config_edit. 0 / -1. */
int wg_config_write(struct wg_configs *configs, enum wg_config_name name, const json_t *content,
                    struct wg_fail *fail);
/* Ends an edit: releases the lock and the content. */
void wg_config_leave(struct wg_configs *configs, enum wg_config_name name, json_t *content);

/* Entry of an array of objects whose member `key` is `value`; `ret_index` may be NULL. */
json_t *wg_config_find(const json_t *array, const char *key, const char *value, size_t *ret_index);

#endif
