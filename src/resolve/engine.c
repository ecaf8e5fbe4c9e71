#include "engine.h"

#include "conf.h"
#include "fairlead/base/clock.h"
#include "fairlead/wire/name.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 1000 };

/* ---- asking ---- */

/* Answers that libunbound gives at once wait for the next turn of the loop. */
static void on_idle(uv_idle_t *idle)
{
	struct fl_engine *e = idle->data;
	fl__engine_deliver(e);
	fl__engine_drain(e, fl_clock_boot_ns());
	if (fl_list_empty(&e->finished)) {
		uv_idle_stop(idle);
	}
}

static void on_turn(void *arg)
{
	struct fl_engine *e = arg;
	fl__engine_deliver(e);
	fl__engine_drain(e, fl_clock_boot_ns());
	if (!fl_list_empty(&e->finished)) {
		uv_idle_start(&e->idle, on_idle);
	}
}

static bool asks_for_data(uint16_t qtype, uint16_t qclass)
{
	return qclass == FL_CLASS_IN && qtype != FL_TYPE_ANY && !fl_rrtype_is_meta(qtype);
}

static enum fl_err ask_new(struct fl_engine *e, const uint8_t *name, uint16_t qtype,
			   fl_engine_answer_fn answer, void *arg, uint64_t ticket,
			   enum fl_reason *why)
{
	struct fl__job *job;
	enum fl_err err = fl__jobs_add(&e->jobs, name, qtype, &job, why);
	if (err != FL_OK) {
		if (err == FL_EBUSY) {
			FL_COUNT_ADD(e->counters, resolver_refused, 1);
		}
		return err;
	}
	job->engine = e;
	job->asked_ns = fl_clock_boot_ns();
	if ((err = fl__job_wait(job, answer, arg, ticket)) != FL_OK) {
		fl__jobs_take(&e->jobs, job);
		fl__job_free(job);
		return err;
	}
	__atomic_store_n(&e->counters->in_flight, e->jobs.n, __ATOMIC_RELAXED);
	fl__engine_ask_context(job);
	if (!fl_list_empty(&e->finished)) {
		uv_idle_start(&e->idle, on_idle);
	}
	return FL_OK;
}

enum fl_err fl_engine_ask(struct fl_engine *e, const uint8_t *name, uint16_t qtype,
			  uint16_t qclass, fl_engine_answer_fn answer, void *arg,
			  uint64_t ticket, enum fl_reason *why)
{
	if (e->closing) {
		return FL_ECLOSED;
	}
	if (!asks_for_data(qtype, qclass)) {
		return FL_EINVALID;
	}
	uint8_t lower[FL_NAME_MAX];
	fl_name_lower(lower, name, fl_name_len(name));
	struct fl__job *job = fl__jobs_find(&e->jobs, lower, qtype);
	if (job == NULL) {
		return ask_new(e, lower, qtype, answer, arg, ticket, why);
	}
	FL_COUNT_ADD(e->counters, merged, 1);
	return fl__job_wait(job, answer, arg, ticket);
}

enum fl_err fl_engine_renew(struct fl_engine *e)
{
	if (e->closing) {
		return FL_ECLOSED;
	}
	enum fl_err err = fl__engine_renew(e, "asked for");
	uv_idle_start(&e->idle,
		      on_idle); /* an old context without jobs goes on the next turn */
	return err;
}

unsigned fl_engine_jobs(const struct fl_engine *e)
{
	return e->jobs.n;
}

unsigned fl_engine_contexts(const struct fl_engine *e)
{
	unsigned n = e->current != NULL;
	for (const struct fl_list *at = e->draining.next; at != &e->draining; at = at->next) {
		n++;
	}
	return n;
}

/* ---- life ---- */

static void free_engine(struct fl_engine *e)
{
	fl__plan_close(&e->plan);
	fl__jobs_fini(&e->jobs);
	if (e->log != NULL) {
		fclose(e->log);
	}
	free(e->recall);
	free(e);
}

static void on_part_closed(void *arg)
{
	struct fl_engine *e = arg;
	if (--e->open_handles == 0) {
		free_engine(e);
	}
}

static void on_handle_closed(uv_handle_t *handle)
{
	on_part_closed(handle->data);
}

static void close_handles(struct fl_engine *e)
{
	e->open_handles = 3;
	uv_close((uv_handle_t *)&e->idle, on_handle_closed);
	uv_close((uv_handle_t *)&e->tick, on_handle_closed);
	fl__events_close(&e->events, on_part_closed);
}

void fl_engine_close(struct fl_engine *e)
{
	e->closing = true;
	fl__engine_delete_all(e);
	fl__engine_deliver(e);
	close_handles(e);
}

/* TCP sends of libunbound would end the process where a server has closed. */
static void survive_closed_connections(void)
{
	struct sigaction now;
	if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
		signal(SIGPIPE, SIG_IGN);
	}
}

static enum fl_err init_plain(const struct fl_engine_options *o, struct fl_engine *e)
{
	fl_list_init(&e->draining);
	fl_list_init(&e->finished);
	fl_list_init(&e->lost);
	e->plan.conf_fd = e->plan.hints_fd = -1;
	e->counters = o->counters != NULL ? o->counters : &e->own_counters;
	e->context_age_ns = o->context_age_s * FL_S_NS;
	e->recall = calloc(1, sizeof(*e->recall));
	e->log = fl__engine_log_open(e);
	if (e->recall == NULL || e->log == NULL) {
		return FL_ENOMEM;
	}
	return fl__jobs_init(&e->jobs, o->max_jobs, o->max_zone_jobs);
}

static enum fl_err init_loop(struct fl_engine *e, uv_loop_t *loop)
{
	enum fl_err err = fl__events_open(&e->events, loop, e->counters, on_turn, e);
	if (err != FL_OK) {
		return err;
	}
	uv_idle_init(loop, &e->idle);
	uv_timer_init(loop, &e->tick);
	e->idle.data = e;
	e->tick.data = e;
	uv_timer_start(&e->tick, fl__engine_on_tick, TICK_MS, TICK_MS);
	return FL_OK;
}

static void warn_of_few_files(unsigned outgoing_range)
{
	if (outgoing_range < FL__CONF_RANGE_LOW) {
		fl_log(FL_LOG_WARNING,
		       "only %u upstream sockets under this limit of open files: dead servers "
		       "may "
		       "delay other names; raise it to %d (LimitNOFILE, ulimit -n)",
		       outgoing_range, FL__CONF_RANGE_MAX + FL__CONF_FILES_RESERVE);
	}
}

enum fl_err fl_engine_open(const struct fl_engine_options *o, struct fl_engine **out,
			   char *problem, size_t problem_size)
{
	struct fl_engine *e = calloc(1, sizeof(*e));
	if (e == NULL) {
		snprintf(problem, problem_size, "out of memory");
		return FL_ENOMEM;
	}
	enum fl_err err = init_plain(o, e);
	if (err != FL_OK) {
		snprintf(problem, problem_size, "%s", fl_err_text(err));
		goto free_engine;
	}
	survive_closed_connections();
	if ((err = fl__plan_open(o, &e->plan, problem, problem_size)) != FL_OK) {
		goto free_engine;
	}
	warn_of_few_files(e->plan.outgoing_range);
	if ((err = init_loop(e, o->loop)) != FL_OK) {
		snprintf(problem, problem_size, "libuv: no handle for libunbound's sockets");
		goto free_engine;
	}
	if ((err = fl__engine_renew(e, "start")) != FL_OK) {
		snprintf(problem, problem_size, "libunbound: no context");
		close_handles(e); /* frees it on the next turn of the loop */
		return err;
	}
	*out = e;
	return FL_OK;
free_engine:
	free_engine(e);
	return err;
}

/* ---- the library ---- */

const char *fl_engine_library_version(void)
{
	return ub_version();
}

const char *fl_engine_library_warning(void)
{
	if (fl__conf_version_at_least(ub_version(), 1, 25, 2)) {
		return "";
	}
	return "this libunbound lacks the security fixes of 2026, among them CVE-2026-33278 (a "
	       "hostile "
	       "authoritative server may run code in the resolver process): use Debian 13 with "
	       "its "
	       "security updates, or libunbound 1.25.2 or newer";
}
