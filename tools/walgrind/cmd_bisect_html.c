/* SPDX-License-Identifier: MIT */
/*
 * cmd_bisect_html.c - the report as one HTML page without anything from outside.
 *
 * The picture shows the history from left (GOOD) to right (BAD): a bar per commit for the
 * probability of being the culprit, on a scale of square roots, so that small ones can be seen; a
 * tick per tested commit below it, its colour the part of runs that failed. Long histories are cut
 * to the stretch around the candidates and the tested commits next to them by giving every commit
 * less room.
 *
 * Whatever comes from the repository or the command line goes through put_escaped().
 */
#include "harness/base/json.h"
#include "tools/walgrind/cmd_bisect_report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_MAX    (64u << 20)
#define PLOT_WIDTH  960.0
#define PLOT_HEIGHT 200.0
#define TICK_HEIGHT 26.0

/* Text for element content and quoted attributes. Control bytes that XML forbids are dropped. */
static void put_escaped(struct wg_buf *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&': wg_buf_puts(out, "&amp;"); break;
        case '<': wg_buf_puts(out, "&lt;"); break;
        case '>': wg_buf_puts(out, "&gt;"); break;
        case '"': wg_buf_puts(out, "&quot;"); break;
        case '\'': wg_buf_puts(out, "&#39;"); break;
        default:
            if ((unsigned char)*text >= 0x20 || *text == '\n' || *text == '\t')
                wg_buf_append(out, text, 1);
        }
    }
}

static const char page_head[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<title>walgrind bisect</title>\n<style>\n"
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;"
    "color:#1b1f24;background:#fff}\n"
    "h1{font-size:1.3rem}table{border-collapse:collapse;width:100%}\n"
    "th,td{text-align:right;padding:.15rem .6rem;border-bottom:1px solid #d8dee4}\n"
    "th:first-child,td:first-child,th:last-child,td:last-child{text-align:left}\n"
    "code,td:first-child{font-family:ui-monospace,monospace}pre{overflow:auto;background:#f6f8fa;"
    "padding:.6rem}\n"
    "svg{width:100%;height:auto;border:1px solid #d8dee4}.best td{background:#fff3cd}\n"
    "@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}"
    "pre,.best td{background:#21262d}}\n"
    "</style></head><body>\n";

static void put_bar(const struct bisect_session *session, size_t x, struct wg_buf *out)
{
    double step = PLOT_WIDTH / (double)session->history.count;
    double probability = session->posterior.probability[x];
    double height = sqrt(probability) * PLOT_HEIGHT;
    if (height < 0.3)
        return;
    wg_buf_printf(out,
                  "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"#cf222e\">"
                  "<title>",
                  (double)x * step, PLOT_HEIGHT - height, step < 2 ? 2 : step * 0.9, height);
    wg_buf_printf(out, "%.2f %% %.12s ", 100 * probability, session->history.commits[x].id);
    put_escaped(out, session->texts[x].subject);
    wg_buf_puts(out, "</title></rect>\n");
}

static void put_tick(const struct bisect_session *session, size_t x, struct wg_buf *out)
{
    const struct wg_bisect_tally *node = &session->tally[x];
    unsigned runs = node->failures + node->passes;
    if (runs == 0 && !node->untestable)
        return;
    double step = PLOT_WIDTH / (double)session->history.count;
    double rate = runs ? (double)node->failures / runs : 0;
    wg_buf_printf(out,
                  "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"%s\" "
                  "fill-opacity=\"%.2f\"><title>%.12s: %u of %u runs failed%s</title></rect>\n",
                  (double)x * step, PLOT_HEIGHT + 4, step < 3 ? 3 : step * 0.9, TICK_HEIGHT - 4,
                  runs == 0            ? "#8c959f"
                  : node->failures > 0 ? "#cf222e"
                                       : "#1a7f37",
                  node->failures > 0 ? 0.4 + 0.6 * rate : 1.0, session->history.commits[x].id,
                  node->failures, runs, node->untestable ? ", cannot be tested" : "");
}

static void put_plot(const struct bisect_session *session, struct wg_buf *out)
{
    wg_buf_printf(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" "
        "aria-label=\"probability of each commit\">\n",
        PLOT_WIDTH, PLOT_HEIGHT + TICK_HEIGHT);
    for (size_t x = 0; x < session->history.count; x++) {
        put_bar(session, x, out);
        put_tick(session, x, out);
    }
    wg_buf_puts(out,
                "</svg>\n<p>Left is GOOD, right is BAD. Bars: probability of being the culprit "
                "(square roots). Below: tested commits, green never failed, red failed, grey "
                "cannot be tested.</p>\n");
}

static void put_row(const struct bisect_session *session, const struct wg_bisect_plan *plan,
                    size_t x, struct wg_buf *out)
{
    const struct wg_bisect_tally *node = &session->tally[x];
    wg_buf_printf(out, "<tr%s><td>%.12s</td><td>%u</td><td>%u</td><td>%u</td><td>%.2f %%</td><td>",
                  plan->step == WG_BISECT_FOUND && plan->best == x ? " class=\"best\"" : "",
                  session->history.commits[x].id, node->failures + node->passes, node->failures,
                  node->skips, 100 * session->posterior.probability[x]);
    if (x == 0)
        wg_buf_puts(out, "<b>GOOD</b> ");
    if (x == wg_bisect_history_bad(&session->history))
        wg_buf_puts(out, "<b>BAD</b> ");
    if (node->untestable)
        wg_buf_puts(out, "<i>cannot be tested</i> ");
    put_escaped(out, session->texts[x].subject);
    wg_buf_puts(out, "</td></tr>\n");
}

static void put_table(const struct bisect_session *session, const struct wg_bisect_plan *plan,
                      struct wg_buf *out)
{
    wg_buf_puts(out, "<h2>Evidence</h2>\n<table><tr><th>commit</th><th>runs</th><th>failed</th>"
                     "<th>no answer</th><th>is culprit</th><th>subject</th></tr>\n");
    for (size_t x = 0; x < session->history.count; x++) {
        const struct wg_bisect_tally *node = &session->tally[x];
        if (node->failures + node->passes + node->skips > 0 || node->untestable ||
            session->posterior.probability[x] >= 0.01)
            put_row(session, plan, x, out);
    }
    wg_buf_puts(out, "</table>\n");
}

static void put_ways(const struct bisect_session *session, struct wg_buf *out)
{
    if (session->way_count == 1)
        return;
    wg_buf_puts(out, "<h2>Ways to run it, at BAD</h2>\n<table><tr><th>way</th><th>runs</th>"
                     "<th>failed</th><th>no answer</th><th></th></tr>\n");
    for (size_t w = 0; w < session->way_count; w++) {
        const struct wg_bisect_way *way = &session->ways[w];
        bool kept = !session->trying && w == session->way;
        wg_buf_printf(out, "<tr%s><td>", kept ? " class=\"best\"" : "");
        put_escaped(out, bisect_way_name(session, w));
        wg_buf_printf(out, "</td><td>%u</td><td>%u</td><td>%u</td><td>%s</td></tr>\n",
                      way->failures + way->passes, way->failures, way->skips,
                      way->dropped ? "dropped"
                      : kept       ? "kept"
                                   : "");
    }
    wg_buf_puts(out, "</table>\n");
}

int bisect_write_html(const struct bisect_session *session, const struct wg_bisect_plan *plan,
                      const char *path, struct wg_err *err)
{
    int rc = -1;
    struct wg_buf page;
    struct bisect_counts counts = bisect_count(session);
    char *headline = bisect_headline(session, plan);
    char *command = bisect_verify_command(session, plan);
    wg_buf_init(&page, PAGE_MAX);
    wg_buf_puts(&page, page_head);
    wg_buf_puts(&page, "<h1>");
    put_escaped(&page, headline);
    wg_buf_printf(&page,
                  "</h1>\n<p>%zu commits between GOOD and BAD; %u runs of %u commits, %u "
                  "failed; %u commits cannot be tested.</p>\n",
                  session->history.count - 1, counts.runs, counts.tested, counts.failures,
                  counts.untestable);
    put_plot(session, &page);
    if (plan->step == WG_BISECT_FOUND) {
        wg_buf_puts(&page, "<h2>Verify</h2>\n<pre>");
        put_escaped(&page, command);
        wg_buf_puts(&page, "</pre>\n");
    }
    put_table(session, plan, &page);
    put_ways(session, &page);
    wg_buf_puts(&page, "</body></html>\n");
    FILE *file = fopen(path, "we");
    if (!file) {
        wg_err_errno(err, "write %s", path);
        goto out;
    }
    bool written = fwrite(page.data, 1, page.size, file) == page.size;
    if (fclose(file) != 0 || !written) {
        wg_err_errno(err, "write %s", path);
        goto out;
    }
    rc = 0;
out:
    wg_buf_finish(&page);
    free(headline);
    free(command);
    return rc;
}
