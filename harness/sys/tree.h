/* SPDX-License-Identifier: MIT */
/*
 * tree.h - directories that the harness owns: make, copy, measure, remove.
 *
 * Copies use reflinks where the filesystem can (FICLONE), else copy_file_range(2), else read and
 * write; sparse areas stay sparse where the kernel does that for us. Symbolic links are copied as
 * links. Removal never follows a link out of the tree.
 */
#ifndef WG_HARNESS_SYS_TREE_H
#define WG_HARNESS_SYS_TREE_H

#include "harness/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How a file was copied; reports say which. */
enum wg_copy_method { WG_COPY_REFLINK, WG_COPY_RANGE, WG_COPY_READ_WRITE };

/* mkdir -p with mode 0777 & ~umask. */
int wg_tree_make(const char *path, struct wg_err *err);

/* Copies one regular file to a path that must not exist; keeps permission bits and mtime. */
int wg_file_copy(const char *from, const char *to, enum wg_copy_method *ret_method,
                 struct wg_err *err);

/* Copies a directory with all below it into `to`, which is created and must not exist. */
int wg_tree_copy(const char *from, const char *to, struct wg_err *err);

/* Bytes of all regular files below `path` (allocated blocks, not lengths). */
int wg_tree_size(const char *path, uint64_t *ret_bytes, struct wg_err *err);

/* Removes a directory with all below it; a path that does not exist is fine. */
int wg_tree_remove(const char *path, struct wg_err *err);

/*
 * The directory for sandboxes: `$WALGRIND_SANDBOX` when set, else the first of $XDG_RUNTIME_DIR,
 * /dev/shm (both only when a tmpfs that is writable and has `need_bytes` free plus a quarter), else
 * $TMPDIR or /tmp. Writes an absolute path; `ret_tmpfs` tells whether it lies on a tmpfs.
 */
int wg_sandbox_root(uint64_t need_bytes, char *buffer, size_t size, bool *ret_tmpfs,
                    struct wg_err *err);

/*
 * Makes a new directory `ROOT/walgrind-UID-<prefix>-<token>` with mode 0700 and writes its path.
 * The name's shape is what `kill -9` leftovers are recognised by.
 */
int wg_sandbox_create(const char *root, const char *prefix, char *buffer, size_t size,
                      struct wg_err *err);

#endif
