#include "profile.h"

#include <stddef.h>
#include <string.h>

enum {
	HOUR_S = 3600, /* a shorter TTL would end within the measuring */
	SEED = 20261124,
	P256 = 13, /* RFC 6605 */
	HIT_OUTSTANDING = 512,
	MISS_OUTSTANDING = 300,
	PORTS = 8,
	TCP_CONNECTIONS = 50,
	TCP_OUTSTANDING = TCP_CONNECTIONS * 20,
	CLIENTS = 2000,
	REPLAY_PORTS = 512,
	HOT = 1000, /* of a sweep: names that are cached */
	CHURN_ANSWERS = 10,
	CHURN_IDLE_NS = 1000 * 1000,
	SATURATED_RATE = 20000, /* of hits; what a front does besides is misses */
};

/* Bars: see README.md, "The hot path". */
#define CPU_BAR(against_, most_)                                               \
	{                                                                      \
		.figure = FIGURE_CPU, .against = (against_), .value = (most_), \
	}

/* A sweep has a case for each share; what is not cached is asked once. */
#define SWEEP(name_, share_, miss_)                                             \
	{                                                                       \
		.name = (name_),                                                \
		.text = "1,000 cached names by Zipf, DO, of which " share_      \
			" are hits; the others are asked for once",             \
		TAKE(ALGORITHM_ANY, 0),                                         \
		.mix = { .order = ORDER_SWEEP,                                  \
			 .hot = HOT,                                            \
			 .miss_share = (miss_),                                 \
			 .dnssec_share = SHARE_ALL,                             \
			 .parts = 1,                                            \
			 .seed = SEED },                                        \
		.outstanding = MISS_OUTSTANDING, .sockets = PORTS, .time_s = 1, \
	}

#define TAKE(algorithm_, most_)                   \
	.selection = { .algorithm = (algorithm_), \
		       .aaaa = (most_) != 1000,   \
		       .ttl_min_s = HOUR_S,       \
		       .most = (most_),           \
		       .seed = SEED }

static const struct bench_case cases[] = {
	{ .name = "cached-1k",
	  .text = "1,000 cached names by Zipf, no EDNS",
	  TAKE(ALGORITHM_ANY, 1000),
	  .mix = { .order = ORDER_ZIPF, .seed = SEED },
	  .outstanding = HIT_OUTSTANDING,
	  .sockets = PORTS,
	  .time_s = 3,
	  .bars = { CPU_BAR("echo", 1.12), CPU_BAR("dnsdist", 0.90),
		    CPU_BAR(BEST_PEER, 0.80) } },
	{ .name = "cached-1k-do",
	  .text = "1,000 cached names by Zipf, DO",
	  TAKE(ALGORITHM_ANY, 1000),
	  .mix = { .order = ORDER_ZIPF, .dnssec_share = SHARE_ALL, .seed = SEED },
	  .outstanding = HIT_OUTSTANDING,
	  .sockets = PORTS,
	  .time_s = 3,
	  .bars = { CPU_BAR("echo", 1.12), CPU_BAR("dnsdist", 0.90),
		    CPU_BAR(BEST_PEER, 0.80) } },
	{ .name = "cached-1k-half",
	  .text = "1,000 cached names by Zipf, no EDNS, at half of each server's own "
		  "saturating rate",
	  TAKE(ALGORITHM_ANY, 1000),
	  .mix = { .order = ORDER_ZIPF, .seed = SEED },
	  .half = true,
	  .outstanding = HIT_OUTSTANDING,
	  .sockets = PORTS,
	  .time_s = 3,
	  .bars = { CPU_BAR("echo", 1.15) } },
	{ .name = "cached-10k",
	  .text = "10,000 cached questions uniform, no EDNS",
	  TAKE(ALGORITHM_ANY, 10000),
	  .mix = { .order = ORDER_UNIFORM, .seed = SEED },
	  .outstanding = HIT_OUTSTANDING,
	  .sockets = PORTS,
	  .time_s = 3 },
	{ .name = "cached-200k",
	  .text = "200,000 cached questions uniform, no EDNS",
	  TAKE(ALGORITHM_ANY, 200000),
	  .mix = { .order = ORDER_UNIFORM, .seed = SEED },
	  .outstanding = HIT_OUTSTANDING,
	  .sockets = PORTS,
	  .time_s = 4,
	  .bars = { CPU_BAR("echo", 1.20) } },
	{ .name = "cached-2m",
	  .text = "2,000,000 cached names uniform, no EDNS; they lie below wildcards, and no "
		  "cache is told",
	  .selection = { .wild = 2000000, .seed = SEED },
	  .mix = { .order = ORDER_UNIFORM, .seed = SEED },
	  .outstanding = HIT_OUTSTANDING,
	  .sockets = PORTS,
	  .time_s = 4,
	  .bars = { CPU_BAR("echo", 1.60) } },
	{ .name = "cached-1m",
	  .text = "1,000,000 cached names uniform, no EDNS; memory, then restarts",
	  .selection = { .wild = 1000000, .seed = SEED },
	  .mix = { .order = ORDER_UNIFORM, .seed = SEED },
	  .trial = TRIAL_RESTART,
	  .outstanding = HIT_OUTSTANDING,
	  .sockets = PORTS,
	  .time_s = 3,
	  .bars = { { FIGURE_PSS, "unbound", 0.80, false },
		    { FIGURE_FIRST_ANSWER_MS, NULL, 100, false },
		    { FIGURE_HIT_PERCENT, NULL, 99, true } } },
	{ .name = "one-peer",
	  .text = "1,000 cached names by Zipf, no EDNS, all from one address and port, each "
		  "question a packet",
	  TAKE(ALGORITHM_ANY, 1000),
	  .mix = { .order = ORDER_ZIPF, .seed = SEED },
	  .outstanding = HIT_OUTSTANDING,
	  .sockets = 1,
	  .time_s = 3,
	  .bars = { CPU_BAR("echo", 0.50) } },
	{ .name = "one-peer-trains",
	  .text = "the same in trains: questions of one length in one message (UDP_SEGMENT), "
		  "answers received merged (UDP_GRO)",
	  TAKE(ALGORITHM_ANY, 1000),
	  .mix = { .order = ORDER_ZIPF, .seed = SEED },
	  .burst = true,
	  .outstanding = HIT_OUTSTANDING,
	  .sockets = 1,
	  .time_s = 3,
	  .bars = { CPU_BAR("echo", 0.50) } },
	{ .name = "saturated",
	  .text = "1,000 cached names by Zipf, no EDNS, 20,000 a second, while 300 questions "
		  "that no cache holds are always outstanding; the front alone on its core",
	  TAKE(ALGORITHM_ANY, 1000),
	  .mix = { .order = ORDER_ZIPF, .seed = SEED },
	  .trial = TRIAL_SATURATED,
	  .rate = SATURATED_RATE,
	  .outstanding = HIT_OUTSTANDING,
	  .sockets = PORTS,
	  .time_s = 3,
	  .bars = { { FIGURE_LOST, NULL, 0, false }, { FIGURE_STALLS, NULL, 0, false } } },
	{ .name = "miss-unsigned",
	  .text = "unsigned names, each asked once of a server that knows their zones only",
	  TAKE(0, 20000),
	  .mix = { .order = ORDER_ONCE, .dnssec_share = SHARE_ALL, .seed = SEED },
	  .cold = true,
	  .outstanding = MISS_OUTSTANDING,
	  .sockets = PORTS,
	  .time_s = 10,
	  .bars = { CPU_BAR("unbound", 1.20) } },
	{ .name = "miss-p256",
	  .text = "names with one P-256 signature each, asked once",
	  TAKE(P256, 20000),
	  .mix = { .order = ORDER_ONCE, .dnssec_share = SHARE_ALL, .seed = SEED },
	  .cold = true,
	  .outstanding = MISS_OUTSTANDING,
	  .sockets = PORTS,
	  .time_s = 10,
	  .bars = { CPU_BAR("unbound", 1.30) } },
	{ .name = "miss-rsa",
	  .text = "names with one RSA-2048 signature each, asked once",
	  TAKE(ALGORITHM_RSA, 20000),
	  .mix = { .order = ORDER_ONCE, .dnssec_share = SHARE_ALL, .seed = SEED },
	  .cold = true,
	  .outstanding = MISS_OUTSTANDING,
	  .sockets = PORTS,
	  .time_s = 10,
	  .bars = { CPU_BAR("unbound", 0.95) } },
	{ .name = "cookies",
	  .text = "1,000 cached names by Zipf, each question with a client cookie",
	  TAKE(ALGORITHM_ANY, 1000),
	  .mix = { .order = ORDER_ZIPF, .cookie_share = SHARE_ALL, .seed = SEED },
	  .outstanding = HIT_OUTSTANDING,
	  .sockets = PORTS,
	  .time_s = 3 },
	{ .name = "clients-2000",
	  .text = "1,000 cached names by Zipf, from 2,000 addresses and ports",
	  TAKE(ALGORITHM_ANY, 1000),
	  .mix = { .order = ORDER_ZIPF, .seed = SEED },
	  .outstanding = CLIENTS,
	  .sockets = CLIENTS,
	  .time_s = 3,
	  .bars = { CPU_BAR("echo", 1.12) } },
	{ .name = "nxdomain",
	  .text = "1,000 cached names by Zipf, no EDNS; of ten questions one for a name that "
		  "does "
		  "not exist",
	  TAKE(ALGORITHM_ANY, 1000),
	  .mix = { .order = ORDER_ZIPF, .nothing_share = SHARE_ALL / 10, .seed = SEED },
	  .outstanding = MISS_OUTSTANDING,
	  .sockets = PORTS,
	  .time_s = 3 },
	{ .name = "flood",
	  .text = "1,000 cached names by Zipf, no EDNS; half of the questions for random names "
		  "below "
		  "one zone",
	  TAKE(ALGORITHM_ANY, 1000),
	  .mix = { .order = ORDER_ZIPF, .flood_share = SHARE_ALL / 2, .seed = SEED },
	  .outstanding = MISS_OUTSTANDING,
	  .sockets = PORTS,
	  .time_s = 3 },
	SWEEP("sweep-50", "50 %", 500),
	SWEEP("sweep-80", "80 %", 200),
	SWEEP("sweep-90", "90 %", 100),
	SWEEP("sweep-95", "95 %", 50),
	SWEEP("sweep-99", "99 %", 10),
	{ .name = "ramp",
	  .text = "1,000 cached names by Zipf, no EDNS, at the highest rate with 99 % answered "
		  "and p99 under 10 ms",
	  TAKE(ALGORITHM_ANY, 1000),
	  .mix = { .order = ORDER_ZIPF, .seed = SEED },
	  .ramp = true,
	  .outstanding = HIT_OUTSTANDING,
	  .sockets = PORTS,
	  .time_s = 1 },
	{ .name = "tcp-churn",
	  .text = "1,000 cached names by Zipf, DO, on 50 TCP connections that end after 10 "
		  "answers and begin anew 1 ms later",
	  TAKE(ALGORITHM_ANY, 1000),
	  .mix = { .order = ORDER_ZIPF, .dnssec_share = SHARE_ALL, .seed = SEED },
	  .tcp = true,
	  .churn = CHURN_ANSWERS,
	  .idle_ns = CHURN_IDLE_NS,
	  .outstanding = TCP_CONNECTIONS * CHURN_ANSWERS,
	  .sockets = TCP_CONNECTIONS,
	  .time_s = 3 },
	{ .name = "replay",
	  .text = "a capture, each question at its time and from its client; nothing cached at "
		  "first",
	  TAKE(ALGORITHM_ANY, 0),
	  .mix = { .order = ORDER_REPLAY, .seed = SEED },
	  .cold = true,
	  .outstanding = MISS_OUTSTANDING,
	  .sockets = REPLAY_PORTS,
	  .time_s = 10 },
	{ .name = "tcp",
	  .text = "1,000 cached names by Zipf, DO, on 50 TCP connections, 20 questions "
		  "pipelined on each",
	  TAKE(ALGORITHM_ANY, 1000),
	  .mix = { .order = ORDER_ZIPF, .dnssec_share = SHARE_ALL, .seed = SEED },
	  .tcp = true,
	  .outstanding = TCP_OUTSTANDING,
	  .sockets = TCP_CONNECTIONS,
	  .time_s = 3,
	  .bars = { CPU_BAR(BEST_PEER, 0.85) } },
};

/* Of a zone's names half live an hour or more; each is asked for A and AAAA. */
#define SMALL  .zones = 100, .names = 20
#define MIDDLE .zones = 100, .names = 100
#define LARGE  .zones = 200, .names = 1000
/* A profile of one case has the case's name and text. */
#define ONE(name_, ...)                                             \
	{                                                           \
		.name = (name_), __VA_ARGS__, .cases = { (name_) }, \
	}

static const struct profile profiles[] = {
	{ "quick", "hits, misses and TCP in under three minutes", MIDDLE, .time_s = 1,
	  .most_s = 165, .cases = { "cached-1k", "miss-p256", "tcp" } },
	{ "full", "every kind of load in under twenty minutes", LARGE, .time_s = 1,
	  .most_s = 1170,
	  .cases = { "cached-1k", "cached-1k-do", "cached-1k-half", "cookies", "clients-2000",
		     "nxdomain", "flood", "sweep-50", "sweep-90", "sweep-99", "miss-unsigned",
		     "miss-p256", "miss-rsa", "tcp", "tcp-churn", "cached-200k" } },
	{ .name = "hot-path",
	  .text = "the hot path's bars, met or missed, in about half an hour",
	  LARGE,
	  .runs = 5,
	  .barred = true,
	  .cases = { "cached-1k", "cached-1k-do", "cached-1k-half", "clients-2000",
		     "cached-200k", "cached-2m", "one-peer", "one-peer-trains", "tcp",
		     "saturated", "cached-1m", "miss-unsigned", "miss-p256", "miss-rsa" } },
	{ "hits", "all of hits: 1,000 names without and with DO, at half rate, TCP", SMALL,
	  .cases = { "cached-1k", "cached-1k-do", "cached-1k-half", "tcp" } },
	{ "misses", "all of misses", LARGE,
	  .cases = { "miss-unsigned", "miss-p256", "miss-rsa" } },
	{ "sweep", "hit ratios from 50 to 99 %", LARGE,
	  .cases = { "sweep-50", "sweep-80", "sweep-90", "sweep-95", "sweep-99" } },
	{ "size", "what this box carries (fairlead-bench size)", MIDDLE, .time_s = 1,
	  .most_s = 120, .cases = { "cached-1k", "cached-10k", "sweep-90", "sweep-50" } },
	ONE("cached-1k", SMALL),
	ONE("cached-1k-do", SMALL),
	ONE("cached-1k-half", SMALL),
	ONE("cached-10k", MIDDLE),
	ONE("cached-200k", LARGE),
	ONE("cached-2m", LARGE, .barred = true),
	ONE("cached-1m", LARGE, .barred = true),
	ONE("one-peer", SMALL),
	ONE("one-peer-trains", SMALL),
	ONE("saturated", LARGE, .barred = true),
	ONE("cookies", SMALL),
	ONE("clients-2000", SMALL),
	ONE("nxdomain", SMALL),
	ONE("flood", SMALL),
	ONE("miss-unsigned", LARGE),
	ONE("miss-p256", LARGE),
	ONE("miss-rsa", LARGE),
	ONE("ramp", SMALL),
	ONE("replay", SMALL),
	ONE("tcp", SMALL),
	ONE("tcp-churn", SMALL),
	{ .name = NULL },
};

const struct profile *profiles_all(void)
{
	return profiles;
}

const struct profile *profile_find(const char *name)
{
	for (const struct profile *p = profiles; p->name != NULL; p++) {
		if (strcmp(p->name, name) == 0) {
			return p;
		}
	}
	return NULL;
}

const struct bench_case *case_find(const char *name)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(cases[i].name, name) == 0) {
			return &cases[i];
		}
	}
	return NULL;
}

/* "At most 0 lost" is a bar; what has neither figure, peer nor value is the end. */
unsigned case_bars(const struct bench_case *c)
{
	unsigned n = 0;
	while (n < BARS_MAX &&
	       (c->bars[n].against != NULL || c->bars[n].figure != FIGURE_CPU)) {
		n++;
	}
	return n;
}
