/* SPDX-License-Identifier: MIT
 *
 * What has to be on disk before the first request: directories, configuration files, databases.
 *
 * Configuration comes from --config-dir, or from the fixture built into the program: four users
 * (admin, user, annotator, reviewer, each with its name as password), roles, groups, collections
 * and settings that API tests rely on. A file that exists is never replaced; the settings file gets
 * the keys that it lacks.
 */
#ifndef WG_REFSERVER_SEED_H
#define WG_REFSERVER_SEED_H

#include "tools/refserver/app.h"

/* 0, or -1 with a reason in `fail`. Without `databases` those are left to the requests. */
int wg_seed_data(struct wg_app *app, bool databases, struct wg_fail *fail);

#endif
