/**
 * @file
 * What may be asked, and what must come back.
 *
 * A catalogue is read from the zone files of a miniature Internet, never from a
 * resolver: it holds questions whose answers are data of generated zones without
 * a fault. The records of an answer are kept as 64-bit hashes of their canonical
 * wire form without the TTL, so that 200,000 questions take some 20 MiB.
 */
#ifndef FAIRLEAD_BENCH_CATALOGUE_H
#define FAIRLEAD_BENCH_CATALOGUE_H

#include <ldns/ldns.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	NAME_WIRE_MAX = 255,      /* RFC 1035 3.1 */
	ORIGIN_NONE = UINT16_MAX, /* a name that the zones do not have */
	ALGORITHM_ANY = -1,
	ALGORITHM_RSA = -2, /* 5, 7, 8 or 10 */
};

/** Which questions to take. */
struct selection {
	int algorithm;      /* of the zone: a number, 0 unsigned, or ALGORITHM_... */
	bool aaaa;          /* AAAA beside A */
	uint32_t ttl_min_s; /* shorter-lived data would expire within a run */
	size_t wild; /* not 0: so many names below wildcards, and no others; 0: the zones' own
		      */
	size_t most; /* questions; chosen evenly by seed where there are more */
	uint64_t seed;
};

/** A zone that questions lie in, and where unique names may be made up. */
struct origin {
	uint8_t name[NAME_WIRE_MAX]; /* wire form */
	uint8_t len;
	bool secure;  /* a validator says so: AD */
	bool opt_out; /* whether what denies a name is secure is then up to the span */
};

/** One question and its answer. */
struct entry {
	uint32_t name;    /* octet offset in names */
	uint32_t records; /* first hash: those of the set, then those of signatures */
	uint32_t ttl_s;
	uint16_t type;
	uint16_t origin;
	uint16_t plain_octets; /* size of the answer without DO, nothing but the answer in it */
	uint16_t dnssec_octets; /* the same with DO and its OPT record */
	uint8_t name_len;
	uint8_t sets; /* records of the type */
	uint8_t sigs; /* their signatures */
};

struct catalogue {
	struct entry *entries;
	size_t count;
	struct origin *origins;
	size_t origin_count;
	uint8_t *names;
	size_t names_len;
	uint64_t *records;
	size_t record_count;
};

/** Read DIR/manifest.json and the zone files it names. False after a report; an
 * empty catalogue is a failure too. */
bool catalogue_load(const char *dir, const struct selection *s, struct catalogue *out);
/** Put a wildcard below each unsigned zone of a world that does not run, if it has none.
 * Its names ("w0000000.wild.ZONE") are as many as one likes, and for a resolver like any
 * other (RFC 4592). False after a report. */
bool catalogue_plant(const char *dir);
/** Add a question whose answer is not known. False after a report. */
bool catalogue_add_unknown(struct catalogue *c, const uint8_t *name, size_t len, uint16_t type);
void catalogue_free(struct catalogue *c);
/** A question as a person writes it, "NAME TYPE". */
void catalogue_text(const struct catalogue *c, const struct entry *e, char *out, size_t size);
/** The hash of a record: owner, type, class and rdata in canonical form (RFC 4034
 * 6.2), the TTL left out. 0 when the record cannot be written. */
uint64_t record_hash(const ldns_rr *rr);

#endif
