/* SPDX-License-Identifier: MIT */
/* diag_pages.c - every detector has its page in docs/diagnosis, and every page its detector. */
#include "harness/base/buf.h"
#include "harness/base/sqlite_code.h"
#include "harness/base/str.h"
#include "harness/diag/detector.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGES    WG_TEST_DOCS "/diagnosis"
#define PAGE_MAX (64u << 10)
#define SUFFIX   ".md"

/* The text of a file below docs; "" when there is none. The caller frees it. */
static char *read_page(const char *path)
{
    char block[4096];
    size_t n;
    struct wg_buf text;
    FILE *file = fopen(path, "re");
    wg_buf_init(&text, PAGE_MAX);
    while (file && (n = fread(block, 1, sizeof block, file)) > 0)
        wg_buf_append(&text, block, n);
    if (file)
        fclose(file);
    return wg_buf_steal(&text);
}

static void expect_in(const char *page, const char *id, const char *text)
{
    cr_expect(ne(ptr, strstr(page, text), NULL), "docs/diagnosis/%s" SUFFIX " has no '%s'", id,
              text);
}

Test(diag_pages, each_detector_has_a_page_with_all_parts)
{
    static const char *const parts[] = {"\n## Evidence\n", "\n## Meaning\n", "\n## Codes\n",
                                        "\n## Wrong\n",    "\n## Right\n",   "\n## Fix\n"};
    for (size_t i = 0; i < wg_detector_count; i++) {
        const char *id = wg_detectors[i].id;
        char *path = wg_format(PAGES "/%s" SUFFIX, id);
        char *page = read_page(path);
        char *head = wg_format("# %s\n", id);
        cr_expect(wg_str_starts(page, head), "%s does not begin with its id", path);
        for (size_t j = 0; j < sizeof parts / sizeof parts[0]; j++)
            expect_in(page, id, parts[j]);
        free(head);
        free(page);
        free(path);
    }
}

Test(diag_pages, a_page_names_the_codes_that_its_mechanism_explains)
{
    for (size_t i = 0; i < wg_detector_count; i++) {
        const struct wg_symptom *symptom = wg_detector_symptom(&wg_detectors[i]);
        char *path = wg_format(PAGES "/%s" SUFFIX, wg_detectors[i].id);
        char *page = read_page(path);
        /* Lines are wrapped anywhere between two words. */
        for (char *at = page; *at; at++)
            *at = *at == '\n' ? ' ' : *at;
        for (const int *code = symptom ? symptom->codes : NULL; code && *code; code++) {
            char *name = wg_format("%d %s", *code, wg_sqlite_code_name(*code));
            expect_in(page, wg_detectors[i].id, name);
            free(name);
        }
        free(page);
        free(path);
    }
}

Test(diag_pages, each_page_is_of_a_detector_and_in_the_overview)
{
    char *overview = read_page(WG_TEST_DOCS "/diagnosis.md");
    DIR *pages = opendir(PAGES);
    const struct dirent *entry;
    size_t count = 0;
    cr_assert(ne(ptr, pages, NULL));
    while ((entry = readdir(pages)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        char *id = wg_strndup(entry->d_name, strcspn(entry->d_name, "."));
        char *link = wg_format("](diagnosis/%s" SUFFIX ")", id);
        cr_expect(ne(ptr, (void *)wg_detector_find(id), NULL), "no detector is called %s", id);
        cr_expect(ne(ptr, strstr(overview, link), NULL), "docs/diagnosis.md has no %s", link);
        count++;
        free(link);
        free(id);
    }
    closedir(pages);
    free(overview);
    cr_expect(eq(sz, count, wg_detector_count));
}
