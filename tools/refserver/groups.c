/* SPDX-License-Identifier: MIT
 *
 * Groups: they give their members sight of collections.
 */
#include "tools/refserver/entity.h"
#include "tools/refserver/handlers.h"

const struct wg_field wg_group_create_fields[] = {
    {"id", WG_FIELD_TEXT, WG_REQUIRED, NULL},
    {"name", WG_FIELD_TEXT, WG_REQUIRED, NULL},
    {"description", WG_FIELD_TEXT, 0, NULL},
    {"collections", WG_FIELD_TEXT_LIST, 0, NULL},
    {0},
};

const struct wg_field wg_group_update_fields[] = {
    {"name", WG_FIELD_TEXT, 0, NULL},
    {"description", WG_FIELD_TEXT, 0, NULL},
    {"collections", WG_FIELD_TEXT_LIST, 0, NULL},
    {0},
};

static const struct wg_entity_member members[] = {
    {"name", "\"\"", false},
    {"description", "\"\"", false},
    {"collections", "[]", false},
    {0},
};
static const struct wg_entity groups = {WG_CONFIG_GROUPS, "id", "Group", members, NULL};

int wg_groups_list(struct wg_req *req)
{
    return wg_entity_list(req, &groups);
}

int wg_groups_get(struct wg_req *req)
{
    return wg_entity_get(req, &groups, req->arguments[0]);
}

int wg_groups_create(struct wg_req *req)
{
    return wg_entity_create(req, &groups);
}

int wg_groups_update(struct wg_req *req)
{
    return wg_entity_update(req, &groups, req->arguments[0]);
}

int wg_groups_delete(struct wg_req *req)
{
    return wg_entity_delete(req, &groups, req->arguments[0]);
}
