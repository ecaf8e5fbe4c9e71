/* Bars are judged by medians; figures that must not be by the worst run. */
#include "report/report.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct kind fairlead = { .name = "fairlead", .validates = true };
static const struct kind echo = { .name = "echo", .padded = true };
static const struct kind quick = { .name = "quick", .validates = true };
static const struct kind slow = { .name = "slow", .validates = true };

struct world {
	struct server server[4];
	struct run run[4][3];
	struct case_outcome c;
};

static void add(struct world *w, const struct kind *k, const double us[static 3])
{
	const size_t n = w->c.server_count++;
	w->server[n].kind = k;
	w->c.server[n] = (struct outcome){ .server = &w->server[n],
					   .runs = w->run[n],
					   .run_count = 3,
					   .usage.pss_octets = (uint64_t)us[0] << 20 };
	for (unsigned i = 0; i < 3; i++) {
		w->run[n][i] =
			(struct run){ .cpu_ns = us[i] * 1000, .rate = 1, .kept_pace = true };
	}
}

static struct world *make(void)
{
	static struct world w;
	memset(&w, 0, sizeof(w));
	add(&w, &fairlead, (const double[]){ 3, 2, 9 });
	add(&w, &echo, (const double[]){ 2, 2, 3 });
	add(&w, &slow, (const double[]){ 8, 8, 8 });
	add(&w, &quick, (const double[]){ 4, 4, 4 });
	return &w;
}

Test(bars, cpu_is_the_ratio_of_medians)
{
	const struct world *w = make();
	const struct bar at = { FIGURE_CPU, "echo", 1.5, false };
	const struct bar under = { FIGURE_CPU, "echo", 1.49, false };
	const struct barred b = bar_judge(&w->c, &at);
	cr_expect(b.known && b.met);
	cr_expect_float_eq(b.value, 1.5, 1e-9);
	cr_expect_float_eq(b.least, 1, 1e-9, "2 beside 2, in the second round");
	cr_expect_float_eq(b.most, 3, 1e-9, "9 beside 3, in the third");
	cr_expect_not(bar_judge(&w->c, &under).met);
}

Test(bars, the_best_peer_is_the_one_that_costs_least)
{
	const struct world *w = make();
	const struct bar bar = { FIGURE_CPU, BEST_PEER, 0.80, false };
	cr_expect_float_eq(bar_judge(&w->c, &bar).value, 0.75, 1e-9);
}

Test(bars, who_is_wrong_has_no_figure)
{
	struct world *w = make();
	const struct bar bar = { FIGURE_CPU, "echo", 100, false };
	w->c.server[0].standing = STANDING_WRONG;
	cr_expect_not(bar_judge(&w->c, &bar).known);
	cr_expect_not(bar_judge(&w->c, &bar).met);
}

Test(bars, a_peer_that_is_not_there_gives_no_figure)
{
	const struct world *w = make();
	const struct bar bar = { FIGURE_CPU, "dnsdist", 100, false };
	cr_expect_not(bar_judge(&w->c, &bar).known);
	cr_expect_not(bar_judge(&w->c, &bar).met);
}

Test(bars, memory_is_compared)
{
	const struct world *w = make();
	const struct bar bar = { FIGURE_PSS, "quick", 0.8, false };
	cr_expect_float_eq(bar_judge(&w->c, &bar).value, 0.75, 1e-9);
	cr_expect(bar_judge(&w->c, &bar).met);
}

Test(bars, what_must_not_happen_may_in_no_run)
{
	struct world *w = make();
	const struct bar bar = { FIGURE_LOST, NULL, 0, false };
	struct found *f = &w->c.server[0].found[FIGURE_LOST];
	cr_expect_not(bar_judge(&w->c, &bar).met, "nothing is known yet");
	f->count = 3;
	cr_expect(bar_judge(&w->c, &bar).met);
	f->value[1] = 1;
	cr_expect_not(bar_judge(&w->c, &bar).met);
}

Test(bars, at_least)
{
	struct world *w = make();
	const struct bar bar = { FIGURE_HIT_PERCENT, NULL, 99, true };
	struct found *f = &w->c.server[0].found[FIGURE_HIT_PERCENT];
	*f = (struct found){ .value = { 98.9, 99.5, 99.1 }, .count = 3 };
	cr_expect(bar_judge(&w->c, &bar).met);
	f->value[1] = 98;
	cr_expect_not(bar_judge(&w->c, &bar).met);
}

Test(bars, every_case_of_the_hot_path_has_some)
{
	const struct profile *p = profile_find("hot-path");
	cr_assert_not_null(p);
	for (unsigned i = 0; i < CASES_MAX && p->cases[i] != NULL; i++) {
		const struct bench_case *c = case_find(p->cases[i]);
		cr_assert_not_null(c, "%s", p->cases[i]);
		cr_expect(case_bars(c) > 0, "%s", c->name);
		cr_expect_not_null(profile_find(c->name), "%s is a profile too", c->name);
	}
}

Test(bars, only_servers_that_bars_name_take_part)
{
	struct bench b = { .barred = true };
	cr_expect(case_has(&b, case_find("cached-200k"), &fairlead));
	cr_expect(case_has(&b, case_find("cached-200k"), &echo));
	cr_expect_not(case_has(&b, case_find("cached-200k"), &quick));
	cr_expect(case_has(&b, case_find("cached-1k"), &quick));
	cr_expect_not(case_has(&b, case_find("saturated"), &quick));
	b.barred = false;
	cr_expect(case_has(&b, case_find("cached-200k"), &quick));
	cr_expect_not(case_has(&b, case_find("saturated"), &quick), "it counts no turns");
	cr_expect_not(case_has(&b, case_find("tcp"), &echo));
}

Test(counters, a_line_of_the_log_is_read)
{
	struct counted c = { 0 };
	counters_line("fairleadd[7]: notice: counter front 0: answers_cached=41", &c);
	counters_line("fairleadd[7]: notice: counter front 1: answers_cached=1", &c);
	counters_line("notice: counter front 0: loop_stalls_own=3", &c);
	counters_line("notice: turns front 0: 16us=5", &c);
	counters_line("notice: counter front 0: loop_stalls=", &c);
	cr_expect_eq(c.cached, 42, "fronts are added up");
	cr_expect_eq(c.stalls_own, 3);
	cr_expect_eq(c.stalls, 0);
}
