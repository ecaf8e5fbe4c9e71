/**
 * @file
 * Running a case: every server on the same load, in turns.
 */
#ifndef FAIRLEAD_BENCH_RUN_H
#define FAIRLEAD_BENCH_RUN_H

#include "figures/spread.h"
#include "link/relay.h"
#include "profile.h"
#include "say.h"
#include "servers/counters.h"
#include "servers/server.h"

/** One run of one server. */
struct run {
	uint64_t answered;
	uint64_t lost;
	uint64_t failed;
	uint64_t judged;
	uint64_t rcode[RCODES];
	double seconds;
	double rate;
	double asked_rate; /* open loop; 0 where the server sets the pace */
	double cpu_ns;     /* an answer */
	double busy;       /* of its processor: 1 is saturated */
	double octets;     /* an answer */
	double lag_ms;     /* the longest of the sender */
	uint64_t sent;
	uint64_t handshakes; /* TCP */
	bool kept_pace;
	bool same_processes;
	struct histogram latency;
	unsigned second_count;
	uint32_t by_second[SECONDS_MAX][RCODES];
	uint32_t lost_by_second[SECONDS_MAX];
};

enum standing {
	STANDING_WELL,
	STANDING_WRONG,   /* contradicted the zone data: no figures */
	STANDING_FAILING, /* over 1 % of answers lost, SERVFAIL or REFUSED: no figures */
	STANDING_ABSENT,  /* could not be started */
};

/** What trials found, a value each. */
struct found {
	double value[RUNS_MAX];
	size_t count;
};

/** What one server did in one case. */
struct outcome {
	const struct server *server;
	enum standing standing;
	char fault[FAULTS_KEPT][FAULT_MAX]; /* what it was wrong about */
	unsigned faults;
	uint64_t wrong;
	uint64_t judged;
	struct run *runs;
	size_t run_count;
	struct usage usage; /* after the last run */
	struct found found[FIGURES];
	struct counted counted; /* Fairlead's own, after the last run */
};

struct case_outcome {
	const struct bench_case *bench_case;
	size_t questions; /* distinct ones */
	struct outcome server[SERVERS_MAX];
	size_t server_count;
	bool complete;
};

struct bench {
	bool barred; /* only servers that a case's bars name */
	struct surroundings around;
	const struct kind *kinds[SERVERS_MAX];
	size_t kind_count;
	unsigned runs;
	unsigned time_s; /* of a run, 0: the case's own */
	unsigned most_s; /* no run begins later than this after the first; 0: no end */
	unsigned check_every;
	unsigned sender_cpu;
	const char *capture; /* a file to replay, or NULL */
	struct link link;    /* the way to the name servers */
	struct progress progress;
	const volatile sig_atomic_t *stop;
};

/** Run it, with figures in @p out. False after a report, or when stopped. */
bool case_run(struct bench *b, const struct bench_case *c, struct server *servers,
	      struct case_outcome *out);
void case_free(struct case_outcome *out);
/** How long it is planned to take. */
double case_planned_s(const struct bench *b, const struct bench_case *c);
/** Whether a server takes part in a case. */
bool case_has(const struct bench *b, const struct bench_case *c, const struct kind *k);
/** A figure of all runs that kept their pace. */
struct spread outcome_spread(const struct outcome *o, double (*figure)(const struct run *));

double run_cpu_us(const struct run *r);
double run_rate(const struct run *r);
double run_busy(const struct run *r);

#endif
