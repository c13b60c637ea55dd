/* SPDX-License-Identifier: MIT */
/*
 * probe.h - the inside of libwalgrind-probe.so, which LD_PRELOAD puts into other people's programs.
 *
 * The law of injected code. After start-up the probe
 *   - never allocates with malloc, never takes a lock, never waits (unless a delay was asked for),
 *     never calls stdio, and calls only what is async-signal-safe; memory comes from mappings made
 * at start-up or after a fork, and what does not fit is counted as lost;
 *   - returns what the real function returned with the errno that it left, unless a fault was asked
 *     for;
 *   - works after fork in any thread, in a vfork child, in a signal handler, with every descriptor
 *     closed by the program, with the run directory gone, in a chroot, under a small RLIMIT_FSIZE
 *     or RLIMIT_AS: where it cannot record it steps aside.
 *
 * Parts:
 *   start.c        constructor, environment, what is remade after a fork
 *   writer.c       the trace file: records, strings
 *   files.c        descriptors and inodes that belong to database families, and the locks on them
 *   family.c       is this file part of a database?
 *   overlay.c      mappings on overlayfs that show what the file was
 *   known.c        what needs no state: names, the meaning of lock bytes, programs without a loader
 *   origin.c       who called: SQLite or other code, modules, native stacks
 *   script_*.c     the frames of Python and JavaScript in the calling thread (script.h)
 *   environment.c  programs that are started keep the probe
 *   handover.c     programs that it cannot get into get a tracer
 *   note.c         from a call and its state to a record
 *   sql_*.c        libraries, connections and statements of SQLite (sql.h)
 *   fault.c        the language of --fault and --chaos
 *   perturb.c      the delays and faults that were asked for
 *   calls_*.c      the functions that stand in for libc's and SQLite's
 *
 * State that belongs to this process's trace file lives in `struct wg_probe_local`, in pages with
 * MADV_WIPEONFORK: in a child of any kind of fork they read as zero, which is how the child, at its
 * first call of interest, knows that it needs a file of its own. The tables of descriptors and
 * inodes are ordinary memory: a child inherits them with the descriptors.
 *
 * Concurrency: tables are arrays with atomic members. Two threads that work on one descriptor at
 * the same time race in the program already; here the worst outcome is a record with the
 * neighbour's name. Inserting into the tables of inodes, names and modules claims a slot by
 * compare-and-swap and gives up when that fails.
 */
#ifndef WG_HARNESS_PROBE_PROBE_H
#define WG_HARNESS_PROBE_PROBE_H

#include "harness/probe/fault.h"
#include "harness/probe/known.h"
#include "harness/wire/trace.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define WG_PROBE_INODES     4096 /* files of families known at once */
#define WG_PROBE_WAYS       8    /* places in which an inode may lie */
#define WG_PROBE_LOCK_GROUP (WG_PROBE_INODES / 64)
#define WG_PROBE_NAMES      (UINT32_C(4) << 20) /* bytes of paths */
#define WG_PROBE_BUCKETS    8192                /* of the hash of names */
#define WG_PROBE_INTERN     16384               /* strings of the trace file found again */
#define WG_PROBE_MODULES    512
#define WG_PROBE_SITES      512 /* calling addresses whose origin is known at once */
#define WG_PROBE_HINTS      512 /* calling addresses whose module is found at once */
#define WG_PROBE_CHUNK      (UINT64_C(16) << 10) /* bytes of the trace file made real at once */
#define WG_PROBE_CHUNKS     2048
#define WG_PROBE_MAPS       64
#define WG_PROBE_PATH       1024 /* bytes; buffers lie on stacks that may be those of signal handlers */

/* A path that lives as long as the process, and its reference in the current trace file. */
struct wg_name {
    uint32_t hash;
    uint32_t size;
    _Atomic uint64_t cached; /* generation of the trace file << 32 | reference */
    char text[];
};

/* A file of a database family that this process has or had open. */
struct wg_inode {
    _Atomic uint64_t key; /* mixes dev and ino; 0 while the slot is free */
    uint64_t dev, ino;
    _Atomic uint32_t held; /* WG_TRACE_HELD_* by POSIX locks of this process */
    _Atomic int32_t open_count;
    _Atomic(const struct wg_name *) path;
    _Atomic(const struct wg_name *) database;
    _Atomic uint32_t cookie; /* the highest schema cookie that this process has written there */
    uint8_t role;
};

/* A descriptor onto such a file. */
struct wg_fd {
    _Atomic uint8_t active; /* the one member that an uninteresting call looks at */
    uint8_t role;
    uint8_t opener;        /* enum wg_trace_origin */
    _Atomic uint8_t marks; /* WG_FD_* */
    int32_t owner;         /* pid that opened it */
    int32_t flags;         /* of open() */
    uint64_t dev, ino;
    struct wg_inode *inode; /* NULL when the table was full */
    const struct wg_name *path;
    const struct wg_name *database;
    _Atomic int64_t changed_ns; /* when the file was last written to, as of the last look at it */
    _Atomic uint64_t counters;  /* of overlay.c */
};

enum {
    WG_FD_READ = 1,
    WG_FD_WRITTEN = 2,
    WG_FD_FOREIGN = 4,
    WG_FD_OVERLAY = 8,  /* mapped, and its mappings may be those of a lower file */
    WG_FD_SETTLED = 16, /* they cannot, or it was told that they are */
};

/* An object mapped into this process. */
struct wg_module {
    _Atomic uint32_t state; /* 0 free, 1 being filled, 2 ready, 3 unloaded and free again */
    _Atomic uint8_t kind;   /* enum wg_module_kind */
    uint8_t whole;          /* WG_MODULE_EXPORTS: and has no other business */
    uint8_t passes_on;      /* stands in for file calls of the C library itself */
    uintptr_t start, end, bias;
    const void *dynamic; /* its dynamic section */
    const struct wg_name *path;
    const char *version; /* of the SQLite inside, in its memory; NULL unknown */
};

/* The first three are also the `result` of MODULE records. */
enum wg_module_kind {
    WG_MODULE_NONE,
    WG_MODULE_EXPORTS,
    WG_MODULE_CONTAINS,
    WG_MODULE_UNREAD /* exports nothing; not yet searched for SQLite */
};

/* State that goes with this process's trace file; all zero after a fork. */
struct wg_probe_local {
    _Atomic uint32_t state; /* enum wg_local_state */
    uint32_t generation;
    _Atomic int32_t pid;            /* of the process whose memory this is; 0: not yet known */
    struct wg_trace_header *header; /* the mapped file */
    uint64_t size;
    _Atomic uint8_t real_chunks[WG_PROBE_CHUNKS]; /* 1 when its pages are there, 2 refused */
    _Atomic uint32_t intern[WG_PROBE_INTERN];     /* references */
    _Atomic uint8_t announced[WG_PROBE_MODULES];  /* modules that have their record */
    /* Calling addresses of such modules, << 8 | the origin that all their calls have. */
    _Atomic uint64_t sites[WG_PROBE_SITES];
    _Atomic uint64_t rare_before_write; /* records of the log when the ring's last write came */
    /* Counters of perturb.c; in use also while there is no file. */
    _Atomic uint64_t points[WG_TRACE_TYPE_COUNT][WG_TRACE_ROLE_COUNT];
    _Atomic uint64_t fault_calls[WG_FAULT_RULES_MAX];
    _Atomic int64_t fault_bytes[WG_FAULT_RULES_MAX];
};

/* What was asked for with --chaos and --fault. */
struct wg_perturb {
    bool chaos;
    uint64_t seed;
    uint64_t line; /* this process's place in the tree of processes, 0 for the first */
    _Atomic uint32_t
        children; /* with chaos: forks, execs and spawns so far, its parent's before included */
    struct wg_fault_rules rules;
    char faults_text[WG_FAULT_RULES_MAX * WG_FAULT_TEXT_MAX];
};

enum wg_local_state { WG_LOCAL_NEW, WG_LOCAL_MAKING, WG_LOCAL_READY, WG_LOCAL_DEAD };

/* A mapping of such a file; while its members change, `start` is WG_MAP_CLAIMED. */
struct wg_map {
    _Atomic uintptr_t start; /* 0 free */
    size_t size;
    _Atomic uint32_t serial; /* another one for each mapping that the slot had */
    int fd;                  /* that it was made of */
    const struct wg_name *path, *database;
    uint64_t dev, ino;
    int64_t offset; /* in the file */
    uint8_t role;
};

#define WG_MAP_CLAIMED 1

struct wg_probe {
    struct wg_fd *fds;
    uint32_t fd_max;          /* entries of fds; 0 until the probe has started */
    _Atomic uint32_t fd_high; /* one more than the highest descriptor ever tracked */
    struct wg_inode *inodes;
    _Atomic uint64_t lock_groups; /* a bit for each group of inodes in which one ever had a lock */
    char *names;
    _Atomic uint32_t names_next;
    _Atomic uint32_t buckets[WG_PROBE_BUCKETS]; /* offsets of names */
    struct wg_module modules[WG_PROBE_MODULES];
    _Atomic uint16_t hints[WG_PROBE_HINTS]; /* slots of modules, by address */
    struct wg_map maps[WG_PROBE_MAPS];
    _Atomic uint32_t map_count;
    _Atomic bool overlay_seen; /* there was a descriptor with WG_FD_OVERLAY */
    struct wg_probe_local *local;
    _Atomic uint32_t generations;
    int64_t last_start_ns; /* of the newest trace file made in this line of forks */
    uint32_t exe, command; /* lengths of the texts below, for a child's header */
    char exe_text[WG_PROBE_PATH], command_text[WG_PROBE_PATH];
    char directory[4096];
    char self[WG_PROBE_PATH];   /* path of this library, for environments that lost it */
    char tracer[WG_PROBE_PATH]; /* path of walgrind-tracer, "" when none is wanted */
    struct wg_perturb perturb;
};

extern struct wg_probe wg_probe;

/* --- start.c --- */
bool wg_probe_attach(void);
/* True when records can be written; makes the trace file when this process has none yet. */
static inline bool wg_probe_live(void)
{
    return wg_probe.local &&
           (atomic_load_explicit(&wg_probe.local->state, memory_order_acquire) == WG_LOCAL_READY ||
            wg_probe_attach());
}
/* In a vfork child, which shares this memory but not the descriptors. What is recorded there is
 * told as done by the thread that it came from. */
bool wg_probe_in_vfork(void);
int32_t wg_probe_tid(void);
int64_t wg_probe_now_ns(void);

/* --- writer.c --- */
/* A rare record goes to the ring when the log is full, an `ordinary` one when it is half full. */
void wg_probe_emit(enum wg_trace_area area, bool ordinary, const struct wg_trace_record *record);
/*
 * SQLite writes a transaction in pieces that follow each other in the file: frame header, page,
 * frame header, page. Makes the last record longer by such a piece, so that one record tells of
 * all. False when the piece needs a record of its own.
 */
bool wg_probe_extend(const struct wg_trace_record *piece);
uint32_t wg_probe_string(const char *text, size_t size, uint16_t *flags);
/* What programs say (SQL, messages): takes no more than half of the room, the rest is for paths and
 * stacks. */
uint32_t wg_probe_words(const char *text, size_t size, uint16_t *flags);
uint32_t wg_probe_bytes(const void *bytes, size_t size, uint16_t *flags);
/* Writes the name to the trace file; the reference, also kept in the name, or 0. */
uint32_t wg_probe_name_put(const struct wg_name *name);
static inline uint32_t wg_probe_name_ref(const struct wg_name *name)
{
    if (!name)
        return 0;
    uint64_t cached = atomic_load_explicit(&name->cached, memory_order_relaxed);
    return cached >> 32 == wg_probe.local->generation ? (uint32_t)cached : wg_probe_name_put(name);
}
/* Finds or makes; NULL when there is no room. */
const struct wg_name *wg_probe_name(const char *text, size_t size);
uint32_t wg_probe_hash(const void *bytes, size_t size);

/* --- files.c --- */
/* The entry of a tracked descriptor, NULL for every other: the one array look-up. */
static inline struct wg_fd *wg_probe_fd(int fd)
{
    if ((unsigned)fd >= wg_probe.fd_max)
        return NULL;
    struct wg_fd *entry = &wg_probe.fds[fd];
    return atomic_load_explicit(&entry->active, memory_order_acquire) ? entry : NULL;
}
/* Where it is mapped, 0 when it is not, or not yet. */
static inline uintptr_t wg_map_start(const struct wg_map *map)
{
    uintptr_t start = atomic_load_explicit(&map->start, memory_order_acquire);
    return start == WG_MAP_CLAIMED ? 0 : start;
}
struct wg_inode *wg_probe_inode_find(uint64_t dev, uint64_t ino);
struct wg_fd *wg_probe_fd_add(int fd, const struct wg_fd *entry, const struct stat *st);
/* Forgets the descriptor; `drops_locks` as close() of it does. */
void wg_probe_fd_remove(struct wg_fd *entry, bool drops_locks);
uint32_t wg_probe_held(const struct wg_fd *entry);
static inline int64_t wg_probe_changed_ns(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}
/* A POSIX lock was granted (type F_RDLCK, F_WRLCK) or given back (F_UNLCK). */
void wg_probe_locked(struct wg_fd *entry, short type, int64_t start, int64_t length);
/* In a forked child: POSIX locks stay with the parent. */
void wg_probe_forget_locks(void);

/* --- family.c --- */
/* The first bytes say "SQLite format 3". */
bool wg_probe_header_of_fd(int fd, const struct stat *st);
/*
 * Looks at what a path names, before it is changed: fills `st` and says whether it is part of a
 * family. `follow` as of the call that will be made. An absolute, normal form of the path is
 * written to `absolute` (WG_PROBE_PATH bytes).
 */
struct wg_look {
    struct stat st;
    bool exists;
    struct wg_family family;
    char absolute[WG_PROBE_PATH];
    size_t size;
};
void wg_probe_look(int directory_fd, const char *path, bool follow, struct wg_look *ret_look);
size_t wg_probe_absolute(int directory_fd, const char *path, char *buffer);
size_t wg_probe_path_of_fd(int fd, char *buffer);

/* --- overlay.c --- */
/* SQLite has mapped a database. Like wg_overlay_look(), keeps errno. */
void wg_overlay_mapped(const void *caller, int fd, struct wg_fd *entry);
/* Compares the mappings of the database to which `entry` belongs with the file; for a moment at
 * which SQLite is about to read. */
void wg_overlay_look(const void *caller, const struct wg_fd *entry);

/* --- origin.c --- */
struct wg_module *wg_probe_module(const void *address);
/* After a dlclose(): another object may come to lie where one was. */
void wg_probe_forget_unloaded(void);
/* Where a call came from; `entry` the descriptor that it works on, NULL if none. */
enum wg_trace_origin wg_probe_origin(const void *caller, const struct wg_fd *entry);
/*
 * The same for an open(), by flags and name; learns. `quick` does not search objects that were not
 * searched before, and then calls them OTHER: enough for files that look like no database.
 */
enum wg_trace_origin wg_probe_origin_of_open(const void *caller, const char *path, int flags,
                                             bool quick);
/* A reference to the stack of the caller, 0 for none. */
uint32_t wg_probe_stack(uint16_t *flags);
/* The address of a function in an object, NULL when it does not define it. */
void *wg_probe_symbol(const struct wg_module *module, const char *name);
static inline bool wg_origin_is_sqlite(enum wg_trace_origin origin)
{
    return origin == WG_TRACE_ORIGIN_SQLITE || origin == WG_TRACE_ORIGIN_SQLITE_LIKELY;
}

/* --- script.c --- */
uint32_t wg_probe_script(uint16_t *flags);

/* --- sql_state.c --- */
/* The sqlite3 * on which this thread is in a call, 0 if none. */
extern __thread uintptr_t wg_probe_connection __attribute__((tls_model("initial-exec")));

/* --- note.c --- */
/* A record about to be made; errno of the moment is kept and put back by wg_note_end. */
struct wg_note {
    struct wg_trace_record record;
    int saved_errno;
    uint32_t strikes; /* of this thread before the call */
    bool stack;       /* take native and script frames */
    bool ordinary;    /* what SQLite does all day: belongs into the ring */
};
/* Starts a record of a call; takes the time. Everything after it may change errno. */
void wg_note_begin(struct wg_note *note, enum wg_trace_type type, enum wg_trace_call call,
                   const void *caller);
/* Fills in what is known of a tracked descriptor. */
void wg_note_fd(struct wg_note *note, int fd, const struct wg_fd *entry);
void wg_note_look(struct wg_note *note, const struct wg_look *look);
/* Result and errno of the call that was made in between; call at once after it. */
void wg_note_result(struct wg_note *note, int64_t result, bool failed);
/* Also measures how long it took. */
void wg_note_took(struct wg_note *note);
/* Writes the record and restores errno. */
void wg_note_end(struct wg_note *note);

/* --- perturb.c --- */
/* How many calls of this thread were made to fail. */
extern __thread uint32_t wg_probe_strikes __attribute__((tls_model("initial-exec")));
/* Reads the environment; after the names of the program are known. */
void wg_perturb_start(void);
/* In a forked child, once it has its file. */
void wg_perturb_forked(void);
/* A process or a program is about to be started. Not counted without need: in a process that forks
 * all day the page would be copied each time. */
static inline void wg_perturb_child(void)
{
    if (wg_probe.perturb.chaos)
        atomic_fetch_add(&wg_probe.perturb.children, 1);
}
/* What a program that is started now is to be given as its place. */
uint64_t wg_perturb_child_line(void);
uint16_t wg_perturb_delay_now(uint16_t type, enum wg_trace_call call, enum wg_trace_role role);
bool wg_perturb_strikes_now(struct wg_note *note, const char *database, size_t size, size_t *cut);
/* Waits before a call, if chaos says so; the flags for its record. */
static inline uint16_t wg_perturb_delay(uint16_t type, enum wg_trace_call call,
                                        enum wg_trace_role role)
{
    return wg_probe.perturb.chaos ? wg_perturb_delay_now(type, call, role) : 0;
}
/*
 * Asks, just before the call that the note is about, whether it shall fail; then errno is set and
 * the call is not made. `size` is what it transfers. Instead of failing it may be cut to `cut`
 * bytes (NULL: it cannot be cut), which else is left alone. Marks the note.
 */
static inline bool wg_perturb_strikes(struct wg_note *note, const char *database, size_t size,
                                      size_t *cut)
{
    return wg_probe.perturb.rules.count > 0 && wg_perturb_strikes_now(note, database, size, cut);
}
static inline const char *wg_entry_database(const struct wg_fd *entry)
{
    return entry->database ? entry->database->text : NULL;
}

/* --- environment.c --- */
/* An environment with the probe's variables, in memory of its own. */
struct wg_environment {
    char *const *list; /* what to pass on */
    void *memory;      /* NULL when the list is the caller's */
    size_t size;
};
void wg_environment_begin(struct wg_environment *environment, char *const *list);
/* Keeps errno. */
void wg_environment_end(const struct wg_environment *environment);

/* --- handover.c --- */
/* A program about to be started, or what starts it with a tracer. */
struct wg_handover {
    const char *file;
    char *const *arguments;
    void *memory; /* NULL: they are the caller's */
    size_t size;
};
void wg_handover_start(void);
/* The first program of that name in PATH, as execvp() finds it; false when there is none. */
bool wg_handover_search(const char *name, char buffer[static WG_PROBE_PATH]);
/* `searched`: a name without a slash is looked for in PATH. Freed by wg_handover_end(). */
void wg_handover_begin(struct wg_handover *handover, const char *file, bool searched,
                       char *const *arguments);
void wg_handover_end(const struct wg_handover *handover);

/* open() of any kind: tracking starts when what was opened belongs to a family. */
struct wg_opening {
    struct wg_note note;
    struct wg_look before; /* only filled when `looked` */
    bool looked;
    bool asked; /* the record has its origin */
    const void *caller;
    const char *path;
    int directory_fd;
    int flags;
    mode_t mode;
};
/* `opening->path`, `directory_fd`, `flags` and `mode` are set by the caller. */
void wg_opening_begin(struct wg_opening *opening, enum wg_trace_call call, const void *caller);
/* A delay and a fault for it, if they were asked for; true: it fails with errno set. */
bool wg_opening_strikes(struct wg_opening *opening);
void wg_opening_end(struct wg_opening *opening, int fd);
/* Tracks descriptors that came with the process: over exec, or before the probe started. */
void wg_opening_inherited(int fd);
/* `to` became a duplicate of the tracked `from` (or -1: it failed); records that. */
void wg_probe_duplicated(enum wg_trace_call call, const void *caller, int from, int to,
                         struct wg_fd *entry);
/* False when the number now stands for another file, closed and opened unseen: then it is
 * forgotten. */
bool wg_note_still(int fd, struct wg_fd *entry);

#endif
