#include "run.h"

#include "trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	VERIFY_PASSES = 5,
	VERIFY_OUTSTANDING = 200,
	VERIFY_SOCKETS = 4,
	FAIL_SHARE = 100, /* one in so many may be lost or SERVFAIL */
	FIND_RATE_S = 1,
	RAMP_STEPS = 8,
	RAMP_TRIES = 3, /* a step that fails once may have been the machine's fault */
	RAMP_STEP_MS = 500,
	RAMP_P99_MS = 10,
	VOID_TRIES = 3,   /* a run whose sender fell behind is run again */
	PLAN_START_S = 2, /* of a server: rough, progress corrects itself */
	PLAN_VERIFY_S = 2,
	PLAN_FILL_US = 120, /* of a name: to be asked before and after */
};

#define NS_PER_S  1000000000ULL
#define NS_PER_MS 1000000ULL

/* What one case is run with. */
struct stage {
	struct bench *bench;
	const struct bench_case *bench_case;
	struct catalogue catalogue;
	uint8_t *mark; /* an octet an entry */
	struct replay replay;
	struct case_outcome *out;
	struct server *servers;
};

/* The accounting, read when what counts begins and ends. */
struct account {
	const struct tree *tree;
	uint64_t cpu_ns;
};

static void account_mark(void *context, bool begins)
{
	struct account *a = context;
	const uint64_t now = tree_cpu_ns(a->tree);
	a->cpu_ns = begins ? now : now - a->cpu_ns;
}

double run_cpu_us(const struct run *r)
{
	return r->cpu_ns / 1000;
}

double run_rate(const struct run *r)
{
	return r->rate;
}

double run_busy(const struct run *r)
{
	return r->busy;
}

struct spread outcome_spread(const struct outcome *o, double (*figure)(const struct run *))
{
	double values[RUNS_MAX];
	size_t n = 0;
	for (size_t i = 0; i < o->run_count && n < RUNS_MAX; i++) {
		if (o->runs[i].kept_pace) {
			values[n++] = figure(&o->runs[i]);
		}
	}
	return spread_of(values, n);
}

static void take_faults(struct outcome *o, const struct load_result *r)
{
	o->wrong += r->wrong;
	o->judged += r->judged;
	for (unsigned i = 0; i < r->faults && o->faults < FAULTS_KEPT; i++) {
		memcpy(o->fault[o->faults++], r->fault[i], sizeof(o->fault[0]));
	}
	if (r->wrong > 0) {
		o->standing = STANDING_WRONG;
	}
}

static struct load_plan plan_for(const struct stage *s, const struct server *server,
				 struct mix *mix)
{
	const struct bench_case *c = s->bench_case;
	return (struct load_plan){
		.mix = mix,
		.server = server->at,
		.tcp = c->tcp,
		.burst = c->burst,
		.churn = c->churn,
		.idle_ns = c->idle_ns,
		.pace = PACE_CLOSED,
		.outstanding = c->outstanding,
		.sockets = c->sockets,
		/* a resolver may try for seconds; what is cached is there or is not */
		.patience_ns = (c->cold || c->mix.hot != 0 ? 5 : 2) * NS_PER_S,
		.check_every = s->bench->check_every,
		.padded = server->kind->padded,
		.far = server->kind->far,
		.yield = c->cold,
		.stop = s->bench->stop,
	};
}

/* Ask once all that are not yet marked, by UDP, and judge every answer. */
static bool ask_unmarked(struct stage *s, const struct server *server, struct load_result *r)
{
	struct mix mix;
	struct mix_options o = s->bench_case->mix;
	o.order = ORDER_ONCE;
	o.nothing_share = o.flood_share = 0; /* it is the names that are to be cached */
	if (!mix_init(&mix, &s->catalogue, &o, s->mark)) {
		return false;
	}
	struct load_plan plan = plan_for(s, server, &mix);
	plan.outstanding = VERIFY_OUTSTANDING;
	plan.sockets = VERIFY_SOCKETS;
	plan.time_ns = 600 * NS_PER_S;
	plan.check_every = 1;
	plan.right = s->mark;
	plan.patience_ns = 5 * NS_PER_S;
	plan.yield = true;
	plan.tcp = plan.burst = false;
	const bool ok = load_run(&plan, r);
	mix_fini(&mix);
	return ok && *s->bench->stop == 0;
}

static size_t unmarked(const struct stage *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->catalogue.count; i++) {
		n += s->mark[i] == 0;
	}
	return n;
}

/* Every distinct question until it is answered: fills the cache before, and shows
 * after that nothing in it has gone bad. A few may fail at first; none may lie. */
static bool verify(struct stage *s, struct outcome *o)
{
	struct load_result *r = malloc(sizeof(*r));
	bool ok = r != NULL;
	memset(s->mark, 0, s->catalogue.count);
	if (s->bench_case->mix.hot != 0) {
		const size_t hot = mix_hot(&s->bench_case->mix, s->catalogue.count);
		memset(s->mark + hot, 1, s->catalogue.count - hot); /* these are to be misses */
	}
	for (unsigned i = 0; ok && i < VERIFY_PASSES && o->standing == STANDING_WELL; i++) {
		ok = ask_unmarked(s, o->server, r);
		take_faults(o, r);
		if (unmarked(s) == 0) {
			break;
		}
	}
	free(r);
	const size_t left = unmarked(s);
	if (ok && o->standing == STANDING_WELL && left > 0) {
		o->standing = STANDING_FAILING;
		snprintf(o->fault[0], sizeof(o->fault[0]),
			 "%zu of %zu names were not answered in %d passes", left,
			 s->catalogue.count, VERIFY_PASSES);
		o->faults = 1;
	}
	return ok;
}

static void fill_run(struct run *run, const struct load_result *r, uint64_t cpu_ns)
{
	const double seconds = (double)r->elapsed_ns / 1e9;
	const double answered = r->answered > 0 ? (double)r->answered : 1;
	*run = (struct run){
		.sent = r->sent,
		.handshakes = r->handshakes,
		.answered = r->answered,
		.lost = r->lost,
		.failed = r->rcode[2] + r->rcode[5], /* SERVFAIL, REFUSED */
		.judged = r->judged,
		.seconds = seconds,
		.rate = (double)r->answered / seconds,
		.cpu_ns = (double)cpu_ns / answered,
		.busy = (double)cpu_ns / (double)r->elapsed_ns,
		.octets = (double)r->octets / answered,
		.lag_ms = (double)r->lag_max_ns / 1e6,
		.kept_pace = true,
		.latency = r->latency,
		.second_count = r->seconds,
	};
	memcpy(run->rcode, r->rcode, sizeof(run->rcode));
	memcpy(run->by_second, r->by_second, sizeof(run->by_second));
	memcpy(run->lost_by_second, r->lost_by_second, sizeof(run->lost_by_second));
}

/* One load with its accounting. */
static bool measure(struct stage *s, struct outcome *o, struct load_plan *plan, struct run *run)
{
	struct server *server = &s->servers[o - s->out->server];
	struct load_result *r = malloc(sizeof(*r));
	struct account account = { .tree = &server->tree };
	struct usage usage;
	if (r == NULL || (!server->kind->far && !tree_take(server->pid, &server->tree))) {
		free(r);
		say_error("%s is gone", server->kind->name);
		return false;
	}
	plan->mark = account_mark;
	plan->context = &account;
	const bool ok = load_run(plan, r);
	if (ok && r->elapsed_ns == 0) {
		r->elapsed_ns = 1; /* its questions ended before anything counted: void */
		r->lag_max_ns = UINT64_MAX;
	}
	if (ok) {
		take_faults(o, r);
		fill_run(run, r, account.cpu_ns);
		tree_usage(server->pid, &server->tree, &usage);
		run->same_processes = usage.same || server->kind->far;
		run->asked_rate = plan->pace == PACE_OPEN ? plan->rate : 0;
		run->kept_pace = load_kept_pace(r);
	}
	free(r);
	return ok && *s->bench->stop == 0;
}

/* How fast this server goes now: half of it is asked next. */
static bool find_rate(struct stage *s, struct outcome *o, struct load_plan *plan)
{
	struct run *run = malloc(sizeof(*run));
	plan->time_ns = FIND_RATE_S * NS_PER_S;
	const bool ok = run != NULL && measure(s, o, plan, run);
	const bool found = ok && run->answered > 0;
	if (found) {
		plan->rate = run->rate / 2;
		plan->pace = PACE_OPEN;
	}
	free(run);
	return found;
}

static bool served_well(const struct run *r)
{
	const uint64_t good = r->answered - r->failed;
	return r->kept_pace && good * 100 >= (r->answered + r->lost) * 99 &&
	       histogram_at(&r->latency, 0.99) <= RAMP_P99_MS * NS_PER_MS;
}

/* One rate, tried until it is served well. False: stopped. */
static bool try_rate(struct stage *s, struct outcome *o, struct load_plan *plan,
		     struct run *step, bool *well)
{
	*well = false;
	for (unsigned i = 0; i < RAMP_TRIES && !*well; i++) {
		if (!measure(s, o, plan, step)) {
			return false;
		}
		*well = served_well(step);
	}
	return true;
}

/* Halving between a rate that is served well and one that is not. The run of the
 * highest that was is the one that is kept. */
static bool find_highest(struct stage *s, struct outcome *o, struct load_plan *plan,
			 struct run *best)
{
	struct run *step = malloc(sizeof(*step));
	bool ok = step != NULL && find_rate(s, o, plan);
	bool well;
	double low = 0;
	double high = ok ? plan->rate * 2 * 1.3 : 0; /* some go faster when not pressed */
	plan->time_ns = RAMP_STEP_MS * NS_PER_MS;
	plan->patience_ns = NS_PER_S;
	for (unsigned i = 0; ok && i < RAMP_STEPS; i++) {
		plan->rate = (low + high) / 2;
		ok = try_rate(s, o, plan, step, &well);
		if (ok && well) {
			low = plan->rate;
			*best = *step;
		} else {
			high = plan->rate;
		}
	}
	free(step);
	return ok && low > 0;
}

static void failing(struct outcome *o, const char *why)
{
	if (o->standing == STANDING_WELL) {
		o->standing = STANDING_FAILING;
		snprintf(o->fault[0], sizeof(o->fault[0]), "%s", why);
		o->faults = 1;
	}
}

static void judge_run(struct outcome *o, const struct run *run)
{
	if (run->kept_pace && o->standing == STANDING_WELL &&
	    (run->lost + run->failed) * FAIL_SHARE > run->answered) {
		o->standing = STANDING_FAILING;
		snprintf(o->fault[0], sizeof(o->fault[0]),
			 "of %llu answers %llu were SERVFAIL or REFUSED, and %llu were lost",
			 (unsigned long long)run->answered, (unsigned long long)run->failed,
			 (unsigned long long)run->lost);
		o->faults = 1;
	}
}

static double run_planned_s(const struct bench *b, const struct bench_case *c)
{
	const double time_s = b->time_s != 0 ? b->time_s : c->time_s;
	if (c->ramp) {
		const int ms = FIND_RATE_S * 1000 + RAMP_STEPS * (RAMP_STEP_MS + 300);
		return ms / 1000.0;
	}
	return time_s + (c->half ? FIND_RATE_S : 0);
}

/* The load of hits beside one of misses; what was lost and stalled in it counts. */
static bool saturated(struct stage *s, struct outcome *o, struct load_plan *plan,
		      struct run *run)
{
	const struct server *server = o->server;
	struct flood flood;
	struct counted before;
	struct counted after;
	server_part(server, s->bench->sender_cpu);
	plan->yield = true;
	if (!flood_start(&flood, s->bench, plan)) {
		return false;
	}
	bool ok = counters_ask(server, &before) && measure(s, o, plan, run) &&
		  counters_ask(server, &after);
	ok = flood_end(&flood) && ok;
	if (ok && run->kept_pace) {
		found_add(o, FIGURE_LOST, (double)(run->lost + run->failed));
		found_add(o, FIGURE_STALLS, (double)(after.stalls_own - before.stalls_own));
		say_progress(
			&s->bench->progress,
			"%s: %.0f misses a second were answered meanwhile; %llu turns of "
			"over 2 ms, %llu without a wait for the processor; the longest since "
			"the start %.2f ms",
			s->bench_case->name,
			(double)(after.resolved - before.resolved) / run->seconds,
			(unsigned long long)(after.stalls - before.stalls),
			(unsigned long long)(after.stalls_own - before.stalls_own),
			(double)after.own_max_ns / 1e6);
	}
	return ok;
}

static bool timed_run(struct stage *s, struct outcome *o, unsigned number)
{
	const struct bench_case *c = s->bench_case;
	const unsigned time_s =
		s->bench->time_s != 0 && !c->ramp ? s->bench->time_s : c->time_s;
	struct run *run = &o->runs[o->run_count];
	struct mix mix;
	struct mix_options mo = c->mix;
	mo.seed += number; /* every server sees the same questions in a round */
	mo.part = number;
	mo.parts = s->bench->runs;
	mo.replay = &s->replay;
	if (!mix_init(&mix, &s->catalogue, &mo, c->cold ? s->mark : NULL)) {
		return false;
	}
	struct load_plan plan = plan_for(s, o->server, &mix);
	plan.settle_ns = c->cold || c->mix.hot != 0 ? 0 : 200 * NS_PER_MS;
	if (c->cold) {
		plan.check_every = 1;
	}
	bool ok = true;
	if (c->mix.order == ORDER_REPLAY) {
		plan.pace = PACE_OPEN;
		plan.time_ns = (REPLAY_MOST_S + 1) * NS_PER_S;
		ok = measure(s, o, &plan, run);
	} else if (c->ramp) {
		ok = find_highest(s, o, &plan, run);
	} else {
		ok = !c->half || find_rate(s, o, &plan);
		plan.time_ns = time_s * NS_PER_S;
		if (c->rate > 0) {
			plan.rate = c->rate;
			plan.pace = PACE_OPEN;
		}
		ok = ok && (c->trial == TRIAL_SATURATED ? saturated(s, o, &plan, run)
							: measure(s, o, &plan, run));
	}
	mix_fini(&mix);
	s->bench->progress.done_s += run_planned_s(s->bench, c);
	if (!ok) {
		failing(o, c->ramp ? "no rate was served well" : "it could not be measured");
		return *s->bench->stop == 0;
	}
	o->run_count++;
	judge_run(o, run);
	return true;
}

/* A run again while the sender does not keep its pace; the last try stands. */
static bool kept_run(struct stage *s, struct outcome *o, unsigned number)
{
	for (unsigned i = 1; timed_run(s, o, number); i++) {
		if (i == VOID_TRIES || o->standing != STANDING_WELL ||
		    o->runs[o->run_count - 1].kept_pace) {
			return true;
		}
		o->run_count--;
		s->bench->progress.planned_s += s->bench_case->time_s;
	}
	return false;
}

static void say_run(const struct stage *s, const struct outcome *o, unsigned number)
{
	const char *name = o->server->kind->name;
	const struct progress *p = &s->bench->progress;
	if (o->standing != STANDING_WELL) {
		say_progress(p, "%s, %s: %s", s->bench_case->name, name,
			     o->faults > 0 ? o->fault[0] : "left out");
		return;
	}
	const struct run *run = &o->runs[o->run_count - 1];
	say_progress(p, "%s, run %u of %u, %s: %.0f/s, %.2f us an answer, %.0f %% of its core",
		     s->bench_case->name, number + 1, s->bench->runs, name, run->rate,
		     run->cpu_ns / 1000, run->busy * 100);
}

/* Padded servers have nothing to verify. */
static bool bring_up(struct stage *s, struct outcome *o, struct server *server)
{
	if (!server_start(server)) {
		o->standing = STANDING_ABSENT;
		snprintf(o->fault[0], sizeof(o->fault[0]), "could not be started");
		o->faults = 1;
		return true;
	}
	if (server->kind->padded || s->bench_case->cold) {
		return true;
	}
	say_progress(&s->bench->progress,
		     "%s, %s: asking for all %zu names, checking each answer",
		     s->bench_case->name, server->kind->name, s->catalogue.count);
	const bool ok = verify(s, o);
	s->bench->progress.done_s += PLAN_START_S + PLAN_VERIFY_S +
				     (double)s->catalogue.count * (double)PLAN_FILL_US / 1e6;
	return ok;
}

static bool barred(const struct bench_case *c, const struct kind *k)
{
	bool named = strcmp(k->name, "fairlead") == 0;
	for (unsigned i = 0; i < case_bars(c) && !named; i++) {
		const char *who = c->bars[i].against;
		named = who != NULL && (strcmp(who, k->name) == 0 ||
					(strcmp(who, BEST_PEER) == 0 && k->validates));
	}
	return named;
}

/* The null server knows UDP only, and nothing that could be missed; what Fairlead counts
 * of itself nobody else does. */
bool case_has(const struct bench *b, const struct bench_case *c, const struct kind *k)
{
	const bool missed = c->cold || c->mix.hot != 0 || c->mix.nothing_share != 0 ||
			    c->mix.flood_share != 0;
	return !(k->padded && (missed || c->tcp)) && (!b->barred || barred(c, k)) &&
	       (c->trial != TRIAL_SATURATED || strcmp(k->name, "fairlead") == 0);
}

static bool sits_out(const struct stage *s, const struct server *server)
{
	return !case_has(s->bench, s->bench_case, server->kind);
}

/* The profile's time is over: what is left is left out, and said to be. */
static bool too_late(const struct bench *b)
{
	const bool late =
		b->most_s != 0 && now_ns() > b->progress.begun_ns + b->most_s * NS_PER_S;
	if (late) {
		say_error("the profile's %u s are over: what is left is left out", b->most_s);
	}
	return late;
}

/* A run of hits after each start with the cache that it has; others keep none. */
static bool restarts(struct stage *s, struct outcome *o, struct server *server)
{
	struct mix mix;
	bool ok = true;
	for (unsigned i = 0; ok && i < s->bench->runs && o->standing == STANDING_WELL; i++) {
		if (strcmp(server->kind->name, "fairlead") != 0 ||
		    !mix_init(&mix, &s->catalogue, &s->bench_case->mix, NULL)) {
			break;
		}
		struct load_plan plan = plan_for(s, server, &mix);
		ok = trial_restart(&plan, server, o) && *s->bench->stop == 0;
		mix_fini(&mix);
		s->bench->progress.done_s += (double)TRIAL_RESTART_S;
		say_progress(&s->bench->progress, "%s, start %u of %u with the cache filled",
			     s->bench_case->name, i + 1, s->bench->runs);
	}
	if (!ok) {
		failing(o, "it could not be started again");
	}
	return *s->bench->stop == 0;
}

static bool run_warm(struct stage *s)
{
	struct case_outcome *out = s->out;
	for (size_t i = 0; i < out->server_count; i++) {
		if (!sits_out(s, &s->servers[i]) &&
		    !bring_up(s, &out->server[i], &s->servers[i])) {
			return false;
		}
	}
	for (unsigned n = 0; n < s->bench->runs; n++) {
		for (size_t i = 0; i < out->server_count; i++) {
			struct outcome *o = &out->server[i];
			if (too_late(s->bench)) {
				return false;
			}
			if (o->standing != STANDING_WELL || sits_out(s, o->server)) {
				continue;
			}
			if (!kept_run(s, o, n)) {
				return false;
			}
			say_run(s, o, n);
		}
	}
	for (size_t i = 0; i < out->server_count; i++) {
		struct outcome *o = &out->server[i];
		if (sits_out(s, o->server)) {
			continue;
		}
		tree_usage(s->servers[i].pid, &s->servers[i].tree, &o->usage);
		if (strcmp(o->server->kind->name, "fairlead") == 0) {
			counters_ask(&s->servers[i], &o->counted);
		}
		if (o->standing == STANDING_WELL && !o->server->kind->padded && !verify(s, o)) {
			return false;
		}
		if (s->bench_case->trial == TRIAL_RESTART && !restarts(s, o, &s->servers[i])) {
			return false;
		}
	}
	return true;
}

/* One question of each zone, so that a run measures names, not the way to their
 * zones; they are left out of the run. */
static bool prime(struct stage *s, struct outcome *o)
{
	struct load_result *r = malloc(sizeof(*r));
	uint8_t *zone_seen = calloc(s->catalogue.origin_count, 1);
	uint8_t *primed = malloc(s->catalogue.count);
	bool ok = r != NULL && zone_seen != NULL && primed != NULL;
	for (size_t i = 0; ok && i < s->catalogue.count; i++) {
		uint8_t *seen = &zone_seen[s->catalogue.entries[i].origin];
		primed[i] = *seen == 0;
		s->mark[i] = !primed[i];
		*seen = 1;
	}
	for (unsigned n = 0; ok && n < VERIFY_PASSES && unmarked(s) > 0; n++) {
		ok = ask_unmarked(s, o->server, r);
		take_faults(o, r);
	}
	if (ok) {
		memcpy(s->mark, primed, s->catalogue.count);
	}
	free(primed);
	free(zone_seen);
	free(r);
	return ok;
}

static bool run_cold_once(struct stage *s, struct outcome *o, struct server *server,
			  unsigned number)
{
	if (sits_out(s, server) || o->standing != STANDING_WELL) {
		return true;
	}
	bool ok = bring_up(s, o, server);
	if (ok && o->standing == STANDING_WELL) {
		ok = (s->bench->capture != NULL || prime(s, o)) && timed_run(s, o, number);
		tree_usage(server->pid, &server->tree, &o->usage);
	}
	if (ok) {
		say_run(s, o, number);
	}
	server_stop(server);
	return ok;
}

/* As kept_run(), but each try starts the server anew. */
static bool run_cold_kept(struct stage *s, struct outcome *o, struct server *server,
			  unsigned number)
{
	for (unsigned i = 1; run_cold_once(s, o, server, number); i++) {
		if (i == VOID_TRIES || o->standing != STANDING_WELL || o->run_count == 0 ||
		    o->runs[o->run_count - 1].kept_pace) {
			return true;
		}
		o->run_count--;
		s->bench->progress.planned_s += s->bench_case->time_s;
	}
	return false;
}

static bool run_cold(struct stage *s)
{
	for (unsigned n = 0; n < s->bench->runs; n++) {
		for (size_t i = 0; i < s->out->server_count; i++) {
			if (too_late(s->bench) ||
			    !run_cold_kept(s, &s->out->server[i], &s->servers[i], n)) {
				return false;
			}
		}
	}
	return true;
}

/* The null server answers with sizes drawn from those of this very load. */
static bool draw_sizes(struct stage *s)
{
	struct mix mix;
	struct pick pick;
	struct mix_options o = s->bench_case->mix;
	if (o.order == ORDER_ONCE || o.order == ORDER_SWEEP) {
		o.order = ORDER_UNIFORM;
	}
	if (!mix_init(&mix, &s->catalogue, &o, NULL)) {
		return false;
	}
	for (unsigned i = 0; i < ECHO_SIZES && mix_next(&mix, &pick); i++) {
		s->bench->around.sizes[i] = (uint16_t)mix_answer_octets(&mix, &pick);
	}
	mix_fini(&mix);
	return true;
}

static bool prepare(struct stage *s)
{
	struct case_outcome *out = s->out;
	out->server_count = s->bench->kind_count;
	out->questions = s->catalogue.count;
	for (size_t i = 0; i < out->server_count; i++) {
		out->server[i].server = &s->servers[i];
		out->server[i].runs = calloc(s->bench->runs, sizeof(struct run));
		if (out->server[i].runs == NULL) {
			say_error("out of memory");
			return false;
		}
	}
	s->mark = calloc(s->catalogue.count, 1);
	return s->mark != NULL && (s->bench->capture != NULL || draw_sizes(s));
}

double case_planned_s(const struct bench *b, const struct bench_case *c)
{
	const unsigned starts = c->cold ? b->runs : 1;
	const size_t names = c->selection.wild + c->selection.most;
	const double start_s = (double)(PLAN_START_S * starts + PLAN_VERIFY_S);
	const double restart_s =
		c->trial == TRIAL_RESTART ? (double)(TRIAL_RESTART_S * b->runs) : 0;
	double planned_s = 0;
	for (size_t i = 0; i < b->kind_count; i++) {
		if (case_has(b, c, b->kinds[i])) {
			const double fill_s =
				c->cold || b->kinds[i]->padded
					? 0
					: (double)names * (double)PLAN_FILL_US / 1e6;
			planned_s +=
				b->runs * run_planned_s(b, c) + start_s + fill_s + restart_s;
		}
	}
	return planned_s;
}

bool case_run(struct bench *b, const struct bench_case *c, struct server *servers,
	      struct case_outcome *out)
{
	struct stage s = { .bench = b, .bench_case = c, .out = out, .servers = servers };
	*out = (struct case_outcome){ .bench_case = c };
	/* a server of somebody's own knows other names than the miniature Internet's */
	if (b->around.inet != NULL &&
	    !catalogue_load(b->around.inet, &c->selection, &s.catalogue)) {
		return false;
	}
	bool ok = b->capture == NULL || replay_read(b->capture, &s.catalogue, &s.replay);
	if (ok && b->capture != NULL) {
		say_progress(&b->progress,
			     "%zu questions, %zu of them for names that the zones do not have; "
			     "%zu packets left out",
			     s.replay.count, s.replay.unknown, s.replay.skipped);
	}
	ok = ok && prepare(&s);
	ok = ok && (c->cold ? run_cold(&s) : run_warm(&s));
	for (size_t i = 0; i < out->server_count; i++) {
		server_stop(&servers[i]);
	}
	free(s.mark);
	replay_free(&s.replay);
	catalogue_free(&s.catalogue);
	out->complete = ok;
	return ok;
}

void case_free(struct case_outcome *out)
{
	for (size_t i = 0; i < out->server_count; i++) {
		free(out->server[i].runs);
	}
}
