/* SPDX-License-Identifier: MIT
 *
 * Every endpoint's handler and field table, for the table of routes. Handlers return 0 with the
 * reply set, or -1 with a failure recorded (see req.h).
 */
#ifndef WG_REFSERVER_HANDLERS_H
#define WG_REFSERVER_HANDLERS_H

#include "tools/refserver/route.h"

#define WG_HANDLERS(X)                                                                             \
    X(health_get)                                                                                  \
    X(stats_get)                                                                                   \
    X(auth_login)                                                                                  \
    X(auth_logout)                                                                                 \
    X(auth_status)                                                                                 \
    X(config_list)                                                                                 \
    X(config_get)                                                                                  \
    X(config_set)                                                                                  \
    X(config_state)                                                                                \
    X(instructions_get)                                                                            \
    X(instructions_set)                                                                            \
    X(users_list)                                                                                  \
    X(users_get)                                                                                   \
    X(users_create)                                                                                \
    X(users_update)                                                                                \
    X(users_profile)                                                                               \
    X(users_delete)                                                                                \
    X(groups_list)                                                                                 \
    X(groups_get)                                                                                  \
    X(groups_create)                                                                               \
    X(groups_update)                                                                               \
    X(groups_delete)                                                                               \
    X(roles_list)                                                                                  \
    X(roles_get)                                                                                   \
    X(roles_create)                                                                                \
    X(roles_update)                                                                                \
    X(roles_delete)                                                                                \
    X(collections_list)                                                                            \
    X(collections_get)                                                                             \
    X(collections_files)                                                                           \
    X(collections_create)                                                                          \
    X(collections_update)                                                                          \
    X(collections_delete)                                                                          \
    X(files_list)                                                                                  \
    X(files_upload)                                                                                \
    X(files_save)                                                                                  \
    X(files_version_from_upload)                                                                   \
    X(files_delete)                                                                                \
    X(files_copy)                                                                                  \
    X(files_move)                                                                                  \
    X(files_serve)                                                                                 \
    X(metadata_get)                                                                                \
    X(metadata_patch)                                                                              \
    X(gold_standard_set)                                                                           \
    X(doc_id_patch)                                                                                \
    X(garbage_collect)                                                                             \
    X(locks_list)                                                                                  \
    X(locks_check)                                                                                 \
    X(locks_acquire)                                                                               \
    X(locks_release)                                                                               \
    X(locks_heartbeat)                                                                             \
    X(stream_subscribe)                                                                            \
    X(stream_echo)                                                                                 \
    X(stream_broadcast)                                                                            \
    X(sync_status)                                                                                 \
    X(sync_run)                                                                                    \
    X(sync_conflicts)                                                                              \
    X(sync_resolve)                                                                                \
    X(plugins_list)                                                                                \
    X(plugins_execute)                                                                             \
    X(sample_analyze)                                                                              \
    X(sample_status)                                                                               \
    X(extract_list)                                                                                \
    X(extract_run)                                                                                 \
    X(xml_validate)                                                                                \
    X(xml_autocomplete)                                                                            \
    X(export_get)                                                                                  \
    X(import_run)

#define WG_DECLARE(name) int wg_##name(struct wg_req *req);
WG_HANDLERS(WG_DECLARE)
#undef WG_DECLARE

#define WG_FIELD_TABLES(X)                                                                         \
    X(login)                                                                                       \
    X(config_set)                                                                                  \
    X(instruction)                                                                                 \
    X(user_create)                                                                                 \
    X(user_update)                                                                                 \
    X(group_create)                                                                                \
    X(group_update)                                                                                \
    X(role_create)                                                                                 \
    X(role_update)                                                                                 \
    X(collection)                                                                                  \
    X(list)                                                                                        \
    X(save)                                                                                        \
    X(delete)                                                                                      \
    X(copy)                                                                                        \
    X(metadata)                                                                                    \
    X(doc_id)                                                                                      \
    X(garbage)                                                                                     \
    X(lock)                                                                                        \
    X(sync)                                                                                        \
    X(resolve)                                                                                     \
    X(plugin)                                                                                      \
    X(analyze)                                                                                     \
    X(extract)                                                                                     \
    X(validate)                                                                                    \
    X(autocomplete)                                                                                \
    X(export)                                                                                      \
    X(import)

#define WG_DECLARE(name) extern const struct wg_field wg_##name##_fields[];
WG_FIELD_TABLES(WG_DECLARE)
#undef WG_DECLARE

#endif
