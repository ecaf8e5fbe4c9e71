/**
 * @file
 * One load on one server: what to send, and what came of it.
 */
#ifndef FAIRLEAD_BENCH_LOAD_H
#define FAIRLEAD_BENCH_LOAD_H

#include "check/answer.h"
#include "load/histogram.h"
#include "load/mix.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	RCODES = 16,
	SECONDS_MAX = 600,
	FAULTS_KEPT = 8,
	FAULT_MAX = WHY_MAX + 340,
	LAG_LATE_NS = 10 * 1000 * 1000,   /* a question later than this was late */
	LAG_VOID_NS = 1000 * 1000 * 1000, /* one later than this voids the run */
	LAG_VOID_SHARE = 10,              /* thousandths of questions late: as well */
};

enum pace {
	PACE_CLOSED, /* a fixed number outstanding: as fast as the server goes */
	PACE_OPEN,   /* by the clock, whatever the server does */
};

struct load_plan {
	struct mix *mix;
	struct sockaddr_in server;
	bool tcp;
	bool burst;       /* UDP: in trains (burst.h) */
	unsigned churn;   /* TCP: a connection ends after so many answers; 0: never */
	uint64_t idle_ns; /* TCP: between a connection's end and the next in its place */
	enum pace pace;
	double rate;          /* PACE_OPEN: questions a second */
	unsigned outstanding; /* PACE_CLOSED */
	unsigned sockets;     /* each of its own source address and port */
	uint64_t settle_ns;   /* before what counts */
	uint64_t time_ns;     /* what counts; ends sooner when the mix is empty */
	uint64_t patience_ns; /* an answer later than this is lost */
	unsigned check_every; /* one answer in so many is judged in full; never 0 */
	bool far;             /* a server of somebody's own: source addresses as they come */
	bool padded;          /* the server only pads: nothing can be judged */
	bool yield;           /* sleep when nothing comes: others need this processor */
	uint8_t *right;       /* entries answered rightly are marked here; or NULL */
	const volatile sig_atomic_t *stop;
	/* called when what counts begins and ends: the accounting */
	void (*mark)(void *context, bool begins);
	void *context;
};

struct load_result {
	uint64_t sent;
	uint64_t answered; /* within the time that counts, as the rest */
	uint64_t lost;
	uint64_t judged;
	uint64_t wrong;
	uint64_t failed; /* SERVFAIL, REFUSED */
	uint64_t strays; /* messages that answer nothing outstanding */
	uint64_t octets; /* of answers */
	uint64_t rcode[RCODES];
	uint64_t elapsed_ns;
	uint64_t lag_max_ns; /* how far the sender fell behind, or stood still */
	uint64_t late;       /* questions sent more than LAG_LATE_NS behind */
	uint64_t handshakes; /* TCP connections made */
	bool reset;          /* a connection was closed by the server */
	char fault[FAULTS_KEPT][FAULT_MAX];
	unsigned faults;
	struct histogram latency;
	unsigned seconds;
	uint32_t by_second[SECONDS_MAX][RCODES];
	uint32_t lost_by_second[SECONDS_MAX];
};

/** Run it. False after a report: sockets could not be had. */
bool load_run(const struct load_plan *p, struct load_result *out);
/** Whether the sender kept its schedule well enough for figures to mean anything. */
bool load_kept_pace(const struct load_result *r);

#endif
