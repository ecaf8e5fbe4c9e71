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
};

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
	  .time_s = 3 },
	{ .name = "cached-1k-do",
	  .text = "1,000 cached names by Zipf, DO",
	  TAKE(ALGORITHM_ANY, 1000),
	  .mix = { .order = ORDER_ZIPF, .dnssec_share = SHARE_ALL, .seed = SEED },
	  .outstanding = HIT_OUTSTANDING,
	  .sockets = PORTS,
	  .time_s = 3 },
	{ .name = "cached-1k-half",
	  .text = "1,000 cached names by Zipf, no EDNS, at half of each server's own "
		  "saturating rate",
	  TAKE(ALGORITHM_ANY, 1000),
	  .mix = { .order = ORDER_ZIPF, .seed = SEED },
	  .half = true,
	  .outstanding = HIT_OUTSTANDING,
	  .sockets = PORTS,
	  .time_s = 3 },
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
	  .time_s = 4 },
	{ .name = "miss-unsigned",
	  .text = "unsigned names, each asked once of a server that knows their zones only",
	  TAKE(0, 20000),
	  .mix = { .order = ORDER_ONCE, .dnssec_share = SHARE_ALL, .seed = SEED },
	  .cold = true,
	  .outstanding = MISS_OUTSTANDING,
	  .sockets = PORTS,
	  .time_s = 10 },
	{ .name = "miss-p256",
	  .text = "names with one P-256 signature each, asked once",
	  TAKE(P256, 20000),
	  .mix = { .order = ORDER_ONCE, .dnssec_share = SHARE_ALL, .seed = SEED },
	  .cold = true,
	  .outstanding = MISS_OUTSTANDING,
	  .sockets = PORTS,
	  .time_s = 10 },
	{ .name = "miss-rsa",
	  .text = "names with one RSA-2048 signature each, asked once",
	  TAKE(ALGORITHM_RSA, 20000),
	  .mix = { .order = ORDER_ONCE, .dnssec_share = SHARE_ALL, .seed = SEED },
	  .cold = true,
	  .outstanding = MISS_OUTSTANDING,
	  .sockets = PORTS,
	  .time_s = 10 },
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
	  .time_s = 3 },
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
	  .time_s = 3 },
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
