/**
 * @file
 * Is this answer the zone's? Judged with ldns, from the zone data alone.
 */
#ifndef FAIRLEAD_BENCH_ANSWER_H
#define FAIRLEAD_BENCH_ANSWER_H

#include "check/catalogue.h"

enum { WHY_MAX = 320 };

/** A question as it was asked. */
struct asked {
	const struct entry *entry; /* whose zone it lies in, when the name is made up */
	bool made_up;              /* a name that does not exist: NXDOMAIN is right */
	bool dnssec;               /* DO was set */
};

enum judgement {
	ANSWER_RIGHT,
	ANSWER_FAILED, /* SERVFAIL or REFUSED: honest, but of no use */
	ANSWER_WRONG,  /* contradicts the zone */
};

/**
 * Judge one message.
 *
 * Right is: the question repeated, RA, the RCODE that the zone gives, no TC, in
 * the answer section the zone's records of the type and no others, each TTL at
 * most the zone's, with DO their signatures octet for octet and without DO none,
 * AD with DO exactly where the chain is secure (RFC 6840 5.8; a denial in an
 * opt-out span may go either way, RFC 5155 9.2), never AD where it is not.
 * @p why says what is wrong with any other.
 */
enum judgement answer_judge(const struct catalogue *c, const struct asked *q,
			    const uint8_t *message, size_t len, char why[static WHY_MAX]);

#endif
