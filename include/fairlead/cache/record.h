/**
 * @file
 * A cached answer: its octets, how they are made and how they become a reply.
 *
 * RECORD_LAYOUT (format 1, little-endian header, DNS data big-endian):
 *
 *   fixed header (struct fl_record_header)
 *   name        name_len octets, lower-case wire form
 *   reason      reason_len octets of text
 *   ttls        n_ttls x {uint16 offset into body, uint32 original TTL}
 *   body        answer plain, answer DNSSEC, authority plain, authority DNSSEC,
 *               additional plain, additional DNSSEC
 *
 * The answer is held as for DO=1. In each section the DNSSEC records that only
 * a DO client gets (RFC 4035 3.2.1) stand last, so serving without DO copies
 * less and parses nothing. Compression pointers in the body point only into the
 * question name at offset 12, so a cut or a patched copy stays right. TTL fields
 * in the body are the originals; a reply's are those less the record's age.
 *
 * The same octets are made by a front (to answer who waited) and by the keeper
 * (to store): what a client gets on a miss and on a hit has one maker.
 */
#ifndef FAIRLEAD_CACHE_RECORD_H
#define FAIRLEAD_CACHE_RECORD_H

#include "fairlead/base/err.h"
#include "fairlead/cache/key.h"
#include "fairlead/wire/reply.h"
#include "fairlead/wire/verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FL_RECORD_BOGUS_TTL_S = 60, /* for fl_record_limits: front and keeper must agree */
	FL_RECORD_FORMAT = 1,       /* also the first number of the cache folder's name */
	FL_RECORD_STORE_MAX = 8192, /* larger answers go to their client only */
	FL_RECORD_MAX = 200000      /* room that always suffices for one message re-encoded */
};

struct fl_record_header {
	uint32_t crc;     /* CRC32C of everything behind this field; hint and pad left as 0 */
	uint8_t format;   /* FL_RECORD_FORMAT */
	uint8_t verdict;  /* enum fl_verdict */
	uint8_t rcode;    /* 0..15 */
	uint8_t reason;   /* enum fl_reason */
	uint64_t boot_id; /* boot in which it was stored */
	uint64_t boot_ns; /* boot clock then */
	int64_t wall_s;   /* wall clock then */
	uint32_t ttl_s;   /* life from then; may be served as stale after it */
	uint32_t size;    /* whole record */
	uint16_t qtype, qclass;
	uint16_t ede; /* code, or FL_EDE_NONE */
	uint8_t name_len;
	uint8_t reason_len;
	uint8_t failures; /* failure records: times in a row, for the doubling (RFC 9520 3.2) */
	uint8_t hint;     /* keeper's: popularity kept through evictions; not in the checksum */
	uint16_t n_ttls;
	uint16_t count[6]; /* records: answer plain, DNSSEC, authority plain, DNSSEC, additional
			      plain, DNSSEC */
	uint32_t length[6]; /* octets of the same */
};

/** When a record is made, or how old it is now: both clocks of one moment. */
struct fl_moment {
	uint64_t boot_id, boot_ns;
	int64_t wall_s;
};
struct fl_moment fl_moment_now(uint64_t boot_id);

/** TTL rules of the configuration; DESIGN section 4. */
struct fl_record_limits {
	uint32_t min_ttl_s, max_ttl_s; /* floor and cap for data */
	uint32_t negative_ttl_s;       /* cap for denials, RFC 2308 5 */
	uint32_t bogus_ttl_s;          /* 60 */
};

/** An answer as the engine gave it. */
struct fl_record_source {
	const uint8_t *packet; /* NULL when there is none */
	size_t packet_len;
	enum fl_verdict verdict;
	enum fl_reason reason;
	uint16_t ede;
	const char *text; /* not NUL-terminated */
	uint8_t text_len;
	uint8_t failures; /* of a failed source: how many in a row, 1.. */
};

/**
 * Encode @p src as a record for @p key into @p out.
 *
 * TTLs of an RRset become its smallest one, are bounded by @p limits, by its
 * RRSIGs' original TTL and by what is left until they expire (RFC 4035 5.3.3);
 * a denial's are bounded by SOA MINIMUM and SOA TTL (RFC 2308 5). The record's
 * own TTL is the smallest of all that is in it; a failure's is 5 s doubling with
 * src->failures to 300 s (RFC 9520 3.2); bogus data's is bounded by bogus_ttl_s.
 * AD, AA and the engine's OPT are dropped. Records outside the question's answer
 * (a bare referral) are kept only in their sections, as the engine scrubbed them.
 *
 * @retval FL_EMALFORMED  the packet is not a response to @p key, or not a message
 * @retval FL_ENOSPACE    @p cap is too small
 */
enum fl_err fl_record_encode(const struct fl_cache_key *key, const struct fl_record_source *src,
			     const struct fl_record_limits *limits, struct fl_moment now,
			     uint8_t *out, size_t cap, size_t *out_len) FL_MUST_USE;

/** A checked record; borrows its octets. */
struct fl_record {
	struct fl_record_header h; /* host order copy */
	const uint8_t *name;
	const char *reason_text; /* reason_len octets */
	const uint8_t *ttls;     /* n_ttls x 6 octets, little-endian */
	const uint8_t *body;     /* sum of length[] octets */
};

/**
 * View stored octets; nothing of them is trusted before it has been checked.
 *
 * @retval FL_EVERSION   another format
 * @retval FL_ECORRUPT   checksum, lengths or counts do not agree
 * @retval FL_ENOTFOUND  another key's record (their hashes are equal)
 */
enum fl_err fl_record_view(const uint8_t *octets, size_t len, const struct fl_cache_key *key,
			   struct fl_record *out) FL_MUST_USE;

/** Seconds since the record was stored: by boot clock within a boot, by wall clock across,
 * never negative. */
uint32_t fl_record_age_s(const struct fl_record *r, struct fl_moment now);

/**
 * Write the reply to @p q from @p r into @p out.
 *
 * Follows RFC 4035 3.2 and RFC 6840 5.7-5.9: AD when secure and the client set
 * DO or AD and not CD; bogus data only to CD=1, else SERVFAIL; no RRSIG, NSEC or
 * NSEC3 without DO unless asked for by type. Additional data is dropped before a
 * reply is truncated; a truncated one has TC=1 and no records (whole RRsets only,
 * RFC 2181 9). EDE of the record is added to @p o's where there is room.
 * @p ttl_cap bounds every TTL (stale answers: 30); UINT32_MAX: none.
 *
 * Returns octets written, at most min(cap, o->max_size).
 */
size_t fl_record_reply(const struct fl_record *r, uint32_t age_s, uint32_t ttl_cap,
		       const struct fl_question *q, const struct fl_reply_opts *o, uint8_t *out,
		       size_t cap);

#endif
