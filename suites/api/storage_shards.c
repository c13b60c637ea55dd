/* SPDX-License-Identifier: MIT */
/*
 * storage_shards.c - the directories of the store come and go with their content.
 *
 * A directory is shared by all content whose hash begins with the same two digits. The test looks
 * for a document that falls into a directory of its own by trying texts before it saves one; on a
 * server with so much content that no directory is free it is skipped. Other clients could put
 * content beside it, so it runs alone.
 */
#include "harness/base/str.h"
#include "harness/suite/suite.h"
#include "suites/api/api.h"
#include "suites/api/files.h"

#include <string.h>
#include <unistd.h>

#define TRIES                                                                                      \
    4000 /* texts; with one free directory in 256 all of them fail once in 6 million runs */

TestSuite(storage_shards, .data = &(struct wg_test_options){.exclusive = true});

/* The directory that the content would be in. */
static char *shard_of(const char *xml)
{
    char *path = api_stored_path(api_sha256(xml, strlen(xml)), API_TEI);
    return wg_strndup(path, (size_t)(strrchr(path, '/') - path));
}

Test(storage_shards, directory_is_removed_with_its_last_content, .description = "STOR-X07")
{
    api_need_data();
    struct wg_http *reviewer = api_login("reviewer");
    char *doc = api_nonce("doc"), *xml = api_tei(doc, NULL, NULL), *shard = shard_of(xml);
    for (int i = 0; i < TRIES && access(shard, F_OK) == 0; i++) {
        xml = api_tei(doc, NULL, NULL);
        shard = shard_of(xml);
    }
    if (access(shard, F_OK) == 0)
        cr_skip_test("every directory of the store is in use");
    const char *gold = api_expect_saved(api_save_try(reviewer, doc, xml, false), "new_gold");
    cr_assert(access(shard, F_OK) == 0, "%s is not there", shard);

    api_delete(reviewer, gold);

    cr_assert(access(shard, F_OK) != 0, "%s is still there", shard);
}
