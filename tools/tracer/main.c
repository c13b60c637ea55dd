/* SPDX-License-Identifier: MIT */
/*
 * walgrind-tracer - becomes a program, after a tracer has attached to it.
 *
 *     walgrind-tracer gaps|all FILE ARGV0 [ARGUMENT...]
 *
 * Not for people: `walgrind exec` puts it before the command when the probe cannot get into that,
 * and the probe before what a watched program starts. The process keeps its number, its parent, its
 * descriptors and its environment; the tracer is a process beside it, of nobody's family, in a
 * session of its own, without descriptors of the program. `gaps` records only programs that the
 * probe is not in, `all` records everything.
 *
 * When nobody may trace here, the program runs all the same, and the trace says why it is not
 * covered.
 */
#include "harness/base/buf.h"
#include "harness/base/clock.h"
#include "harness/base/str.h"
#include "harness/probe/known.h"
#include "harness/trace/write.h"
#include "harness/tracer/filter.h"
#include "harness/tracer/tracer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRACER_COMM "wg-tracer"

/* What the tracer tells when it has tried to attach; first it tells its pid alone. */
struct answer {
    int error; /* 0: attached */
    char what[1024];
};

/* Lets go of all that is the program's. Signals that can be ignored are. */
static void detach(int keep_fd)
{
    static const int signals[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGPIPE, SIGTSTP, SIGTTIN,
                                  SIGTTOU, SIGUSR1, SIGUSR2, SIGXFSZ, SIGXCPU, SIGALRM, SIGVTALRM};
    setsid();
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    sigaction(SIGCHLD, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2 && null >= 0; fd++)
        dup2(null, fd);
    if (keep_fd > 3)
        close_range(3, (unsigned)keep_fd - 1, 0);
    close_range((unsigned)keep_fd + 1, ~0U, 0);
    if (chdir("/") != 0)
        return;
    prctl(PR_SET_NAME, TRACER_COMM);
}

static void trace(int fd, pid_t pid, pid_t ppid, const char *traces, bool everything)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_tracer *tracer = NULL;
    struct answer answer = {0};
    pid_t self = getpid();
    char go;
    /* Where the program had closed its standard descriptors, theirs are the lowest free numbers. */
    if (fd <= 2)
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return;
    detach(fd);
    if (write(fd, &self, sizeof self) != sizeof self || read(fd, &go, 1) != 1)
        return;
    if (wg_tracer_attach(pid, ppid, traces, everything, &tracer, &err) != 0) {
        answer.error = 1;
        snprintf(answer.what, sizeof answer.what, "%s", err.message);
    }
    if (write(fd, &answer, sizeof answer) == sizeof answer && tracer) {
        close(fd);
        wg_tracer_run(tracer);
    }
    wg_tracer_destroy(tracer);
}

/* Starts the tracer as nobody's child and waits until it has attached. */
static void start_tracer(const char *traces, bool everything, struct answer *answer)
{
    int ends[2];
    pid_t self = getpid(), parent = getppid(), tracer = 0;
    *answer = (struct answer){.error = 1, .what = "no tracer could be started"};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return;
    /* Like fork(), but its end sends no signal, which would be left over for the program. */
    pid_t between = (pid_t)syscall(SYS_clone, 0UL, NULL, NULL, NULL, NULL);
    if (between == 0) {
        if (fork() == 0)
            trace(ends[1], self, parent, traces, everything);
        _exit(0);
    }
    close(ends[1]);
    if (between > 0)
        waitpid(between, NULL, __WALL);
    if (read(ends[0], &tracer, sizeof tracer) == sizeof tracer) {
        /* Where Yama lets only ancestors trace. */
        prctl(PR_SET_PTRACER, (unsigned long)tracer, 0, 0, 0);
        struct answer got;
        if (write(ends[0], "g", 1) == 1 && read(ends[0], &got, sizeof got) == sizeof got)
            *answer = got;
    }
    close(ends[0]);
}

/* A tracer of ours is at work on this process already, since its parent has one. */
static bool is_traced(void)
{
    char line[256], name[32] = "";
    int tracer = 0;
    FILE *status = fopen("/proc/self/status", "re");
    while (status && tracer == 0 && fgets(line, sizeof line, status))
        if (strncmp(line, "TracerPid:", 10) == 0)
            tracer = (int)strtol(line + 10, NULL, 10);
    if (status)
        fclose(status);
    snprintf(line, sizeof line, "/proc/%d/comm", tracer);
    FILE *comm = tracer > 0 ? fopen(line, "re") : NULL;
    bool ours = comm && fgets(name, sizeof name, comm) && strcmp(name, TRACER_COMM "\n") == 0;
    if (comm)
        fclose(comm);
    return ours;
}

/* Leaves a trace of a program that is not traced: why. */
static void tell(const char *traces, const char *file, const char *what)
{
    char text[1024 + 16];
    struct wg_err err = WG_ERR_INIT;
    struct wg_trace_writer *writer;
    struct wg_trace_writer_options options = {.pid = getpid(),
                                              .ppid = getppid(),
                                              .start_ns = wg_clock_now_ns(),
                                              .wall_ns = wg_clock_wall_ns(),
                                              .exe = file,
                                              .command = file,
                                              .rare_max = 16,
                                              .frequent_max = 16,
                                              .text_size = 1 << 16};
    if (wg_trace_writer_create(traces, &options, &writer, &err) != 0)
        return;
    snprintf(text, sizeof text, WG_TRACE_NOT_COVERED "%s", what);
    struct wg_trace_event_spec spec = {.record = {.type = WG_TRACE_MARK,
                                                  .time_ns = options.start_ns,
                                                  .tid = (uint32_t)options.pid,
                                                  .fd = -1},
                                       .text = text};
    wg_trace_writer_add(writer, &spec);
    wg_trace_writer_destroy(writer);
}

/* Takes the probe out of LD_PRELOAD for a program whose dynamic linker fails over it. */
static void unload_probe(void)
{
    const char *preload = getenv("LD_PRELOAD");
    char *words = wg_strdup(preload ? preload : ""), *rest = words;
    struct wg_buf kept;
    wg_buf_init(&kept, strlen(words) + 1);
    for (const char *word = strsep(&rest, ": "); word; word = strsep(&rest, ": "))
        if (*word && !strstr(word, "libwalgrind-probe"))
            wg_buf_printf(&kept, "%s%s", kept.size > 0 ? ":" : "", word);
    if (kept.size > 0)
        setenv("LD_PRELOAD", kept.data, 1);
    else
        unsetenv("LD_PRELOAD");
    wg_buf_finish(&kept);
    free(words);
}

static bool is_musl(const char *file)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    bool musl = fd >= 0 && wg_probe_obstacle(fd) == wg_probe_is_musl;
    if (fd >= 0)
        close(fd);
    return musl;
}

/* A script that does not say whose it is, as execvp() runs it for a command. Returns when it
 * cannot. There is room before FILE for the shell, which takes the place of the name. */
static void run_script(int argc, char **argv)
{
    char shell[] = "/bin/sh";
    char *file = argv[2];
    argv[2] = shell;
    argv[3] = file;
    assert(argv[argc] == NULL);
    execv(shell, argv + 2);
    argv[2] = file;
    errno = ENOEXEC;
}

int main(int argc, char **argv)
{
    struct answer answer;
    struct wg_err err = WG_ERR_INIT;
    const char *traces = getenv(WG_TRACE_DIR_ENV);
    if (argc < 4) {
        fputs("usage: walgrind-tracer gaps|all FILE ARGV0 [ARGUMENT...]; see walgrind exec\n",
              stderr);
        return 2;
    }
    if (traces && !is_traced()) {
        start_tracer(traces, strcmp(argv[1], "all") == 0, &answer);
        if (answer.error == 0 && wg_outside_filter_install(&err) != 0) {
            answer.error = 1;
            snprintf(answer.what, sizeof answer.what, "%s", err.message);
        }
        if (answer.error != 0)
            tell(traces, argv[2], answer.what);
    }
    if (is_musl(argv[2]))
        unload_probe();
    execv(argv[2], argv + 3);
    if (errno == ENOEXEC && strcmp(argv[1], "all") == 0)
        run_script(argc, argv);
    fprintf(stderr, "walgrind: cannot run %s: %s\n", argv[2], strerror(errno));
    return errno == ENOENT ? 127 : 126;
}
