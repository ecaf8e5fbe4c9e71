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
};

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

static const struct profile profiles[] = {
	{ "quick",
	  "hits, misses and TCP in under three minutes",
	  MIDDLE,
	  { "cached-1k", "cached-1k-half", "cached-10k", "miss-p256", "tcp" } },
	{ "cached-1k", "1,000 names by Zipf, no EDNS", SMALL, { "cached-1k" } },
	{ "cached-1k-do", "the same with DO", SMALL, { "cached-1k-do" } },
	{ "cached-1k-half",
	  "the same without, at half the saturating rate",
	  SMALL,
	  { "cached-1k-half" } },
	{ "cached-200k", "200,000 questions uniform", LARGE, { "cached-200k" } },
	{ "miss-unsigned", "unique unsigned names", LARGE, { "miss-unsigned" } },
	{ "miss-p256", "unique names signed with P-256", LARGE, { "miss-p256" } },
	{ "miss-rsa", "unique names signed with RSA-2048", LARGE, { "miss-rsa" } },
	{ "tcp", "50 TCP connections, pipelined", SMALL, { "tcp" } },
	{ "hits",
	  "all of hits: 1,000 names without and with DO, at half rate, TCP",
	  SMALL,
	  { "cached-1k", "cached-1k-do", "cached-1k-half", "tcp" } },
	{ "misses", "all of misses", LARGE, { "miss-unsigned", "miss-p256", "miss-rsa" } },
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
