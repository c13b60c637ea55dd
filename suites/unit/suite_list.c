/* SPDX-License-Identifier: MIT */
/* suite_list.c - what a suite binary tells of its tests before any is run. */
#include "harness/base/json.h"
#include "harness/wire/suite_protocol.h"
#include "suites/unit/suite_driver.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <signal.h>
#include <string.h>

Test(suite_list, hello_comes_first_and_names_protocol_and_pid)
{
    struct suite_driver driver;
    driver_start(&driver);

    cr_expect(eq(str, (char *)wg_json_str(driver.hello, "op", ""), "hello"));
    cr_expect(eq(int, (int)wg_json_int(driver.hello, "protocol", 0), WG_SUITE_PROTOCOL));
    cr_expect(eq(int, (int)wg_json_int(driver.hello, "pid", 0), wg_process_pid(driver.process)));
    driver_finish(&driver);
}

Test(suite_list, every_test_has_every_field_and_a_dense_number)
{
    struct suite_driver driver;
    size_t index;
    json_t *test;
    driver_start(&driver);

    cr_expect(ge(sz, json_array_size(driver.tests), 41));
    json_array_foreach(driver.tests, index, test)
    {
        cr_expect(eq(sz, (size_t)wg_json_int(test, "id", -1), index));
#define EXPECT_FIELD(key, code, meaning) cr_expect(json_object_get(test, key) != NULL, "%s", key);
        WG_SUITE_TEST_FIELDS(EXPECT_FIELD)
#undef EXPECT_FIELD
    }
    driver_finish(&driver);
}

struct field {
    char test[48], key[16];
    int value;
};

/* clang-format off */
ParameterizedTestParameters(suite_list, option_is_told)
{
    static struct field rows[] = {
        {"lonely/runs_alone", "exclusive", 1},
        {"plain/passes", "exclusive", 0},
        {"plain/is_disabled", "disabled", 1},
        {"plain/passes", "disabled", 0},
        {"plain/passes", "timeout_ms", 0},
        {"ends/hangs", "timeout_ms", 300},
        {"ends/hangs_and_ignores_term", "timeout_ms", 300},
        {"inherits/its_timeout", "timeout_ms", 500},
        {"inherits/not_when_it_says_another", "timeout_ms", 2000},
        {"ends/dies_as_expected", "signal", SIGABRT},
        {"ends/exits_as_expected", "exit_code", 3},
        {"inherits/its_timeout", "signal", 0},    /* as Criterion's runner has it */
        {"inherits/its_timeout", "exit_code", 0},
    };
    return cr_make_param_array(struct field, rows, sizeof rows / sizeof *rows, NULL);
}
/* clang-format on */

ParameterizedTest(struct field *row, suite_list, option_is_told)
{
    struct suite_driver driver;
    driver_start(&driver);
    const json_t *value = json_object_get(driver_test(&driver, row->test), row->key);
    int got = json_is_boolean(value) ? json_is_true(value) : (int)json_integer_value(value);
    cr_expect(eq(int, got, row->value), "%s of %s", row->key, row->test);
    driver_finish(&driver);
}

Test(suite_list, description_file_and_line_are_told)
{
    struct suite_driver driver;
    driver_start(&driver);
    const json_t *test = driver_test(&driver, "inherits/its_timeout");
    const char *file = wg_json_str(test, "file", "");

    cr_expect(eq(str, (char *)wg_json_str(test, "description", ""), "api-42"));
    cr_expect(strstr(file, "suite_sample_corner.c") != NULL, "%s", file);
    cr_expect(ge(int, (int)wg_json_int(test, "line", 0), 101));
    driver_finish(&driver);
}

Test(suite_list, parameterised_cases_carry_index_and_label)
{
    struct suite_driver driver;
    driver_start(&driver);
    driver_test(&driver, "table/rows[0:one]");
    driver_test(&driver, "table/rows[1:two]");
    driver_test(&driver, "table/rows[2]");
    driver_finish(&driver);
}
