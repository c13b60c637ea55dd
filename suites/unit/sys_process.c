/* SPDX-License-Identifier: MIT */
/* What process.h promises, one test a promise. Children are /bin/sh with a short script. */
#include "harness/base/buf.h"
#include "harness/base/str.h"
#include "harness/sys/port.h"
#include "harness/sys/process.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(sys_process, .timeout = 30);

/* A running shell script whose stdout is a pipe of ours. */
struct script {
    struct wg_process *process;
    int output_fd;
};

static struct script start_script(const char *text, struct wg_process_options options)
{
    int fds[2];
    struct wg_err err = WG_ERR_INIT;
    struct script script = {0};
    char *argv[] = {"/bin/sh", "-c", (char *)text, NULL};
    cr_assert(eq(int, pipe2(fds, O_CLOEXEC), 0));
    options.argv = argv;
    options.stdout_fd = fds[1];
    cr_assert(eq(int, wg_process_start(&options, &script.process, &err), 0), "%s", err.message);
    close(fds[1]);
    script.output_fd = fds[0];
    return script;
}

/* Reads a line of the script's output, or what there is at its end. */
static void read_line(struct script *script, char *line, size_t size)
{
    size_t used = 0;
    while (used + 1 < size && read(script->output_fd, line + used, 1) == 1 && line[used] != '\n')
        used++;
    line[used] = '\0';
}

static int wait_status(struct wg_process *process)
{
    int status = -1;
    struct wg_err err = WG_ERR_INIT;
    int ended = wg_process_wait(process, wg_deadline_in_ms(10000), &status, NULL, &err);
    cr_assert(eq(int, ended, 1), "%s", err.message);
    return status;
}

static void finish(struct script *script)
{
    close(script->output_fd);
    wg_process_destroy(script->process);
}

static bool is_running(pid_t pid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    const char *at = n > 0 ? strrchr(text, ')') : NULL;
    return at && at[2] != 'Z' && at[2] != 'X';
}

Test(sys_process, a_program_that_does_not_exist_is_an_error_with_errno)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_process *process = NULL;
    char *argv[] = {"/nonexistent/program", NULL};
    struct wg_process_options options = WG_PROCESS_OPTIONS_INIT;
    options.argv = argv;
    cr_assert(eq(int, wg_process_start(&options, &process, &err), -1));
    cr_assert(eq(int, err.sys_errno, ENOENT));
    cr_assert(eq(ptr, process, NULL));
    cr_assert(not(eq(ptr, strstr(err.message, "/nonexistent/program"), NULL)));
    cr_assert(eq(int, (int)waitpid(-1, NULL, WNOHANG), -1), "a zombie is left");
}

Test(sys_process, a_file_that_cannot_be_run_is_an_error_with_eacces)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_process *process = NULL;
    char *argv[] = {"/etc/passwd", NULL};
    struct wg_process_options options = WG_PROCESS_OPTIONS_INIT;
    options.argv = argv;
    cr_assert(eq(int, wg_process_start(&options, &process, &err), -1));
    cr_assert(eq(int, err.sys_errno, EACCES));
}

Test(sys_process, a_missing_directory_is_named_in_the_error)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_process *process = NULL;
    char *argv[] = {"true", NULL};
    struct wg_process_options options = WG_PROCESS_OPTIONS_INIT;
    options.argv = argv;
    options.directory = "/nonexistent/directory";
    cr_assert(eq(int, wg_process_start(&options, &process, &err), -1));
    cr_assert(not(eq(ptr, strstr(err.message, "chdir /nonexistent/directory"), NULL)), "%s",
              err.message);
}

Test(sys_process, a_name_without_slash_is_searched_in_path)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_process *process = NULL;
    char *argv[] = {"false", NULL};
    struct wg_process_options options = WG_PROCESS_OPTIONS_INIT;
    options.argv = argv;
    cr_assert(eq(int, wg_process_start(&options, &process, &err), 0), "%s", err.message);
    cr_assert(eq(int, WEXITSTATUS(wait_status(process)), 1));
    wg_process_destroy(process);
}

Test(sys_process, the_file_of_a_name_is_the_one_that_is_executed)
{
    setenv("PATH", "/nonexistent::/bin", 1);
    char *found = wg_process_find("sh"), *missing = wg_process_find("no-such-program");
    char *given = wg_process_find("./no-such-program");
    cr_expect(eq(str, found, "/bin/sh"));
    cr_expect(missing == NULL);
    cr_expect(eq(str, given, "./no-such-program"));
    free(found);
    free(given);
}

Test(sys_process, an_empty_part_of_path_is_the_working_directory)
{
    setenv("PATH", ":/bin", 1);
    cr_assert(zero(int, chdir("/usr/bin")));
    char *found = wg_process_find("env");
    cr_expect(eq(str, found, "./env"));
    free(found);
}

Test(sys_process, the_answer_of_wait_stays_the_same)
{
    struct script script = start_script("exit 3", WG_PROCESS_OPTIONS_INIT);
    cr_assert(eq(int, WEXITSTATUS(wait_status(script.process)), 3));
    cr_assert(eq(int, WEXITSTATUS(wait_status(script.process)), 3));
    int status = 0;
    bool killed = true;
    cr_assert(eq(int, wg_process_stop(script.process, 0, &status, &killed, NULL), 0));
    cr_assert(eq(int, WEXITSTATUS(status), 3));
    cr_assert(not(killed));
    finish(&script);
}

Test(sys_process, wait_gives_up_at_the_deadline)
{
    struct script script = start_script("sleep 100", WG_PROCESS_OPTIONS_INIT);
    int status;
    cr_assert(
        eq(int, wg_process_wait(script.process, wg_deadline_in_ms(20), &status, NULL, NULL), 0));
    finish(&script);
}

Test(sys_process, wait_tells_the_resources_used)
{
    struct rusage usage = {0};
    struct script script = start_script("exit 0", WG_PROCESS_OPTIONS_INIT);
    wait_status(script.process);
    cr_assert(eq(int, wg_process_wait(script.process, WG_DEADLINE_NEVER, NULL, &usage, NULL), 1));
    cr_assert(ge(long, usage.ru_maxrss, 1));
    finish(&script);
}

Test(sys_process, the_pidfd_becomes_readable_when_the_child_ends)
{
    struct script script = start_script("read line", WG_PROCESS_OPTIONS_INIT);
    struct pollfd pollfd = {.fd = wg_process_pidfd(script.process), .events = POLLIN};
    cr_assert(eq(int, poll(&pollfd, 1, 10000), 1)); /* stdin is /dev/null: read ends at once */
    cr_assert(eq(int, WIFEXITED(wait_status(script.process)), 1));
    finish(&script);
}

Test(sys_process, the_child_leads_a_group_of_its_own)
{
    struct script script = start_script("sleep 100", WG_PROCESS_OPTIONS_INIT);
    pid_t pid = wg_process_pid(script.process);
    cr_assert(eq(int, getpgid(pid), pid));
    cr_assert(ne(int, getpgid(0), pid));
    finish(&script);
}

Test(sys_process, stop_ends_a_willing_child_without_sigkill)
{
    struct script script = start_script("sleep 100", WG_PROCESS_OPTIONS_INIT);
    int status;
    bool killed = true;
    cr_assert(eq(int, wg_process_stop(script.process, 10000, &status, &killed, NULL), 0));
    cr_assert(eq(int, WTERMSIG(status), SIGTERM));
    cr_assert(not(killed));
    finish(&script);
}

Test(sys_process, stop_kills_a_child_that_ignores_sigterm)
{
    char line[16];
    int status;
    bool killed = false;
    struct script script =
        start_script("trap '' TERM; echo up; sleep 100", WG_PROCESS_OPTIONS_INIT);
    read_line(&script, line, sizeof line);
    cr_assert(eq(int, wg_process_stop(script.process, 30, &status, &killed, NULL), 0));
    cr_assert(eq(int, WTERMSIG(status), SIGKILL));
    cr_assert(killed);
    finish(&script);
}

Test(sys_process, stop_ends_grandchildren_that_ignore_sigterm)
{
    char line[32];
    long grandchild;
    struct script script =
        start_script("(trap '' TERM; sleep 100 & echo $!; wait) & wait", WG_PROCESS_OPTIONS_INIT);
    read_line(&script, line, sizeof line);
    cr_assert(eq(int, wg_str_to_long(line, 1, 1L << 30, &grandchild), 0));
    cr_assert(is_running((pid_t)grandchild));
    cr_assert(eq(int, wg_process_stop(script.process, 10000, NULL, NULL, NULL), 0));
    cr_assert(not(is_running((pid_t)grandchild)));
    finish(&script);
}

Test(sys_process, a_leader_that_ended_leaves_no_survivor_at_stop)
{
    char line[32];
    long orphan;
    struct script script =
        start_script("sleep 100 >/dev/null & echo $!; exit 7", WG_PROCESS_OPTIONS_INIT);
    read_line(&script, line, sizeof line);
    int status = wait_status(script.process);
    cr_assert(eq(int, WEXITSTATUS(status), 7));
    cr_assert(eq(int, wg_str_to_long(line, 1, 1L << 30, &orphan), 0));
    cr_assert(is_running((pid_t)orphan));
    cr_assert(eq(int, wg_process_stop(script.process, 10000, &status, NULL, NULL), 0));
    cr_assert(eq(int, WEXITSTATUS(status), 7));
    cr_assert(not(is_running((pid_t)orphan)));
    finish(&script);
}

Test(sys_process, destroy_kills_what_still_runs)
{
    struct script script = start_script("sleep 100", WG_PROCESS_OPTIONS_INIT);
    pid_t pid = wg_process_pid(script.process);
    finish(&script);
    cr_assert(not(is_running(pid)));
    wg_process_destroy(NULL);
}

Test(sys_process, the_child_inherits_only_the_descriptors_it_is_given)
{
    char line[128];
    int leak = open("/dev/null", O_RDONLY); /* deliberately without O_CLOEXEC */
    cr_assert(ge(int, leak, 3));
    struct script script = start_script("cd /proc/$$/fd && echo *", WG_PROCESS_OPTIONS_INIT);
    read_line(&script, line, sizeof line);
    close(leak);
    /* The shell reads the directory through a descriptor of its own, which may show as 3. */
    bool only_these = strcmp(line, "0 1 2") == 0 || strcmp(line, "0 1 2 3") == 0;
    cr_assert(eq(int, only_these, 1), "%s", line);
    finish(&script);
}

Test(sys_process, mapped_descriptors_arrive_even_when_numbers_cross)
{
    char line[128];
    int a[2], b[2];
    cr_assert(eq(int, pipe2(a, O_CLOEXEC), 0));
    cr_assert(eq(int, pipe2(b, O_CLOEXEC), 0));
    cr_assert(eq(long, write(a[1], "from-a\n", 7), 7));
    cr_assert(eq(long, write(b[1], "from-b\n", 7), 7));
    /* Each becomes the number that the other has now. */
    struct wg_fd_map maps[] = {{a[0], b[0]}, {b[0], a[0]}};
    struct wg_process_options options = WG_PROCESS_OPTIONS_INIT;
    options.fds = maps;
    options.fd_count = 2;
    char *text =
        wg_format("read x </proc/self/fd/%d; read y </proc/self/fd/%d; echo $x $y", a[0], b[0]);
    struct script script = start_script(text, options);
    read_line(&script, line, sizeof line);
    cr_assert(eq(str, line, "from-b from-a"));
    finish(&script);
    free(text);
}

Test(sys_process, a_descriptor_below_three_cannot_be_mapped)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_process *process = NULL;
    char *argv[] = {"true", NULL};
    struct wg_fd_map map = {0, 2};
    struct wg_process_options options = WG_PROCESS_OPTIONS_INIT;
    options.argv = argv;
    options.fds = &map;
    options.fd_count = 1;
    cr_assert(eq(int, wg_process_start(&options, &process, &err), -1));
    cr_assert(eq(int, (int)err.kind, (int)WG_ERR_USAGE));
}

Test(sys_process, signals_are_default_and_unblocked_in_the_child)
{
    char line[64];
    sigset_t block;
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &block, NULL);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGPIPE, &ignore, NULL);
    struct script script =
        start_script("grep -E '^Sig(Blk|Ign):' /proc/self/status | tr -d '\\n\\t'; echo",
                     WG_PROCESS_OPTIONS_INIT);
    read_line(&script, line, sizeof line);
    cr_assert(eq(str, line, "SigBlk:0000000000000000SigIgn:0000000000000000"));
    finish(&script);
}

Test(sys_process, directory_and_environment_are_as_given)
{
    char line[128];
    char *envp[] = {"GREETING=it's \"q\" \xc3\xa4", NULL};
    struct wg_process_options options = WG_PROCESS_OPTIONS_INIT;
    options.envp = envp;
    options.directory = "/usr";
    struct script script = start_script("echo \"$PWD $GREETING\"", options);
    read_line(&script, line, sizeof line);
    cr_assert(eq(str, line, "/usr it's \"q\" \xc3\xa4"));
    finish(&script);
}

/* Starts a child from a process that dies at once; returns the child's pid, which outlives it
 * exactly when `outlive` is set. */
static pid_t orphan(bool outlive, int *ret_pidfd)
{
    int fds[2], go[2];
    cr_assert(eq(int, pipe2(fds, O_CLOEXEC), 0));
    cr_assert(eq(int, pipe2(go, O_CLOEXEC), 0));
    pid_t middle = fork();
    if (middle == 0) {
        char *argv[] = {"/bin/sh", "-c", "sleep 100", NULL};
        struct wg_process *process = NULL;
        struct wg_process_options options = WG_PROCESS_OPTIONS_INIT;
        options.argv = argv;
        options.outlive_parent = outlive;
        if (wg_process_start(&options, &process, NULL) != 0)
            _exit(1);
        pid_t pid = wg_process_pid(process);
        char byte;
        if (write(fds[1], &pid, sizeof pid) != (ssize_t)sizeof pid || read(go[0], &byte, 1) != 1)
            _exit(1);
        _exit(0);
    }
    pid_t pid = -1;
    cr_assert(eq(long, read(fds[0], &pid, sizeof pid), (long)sizeof pid));
    *ret_pidfd = (int)syscall(SYS_pidfd_open, pid, 0U);
    cr_assert(ge(int, *ret_pidfd, 0));
    cr_assert(eq(long, write(go[1], "x", 1), 1));
    cr_assert(eq(int, waitpid(middle, NULL, 0), middle));
    return pid;
}

Test(sys_process, the_child_dies_with_its_parent)
{
    int pidfd;
    orphan(false, &pidfd);
    struct pollfd pollfd = {.fd = pidfd, .events = POLLIN};
    cr_assert(eq(int, poll(&pollfd, 1, 10000), 1), "the child outlived its parent");
}

Test(sys_process, the_child_outlives_its_parent_when_told_so)
{
    int pidfd;
    pid_t pid = orphan(true, &pidfd);
    struct pollfd pollfd = {.fd = pidfd, .events = POLLIN};
    cr_expect(eq(int, poll(&pollfd, 1, 50), 0), "the child died with its parent");
    kill(-pid, SIGKILL);
}

Test(sys_process, a_status_reads_as_a_person_would_say_it)
{
    const struct {
        int status;
        const char *text;
    } rows[] = {
        {3 << 8, "exit 3"},
        {SIGSEGV, "signal 11 (Segmentation fault)"},
        {SIGABRT | 0x80, "signal 6 (Aborted), core dumped"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[64];
        wg_process_status_text(rows[i].status, text, sizeof text);
        cr_expect(eq(str, text, (char *)rows[i].text));
    }
}

Test(sys_process, start_ticks_name_a_process_for_ever)
{
    long long own = wg_process_start_ticks(getpid());
    cr_assert(ge(llong, own, 1));
    cr_assert(eq(llong, wg_process_start_ticks(getpid()), own));
    cr_assert(lt(llong, wg_process_start_ticks(1), own));
    struct script script = start_script("exit 0", WG_PROCESS_OPTIONS_INIT);
    pid_t pid = wg_process_pid(script.process);
    finish(&script);
    cr_assert(eq(llong, wg_process_start_ticks(pid), -1));
}

Test(sys_process, a_free_port_can_be_bound_twice)
{
    int first = 0, second = 0;
    cr_assert(eq(int, wg_port_find_free(&first, NULL), 0));
    cr_assert(eq(int, wg_port_find_free(&second, NULL), 0));
    cr_assert(ge(int, first, 1024));
    cr_assert(le(int, first, 65535));
    cr_assert(ge(int, second, 1024));
}
