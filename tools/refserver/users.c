/* SPDX-License-Identifier: MIT
 *
 * Users. The field passwd_hash of these endpoints carries the plain password, whose SHA-256 is
 * stored; it never appears in an answer.
 */
#include "tools/refserver/entity.h"
#include "tools/refserver/handlers.h"

#include <string.h>

const struct wg_field wg_user_create_fields[] = {
    {"username", WG_FIELD_TEXT, WG_REQUIRED, NULL},
    {"passwd_hash", WG_FIELD_TEXT, WG_REQUIRED, NULL},
    {"fullname", WG_FIELD_TEXT, 0, NULL},
    {"email", WG_FIELD_TEXT, 0, NULL},
    {"roles", WG_FIELD_TEXT_LIST, 0, NULL},
    {"groups", WG_FIELD_TEXT_LIST, 0, NULL},
    {0},
};

const struct wg_field wg_user_update_fields[] = {
    {"passwd_hash", WG_FIELD_TEXT, 0, NULL}, {"fullname", WG_FIELD_TEXT, 0, NULL},
    {"email", WG_FIELD_TEXT, 0, NULL},       {"roles", WG_FIELD_TEXT_LIST, 0, NULL},
    {"groups", WG_FIELD_TEXT_LIST, 0, NULL}, {0},
};

static void store_password(struct wg_req *req, json_t *entry)
{
    const char *plain = wg_req_text(req, "passwd_hash");
    char hash[WG_SHA256_HEX + 1];
    if (plain == NULL)
        return;
    wg_sha256_hex(plain, strlen(plain), hash);
    json_object_set_new(entry, "passwd_hash", json_string(hash));
}

#define PROFILE                                                                                    \
    {"fullname", "\"\"", false},                                                                   \
    {                                                                                              \
        "email", "\"\"", false                                                                     \
    }

static const struct wg_entity_member all_members[] = {
    PROFILE, {"roles", "[\"user\"]", false}, {"groups", "[]", false}, {"session_id", "null", true},
    {0},
};
/* What a user may change about himself. */
static const struct wg_entity_member own_members[] = {
    PROFILE, {"roles", "[\"user\"]", true}, {"groups", "[]", true}, {"session_id", "null", true},
    {0},
};

static const struct wg_entity users = {WG_CONFIG_USERS, "username", "User", all_members,
                                       store_password};
static const struct wg_entity profile = {WG_CONFIG_USERS, "username", "User", own_members,
                                         store_password};

int wg_users_list(struct wg_req *req)
{
    return wg_entity_list(req, &users);
}

int wg_users_get(struct wg_req *req)
{
    return wg_entity_get(req, &users, req->arguments[0]);
}

int wg_users_create(struct wg_req *req)
{
    return wg_entity_create(req, &users);
}

int wg_users_update(struct wg_req *req)
{
    return wg_entity_update(req, &users, req->arguments[0]);
}

int wg_users_profile(struct wg_req *req)
{
    return wg_entity_update(req, &profile, req->user.name);
}

int wg_users_delete(struct wg_req *req)
{
    if (strcmp(req->arguments[0], req->user.name) == 0)
        return wg_reply_detail(req, 400, "Cannot delete your own account");
    return wg_entity_delete(req, &users, req->arguments[0]);
}
