/**
 * @file
 * A client's question viewed where it lies: header, question, EDNS in one pass.
 *
 * Nothing is copied; the view borrows the message and must not outlive it. The
 * result says what to do with the message before anything else is known.
 */
#ifndef FAIRLEAD_WIRE_QUESTION_H
#define FAIRLEAD_WIRE_QUESTION_H

#include "fairlead/wire/rr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fl_question_kind {
	FL_QUESTION_OK,
	FL_QUESTION_DROP,    /* under 12 octets, or QR=1: never answered */
	FL_QUESTION_FORMERR, /* counts that lie, bad names, two OPTs, octets left over, ... */
	FL_QUESTION_NOTIMP,  /* opcode other than QUERY */
	FL_QUESTION_BADVERS, /* EDNS version above 0, RFC 6891 6.1.3 */
	FL_QUESTION_NOTAUTH  /* signed with TSIG: we share no keys with anybody, RFC 8945 5.2.1
			      */
};

enum fl_edns_option { /* IANA, EDNS0 option codes */
		      FL_OPTION_NSID = 3,
		      FL_OPTION_ECS = 8,
		      FL_OPTION_COOKIE = 10,
		      FL_OPTION_KEEPALIVE = 11,
		      FL_OPTION_PADDING = 12,
		      FL_OPTION_EDE = 15
};

struct fl_question {
	const uint8_t *msg;
	size_t len;
	uint16_t id;
	uint16_t flags; /* second header word as sent */
	uint16_t qtype, qclass;
	uint8_t name_len; /* wire name at msg + 12, uncompressed; 0: there is no question */
	/* EDNS, RFC 6891 */
	bool edns;
	bool dnssec_ok; /* DO, RFC 3225 */
	bool wants_nsid;
	bool padded; /* a padding option was there, RFC 7830 */
	uint8_t edns_version;
	uint8_t cookie_len;    /* 0 none; 8 client's alone; 16..40 both, RFC 7873 */
	uint16_t udp_size;     /* as advertised, at least 512; 512 without EDNS */
	const uint8_t *cookie; /* cookie_len octets in msg */
	uint16_t tsig_pos;     /* offset of the TSIG record, 0: none */
};

/**
 * View @p msg.
 *
 * Exactly one question (QDCOUNT 0 is FORMERR; RFC 9619), no answers or authority (but an
 * IXFR's SOA), in the additional section OPT (once, at root) and TSIG (last); other records
 * there are stepped over. A compressed QNAME, a label type other
 * than 0, a malformed option list, a cookie of 1..7, 9..15 or over 40 octets (RFC 7873 5.2.2),
 * and octets after the last record are FORMERR. Of what is wrong the first of this list is
 * told: opcode, form, EDNS version, options, TSIG. Where the result is not OK the view still
 * holds what was understood: id and flags if there are 12 octets, the question (name_len > 0)
 * if it was whole, EDNS if it was read. Unknown options, ECS among them, are ignored (RFC
 * 6891 6.1.2).
 */
enum fl_question_kind fl_question_parse(const uint8_t *msg, size_t len,
					struct fl_question *out);

static inline const uint8_t *fl_question_name(const struct fl_question *q)
{
	return q->msg + FL_HEADER_SIZE;
}

#endif
