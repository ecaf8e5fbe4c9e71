/**
 * @file
 * What is measured: a profile is a world and the cases that are run in it.
 */
#ifndef FAIRLEAD_BENCH_PROFILE_H
#define FAIRLEAD_BENCH_PROFILE_H

#include "load/load.h"

enum {
	CASES_MAX = 20,
	BARS_MAX = 4,
};

/** What Fairlead is judged by. */
enum figure {
	FIGURE_CPU,             /* an answer, us */
	FIGURE_PSS,             /* of all processes, MiB */
	FIGURE_FIRST_ANSWER_MS, /* from a restart with what is cached */
	FIGURE_HIT_PERCENT,     /* of the second that begins half a second after it */
	FIGURE_LOST,            /* cached answers */
	FIGURE_STALLS,          /* turns of a front's loop of over 2 ms of its own */
	FIGURES,
};

/** Against the best validating peer. */
#define BEST_PEER "best peer"

/** At most so many times another server's figure, or at most or least so much. */
struct bar {
	enum figure figure;
	const char *against; /* a server, BEST_PEER, or NULL: the figure itself */
	double value;
	bool least;
};

/** What is done beside the load. */
enum trial {
	TRIAL_NONE,
	TRIAL_RESTART,   /* after the runs, Fairlead is started again with its cache */
	TRIAL_SATURATED, /* meanwhile others ask for what no cache holds */
};

struct bench_case {
	const char *name;
	const char *text;
	struct selection selection;
	struct mix_options mix;
	bool tcp;
	bool cold;  /* started anew for each run, each question asked once */
	bool half;  /* at half the rate that saturates */
	bool burst; /* UDP: questions leave in trains, as from a balancer (load.h) */
	enum trial trial;
	double rate;               /* questions a second by the clock; 0: as fast as it goes */
	struct bar bars[BARS_MAX]; /* case_bars() of them */
	bool ramp;                 /* at the highest rate that is served well */
	unsigned churn;            /* TCP: answers that a connection lives for; 0: it stays */
	uint64_t idle_ns;          /* TCP: from its end to the next */
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
	unsigned runs;   /* 0: the usual */
	bool barred;     /* only servers that a case's bars name */
	const char *cases[CASES_MAX];
};

/** Ended by one without a name. */
const struct profile *profiles_all(void);
const struct profile *profile_find(const char *name);
const struct bench_case *case_find(const char *name);
/** How many bars a case has. */
unsigned case_bars(const struct bench_case *c);

#endif
