/* SPDX-License-Identifier: MIT
 *
 * Users, groups and roles are the same thing five times over: an array of objects in a JSON file
 * with list, get, create, update and delete. This file does it once; a resource is a description.
 */
#ifndef WG_REFSERVER_ENTITY_H
#define WG_REFSERVER_ENTITY_H

#include "tools/refserver/req.h"

struct wg_entity_member {
    const char *name;    /* NULL ends the table */
    const char *initial; /* JSON text for entries that lack it */
    bool fixed;          /* never taken from a request */
};

struct wg_entity {
    enum wg_config_name file;
    const char *key;  /* "username" or "id" */
    const char *noun; /* "User" */
    const struct wg_entity_member *members;
    /* Adds what is stored but not shown; NULL if nothing. */
    void (*complete)(struct wg_req *req, json_t *entry);
};

/* The entry as clients see it, a new reference. */
json_t *wg_entity_view(const struct wg_entity *entity, const json_t *entry);
int wg_entity_list(struct wg_req *req, const struct wg_entity *entity);
int wg_entity_get(struct wg_req *req, const struct wg_entity *entity, const char *id);
int wg_entity_create(struct wg_req *req, const struct wg_entity *entity);
int wg_entity_update(struct wg_req *req, const struct wg_entity *entity, const char *id);
int wg_entity_delete(struct wg_req *req, const struct wg_entity *entity, const char *id);

#endif
