/* SPDX-License-Identifier: MIT */
/* base_json.c - JSON files and their errors, bytes that are no UTF-8, reads with defaults. */
#include "harness/base/json.h"

#include "harness/base/limit.h"
#include "harness/base/str.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(base_json, .timeout = 10);

/* A file in a new directory; wg_json_write_file must find room for its temporary name beside it. */
struct place {
    char directory[64];
    char *path;
};

static struct place place_create(void)
{
    struct place place = {.directory = "/tmp/walgrind-unit-XXXXXX"};
    cr_assert(mkdtemp(place.directory) != NULL);
    place.path = wg_format("%s/value.json", place.directory);
    return place;
}

static void place_destroy(struct place *place)
{
    unlink(place->path);
    cr_expect(zero(int, rmdir(place->directory)), "something was left in %s", place->directory);
    free(place->path);
}

static void place_fill(const struct place *place, const char *text)
{
    int fd = open(place->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    cr_assert(ge(int, fd, 0));
    cr_assert(eq(long, write(fd, text, strlen(text)), (long)strlen(text)));
    close(fd);
}

Test(base_json, a_written_file_reads_back_and_leaves_no_temporary_behind)
{
    struct place place = place_create();
    struct wg_err err = WG_ERR_INIT;
    json_t *value = json_pack("{s:s, s:[i,i]}", "name", "x", "list", 1, 2), *back = NULL;
    cr_assert(zero(int, wg_json_write_file(place.path, value, &err)), "%s", err.message);
    cr_assert(zero(int, wg_json_read_file(place.path, &back, &err)), "%s", err.message);
    cr_assert(json_equal(value, back));
    json_decref(value);
    json_decref(back);
    place_destroy(&place);
}

Test(base_json, a_syntax_error_names_path_line_and_column)
{
    struct place place = place_create();
    struct wg_err err = WG_ERR_INIT;
    json_t *value = NULL;
    place_fill(&place, "{\n \"a\": }\n");
    cr_assert(eq(int, wg_json_read_file(place.path, &value, &err), -1));
    cr_assert(value == NULL);
    cr_assert(eq(int, (int)err.kind, WG_ERR_FORMAT));
    char *start = wg_format("%s:2:", place.path);
    cr_assert(wg_str_starts(err.message, start), "%s", err.message);
    free(start);
    place_destroy(&place);
}

Test(base_json, files_that_are_no_clean_json_are_refused)
{
    static const char *const cases[] = {"", "{\"a\":1,\"a\":2}", "[1] [2]", "\"\xff\""};
    struct place place = place_create();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wg_err err = WG_ERR_INIT;
        json_t *value = NULL;
        place_fill(&place, cases[i]);
        cr_expect(eq(int, wg_json_read_file(place.path, &value, &err), -1), "case %zu", i);
        cr_expect(eq(int, (int)err.kind, WG_ERR_FORMAT), "case %zu", i);
    }
    place_destroy(&place);
}

Test(base_json, a_file_past_the_limit_is_refused_unread)
{
    struct place place = place_create();
    struct wg_err err = WG_ERR_INIT;
    json_t *value = NULL;
    place_fill(&place, "[]");
    cr_assert(zero(int, truncate(place.path, (off_t)WG_LIMIT_JSON_FILE + 1)));
    cr_assert(eq(int, wg_json_read_file(place.path, &value, &err), -1));
    cr_assert(eq(int, (int)err.kind, WG_ERR_LIMIT));
    place_destroy(&place);
}

Test(base_json, missing_files_and_directories_are_errors)
{
    struct wg_err err = WG_ERR_INIT;
    json_t *value = NULL;
    cr_assert(eq(int, wg_json_read_file("/proc/self/no-such-file", &value, &err), -1));
    cr_assert(eq(int, err.sys_errno, ENOENT));
    wg_err_clear(&err);
    cr_assert(eq(int, wg_json_read_file("/proc/self", &value, &err), -1));
    cr_assert(wg_err_is_set(&err));
    wg_err_clear(&err);
    json_t *empty = json_object();
    cr_assert(eq(int, wg_json_write_file("/proc/self/no-such-file", empty, &err), -1));
    cr_assert(eq(int, (int)err.kind, WG_ERR_SYSTEM));
    json_decref(empty);
}

Test(base_json, a_full_disk_is_reported_when_writing)
{
    struct wg_err err = WG_ERR_INIT;
    char directory[] = "/tmp/walgrind-unit-XXXXXX";
    cr_assert(mkdtemp(directory) != NULL);
    char *path = wg_format("%s/x", directory);
    char *temporary = wg_format("%s.%ld.tmp", path, (long)getpid());
    cr_assert(zero(int, symlink("/dev/full", temporary)));
    json_t *value = json_pack("{s:s}", "a", "b");
    cr_assert(eq(int, wg_json_write_file(path, value, &err), -1));
    cr_assert(eq(int, err.sys_errno, ENOSPC), "%s", err.message);
    cr_assert(eq(int, access(path, F_OK), -1));
    json_decref(value);
    unlink(temporary);
    rmdir(directory);
    free(temporary);
    free(path);
}

Test(base_json, bytes_that_are_no_utf8_become_replacement_characters)
{
    static const struct {
        const char *label, *bytes;
        size_t size;
        const char *expected;
    } cases[] = {
        {"plain", "abc", 3, "abc"},
        {"well formed", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9,
         "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"nul", "a\0b", 3,
         "a\xe2\x90\x80"
         "b"},
        {"stray byte",
         "a\xff"
         "b",
         3,
         "a\xef\xbf\xbd"
         "b"},
        {"cut sequence", "\xe2\x82", 2, "\xef\xbf\xbd\xef\xbf\xbd"},
        {"overlong slash", "\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd"},
        {"surrogate", "\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"past U+10FFFF", "\xf4\x90\x80\x80", 4,
         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"empty", "", 0, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *value = wg_json_string_new(cases[i].bytes, cases[i].size);
        cr_expect(eq(str, (char *)json_string_value(value), (char *)cases[i].expected), "%s",
                  cases[i].label);
        json_decref(value);
    }
}

Test(base_json, dump_is_compact_and_keeps_the_order_of_keys)
{
    json_t *value = json_pack("{s:i, s:[b,n], s:s}", "z", 1, "a", 1, "text", "\xc3\xa9\n");
    struct wg_buf out;
    wg_buf_init(&out, 1000);
    wg_json_dump(value, &out);
    cr_assert(eq(str, out.data, "{\"z\":1,\"a\":[true,null],\"text\":\"\xc3\xa9\\n\"}"));
    wg_buf_finish(&out);
    json_decref(value);
}

Test(base_json, reads_give_the_member_or_the_default)
{
    json_t *o = json_pack("{s:s, s:i, s:f, s:b, s:b}", "s", "x", "i", 7, "r", 1.5, "t", 1, "f", 0);
    cr_expect(eq(str, (char *)wg_json_str(o, "s", "d"), "x"));
    cr_expect(eq(str, (char *)wg_json_str(o, "i", "d"), "d"));
    cr_expect(wg_json_str(o, "none", NULL) == NULL);
    cr_expect(eq(i64, wg_json_int(o, "i", -1), 7));
    cr_expect(eq(i64, wg_json_int(o, "r", -1), -1));
    cr_expect(eq(i64, wg_json_int(NULL, "i", -1), -1));
    cr_expect(epsilon_eq(dbl, wg_json_real(o, "r", 0), 1.5, 1e-12));
    cr_expect(epsilon_eq(dbl, wg_json_real(o, "i", 0), 7, 1e-12));
    cr_expect(wg_json_bool(o, "t", false));
    cr_expect(not(wg_json_bool(o, "f", true)));
    cr_expect(wg_json_bool(o, "s", true));
    json_decref(o);
}
