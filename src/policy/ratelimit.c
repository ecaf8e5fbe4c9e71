#include "fairlead/policy/ratelimit.h"

#include "fairlead/base/clock.h"
#include "fairlead/policy/access.h"

#include <stdlib.h>
#include <string.h>

/*
 * A bucket is kept as the moment when it will be full again ("debt until"): an
 * answer moves it on by the time that one token takes to come, and there is room
 * while it lies less than BURST ahead. One number, right without any timer.
 *
 * Buckets live in sets of four, a cache line each, found by a keyed hash. A prefix
 * that is new to a full set takes the place of the one with the least debt, and
 * takes that debt over. So what a set lets pass is bounded by the rate of four
 * buckets, however many prefixes meet in it: a flood of addresses that come once
 * can push out those who asked little, but cannot make a heavy one's debt forgotten.
 */
enum {
	WAYS = 4,
	LINE = 64 /* octets of a cache line */
};

#define BURST_NS FL_S_NS

struct bucket {
	uint64_t full_ns; /* boot clock; at or before now: full */
	uint32_t tag;     /* bits of the hash that did not choose the set */
	uint32_t refused; /* counts, for every second to slip */
};

struct set {
	struct bucket way[WAYS];
};

_Static_assert(sizeof(struct set) == LINE, "a set is a cache line");

struct width {
	uint8_t bits;
	uint8_t times; /* tokens, as a multiple of the narrowest prefix's */
};

/* Widest first: where it is empty the narrower ones are left alone. */
static const struct width widths_v4[] = { { 24, 32 }, { 32, 1 } };
static const struct width widths_v6[] = { { 48, 4 }, { 56, 3 }, { 64, 1 } };

enum { WIDTHS_MAX = 3 };

struct fl_ratelimit {
	struct set *sets;
	uint64_t mask; /* number of sets - 1 */
	uint32_t per_second;
	struct fl_sipkey secret;
	struct fl_access *exempt;
};

/* An address as the limits see it. */
struct client {
	uint64_t top; /* its first 64 bits; IPv4 on top */
	const struct width *widths;
	size_t n;
};

static enum fl_err make_sets(struct fl_ratelimit *r, uint32_t buckets)
{
	if (buckets < WAYS || (buckets & (buckets - 1)) != 0) {
		return FL_EINVALID;
	}
	const size_t octets = (size_t)buckets * sizeof(struct bucket);
	r->sets = aligned_alloc(LINE, octets);
	if (r->sets == NULL) {
		return FL_ENOMEM;
	}
	memset(r->sets, 0, octets); /* touched now, so that a flood finds the memory there */
	r->mask = buckets / WAYS - 1;
	return FL_OK;
}

enum fl_err fl_ratelimit_new(const struct fl_ratelimit_options *o, struct fl_ratelimit **out)
{
	const struct fl_prefix_list none = { NULL, 0 };
	struct fl_ratelimit *r = calloc(1, sizeof(*r));
	if (r == NULL) {
		return FL_ENOMEM;
	}
	r->per_second = o->per_second;
	r->secret = o->secret;
	enum fl_err err = fl_access_new(&o->exempt, &none, &r->exempt);
	if (err == FL_OK && o->per_second != 0) {
		err = make_sets(r, o->buckets);
	}
	if (err != FL_OK) {
		fl_ratelimit_free(r);
		return err;
	}
	*out = r;
	return FL_OK;
}

void fl_ratelimit_free(struct fl_ratelimit *r)
{
	if (r == NULL) {
		return;
	}
	fl_access_free(r->exempt);
	free(r->sets);
	free(r);
}

bool fl_ratelimit_exempt(const struct fl_ratelimit *r, const struct fl_addr *client)
{
	return fl_access_allows(r->exempt, client);
}

static uint64_t load_be(const uint8_t *at, unsigned octets)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < 8; i++) {
		v = v << 8 | (i < octets ? at[i] : 0U);
	}
	return v;
}

static struct client client_of(const struct fl_addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const bool is_mapped = memcmp(a->octets, mapped, sizeof(mapped)) == 0;
	if (a->family == AF_INET || is_mapped) {
		const uint8_t *at = a->family == AF_INET ? a->octets : a->octets + 12;
		return (struct client){ load_be(at, 4), widths_v4, FL_COUNT(widths_v4) };
	}
	return (struct client){ load_be(a->octets, 8), widths_v6, FL_COUNT(widths_v6) };
}

static uint64_t prefix_of(uint64_t top, unsigned bits)
{
	return bits >= 64 ? top : top & ~(UINT64_MAX >> bits);
}

/* The bucket of a prefix; made, with the least debt of its set, if it has none. */
static struct bucket *find(struct fl_ratelimit *r, uint64_t top, struct width w)
{
	/* no width is both families', so the width says the family as well */
	const uint64_t input[2] = { prefix_of(top, w.bits), w.bits };
	const uint64_t h = fl_siphash13(r->secret, input, sizeof(input));
	const uint32_t tag = (uint32_t)(h >> 32);
	struct bucket *way = r->sets[h & r->mask].way;
	struct bucket *least = &way[0];
	for (unsigned i = 0; i < WAYS; i++) {
		if (way[i].tag == tag) {
			return &way[i];
		}
		if (way[i].full_ns < least->full_ns) {
			least = &way[i];
		}
	}
	least->tag = tag;
	return least;
}

/* Time one token takes to come. */
static uint64_t token_ns(const struct fl_ratelimit *r, struct width w)
{
	const uint64_t per_second = (uint64_t)r->per_second * w.times;
	return per_second < FL_S_NS ? FL_S_NS / per_second : 1;
}

/* Forget debt that is paid, and debt that cannot be: only a clock that was set back
 * makes it, and that must not lock a client out. */
static void settle(struct bucket *b, uint64_t now_ns)
{
	if (b->full_ns < now_ns || b->full_ns > now_ns + BURST_NS) {
		b->full_ns = now_ns;
	}
}

enum fl_rate fl_ratelimit_take(struct fl_ratelimit *r, const struct fl_addr *client,
			       uint64_t now_ns)
{
	if (r->per_second == 0) {
		return FL_RATE_PASS;
	}
	const struct client c = client_of(client);
	struct bucket *buckets[WIDTHS_MAX];
	for (size_t i = 0; i < c.n; i++) {
		struct bucket *b = find(r, c.top, c.widths[i]);
		settle(b, now_ns);
		if (b->full_ns + token_ns(r, c.widths[i]) > now_ns + BURST_NS) {
			return b->refused++ % 2 == 0 ? FL_RATE_DROP : FL_RATE_SLIP;
		}
		buckets[i] = b;
	}
	for (size_t i = 0; i < c.n; i++) { /* paid only where all have room */
		buckets[i]->full_ns += token_ns(r, c.widths[i]);
	}
	return FL_RATE_PASS;
}
