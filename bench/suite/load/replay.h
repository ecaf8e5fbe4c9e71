/**
 * @file
 * The questions of a capture file, each at its time and from its client.
 *
 * Names that the miniature Internet has are judged by its zones. Of all others it is
 * known only what was asked: their answers must repeat the question.
 */
#ifndef FAIRLEAD_BENCH_REPLAY_H
#define FAIRLEAD_BENCH_REPLAY_H

#include "check/catalogue.h"

enum {
	EVENTS_MOST = 1000000,
	REPLAY_MOST_S = 300, /* what comes later in the file is left out */
};

struct event {
	uint64_t at_ns; /* from the first question on */
	uint32_t entry; /* of the catalogue */
	uint32_t client;
	bool dnssec;
	bool cookie;
};

struct replay {
	struct event *events;
	size_t count;
	size_t unknown; /* of them: to names that the zones do not have */
	size_t skipped; /* packets that are no question over UDP */
};

/** Read a PCAP file. Names that @p c does not have are added to it, as unknown. False
 * after a report. */
bool replay_read(const char *path, struct catalogue *c, struct replay *out);
void replay_free(struct replay *r);

#endif
