/* SPDX-License-Identifier: MIT */
/* trace_read.c - the reader of traces: order, references, bounds, damaged and half-written files.
 */
#include "harness/trace/trace.h"

#include "harness/base/str.h"
#include "harness/sys/tree.h"
#include "harness/trace/write.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char directory[64];

static void make_directory(void)
{
    snprintf(directory, sizeof directory, "/tmp/walgrind-unit-trace-XXXXXX");
    cr_assert(ne(ptr, mkdtemp(directory), NULL));
}

static void remove_directory(void)
{
    wg_tree_remove(directory, NULL);
}

TestSuite(trace_read, .init = make_directory, .fini = remove_directory, .timeout = 20);

static struct wg_trace_writer *write_process(struct wg_trace_writer_options options)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_trace_writer *writer = NULL;
    cr_assert(zero(int, wg_trace_writer_create(directory, &options, &writer, &err)), "%s",
              err.message);
    return writer;
}

static struct wg_trace *read_trace(void)
{
    struct wg_err err = WG_ERR_INIT;
    struct wg_trace *trace = NULL;
    cr_assert(zero(int, wg_trace_open(directory, &trace, &err)), "%s", err.message);
    return trace;
}

static void add(struct wg_trace_writer *writer, enum wg_trace_type type, int64_t time_ns,
                const char *path)
{
    wg_trace_writer_add(writer,
                        &(struct wg_trace_event_spec){
                            .record = {.type = (uint16_t)type, .time_ns = time_ns}, .path = path});
}

/* Overwrites bytes of the one file that process 7 has. */
static void damage(off_t offset, const void *bytes, size_t size)
{
    char *path = wg_format("%s/7-1" WG_TRACE_SUFFIX, directory);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    cr_assert(eq(sz, (size_t)pwrite(fd, bytes, size, offset), size));
    close(fd);
    free(path);
}

Test(trace_read, an_empty_directory_is_an_empty_trace)
{
    struct wg_trace *trace = read_trace();
    cr_assert(zero(sz, wg_trace_count(trace)));
    cr_assert(zero(sz, wg_trace_process_count(trace)));
    wg_trace_destroy(trace);
}

Test(trace_read, records_of_all_processes_come_in_the_order_of_time)
{
    struct wg_trace_writer *a = write_process((struct wg_trace_writer_options){.pid = 7});
    struct wg_trace_writer *b =
        write_process((struct wg_trace_writer_options){.pid = 8, .start_ns = 2});
    add(a, WG_TRACE_OPEN, 10, "first");
    add(a, WG_TRACE_LOCK, 40, "fourth");
    add(b, WG_TRACE_CLOSE, 20, "second");
    add(b, WG_TRACE_LOCK, 30, "third");
    wg_trace_writer_destroy(a);
    wg_trace_writer_destroy(b);
    struct wg_trace *trace = read_trace();
    const char *expected[] = {"first", "second", "third", "fourth"};
    cr_assert(eq(sz, wg_trace_count(trace), 4));
    for (size_t i = 0; i < 4; i++) {
        struct wg_trace_event event;
        wg_trace_get(trace, i, &event);
        cr_expect(eq(str, (char *)event.path, (char *)expected[i]));
        cr_expect(eq(int, event.process->pid, i == 0 || i == 3 ? 7 : 8));
        cr_expect(eq(i64, event.process->first_ns, i == 0 || i == 3 ? 10 : 20));
        cr_expect(eq(i64, event.process->last_ns, i == 0 || i == 3 ? 40 : 30));
    }
    wg_trace_destroy(trace);
}

Test(trace_read, every_member_and_reference_survives)
{
    struct wg_trace_writer *writer =
        write_process((struct wg_trace_writer_options){.pid = 7,
                                                       .ppid = 5,
                                                       .exe = "/bin/x",
                                                       .command = "x -y",
                                                       .cwd = "/w",
                                                       .libc = "glibc 2.36"});
    const uint64_t frames[] = {0x1000, 0x2000, 0x3000};
    struct wg_trace_event_spec spec = {.record = {.type = WG_TRACE_CLOSE,
                                                  .time_ns = 100,
                                                  .duration_us = 3,
                                                  .fd = 4,
                                                  .error = 5,
                                                  .held = WG_TRACE_HELD_SHARED,
                                                  .role = WG_TRACE_ROLE_DATABASE,
                                                  .origin = WG_TRACE_ORIGIN_OTHER,
                                                  .call = WG_CALL_fclose},
                                       .path = "/w/a.db",
                                       .database = "/w/a.db",
                                       .script = "a.py:3 f\n",
                                       .frames = frames,
                                       .frame_count = 3};
    wg_trace_writer_add(writer, &spec);
    wg_trace_writer_end(writer, WG_TRACE_EXITED);
    wg_trace_writer_destroy(writer);
    struct wg_trace *trace = read_trace();
    struct wg_trace_event event;
    wg_trace_get(trace, 0, &event);
    cr_expect(eq(str, (char *)event.process->exe, "/bin/x"));
    cr_expect(eq(str, (char *)event.process->libc, "glibc 2.36"));
    cr_expect(eq(int, event.process->state, WG_TRACE_EXITED));
    cr_expect(eq(i64, event.end_ns, 3100));
    cr_expect(eq(int, event.record->fd, 4));
    cr_expect(eq(str, (char *)event.database, "/w/a.db"));
    cr_expect(eq(str, (char *)event.script, "a.py:3 f\n"));
    cr_expect(eq(str, (char *)event.text, ""));
    cr_expect(eq(str, (char *)wg_trace_call_name(event.call), "fclose"));
    cr_assert(eq(sz, event.frame_count, 3));
    cr_expect(zero(int, memcmp(event.frames, frames, sizeof frames)));
    wg_trace_destroy(trace);
}

Test(trace_read, the_log_keeps_the_first_and_the_ring_the_last_and_both_say_so)
{
    struct wg_trace_writer *writer =
        write_process((struct wg_trace_writer_options){.pid = 7, .rare_max = 4, .frequent_max = 4});
    for (int i = 0; i < 10; i++) {
        add(writer, WG_TRACE_OPEN, 10 + i, "rare");
        add(writer, WG_TRACE_LOCK, 100 + i, "frequent");
    }
    wg_trace_writer_destroy(writer);
    struct wg_trace *trace = read_trace();
    const struct wg_trace_process *process = wg_trace_process_at(trace, 0);
    struct wg_trace_event event;
    cr_assert(eq(sz, wg_trace_count(trace), 8));
    wg_trace_get(trace, 3, &event);
    cr_expect(eq(i64, event.time_ns, 13));
    wg_trace_get(trace, 4, &event);
    cr_expect(eq(i64, event.time_ns, 106));
    cr_expect(eq(u64, process->rare_dropped, 6));
    cr_expect(eq(u64, process->frequent_dropped, 6));
    cr_expect(eq(i64, process->frequent_since_ns, 107));
    wg_trace_destroy(trace);
}

Test(trace_read, a_call_that_took_long_does_not_make_the_ring_seem_complete)
{
    static const int64_t begins[] = {10, 20, 30, 11, 40, 50, 60};
    struct wg_trace_writer *writer =
        write_process((struct wg_trace_writer_options){.pid = 7, .frequent_max = 4});
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++)
        wg_trace_writer_add(
            writer, &(struct wg_trace_event_spec){.record = {.type = WG_TRACE_LOCK,
                                                             .time_ns = begins[i],
                                                             /* The one of 11 and the one of 60. */
                                                             .tid = i == 3 || i == 6 ? 1 : 2}});
    wg_trace_writer_destroy(writer);
    struct wg_trace *trace = read_trace();
    cr_expect(eq(i64, wg_trace_process_at(trace, 0)->frequent_since_ns, 60));
    wg_trace_destroy(trace);
}

Test(trace_read, a_string_without_room_is_counted_and_its_record_marked)
{
    struct wg_trace_writer *writer =
        write_process((struct wg_trace_writer_options){.pid = 7, .text_size = 48});
    add(writer, WG_TRACE_OPEN, 1, "this fits");
    add(writer, WG_TRACE_OPEN, 2, "this one does not");
    wg_trace_writer_destroy(writer);
    struct wg_trace *trace = read_trace();
    struct wg_trace_event event;
    wg_trace_get(trace, 0, &event);
    cr_expect(eq(str, (char *)event.path, "this fits"));
    wg_trace_get(trace, 1, &event);
    cr_expect(eq(str, (char *)event.path, ""));
    cr_expect(ne(int, event.record->flags &WG_TRACE_CUT, 0));
    cr_expect(eq(u64, event.process->strings_lost, 1));
    wg_trace_destroy(trace);
}

Test(trace_read, a_record_that_was_being_written_is_left_out_and_counted)
{
    struct wg_trace_writer *writer = write_process((struct wg_trace_writer_options){.pid = 7});
    add(writer, WG_TRACE_OPEN, 1, "whole");
    add(writer, WG_TRACE_OPEN, 2, "torn");
    wg_trace_writer_destroy(writer);
    const uint32_t zero = 0;
    damage(WG_TRACE_HEADER_SIZE + WG_TRACE_RECORD_SIZE, &zero, sizeof zero);
    struct wg_trace *trace = read_trace();
    cr_assert(eq(sz, wg_trace_count(trace), 1));
    cr_expect(eq(u64, wg_trace_process_at(trace, 0)->torn, 1));
    wg_trace_destroy(trace);
}

Test(trace_read, a_reference_outside_the_strings_is_an_empty_string)
{
    struct wg_trace_writer *writer = write_process((struct wg_trace_writer_options){.pid = 7});
    add(writer, WG_TRACE_OPEN, 1, "path");
    wg_trace_writer_destroy(writer);
    const uint32_t wild[] = {8 * 1000 * 1000, 4, 16, UINT32_MAX};
    for (size_t i = 0; i < sizeof wild / sizeof *wild; i++) {
        damage((off_t)(WG_TRACE_HEADER_SIZE + offsetof(struct wg_trace_record, path)), &wild[i],
               sizeof wild[i]);
        struct wg_trace *trace = read_trace();
        struct wg_trace_event event;
        wg_trace_get(trace, 0, &event);
        cr_expect(eq(str, (char *)event.path, ""), "reference %u", wild[i]);
        wg_trace_destroy(trace);
    }
}

Test(trace_read, a_file_that_makes_no_sense_is_damage_and_not_an_error)
{
    struct wg_trace_writer *other =
        write_process((struct wg_trace_writer_options){.pid = 8, .start_ns = 2});
    add(other, WG_TRACE_OPEN, 1, "good");
    wg_trace_writer_destroy(other);
    struct wg_trace_writer *writer = write_process((struct wg_trace_writer_options){.pid = 7});
    wg_trace_writer_destroy(writer);
    const uint64_t huge = UINT64_MAX / 2;
    damage((off_t)offsetof(struct wg_trace_header, areas[1].capacity), &huge, sizeof huge);
    struct wg_trace *trace = read_trace();
    cr_assert(eq(sz, wg_trace_damage_count(trace), 1));
    cr_expect(eq(str, (char *)wg_trace_damage_at(trace, 0)->file, "7-1" WG_TRACE_SUFFIX));
    cr_expect(eq(sz, wg_trace_count(trace), 1));
    wg_trace_destroy(trace);
}

/* Files that libFuzzer found to take different ways through the reader (fuzz_trace.c). */
Test(trace_read, no_file_of_the_fuzzers_corpus_harms_the_reader)
{
    glob_t files;
    cr_assert(zero(int, glob(WG_TEST_TRACE_CORPUS "/*", 0, NULL, &files)));
    for (size_t i = 0; i < files.gl_pathc; i++) {
        struct wg_err err = WG_ERR_INIT;
        enum wg_copy_method method;
        char *name = wg_format("%s/%zu-1" WG_TRACE_SUFFIX, directory, i + 1);
        cr_assert(zero(int, wg_file_copy(files.gl_pathv[i], name, &method, &err)), "%s",
                  err.message);
        free(name);
    }
    struct wg_trace *trace = read_trace();
    cr_assert(eq(sz, wg_trace_damage_count(trace) + wg_trace_process_count(trace), files.gl_pathc));
    for (size_t i = 0; i < wg_trace_count(trace); i++) {
        struct wg_trace_event event;
        wg_trace_get(trace, i, &event);
        cr_expect(le(sz, strlen(event.path) + strlen(event.script), files.gl_pathc * 8192));
    }
    wg_trace_destroy(trace);
    globfree(&files);
}

Test(trace_read, a_fork_knows_its_parent_and_a_pid_is_found_by_time)
{
    wg_trace_writer_destroy(
        write_process((struct wg_trace_writer_options){.pid = 7, .start_ns = 10}));
    wg_trace_writer_destroy(write_process(
        (struct wg_trace_writer_options){.pid = 9, .ppid = 7, .start_ns = 20, .parent_ns = 10}));
    wg_trace_writer_destroy(
        write_process((struct wg_trace_writer_options){.pid = 7, .start_ns = 30}));
    struct wg_trace *trace = read_trace();
    const struct wg_trace_process *child = wg_trace_process_at(trace, 1);
    cr_assert(ne(ptr, (void *)child->parent, NULL));
    cr_expect(eq(i64, child->parent->start_ns, 10));
    cr_expect(eq(i64, wg_trace_process_find(trace, 7, 25)->start_ns, 10));
    cr_expect(eq(i64, wg_trace_process_find(trace, 7, INT64_MAX)->start_ns, 30));
    cr_expect(eq(ptr, (void *)wg_trace_process_find(trace, 7, 5), NULL));
    wg_trace_destroy(trace);
}

Test(trace_read, an_address_is_found_in_the_object_that_covers_it)
{
    struct wg_trace_writer *writer = write_process((struct wg_trace_writer_options){.pid = 7});
    wg_trace_writer_add(
        writer,
        &(struct wg_trace_event_spec){
            .record = {.type = WG_TRACE_MODULE, .offset = 0x5000, .length = 0x1000, .ino2 = 0x4000},
            .path = "/lib/x.so"});
    wg_trace_writer_destroy(writer);
    struct wg_trace *trace = read_trace();
    const struct wg_trace_process *process = wg_trace_process_at(trace, 0);
    const char *path = NULL;
    uint64_t address = 0;
    cr_assert(zero(int, wg_trace_module(trace, process, 0x5010, &path, &address)));
    cr_expect(eq(str, (char *)path, "/lib/x.so"));
    cr_expect(eq(u64, address, 0x1010));
    cr_expect(eq(int, wg_trace_module(trace, process, 0x6000, &path, &address), -1));
    wg_trace_destroy(trace);
}

Test(trace_read, held_locks_read_in_the_words_of_sqlite)
{
    char words[128];
    uint32_t held = WG_TRACE_HELD_SHARED | WG_TRACE_HELD_SHM(0) | WG_TRACE_HELD_SHM_WRITE(0) |
                    WG_TRACE_HELD_SHM(4);
    wg_trace_held_text(held, words, sizeof words);
    cr_expect(eq(str, words, "SHARED WRITE(x) READ1"));
    cr_expect(eq(uint, wg_trace_held_count(held), 3));
    wg_trace_held_text(0, words, sizeof words);
    cr_expect(eq(str, words, ""));
}
