#include "fairlead/wire/verdict.h"

#include <assert.h>

struct reason {
	enum fl_rcode rcode;
	uint16_t ede;
	const char *counter;
	const char *text;
};

static const struct reason reasons[FL_REASON_COUNT] = {
#define X(name, rcode, ede, counter, text) \
	[FL_REASON_##name] = { FL_RCODE_##rcode, ede, counter, text },
	FL_REASONS(X)
#undef X
};

static const struct reason *reason_of(enum fl_reason r)
{
	assert((unsigned)r <
	       FL_REASON_COUNT); /* roles check a foreign number before using it */
	return &reasons[r];
}

uint16_t fl_reason_ede(enum fl_reason r)
{
	return reason_of(r)->ede;
}

enum fl_rcode fl_reason_rcode(enum fl_reason r)
{
	return reason_of(r)->rcode;
}

const char *fl_reason_text(enum fl_reason r)
{
	return reason_of(r)->text;
}

const char *fl_reason_counter(enum fl_reason r)
{
	return reason_of(r)->counter;
}

const char *fl_verdict_text(enum fl_verdict v)
{
	static const char *const texts[FL_VERDICT_COUNT] = {
		[FL_VERDICT_INSECURE] = "insecure",
		[FL_VERDICT_SECURE] = "secure",
		[FL_VERDICT_BOGUS] = "bogus",
		[FL_VERDICT_FAILED] = "failed",
	};
	assert((unsigned)v < FL_VERDICT_COUNT);
	return texts[v];
}
