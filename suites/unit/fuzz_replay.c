/* SPDX-License-Identifier: MIT */
/*
 * fuzz_replay.c - gives a fuzz target the files that libFuzzer kept, without libFuzzer.
 *
 *     fuzz-replay-TARGET FILE | DIRECTORY...
 *
 * Ends with 1 when there was no file to try, since that proves nothing.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rbe");
    if (!file)
        return 0;
    uint8_t *input = malloc(INPUT_MAX);
    size_t size = input ? fread(input, 1, INPUT_MAX, file) : 0;
    fclose(file);
    fprintf(stderr, "%s\n", path); /* the last one is what ended the program */
    LLVMFuzzerTestOneInput(input, size);
    free(input);
    return 1;
}

static int replay(const char *place)
{
    int count = 0;
    DIR *directory = opendir(place);
    if (!directory)
        return errno == ENOTDIR ? replay_file(place) : 0;
    for (const struct dirent *entry; (entry = readdir(directory));) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", place, entry->d_name);
        count += replay_file(path);
    }
    closedir(directory);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++)
        count += replay(argv[i]);
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
