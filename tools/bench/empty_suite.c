/* SPDX-License-Identifier: MIT */
/*
 * empty_suite.c - 500 tests that do nothing, in a binary that carries what API tests carry
 * (libcurl, sqlite3, jansson), so that what is measured is the runner.
 */
#include "fixtures/walgrind.h"

#define ONE(n)                                                                                     \
    Test(empty, test_##n)                                                                          \
    {                                                                                              \
    }
#define TEN(n)                                                                                     \
    ONE(n##0)                                                                                      \
    ONE(n##1) ONE(n##2) ONE(n##3) ONE(n##4) ONE(n##5) ONE(n##6) ONE(n##7) ONE(n##8) ONE(n##9)
#define HUNDRED(n)                                                                                 \
    TEN(n##0)                                                                                      \
    TEN(n##1) TEN(n##2) TEN(n##3) TEN(n##4) TEN(n##5) TEN(n##6) TEN(n##7) TEN(n##8) TEN(n##9)

HUNDRED(1)
HUNDRED(2)
HUNDRED(3)
HUNDRED(4)
HUNDRED(5)
