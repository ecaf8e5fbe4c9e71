#include "report/report.h"

#include <string.h>

static const struct {
	const char *unit;
	const char *text;
} figures[FIGURES] = {
	[FIGURE_CPU] = { "us", "CPU an answer" },
	[FIGURE_PSS] = { "MiB", "memory (PSS)" },
	[FIGURE_FIRST_ANSWER_MS] = { "ms", "first answer after a start" },
	[FIGURE_HIT_PERCENT] = { "%", "hits from 0.5 s after it on" },
	[FIGURE_LOST] = { "", "cached answers lost or failed" },
	[FIGURE_STALLS] = { "", "loop turns of over 2 ms of their own" },
};

static const struct outcome *outcome_of(const struct case_outcome *c, const char *name)
{
	for (size_t i = 0; i < c->server_count; i++) {
		const struct outcome *o = &c->server[i];
		if (strcmp(o->server->kind->name, name) == 0) {
			return o->standing == STANDING_WELL ? o : NULL;
		}
	}
	return NULL;
}

/* The figure's values, a run each; a void run has none. */
static struct found values_of(const struct outcome *o, enum figure figure)
{
	struct found f = { .count = 0 };
	if (o == NULL) {
		return f;
	}
	if (figure == FIGURE_PSS) {
		f.value[0] = (double)o->usage.pss_octets / (1 << 20);
		f.count = f.value[0] > 0;
		return f;
	}
	for (size_t i = 0; figure == FIGURE_CPU && i < o->run_count; i++) {
		if (o->runs[i].kept_pace && f.count < RUNS_MAX) {
			f.value[f.count++] = run_cpu_us(&o->runs[i]);
		}
	}
	return figure == FIGURE_CPU ? f : o->found[figure];
}

static const char *against_whom(const struct case_outcome *c, const struct bar *bar)
{
	const char *who = bar->against;
	if (who != NULL && strcmp(who, BEST_PEER) == 0) {
		best_peer_cpu_us(c, &who);
	}
	return who;
}

struct barred bar_judge(const struct case_outcome *c, const struct bar *bar)
{
	const struct found ours = values_of(outcome_of(c, "fairlead"), bar->figure);
	struct found ratio = ours;
	struct spread s = spread_of(ours.value, ours.count);
	bool known = ours.count > 0;
	if (bar->against != NULL) {
		const struct found theirs =
			values_of(outcome_of(c, against_whom(c, bar)), bar->figure);
		const double median = spread_of(theirs.value, theirs.count).median;
		known = known && median > 0;
		ratio.count = ours.count < theirs.count ? ours.count : theirs.count;
		for (size_t i = 0; i < ratio.count; i++) { /* they ran one after the other */
			ratio.value[i] = ours.value[i] / theirs.value[i];
		}
		const double of_medians = known ? s.median / median : 0;
		s = spread_of(ratio.value, ratio.count);
		s.median = of_medians;
	}
	return (struct barred){ .known = known,
				.value = s.median,
				.least = s.least,
				.most = s.most,
				/* what must not happen may in no run */
				.met = known &&
				       (bar->least ? s.median >= bar->value
						   : (bar->value > 0 ? s.median : s.most) <=
							     bar->value) };
}

static void print_bar(FILE *out, const struct case_outcome *c, const struct bar *bar)
{
	const struct barred b = bar_judge(c, bar);
	const struct found ours = values_of(outcome_of(c, "fairlead"), bar->figure);
	const char *who = against_whom(c, bar);
	char figure[32];
	char wanted[48];
	snprintf(figure, sizeof(figure), "%.4g %s", spread_of(ours.value, ours.count).median,
		 figures[bar->figure].unit);
	snprintf(wanted, sizeof(wanted), "at %s %.4g%s%s", bar->least ? "least" : "most",
		 bar->value, who != NULL ? " x " : "", who != NULL ? who : "");
	fprintf(out, "  %-15s %-36s %-10s ", c->bench_case->name, figures[bar->figure].text,
		b.known ? figure : "-");
	if (b.known) {
		fprintf(out, "%6.4g (%.4g-%.4g)%*s %-24s %s\n", b.value, b.least, b.most, 2, "",
			wanted, b.met ? "met" : "MISSED");
	} else {
		fprintf(out, "%-23s %-24s no figure\n", "-", wanted);
	}
}

void report_bars(const struct report *r, FILE *out)
{
	bool any = false;
	for (size_t i = 0; i < r->case_count; i++) {
		const struct case_outcome *c = &r->cases[i];
		for (unsigned n = 0; n < case_bars(c->bench_case); n++) {
			if (!any) {
				fputs("\nbars: Fairlead's figure, what is judged (least-most "
				      "of "
				      "runs, pair by pair), the bar\n",
				      out);
				any = true;
			}
			print_bar(out, c, &c->bench_case->bars[n]);
		}
	}
	for (size_t i = 0; i < r->case_count; i++) {
		const struct outcome *o = outcome_of(&r->cases[i], "fairlead");
		if (any && o != NULL && o->counted.entries > 0) {
			fprintf(out,
				"  %s: %llu entries cached, %.0f octets each; %llu evicted\n",
				r->cases[i].bench_case->name,
				(unsigned long long)o->counted.entries,
				(double)o->counted.octets / (double)o->counted.entries,
				(unsigned long long)o->counted.evicted);
		}
	}
}

json_t *bars_json(const struct case_outcome *c)
{
	json_t *out = json_array();
	for (unsigned i = 0; i < case_bars(c->bench_case); i++) {
		const struct bar *bar = &c->bench_case->bars[i];
		const struct barred b = bar_judge(c, bar);
		json_array_append_new(
			out,
			json_pack("{s:s, s:s?, s:s, s:f, s:b, s:f, s:f, s:f, s:b}", "figure",
				  figures[bar->figure].text, "against", against_whom(c, bar),
				  "bar", bar->least ? "at least" : "at most", "bar_value",
				  bar->value, "known", (int)b.known, "value", b.value, "least",
				  b.least, "most", b.most, "met", (int)b.met));
	}
	return out;
}
