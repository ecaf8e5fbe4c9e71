#include "recall.h"

#include "fairlead/base/clock.h"

#include <stddef.h>

static struct fl__recall_slot *slot_of(struct fl__recall *r, uint64_t question)
{
	return &r->slot[question % FL__RECALL_SLOTS];
}

void fl__recall_put(struct fl__recall *r, uint64_t question, uint64_t now_ns,
		    enum fl_reason reason, const struct fl__reason_text *text)
{
	*slot_of(r, question) =
		(struct fl__recall_slot){ .question = question,
					  .until_ns = now_ns + FL__RECALL_S * FL_S_NS,
					  .reason = reason,
					  .text = *text };
}

const struct fl__recall_slot *fl__recall_peek(const struct fl__recall *r, uint64_t question,
					      uint64_t now_ns)
{
	const struct fl__recall_slot *s = &r->slot[question % FL__RECALL_SLOTS];
	if (s->question != question || s->until_ns <= now_ns) {
		return NULL;
	}
	return s;
}

void fl__recall_drop(struct fl__recall *r, uint64_t question)
{
	struct fl__recall_slot *s = slot_of(r, question);
	if (s->question == question) {
		s->until_ns = 0;
	}
}
