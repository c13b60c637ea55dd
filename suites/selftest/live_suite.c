/* SPDX-License-Identifier: MIT */
/* live_suite.c - a suite binary with a test that runs until somebody stops it, for live.py. */
#include "harness/suite/suite.h"

#include <criterion/criterion.h>
#include <unistd.h>

Test(live, passes)
{
}

Test(live, hangs_too)
{
    for (;;)
        pause();
}

Test(live, hangs)
{
    for (;;)
        pause();
}
