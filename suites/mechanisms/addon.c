/* SPDX-License-Identifier: MIT */
/*
 * addon.c - an extension of Node whose objects delete a database when V8 collects them: a call in
 * the midst of the collector, which no line of JavaScript made (node_frames.py).
 *
 * It exports one function, which makes such an object. Finalizers of the experimental Node-API run
 * in the collector; others later. Node's headers are not needed for so little.
 */
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#define EXPERIMENTAL INT32_MAX
#define EXPORTED     __attribute__((visibility("default")))

typedef void *callback(void *env, void *info);
typedef void finalizer(void *env, void *data, void *hint);

int napi_create_function(void *env, const char *name, size_t size, callback *call, void *data,
                         void **ret);
int napi_create_object(void *env, void **ret);
int napi_wrap(void *env, void *object, void *data, finalizer *end, void *hint, void **ret);

EXPORTED int32_t node_api_module_get_api_version_v1(void);
EXPORTED void *napi_register_module_v1(void *env, void *exports);

static void delete_database(void *env, void *data, void *hint)
{
    (void)env;
    (void)data;
    (void)hint;
    unlink("collected.db");
}

static void *make(void *env, void *info)
{
    (void)info;
    void *object = NULL;
    if (napi_create_object(env, &object) == 0)
        napi_wrap(env, object, env, delete_database, NULL, NULL);
    return object;
}

int32_t node_api_module_get_api_version_v1(void)
{
    return EXPERIMENTAL;
}

void *napi_register_module_v1(void *env, void *exports)
{
    void *function = NULL;
    return napi_create_function(env, "make", 4, make, NULL, &function) == 0 ? function : exports;
}
