/**
 * @file
 * What is measured: a profile is a world and the cases that are run in it.
 */
#ifndef FAIRLEAD_BENCH_PROFILE_H
#define FAIRLEAD_BENCH_PROFILE_H

#include "load/load.h"

enum { CASES_MAX = 20 };

struct bench_case {
	const char *name;
	const char *text;
	struct selection selection;
	struct mix_options mix;
	bool tcp;
	bool cold;        /* started anew for each run, each question asked once */
	bool half;        /* at half the rate that saturates */
	bool ramp;        /* at the highest rate that is served well */
	unsigned churn;   /* TCP: answers that a connection lives for; 0: it stays */
	uint64_t idle_ns; /* TCP: from its end to the next */
	unsigned outstanding;
	unsigned sockets;
	unsigned time_s; /* of one run; a cold one ends when all are asked */
};

struct profile {
	const char *name;
	const char *text;
	unsigned zones; /* of the miniature Internet */
	unsigned names;
	unsigned time_s; /* of each run, where it is not the case's own */
	unsigned most_s; /* no run begins later than this; 0: no end */
	const char *cases[CASES_MAX];
};

/** Ended by one without a name. */
const struct profile *profiles_all(void);
const struct profile *profile_find(const char *name);
const struct bench_case *case_find(const char *name);

#endif
