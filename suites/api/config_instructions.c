/* SPDX-License-Identifier: MIT */
/*
 * config_instructions.c - the list of extraction instructions, one for the whole server.
 *
 * A POST replaces the whole list, so the tests that send one that is accepted run alone (suite
 * config_instructions); those that are refused are in the suite config.
 */
#include "suites/api/api.h"

#include "harness/suite/suite.h"

#define INSTRUCTIONS "/api/v1/config/instructions"

TestSuite(config_instructions, .data = &(struct wg_test_options){.exclusive = true});

static json_t *entry(const char *label)
{
    return json_pack("{s:s, s:[s], s:[s,s]}", "label", label, "extractor", "test-extractor", "text",
                     "first line", "zweite Zeile – ü");
}

/* Replaces the list, whose reference is taken over. */
static void replace(struct wg_http *http, json_t *list)
{
    struct wg_response *response = wg_http_post_json(http, INSTRUCTIONS, list);
    wg_expect_status(response, 200);
    wg_expect_json(response, "", json_pack("{s:s}", "result", "ok"));
}

/* A list that lacks something is refused with 422. */
static void expect_refused(json_t *body)
{
    wg_expect_422(wg_http_post_json(api_login("admin"), INSTRUCTIONS, body), NULL);
}

Test(config, instructions_need_a_session, .description = "CONF-08")
{
    wg_expect_error(wg_http_get(api_anonymous(), INSTRUCTIONS), 401, "Authentication required");
}

Test(config, instructions_are_an_array, .description = "CONF-09")
{
    struct wg_response *response = wg_http_get(api_login("admin"), INSTRUCTIONS);

    wg_expect_status(response, 200);
    cr_assert(eq(int, json_is_array(wg_require_json(response, "")), 1));
}

Test(config, saving_instructions_needs_a_session, .description = "CONF-11")
{
    struct wg_response *response =
        wg_http_post_json(api_anonymous(), INSTRUCTIONS, json_pack("[o]", entry("x")));

    wg_expect_error(response, 401, "Authentication required");
}

Test(config, instruction_without_text_is_refused, .description = "CONF-X19")
{
    expect_refused(json_pack("[{s:s, s:[s]}]", "label", "x", "extractor", "e"));
}

Test(config, instruction_with_string_text_is_refused, .description = "CONF-X19")
{
    expect_refused(
        json_pack("[{s:s, s:[s], s:s}]", "label", "x", "extractor", "e", "text", "no list"));
}

Test(config, instructions_must_be_an_array, .description = "CONF-X19")
{
    expect_refused(entry("x"));
}

Test(config_instructions, saved_list_is_read_back, .description = "CONF-10")
{
    struct wg_http *admin = api_login("admin");
    json_t *list = json_pack("[o]", entry(api_nonce("label")));

    replace(admin, json_incref(list));

    wg_expect_json(wg_http_get(admin, INSTRUCTIONS), "", list);
}

Test(config_instructions, unknown_fields_are_dropped, .description = "CONF-X20")
{
    struct wg_http *admin = api_login("admin");
    const char *label = api_nonce("label");
    json_t *extended = entry(label);
    json_object_set_new(extended, "extra", json_true());

    replace(admin, json_pack("[o]", extended));

    wg_expect_json(wg_http_get(admin, INSTRUCTIONS), "", json_pack("[o]", entry(label)));
}

Test(config_instructions, empty_list_is_kept, .description = "CONF-X21")
{
    struct wg_http *admin = api_login("admin");

    replace(admin, json_array());

    wg_expect_json(wg_http_get(admin, INSTRUCTIONS), "", json_array());
}
