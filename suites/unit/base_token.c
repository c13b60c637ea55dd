/* SPDX-License-Identifier: MIT */
/* base_token.c - random names: alphabet, length, and that they differ. */
#include "harness/base/token.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

TestSuite(base_token, .timeout = 10);

Test(base_token, a_token_fills_its_buffer_from_the_alphabet_letter_first)
{
    int digits = 0;
    for (int i = 0; i < 1000; i++) {
        char token[13];
        memset(token, '#', sizeof token);
        wg_token(token, sizeof token);
        cr_assert(eq(sz, strlen(token), 12));
        cr_assert(eq(sz, strspn(token, "abcdefghijklmnopqrstuvwxyz0123456789"), 12), "%s", token);
        cr_assert(token[0] >= 'a' && token[0] <= 'z', "%s", token);
        digits += strpbrk(token, "0123456789") != NULL;
    }
    cr_assert(ge(int, digits, 501));
}

Test(base_token, a_buffer_of_one_byte_gives_the_empty_string)
{
    char token[2] = {'#', '#'};
    wg_token(token, 1);
    cr_assert(token[0] == '\0' && token[1] == '#');
}

Test(base_token, tokens_differ)
{
    char tokens[200][17];
    for (int i = 0; i < 200; i++) {
        wg_token(tokens[i], sizeof tokens[i]);
        for (int k = 0; k < i; k++)
            cr_assert(ne(str, tokens[i], tokens[k]));
    }
}

Test(base_token, random_bytes_fill_exactly_what_was_asked)
{
    unsigned char bytes[66] = {0};
    wg_random_bytes(bytes + 1, 64);
    int set = 0;
    for (int i = 1; i <= 64; i++)
        set += bytes[i] != 0;
    cr_assert(ge(int, set, 33));
    cr_assert(bytes[0] == 0 && bytes[65] == 0);
}
