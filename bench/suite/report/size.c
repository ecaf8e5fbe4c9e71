#include "report/report.h"

#include <string.h>
#include <unistd.h>

/* A box that is planned full has nothing left for a flood, a reload or a neighbour. */
static const double PLANNED_BUSY = 0.6;

static const struct outcome *fairlead_in(const struct report *r, const char *case_name)
{
	for (size_t i = 0; i < r->case_count; i++) {
		const struct case_outcome *c = &r->cases[i];
		if (strcmp(c->bench_case->name, case_name) != 0) {
			continue;
		}
		for (size_t s = 0; s < c->server_count; s++) {
			const struct outcome *o = &c->server[s];
			if (strcmp(o->server->kind->name, "fairlead") == 0 &&
			    o->standing == STANDING_WELL &&
			    outcome_spread(o, run_cpu_us).median > 0) {
				return o;
			}
		}
	}
	return NULL;
}

static double cpu_us(const struct outcome *o)
{
	return outcome_spread(o, run_cpu_us).median;
}

double size_model_us(double hit_us, double miss_us, double hit_share)
{
	return hit_share * hit_us + (1 - hit_share) * miss_us;
}

static void print_rates(double hit_us, double miss_us, FILE *out)
{
	static const double shares[] = { 0.5, 0.8, 0.9, 0.95, 0.99 };
	const long cores = sysconf(_SC_NPROCESSORS_ONLN);
	fprintf(out, "\nquestions a second, %.0f %% of the cores' time used:\n",
		PLANNED_BUSY * 100);
	fprintf(out, "  hits   CPU us    1 core %6ld cores    8 cores   32 cores\n", cores);
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		const double us = size_model_us(hit_us, miss_us, shares[i]);
		const double one = PLANNED_BUSY * 1e6 / us;
		fprintf(out, "  %3.0f %% %8.2f %9.0f %12.0f %10.0f %10.0f\n", shares[i] * 100,
			us, one, one * (double)cores, one * 8, one * 32);
	}
	fputs("  All of it is modelled: CPU of hits and misses as measured on one core, by "
	      "their shares,\n  times the cores. More cores than this machine has were not "
	      "tried; what they share (a\n  network card, a cache, memory) makes them carry "
	      "less than their number.\n",
	      out);
}

static void print_memory(const struct report *r, FILE *out)
{
	const struct outcome *small = fairlead_in(r, "cached-1k");
	const struct outcome *large = fairlead_in(r, "cached-10k");
	if (small == NULL || large == NULL) {
		return;
	}
	const double mib = 1 << 20;
	const double more = (double)large->usage.pss_octets - (double)small->usage.pss_octets;
	fprintf(out,
		"\nmemory: %.1f MiB with 1,000 questions cached, %.1f with 10,000 (measured)\n",
		(double)small->usage.pss_octets / mib, (double)large->usage.pss_octets / mib);
	if (more > 0) {
		const double each = more / 9000;
		fprintf(out,
			"  about %.0f octets a question, so that a million take some %.0f MiB, "
			"as far as cache.size lets them (modelled)\n",
			each, each * 1e6 / mib);
	}
}

/* The mean of the world's misses, from a load of which nine in ten are hits. */
static double miss_of(double hit_us, double mixed_us)
{
	return (mixed_us - 0.9 * hit_us) / 0.1;
}

bool report_size(const struct report *r, FILE *out)
{
	const struct outcome *hit = fairlead_in(r, "cached-1k");
	const struct outcome *mixed = fairlead_in(r, "sweep-90");
	const struct outcome *half = fairlead_in(r, "sweep-50");
	if (hit == NULL || mixed == NULL || cpu_us(mixed) <= cpu_us(hit)) {
		fputs("no size can be told: hits or misses have no figure\n", out);
		return false;
	}
	const double hit_us = cpu_us(hit);
	const double miss_us = miss_of(hit_us, cpu_us(mixed));
	fprintf(out,
		"\nmeasured on one core of this machine, all processes: %.2f us a hit, %.2f us "
		"an answer with 90 %% hits;\n  so %.1f us a miss, of zones of which four of "
		"ten "
		"are signed with P-256, three with RSA, two with Ed25519\n",
		hit_us, cpu_us(mixed), miss_us);
	if (half != NULL) {
		fprintf(out,
			"  with 50 %% hits %.1f us were measured where the model says %.1f\n",
			cpu_us(half), size_model_us(hit_us, miss_us, 0.5));
	}
	print_rates(hit_us, miss_us, out);
	print_memory(r, out);
	return true;
}
