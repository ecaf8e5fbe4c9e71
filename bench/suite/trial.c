#include "trial.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	HITS_AFTER_MS = 500,
	HITS_FOR_MS = 1000,
	FLOOD_OUTSTANDING = 300,
	FLOOD_SOCKETS = 8,
	FLOOD_MOST_S = 60,
	FLOOD_BEGINS_MS = 500,
};

#define NS_PER_MS 1000000ULL

void found_add(struct outcome *o, enum figure figure, double value)
{
	struct found *f = &o->found[figure];
	if (f->count < RUNS_MAX) {
		f->value[f->count++] = value;
	}
}

/* Read when what counts begins and ends. */
struct window {
	const struct server *server;
	struct counted begin;
	struct counted end;
	bool ok;
};

static void window_mark(void *context, bool begins)
{
	struct window *w = context;
	w->ok = counters_ask(w->server, begins ? &w->begin : &w->end) && (begins || w->ok);
}

bool trial_restart(struct load_plan *plan, struct server *s, struct outcome *o)
{
	uint8_t question[QUERY_MAX];
	struct pick pick;
	double first_ms = 0;
	struct load_result *r = malloc(sizeof(*r));
	struct window w = { .server = s };
	bool ok = r != NULL && mix_next(plan->mix, &pick) &&
		  server_restart(s, question, mix_write(plan->mix, &pick, 1, question),
				 &first_ms);
	plan->settle_ns = HITS_AFTER_MS * NS_PER_MS;
	plan->time_ns = HITS_FOR_MS * NS_PER_MS;
	plan->mark = window_mark;
	plan->context = &w;
	ok = ok && load_run(plan, r) && w.ok;
	free(r);
	const uint64_t hits = w.end.cached - w.begin.cached;
	const uint64_t misses =
		w.end.resolved - w.begin.resolved + w.end.failed - w.begin.failed;
	if (!ok || hits + misses == 0) {
		return false;
	}
	found_add(o, FIGURE_FIRST_ANSWER_MS, first_ms);
	found_add(o, FIGURE_HIT_PERCENT, 100.0 * (double)hits / (double)(hits + misses));
	return true;
}

/* The flood's process. */
static void flood(const struct bench *b, const struct load_plan *hits)
{
	static struct load_result result;
	struct mix mix;
	struct mix_options o = hits->mix->options;
	cpu_set_t cpus;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	CPU_ZERO(&cpus);
	CPU_SET(b->sender_cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	setpriority(PRIO_PROCESS, 0, 0); /* who sends the hits comes first */
	o.nothing_share = SHARE_ALL;
	o.seed += (uint64_t)now_ns(); /* no name twice, in no run */
	if (!mix_init(&mix, hits->mix->catalogue, &o, NULL)) {
		return;
	}
	struct load_plan plan = *hits;
	plan.mix = &mix;
	plan.pace = PACE_CLOSED;
	plan.outstanding = FLOOD_OUTSTANDING;
	plan.sockets = FLOOD_SOCKETS;
	plan.settle_ns = 0;
	plan.time_ns = FLOOD_MOST_S * 1000 * NS_PER_MS;
	plan.yield = true;
	plan.mark = NULL;
	plan.right = NULL;
	load_run(&plan, &result);
}

bool flood_start(struct flood *f, const struct bench *b, const struct load_plan *hits)
{
	const struct timespec begins = { .tv_nsec = FLOOD_BEGINS_MS * 1000000L };
	fflush(NULL);
	f->pid = fork();
	if (f->pid == 0) {
		flood(b, hits);
		_exit(EXIT_SUCCESS);
	}
	if (f->pid < 0) {
		say_error("cannot start a process: %s", strerror(errno));
		return false;
	}
	nanosleep(&begins, NULL);
	return true;
}

bool flood_end(struct flood *f)
{
	int status;
	if (waitpid(f->pid, &status, WNOHANG) != 0) {
		say_error("the flood of misses ended too soon");
		return false;
	}
	kill(f->pid, SIGKILL);
	waitpid(f->pid, &status, 0);
	return true;
}
