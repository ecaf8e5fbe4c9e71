/**
 * @file
 * What an answer counts as: shared by the senders of each transport.
 */
#ifndef FAIRLEAD_BENCH_TALLY_H
#define FAIRLEAD_BENCH_TALLY_H

#include "load/load.h"

/** A question on its way. */
struct flight {
	uint64_t due_ns; /* when it was sent, or (PACE_OPEN) should have been */
	struct pick pick;
	uint8_t round; /* tells a late answer to an earlier question in this slot */
	bool busy;
};

struct tally {
	const struct load_plan *plan;
	struct load_result *result;
	uint64_t begin_ns; /* of what counts */
	uint64_t end_ns;
	uint64_t ticked_ns;
	bool counting;
	unsigned until_check;
	uint64_t chance; /* state of what draws the sample */
};

void tally_init(struct tally *t, const struct load_plan *p, struct load_result *r);
/** Start or end what counts, once the time has come. True while sending goes on. */
bool tally_tick(struct tally *t, uint64_t now);
/** The mix is empty, or the run was stopped: what counts ends here. */
void tally_end(struct tally *t, uint64_t now);
void tally_answer(struct tally *t, const struct flight *f, const uint8_t *message, size_t len,
		  uint64_t now);
void tally_lost(struct tally *t, const struct flight *f);
void tally_sent(struct tally *t, uint64_t due_ns, uint64_t now);

#endif
