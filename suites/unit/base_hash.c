/* SPDX-License-Identifier: MIT */
/* base_hash.c - SHA-256 against the vectors of FIPS 180-2 (appendix B) and files. */
#include "harness/base/hash.h"

#include "harness/base/str.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MILLION_A "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"

TestSuite(base_hash, .timeout = 10);

Test(base_hash, known_vectors)
{
    static const struct {
        const char *text, *hex;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wg_hash hash;
        char hex[WG_HASH_HEX_SIZE];
        wg_hash_init(&hash);
        wg_hash_add(&hash, cases[i].text, strlen(cases[i].text));
        wg_hash_hex(&hash, hex);
        cr_expect(eq(str, hex, (char *)cases[i].hex));
    }
}

Test(base_hash, strings_do_not_run_into_each_other)
{
    struct wg_hash one, two;
    char one_hex[WG_HASH_HEX_SIZE], two_hex[WG_HASH_HEX_SIZE];
    wg_hash_init(&one);
    wg_hash_add_str(&one, "ab");
    wg_hash_add_str(&one, "c");
    wg_hash_hex(&one, one_hex);
    wg_hash_init(&two);
    wg_hash_add_str(&two, "a");
    wg_hash_add_str(&two, "bc");
    wg_hash_hex(&two, two_hex);
    cr_assert(ne(str, one_hex, two_hex));
}

Test(base_hash, a_file_larger_than_a_block_is_read_whole)
{
    char path[] = "/tmp/walgrind-unit-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    cr_assert(ge(int, fd, 0));
    unlink(path);
    char *block = wg_malloc(1000000);
    memset(block, 'a', 1000000);
    cr_assert(eq(long, write(fd, block, 1000000), 1000000));
    free(block);
    char *link = wg_format("/proc/self/fd/%d", fd);
    struct wg_hash hash;
    struct wg_err err = WG_ERR_INIT;
    char hex[WG_HASH_HEX_SIZE];
    wg_hash_init(&hash);
    cr_assert(zero(int, wg_hash_add_file(&hash, link, &err)), "%s", err.message);
    wg_hash_hex(&hash, hex);
    cr_assert(eq(str, hex, MILLION_A));
    free(link);
    close(fd);
}

Test(base_hash, a_file_that_cannot_be_read_is_an_error_with_its_name)
{
    struct wg_hash hash;
    struct wg_err err = WG_ERR_INIT;
    wg_hash_init(&hash);
    cr_assert(eq(int, wg_hash_add_file(&hash, "/proc/self/no-such-file", &err), -1));
    cr_assert(eq(int, err.sys_errno, ENOENT));
    cr_assert(strstr(err.message, "/proc/self/no-such-file") != NULL);
    wg_err_clear(&err);
    cr_assert(eq(int, wg_hash_add_file(&hash, "/proc/self", &err), -1));
    cr_assert(eq(int, err.sys_errno, EISDIR));
}
