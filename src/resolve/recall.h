/**
 * @file
 * Why a question failed the first time.
 *
 * libunbound keeps a failure for some seconds and then only says that it is
 * cached. This small table keeps the reason that came first, so that whoever
 * asks again learns it too. One slot a hash, the newer failure wins.
 */
#ifndef FL_RESOLVE_RECALL_H
#define FL_RESOLVE_RECALL_H

#include "reasons.h"

#include <stdint.h>

enum {
	FL__RECALL_SLOTS = 1024, /* a power of two */
	FL__RECALL_S = 60
};

struct fl__recall {
	struct fl__recall_slot {
		uint64_t question; /* keyed hash of name and type */
		uint64_t until_ns; /* boot clock; 0: empty */
		enum fl_reason reason;
		struct fl__reason_text text;
	} slot[FL__RECALL_SLOTS];
};

void fl__recall_put(struct fl__recall *r, uint64_t question, uint64_t now_ns,
		    enum fl_reason reason, const struct fl__reason_text *text);

/** NULL when the question is not known to have failed. */
const struct fl__recall_slot *fl__recall_peek(const struct fl__recall *r, uint64_t question,
					      uint64_t now_ns);

/** It was answered. */
void fl__recall_drop(struct fl__recall *r, uint64_t question);

#endif
