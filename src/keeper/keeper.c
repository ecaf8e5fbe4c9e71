/* The keeper's life: its file, its resolvers, its second hand. */
#include "fairlead/keeper/keeper.h"

#include "fairlead/base/clock.h"
#include "fairlead/wire/name.h"
#include "keeper.h"

#include <stdlib.h>

/* --- what resolvers say --- */

static bool on_frame(void *arg, struct fl_peer from, const struct fl_frame *f)
{
	if (f->h.kind != FL_FRAME_STORE) {
		return false;
	}
	fl__keeper_store(arg, from.index, f);
	return true;
}

/* --- the file --- */

/* What is said of the file that was open names that one's generation, not the new one's. */
static void leave_cache(struct keeper *k)
{
	const uint32_t told = k->self.cache_generation;
	k->self.cache_generation = k->cache_generation;
	fl__keeper_commit(k);
	fl_cache_close(k->cache);
	k->cache = NULL;
	k->self.cache_generation = k->cache_generation = told;
}

static void open_cache(struct keeper *k, int folder_fd)
{
	const struct fl_cache_options o = { .folder_fd = folder_fd,
					    .map_bytes = k->self.config->cache.size,
					    .writer = true };
	leave_cache(k);
	fl__keeper_mark_disk(k, true);
	const enum fl_err err = fl_cache_open(&o, &k->cache);
	fl__keeper_mark_disk(k, false);
	if (err == FL_OK) {
		struct fl_cache_stats s;
		if (fl_cache_stats(k->cache, &s) == FL_OK) {
			fl_log(FL_LOG_INFO, "cache open: %llu records, %llu of %llu MiB used",
			       (unsigned long long)s.entries,
			       (unsigned long long)s.bytes_used >> 20,
			       (unsigned long long)s.bytes_max >> 20);
		}
		fl_role_say(&k->self, FL_CONTROL_CACHE_READY, FL_OK, "");
		return;
	}
	/* the supervisor decides: a new generation, or a folder elsewhere */
	fl_role_say(&k->self, FL_CONTROL_CACHE_BAD, err, fl_err_text(err));
}

/* --- popular names at their expiry --- */

static bool ask_again(void *arg, const struct fl_record *r, const uint8_t *octets, size_t len)
{
	struct keeper *k = arg;
	uint8_t question[FL_FRAME_QUESTION_MAX];
	struct fl_frame f = fl_frame_init(FL_FRAME_REFRESH);
	const struct fl_moment now = fl_moment_now(k->self.welcome.boot_id);
	(void)octets;
	(void)len;
	if (k->resolvers == NULL || fl_record_age_s(r, now) < r->h.ttl_s) {
		return false; /* it was replaced since: that one has its own place in the wheel
			       */
	}
	const uint64_t index = fl_name_zone_hash(r->name) % k->self.welcome.resolvers;
	f.packet = question;
	f.h.packet_len = (uint32_t)fl_frame_write_question(question, r->name, r->h.name_len,
							   r->h.qtype, r->h.qclass);
	const struct fl_peer owner = fl_acceptor_peer(k->resolvers, (unsigned)index);
	if (fl_acceptor_send(k->resolvers, owner, &f) == FL_OK) {
		FL_COUNT_ADD(k->self.counters, refresh_asked, 1);
	}
	return false;
}

/* Asked at least twice in this life? What the sketches had seen before does not count: a name
 * that nobody asks any more is let go. */
static bool is_asked(struct keeper *k, const struct fl_refresh_entry *entry)
{
	const unsigned now = fl__keeper_popularity(k, entry->hash);
	return now >= entry->seen + FL_KEEPER_REFRESH_HITS || now == UINT8_MAX;
}

static void on_due(void *arg, const struct fl_refresh_entry *entry)
{
	struct keeper *k = arg;
	if (k->cache == NULL || !is_asked(k, entry)) {
		return;
	}
	if (++k->refreshed > FL_KEEPER_REFRESH_BURST) {
		FL_COUNT_ADD(k->self.counters, refresh_dropped, 1);
		return;
	}
	(void)!fl_cache_visit(k->cache, entry->hash, ask_again, k);
}

static void on_second(uv_timer_t *t)
{
	struct keeper *k = t->data;
	struct fl_cache_stats s;
	k->refreshed = 0;
	fl__refresh_turn(&k->refresh, (uint32_t)(fl_clock_boot_ns() / FL_S_NS), on_due, k);
	if (k->cache == NULL) {
		return;
	}
	if (fl_cache_stats(k->cache, &s) == FL_OK) {
		__atomic_store_n(&k->self.counters->cache_entries, s.entries, __ATOMIC_RELAXED);
		__atomic_store_n(&k->self.counters->cache_bytes, s.bytes_used,
				 __ATOMIC_RELAXED);
	}
}

/* What a front that died in a batch still holds is given back: with the watchdog's half second
 * no reader keeps old pages for a whole one. */
static void on_readers(uv_timer_t *t)
{
	struct keeper *k = t->data;
	if (k->cache != NULL) {
		const int cleared = fl_cache_check_readers(k->cache);
		FL_COUNT_ADD(k->self.counters, readers_cleared, cleared > 0 ? cleared : 0);
	}
}

/* --- what the supervisor tells --- */

static void take_listener(struct keeper *k, int *fds, unsigned n_fds)
{
	if (n_fds != 1 || k->resolvers != NULL) {
		return;
	}
	const struct fl_welcome *w = &k->self.welcome;
	const struct fl_acceptor_options o = { .loop = k->self.loop,
					       .fd = fds[0],
					       .role = FL_ROLE_RESOLVER,
					       .peers = w->resolvers,
					       .greeting = { w->greeting[0], w->greeting[1] },
					       .frame = on_frame,
					       .arg = k,
					       .counters = k->self.counters,
					       .receiver = k->self.receiver };
	const enum fl_err err = fl_acceptor_open(&o, &k->resolvers);
	if (err != FL_OK) {
		fl_role_fail(&k->self, FL_EXIT_RUNTIME, "cannot accept connections: %s",
			     fl_err_text(err));
		return;
	}
	fds[0] = -1;
}

/* A front has one sketch for all its lives: a second one would be somebody else's. */
static void take_sketch(struct keeper *k, unsigned index, int *fds, unsigned n_fds)
{
	void *at;
	const size_t size = k->self.welcome.sketch_bytes;
	if (n_fds != 1 || index >= FL_KEEPER_FRONTS || k->sketch[index].blocks != NULL ||
	    fl_shm_map(fds[0], size, false, &at) != FL_OK) {
		return;
	}
	k->sketch[index] = fl_sketch_over(at, size);
	if (k->n_sketches <= index) {
		k->n_sketches = index + 1;
	}
}

static void on_drained(uv_timer_t *t)
{
	struct keeper *k = t->data;
	fl__keeper_commit(k);
	fl_cache_close(k->cache);
	k->cache = NULL;
	fl_role_end(&k->self, FL_EXIT_OK);
}

/* What the resolvers sent before they ended waits in the sockets: the loop gets time to read
 * it. */
static void drain(struct keeper *k)
{
	uv_timer_start(&k->second, on_drained, FL_KEEPER_DRAIN_MS, 0);
}

static void told(void *arg, const struct fl_frame *f, int *fds, unsigned n_fds)
{
	struct keeper *k = arg;
	switch (f->h.flags) {
	case FL_CONTROL_ACCEPT:
		take_listener(k, fds, n_fds);
		break;
	case FL_CONTROL_SKETCH:
		take_sketch(k, f->h.index, fds, n_fds);
		break;
	case FL_CONTROL_CACHE:
		if (n_fds == 1) {
			open_cache(k, fds[0]);
		}
		break;
	case FL_CONTROL_START:
		if (fl_role_confine(&k->self) == FL_OK) {
			fl_role_say(&k->self, FL_CONTROL_READY, FL_OK, "");
		}
		break;
	case FL_CONTROL_DRAIN:
		drain(k);
		break;
	default:
		FL_COUNT_ADD(k->self.counters, ipc_refused, 1);
		break;
	}
}

static void fini(struct keeper *k)
{
	fl_acceptor_close(k->resolvers);
	uv_close((uv_handle_t *)&k->commit, NULL);
	uv_close((uv_handle_t *)&k->second, NULL);
	uv_close((uv_handle_t *)&k->readers, NULL);
	fl__refresh_fini(&k->refresh);
	fl_cache_close(k->cache);
	fl_role_fini(&k->self);
	free(k);
}

int fl_keeper_main(void)
{
	struct keeper *k = calloc(1, sizeof(*k));
	if (k == NULL) {
		return FL_EXIT_RUNTIME;
	}
	k->self.told = told;
	k->self.arg = k;
	if (fl_role_begin(&k->self) != FL_OK) {
		return FL_EXIT_RUNTIME;
	}
	const struct fl_config *c = k->self.config;
	k->limits = (struct fl_record_limits){ .min_ttl_s = c->cache.min_ttl_s,
					       .max_ttl_s = c->cache.max_ttl_s,
					       .negative_ttl_s = c->cache.negative_ttl_s,
					       .bogus_ttl_s = FL_RECORD_BOGUS_TTL_S };
	fl__refresh_init(&k->refresh, (uint32_t)(fl_clock_boot_ns() / FL_S_NS),
			 c->cache.size / FL_KEEPER_RECORD_BYTES);
	uv_timer_init(k->self.loop, &k->commit);
	uv_timer_init(k->self.loop, &k->second);
	uv_timer_init(k->self.loop, &k->readers);
	k->commit.data = k->second.data = k->readers.data = k;
	uv_timer_start(&k->second, on_second, 1000, 1000);
	uv_timer_start(&k->readers, on_readers, FL_KEEPER_READERS_MS, FL_KEEPER_READERS_MS);
	const int code = fl_role_run(&k->self);
	fini(k);
	return code;
}
