/* SPDX-License-Identifier: MIT */
#include "harness/probe/real.h"

#include <dlfcn.h>
#include <string.h>

struct wg_probe_reals wg_probe_reals;

void wg_probe_find_reals(void)
{
#define REAL(name, result, parameters)                                                             \
    if (!wg_probe_reals.real_##name) {                                                             \
        void *found = dlsym(RTLD_NEXT, #name);                                                     \
        memcpy(&wg_probe_reals.real_##name, &found, sizeof found);                                 \
    }
    WG_PROBE_REALS(REAL)
#undef REAL
}
