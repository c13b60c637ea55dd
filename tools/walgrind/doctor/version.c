/* SPDX-License-Identifier: MIT */
/*
 * version.c - which SQLite a library is, and what is known against it.
 *
 * SQLite exports its version as a string, sqlite3_version. It is found in the file by the section
 * headers, .dynsym and its names, and the segment in which its address lies. Everything in the file
 * is taken for what anybody may have written there.
 */
#include "harness/base/str.h"
#include "tools/walgrind/doctor/doctor.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADERS_MAX 256
#define TABLE_MAX   (4u << 20) /* bytes of names, or of symbols */

static bool read_at(int fd, void *to, size_t size, uint64_t offset)
{
    return offset <= INT64_MAX && pread(fd, to, size, (off_t)offset) == (ssize_t)size;
}

/* The content of a section, with a NUL behind it; NULL when there is none. */
static char *section_read(int fd, const Elf64_Shdr *section)
{
    if (section->sh_size > TABLE_MAX)
        return NULL;
    char *content = wg_calloc(1, section->sh_size + 1);
    if (read_at(fd, content, section->sh_size, section->sh_offset))
        return content;
    free(content);
    return NULL;
}

/* The address of the exported string in a table of symbols, 0 when it is not there. */
static uint64_t find_version(int fd, const Elf64_Shdr *symbols_at, const Elf64_Shdr *names_at)
{
    uint64_t address = 0;
    char *symbols = section_read(fd, symbols_at), *names = section_read(fd, names_at);
    size_t count = symbols && names ? symbols_at->sh_size / sizeof(Elf64_Sym) : 0;
    for (size_t i = 0; i < count && address == 0; i++) {
        Elf64_Sym symbol;
        memcpy(&symbol, symbols + i * sizeof symbol, sizeof symbol);
        if (symbol.st_name < names_at->sh_size && symbol.st_shndx != SHN_UNDEF &&
            strcmp(names + symbol.st_name, "sqlite3_version") == 0)
            address = symbol.st_value;
    }
    free(symbols);
    free(names);
    return address;
}

static uint64_t find_address(int fd, const Elf64_Ehdr *elf)
{
    for (size_t i = 0; i < elf->e_shnum && i < HEADERS_MAX; i++) {
        Elf64_Shdr symbols, names;
        if (!read_at(fd, &symbols, sizeof symbols, elf->e_shoff + i * sizeof symbols))
            return 0;
        if (symbols.sh_type == SHT_DYNSYM && symbols.sh_link < elf->e_shnum &&
            read_at(fd, &names, sizeof names, elf->e_shoff + symbols.sh_link * sizeof names))
            return find_version(fd, &symbols, &names);
    }
    return 0;
}

/* Where in the file an address lies, 0 when nowhere. */
static uint64_t find_offset(int fd, const Elf64_Ehdr *elf, uint64_t address)
{
    for (size_t i = 0; i < elf->e_phnum && i < HEADERS_MAX; i++) {
        Elf64_Phdr part;
        if (!read_at(fd, &part, sizeof part, elf->e_phoff + i * sizeof part))
            return 0;
        if (part.p_type == PT_LOAD && address >= part.p_vaddr &&
            address - part.p_vaddr < part.p_filesz)
            return part.p_offset + (address - part.p_vaddr);
    }
    return 0;
}

bool doctor_sqlite_version(const char *library, char *buffer, size_t size)
{
    Elf64_Ehdr elf;
    int fd = open(library, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return false;
    uint64_t address = 0, offset = 0;
    if (read_at(fd, &elf, sizeof elf, 0) && memcmp(elf.e_ident, ELFMAG, SELFMAG) == 0 &&
        elf.e_ident[EI_CLASS] == ELFCLASS64 && elf.e_ident[EI_DATA] == ELFDATA2LSB)
        address = find_address(fd, &elf);
    if (address > 0)
        offset = find_offset(fd, &elf, address);
    ssize_t got = offset > 0 ? pread(fd, buffer, size - 1, (off_t)offset) : 0;
    buffer[got > 0 ? got : 0] = '\0';
    close(fd);
    buffer[strspn(buffer, "0123456789.")] = '\0';
    return buffer[0] != '\0';
}

const char *doctor_version_trouble(const char *version)
{
    static const struct {
        int minor, patch; /* of the first good release on a branch */
    } mended[] = {{44, 6}, {50, 7}, {51, 3}};
    int major = 0, minor = 0, patch = 0;
    if (sscanf(version, "%d.%d.%d", &major, &minor, &patch) < 2 || major != 3)
        return NULL;
    bool good = minor < 7 || minor > 51;
    for (size_t i = 0; i < sizeof mended / sizeof mended[0]; i++)
        good |= minor == mended[i].minor && patch >= mended[i].patch;
    return good
               ? NULL
               : "can lose commits when two processes checkpoint and write in an unlucky order (WAL "
                 "reset; fixed in 3.51.3, 3.50.7 and 3.44.6)";
}
