/**
 * @file
 * Which question comes next.
 *
 * The order is drawn before the run, so that choosing costs the sender nothing:
 * a ring of 2^20 picks by Zipf or uniform, or each question once. Made-up names
 * and flags are drawn as they are sent.
 */
#ifndef FAIRLEAD_BENCH_MIX_H
#define FAIRLEAD_BENCH_MIX_H

#include "check/catalogue.h"
#include "load/replay.h"

enum {
	QUERY_MAX = 12 + NAME_WIRE_MAX + 4 + 11 + 12, /* header, question, OPT, COOKIE */
	SHARE_ALL = 1000,                             /* shares are in thousandths */
};

enum order {
	ORDER_ZIPF, /* the n-th name in proportion to 1/n */
	ORDER_UNIFORM,
	ORDER_ONCE, /* each one time, then the mix is empty */
	/* the first `hot` by Zipf, and in between the others, each one time */
	ORDER_SWEEP,
	ORDER_REPLAY, /* as captured, with its times */
};

struct mix_options {
	enum order order;
	unsigned dnssec_share;  /* with an OPT record and DO */
	unsigned cookie_share;  /* with an OPT record and a client cookie (RFC 7873) */
	unsigned nothing_share; /* names made up in any zone: NXDOMAIN */
	unsigned flood_share;   /* names made up in one zone: a random-subdomain flood */
	size_t hot;             /* ORDER_SWEEP: so many are cached */
	unsigned miss_share;    /* ORDER_SWEEP: of those that are not */
	unsigned part;          /* ORDER_SWEEP: of so many parts the others are cut into this */
	unsigned parts;         /* is the one to use: a run's misses are no other run's */
	const struct replay *replay; /* ORDER_REPLAY */
	uint64_t seed;
};

struct mix {
	const struct catalogue *catalogue;
	struct mix_options options;
	uint32_t *ring;
	size_t ring_len;
	size_t at;
	uint64_t state;
};

/** One question, as it stands in the sender's table until its answer comes. */
struct pick {
	uint32_t entry;
	uint32_t unique; /* what the made-up label is made of; 0: the entry as it is */
	bool dnssec;
	bool cookie;
};

/** Draw the order. @p skip, where not NULL, leaves out entries whose octet is not 0
 * (ORDER_ONCE only). */
bool mix_init(struct mix *m, const struct catalogue *c, const struct mix_options *o,
	      const uint8_t *skip);
void mix_fini(struct mix *m);
/** ORDER_SWEEP: how many of so many questions are the cached ones; at most half. */
size_t mix_hot(const struct mix_options *o, size_t count);
/** ORDER_REPLAY: the event that comes next; NULL: none. Else NULL. */
const struct event *mix_event(const struct mix *m);
/** The next question; false when there is none left. */
bool mix_next(struct mix *m, struct pick *out);
/** Its message, with @p id. Gives its length. */
size_t mix_write(const struct mix *m, const struct pick *p, uint16_t id,
		 uint8_t out[static QUERY_MAX]);
/** The size that the zone's answer has, for a server that only pads. */
size_t mix_answer_octets(const struct mix *m, const struct pick *p);

#endif
