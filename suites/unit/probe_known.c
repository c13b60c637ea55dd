/* SPDX-License-Identifier: MIT */
/* probe_known.c - what is known of files and programs by their names and first bytes. */
#include "harness/probe/known.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *obstacle_of(const void *bytes, size_t size)
{
    int fd = memfd_create("program", MFD_CLOEXEC);
    cr_assert(ge(int, fd, 0));
    cr_assert(eq(sz, (size_t)write(fd, bytes, size), size));
    const char *why = wg_probe_obstacle(fd);
    close(fd);
    return why;
}

Test(known, programs_are_told_by_their_headers)
{
    Elf64_Ehdr elf = {.e_phentsize = sizeof(Elf64_Phdr)};
    memcpy(elf.e_ident, ELFMAG, SELFMAG);
    elf.e_ident[EI_CLASS] = ELFCLASS32;
    cr_expect(eq(ptr, (void *)obstacle_of(&elf, sizeof elf), (void *)wg_probe_is_32_bit));
    elf.e_ident[EI_CLASS] = ELFCLASS64;
    const char *why = obstacle_of(&elf, sizeof elf);
    cr_expect(why != NULL && strstr(why, "statically linked") != NULL);
    cr_expect(eq(ptr, (void *)obstacle_of("#!/bin/sh\n", 10), NULL));
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    cr_expect(eq(ptr, (void *)wg_probe_obstacle(self), NULL));
    close(self);
}

struct program {
    Elf64_Ehdr elf;
    Elf64_Phdr part;
    char path[32];
};

Test(known, a_program_of_musl_is_told_by_its_dynamic_linker)
{
    struct program program = {.elf = {.e_phentsize = sizeof(Elf64_Phdr),
                                      .e_phnum = 1,
                                      .e_phoff = offsetof(struct program, part)},
                              .part = {.p_type = PT_INTERP,
                                       .p_offset = offsetof(struct program, path),
                                       .p_filesz = sizeof program.path},
                              .path = "/lib/ld-musl-x86_64.so.1"};
    memcpy(program.elf.e_ident, ELFMAG, SELFMAG);
    program.elf.e_ident[EI_CLASS] = ELFCLASS64;
    cr_expect(eq(ptr, (void *)obstacle_of(&program, sizeof program), (void *)wg_probe_is_musl));
    memcpy(program.path, "/lib/ld-linux-x.so.2", 21);
    cr_expect(eq(ptr, (void *)obstacle_of(&program, sizeof program), NULL));
    /* As long as it says, and not there. */
    program.part.p_filesz = UINT64_MAX;
    program.part.p_offset = UINT64_MAX;
    cr_expect(eq(ptr, (void *)obstacle_of(&program, sizeof program), NULL));
}

Test(known, side_files_are_told_by_their_names)
{
    static const struct {
        const char *path;
        enum wg_trace_role role;
        size_t base;
    } cases[] = {
        {"/a/x.db-wal", WG_TRACE_ROLE_WAL, 7},
        {"/a/x.db-shm", WG_TRACE_ROLE_SHM, 7},
        {"x-journal", WG_TRACE_ROLE_JOURNAL, 1},
        {"/a/-wal", WG_TRACE_ROLE_NONE, 7},
        {"x-mj00C0FFEE9", WG_TRACE_ROLE_NONE, 13},
        {"x-mj0C0FFE9EE", WG_TRACE_ROLE_SUPER_JOURNAL, 1},
        {"/a-wal/x.db", WG_TRACE_ROLE_NONE, 11},
        {"/a/etilqs_1", WG_TRACE_ROLE_TEMPORARY, 11},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wg_family family = wg_probe_family_of_name(cases[i].path, strlen(cases[i].path));
        cr_expect(eq(int, family.role, cases[i].role), "%s", cases[i].path);
        cr_expect(eq(sz, family.base, cases[i].base), "%s", cases[i].path);
    }
}

Test(known, lock_bytes_have_a_meaning)
{
    uint32_t set = 0, clear = 0;
    wg_probe_lock_bits(WG_TRACE_ROLE_DATABASE, F_RDLCK, 0x40000002, 510, &set, &clear);
    cr_expect(eq(u32, set, WG_TRACE_HELD_SHARED));
    set = clear = 0;
    wg_probe_lock_bits(WG_TRACE_ROLE_SHM, F_WRLCK, 120, 1, &set, &clear);
    cr_expect(eq(u32, set, WG_TRACE_HELD_SHM(0) | WG_TRACE_HELD_SHM_WRITE(0)));
    set = clear = 0;
    wg_probe_lock_bits(WG_TRACE_ROLE_DATABASE, F_UNLCK, 0, 0, &set, &clear);
    cr_expect(zero(u32, set));
    cr_expect(ne(u32, clear & WG_TRACE_HELD_SHARED, 0));
}
