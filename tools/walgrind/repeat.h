/* SPDX-License-Identifier: MIT */
/* repeat.h - the command line that repeats one test of a run, to be pasted into a shell. */
#ifndef WG_TOOLS_WALGRIND_REPEAT_H
#define WG_TOOLS_WALGRIND_REPEAT_H

/*
 * "walgrind run" with the options among argv[1] ... that decide what is tested; what selects tests,
 * repeats them or says where results go is left out, and so is the mode, which the caller adds.
 * Each word is quoted as a POSIX shell needs it. The caller frees the string.
 */
char *wg_repeat_prefix(int argc, char **argv);

#endif
