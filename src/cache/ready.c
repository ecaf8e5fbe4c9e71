/*
 * One mapping: the table's own data, the index, the arena.
 *
 * The index is buckets of one cache line, eight slots each: a tag and the place of
 * an entry in the arena, in units of 64 octets. The key's hash picks the bucket;
 * the shape only goes into the tag, so a bucket can be fetched before it is known.
 *
 * The arena is a ring of entries, one behind the other:
 *
 *   0          head       tail             last        units
 *   | this lap | free gap | the lap before | left over |
 *
 * A put takes the gap, and widens it by taking up the entries at its far end, the
 * oldest of all. Who was used since the hand last passed slides over to the near end
 * and stays; who was not is forgotten. INVARIANT: a slot of the index names a living
 * entry, and each living entry is named by one slot: an entry's slot is emptied
 * before its octets are given up. So what a slot names is trusted.
 */
#include "fairlead/cache/ready.h"

#include "fairlead/base/clock.h"
#include "fairlead/wire/writer.h"
#include "record.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	UNIT = 64, /* a cache line */
	SLOTS = 8,
	BYTES_MIN = 64 << 10,
	ENTRY_MAX = 2048,
	CHANCES = 4, /* entries that one put carries over: what bounds its work */
	FETCHED = 4, /* units of an entry that are asked for: the usual answer whole */
	/* Octets of arena for one bucket. At three units an entry, a usual plain answer,
	 * that is 3.7 entries in 8 slots: one bucket in 100 is ever full. */
	ARENA_PER_BUCKET = 704,
	HUGE_PAGE = 2 << 20
};

struct bucket {
	_Alignas(UNIT) uint32_t tag[SLOTS]; /* 0: free */
	uint32_t place[SLOTS];
};

/* Behind it: the name, offsets of TTLs (uint16 each, into the body), the body. */
struct entry {
	_Alignas(UNIT) uint64_t hash;
	uint64_t stored_ns, expires_ns; /* boot clock; see base_of() */
	uint32_t generation, epoch;
	uint16_t qtype, qclass;
	uint16_t count[3]; /* records of a section */
	uint16_t flags;    /* of the header, beside what is copied from the question */
	uint16_t body_len;
	uint16_t n_ttls;
	uint8_t units, shape, name_len, rcode;
	bool living;    /* the index names it */
	bool used;      /* since the hand last passed */
	uint8_t rest[]; /* in the first cache line still */
};

struct fl_ready {
	struct bucket *buckets;
	uint8_t *arena;
	uint32_t n_buckets, units;
	uint32_t head, tail, last; /* of the ring; see above */
	uint64_t entries, living_units;
	size_t bytes, mapped;
};

_Static_assert(sizeof(struct bucket) == UNIT, "a bucket is one cache line");
_Static_assert(offsetof(struct entry, rest) <= UNIT, "what a look-up compares is one line");
_Static_assert(ENTRY_MAX / UNIT <= UINT8_MAX, "units of an entry");

unsigned fl_ready_shape(const struct fl_question *q)
{
	return (q->dnssec_ok ? FL_SHAPE_DNSSEC : 0U) |
	       ((q->flags & FL_FLAG_AD) != 0 ? FL_SHAPE_AD : 0U) |
	       ((q->flags & FL_FLAG_CD) != 0 ? FL_SHAPE_CD : 0U);
}

/* ------------------------------------------------------------------- memory */

/* A mapping of exactly @p size octets that starts where a huge page can. */
static void *map_aligned(size_t size)
{
	const size_t slack = size >= HUGE_PAGE ? HUGE_PAGE : 0;
	uint8_t *at = mmap(NULL, size + slack, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED) {
		return NULL;
	}
	if (slack == 0) {
		return at;
	}
	const size_t before = -(uintptr_t)at & (HUGE_PAGE - 1);
	if (before > 0) {
		munmap(at, before);
	}
	if (before < slack) {
		munmap(at + before + size, slack - before);
	}
	(void)madvise(at + before, size, MADV_HUGEPAGE); /* else small pages do */
	return at + before;
}

enum fl_err fl_ready_new(size_t bytes, struct fl_ready **out)
{
	if (bytes > 0 && bytes < BYTES_MIN) {
		return FL_EINVALID;
	}
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const size_t mapped = bytes > 0 ? bytes & ~(page - 1) : page;
	uint8_t *at = map_aligned(mapped);
	if (at == NULL) {
		return FL_ENOMEM;
	}
	struct fl_ready *t = (struct fl_ready *)(void *)at;
	const size_t own = (sizeof(*t) + UNIT - 1) / UNIT * UNIT;
	const size_t n = bytes > 0 ? (mapped - own) / (ARENA_PER_BUCKET + UNIT) : 1;
	t->n_buckets = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
	t->buckets = (struct bucket *)(void *)(at + own);
	t->arena = at + own + t->n_buckets * sizeof(struct bucket);
	const size_t units = bytes > 0 ? (size_t)(at + mapped - t->arena) / UNIT : 0;
	t->units = units < UINT32_MAX ? (uint32_t)units : UINT32_MAX;
	t->bytes = bytes;
	t->mapped = mapped;
	*out = t;
	return FL_OK;
}

void fl_ready_free(struct fl_ready *t)
{
	if (t != NULL) {
		munmap(t, t->mapped);
	}
}

void fl_ready_stats(const struct fl_ready *t, struct fl_ready_stats *out)
{
	*out = (struct fl_ready_stats){ .entries = t->entries, .bytes_max = t->bytes };
	if (t->bytes > 0) {
		out->bytes_used =
			(uint64_t)(t->arena - (const uint8_t *)t) + t->living_units * UNIT;
	}
}

/* ------------------------------------------------------------------ look-up */

static struct bucket *bucket_of(const struct fl_ready *t, uint64_t hash)
{
	return &t->buckets[(hash >> 32) * t->n_buckets >> 32];
}

static uint32_t tag_of(uint64_t hash, unsigned shape)
{
	const uint32_t tag = (uint32_t)hash ^ shape * UINT32_C(0x9E3779B1);
	return tag != 0 ? tag : 1;
}

/* One bit a slot that has @p tag: no branch for the processor to guess. */
static unsigned matches(const struct bucket *b, uint32_t tag)
{
	unsigned found = 0;
	for (unsigned i = 0; i < SLOTS; i++) {
		found |= (unsigned)(b->tag[i] == tag) << i;
	}
	return found;
}

static struct entry *entry_at(const struct fl_ready *t, uint32_t place)
{
	return (struct entry *)(void *)(t->arena + (size_t)place * UNIT);
}

static bool is_entry_of(const struct entry *e, const struct fl_cache_key *key, unsigned shape)
{
	return e->name_len == key->name_len && e->qtype == key->qtype &&
	       e->qclass == key->qclass && e->shape == shape &&
	       memcmp(e->rest, key->name, key->name_len) == 0;
}

static struct entry *find(const struct fl_ready *t, const struct fl_cache_key *key,
			  unsigned shape)
{
	const struct bucket *b = bucket_of(t, key->hash);
	unsigned found = matches(b, tag_of(key->hash, shape));
	for (; found != 0; found &= found - 1) {
		struct entry *e = entry_at(t, b->place[__builtin_ctz(found)]);
		if (is_entry_of(e, key, shape)) {
			return e;
		}
	}
	return NULL;
}

void fl_ready_prefetch(const struct fl_ready *t, uint64_t hash)
{
	__builtin_prefetch(bucket_of(t, hash));
}

void fl_ready_prefetch_entry(const struct fl_ready *t, uint64_t hash, unsigned shape)
{
	const struct bucket *b = bucket_of(t, hash);
	const unsigned found = matches(b, tag_of(hash, shape));
	if (found == 0) {
		return;
	}
	const uint32_t place = b->place[__builtin_ctz(found)];
	const uint32_t end = t->units - place < FETCHED ? t->units : place + FETCHED;
	for (uint32_t at = place; at < end; at++) {
		__builtin_prefetch(t->arena + (size_t)at * UNIT);
	}
}

/* -------------------------------------------------------------------- reply */

static size_t ttls_at(unsigned name_len)
{
	return (name_len + 1U) & ~1U; /* uint16: even */
}

/* Copy the body to @p to and set its TTLs, RFC 1035 3.2.1. */
static void put_body(uint8_t *to, const struct entry *e, uint32_t age_s)
{
	const uint8_t *offsets = e->rest + ttls_at(e->name_len);
	const uint8_t *body = offsets + e->n_ttls * sizeof(uint16_t);
	memcpy(to, body, e->body_len);
	for (unsigned i = 0; i < e->n_ttls; i++) {
		uint16_t at;
		memcpy(&at, offsets + i * sizeof(at), sizeof(at));
		const uint32_t ttl = fl_load_u32(body + at);
		fl_store_u32(to + at, ttl > age_s ? ttl - age_s : 0);
	}
}

static size_t write_reply(const struct entry *e, uint32_t age_s, const struct fl_question *q,
			  const struct fl_reply_opts *o, uint8_t *out, size_t cap)
{
	const size_t limit = cap < o->max_size ? cap : o->max_size;
	const size_t size = FL_HEADER_SIZE + (size_t)q->name_len + 4 + e->body_len;
	if (size + fl_reply_opt_size(q, o) > limit) {
		return 0;
	}
	struct fl_writer w = fl_writer_init(out, limit);
	fl_reply_begin(&w, q, e->flags, e->rcode);
	put_body(out + w.len, e, age_s);
	w.len += e->body_len;
	for (unsigned section = 0; section < FL_COUNT(e->count); section++) {
		fl_store_u16(out + 6 + 2 * section, e->count[section]);
	}
	fl_reply_write_opt(&w, q, o, e->rcode);
	assert(w.err == FL_OK);
	return w.len;
}

size_t fl_ready_reply(struct fl_ready *t, const struct fl_cache_key *key, unsigned shape,
		      uint32_t generation, uint32_t epoch, uint64_t now_boot_ns,
		      const struct fl_question *q, const struct fl_reply_opts *o, uint8_t *out,
		      size_t cap)
{
	assert(q->name_len == key->name_len && shape == fl_ready_shape(q));
	struct entry *e = find(t, key, shape);
	if (e == NULL || e->generation != generation || e->epoch != epoch ||
	    (int64_t)(e->expires_ns - now_boot_ns) <= 0) {
		return 0;
	}
	if (!e->used) { /* a line that is only read stays clean */
		e->used = true;
	}
	/* a batch has one time, which may be a little before the record's */
	const int64_t since = (int64_t)(now_boot_ns - e->stored_ns);
	const uint32_t age_s = since > 0 ? (uint32_t)((uint64_t)since / FL_S_NS) : 0;
	return write_reply(e, age_s, q, o, out, cap);
}

/* --------------------------------------------------------------- forgetting */

static uint32_t place_of(const struct fl_ready *t, const struct entry *e)
{
	return (uint32_t)((size_t)((const uint8_t *)e - t->arena) / UNIT);
}

/* Number of the slot that names @p e, which lives. */
static unsigned slot_of(const struct fl_ready *t, const struct bucket *b, const struct entry *e)
{
	const uint32_t place = place_of(t, e);
	unsigned i = 0;
	while (b->tag[i] == 0 || b->place[i] != place) {
		i++;
		assert(i < SLOTS);
	}
	return i;
}

static void forget(struct fl_ready *t, struct entry *e)
{
	struct bucket *b = bucket_of(t, e->hash);
	b->tag[slot_of(t, b, e)] = 0;
	e->living = false;
	t->entries--;
	t->living_units -= e->units;
}

/* Slide @p e to the near end of the gap. */
static void carry_over(struct fl_ready *t, struct entry *e)
{
	struct bucket *b = bucket_of(t, e->hash);
	const unsigned slot = slot_of(t, b, e);
	e->used = false;
	b->place[slot] = t->head;
	t->head += e->units;
	memmove(entry_at(t, b->place[slot]), e, (size_t)e->units * UNIT);
}

/*
 * Widen the gap to @p units. False when it met too many who were used: then who wants
 * in tries again, and finds the hand further on. Each of the hand's other steps frees
 * a unit at least, and it turns round at most once.
 */
static bool make_room(struct fl_ready *t, uint32_t units, uint64_t now_boot_ns)
{
	unsigned chances = CHANCES;
	for (;;) {
		const bool lap_done = t->tail == t->last;
		if ((lap_done ? t->units : t->tail) - t->head >= units) {
			return true;
		}
		if (lap_done) {
			t->last = t->head;
			t->head = t->tail = 0;
			continue;
		}
		struct entry *e = entry_at(t, t->tail);
		const uint32_t passed = e->units;
		if (e->living && e->used && (int64_t)(e->expires_ns - now_boot_ns) > 0) {
			if (chances-- == 0) {
				return false;
			}
			carry_over(t, e);
		} else if (e->living) {
			forget(t, e);
		}
		t->tail += passed;
	}
}

/* Entries that the hand will reach sooner have smaller ones. */
static uint64_t reached(const struct fl_ready *t, uint32_t place)
{
	return place >= t->tail ? place : (uint64_t)place + t->units;
}

/* A free slot. When there is none the oldest who was not used, else the oldest, makes way. */
static unsigned free_slot(struct fl_ready *t, struct bucket *b)
{
	unsigned oldest = 0;
	uint64_t least = UINT64_MAX;
	for (unsigned i = 0; i < SLOTS; i++) {
		if (b->tag[i] == 0) {
			return i;
		}
		const uint64_t used = entry_at(t, b->place[i])->used ? UINT64_C(1) << 40 : 0;
		const uint64_t rank = used + reached(t, b->place[i]);
		if (rank < least) {
			least = rank;
			oldest = i;
		}
	}
	forget(t, entry_at(t, b->place[oldest]));
	return oldest;
}

/* ---------------------------------------------------------------------- put */

/* Boot time from which the record's age counts. It is the record's own when the age is what
 * it gives, so that the age steps at the same instant as fl_record_age_s(). Of another
 * boot, whose age the wall clock gave, whole seconds are known: they count from now. */
static uint64_t base_of(const struct fl_record_header *h, uint64_t now_boot_ns, uint32_t age_s)
{
	const int64_t since = (int64_t)(now_boot_ns - h->boot_ns);
	const bool just_now = since < 0 && since > -(int64_t)FL_S_NS && age_s == 0;
	if (just_now || (since >= 0 && (uint64_t)since / FL_S_NS == age_s)) {
		return h->boot_ns;
	}
	return now_boot_ns - age_s * FL_S_NS;
}

static bool is_wanted(const struct fl_record_header *h, uint32_t age_s)
{
	return (h->verdict == FL_VERDICT_SECURE || h->verdict == FL_VERDICT_INSECURE) &&
	       (h->rcode == FL_RCODE_NOERROR || h->rcode == FL_RCODE_NXDOMAIN) &&
	       h->ede == FL_EDE_NONE && age_s < h->ttl_s;
}

/* Number of records that go out. */
static unsigned count_ttls(const struct fl_record_header *h, unsigned step)
{
	unsigned n = 0;
	for (unsigned part = 0; part < FL__RECORD_PARTS; part += step) {
		n += h->count[part];
	}
	return n;
}

/* The offsets and bodies of the parts that go out, one behind the other. */
static void put_parts(struct entry *e, const struct fl_record *r, unsigned step)
{
	uint8_t *offsets = e->rest + ttls_at(e->name_len);
	uint8_t *body = offsets + e->n_ttls * sizeof(uint16_t);
	const uint8_t *ttl = r->ttls;
	uint32_t from = 0, to = 0;
	for (unsigned part = 0; part < FL__RECORD_PARTS; part++) {
		const uint32_t length = r->h.length[part];
		const bool goes = part % step == 0;
		if (goes) {
			memcpy(body + to, r->body + from, length);
		}
		for (unsigned i = 0; i < r->h.count[part]; i++, ttl += FL__RECORD_TTL_SIZE) {
			if (!goes) {
				continue;
			}
			uint16_t at;
			uint32_t original;
			memcpy(&at, ttl, sizeof(at));
			memcpy(&original, ttl + sizeof(at), sizeof(original));
			at = (uint16_t)(at - from + to);
			memcpy(offsets, &at, sizeof(at));
			offsets += sizeof(at);
			fl_store_u32(body + at, original); /* the list's word counts */
		}
		from += length;
		to += goes ? length : 0;
		e->count[part / 2] =
			(uint16_t)(e->count[part / 2] + (goes ? r->h.count[part] : 0));
	}
}

/* Room for an entry of @p e's size, which @p e is copied to; NULL: not now. */
static struct entry *add(struct fl_ready *t, const struct entry *e, uint64_t now_boot_ns)
{
	if (!make_room(t, e->units, now_boot_ns)) {
		return NULL;
	}
	struct bucket *b = bucket_of(t, e->hash);
	const unsigned slot = free_slot(t, b);
	b->tag[slot] = tag_of(e->hash, e->shape);
	b->place[slot] = t->head;
	t->head += e->units;
	t->entries++;
	t->living_units += e->units;
	struct entry *to = entry_at(t, b->place[slot]);
	*to = *e;
	return to;
}

void fl_ready_put(struct fl_ready *t, const struct fl_cache_key *key, unsigned shape,
		  uint32_t generation, uint32_t epoch, uint64_t now_boot_ns,
		  const struct fl_record *r, uint32_t age_s)
{
	if (t->units == 0 || !is_wanted(&r->h, age_s)) {
		return;
	}
	struct entry *old = find(t, key, shape);
	if (old != NULL) {
		forget(t, old);
	}
	const struct fl__record_cut cut = fl__record_cut(&r->h, shape);
	const unsigned n_ttls = count_ttls(&r->h, cut.step);
	const size_t body = cut.sections + cut.extra;
	const size_t size = offsetof(struct entry, rest) + ttls_at(key->name_len) +
			    n_ttls * sizeof(uint16_t) + body;
	if (size > ENTRY_MAX) {
		return;
	}
	const uint64_t base = base_of(&r->h, now_boot_ns, age_s);
	const struct entry e = {
		.hash = key->hash,
		.stored_ns = base,
		.expires_ns = base + r->h.ttl_s * FL_S_NS,
		.generation = generation,
		.epoch = epoch,
		.qtype = key->qtype,
		.qclass = key->qclass,
		.flags = cut.flags,
		.body_len = (uint16_t)body,
		.n_ttls = (uint16_t)n_ttls,
		.units = (uint8_t)((size + UNIT - 1) / UNIT),
		.shape = (uint8_t)shape,
		.name_len = key->name_len,
		.rcode = r->h.rcode,
		.living = true,
	};
	struct entry *to = add(t, &e, now_boot_ns);
	if (to != NULL) {
		memcpy(to->rest, key->name, key->name_len);
		put_parts(to, r, cut.step);
	}
}
