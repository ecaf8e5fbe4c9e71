/**
 * @file
 * The miniature Internet as data: its zones, who serves them, what is wrong with
 * them on purpose, and what a validator must make of each.
 *
 * A world is built once from its options and then only read. Names, records and
 * faults follow from the options alone; keys and signatures are fresh each time.
 */
#ifndef FAIRLEAD_INET_WORLD_H
#define FAIRLEAD_INET_WORLD_H

#include <jansson.h>
#include <ldns/ldns.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
	WORLD_ZONES_MAX = 100000,
	WORLD_NAMES_MAX = 10000,
	ZONE_NAME_MAX = 64,
	ADDRESS_MAX = INET6_ADDRSTRLEN,
	UNKNOWN_ALGORITHM = 100,   /* unassigned in IANA's registry of DNSSEC algorithms */
	TOO_MANY_ITERATIONS = 500, /* RFC 9276 3.2: a validator may stop at 100 */
};

/**
 * Addresses come in groups. The first four are each one name server process: were
 * a parent and its child served by one process, its answers would skip the cut
 * between them, and no referral would ever be seen.
 */
enum group {
	GROUP_ROOT,
	GROUP_TLD,
	GROUP_LEAF,   /* second level */
	GROUP_DEEP,   /* third level */
	GROUP_DEAD,   /* nothing listens: the kernel refuses */
	GROUP_SILENT, /* a socket that is never read */
	GROUP_COUNT,
	GROUP_SERVED = GROUP_DEAD, /* groups below this have a name server */
};

/* One address of a group, counted from 1. */
struct place {
	enum group group;
	unsigned number;
};

enum denial { DENIAL_NONE, DENIAL_NSEC, DENIAL_NSEC3, DENIAL_OPTOUT };

enum fault {
	FAULT_NONE,
	FAULT_BAD_SIGNATURE,
	FAULT_EXPIRED,
	FAULT_NOT_YET,
	FAULT_NO_SIGNATURE,
	FAULT_DS_WITHOUT_KEY,
	FAULT_DS_DIGEST,
	FAULT_UNKNOWN_ALGORITHM,
	FAULT_NO_DENIAL,
	FAULT_ITERATIONS,
	FAULT_DEAD,
	FAULT_SILENT,
	FAULT_LAME, /* the servers answer, but do not have the zone */
	FAULT_HALF, /* one of two servers is silent */
};

enum verdict { VERDICT_SECURE, VERDICT_INSECURE, VERDICT_BOGUS, VERDICT_UNREACHABLE };

struct world;
struct zone;
struct content;
typedef void (*content_fn)(struct content *c);

struct zone {
	char name[ZONE_NAME_MAX];  /* with its final dot */
	const struct zone *parent; /* NULL for the root */
	struct place server[2];
	enum group host;       /* the process that loads it, or GROUP_DEAD: none does */
	int algorithm;         /* 0: unsigned */
	bool delegated_signed; /* has a DS in its parent */
	enum denial denial;
	uint16_t iterations;
	uint8_t salt[2];
	uint8_t salt_len;
	enum fault fault;
	enum verdict verdict;
	content_fn content;
	uint64_t random; /* of the seed and the name */
	ldns_key *key;   /* signs everything, or the DNSKEY set where there is a zsk */
	ldns_key *zsk;   /* only the root has one */
	ldns_key *other; /* never published: what a wrong DS speaks of */
};

struct world_options {
	unsigned zones;
	unsigned names;
	uint64_t seed;
};

struct world {
	struct world_options options;
	struct zone *zone;
	size_t count;
};

/** The zones, without keys. False when memory is short. */
bool world_build(const struct world_options *options, struct world *out);
void world_free(struct world *w);

/** A stable pseudo-random number of @p seed and @p text. */
uint64_t world_random(uint64_t seed, const char *text);

const char *fault_name(enum fault fault);
const char *denial_name(enum denial denial);
const char *verdict_name(enum verdict verdict);
const char *group_name(enum group group);
/** Extended error codes (RFC 8914) that fit a fault, best first, ended by -1. */
const int *fault_ede(enum fault fault);

/* address.c */
unsigned group_size(enum group group);
struct in_addr place_ipv4(struct place at);
struct in6_addr place_ipv6(struct place at);
void place_text(struct place at, int family, char out[static ADDRESS_MAX]);
/** "ns1.z000.alpha.", or the root's own form. */
void server_name(const struct zone *z, unsigned index, char *out, size_t size);

/* content.c */

/** Write the unsigned zone in zone-file syntax, delegations included. */
void zone_write(const struct world *w, const struct zone *z, FILE *out);
/** Samples of what the zone answers, for the manifest. */
json_t *zone_samples(const struct world *w, const struct zone *z);
content_fn content_by_name(const char *name);
/** Lines of "name type" for every generated name, as dnsperf reads them. */
void world_write_queries(const struct world *w, FILE *out);

/* key.c */

/**
 * Make every zone's keys. RSA keys come from a pool of a few, because making
 * them is the slowest part; a shared key has the same tag in several zones.
 */
bool world_make_keys(struct world *w);
bool world_save_keys(const struct world *w, const char *dir);
ldns_rr *zone_dnskey(const struct zone *z, ldns_key *key);
/** The DS set that the parent publishes, or NULL. The caller frees it deeply. */
ldns_rr_list *zone_ds(const struct zone *z);

/* sign.c */

/** Sign a zone in zone-file syntax as its plan says, faults included, onto @p out. */
bool zone_sign(const struct zone *z, char *text, size_t len, FILE *out);

/* manifest.c */
bool manifest_write(const struct world *w, const char *path);
/** The options a manifest was made with. */
bool manifest_options(const char *path, struct world_options *out);

#endif
