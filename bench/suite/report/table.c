#include "report/report.h"

#include <string.h>

static const double SATURATED = 0.9; /* of its core, where it sets the pace */

static bool has_figures(const struct outcome *o)
{
	return o->standing == STANDING_WELL && outcome_spread(o, run_rate).median > 0;
}

double cpu_us_of(const struct case_outcome *c, const char *name)
{
	for (size_t i = 0; i < c->server_count; i++) {
		const struct outcome *o = &c->server[i];
		if (strcmp(o->server->kind->name, name) == 0 && has_figures(o)) {
			return outcome_spread(o, run_cpu_us).median;
		}
	}
	return 0;
}

double best_peer_cpu_us(const struct case_outcome *c, const char **who)
{
	double best = 0;
	for (size_t i = 0; i < c->server_count; i++) {
		const struct outcome *o = &c->server[i];
		if (!o->server->kind->validates || !has_figures(o) ||
		    strcmp(o->server->kind->name, "fairlead") == 0) {
			continue;
		}
		const double us = outcome_spread(o, run_cpu_us).median;
		if (best <= 0 || us < best) {
			best = us;
			if (who != NULL) {
				*who = o->server->kind->name;
			}
		}
	}
	return best;
}

static void print_ratio(FILE *out, double us, double to)
{
	if (to > 0) {
		fprintf(out, " %7.2f", us / to);
	} else {
		fprintf(out, " %7s", "-");
	}
}

/* Latency over all runs together: a tail of one run is a tail. */
static void merged(const struct outcome *o, struct histogram *h)
{
	memset(h, 0, sizeof(*h));
	for (size_t i = 0; i < o->run_count; i++) {
		histogram_merge(h, &o->runs[i].latency);
	}
}

static void print_figures(FILE *out, const struct case_outcome *c, const struct outcome *o)
{
	static struct histogram h;
	const struct spread cpu = outcome_spread(o, run_cpu_us);
	merged(o, &h);
	fprintf(out, "  %-10s %9.0f %8.2f  (%.2f-%.2f)%*s %4.0f %%", o->server->kind->name,
		outcome_spread(o, run_rate).median, cpu.median, cpu.least, cpu.most,
		cpu.most < 100 ? (cpu.most < 10 ? 4 : 2) : 0, "",
		outcome_spread(o, run_busy).median * 100);
	print_ratio(out, cpu.median, cpu_us_of(c, "echo"));
	print_ratio(out, cpu.median, best_peer_cpu_us(c, NULL));
	print_ratio(out, cpu.median, cpu_us_of(c, "dnsdist"));
	fprintf(out, " %8.3f %8.3f %9.3f %7.1f %5llu\n", (double)histogram_at(&h, 0.5) / 1e6,
		(double)histogram_at(&h, 0.99) / 1e6, (double)histogram_at(&h, 0.9999) / 1e6,
		(double)o->usage.pss_octets / (1 << 20), (unsigned long long)o->usage.fds);
}

static void print_standing(FILE *out, const struct outcome *o)
{
	const char *name = o->server->kind->name;
	switch (o->standing) {
	case STANDING_WRONG:
		fprintf(out,
			"  %-10s WRONG: no figures. %llu of %llu answers judged contradict the "
			"zones:\n",
			name, (unsigned long long)o->wrong, (unsigned long long)o->judged);
		break;
	case STANDING_FAILING:
		fprintf(out, "  %-10s FAILING: no figures.\n", name);
		break;
	case STANDING_ABSENT:
		fprintf(out, "  %-10s ABSENT:\n", name);
		break;
	case STANDING_WELL:
		fprintf(out, "  %-10s VOID: the sender did not keep its pace in any run\n",
			name);
		break;
	}
	for (unsigned i = 0; i < o->faults && i < 3; i++) {
		fprintf(out, "             %s\n", o->fault[i]);
	}
}

static void print_notes(FILE *out, const struct outcome *o, bool half)
{
	unsigned void_runs = 0;
	bool changed = false;
	for (size_t i = 0; i < o->run_count; i++) {
		void_runs += !o->runs[i].kept_pace;
		changed = changed || !o->runs[i].same_processes;
	}
	if (void_runs > 0) {
		fprintf(out, "             %u of %zu runs void: the sender fell behind\n",
			void_runs, o->run_count);
	}
	if (!half && outcome_spread(o, run_busy).median < SATURATED) {
		fprintf(out,
			"             not saturated: its batches were small and its CPU is "
			"overstated\n");
	}
	if (changed) {
		fprintf(out, "             its processes changed during a run: CPU is a lower "
			     "bound\n");
	}
}

static void print_case(FILE *out, const struct case_outcome *c)
{
	const char *peer = NULL;
	const bool has_peer = best_peer_cpu_us(c, &peer) > 0;
	fprintf(out, "\n%s: %s (%zu distinct questions)%s\n", c->bench_case->name,
		c->bench_case->text, c->questions, c->complete ? "" : " -- NOT COMPLETE");
	fprintf(out, "  %-10s %9s %8s  %-13s %6s %7s %7s %7s %8s %8s %9s %7s %5s\n", "server",
		"answers/s", "CPU us", "(least-most)", "busy", "x echo", "x peer", "x ddist",
		"p50 ms", "p99 ms", "p99.99 ms", "PSS MiB", "fds");
	for (size_t i = 0; i < c->server_count; i++) {
		const struct outcome *o = &c->server[i];
		if (has_figures(o)) {
			print_figures(out, c, o);
			print_notes(out, o,
				    c->bench_case->half || c->bench_case->ramp ||
					    c->bench_case->cold || c->bench_case->rate > 0);
		} else if (o->standing != STANDING_WELL || o->run_count > 0) {
			print_standing(out, o);
		}
	}
	if (has_peer) {
		fprintf(out,
			"  x peer: CPU against %s's, the best validating peer's of this "
			"case\n",
			peer);
	}
}

void report_table(const struct report *r, FILE *out)
{
	fprintf(out,
		"profile %s, %u run%s each in turns; CPU us: of all a server's processes, an "
		"answer; median of runs\n",
		r->profile, r->bench->runs, r->bench->runs == 1 ? "" : "s");
	const struct link *l = &r->bench->link;
	if (link_wanted(l)) {
		fprintf(out,
			"upstream: %u ms there and back, %u %% lost each way, of 8 pairs of "
			"name "
			"servers %u half dead and %u half lame\n",
			l->delay_ms, l->loss, l->dead, l->lame);
	}
	for (size_t i = 0; i < r->bench->kind_count; i++) {
		fprintf(out, "  %-10s %s\n", r->servers[i].kind->name, r->servers[i].version);
	}
	for (size_t i = 0; i < r->case_count; i++) {
		print_case(out, &r->cases[i]);
	}
}
