/* A front's life: what it is told by the supervisor, its listeners, its end. */
#include "fairlead/front/front.h"

#include "fairlead/base/clock.h"
#include "fairlead/wire/name.h"
#include "front.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { OPEN_RESOLVER_RATE = 1000, RATE_BUCKETS = 65536 };

/* --- clients --- */

static void on_udp_batch(void *arg, struct fl_udp_slot *slots, unsigned n)
{
	struct listener *l = arg;
	struct front *f = l->front;
	FL_COUNT_ADD(f->self.counters, questions_udp, n);
	fl__front_begin_batch(f);
	for (unsigned i = 0; i < n; i++) {
		struct fl_udp_slot *s = &slots[i];
		const struct way_back way = { .listener = l, .udp = s->way };
		/* longer than any question that is one: its header alone is seen, and FORMERR
		 * said */
		const size_t len = s->truncated ? FL_HEADER_SIZE : s->question_len;
		fl__front_open(&f->batch[i], f, s->question, len, &way, &s->way.peer, s->reply,
			       FL_UDP_REPLY_MAX);
	}
	for (unsigned i = 0; i < n; i++) {
		if (f->batch[i].step == STEP_NEXT) {
			fl_ready_prefetch_entry(f->ready, f->batch[i].key.hash,
						f->batch[i].shape);
		}
	}
	for (unsigned i = 0; i < n; i++) {
		fl__front_close(&f->batch[i]);
		slots[i].reply_len = f->batch[i].out_len;
	}
	fl__front_end_batch(f);
}

static void on_tcp_message(void *arg, struct fl_tcp_conn_id conn, const struct fl_addr *peer,
			   const uint8_t *message, size_t len)
{
	struct listener *l = arg;
	struct front *f = l->front;
	const struct way_back way = { .listener = l, .conn = conn };
	struct query *q = &f->batch[0];
	FL_COUNT_ADD(f->self.counters, questions_tcp, 1);
	fl__front_begin_batch(f);
	fl__front_open(q, f, message, len, &way, peer, f->reply, sizeof(f->reply));
	fl__front_close(q);
	fl__front_end_batch(f);
	if (q->step != STEP_WAIT) {
		fl_tcp_send(l->tcp, conn, f->reply,
			    q->out_len); /* 0: dropped, and none will come */
	}
}

static struct listener *find_listener(struct front *f, const struct fl_addr *at, bool tcp)
{
	for (struct fl_list *n = f->listeners.next; n != &f->listeners; n = n->next) {
		struct listener *l = FL_CONTAINER(n, struct listener, node);
		if (fl_addr_equal(&l->at, at) && (l->tcp != NULL) == tcp) {
			return l;
		}
	}
	return NULL;
}

static enum fl_err listen_on(struct front *f, const struct fl_addr *at, int fd, bool tcp)
{
	struct listener *l = calloc(1, sizeof(*l));
	enum fl_err err = FL_ENOMEM;
	if (l == NULL) {
		return err;
	}
	l->front = f;
	l->at = *at;
	if (tcp) {
		struct fl_tcp_options o = fl_tcp_options_default();
		o.loop = f->self.loop;
		o.fd = fd;
		o.message = on_tcp_message;
		o.arg = l;
		o.counters = f->self.counters;
		err = fl_tcp_open(&o, &l->tcp);
	} else {
		const struct fl_udp_options o = { .loop = f->self.loop,
						  .fd = fd,
						  .batch = on_udp_batch,
						  .arg = l,
						  .counters = f->self.counters };
		err = fl_udp_open(&o, &l->udp);
	}
	if (err != FL_OK) {
		free(l);
		return err;
	}
	fl_list_append(&f->listeners, &l->node);
	return FL_OK;
}

static void close_listener(struct listener *l)
{
	if (l->tcp != NULL) {
		fl_tcp_close(l->tcp);
	} else {
		fl_udp_close(l->udp);
	}
	fl_list_remove(&l->node);
	free(l);
}

static void unlisten(struct front *f, const struct fl_addr *at)
{
	for (unsigned tcp = 0; tcp < 2; tcp++) {
		struct listener *l = find_listener(f, at, tcp == 1);
		if (l != NULL) {
			fl__pending_forget(f, l);
			close_listener(l);
		}
	}
}

/* --- what the supervisor tells --- */

static void take_listener(struct front *f, const struct fl_frame *fr, int *fds, unsigned n_fds)
{
	struct fl_addr at;
	if (n_fds != 1 || fr->h.packet_len != sizeof(at)) {
		FL_COUNT_ADD(f->self.counters, ipc_refused, 1);
		return;
	}
	memcpy(&at, fr->packet, sizeof(at));
	const enum fl_err err = listen_on(f, &at, fds[0], fr->h.flags == FL_CONTROL_LISTEN_TCP);
	if (err != FL_OK) {
		fl_role_fail(&f->self, FL_EXIT_RUNTIME, "cannot use a listening socket: %s",
			     fl_err_text(err));
		return;
	}
	fds[0] = -1;
}

static void close_cache(struct front *f)
{
	fl_cache_close(f->cache);
	f->cache = NULL;
	f->unreadable_ns = 0;
	f->reopen_ns = 0;
}

static void forget_generation(struct front *f)
{
	close_cache(f);
	if (f->generation_fd >= 0) {
		close(f->generation_fd);
		f->generation_fd = -1;
	}
}

void fl__front_cache_bad(struct front *f, enum fl_err err, const char *text)
{
	forget_generation(f);
	fl_role_say(&f->self, FL_CONTROL_CACHE_BAD, err, text);
}

/* A damaged file is the supervisor's to replace; of one that is not there yet we are told when
 * the keeper has made it; anything else may pass. */
static void open_cache(struct front *f)
{
	const struct fl_cache_options o = { .folder_fd = f->generation_fd,
					    .map_bytes = f->self.config->cache.size };
	close_cache(f); /* never two environments in one process */
	const enum fl_err err = fl_cache_open(&o, &f->cache);
	if (err == FL_OK) {
		/* jobs in flight keep their keys: they are found by id, and at worst one
		 * question is asked twice */
		f->secret = fl_cache_secret(f->cache);
		return;
	}
	fl_log_gated(&f->cache_gate, 10, FL_LOG_ERROR,
		     "cannot open the cache to read (%s); answers come from the resolvers",
		     fl_err_text(err));
	if (err == FL_ECORRUPT || err == FL_EVERSION) {
		fl__front_cache_bad(f, err, fl_err_text(err));
	} else if (err != FL_ENOTFOUND) {
		f->reopen_ns = fl_clock_boot_ns() + (uint64_t)FL_FRONT_REOPEN_MS * FL_MS_NS;
	}
}

void fl__front_reopen(struct front *f)
{
	if (f->reopen_ns != 0 && f->now.boot_ns >= f->reopen_ns) {
		open_cache(f);
	}
}

static void take_cache(struct front *f, int *fds, unsigned n_fds)
{
	if (n_fds != 1) {
		return;
	}
	/* COHERENCE: a keeper that was killed may have committed what it did not come to
	 * announce. Its successor has us told of the cache anew. */
	f->opened++;
	forget_generation(f);
	f->generation_fd = fds[0];
	fds[0] = -1;
	open_cache(f);
}

static void drop_sketch(struct front *f)
{
	if (f->sketch_at != NULL) {
		munmap(f->sketch_at, f->self.welcome.sketch_bytes);
	}
	f->sketch_at = NULL;
	f->has_sketch = false;
}

static void take_sketch(struct front *f, int *fds, unsigned n_fds)
{
	void *at;
	const size_t size = f->self.welcome.sketch_bytes;
	if (n_fds == 1 && fl_shm_map(fds[0], size, true, &at) == FL_OK) {
		drop_sketch(f);
		f->sketch_at = at;
		f->sketch = fl_sketch_over(at, size);
		f->has_sketch = true;
	}
}

static void pin(const struct front *f)
{
	const struct fl_config *c = f->self.config;
	cpu_set_t set;
	if (c->front_cpus.n == 0) {
		return;
	}
	CPU_ZERO(&set);
	CPU_SET(c->front_cpus.at[f->self.welcome.index % c->front_cpus.n], &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0) {
		fl_log(FL_LOG_WARNING,
		       "cannot run on the processor that fronts.cpus names; running on any");
	}
}

static void start(struct front *f)
{
	pin(f);
	enum fl_err err = fl__upstream_start(f);
	if (err != FL_OK) {
		fl_role_fail(&f->self, FL_EXIT_RUNTIME, "cannot reach the resolvers: %s",
			     fl_err_text(err));
		return;
	}
	if (fl_role_confine(&f->self) == FL_OK) {
		fl__pending_start(f);
		fl_role_say(&f->self, FL_CONTROL_READY, FL_OK, "");
	}
}

static void drain(struct front *f)
{
	f->draining = true;
	for (struct fl_list *n = f->listeners.next; n != &f->listeners; n = n->next) {
		struct listener *l = FL_CONTAINER(n, struct listener, node);
		if (l->tcp != NULL) {
			fl_tcp_stop(l->tcp);
		} else {
			fl_udp_stop(l->udp);
		}
	}
	fl__pending_drain(f);
	fl__pending_start(f); /* it ends the process when nobody waits, also before START */
}

static void told(void *arg, const struct fl_frame *fr, int *fds, unsigned n_fds)
{
	struct front *f = arg;
	fl__turn_work(f, fl_clock_boot_ns());
	switch (fr->h.flags) {
	case FL_CONTROL_LISTEN_UDP:
	case FL_CONTROL_LISTEN_TCP:
		take_listener(f, fr, fds, n_fds);
		break;
	case FL_CONTROL_UNLISTEN:
		if (fr->h.packet_len == sizeof(struct fl_addr)) {
			struct fl_addr at;
			memcpy(&at, fr->packet, sizeof(at));
			unlisten(f, &at);
		}
		break;
	case FL_CONTROL_CACHE:
		take_cache(f, fds, n_fds);
		break;
	case FL_CONTROL_SKETCH:
		take_sketch(f, fds, n_fds);
		break;
	case FL_CONTROL_START:
		start(f);
		break;
	case FL_CONTROL_DRAIN:
		drain(f);
		break;
	default:
		FL_COUNT_ADD(f->self.counters, ipc_refused, 1);
		break;
	}
}

/* --- birth --- */

static enum fl_err make_local(struct front *f)
{
	const struct fl_config *c = f->self.config;
	const size_t n = c->resolver.n_stub + c->resolver.n_forward;
	uint8_t(*names)[FL_NAME_MAX] = calloc(n + 1, sizeof(*names));
	const uint8_t **open = calloc(n + 1, sizeof(*open));
	struct fl_local_options o = { .identity = c->identity, .open = open };
	enum fl_err err = names == NULL || open == NULL ? FL_ENOMEM : FL_OK;
	for (size_t i = 0; err == FL_OK && i < n; i++) {
		const struct fl_config_zone *z =
			i < c->resolver.n_stub ? &c->resolver.stub[i]
					       : &c->resolver.forward[i - c->resolver.n_stub];
		size_t len;
		err = fl_name_from_text(z->name, names[o.n_open], &len);
		if (err == FL_OK &&
		    len > 1) { /* forwarding "." does not open the special names */
			fl_name_lower(names[o.n_open], names[o.n_open], len);
			open[o.n_open] = names[o.n_open];
			o.n_open++;
		}
	}
	if (err == FL_OK) {
		err = fl_local_new(&o, &f->local);
	}
	free(open);
	free(names);
	return err;
}

static enum fl_err make_limits(struct front *f)
{
	const struct fl_config *c = f->self.config;
	const struct fl_welcome *w = &f->self.welcome;
	struct fl_ratelimit_options o = { .per_second = c->rate_limit.errors,
					  .buckets = RATE_BUCKETS,
					  .exempt = c->rate_limit.exempt,
					  .secret = { { w->seed[1], w->seed[0] } } };
	enum fl_err err = fl_ratelimit_new(&o, &f->errors);
	o.per_second = c->rate_limit.per_client;
	if (o.per_second == 0 && c->open_resolver) {
		o.per_second = OPEN_RESOLVER_RATE;
	}
	if (err == FL_OK && o.per_second > 0) {
		err = fl_ratelimit_new(&o, &f->per_client);
	}
	return err;
}

static enum fl_err make(struct front *f)
{
	const struct fl_config *c = f->self.config;
	const struct fl_welcome *w = &f->self.welcome;
	f->secret = (struct fl_sipkey){ { w->seed[0], w->seed[1] } };
	f->cookies.now = f->cookies.before =
		(struct fl_sipkey){ { w->cookie[0], w->cookie[1] } };
	f->limits = (struct fl_record_limits){ .min_ttl_s = c->cache.min_ttl_s,
					       .max_ttl_s = c->cache.max_ttl_s,
					       .negative_ttl_s = c->cache.negative_ttl_s,
					       .bogus_ttl_s = FL_RECORD_BOGUS_TTL_S };
	if (w->resolvers == 0 || w->resolvers > FL_FRONT_RESOLVERS_MAX) {
		return FL_EINVALID;
	}
	fl__turn_init(f);
	fl__upstream_init(f);
	enum fl_err err = fl_access_new(&c->access_allow, &c->access_deny, &f->access);
	if (err == FL_OK) {
		err = fl_ready_new(c->cache.front_size, &f->ready);
	}
	if (err == FL_OK) {
		err = make_limits(f);
	}
	if (err == FL_OK) {
		err = make_local(f);
	}
	if (err == FL_OK) {
		err = fl__pending_init(f);
	}
	return err;
}

static void fini(struct front *f)
{
	fl__pending_fini(f);
	fl__upstream_fini(f);
	fl__turn_fini(f);
	while (!fl_list_empty(&f->listeners)) {
		close_listener(FL_CONTAINER(f->listeners.next, struct listener, node));
	}
	forget_generation(f);
	drop_sketch(f);
	fl_ready_free(f->ready);
	fl_access_free(f->access);
	fl_ratelimit_free(f->errors);
	fl_ratelimit_free(f->per_client);
	fl_local_free(f->local);
	fl_role_fini(&f->self);
	free(f);
}

int fl_front_main(void)
{
	struct front *f = calloc(1, sizeof(*f));
	if (f == NULL) {
		return FL_EXIT_RUNTIME;
	}
	f->self.told = told;
	f->self.arg = f;
	f->generation_fd = -1;
	fl_list_init(&f->listeners);
	if (fl_role_begin(&f->self) != FL_OK) {
		return FL_EXIT_RUNTIME;
	}
	const enum fl_err err = make(f);
	if (err != FL_OK) {
		fl_role_fail(&f->self, FL_EXIT_RUNTIME, "cannot set up: %s", fl_err_text(err));
	}
	const int code = fl_role_run(&f->self);
	fini(f);
	return code;
}
