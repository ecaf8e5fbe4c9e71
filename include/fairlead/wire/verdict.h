/**
 * @file
 * What became of a question, and how that is said to a client.
 *
 * A verdict is DNSSEC's state of the data (RFC 4033 5) or a failure. A reason says why, finer;
 * the one table below maps each reason to its RCODE, its EDE code (RFC 8914),
 * its stable English text, and the name of its counter.
 */
#ifndef FAIRLEAD_WIRE_VERDICT_H
#define FAIRLEAD_WIRE_VERDICT_H

#include "fairlead/wire/rr.h"

#include <stdbool.h>
#include <stdint.h>

enum fl_verdict {
	FL_VERDICT_INSECURE, /* no chain of trust leads here; data is served, AD=0 */
	FL_VERDICT_SECURE,   /* validated; AD=1 to who set DO or AD */
	FL_VERDICT_BOGUS,    /* validation failed; SERVFAIL, data only to CD=1 */
	FL_VERDICT_FAILED,   /* no data could be had */
	FL_VERDICT_COUNT
};

/* name, RCODE, EDE code or FL_EDE_NONE, counter suffix, text */
/* clang-format off */
#define FL_REASONS(X) \
	X(NONE,              NOERROR,  FL_EDE_NONE, "none",              "") \
	X(ALGORITHM,         NOERROR,   1, "algorithm",         "unsupported DNSKEY algorithm") \
	X(DIGEST,            NOERROR,   2, "digest",            "unsupported DS digest type") \
	X(STALE,             NOERROR,   3, "stale",             "stale answer") \
	X(FORGED,            NOERROR,   4, "forged",            "answer set by this resolver's operator") \
	X(BOGUS,             SERVFAIL,  6, "bogus",             "DNSSEC signature or proof is wrong") \
	X(SIGNATURE_EXPIRED, SERVFAIL,  7, "signature_expired", "DNSSEC signature has expired") \
	X(SIGNATURE_EARLY,   SERVFAIL,  8, "signature_early",   "DNSSEC signature is not valid yet") \
	X(DNSKEY_MISSING,    SERVFAIL,  9, "dnskey_missing",    "no DNSKEY matches the DS of the parent") \
	X(RRSIGS_MISSING,    SERVFAIL, 10, "rrsigs_missing",    "DNSSEC signatures are missing") \
	X(NO_ZONE_KEY,       SERVFAIL, 11, "no_zone_key",       "no DNSKEY with the zone key flag") \
	X(NSEC_MISSING,      SERVFAIL, 12, "nsec_missing",      "proof of non-existence is missing") \
	X(CACHED_ERROR,      SERVFAIL, 13, "cached_error",      "failed a moment ago") \
	X(NOT_READY,         SERVFAIL, 14, "not_ready",         "resolver is starting") \
	X(BLOCKED,           NXDOMAIN, 15, "blocked",           "blocked by this resolver's operator") \
	X(PROHIBITED,        REFUSED,  18, "prohibited",        "this resolver does not serve your network") \
	X(STALE_NXDOMAIN,    NXDOMAIN, 19, "stale_nxdomain",    "stale denial") \
	X(NOT_AUTHORITATIVE, REFUSED,  20, "not_recursive",     "recursion was not asked for and nothing is cached") \
	X(NOT_SUPPORTED,     NOTIMP,   21, "not_supported",     "not supported") \
	X(NO_REACHABLE,      SERVFAIL, 22, "no_reachable",      "no reachable authority") \
	X(NETWORK_ERROR,     SERVFAIL, 23, "network_error",     "network error towards the authorities") \
	X(INVALID_DATA,      SERVFAIL, 24, "invalid_data",      "authorities sent unusable data") \
	X(DEADLINE,          SERVFAIL, 22, "deadline",          "no answer from the authorities in time") \
	X(LIMIT_RESOLVER,    SERVFAIL,  0, "limit_resolver",    "resolver limit reached") \
	X(LIMIT_ZONE,        SERVFAIL,  0, "limit_zone",        "zone limit reached") \
	X(LIMIT_CLIENT,      SERVFAIL,  0, "limit_client",      "client limit reached") \
	X(RATE_UPSTREAM,     SERVFAIL,  0, "rate_upstream",     "rate limit towards the zone reached") \
	X(WORK_LIMIT,        SERVFAIL,  0, "work_limit",        "the question needs more work than allowed") \
	X(RESOLVER_LOST,     SERVFAIL,  0, "resolver_lost",     "resolver restarted while it worked on this") \
	X(FAILED,            SERVFAIL,  0, "failed",            "resolution failed")
/* clang-format on */

enum { FL_EDE_NONE = 0xFFFF }; /* an EDE code of 0 is "other" and is sent */

enum fl_reason {
#define X(name, rcode, ede, counter, text) FL_REASON_##name,
	FL_REASONS(X)
#undef X
		FL_REASON_COUNT
};

enum { FL_REASON_TEXT_MAX = 255 }; /* octets of a reason text between roles and in records */

uint16_t fl_reason_ede(enum fl_reason r);
enum fl_rcode fl_reason_rcode(enum fl_reason r);
const char *fl_reason_text(enum fl_reason r);    /* stable, short; goes out as EXTRA-TEXT */
const char *fl_reason_counter(enum fl_reason r); /* metric label */
const char *fl_verdict_text(enum fl_verdict v);  /* "secure", ... */

#endif
