/* SPDX-License-Identifier: MIT */
/*
 * environment.c - the variables of the probe in the environment of a program that is started.
 *
 * Programs that are started with an environment of their own get them back, as far as there is
 * room.
 */
#include "harness/probe/probe.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* A variable of the probe's: what it has to be, and what was there before and goes behind it. */
struct setting {
    const char *name, *value, *more;
};
#define SETTINGS 5

static size_t count_of(char *const *list)
{
    size_t count = 0;
    while (list && list[count])
        count++;
    return count;
}

static bool sets(const char *variable, const char *name)
{
    size_t length = strlen(name);
    return strncmp(variable, name, length) == 0 && variable[length] == '=';
}

static const char *value_of(char *const *list, const char *name)
{
    for (size_t i = 0; list && list[i]; i++)
        if (sets(list[i], name))
            return list[i] + strlen(name) + 1;
    return NULL;
}

/* SEED.N, N in hexadecimal. */
static void put_chaos(char text[static 48])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t line = wg_perturb_child_line();
    text = wg_probe_put_number(text, wg_probe.perturb.seed);
    *text++ = '.';
    for (int shift = 60; shift >= 0; shift -= 4)
        *text++ = digits[line >> shift & 15];
    *text = '\0';
}

/* Fills in what differs from the list; the number of settings. */
static size_t make_settings(struct setting settings[static SETTINGS], char chaos[static 48],
                            char *const *list)
{
    size_t count = 0;
    const char *preload = value_of(list, "LD_PRELOAD");
    const char *faults = value_of(list, WG_FAULT_ENV);
    if (!preload || !strstr(preload, wg_probe.self))
        settings[count++] = (struct setting){"LD_PRELOAD", wg_probe.self, preload};
    if (!value_of(list, WG_TRACE_DIR_ENV))
        settings[count++] = (struct setting){WG_TRACE_DIR_ENV, wg_probe.directory, NULL};
    if (wg_probe.perturb.rules.count > 0 && !faults)
        settings[count++] = (struct setting){WG_FAULT_ENV, wg_probe.perturb.faults_text, NULL};
    if (wg_probe.tracer[0] && !value_of(list, WG_TRACER_ENV))
        settings[count++] = (struct setting){WG_TRACER_ENV, wg_probe.tracer, NULL};
    if (wg_probe.perturb.chaos) {
        put_chaos(chaos);
        settings[count++] = (struct setting){WG_CHAOS_ENV, chaos, NULL};
    }
    return count;
}

/* Writes NAME=VALUE[:MORE]. */
static char *put_setting(char *at, const struct setting *setting)
{
    at = stpcpy(at, setting->name);
    *at++ = '=';
    at = stpcpy(at, setting->value);
    if (setting->more && *setting->more) {
        *at++ = ':';
        at = stpcpy(at, setting->more);
    }
    return at + 1;
}

void wg_environment_begin(struct wg_environment *environment, char *const *list)
{
    struct setting settings[SETTINGS];
    char chaos[48];
    *environment = (struct wg_environment){.list = list};
    if (wg_probe.fd_max == 0 || !wg_probe.self[0])
        return;
    wg_perturb_child();
    size_t set = make_settings(settings, chaos, list);
    if (set == 0)
        return;
    size_t count = count_of(list);
    size_t pointers = (count + set + 1) * sizeof(char *);
    size_t size = pointers;
    for (size_t i = 0; i < set; i++)
        size += strlen(settings[i].name) + strlen(settings[i].value) + 3 +
                (settings[i].more ? strlen(settings[i].more) : 0);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return;
    char **out = memory;
    char *text = (char *)memory + pointers;
    for (size_t i = 0; i < count; i++) {
        bool ours = false;
        for (size_t j = 0; j < set; j++)
            ours |= sets(list[i], settings[j].name);
        if (!ours)
            *out++ = list[i];
    }
    for (size_t i = 0; i < set; i++) {
        *out++ = text;
        text = put_setting(text, &settings[i]);
    }
    *out = NULL;
    environment->list = memory;
    environment->memory = memory;
    environment->size = size;
}

void wg_environment_end(const struct wg_environment *environment)
{
    int saved_errno = errno;
    if (environment->memory)
        munmap(environment->memory, environment->size);
    errno = saved_errno;
}
