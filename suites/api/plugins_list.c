/* SPDX-License-Identifier: MIT */
/*
 * plugins_list.c - GET /plugins: which plugins a caller may use, and how they describe themselves.
 */
#include "suites/api/api.h"

#define PLUGINS "/api/v1/plugins"

/* The plugins that a client sees. */
static json_t *plugins_of(struct wg_http *http)
{
    struct wg_response *response = wg_http_get(http, PLUGINS);
    wg_expect_status(response, 200);
    return wg_require_json(response, "plugins");
}

static bool lists(json_t *plugins, const char *id)
{
    return api_find(plugins, "id", id) != NULL;
}

Test(plugins_list, anonymous_does_not_see_the_sample, .description = "PLUG-01")
{
    cr_assert(not(lists(plugins_of(api_anonymous()), "sample-analyzer")));
}

Test(plugins_list, user_sees_the_sample, .description = "PLUG-02")
{
    struct wg_http *user = api_user(API_LIST("user"), NULL, NULL);

    json_t *sample = api_find(plugins_of(user), "id", "sample-analyzer");

    cr_assert(ne(ptr, sample, NULL));
    cr_assert(eq(ptr, api_find(json_pack("[O]", sample), "name", "Sample Text Analyzer"), sample));
    cr_assert(eq(ptr, api_find(json_pack("[O]", sample), "category", "test"), sample));
}

Test(plugins_list, entries_have_their_fields, .description = "PLUG-04")
{
    static const char *const fields[] = {"id", "name", "description", "category", "version", NULL};
    json_t *plugins = plugins_of(api_login("user"));
    json_t *plugin;
    size_t index;

    cr_assert(ge(sz, json_array_size(plugins), 1));
    json_array_foreach(plugins, index, plugin)
    {
        for (const char *const *field = fields; *field != NULL; field++)
            cr_assert(eq(int, json_is_string(json_object_get(plugin, *field)), 1), "%s", *field);
    }
}

Test(plugins_list, anonymous_sees_none, .description = "PLUG-X01")
{
    struct wg_response *response = wg_http_get(api_anonymous(), PLUGINS);

    wg_expect_status(response, 200);
    wg_expect_json(response, "", json_pack("{s:[]}", "plugins"));
}

Test(plugins_list, category_selects, .description = "PLUG-X02")
{
    struct wg_response *response = wg_http_get(api_login("user"), PLUGINS "?category=test");

    wg_expect_size(response, "plugins", eq, 1);
    wg_expect_str(response, "plugins[0].id", eq, "sample-analyzer");
}

Test(plugins_list, unknown_category_selects_none, .description = "PLUG-X02")
{
    struct wg_http *user = api_login("user");
    const char *path = wg_http_path(user, PLUGINS "?category=%s", api_nonce("c"));

    wg_expect_json(wg_http_get(user, path), "plugins", json_array());
}

Test(plugins_list, user_does_not_see_a_reviewers_plugin, .description = "PLUG-X03")
{
    cr_assert(not(lists(plugins_of(api_login("user")), "rng-converter")));
}

Test(plugins_list, reviewer_sees_a_reviewers_plugin, .description = "PLUG-X03")
{
    cr_assert(lists(plugins_of(api_login("reviewer")), "rng-converter"));
}

Test(plugins_list, admin_sees_a_reviewers_plugin, .description = "PLUG-X03")
{
    cr_assert(lists(plugins_of(api_login("admin")), "rng-converter"));
}

Test(plugins_list, caller_without_the_role_sees_none, .description = "PLUG-X04")
{
    struct wg_http *annotator = api_user(API_LIST("annotator"), NULL, NULL);

    cr_assert(eq(sz, json_array_size(plugins_of(annotator)), 0));
}

Test(plugins_list, sample_describes_its_endpoints, .description = "PLUG-X05")
{
    json_t *sample = api_find(plugins_of(api_login("user")), "id", "sample-analyzer");
    json_t *endpoints = json_object_get(sample, "endpoints");

    json_t *execute = json_object_get(api_find(endpoints, "name", "execute"), "state_params");
    cr_assert(eq(sz, json_array_size(execute), 2));
    cr_assert(api_has(execute, "xml"));
    cr_assert(api_has(execute, "variant"));
    json_t *info = api_find(endpoints, "name", "info");
    cr_assert(ne(ptr, info, NULL));
    cr_assert(eq(sz, json_array_size(json_object_get(info, "state_params")), 0));
}

Test(plugins_list, built_in_ones_are_there, .description = "PLUG-X06")
{
    static const char *const built_in[] = {
        "sample-analyzer", "annotation-history", "annotation-progress",
        "edit-history",    "iaa-analyzer",       "rng-converter",
    };

    json_t *plugins = plugins_of(api_login("admin"));

    for (size_t i = 0; i < sizeof built_in / sizeof built_in[0]; i++)
        cr_assert(lists(plugins, built_in[i]), "%s", built_in[i]);
}
