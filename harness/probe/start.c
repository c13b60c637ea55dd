/* SPDX-License-Identifier: MIT */
/*
 * start.c - start-up in a new image, and what a child makes anew after a fork.
 *
 * Without WALGRIND_TRACE_DIR in the environment, or in a program that runs with raised privileges,
 * nothing is set up: `fd_max` stays 0 and every function hands its call on.
 */
#include "harness/probe/probe.h"
#include "harness/probe/real.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define RARE_RECORDS     (UINT64_C(1) << 16) /* powers of two */
#define FREQUENT_RECORDS (UINT64_C(1) << 16)
#define STRINGS_SIZE     (UINT64_C(8) << 20)
#define SHRINK_MAX       9 /* how often the sizes are halved to fit under limits */
#define FD_MAX           (UINT32_C(1) << 18)

struct wg_probe wg_probe;

int64_t wg_probe_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int32_t wg_probe_tid(void)
{
    static __thread struct {
        uint32_t generation;
        int32_t tid;
    } cached __attribute__((tls_model("initial-exec")));
    uint32_t generation = wg_probe.local->generation;
    if (cached.generation != generation) {
        cached.tid = (int32_t)syscall(SYS_gettid);
        cached.generation = generation;
    }
    return cached.tid;
}

bool wg_probe_in_vfork(void)
{
    int32_t pid = wg_probe.local ? atomic_load(&wg_probe.local->pid) : 0;
    return pid != 0 && pid != (int32_t)syscall(SYS_getpid);
}

/* Fresh memory, or NULL; from the kernel, since malloc belongs to the program. */
static void *fresh(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    /* cppcheck-suppress memleak */
    return memory == MAP_FAILED ? NULL : memory;
}

/* Creates the file with the size; the descriptor, or -1. */
static int create_file(const char *path, uint64_t size)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || syscall(SYS_ftruncate, fd, (off_t)size) == 0)
        return fd;
    int why = errno;
    syscall(SYS_close, fd);
    syscall(SYS_unlinkat, AT_FDCWD, path, 0);
    errno = why;
    return -1;
}

/* Writes the chunk in which `offset` lies; false when the file system has no room for a page. */
static bool write_chunk(int fd, uint64_t offset, uint64_t file_size)
{
    static const char zeros[WG_PROBE_CHUNK];
    uint64_t start = offset / WG_PROBE_CHUNK * WG_PROBE_CHUNK;
    size_t size = file_size - start < sizeof zeros ? file_size - start : sizeof zeros;
    long written = syscall(SYS_pwrite64, fd, zeros, size, (off_t)start);
    return written < 0 ? errno != ENOSPC && errno != EDQUOT : written >= WG_TRACE_HEADER_SIZE;
}

/*
 * For most processes the first chunk of each part of the file is all that they ever fill. A write
 * makes the pages of a chunk at once, where a mapping asks the file system for one after the other.
 * Later it would wipe out what other threads put there. False when there is no room for the header;
 * what else fails is left to the mapping.
 */
static bool write_first_chunks(int fd, const struct wg_trace_header *layout)
{
    if (!write_chunk(fd, 0, layout->file_size))
        return false;
    write_chunk(fd, layout->areas[WG_TRACE_FREQUENT].offset, layout->file_size);
    write_chunk(fd, layout->strings_offset, layout->file_size);
    return true;
}

static void fill_header(struct wg_trace_header *header, const struct wg_probe_local *local,
                        int64_t start_ns, int shrink)
{
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    memset(header, 0, sizeof *header);
    header->version = WG_TRACE_VERSION;
    header->record_size = WG_TRACE_RECORD_SIZE;
    header->pid = local->pid;
    header->ppid = (int32_t)syscall(SYS_getppid);
    header->start_ns = start_ns;
    header->wall_ns = (int64_t)wall.tv_sec * 1000000000 + wall.tv_nsec;
    header->parent_ns = wg_probe.last_start_ns;
    header->uid = (uint32_t)syscall(SYS_getuid);
    header->state = WG_TRACE_RUNNING;
    header->areas[WG_TRACE_RARE].capacity = RARE_RECORDS >> shrink;
    header->areas[WG_TRACE_FREQUENT].capacity = FREQUENT_RECORDS >> shrink;
    uint64_t offset = WG_TRACE_HEADER_SIZE;
    for (int i = 0; i < WG_TRACE_AREAS; i++) {
        header->areas[i].offset = offset;
        offset += header->areas[i].capacity * WG_TRACE_RECORD_SIZE;
    }
    header->strings_offset = offset;
    header->strings_size = STRINGS_SIZE >> shrink;
    header->strings_next = 8;
    header->file_size = offset + header->strings_size;
}

/* Maps a new trace file of at most `shrink` times halved size; 0, or the errno. */
static int map_file(struct wg_probe_local *local, const char *path, int64_t start_ns, int shrink)
{
    struct rlimit limit;
    struct wg_trace_header header;
    fill_header(&header, local, start_ns, shrink);
    size_t size = header.file_size;
    /* Passing the limit would not only fail but send SIGXFSZ. */
    if (syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &limit) == 0 && limit.rlim_cur < size)
        return EFBIG;
    int fd = create_file(path, size);
    if (fd < 0)
        return errno;
    bool room = write_first_chunks(fd, &header);
    void *memory = room ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    int why = room ? errno : ENOSPC;
    syscall(SYS_close, fd);
    if (memory == MAP_FAILED) {
        syscall(SYS_unlinkat, AT_FDCWD, path, 0);
        return why;
    }
    /* Not for children: one that forgot to make its own file must not write into this one. */
    madvise(memory, size, MADV_DONTFORK);
    /* The rest of the file is one hole: there is nothing to read ahead, and on ext4 that costs more
     * than all the rest of the probe. */
    madvise(memory, size, MADV_RANDOM);
    if (madvise(memory, WG_TRACE_HEADER_SIZE, 23 /* MADV_POPULATE_WRITE */) != 0 &&
        errno != EINVAL) {
        munmap(memory, size);
        syscall(SYS_unlinkat, AT_FDCWD, path, 0);
        return ENOSPC;
    }
    memcpy(memory, &header, sizeof header);
    local->header = memory;
    local->size = size;
    return 0;
}

static int make_file(struct wg_probe_local *local)
{
    char path[sizeof wg_probe.directory + 64];
    int64_t start_ns = wg_probe_now_ns();
    size_t size = strlen(wg_probe.directory);
    memcpy(path, wg_probe.directory, size);
    char *at = path + size;
    *at++ = '/';
    at = wg_probe_put_number(at, (uint64_t)local->pid);
    *at++ = '-';
    at = wg_probe_put_number(at, (uint64_t)start_ns);
    memcpy(at, WG_TRACE_SUFFIX, sizeof WG_TRACE_SUFFIX);
    int why = EFBIG;
    for (int shrink = 0; shrink <= SHRINK_MAX && (why == EFBIG || why == ENOMEM); shrink++)
        why = map_file(local, path, start_ns, shrink);
    return why;
}

/* The texts of the header; the magic comes last and makes the file one that readers accept. */
static void describe(struct wg_probe_local *local)
{
    uint16_t flags = 0;
    char cwd[WG_PROBE_PATH];
    struct wg_trace_header *header = local->header;
    long size = syscall(SYS_getcwd, cwd, sizeof cwd);
    header->exe = wg_probe_string(wg_probe.exe_text, wg_probe.exe, &flags);
    header->command = wg_probe_string(wg_probe.command_text, wg_probe.command, &flags);
    header->cwd = size > 1 ? wg_probe_string(cwd, (size_t)size - 1, &flags) : 0;
    char libc[32] = "glibc ";
    const char *version = gnu_get_libc_version();
    size_t length = strnlen(version, sizeof libc - 7);
    memcpy(libc + 6, version, length);
    header->libc = wg_probe_string(libc, 6 + length, &flags);
    memcpy(header->magic, WG_TRACE_MAGIC, sizeof header->magic);
}

static void say_forked(int64_t parent_ns)
{
    struct wg_trace_record record = {.type = WG_TRACE_FORKED,
                                     .time_ns = wg_probe.last_start_ns,
                                     .tid = (uint32_t)wg_probe_tid(),
                                     .fd = -1,
                                     .result = wg_probe.local->header->ppid,
                                     .offset = parent_ns};
    wg_probe_emit(WG_TRACE_RARE, false, &record);
}

bool wg_probe_attach(void)
{
    struct wg_probe_local *local = wg_probe.local;
    uint32_t state = atomic_load(&local->state);
    /* A vfork child would make it with its own rights, for a process that it is not. */
    if (state != WG_LOCAL_NEW || wg_probe_in_vfork() ||
        !atomic_compare_exchange_strong(&local->state, &state, WG_LOCAL_MAKING))
        return state == WG_LOCAL_READY;
    int saved_errno = errno;
    local->pid = (int32_t)syscall(SYS_getpid);
    int64_t parent_ns = wg_probe.last_start_ns;
    if (parent_ns != 0)
        wg_probe_forget_locks();
    int why = make_file(local);
    if (why == 0) {
        local->generation = atomic_fetch_add(&wg_probe.generations, 1) + 1;
        describe(local);
        wg_probe.last_start_ns = local->header->start_ns;
        atomic_store_explicit(&local->state, WG_LOCAL_READY, memory_order_release);
        if (parent_ns != 0) {
            wg_perturb_forked();
            say_forked(parent_ns);
        }
    } else {
        /* Without descriptors now, there may be some later; everything else will not get better. */
        atomic_store(&local->state, why == EMFILE || why == ENFILE ? WG_LOCAL_NEW : WG_LOCAL_DEAD);
    }
    errno = saved_errno;
    return why == 0;
}

/* Reads a file of /proc/self; the bytes read. */
static size_t slurp(const char *path, char *buffer, size_t size)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    long got = syscall(SYS_read, fd, buffer, size);
    syscall(SYS_close, fd);
    return got > 0 ? (size_t)got : 0;
}

static void learn_identity(void)
{
    ssize_t size = readlink("/proc/self/exe", wg_probe.exe_text, sizeof wg_probe.exe_text - 1);
    wg_probe.exe = size > 0 ? (uint32_t)size : 0;
    size_t length =
        slurp("/proc/self/cmdline", wg_probe.command_text, sizeof wg_probe.command_text - 1);
    while (length > 0 && wg_probe.command_text[length - 1] == '\0')
        length--;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)wg_probe.command_text[i] < ' ')
            wg_probe.command_text[i] = ' ';
    wg_probe.command = (uint32_t)length;
}

/* What attaches a tracer and becomes another program at once. */
static bool is_tracer(void)
{
    const char *slash = strrchr(wg_probe.exe_text, '/');
    return slash && strcmp(slash + 1, WG_TRACER_NAME) == 0;
}

/* Where this library lies. Absolute, since LD_PRELOAD had a slash in it. */
static void learn_self(void)
{
    Dl_info info;
    if (dladdr(&wg_probe, &info) == 0 || !info.dli_fname || info.dli_fname[0] != '/')
        return;
    size_t size = strlen(info.dli_fname);
    if (size < sizeof wg_probe.self)
        memcpy(wg_probe.self, info.dli_fname, size + 1);
}

static bool make_tables(void)
{
    struct rlimit limit;
    uint32_t fd_max = FD_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < fd_max)
        fd_max = (uint32_t)limit.rlim_max;
    wg_probe.fds = fresh(fd_max * sizeof *wg_probe.fds);
    wg_probe.inodes = fresh(WG_PROBE_INODES * sizeof *wg_probe.inodes);
    wg_probe.names = fresh(WG_PROBE_NAMES);
    wg_probe.local = fresh(sizeof *wg_probe.local);
    if (!wg_probe.fds || !wg_probe.inodes || !wg_probe.names || !wg_probe.local)
        return false;
    /* Without it a forked child could not know that it is one (kernels before 4.14). */
    if (madvise(wg_probe.local, sizeof *wg_probe.local, MADV_WIPEONFORK) != 0)
        return false;
    atomic_store(&wg_probe.names_next, 8);
    wg_probe.fd_max = fd_max;
    return true;
}

struct linux_dirent64 {
    uint64_t d_ino;
    int64_t d_off;
    uint16_t d_reclen;
    uint8_t d_type;
    char d_name[];
};

/* Descriptors that came over exec. */
static void find_inherited(void)
{
    char entries[2048] __attribute__((aligned(8)));
    int fd =
        (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    long size;
    while ((size = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0) {
        for (long at = 0; at < size;) {
            const struct linux_dirent64 *entry = (const void *)(entries + at);
            at += entry->d_reclen;
            int number = 0;
            for (const char *c = entry->d_name; *c >= '0' && *c <= '9'; c++)
                number = number * 10 + (*c - '0');
            if (entry->d_name[0] != '.' && number != fd)
                wg_opening_inherited(number);
        }
    }
    syscall(SYS_close, fd);
}

static void on_exit_of_program(int status, void *unused)
{
    (void)unused;
    if (!wg_probe.local || atomic_load(&wg_probe.local->state) != WG_LOCAL_READY ||
        wg_probe_in_vfork())
        return;
    struct wg_note note;
    wg_note_begin(&note, WG_TRACE_EXIT, WG_CALL_exit, NULL);
    wg_note_result(&note, status, false);
    wg_note_end(&note);
    wg_probe.local->header->state = WG_TRACE_EXITED;
}

__attribute__((constructor(101))) static void start(void)
{
    const char *directory = getenv(WG_TRACE_DIR_ENV);
    int saved_errno = errno;
    if (!directory || directory[0] != '/' || getauxval(AT_SECURE) ||
        strlen(directory) >= sizeof wg_probe.directory)
        return;
    memcpy(wg_probe.directory, directory, strlen(directory) + 1);
    wg_probe_find_reals();
    learn_identity();
    if (is_tracer())
        return;
    learn_self();
    wg_perturb_start();
    wg_handover_start();
    if (make_tables() && wg_probe_attach()) {
        struct wg_note note;
        wg_note_begin(&note, WG_TRACE_PROCESS, WG_CALL_none, NULL);
        note.record.length = wg_probe.local->header->uid;
        wg_note_result(&note, wg_probe.local->header->ppid, false);
        wg_note_end(&note);
        find_inherited();
        on_exit(on_exit_of_program, NULL);
    }
    errno = saved_errno;
}
