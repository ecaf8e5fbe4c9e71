/* The supervisor's life: start, what roles say, signals, the end. */
#include "fairlead/supervisor/supervisor.h"

#include "fairlead/base/clock.h"
#include "supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum { CALLERS_FIRST_FD = 3, LAST_WAIT_MS = 50 };

static void say_serving(const struct supervisor *s)
{
	char text[FL_ADDR_TEXT_MAX], line[1024];
	size_t n = 0;
	for (size_t i = 0; i < s->n_listen && n < sizeof(line); i++) {
		const int r = snprintf(line + n, sizeof(line) - n, " %s",
				       fl_addr_format(&s->listen[i].at, text));
		n += r > 0 ? (size_t)r : 0;
	}
	fl_log(FL_LOG_NOTICE, "serving on%s: %u front%s, %u resolver%s", line,
	       s->config->fronts, s->config->fronts == 1 ? "" : "s", s->config->resolvers,
	       s->config->resolvers == 1 ? "" : "s");
	sd_notify(0, "READY=1\nSTATUS=serving");
}

/* --- the end: fronts first, then who they asked, last who stores --- */

static const struct {
	enum fl_role role;
	unsigned until_ms; /* from SIGTERM; nobody waits for more than two seconds */
} stages[STAGE_DONE] = {
	[STAGE_FRONTS] = { FL_ROLE_FRONT, 1200 }, /* a second for who waits for an answer */
	[STAGE_RESOLVERS] = { FL_ROLE_RESOLVER, 1600 },
	[STAGE_KEEPER] = { FL_ROLE_KEEPER, 1900 },
};

static bool any_alive(const struct supervisor *s, enum fl_role role)
{
	for (unsigned i = 0; i < s->n_children; i++) {
		if (s->child[i].role == role && s->child[i].alive) {
			return true;
		}
	}
	return false;
}

static void on_stage_over(uv_timer_t *t);

static void begin_stage(struct supervisor *s)
{
	const uint64_t passed_ms = (fl_clock_boot_ns() - s->stopped_ns) / FL_MS_NS;
	const uint64_t until_ms = (uint64_t)stages[s->stage].until_ms * FL_SLOWNESS;
	for (unsigned i = 0; i < s->n_children; i++) {
		if (s->child[i].alive && s->child[i].role == stages[s->stage].role) {
			fl__child_tell(&s->child[i], FL_CONTROL_DRAIN, 0, NULL);
		}
	}
	uv_timer_start(&s->stop, on_stage_over, until_ms > passed_ms ? until_ms - passed_ms : 0,
		       0);
}

static void on_waited_enough(uv_timer_t *t)
{
	uv_stop(t->loop);
}

static void on_stage_over(uv_timer_t *t)
{
	struct supervisor *s = t->data;
	for (unsigned i = 0; i < s->n_children; i++) {
		struct child *c = &s->child[i];
		if (c->alive && c->role == stages[s->stage].role) {
			fl_log(FL_LOG_WARNING, "%s did not end in time; killed", c->name);
			fl__child_kill(c, SIGKILL);
		}
	}
	/* one that waits for a disk cannot even die: the others do not wait for it */
	s->stage++;
	if (s->stage < STAGE_DONE) {
		begin_stage(s);
	} else {
		uv_timer_start(&s->stop, on_waited_enough, LAST_WAIT_MS, 0);
	}
}

static void go_on_stopping(struct supervisor *s)
{
	const enum stage before = s->stage;
	while (s->stage < STAGE_DONE && !any_alive(s, stages[s->stage].role)) {
		s->stage++;
	}
	if (s->stage == STAGE_DONE) {
		uv_stop(&s->loop);
	} else if (s->stage != before) {
		begin_stage(s);
	}
}

static void stop(struct supervisor *s, int exit_code)
{
	if (s->state == SUP_STOPPING) {
		return;
	}
	s->state = SUP_STOPPING;
	s->exit_code = exit_code;
	s->mode->draining = 1;
	sd_notify(0, "STOPPING=1");
	uv_timer_stop(&s->renew);
	for (unsigned i = 0; i < s->n_children; i++) {
		uv_timer_stop(&s->child[i].restart);
	}
	s->stopped_ns = fl_clock_boot_ns();
	begin_stage(s);
	go_on_stopping(s);
}

/* --- what roles say --- */

static bool all_ready(const struct supervisor *s)
{
	for (unsigned i = 0; i < s->n_children; i++) {
		if (!s->child[i].ready) {
			return false;
		}
	}
	return s->cache_ready || s->cache_missing || !s->has_cache;
}

static void check_serving(struct supervisor *s)
{
	if (s->state == SUP_STARTING && all_ready(s)) {
		s->state = SUP_SERVING;
		say_serving(s);
	}
}

static void on_failed(struct child *c, const struct fl_frame *f)
{
	struct supervisor *s = c->sup;
	fl_log(FL_LOG_ERROR, "%s cannot start: %.*s", c->name, (int)f->h.text_len, f->text);
	if (s->state == SUP_STARTING) {
		stop(s, f->h.index == FL_EXIT_CONFIG ? FL_EXIT_CONFIG : FL_EXIT_RUNTIME);
	}
}

static void end_liar(struct child *c)
{
	fl_log(FL_LOG_ERROR, "%s said what no such role says; ending it", c->name);
	fl__child_kill(c, SIGKILL);
}

void fl__sup_heard(struct child *c, const struct fl_frame *f)
{
	struct supervisor *s = c->sup;
	if (f->h.kind != FL_FRAME_CONTROL) {
		fl_log(FL_LOG_ERROR, "%s spoke out of turn; ending it", c->name);
		fl__child_kill(c, SIGKILL);
		return;
	}
	switch (f->h.flags) {
	case FL_CONTROL_READY:
		c->ready = c->was_ready = true;
		fl_log(FL_LOG_INFO, "%s ready after %llu ms, pid %d", c->name,
		       (unsigned long long)((fl_clock_boot_ns() - c->started_ns) / FL_MS_NS),
		       uv_process_get_pid(&c->process));
		break;
	case FL_CONTROL_CACHE_READY:
		if (fl__renew_heard_ready(c, f) != FL_OK) {
			end_liar(c);
		}
		break;
	case FL_CONTROL_CACHE_BAD:
		if (fl__renew_heard_bad(c, f) != FL_OK) {
			end_liar(c);
		}
		break;
	case FL_CONTROL_FAILED:
		on_failed(c, f);
		break;
	default:
		end_liar(c);
		break;
	}
	check_serving(s);
}

void fl__sup_child_gone(struct child *c, int64_t status, int signal)
{
	struct supervisor *s = c->sup;
	if (s->state == SUP_STOPPING) {
		go_on_stopping(s);
		return;
	}
	if (signal != 0) {
		fl_log(FL_LOG_ERROR, "%s died: signal %d (%s)", c->name, signal,
		       strsignal(signal));
	} else {
		fl_log(FL_LOG_ERROR, "%s ended with status %lld", c->name, (long long)status);
	}
	fl__renew_suspect(c, signal);
	fl__child_start_again(c);
}

/* --- signals and timers --- */

static void on_end_signal(uv_signal_t *h, int signum)
{
	(void)signum;
	stop(h->data, FL_EXIT_OK);
}

static void on_hangup(uv_signal_t *h, int signum)
{
	(void)h;
	(void)signum;
	fl_log(FL_LOG_NOTICE,
	       "SIGHUP: the configuration is read at start only; restart to change it");
}

static void log_counters(uv_signal_t *h, int signum)
{
	const struct supervisor *s = h->data;
	char turns[FL_HISTOGRAM_TEXT_MAX];
	(void)signum;
	for (unsigned i = 0; i < s->n_children; i++) {
		const struct child *c = &s->child[i];
#define X(counter, help)                                                        \
	if (c->counters->counter != 0) {                                        \
		fl_log(FL_LOG_NOTICE, "counter %s: " #counter "=%llu", c->name, \
		       (unsigned long long)c->counters->counter);               \
	}
		FL_COUNTERS(X)
		X(in_flight, "")
		X(cache_entries, "")
		X(cache_bytes, "")
		X(reading_since, "")
		X(loop_own_max_ns, "")
#undef X
		if (c->counters->loop_turn.count != 0) {
			fl_log(FL_LOG_NOTICE, "turns %s: %s", c->name,
			       fl_histogram_text(&c->counters->loop_turn, turns));
		}
	}
	fl_log(FL_LOG_NOTICE, "counters end");
}

static void on_watch(uv_timer_t *t)
{
	fl__child_watch(t->data);
	fl__storage_watch(t->data);
	sd_notify(0, "WATCHDOG=1");
}

static enum fl_err watch_signals(struct supervisor *s)
{
	struct {
		uv_signal_t *handle;
		int number;
		uv_signal_cb cb;
	} want[] = { { &s->sigterm, SIGTERM, on_end_signal },
		     { &s->sigint, SIGINT, on_end_signal },
		     { &s->sighup, SIGHUP, on_hangup },
		     { &s->sigusr1, SIGUSR1, log_counters } };
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < FL_COUNT(want); i++) {
		uv_signal_init(&s->loop, want[i].handle);
		want[i].handle->data = s;
		if (uv_signal_start(want[i].handle, want[i].cb, want[i].number) != 0) {
			return FL_ESYSTEM;
		}
	}
	uv_timer_init(&s->loop, &s->watch);
	uv_timer_init(&s->loop, &s->stop);
	s->watch.data = s->stop.data = s;
	s->last_watch_ns = fl_clock_boot_ns();
	uv_timer_start(&s->watch, on_watch, FL_WATCH_MS, FL_WATCH_MS);
	return FL_OK;
}

/* --- start --- */

static enum fl_err make_secrets(struct supervisor *s)
{
	uint64_t random[6];
	if (getrandom(random, sizeof(random), 0) != sizeof(random) ||
	    getrandom(s->keeper_greeting, sizeof(s->keeper_greeting), 0) !=
		    sizeof(s->keeper_greeting) ||
	    getrandom(s->resolver_greeting, sizeof(s->resolver_greeting), 0) !=
		    sizeof(s->resolver_greeting)) {
		return FL_ESYSTEM;
	}
	snprintf(s->token, sizeof(s->token), "%016llx%016llx", (unsigned long long)random[0],
		 (unsigned long long)random[1]);
	memcpy(s->welcome.seed, &random[2], sizeof(s->welcome.seed));
	memcpy(s->welcome.cookie, &random[4], sizeof(s->welcome.cookie));
	s->welcome.boot_id = fl_clock_boot_id();
	s->welcome.fronts = s->config->fronts;
	s->welcome.resolvers = s->config->resolvers;
	return FL_OK;
}

/* Roles open no files: the effective configuration goes to them as memory, and none can write
 * into what those to come will read. */
static enum fl_err make_config_memory(struct supervisor *s)
{
	const int fd = memfd_create("fairlead-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	FILE *out = fd < 0 ? NULL : fdopen(fcntl(fd, F_DUPFD_CLOEXEC, 0), "w");
	if (out == NULL) {
		return FL_ESYSTEM;
	}
	const enum fl_err err = fl_config_dump(s->config, out);
	if (fclose(out) != 0 || err != FL_OK ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) !=
		    0) {
		return FL_ESYSTEM;
	}
	s->config_fd = fd;
	return FL_OK;
}

/* As many descriptors as the kernel lets us have: the resolvers' ports need them. */
static void raise_descriptors(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) != 0) {
		return;
	}
	r.rlim_cur = r.rlim_max < 65536 ? r.rlim_max : 65536;
	if (setrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur < 8192) {
		fl_log(FL_LOG_WARNING,
		       "only %llu descriptors are allowed; a busy resolver wants 8,192 (ulimit "
		       "-n, LimitNOFILE=)",
		       (unsigned long long)r.rlim_cur);
	}
}

static enum fl_err make_children(struct supervisor *s)
{
	enum fl_err err = fl__child_init(s, FL_ROLE_KEEPER, 0);
	for (unsigned i = 0; err == FL_OK && i < s->config->resolvers; i++) {
		err = fl__child_init(s, FL_ROLE_RESOLVER, i);
	}
	for (unsigned i = 0; err == FL_OK && i < s->config->fronts; i++) {
		err = fl__child_init(s, FL_ROLE_FRONT, i);
	}
	return err;
}

static enum fl_err begin(struct supervisor *s)
{
	enum fl_err err;
	raise_descriptors();
	if ((err = make_secrets(s)) != FL_OK || (err = make_config_memory(s)) != FL_OK ||
	    (err = make_children(s)) != FL_OK || (err = fl__sockets_open(s)) != FL_OK ||
	    (err = fl__storage_make_segments(s)) != FL_OK ||
	    (err = fl__storage_open_cache(s)) != FL_OK || (err = fl__renew_init(s)) != FL_OK ||
	    (err = watch_signals(s)) != FL_OK) {
		return err;
	}
	for (unsigned i = 0; i < s->n_children; i++) {
		fl__child_start(&s->child[i]);
	}
	return FL_OK;
}

static void close_handle(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h)) {
		uv_close(h, NULL);
	}
}

/* All children are gone; sockets and segments go with the process. */
static void fini(struct supervisor *s)
{
	fl__storage_close(s);
	uv_walk(&s->loop, close_handle, NULL);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	uv_loop_close(&s->loop);
	free(s);
}

int fl_supervisor_main(const struct fl_config *config)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	if (s == NULL) {
		return FL_EXIT_RUNTIME;
	}
	s->config = config;
	s->folder_fd = s->old_file = -1;
	fl_log_init("supervisor", config->log.level, config->log.format);
	/* what our caller left open is not for the roles */
	close_range(CALLERS_FIRST_FD, ~0U, CLOSE_RANGE_CLOEXEC);
	if (uv_loop_init(&s->loop) != 0) {
		free(s);
		return FL_EXIT_RUNTIME;
	}
	const enum fl_err err = begin(s);
	if (err != FL_OK) {
		fl_log(FL_LOG_ERROR, "cannot start: %s", fl_err_text(err));
		fini(s);
		return err == FL_EINVALID ? FL_EXIT_CONFIG : FL_EXIT_RUNTIME;
	}
	uv_run(&s->loop, UV_RUN_DEFAULT);
	fl_log(FL_LOG_NOTICE, "stopped");
	const int code = s->exit_code;
	fini(s);
	return code;
}
