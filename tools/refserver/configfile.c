/* SPDX-License-Identifier: MIT */
#include "tools/refserver/configfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const wg_config_files[WG_CONFIG_COUNT] = {
    [WG_CONFIG_SETTINGS] = "config.json", [WG_CONFIG_COLLECTIONS] = "collections.json",
    [WG_CONFIG_GROUPS] = "groups.json",   [WG_CONFIG_USERS] = "users.json",
    [WG_CONFIG_ROLES] = "roles.json",     [WG_CONFIG_PROMPT] = "prompt.json",
};

void wg_configs_init(struct wg_configs *configs, const char *directory)
{
    configs->directory = wg_mem_strdup(directory);
    for (size_t i = 0; i < WG_CONFIG_COUNT; i++)
        pthread_mutex_init(&configs->mutex[i], NULL);
}

void wg_configs_finish(struct wg_configs *configs)
{
    for (size_t i = 0; i < WG_CONFIG_COUNT; i++)
        pthread_mutex_destroy(&configs->mutex[i]);
    free(configs->directory);
    configs->directory = NULL;
}

static char *path_of(struct wg_configs *configs, enum wg_config_name name, const char *end)
{
    struct wg_buf path = {0};
    wg_buf_addf(&path, "%s/%s%s", configs->directory, wg_config_files[name], end);
    return path.data;
}

json_t *wg_config_load(struct wg_configs *configs, enum wg_config_name name, struct wg_fail *fail)
{
    struct wg_buf text = {0};
    json_t *content = NULL;
    char *path = path_of(configs, name, "");
    if (wg_file_read(path, &text) < 0) {
        if (errno == ENOENT)
            content = name == WG_CONFIG_SETTINGS ? json_object() : json_array();
        else
            wg_fail_set(fail, 0, "cannot read %s: %s", wg_config_files[name], strerror(errno));
        goto out;
    }
    json_error_t error;
    content = json_loadb(text.data, text.len, JSON_ALLOW_NUL, &error);
    if (content == NULL)
        wg_fail_set(fail, 0, "%s, line %d: %s", wg_config_files[name], error.line, error.text);
out:
    wg_buf_finish(&text);
    free(path);
    return content;
}

bool wg_config_exists(struct wg_configs *configs, enum wg_config_name name)
{
    char *path = path_of(configs, name, "");
    bool exists = access(path, F_OK) == 0;
    free(path);
    return exists;
}

json_t *wg_config_edit(struct wg_configs *configs, enum wg_config_name name, struct wg_fail *fail)
{
    pthread_mutex_lock(&configs->mutex[name]);
    json_t *content = wg_config_load(configs, name, fail);
    if (content == NULL)
        pthread_mutex_unlock(&configs->mutex[name]);
    return content;
}

void wg_config_leave(struct wg_configs *configs, enum wg_config_name name, json_t *content)
{
    json_decref(content);
    pthread_mutex_unlock(&configs->mutex[name]);
}

static int write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t done = write(fd, text, length);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return -1;
        text += done;
        length -= (size_t)done;
    }
    return 0;
}

int wg_config_write(struct wg_configs *configs, enum wg_config_name name, const json_t *content,
                    struct wg_fail *fail)
{
    int rc = -1;
    char *path = path_of(configs, name, ""), *temporary = path_of(configs, name, ".new");
    char *text = json_dumps(content, JSON_INDENT(2));
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || text == NULL || write_all(fd, text, strlen(text)) < 0 || fsync(fd) < 0 ||
        rename(temporary, path) < 0) {
        wg_fail_set(fail, 0, "cannot write %s: %s", wg_config_files[name], strerror(errno));
        unlink(temporary);
        goto out;
    }
    rc = 0;
out:
    if (fd >= 0)
        close(fd);
    free(text);
    free(path);
    free(temporary);
    return rc;
}

json_t *wg_config_find(const json_t *array, const char *key, const char *value, size_t *ret_index)
{
    size_t i;
    json_t *entry;
    json_array_foreach(array, i, entry)
    {
        if (wg_text_same(wg_json_get_text(entry, key), value)) {
            if (ret_index != NULL)
                *ret_index = i;
            return entry;
        }
    }
    return NULL;
}
