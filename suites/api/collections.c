/* SPDX-License-Identifier: MIT */
/*
 * collections.c - collections: who may make and change them, their ids, who sees them, and the
 * personal group that a creator's collections go to.
 *
 * What becomes of the files of a collection is in collections_files.c. The personal group is the
 * group whose id is the creator's name; the tests make users and such groups of their own and
 * leave the fixture's group "admin" alone.
 */
#include "suites/api/api.h"

#include "harness/base/str.h"
#include "harness/suite/suite.h"

#include <criterion/parameterized.h>

#define COLLECTIONS "/api/v1/collections"

#define INVALID_ID                                                                                 \
    "Invalid collection ID. Only letters, numbers, hyphens, and underscores are allowed."

static struct wg_response *create(struct wg_http *http, const char *id, const char *name)
{
    return api_manage(http, "POST", COLLECTIONS, json_pack("{s:s, s:s}", "id", id, "name", name));
}

static struct wg_response *update(struct wg_http *http, const char *id, json_t *body)
{
    return api_manage(http, "PUT", wg_http_path(http, COLLECTIONS "/%s", id), body);
}

static struct wg_response *drop(struct wg_http *http, const char *id)
{
    return api_manage(http, "DELETE", wg_http_path(http, COLLECTIONS "/%s", id), NULL);
}

static struct wg_response *get(struct wg_http *http, const char *id)
{
    return wg_http_get(http, wg_http_path(http, COLLECTIONS "/%s", id));
}

/* The collections that the client sees. */
static json_t *visible(struct wg_http *http)
{
    struct wg_response *response = wg_http_get(http, COLLECTIONS);
    wg_expect_status(response, 200);
    return wg_require_json(response, "");
}

/* A collection of the test's own. */
static char *new_collection(void)
{
    char *id = api_nonce("c");
    api_collection(id);
    return id;
}

/* The collections of the personal group after a reviewer with this one has made one more. */
static json_t *personal_group_after(json_t *before, const char *collection)
{
    char *name;
    struct wg_http *reviewer = api_user(API_LIST("user", "reviewer"), API_LIST("default"), &name);
    json_t *group = json_pack("{s:s, s:s, s:o}", "id", name, "name", name, "collections", before);
    struct wg_http *admin = api_login("admin");
    wg_expect_status(api_manage(admin, "POST", "/api/v1/groups", group), 200);

    wg_expect_status(create(reviewer, collection, collection), 201);

    return wg_require_json(wg_http_get(reviewer, wg_http_path(reviewer, "/api/v1/groups/%s", name)),
                           "collections");
}

Test(collections, join_the_personal_group_of_their_creator, .description = "RBAC-28")
{
    const char *collection = api_nonce("c");

    cr_assert(api_has(personal_group_after(json_array(), collection), collection));
}

Test(collections, are_not_added_to_a_wildcard_group, .description = "RBAC-29")
{
    const char *collection = api_nonce("c");

    cr_assert(not(api_has(personal_group_after(json_pack("[s]", "*"), collection), collection)));
}

Test(collections, reviewer_gets_a_personal_group, .description = "COLL-X01")
{
    char *name;
    struct wg_http *reviewer = api_user(API_LIST("user", "reviewer"), API_LIST("default"), &name);
    const char *id = api_nonce("c");

    wg_expect_status(create(reviewer, id, id), 201);

    wg_expect_json(wg_http_get(reviewer, wg_http_path(reviewer, "/api/v1/groups/%s", name)),
                   "collections", json_pack("[s]", id));
    struct wg_response *user =
        wg_http_get(reviewer, wg_http_path(reviewer, "/api/v1/users/%s", name));
    cr_assert(api_has(wg_require_json(user, "groups"), name));
    cr_assert(ne(ptr, api_find(visible(reviewer), "id", id), NULL));
}

Test(collections, annotator_may_not_create, .description = "COLL-X02")
{
    wg_expect_error(create(api_login("annotator"), api_nonce("c"), "x"), 403,
                    "Insufficient permissions. Reviewer or admin role required.");
}

static const struct {
    const char *label;
    const char *id;
} invalid_ids[] = {
    {"blank", "a b"},
    {"slash", "a/b"},
    {"umlaut", "ä"},
    {"empty", ""},
};

static const char *invalid_id_label(const void *row)
{
    return invalid_ids[*(const int *)row].label;
}

ParameterizedTestParameters(collections, invalid_id_is_refused)
{
    static int rows[] = {0, 1, 2, 3};
    return cr_make_param_array(int, rows, sizeof rows / sizeof rows[0]);
}

ParameterizedTest(const int *row, collections, invalid_id_is_refused, .description = "COLL-X03",
                  .data = &(struct wg_test_options){.label = invalid_id_label})
{
    wg_expect_error(create(api_login("admin"), invalid_ids[*row].id, "x"), 400, INVALID_ID);
}

Test(collections, duplicate_is_named, .description = "COLL-X04")
{
    const char *id = new_collection();

    wg_expect_error(create(api_login("admin"), id, "x"), 400,
                    wg_format("Collection '%s' already exists.", id));
}

Test(collections, list_shows_those_of_ones_groups, .description = "COLL-X05")
{
    const char *id = new_collection();

    json_t *list = visible(api_login("user"));

    cr_assert(eq(ptr, api_find(list, "id", id), NULL));
    cr_assert(ne(ptr, api_find(list, "id", "default"), NULL));
    cr_assert(ne(ptr, api_find(list, "id", "_inbox"), NULL));
}

/* Where an id stands in a list, or -1. */
static int place_of(const json_t *list, const char *id)
{
    const json_t *found = api_find(list, "id", id);
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (json_array_get(list, i) == found)
            return (int)i;
    }
    return -1;
}

Test(collections, list_is_sorted_ignoring_case, .description = "COLL-X06")
{
    struct wg_http *admin = api_login("admin");
    const char *nonce = api_nonce("n");
    char *last = wg_format("%s-Zz", nonce);
    char *first = wg_format("%s-aA", nonce);
    wg_expect_status(create(admin, last, last), 201);
    wg_expect_status(create(admin, first, first), 201);

    json_t *list = visible(admin);

    cr_assert(ge(int, place_of(list, first), 0));
    cr_assert(lt(int, place_of(list, first), place_of(list, last)));
}

Test(collections, single_one_is_not_filtered, .description = "COLL-X07")
{
    const char *id = new_collection();

    struct wg_response *response = get(api_login("user"), id);

    wg_expect_status(response, 200);
    wg_expect_str(response, "id", eq, id);
}

Test(collections, name_is_required, .description = "COLL-X08")
{
    struct wg_response *response = api_manage(api_login("admin"), "POST", COLLECTIONS,
                                              json_pack("{s:s}", "id", api_nonce("c")));

    wg_expect_422(response, "body", "name");
}

Test(collections, description_defaults_to_nothing, .description = "COLL-X09")
{
    const char *id = api_nonce("c");

    struct wg_response *response = create(api_login("admin"), id, "A name");

    wg_expect_status(response, 201);
    wg_expect_json(response, "",
                   json_pack("{s:s, s:s, s:s}", "id", id, "name", "A name", "description", ""));
}

Test(collections, updating_needs_admin, .description = "COLL-X10")
{
    const char *id = new_collection();

    wg_expect_error(
        update(api_login("reviewer"), id, json_pack("{s:s, s:s}", "id", id, "name", "x")), 403,
        "Insufficient permissions. Admin role required.");
}

Test(collections, id_cannot_change, .description = "COLL-X11")
{
    struct wg_http *admin = api_login("admin");
    const char *id = new_collection();
    const char *other = api_nonce("c");

    wg_expect_error(update(admin, id, json_pack("{s:s, s:s}", "id", other, "name", id)), 400,
                    "Collection ID cannot be changed");

    wg_expect_status(get(admin, other), 404);
}

Test(collections, unknown_one_cannot_be_updated, .description = "COLL-X12")
{
    const char *id = api_nonce("c");

    wg_expect_error(update(api_login("admin"), id, json_pack("{s:s, s:s}", "id", id, "name", "x")),
                    404, wg_format("Collection '%s' not found", id));
}

Test(collections, unknown_one_cannot_be_deleted, .description = "COLL-X12")
{
    const char *id = api_nonce("c");

    wg_expect_error(drop(api_login("admin"), id), 404, wg_format("Collection '%s' not found.", id));
}

Test(collections, deleting_needs_admin, .description = "COLL-X13")
{
    struct wg_http *reviewer = api_login("reviewer");
    const char *id = new_collection();

    wg_expect_error(drop(reviewer, id), 403, "Insufficient permissions. Admin role required.");

    wg_expect_status(get(reviewer, id), 200);
}

Test(collections, user_without_groups_sees_none, .description = "COLL-X19")
{
    wg_expect_json(wg_http_get(api_user(API_LIST("user"), NULL, NULL), COLLECTIONS), "",
                   json_array());
}
