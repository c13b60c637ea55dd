/* SPDX-License-Identifier: MIT
 *
 * Whether there is a network beyond this machine. Connects to a public name server; takes up to
 * three seconds to say no.
 */
#ifndef WG_REFSERVER_INTERNET_H
#define WG_REFSERVER_INTERNET_H

#include <stdbool.h>

bool wg_internet_reachable(void);

#endif
