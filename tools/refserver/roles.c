/* SPDX-License-Identifier: MIT
 *
 * Roles: names for what users may do. Four of them are built in and cannot be removed.
 */
#include "tools/refserver/entity.h"
#include "tools/refserver/handlers.h"

#include <string.h>

const struct wg_field wg_role_create_fields[] = {
    {"id", WG_FIELD_TEXT, WG_REQUIRED, NULL},
    {"roleName", WG_FIELD_TEXT, WG_REQUIRED, NULL},
    {"description", WG_FIELD_TEXT, 0, NULL},
    {0},
};

const struct wg_field wg_role_update_fields[] = {
    {"roleName", WG_FIELD_TEXT, 0, NULL},
    {"description", WG_FIELD_TEXT, 0, NULL},
    {0},
};

static const struct wg_entity_member members[] = {
    {"roleName", "\"\"", false},
    {"description", "\"\"", false},
    {0},
};
static const struct wg_entity roles = {WG_CONFIG_ROLES, "id", "Role", members, NULL};

static const char *const built_in[] = {"admin", "user", "reviewer", "annotator"};

int wg_roles_list(struct wg_req *req)
{
    return wg_entity_list(req, &roles);
}

int wg_roles_get(struct wg_req *req)
{
    return wg_entity_get(req, &roles, req->arguments[0]);
}

int wg_roles_create(struct wg_req *req)
{
    return wg_entity_create(req, &roles);
}

int wg_roles_update(struct wg_req *req)
{
    return wg_entity_update(req, &roles, req->arguments[0]);
}

int wg_roles_delete(struct wg_req *req)
{
    for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++)
        if (strcmp(built_in[i], req->arguments[0]) == 0)
            return wg_reply_detail(req, 400, "Cannot delete built-in role '%s'", req->arguments[0]);
    return wg_entity_delete(req, &roles, req->arguments[0]);
}
