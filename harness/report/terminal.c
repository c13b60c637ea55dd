/* SPDX-License-Identifier: MIT */
#include "harness/report/terminal.h"

#include "harness/base/buf.h"
#include "harness/base/clock.h"
#include "harness/base/json.h"
#include "harness/base/str.h"
#include "harness/report/running.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The live line is written at most this often. */
#define REFRESH_NS     (50 * WG_NS_PER_MS)
#define LINE_MAX_BYTES 4096
#define BAR_CELLS      16
#define BAR_FROM_WIDTH 79

struct wg_terminal {
    FILE *out;
    const struct wg_model *model;
    bool quiet; /* answers when asked, and else says nothing */
    bool live;  /* out is a terminal */
    bool line_shown;
    int64_t shown_ns;
    char mode[16];
    long round;
    long total, finished, failed;
    struct wg_running running;
};

bool wg_terminal_wants_color(FILE *out)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return isatty(fileno(out)) && !(no_color && no_color[0]) && term && strcmp(term, "dumb") != 0;
}

struct wg_terminal *wg_terminal_create(FILE *progress, const struct wg_model *model, bool quiet)
{
    struct wg_terminal *terminal = wg_calloc(1, sizeof *terminal);
    terminal->out = progress;
    terminal->model = model;
    terminal->quiet = quiet;
    terminal->live = !quiet && isatty(fileno(progress));
    return terminal;
}

static void clear_line(struct wg_terminal *terminal)
{
    if (terminal->line_shown)
        fputs("\r\033[K", terminal->out);
    terminal->line_shown = false;
}

void wg_terminal_destroy(struct wg_terminal *terminal)
{
    if (!terminal)
        return;
    clear_line(terminal);
    fflush(terminal->out);
    wg_running_finish(&terminal->running);
    free(terminal);
}

static int width_of(FILE *out)
{
    struct winsize size;
    if (ioctl(fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col < 20)
        return 80;
    return size.ws_col;
}

/* "[####----] " */
static void append_bar(struct wg_buf *line, long done, long total)
{
    long filled = done < total ? done * BAR_CELLS / total : BAR_CELLS;
    wg_buf_puts(line, "[");
    for (long cell = 0; cell < BAR_CELLS; cell++)
        wg_buf_puts(line, cell < filled ? "#" : "-");
    wg_buf_puts(line, "] ");
}

/* The running tests with their ages, the oldest first: the first one in any case, others as long as
 * they fit as a whole. */
static void append_running(struct wg_buf *line, const struct wg_running *running, int64_t now,
                           int width)
{
    for (size_t i = 0; i < running->count; i++) {
        const struct wg_running_test *test = &running->items[i];
        char *text = wg_format("%s%.1f s %s", i > 0 ? ", " : "  ",
                               (double)(now - test->begun_ns) / (double)WG_NS_PER_S, test->test);
        bool fits = i == 0 || line->size + strlen(text) + strlen(", ...") <= (size_t)width;
        if (fits)
            wg_buf_puts(line, text);
        else if (line->size + strlen(", ...") <= (size_t)width)
            wg_buf_puts(line, ", ...");
        free(text);
        if (!fits)
            return;
    }
}

static void show_line(struct wg_terminal *terminal)
{
    int64_t now = wg_clock_now_ns();
    if (!terminal->live || now - terminal->shown_ns < REFRESH_NS)
        return;
    terminal->shown_ns = now;
    int width = width_of(terminal->out) - 1;
    char total[32] = ""; /* of a command's tests nobody knows how many there will be */
    struct wg_buf line;
    wg_buf_init(&line, LINE_MAX_BYTES);
    if (terminal->total > 0)
        snprintf(total, sizeof total, "/%ld", terminal->total);
    wg_buf_printf(&line, "%s ", terminal->mode);
    if (terminal->total > 0 && width >= BAR_FROM_WIDTH)
        append_bar(&line, terminal->finished, terminal->total);
    wg_buf_printf(&line, "%ld%s%s%.0ld  %zu running", terminal->finished, total,
                  terminal->failed ? "  failed: " : "", terminal->failed, terminal->running.count);
    append_running(&line, &terminal->running, now, width);
    fprintf(terminal->out, "\r%.*s\033[K", width, line.data);
    fflush(terminal->out);
    wg_buf_finish(&line);
    terminal->line_shown = true;
}

static void show_failure(struct wg_terminal *terminal, const json_t *event)
{
    if (!terminal->live)
        return;
    clear_line(terminal);
    fprintf(terminal->out, "%s %s (%s) %s\n", wg_json_str(event, "outcome", ""),
            wg_json_str(event, "test", ""), wg_json_str(event, "mode", ""),
            wg_json_str(event, "reason", ""));
}

static void show_round(struct wg_terminal *terminal, const json_t *event)
{
    clear_line(terminal);
    fprintf(terminal->out, "%s: %ld tests, %ld failed, %.2f s\n", wg_json_str(event, "mode", ""),
            terminal->finished, terminal->failed, wg_json_real(event, "ms", 0) / 1000);
    fflush(terminal->out);
}

void wg_terminal_show(void *object, enum wg_event_kind kind, const json_t *event)
{
    struct wg_terminal *terminal = object;
    wg_running_apply(&terminal->running, kind, event, wg_clock_now_ns());
    if (kind == WG_EVENT_ROUND_STARTED) {
        snprintf(terminal->mode, sizeof terminal->mode, "%s", wg_json_str(event, "mode", ""));
        terminal->total = (long)wg_json_int(event, "tests", 0);
        terminal->finished = terminal->failed = 0;
    } else if (kind == WG_EVENT_TEST_STARTED) {
        show_line(terminal);
    } else if (kind == WG_EVENT_TEST_FINISHED) {
        enum wg_outcome outcome = wg_outcome_of(wg_json_str(event, "outcome", ""));
        terminal->finished += !wg_json_bool(event, "retried", false);
        if (outcome < WG_OUTCOME_COUNT && wg_outcome_is_failure(outcome)) {
            terminal->failed += !wg_json_bool(event, "retried", false);
            show_failure(terminal, event);
        }
        show_line(terminal);
    } else if (kind == WG_EVENT_ROUND_FINISHED && !terminal->quiet) {
        show_round(terminal, event);
    } else if (kind == WG_EVENT_INTERRUPTED && !terminal->quiet) {
        clear_line(terminal);
        fputs("stopping; once more to kill everything at once\n", terminal->out);
        fflush(terminal->out);
    }
}

void wg_terminal_tick(void *object, bool asked)
{
    struct wg_terminal *terminal = object;
    int64_t now = wg_clock_now_ns();
    if (asked) {
        clear_line(terminal);
        fprintf(terminal->out, "%s: %ld of %ld tests done, %ld failed, %zu running\n",
                terminal->mode, terminal->finished, terminal->total, terminal->failed,
                terminal->running.count);
        wg_running_print(&terminal->running, now, terminal->out);
    }
    if (!terminal->quiet) {
        char *text = wg_running_slow(&terminal->running, now);
        if (text[0])
            clear_line(terminal);
        fputs(text, terminal->out);
        free(text);
        show_line(terminal);
    }
    fflush(terminal->out);
}
