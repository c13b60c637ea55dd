/* SPDX-License-Identifier: MIT */
/* report_html.c - the page of a run holds what it must, and nothing that a test printed gets out of
 * its place. */
#include "harness/base/buf.h"
#include "harness/base/json.h"
#include "harness/base/str.h"
#include "harness/report/html.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE_MAX (4u << 20)

#define AT(event, number) "{\"event\":\"" event "\",\"unit\":7,\"at_ns\":" #number "000000,"
#define TEST              "\"attempt\":1,\"test\":\"a/b\","

static const char record[] = "{\"event\":\"run-started\",\"seq\":1,\"at_ns\":0,\"version\":1}\n" AT(
    "unit-started", 1) "\"log\":\"log\"}\n" AT("test-started", 2) TEST
    "\"worker\":3}\n" AT("request", 3) TEST
    "\"method\":\"GET\",\"path\":\"/x\",\"status\":500,\"ms\":0.5,\"body\":\"<b>\"}\n" AT(
        "test-finished", 4) TEST
    "\"mode\":\"none\",\"round\":1,\"outcome\":\"failed\",\"ms\":2,\"messages\":[],"
    "\"server_log\":\"listening\\nGET / 500\\n\","
    "\"output\":\"</script><script>alert(1)</script>\"}\n"
    "{\"event\":\"test-fini";

static void write_file(const char *directory, const char *name, const char *text)
{
    char *path = wg_format("%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    cr_assert(eq(long, write(fd, text, strlen(text)), (long)strlen(text)));
    close(fd);
    free(path);
}

/* The data of the page that is made of the record above. */
static json_t *render(void)
{
    char directory[] = "/tmp/walgrind-unit-html-XXXXXX";
    cr_assert(mkdtemp(directory) != NULL);
    write_file(directory, "events.jsonl", record);
    char *from = wg_format("%s/events.jsonl", directory), *to = wg_format("%s/page", directory);
    struct wg_err err = WG_ERR_INIT;
    cr_assert(eq(int, wg_html_write(from, to, &err), 0), "%s", err.message);

    char *page = calloc(1, PAGE_MAX);
    int fd = open(to, O_RDONLY | O_CLOEXEC);
    cr_assert(ge(long, read(fd, page, PAGE_MAX - 1), 1000));
    close(fd);
    static const char opening[] = "id=\"data\">";
    char *data = strstr(page, opening);
    cr_assert(data != NULL);
    data += strlen(opening);
    char *end = strstr(data, "</script>");
    cr_assert(end != NULL);
    json_error_t error;
    json_t *value = json_loadb(data, (size_t)(end - data), 0, &error);
    cr_assert(value != NULL, "the data ends too early: %s", error.text);
    for (const char *const *name = (const char *const[]){"events.jsonl", "page", NULL}; *name;
         name++) {
        char *path = wg_format("%s/%s", directory, *name);
        unlink(path);
        free(path);
    }
    rmdir(directory);
    free(page);
    free(from);
    free(to);
    return value;
}

Test(report_html, output_that_looks_like_a_script_stays_in_the_data)
{
    json_t *data = render();
    json_t *detail = json_array_get(json_object_get(data, "details"), 0);
    cr_expect(
        eq(str, (char *)wg_json_str(detail, "output", ""), "</script><script>alert(1)</script>"));
    json_decref(data);
}

Test(report_html, failed_test_has_what_the_server_logged_meanwhile)
{
    json_t *data = render();
    const json_t *detail = json_array_get(json_object_get(data, "details"), 0);
    cr_expect(eq(str, (char *)wg_json_str(detail, "server_log", ""), "listening\nGET / 500\n"));
    json_decref(data);
}

Test(report_html, cut_record_gives_a_page_that_is_not_a_pass)
{
    json_t *data = render();
    cr_expect(ne(str, (char *)wg_json_str(data, "verdict", ""), "PASS"));
    cr_expect(eq(sz, json_array_size(json_object_get(data, "tests")), 1));
    cr_expect(eq(sz, json_array_size(json_object_get(data, "requests")), 1));
    json_decref(data);
}
