/* The resolver's life: questions from fronts, answers to them and to the keeper. */
#include "fairlead/resolver/resolver.h"

#include "fairlead/base/clock.h"
#include "fairlead/ipc/acceptor.h"
#include "fairlead/ipc/role.h"
#include "fairlead/wire/name.h"
#include "fairlead/wire/writer.h"
#include "resolver.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum {
	DRAIN_MS = 300,
	RECONNECT_MS = 100,
	STORE_PACKET_MAX = 16384 /* above it no record would be small enough to store */
};

struct resolver;

struct asker {                /* who gets an answer */
	struct fl_peer front; /* life 0: the keeper, which gets every answer */
	uint64_t job_id;
	uint32_t flags;
	uint16_t question_len;
	uint8_t question[FL_FRAME_QUESTION_MAX];
};

struct resolver {
	struct fl_role_self self;
	struct engine_setup setup;
	struct fl_engine *engine;
	struct fl_channel *keeper;
	int listen_fd; /* until it is the acceptor's; -1: none */
	struct fl_acceptor *fronts;
	uv_timer_t retry;
	uint8_t store[FL_FRAME_QUESTION_MAX + STORE_PACKET_MAX];
};

/* --- answers --- */

static struct fl_frame answer_frame(enum fl_frame_kind kind, const struct asker *k,
				    const struct fl_engine_answer *a)
{
	struct fl_frame f = fl_frame_init(kind);
	f.h.job_id = k->job_id;
	f.h.asked_ns = a->asked_ns;
	f.h.flags = k->flags;
	f.h.verdict = (uint8_t)a->verdict;
	f.h.reason = (uint8_t)a->reason;
	f.h.ede = a->ede;
	f.h.text_len = a->text_len;
	f.text = a->text;
	return f;
}

static void to_front(struct resolver *r, const struct asker *k,
		     const struct fl_engine_answer *a)
{
	struct fl_frame f = answer_frame(FL_FRAME_ANSWER, k, a);
	f.h.packet_len = a->packet == NULL ? 0 : (uint32_t)a->packet_len;
	f.packet = a->packet;
	if (k->front.life != 0) {
		/* a full queue drops it (counted): the front's deadline answers its client */
		(void)!fl_acceptor_send(r->fronts, k->front, &f);
	}
}

/* One way: when the keeper is behind, this answer is simply not kept. */
static void to_keeper(struct resolver *r, const struct asker *k,
		      const struct fl_engine_answer *a)
{
	struct fl_frame f = answer_frame(FL_FRAME_STORE, k, a);
	const size_t packet_len = a->packet == NULL ? 0 : a->packet_len;
	if (r->keeper == NULL || packet_len > STORE_PACKET_MAX ||
	    a->reason == FL_REASON_RESOLVER_LOST) {
		return;
	}
	memcpy(r->store, k->question, k->question_len);
	if (packet_len > 0) {
		memcpy(r->store + k->question_len, a->packet, packet_len);
	}
	f.packet = r->store;
	f.h.packet_len = (uint32_t)(k->question_len + packet_len);
	(void)!fl_channel_send(r->keeper, &f);
}

static void on_answer(void *arg, uint64_t ticket, const struct fl_engine_answer *a)
{
	struct resolver *r = arg;
	struct asker *k = (struct asker *)(uintptr_t)ticket;
	to_front(r, k, a);
	to_keeper(r, k, a);
	free(k);
}

/* --- questions --- */

static void refuse(struct resolver *r, struct asker *k, enum fl_reason why)
{
	const char *text = fl_reason_text(why);
	const struct fl_engine_answer a = { .verdict = FL_VERDICT_FAILED,
					    .reason = why,
					    .ede = fl_reason_ede(why),
					    .text = text,
					    .text_len = (uint8_t)strlen(text) };
	to_front(r, k, &a);
	free(k);
}

/* @p front is nobody where the keeper asks: the answer is for it alone. */
static void ask(struct resolver *r, struct fl_peer front, const struct fl_frame *f)
{
	const uint8_t *name;
	size_t name_len;
	uint16_t qtype, qclass;
	enum fl_reason why = FL_REASON_FAILED;
	if (r->engine == NULL) {
		return; /* draining: nothing new is begun */
	}
	if (fl_frame_question(f, &name, &name_len, &qtype, &qclass) != FL_OK) {
		FL_COUNT_ADD(r->self.counters, ipc_refused, 1);
		return;
	}
	struct asker *k = malloc(sizeof(*k));
	if (k == NULL) {
		return; /* the front's deadline answers */
	}
	k->front = front;
	k->job_id = f->h.job_id;
	k->flags = f->h.flags;
	k->question_len = (uint16_t)(name_len + 4);
	memcpy(k->question, f->packet, k->question_len);
	const enum fl_err err = fl_engine_ask(r->engine, name, qtype, qclass, on_answer, r,
					      (uint64_t)(uintptr_t)k, &why);
	if (err != FL_OK) {
		refuse(r, k, err == FL_EBUSY ? why : FL_REASON_FAILED);
	}
}

static bool has_room(const struct resolver *r)
{
	return r->engine != NULL &&
	       fl_engine_jobs(r->engine) < r->self.config->limits.resolver / 2;
}

/* Its client has its answer by now: it waited in the socket while this role was being started
 * again, say. What is found is still good for the cache, so it is asked where that takes no
 * place from who waits. */
static bool is_late(const struct fl_frame *f)
{
	return f->h.deadline_ns != 0 && f->h.deadline_ns < fl_clock_boot_ns();
}

static bool on_frame(void *arg, struct fl_peer from, const struct fl_frame *f)
{
	struct resolver *r = arg;
	if (f->h.kind != FL_FRAME_QUESTION) {
		return false;
	}
	if (is_late(f) && !has_room(r)) {
		FL_COUNT_ADD(r->self.counters, dropped_overload, 1);
	} else {
		ask(r, from, f);
	}
	return true;
}

/* --- the keeper --- */

static void on_keeper_frame(void *arg, struct fl_channel *ch, const struct fl_frame *f,
			    int *fds, unsigned n_fds)
{
	struct resolver *r = arg;
	(void)ch;
	(void)fds;
	(void)n_fds;
	if (f->h.kind != FL_FRAME_REFRESH) {
		FL_COUNT_ADD(r->self.counters, ipc_refused, 1);
	} else if (has_room(r)) {
		ask(r, (struct fl_peer){ 0, 0 }, f);
	} else {
		FL_COUNT_ADD(r->self.counters, refresh_dropped, 1); /* clients come first */
	}
}

static void on_keeper_closed(void *arg, struct fl_channel *ch)
{
	struct resolver *r = arg;
	fl_channel_free(ch);
	r->keeper = NULL; /* tried again by the timer */
}

static void reach_keeper(struct resolver *r)
{
	int fd;
	struct fl_frame hello = fl_frame_init(FL_FRAME_HELLO);
	if (r->keeper != NULL || fl_channel_connect(r->self.token, "keeper", &fd) != FL_OK) {
		return;
	}
	const struct fl_channel_options o = { .loop = r->self.loop,
					      .fd = fd,
					      .frame = on_keeper_frame,
					      .closed = on_keeper_closed,
					      .arg = r,
					      .counters = r->self.counters,
					      .receiver = r->self.receiver };
	if (fl_channel_open(&o, &r->keeper) != FL_OK) {
		r->keeper = NULL;
		close(fd);
		return;
	}
	hello.h.role = FL_ROLE_RESOLVER;
	hello.h.index = (uint16_t)r->self.welcome.index;
	hello.h.job_id = r->self.welcome.hello_keeper;
	(void)!fl_channel_send(r->keeper, &hello);
}

static void on_retry(uv_timer_t *t)
{
	reach_keeper(t->data);
}

/* --- what the supervisor tells --- */

static enum fl_err open_engine(struct resolver *r)
{
	char problem[512] = "";
	enum fl_err err =
		fl__resolver_setup(r->self.config, &r->setup, problem, sizeof(problem));
	if (err == FL_OK) {
		r->setup.options.loop = r->self.loop;
		r->setup.options.counters = r->self.counters;
		err = fl_engine_open(&r->setup.options, &r->engine, problem, sizeof(problem));
	}
	if (err != FL_OK) {
		/* what the operator can mend by editing ends the start; the rest may pass */
		fl_role_fail(&r->self, err == FL_EINVALID ? FL_EXIT_CONFIG : FL_EXIT_RUNTIME,
			     "%s", problem[0] != '\0' ? problem : fl_err_text(err));
	}
	return err;
}

static enum fl_err open_acceptor(struct resolver *r)
{
	const struct fl_welcome *w = &r->self.welcome;
	const struct fl_acceptor_options o = { .loop = r->self.loop,
					       .fd = r->listen_fd,
					       .role = FL_ROLE_FRONT,
					       .peers = w->fronts,
					       .greeting = { w->greeting[0], w->greeting[1] },
					       .frame = on_frame,
					       .arg = r,
					       .counters = r->self.counters,
					       .receiver = r->self.receiver };
	const enum fl_err err = fl_acceptor_open(&o, &r->fronts);
	if (err != FL_OK) {
		fl_role_fail(&r->self, FL_EXIT_RUNTIME, "cannot accept connections: %s",
			     fl_err_text(err));
		return err;
	}
	r->listen_fd = -1;
	return FL_OK;
}

static void start(struct resolver *r)
{
	if (r->engine != NULL || open_engine(r) != FL_OK) {
		return;
	}
	const char *lacks = fl_engine_library_warning();
	if (r->self.welcome.index == 0 && lacks[0] != '\0') {
		fl_log(FL_LOG_WARNING, "libunbound %s: %s", fl_engine_library_version(), lacks);
	}
	reach_keeper(r);
	if (fl_role_confine(&r->self) == FL_OK && open_acceptor(r) == FL_OK) {
		fl_role_say(&r->self, FL_CONTROL_READY, FL_OK, "");
	}
}

static void on_drained(uv_timer_t *t)
{
	struct resolver *r = t->data;
	if (r->engine != NULL) {
		fl_engine_close(r->engine); /* what is in flight is answered as lost */
		r->engine = NULL;
	}
	if (r->fronts != NULL) {
		fl_acceptor_flush(r->fronts);
	}
	if (r->keeper != NULL) {
		fl_channel_flush(r->keeper);
	}
	fl_role_end(&r->self, FL_EXIT_OK);
}

/* The fronts are gone already; a moment for what is nearly there and can still be stored. */
static void drain(struct resolver *r)
{
	const bool busy = r->engine != NULL && fl_engine_jobs(r->engine) > 0;
	uv_timer_start(&r->retry, on_drained, busy ? DRAIN_MS : 0, 0);
}

static void told(void *arg, const struct fl_frame *f, int *fds, unsigned n_fds)
{
	struct resolver *r = arg;
	switch (f->h.flags) {
	case FL_CONTROL_ACCEPT:
		if (n_fds == 1 && r->listen_fd < 0 && r->fronts == NULL) {
			r->listen_fd = fds[0];
			fds[0] = -1;
		}
		break;
	case FL_CONTROL_START:
		start(r);
		break;
	case FL_CONTROL_DRAIN:
		drain(r);
		break;
	default:
		FL_COUNT_ADD(r->self.counters, ipc_refused, 1);
		break;
	}
}

static void fini(struct resolver *r)
{
	if (r->engine != NULL) {
		fl_engine_close(r->engine);
	}
	fl_acceptor_close(r->fronts);
	fl_channel_free(r->keeper);
	uv_close((uv_handle_t *)&r->retry, NULL);
	fl_role_fini(&r->self);
	fl__resolver_setup_fini(&r->setup);
	free(r);
}

int fl_resolver_main(void)
{
	struct resolver *r = calloc(1, sizeof(*r));
	if (r == NULL) {
		return FL_EXIT_RUNTIME;
	}
	r->listen_fd = -1;
	r->self.told = told;
	r->self.arg = r;
	if (fl_role_begin(&r->self) != FL_OK) {
		return FL_EXIT_RUNTIME;
	}
	uv_timer_init(r->self.loop, &r->retry);
	r->retry.data = r;
	uv_timer_start(&r->retry, on_retry, RECONNECT_MS, RECONNECT_MS);
	const int code = fl_role_run(&r->self);
	fini(r);
	return code;
}

/* In a process of its own: a parse failure leaves libunbound's lexer in a state that must not
 * last. */
enum fl_err fl_resolver_check(const struct fl_config *c, char *problem, size_t problem_size)
{
	struct engine_setup setup;
	struct fl_engine *engine;
	struct fl_counters counters = { 0 };
	uv_loop_t loop;
	enum fl_err err = fl__resolver_setup(c, &setup, problem, problem_size);
	if (err != FL_OK) {
		return err;
	}
	if (uv_loop_init(&loop) != 0) {
		fl__resolver_setup_fini(&setup);
		return FL_ESYSTEM;
	}
	setup.options.loop = &loop;
	setup.options.counters = &counters;
	err = fl_engine_open(&setup.options, &engine, problem, problem_size);
	if (err == FL_OK) {
		fl_engine_close(engine);
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	fl__resolver_setup_fini(&setup);
	return err;
}
