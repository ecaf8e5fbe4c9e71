/**
 * @file
 * The parts of a reply that are ours: header, echoed question, OPT.
 *
 * Every reply carries the question as it came, case and all, RA=1, AA=0, RD and
 * CD copied (RFC 1035 4.1.1, RFC 4035 3.2.2), and an OPT when the question had
 * one (RFC 6891 6.1.1). Answers of the cache are written by cache/record.h on
 * top of these parts.
 */
#ifndef FAIRLEAD_WIRE_REPLY_H
#define FAIRLEAD_WIRE_REPLY_H

#include "fairlead/wire/question.h"
#include "fairlead/wire/verdict.h"
#include "fairlead/wire/writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fl_reply_ede {
	uint16_t code;    /* FL_EDE_NONE: none */
	const char *text; /* EXTRA-TEXT, UTF-8, not NUL-terminated; may be NULL */
	uint8_t text_len;
};

/** What a reply says beside its answer; all of it is left out where the question had no EDNS.
 */
struct fl_reply_opts {
	size_t max_size; /* octets the transport allows: fl_reply_limit() */
	struct fl_reply_ede ede[2];
	const uint8_t *cookie; /* client and server cookie, NULL: none, RFC 7873 */
	uint8_t cookie_len;
	const char *nsid;   /* NULL: none, RFC 5001 */
	uint16_t keepalive; /* units of 100 ms, 0: none; only over TCP, RFC 7828 */
	uint16_t
		pad_block; /* 0: none; 468 on encrypted answers to padded questions, RFC 8467 */
};

struct fl_reply_opts fl_reply_opts_init(size_t max_size);

/** UDP: min(client's size, 1232), at least 512; TCP: 65,535. */
size_t fl_reply_limit(const struct fl_question *q, bool tcp);

/** Octets that fl_reply_write_opt() will need, padding not counted; 0 without EDNS. */
size_t fl_reply_opt_size(const struct fl_question *q, const struct fl_reply_opts *o);

/**
 * Header and question. @p flags: any of AD, TC; @p rcode's low four bits go here,
 * the rest into the OPT. Counts are 1 (or 0 without a question), 0, 0, 0.
 */
void fl_reply_begin(struct fl_writer *w, const struct fl_question *q, uint16_t flags,
		    uint16_t rcode);

/** The OPT record, if the question had one; increments ARCOUNT. DO is echoed (RFC 3225 3). */
void fl_reply_write_opt(struct fl_writer *w, const struct fl_question *q,
			const struct fl_reply_opts *o, uint16_t rcode);

/**
 * A whole reply without records: errors, refusals, BADVERS, BADCOOKIE. With a
 * broken question only the header goes back; NOTAUTH repeats the question's TSIG with
 * BADKEY, unsigned (RFC 8945 5.2.1). EXTRA-TEXT is dropped before the
 * reply is let grow over @p o->max_size. Returns octets, 0 if @p cap is under 12.
 */
size_t fl_reply_error(const struct fl_question *q, uint16_t rcode,
		      const struct fl_reply_opts *o, uint8_t *out, size_t cap);

#endif
