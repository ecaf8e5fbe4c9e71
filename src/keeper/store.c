/* What becomes of a resolver's answer: checked, encoded, stored, committed, announced. */
#include "fairlead/base/clock.h"
#include "fairlead/wire/name.h"
#include "keeper.h"

unsigned fl__keeper_popularity(void *arg, uint64_t hash)
{
	const struct keeper *k = arg;
	unsigned sum = 0;
	for (unsigned i = 0; i < k->n_sketches; i++) {
		if (k->sketch[i].blocks != NULL) {
			sum += fl_sketch_count(&k->sketch[i], hash);
		}
	}
	return sum < 255 ? sum : 255;
}

void fl__keeper_mark_disk(struct keeper *k, bool waits)
{
	__atomic_store_n(&k->self.counters->committing, waits, __ATOMIC_RELAXED);
}

static void on_commit(uv_timer_t *t)
{
	fl__keeper_commit(t->data);
}

/* A write that failed costs its batch; what was committed before stays. */
static void write_failed(struct keeper *k, enum fl_err err)
{
	FL_COUNT_ADD(k->self.counters, write_errors, 1);
	fl_log_gated(&k->write_gate, 60, FL_LOG_ERROR,
		     "the cache could not be written: %s; answers are still served, new ones "
		     "are not kept",
		     fl_err_text(err));
	if (err == FL_ECORRUPT) {
		fl_role_say(&k->self, FL_CONTROL_CACHE_BAD, err, fl_err_text(err));
	}
}

/* COHERENCE: commit first, then bump: who reads the new counter also finds the new record. */
void fl__keeper_commit(struct keeper *k)
{
	uv_timer_stop(&k->commit);
	if (k->cache == NULL) {
		k->n_changed = 0;
		return;
	}
	const bool any = fl_cache_pending(k->cache) > 0;
	const bool marked =
		k->self.counters->committing != 0; /* by who stores, and goes on to */
	fl__keeper_mark_disk(k, true);
	const enum fl_err err = fl_cache_commit(k->cache);
	fl__keeper_mark_disk(k, marked);
	if (err != FL_OK) {
		write_failed(k, err);
	} else if (any) {
		FL_COUNT_ADD(k->self.counters, commits, 1);
	}
	/* also after a failure: the old records may be gone or not, so ready answers are void
	 */
	for (unsigned i = 0; i < k->n_changed; i++) {
		fl_generation_bump(k->self.generations, k->changed[i]);
	}
	k->n_changed = 0;
}

static void refuse(struct keeper *k)
{
	FL_COUNT_ADD(k->self.counters, store_refused, 1);
}

/* A STORE packet is a QUESTION's octets, then the response message or nothing. */
static enum fl_err key_of(struct keeper *k, const struct fl_frame *f, struct fl_cache_key *key,
			  struct fl_record_source *src)
{
	uint8_t name[FL_NAME_MAX];
	size_t n, next;
	const enum fl_err err = fl_name_expand(f->packet, f->h.packet_len, 0, name, &n, &next);
	if (err != FL_OK || next != n || f->h.packet_len < n + 4) {
		return FL_EMALFORMED;
	}
	const uint16_t qtype = fl_load_u16(f->packet + n);
	const uint16_t qclass = fl_load_u16(f->packet + n + 2);
	if (fl_rrtype_is_meta(qtype) || qclass != FL_CLASS_IN) {
		return FL_EMALFORMED;
	}
	fl_cache_key_init(key, fl_cache_secret(k->cache), name, n, qtype, qclass);
	*src = (struct fl_record_source){ .verdict = (enum fl_verdict)f->h.verdict,
					  .reason = (enum fl_reason)f->h.reason,
					  .ede = f->h.ede,
					  .text = f->text,
					  .text_len = f->h.text_len,
					  .failures = 1 };
	if (f->h.packet_len > n + 4) {
		src->packet = f->packet + n + 4;
		src->packet_len = f->h.packet_len - n - 4;
	}
	return FL_OK;
}

/* Was it asked before a flush that covers it? Then it may be what the flush was to remove. */
static bool is_flushed(const struct keeper *k, const struct fl_cache_key *key,
		       uint64_t asked_ns)
{
	const uint64_t boot = k->self.welcome.boot_id;
	return fl_generations_flushed(k->self.generations, boot, boot, asked_ns, key->name);
}

/* RFC 9520 3.2: each failure in a row is remembered twice as long. Data is not given up for a
 * failure. */
static bool failure_may_stand(struct keeper *k, const struct fl_cache_key *key,
			      struct fl_moment now, struct fl_record_source *src)
{
	struct fl_record old;
	if (fl_cache_peek(k->cache, key, &old) != FL_OK) {
		return true;
	}
	const uint32_t age_s = fl_record_age_s(&old, now);
	if (old.h.verdict != FL_VERDICT_FAILED) {
		return age_s >= old.h.ttl_s &&
		       age_s - old.h.ttl_s >= k->self.config->cache.stale_s;
	}
	if (age_s < FL_KEEPER_FAILURE_MEMORY_S && old.h.failures < UINT8_MAX) {
		src->failures = (uint8_t)(old.h.failures + 1);
	}
	return true;
}

static void make_room(struct keeper *k, struct fl_moment now)
{
	if (fl_cache_is_full(k->cache)) {
		FL_COUNT_ADD(k->self.counters, evicted,
			     fl_cache_evict(k->cache, now, fl__keeper_popularity, k,
					    FL_KEEPER_EVICT_STEPS));
	}
}

/* One second after the expiry: the engine's own copy, dated by whole seconds, is gone then too.
 */
static void remember(struct keeper *k, const struct fl_record *r, uint64_t hash,
		     struct fl_moment now)
{
	const bool data =
		r->h.verdict == FL_VERDICT_SECURE || r->h.verdict == FL_VERDICT_INSECURE;
	if (k->self.config->cache.prefetch && data &&
	    r->h.ttl_s >= FL_KEEPER_REFRESH_TTL_MIN_S) {
		const struct fl_refresh_entry entry = {
			.hash = hash,
			.at_s = (uint32_t)(now.boot_ns / FL_S_NS) + r->h.ttl_s + 1,
			.seen = fl__keeper_popularity(k, hash),
		};
		fl__refresh_add(&k->refresh, entry);
	}
}

/* Put the record that was encoded; false when it is not kept. */
static bool put(struct keeper *k, const struct fl_cache_key *key, size_t len)
{
	enum fl_err err = fl_cache_put(k->cache, key, k->record, len);
	if (err ==
	    FL_EBUSY) { /* readers hold old pages: after a commit they go on to newer ones */
		fl__keeper_commit(k);
		err = fl_cache_put(k->cache, key, k->record, len);
	}
	if (err == FL_EBUSY) {
		refuse(k); /* the next one may be */
	} else if (err != FL_OK) {
		write_failed(k, err);
	}
	return err == FL_OK;
}

static void store(struct keeper *k, unsigned resolver, const struct fl_frame *f)
{
	struct fl_cache_key key;
	struct fl_record_source src;
	size_t len;
	if (k->cache == NULL) {
		refuse(k);
		return;
	}
	/* a resolver that was taken over can lie for its own shard only */
	if ((f->h.flags & FL_FRAME_SUSPECT) != 0 || key_of(k, f, &key, &src) != FL_OK ||
	    fl_name_zone_hash(key.name) % k->self.welcome.resolvers != resolver ||
	    is_flushed(k, &key, f->h.asked_ns)) {
		refuse(k);
		return;
	}
	const struct fl_moment now = fl_moment_now(k->self.welcome.boot_id);
	if (src.verdict == FL_VERDICT_FAILED && !failure_may_stand(k, &key, now, &src)) {
		return;
	}
	if (fl_record_encode(&key, &src, &k->limits, now, k->record, sizeof(k->record), &len) !=
		    FL_OK ||
	    len > FL_RECORD_STORE_MAX) {
		refuse(k);
		return;
	}
	struct fl_record r;
	if (fl_record_view(k->record, len, &key, &r) != FL_OK || r.h.ttl_s == 0) {
		return; /* RFC 1035 3.2.1: a TTL of zero is for the transaction at hand */
	}
	make_room(k, now);
	if (!put(k, &key, len)) {
		return;
	}
	FL_COUNT_ADD(k->self.counters, stored, 1);
	remember(k, &r, key.hash, now);
	k->changed[k->n_changed++] = key.hash;
	if (k->n_changed == 1) {
		uv_timer_start(&k->commit, on_commit, FL_KEEPER_COMMIT_MS, 0);
	}
	if (k->n_changed == FL_KEEPER_COMMIT_RECORDS) {
		fl__keeper_commit(k);
	}
}

/* Any call into the cache may commit, where much is dirty: a slow disk is no hang. */
void fl__keeper_store(struct keeper *k, unsigned resolver, const struct fl_frame *f)
{
	fl__keeper_mark_disk(k, true);
	store(k, resolver, f);
	fl__keeper_mark_disk(k, false);
}
