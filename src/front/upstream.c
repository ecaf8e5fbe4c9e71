/* The resolvers, seen from a front. */
#include "fairlead/base/clock.h"
#include "front.h"

#include <stdio.h>
#include <unistd.h>

enum {
	JOB_MAX_AGE_S = 60, /* an engine answers or gives up long before */
	/* More than a client's patience: those who asked with the first are gone then. */
	ASK_AGAIN_MS = FL_FRONT_DEADLINE_MS + 600
};

void fl__upstream_ask(struct front *f, struct job *j)
{
	struct upstream *u = &f->up[j->resolver];
	struct fl_frame q = fl_frame_init(FL_FRAME_QUESTION);
	uint8_t packet[FL_FRAME_QUESTION_MAX];
	j->asked_ns = fl_clock_boot_ns();
	q.h.job_id = j->id;
	q.h.deadline_ns = j->asked_ns + (uint64_t)FL_FRONT_DEADLINE_MS * FL_MS_NS;
	q.h.generation = fl_generation_of(f->self.generations, j->key.hash);
	q.h.flags = j->again ? FL_FRAME_AGAIN : 0;
	q.h.packet_len = (uint32_t)fl_frame_write_question(packet, j->key.name, j->key.name_len,
							   j->key.qtype, j->key.qclass);
	q.packet = packet;
	/* Not sent (no connection, a full queue): the job stays, and is asked when
	 * there is one again, or its clients' deadlines end it. */
	if (u->channel == NULL || fl_channel_send(u->channel, &q) != FL_OK) {
		j->asked_ns = 0;
	}
}

static void answered(struct front *f, struct job *j, const struct fl_frame *a)
{
	struct fl_record r;
	size_t len;
	struct fl_record_source src = { .packet = a->h.packet_len > 0 ? a->packet : NULL,
					.packet_len = a->h.packet_len,
					.verdict = (enum fl_verdict)a->h.verdict,
					.reason = (enum fl_reason)a->h.reason,
					.ede = a->h.ede,
					.text = a->text,
					.text_len = a->h.text_len,
					.failures = 1 };
	const struct fl_moment now = fl_moment_now(f->self.welcome.boot_id);
	fl__turn_work(f, now.boot_ns);
	enum fl_err err = fl_record_encode(&j->key, &src, &f->limits, now, f->record,
					   sizeof(f->record), &len);
	if (err == FL_OK) {
		err = fl_record_view(f->record, len, &j->key, &r);
	}
	if (err != FL_OK) {
		FL_COUNT_ADD(f->self.counters, ipc_refused, 1);
		fl__pending_failed(f, j, FL_REASON_INVALID_DATA);
		return;
	}
	FL_COUNT_ADD(f->self.counters, limit_zone, a->h.reason == FL_REASON_LIMIT_ZONE);
	FL_COUNT_ADD(f->self.counters, limit_resolver, a->h.reason == FL_REASON_LIMIT_RESOLVER);
	fl__pending_answered(f, j, &r);
}

static void on_frame(void *arg, struct fl_channel *ch, const struct fl_frame *fr, int *fds,
		     unsigned n_fds)
{
	struct upstream *u = arg;
	struct front *f = u->front;
	(void)ch;
	(void)fds;
	(void)n_fds;
	if (fr->h.kind != FL_FRAME_ANSWER) {
		FL_COUNT_ADD(f->self.counters, ipc_refused, 1);
		return;
	}
	struct job *j = fl__pending_find(f, fr->h.job_id);
	if (j == NULL || j->resolver != u->index) {
		return; /* asked by the front that stood here before us, or not its shard */
	}
	answered(f, j, fr);
}

static void on_closed(void *arg, struct fl_channel *ch);

static enum fl_err connect_to(struct upstream *u)
{
	struct front *f = u->front;
	char name[32];
	int fd;
	snprintf(name, sizeof(name), "resolver.%u", u->index);
	enum fl_err err = fl_channel_connect(f->self.token, name, &fd);
	if (err != FL_OK) {
		return err;
	}
	const struct fl_channel_options o = { .loop = f->self.loop,
					      .fd = fd,
					      .frame = on_frame,
					      .closed = on_closed,
					      .arg = u,
					      .counters = f->self.counters,
					      .receiver = f->self.receiver };
	if ((err = fl_channel_open(&o, &u->channel)) != FL_OK) {
		close(fd);
		return err;
	}
	struct fl_frame hello = fl_frame_init(FL_FRAME_HELLO);
	hello.h.role = FL_ROLE_FRONT;
	hello.h.index = (uint16_t)f->self.welcome.index;
	hello.h.job_id = f->self.welcome.hello_resolver[u->index];
	if ((err = fl_channel_send(u->channel, &hello)) != FL_OK) {
		fl_channel_free(u->channel); /* without a greeting it is good for nothing */
		u->channel = NULL;
	}
	return err;
}

/* The resolver died with what it was asked: each question is asked once more. Where there is
 * no connection yet, the sweep does that when there is one; what was never sent to the dead
 * one is simply asked. */
static void on_closed(void *arg, struct fl_channel *ch)
{
	struct upstream *u = arg;
	struct front *f = u->front;
	fl__turn_work(f, fl_clock_boot_ns());
	fl_channel_free(ch);
	u->channel = NULL;
	(void)!connect_to(u);
	struct fl_list twice;
	fl_list_init(&twice);
	for (struct fl_list *at = u->jobs.next, *next = at->next; at != &u->jobs;
	     at = next, next = at->next) {
		struct job *j = FL_CONTAINER(at, struct job, in_upstream);
		const bool was_sent = j->asked_ns != 0;
		if (was_sent && j->again) {
			fl_list_remove(at);
			fl_list_append(&twice, at);
			continue;
		}
		j->again |= was_sent;
		FL_COUNT_ADD(f->self.counters, asked_again, was_sent);
		fl__upstream_ask(f, j);
	}
	while (!fl_list_empty(&twice)) {
		struct job *j = FL_CONTAINER(twice.next, struct job, in_upstream);
		fl__pending_failed(f, j, FL_REASON_RESOLVER_LOST);
	}
}

void fl__upstream_init(struct front *f)
{
	for (unsigned i = 0; i < FL_FRONT_RESOLVERS_MAX; i++) {
		f->up[i].front = f;
		f->up[i].index = i;
		fl_list_init(&f->up[i].jobs);
	}
}

enum fl_err fl__upstream_start(struct front *f)
{
	enum fl_err err = FL_OK;
	for (unsigned i = 0; err == FL_OK && i < f->self.welcome.resolvers; i++) {
		err = f->up[i].channel == NULL ? connect_to(&f->up[i]) : FL_OK;
	}
	return err;
}

void fl__upstream_fini(struct front *f)
{
	for (unsigned i = 0; i < FL_FRONT_RESOLVERS_MAX; i++) {
		fl_channel_free(f->up[i].channel);
	}
}

/* Ask what was not sent. Ask again what somebody came to wait for long after it was asked: its
 * answer may be lost, and then all who ask the same would wait for nothing. The resolver takes
 * it as the same question if it still works on it, and only the first of two answers finds the
 * job. End what nobody will answer. */
static void look_after(struct front *f, struct job *j)
{
	const uint64_t age = f->now.boot_ns - j->asked_ns;
	const bool late = age > (uint64_t)ASK_AGAIN_MS * FL_MS_NS;
	if (j->asked_ns == 0 || (late && !fl_list_empty(&j->waiters))) {
		fl__upstream_ask(f, j);
	} else if (age > JOB_MAX_AGE_S * FL_S_NS) {
		fl__pending_failed(f, j, FL_REASON_FAILED);
	}
}

/* Connections that failed, questions that were not sent, answers that do not come. */
void fl__upstream_retry(struct front *f)
{
	for (unsigned i = 0; i < f->self.welcome.resolvers; i++) {
		struct upstream *u = &f->up[i];
		if (u->channel == NULL && connect_to(u) != FL_OK) {
			continue;
		}
		for (struct fl_list *at = u->jobs.next, *next = at->next; at != &u->jobs;
		     at = next, next = at->next) {
			look_after(f, FL_CONTAINER(at, struct job, in_upstream));
		}
	}
}
