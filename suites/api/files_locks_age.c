/* SPDX-License-Identifier: MIT */
/*
 * files_locks_age.c - rows of the lock table: their shape, their age, and rules of access that no
 * request can set.
 *
 * All of these look into the databases of the server, so they are skipped without them. Ages stay
 * well away from the limit of 90 seconds, since times are stored in whole seconds.
 */
#include "harness/base/str.h"
#include "suites/api/api.h"
#include "suites/api/files.h"

#define EDIT_DENIED "Access denied: You don't have permission to edit this document"

/* A gold file that is locked by the session. */
static char *locked_file(struct wg_http *owner)
{
    char *gold = api_gold(api_nonce("doc"), NULL);
    api_acquire(owner, gold);
    return gold;
}

Test(files_locks, stale_lock_is_not_shown, .description = "LOCK-X19")
{
    api_need_data();
    struct wg_http *owner = api_login("reviewer"), *other = api_login("annotator");
    char *gold = locked_file(owner);

    api_age_lock(gold, "updated_at", 120);

    api_expect_lock(other, gold, NULL);
    cr_assert(not(api_lists_lock(owner, gold)));
}

Test(files_locks, stale_lock_is_taken_over, .description = "LOCK-X19")
{
    api_need_data();
    struct wg_http *owner = api_login("reviewer"), *other = api_login("annotator");
    char *gold = locked_file(owner);
    api_age_lock(gold, "updated_at", 120);

    wg_expect_status(api_file_post(other, "acquire_lock", gold), 200);

    api_expect_lock(owner, gold, api_session(other));
    char *session = wg_db_text("locks", "SELECT session_id FROM locks WHERE file_id = ?", gold);
    cr_assert(eq(str, session, (char *)api_session(other)));
}

Test(files_locks, lost_lock_cannot_be_acquired_again, .description = "LOCK-X19")
{
    api_need_data();
    struct wg_http *owner = api_login("reviewer"), *other = api_login("annotator");
    char *gold = locked_file(owner);
    api_age_lock(gold, "updated_at", 120);
    wg_expect_status(api_file_post(other, "acquire_lock", gold), 200);

    struct wg_response *response = api_file_post(owner, "acquire_lock", gold);

    wg_expect_error(response, 423, wg_format("Could not acquire lock for %s", gold));
}

Test(files_locks, lock_of_a_minute_still_holds, .description = "LOCK-X20")
{
    api_need_data();
    struct wg_http *owner = api_login("reviewer"), *other = api_login("annotator");
    char *gold = locked_file(owner);

    api_age_lock(gold, "updated_at", 60);

    wg_expect_error(api_file_post(other, "acquire_lock", gold), 423,
                    wg_format("Could not acquire lock for %s", gold));
}

Test(files_locks, refresh_keeps_the_time_of_acquisition, .description = "LOCK-X21")
{
    api_need_data();
    struct wg_http *owner = api_login("reviewer");
    char *gold = locked_file(owner);
    api_age_lock(gold, "updated_at", 30);
    api_age_lock(gold, "acquired_at", 30);

    api_acquire(owner, gold);

    cr_assert(wg_db_int("locks",
                        "SELECT strftime('%s','now') - strftime('%s', updated_at) FROM locks "
                        "WHERE file_id = ?",
                        gold) < 25);
    cr_assert(wg_db_int("locks",
                        "SELECT strftime('%s','now') - strftime('%s', acquired_at) FROM locks "
                        "WHERE file_id = ?",
                        gold) >= 29);
}

Test(files_locks, row_joins_stable_id_and_session, .description = "LOCK-X22")
{
    api_need_data();
    struct wg_http *owner = api_login("reviewer");

    char *gold = locked_file(owner);

    cr_assert(
        eq(i64,
           wg_db_int("locks", "SELECT count(*) FROM locks WHERE file_id = ? AND session_id = ?",
                     gold, api_session(owner)),
           1));
}

Test(files_locks, release_removes_the_row, .description = "LOCK-X22")
{
    api_need_data();
    struct wg_http *owner = api_login("reviewer");
    char *gold = locked_file(owner);

    api_release(owner, gold);

    cr_assert(eq(i64, wg_db_int("locks", "SELECT count(*) FROM locks WHERE file_id = ?", gold), 0));
}

Test(files_locks, deletion_leaves_the_row, .description = "LOCK-X17")
{
    api_need_data();
    struct wg_http *owner = api_login("reviewer");
    char *gold = locked_file(owner);

    api_delete(owner, gold);

    cr_assert(eq(i64, wg_db_int("locks", "SELECT count(*) FROM locks WHERE file_id = ?", gold), 1));
}

Test(files_locks, protected_document_is_locked_by_its_owner_only, .description = "LOCK-X23")
{
    api_need_data();
    char *gold = api_gold(api_nonce("doc"), NULL);
    api_set_access(gold, "file_metadata", "editability", "protected", "user");

    struct wg_response *refused = api_file_post(api_login("reviewer"), "acquire_lock", gold);
    struct wg_response *granted = api_file_post(api_login("user"), "acquire_lock", gold);

    wg_expect_error(refused, 403, EDIT_DENIED);
    wg_expect_status(granted, 200);
}

Test(files_locks, wildcard_role_does_not_override_protection, .description = "LOCK-X23")
{
    api_need_data();
    char *gold = api_gold(api_nonce("doc"), NULL);
    api_set_access(gold, "file_metadata", "editability", "protected", "user");

    struct wg_response *response = api_file_post(api_login("admin"), "acquire_lock", gold);

    wg_expect_error(response, 403, EDIT_DENIED);
}
