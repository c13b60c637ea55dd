/* SPDX-License-Identifier: MIT */
#include "tools/walgrind/cmd_bisect_report.h"

#include "harness/base/json.h"
#include "harness/base/limit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SET_SHOWN 12 /* commits listed in the text; JSON and HTML have all */

struct bisect_counts bisect_count(const struct bisect_session *session)
{
    struct bisect_counts counts = {0};
    for (size_t x = 0; x < session->history.count; x++) {
        const struct wg_bisect_tally *node = &session->tally[x];
        counts.runs += node->failures + node->passes + node->skips;
        counts.failures += node->failures;
        counts.tested += node->failures + node->passes > 0;
        counts.untestable += node->untestable;
    }
    return counts;
}

static unsigned answers(const struct wg_bisect_tally *node)
{
    return node->failures + node->passes;
}

const char *bisect_way_name(const struct bisect_session *session, size_t way)
{
    return way == 0 ? "as given" : bisect_way_words(session, way);
}

/* What is said of the other ways when BAD failed in none; the caller frees it. */
static char *others_passed(const struct bisect_session *session)
{
    unsigned runs = 0, ways = 0;
    for (size_t w = 1; w < session->way_count; w++) {
        runs += session->ways[w].passes;
        ways += session->ways[w].passes > 0;
    }
    return ways ? wg_format(", nor in %u runs made in %u other ways", runs, ways) : wg_strdup("");
}

/* The good or the bad end says that it cannot be tested. */
static char *untestable_end(const struct bisect_session *session)
{
    bool good = session->tally[0].untestable;
    size_t node = good ? 0 : wg_bisect_history_bad(&session->history);
    return wg_format(
        "the %s end %.12s cannot be tested: it does not build, or its runs say neither "
        "good nor bad; see %s/output",
        good ? "good" : "bad", session->history.commits[node].id, session->repo->state_dir);
}

static char *bad_passes(const struct bisect_session *session)
{
    const struct wg_bisect_tally *bad = &session->tally[wg_bisect_history_bad(&session->history)];
    if (bad->passes == 0)
        return wg_format("the bad end gave no answer in %u runs, and the budget is used up",
                         bad->skips);
    char *others =
        bad->skips ? wg_format(" (%u more failed in another way)", bad->skips) : wg_strdup("");
    char *provoked = others_passed(session);
    char *line = wg_format(
        "the bad end never failed in %u runs%s%s: its failure rate is below %.2g %% (95 %%); make "
        "it fail more often, or start with more repeats (--bad-runs)",
        bad->passes, others, provoked, 100 * (1 - pow(0.05, 1.0 / bad->passes)));
    free(others);
    free(provoked);
    return line;
}

char *bisect_headline(const struct bisect_session *session, const struct wg_bisect_plan *plan)
{
    const struct wg_bisect_tally *good = &session->tally[0];
    const struct bisect_commit_text *text = &session->texts[plan->best];
    const char *id = session->history.commits[plan->best].id;
    size_t *set = wg_calloc(session->history.count, sizeof *set);
    size_t size = wg_bisect_credible_set(&session->posterior, BISECT_SET_MASS, set);
    free(set);
    switch (plan->step) {
    case WG_BISECT_FOUND:
        if (plan->group_size > 1)
            return wg_format("one of %zu commits that cannot be told apart brought it in (%.1f %%)",
                             plan->group_size, 100 * plan->best_probability);
        return wg_format("%.12s brought it in (%.1f %%): %s", id, 100 * plan->best_probability,
                         text->subject);
    case WG_BISECT_GOOD_FAILS:
        return wg_format("the good end also fails: %u of %u runs; start from an older commit",
                         good->failures, answers(good));
    case WG_BISECT_BAD_PASSES: return bad_passes(session);
    case WG_BISECT_END_UNTESTABLE: return untestable_end(session);
    case WG_BISECT_BUDGET:
        return wg_format("the budget of %ld runs is used up: one of %zu commits with 95 %%",
                         session->settings.budget, size);
    case WG_BISECT_STUCK:
        return wg_format("no commit that can be tested would tell more: one of %zu commits with 95 "
                         "%%",
                         size);
    case WG_BISECT_RUN:
    case WG_BISECT_STEP_COUNT: break;
    }
    return wg_format("not finished: one of %zu commits with 95 %%", size);
}

/* Puts a word so that a shell reads it back as it is. */
static void put_word(struct wg_buf *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "%+,-./:=@_^";
    if (word[0] && word[strspn(word, plain)] == '\0') {
        wg_buf_puts(out, word);
        return;
    }
    wg_buf_puts(out, "'");
    for (; *word; word++)
        if (*word == '\'')
            wg_buf_puts(out, "'\\''");
        else
            wg_buf_append(out, word, 1);
    wg_buf_puts(out, "'");
}

static void put_option(struct wg_buf *out, const char *name, const char *value)
{
    if (!value)
        return;
    wg_buf_printf(out, " --%s ", name);
    put_word(out, value);
}

char *bisect_verify_command(const struct bisect_session *session, const struct wg_bisect_plan *plan)
{
    const struct bisect_settings *settings = &session->settings;
    struct wg_buf out;
    wg_buf_init(&out, WG_LIMIT_JSON_FILE);
    const char *id = session->history.commits[plan->best].id;
    wg_buf_printf(&out, "walgrind bisect %.12s^ %.12s --confidence 0.99", id, id);
    put_option(&out, "build", settings->build);
    put_option(&out, "match", settings->match);
    put_option(&out, "match-regex", settings->match_regex);
    if (session->way_count > 1)
        put_option(&out, "provoke", session->way ? bisect_way_words(session, session->way) : "off");
    wg_buf_puts(&out, " --");
    for (size_t i = 0; i < settings->argv.count; i++) {
        wg_buf_puts(&out, " ");
        put_word(&out, settings->argv.items[i]);
    }
    return wg_buf_steal(&out);
}

static void print_culprit(const struct bisect_session *session, const struct wg_bisect_plan *plan,
                          FILE *out)
{
    struct wg_buf shown;
    struct wg_err ignored = WG_ERR_INIT;
    const char *id = session->history.commits[plan->best].id;
    static const char format[] = "--format=%n    commit %H%n    author %an, %as%n%n%w(0,4,4)%B";
    const char *const args[] = {"show", "--no-color", "--stat=80", format, id, "--", NULL};
    wg_buf_init(&shown, WG_LIMIT_JSON_FILE);
    if (bisect_git(session->repo, NULL, args, &shown, &ignored) == 0)
        fputs(shown.data, out);
    wg_buf_finish(&shown);
    char *command = bisect_verify_command(session, plan);
    fprintf(out, "\nverify: %s\n", command);
    free(command);
}

static void print_row(const struct bisect_session *session, size_t x, FILE *out)
{
    const struct wg_bisect_tally *node = &session->tally[x];
    size_t bad = wg_bisect_history_bad(&session->history);
    char rate[16] = "-";
    if (answers(node) > 0)
        snprintf(rate, sizeof rate, "%.0f %%", 100.0 * node->failures / answers(node));
    fprintf(out, "  %.12s  %5u  %6u  %6s  %9.2f %%  %s%s%s\n", session->history.commits[x].id,
            answers(node), node->failures, rate, 100 * session->posterior.probability[x],
            x == 0     ? "[GOOD] "
            : x == bad ? "[BAD] "
                       : "",
            node->untestable ? "[cannot be tested] " : "", session->texts[x].subject);
}

static void print_evidence(const struct bisect_session *session, FILE *out)
{
    struct bisect_counts counts = bisect_count(session);
    double mean = 0, low = 0, high = 0;
    wg_bisect_posterior_rate(&session->posterior, &mean, &low, &high);
    fprintf(out, "\nevidence: %u runs of %u commits, %u failed", counts.runs, counts.tested,
            counts.failures);
    if (session->goal.spent)
        fprintf(out, "; %u more runs to find the way that fails most", session->goal.spent);
    if (counts.untestable)
        fprintf(out, "; commits that cannot be tested: %u", counts.untestable);
    if (counts.failures)
        fprintf(out, "; a bad commit fails %.0f %% of runs (%.0f to %.0f)", 100 * mean, 100 * low,
                100 * high);
    fprintf(out, "\n  %-12s  %5s  %6s  %6s  %11s\n", "commit", "runs", "failed", "rate",
            "is culprit");
    for (size_t x = 0; x < session->history.count; x++)
        if (answers(&session->tally[x]) > 0 || session->tally[x].untestable ||
            session->tally[x].skips > 0)
            print_row(session, x, out);
}

/* How often BAD fails in each way that was tried. */
static void print_ways(const struct bisect_session *session, FILE *out)
{
    if (session->way_count == 1 || bisect_count(session).runs + session->goal.spent == 0)
        return;
    fprintf(out, "\nways to run it, at BAD:\n  %5s  %6s  %6s\n", "runs", "failed", "rate");
    for (size_t w = 0; w < session->way_count; w++) {
        const struct wg_bisect_way *way = &session->ways[w];
        unsigned runs = way->failures + way->passes;
        if (runs + way->skips == 0)
            continue;
        fprintf(out, "  %5u  %6u  %4.0f %%  %s%s\n", runs, way->failures,
                runs ? 100.0 * way->failures / runs : 0, bisect_way_name(session, w),
                way->dropped                            ? " [dropped]"
                : !session->trying && w == session->way ? " [kept]"
                                                        : "");
    }
}

static void print_set(const struct bisect_session *session, FILE *out)
{
    size_t *set = wg_calloc(session->history.count, sizeof *set);
    size_t size = wg_bisect_credible_set(&session->posterior, BISECT_SET_MASS, set);
    fprintf(out, "\ncandidates (95 %%):\n");
    for (size_t i = 0; i < size && i < SET_SHOWN; i++)
        fprintf(out, "  %6.2f %%  %.12s  %s\n", 100 * session->posterior.probability[set[i]],
                session->history.commits[set[i]].id,
                set[i] == 0 ? "(was bad at GOOD already)" : session->texts[set[i]].subject);
    if (size > SET_SHOWN)
        fprintf(out, "  and %zu more\n", size - SET_SHOWN);
    free(set);
}

void bisect_print_text(const struct bisect_session *session, const struct wg_bisect_plan *plan,
                       FILE *out)
{
    char *headline = bisect_headline(session, plan);
    fprintf(out, "%s\n", headline);
    free(headline);
    if (plan->step == WG_BISECT_FOUND && plan->group_size == 1)
        print_culprit(session, plan, out);
    else if (bisect_count(session).failures > 0)
        print_set(session, out);
    print_evidence(session, out);
    print_ways(session, out);
}

static json_t *commit_json(const struct bisect_session *session, size_t x)
{
    const struct wg_bisect_tally *node = &session->tally[x];
    const char *subject = session->texts[x].subject;
    return json_pack(
        "{s:s, s:o, s:f, s:i, s:i, s:i, s:b}", "commit", session->history.commits[x].id, "subject",
        wg_json_string_new(subject, strlen(subject)), "probability",
        session->posterior.probability[x], "passes", (int)node->passes, "failures",
        (int)node->failures, "no_answer", (int)node->skips, "untestable", node->untestable);
}

/* The ways that were tried at BAD, as given first. */
static json_t *ways_json(const struct bisect_session *session)
{
    json_t *ways = json_array();
    for (size_t w = 0; w < session->way_count; w++) {
        const struct wg_bisect_way *way = &session->ways[w];
        const char *words = bisect_way_words(session, w);
        json_array_append_new(ways, json_pack("{s:o, s:i, s:i, s:i, s:b, s:b}", "words",
                                              wg_json_string_new(words, strlen(words)), "passes",
                                              (int)way->passes, "failures", (int)way->failures,
                                              "no_answer", (int)way->skips, "dropped", way->dropped,
                                              "kept", !session->trying && w == session->way));
    }
    return ways;
}

json_t *bisect_report_json(const struct bisect_session *session, const struct wg_bisect_plan *plan)
{
    size_t *set = wg_calloc(session->history.count, sizeof *set);
    size_t size = wg_bisect_credible_set(&session->posterior, BISECT_SET_MASS, set);
    json_t *candidates = json_array(), *evidence = json_array();
    struct bisect_counts counts = bisect_count(session);
    double mean = 0, low = 0, high = 0;
    wg_bisect_posterior_rate(&session->posterior, &mean, &low, &high);
    for (size_t i = 0; i < size; i++)
        json_array_append_new(candidates, commit_json(session, set[i]));
    for (size_t x = 0; x < session->history.count; x++)
        if (answers(&session->tally[x]) + session->tally[x].skips > 0 ||
            session->tally[x].untestable)
            json_array_append_new(evidence, commit_json(session, x));
    char *headline = bisect_headline(session, plan);
    bool found = plan->step == WG_BISECT_FOUND;
    json_t *report = json_pack(
        "{s:i, s:s, s:o, s:o?, s:f, s:I, s:f, s:i, s:i, s:i, s:{s:f, s:f, s:f}, s:o, s:o}",
        "version", 1, "step", wg_bisect_step_name(plan->step), "headline",
        wg_json_string_new(headline, strlen(headline)), "culprit",
        found ? commit_json(session, plan->best) : NULL, "probability", plan->best_probability,
        "group_size", (json_int_t)plan->group_size, "confidence", session->goal.confidence, "runs",
        (int)counts.runs, "tested", (int)counts.tested, "untestable", (int)counts.untestable,
        "failure_rate", "mean", mean, "low", low, "high", high, "candidates", candidates,
        "evidence", evidence);
    json_object_set_new(report, "runs_provoking", json_integer(session->goal.spent));
    json_object_set_new(report, "ways", ways_json(session));
    json_object_set_new(report, "settings", bisect_settings_record(&session->settings));
    free(headline);
    free(set);
    return report;
}
