/* SPDX-License-Identifier: MIT
 *
 * The server as one value: options, log, databases, stored files, configuration files, event
 * streams. There is exactly one, made by main() and handed to everybody else; after start-up its
 * parts guard themselves.
 */
#ifndef WG_REFSERVER_APP_H
#define WG_REFSERVER_APP_H

#include "tools/refserver/break.h"
#include "tools/refserver/configfile.h"
#include "tools/refserver/db.h"
#include "tools/refserver/hazard/hazard.h"
#include "tools/refserver/log.h"
#include "tools/refserver/options.h"
#include "tools/refserver/sse.h"
#include "tools/refserver/store.h"
#include "tools/refserver/strategy/strategy.h"

struct wg_app {
    struct wg_options options;
    struct wg_log log;
    struct wg_db db[WG_DB_COUNT];
    struct wg_configs configs;
    struct wg_store store;
    struct wg_hub hub;
    struct wg_break breaker;
    struct wg_hazards hazards;
    struct wg_lender lender;
};

#endif
