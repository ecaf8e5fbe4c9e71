#include "fairlead/wire/question.h"

#include "fairlead/wire/name.h"
#include "fairlead/wire/reader.h"
#include "fairlead/wire/writer.h"
#include "tsig.h"

#include <string.h>

enum { /* offsets in the header, RFC 1035 4.1.1 */
       QDCOUNT_AT = 4,
       ANCOUNT_AT = 6,
       NSCOUNT_AT = 8,
       ARCOUNT_AT = 10
};

enum { /* RFC 7873 4 */
       COOKIE_CLIENT = 8,
       COOKIE_BOTH_MIN = 16,
       COOKIE_MAX = 40
};

enum { EDNS_DO = 0x8000 }; /* in an OPT's TTL field, RFC 6891 6.1.4 */

/* The only place a question name can stand: uncompressed, behind the header. */
static bool read_question(struct fl_question *q)
{
	size_t pos = FL_HEADER_SIZE;
	for (;;) {
		if (pos >= q->len) {
			return false;
		}
		const uint8_t c = q->msg[pos];
		if (c > FL_LABEL_MAX) {
			return false;
		}
		pos += 1U + c;
		if (c == 0) {
			break;
		}
		if (pos >= FL_HEADER_SIZE + FL_NAME_MAX) { /* the root label has to follow */
			return false;
		}
	}
	if (pos + 4 > q->len) {
		return false;
	}
	q->name_len = (uint8_t)(pos - FL_HEADER_SIZE);
	q->qtype = fl_load_u16(q->msg + pos);
	q->qclass = fl_load_u16(q->msg + pos + 2);
	return true;
}

/* RFC 7873 5.2: of several cookies only the first counts. */
static bool take_cookie(struct fl_question *q, const uint8_t *data, size_t len)
{
	if (q->cookie != NULL) {
		return true;
	}
	if (len != COOKIE_CLIENT && (len < COOKIE_BOTH_MIN || len > COOKIE_MAX)) {
		return false;
	}
	q->cookie = data;
	q->cookie_len = (uint8_t)len;
	return true;
}

/* The list must fill the rdata exactly, RFC 6891 6.1.2. */
static bool read_options(struct fl_question *q, const uint8_t *at, size_t left)
{
	while (left > 0) {
		if (left < 4) {
			return false;
		}
		const uint16_t code = fl_load_u16(at);
		const size_t len = fl_load_u16(at + 2);
		if (len > left - 4) {
			return false;
		}
		if (code == FL_OPTION_COOKIE && !take_cookie(q, at + 4, len)) {
			return false;
		}
		q->wants_nsid |= code == FL_OPTION_NSID;
		q->padded |= code == FL_OPTION_PADDING;
		at += 4 + len;
		left -= 4 + len;
	}
	return true;
}

static bool read_opt(struct fl_question *q, const struct fl_rr *rr, bool *bad_options)
{
	if (q->edns || q->msg[rr->owner_pos] != 0) { /* RFC 6891 6.1.1, 6.1.2: once, at root */
		return false;
	}
	q->edns = true;
	q->udp_size = rr->class > FL_UDP_PLAIN ? rr->class : FL_UDP_PLAIN; /* 6.2.3 */
	q->edns_version = (uint8_t)(rr->ttl >> 16);
	q->dnssec_ok = (rr->ttl & EDNS_DO) != 0;
	if (q->edns_version == 0) {
		*bad_options = !read_options(q, q->msg + rr->rdata_pos, rr->rdata_len);
	}
	return true;
}

/* A record whose owner is read as well: a pointer leads back to a name, or the message is
 * broken. */
static bool read_record(const struct fl_question *q, struct fl_reader *r, struct fl_rr *rr)
{
	uint8_t owner[FL_NAME_MAX];
	size_t len, next;
	return fl_reader_rr(r, rr) == FL_OK &&
	       (q->msg[rr->owner_pos] == 0 ||
		fl_name_expand(q->msg, q->len, rr->owner_pos, owner, &len, &next) == FL_OK);
}

/* Other records are stepped over: a SIG(0) is not ours to judge (RFC 2931 3.2). */
static bool read_additional(struct fl_question *q, struct fl_reader *r, unsigned count,
			    bool *bad_options)
{
	for (; count > 0; count--) {
		struct fl_rr rr;
		/* TSIG is last, RFC 8945 5.1 */
		if (q->tsig_pos != 0 || !read_record(q, r, &rr)) {
			return false;
		}
		if (rr.type == FL_TYPE_OPT && !read_opt(q, &rr, bad_options)) {
			return false;
		}
		if (rr.type == FL_TYPE_TSIG) {
			if (!fl__tsig_is_whole(q->msg, &rr)) {
				return false;
			}
			q->tsig_pos = (uint16_t)rr.owner_pos;
		}
	}
	return r->pos == r->len;
}

/* An IXFR carries the client's SOA (RFC 1995 3): it is well-formed, and refused for its type.
 */
static bool read_authority(const struct fl_question *q, struct fl_reader *r, unsigned count)
{
	struct fl_rr rr;
	return count == 0 || (count == 1 && q->qtype == FL_TYPE_IXFR &&
			      read_record(q, r, &rr) && rr.type == FL_TYPE_SOA);
}

static enum fl_question_kind read_query(struct fl_question *q)
{
	/* RFC 9619: exactly one question. */
	if (fl_load_u16(q->msg + QDCOUNT_AT) != 1 || !read_question(q) ||
	    fl_load_u16(q->msg + ANCOUNT_AT) != 0) {
		return FL_QUESTION_FORMERR;
	}
	bool bad_options = false; /* judged last: those of an unknown version mean nothing */
	struct fl_reader r = fl_reader_init(q->msg, q->len);
	r.pos = FL_HEADER_SIZE + (size_t)q->name_len + 4;
	if (!read_authority(q, &r, fl_load_u16(q->msg + NSCOUNT_AT)) ||
	    !read_additional(q, &r, fl_load_u16(q->msg + ARCOUNT_AT), &bad_options)) {
		return FL_QUESTION_FORMERR;
	}
	if (q->edns_version > 0) {
		return FL_QUESTION_BADVERS;
	}
	if (bad_options) {
		return FL_QUESTION_FORMERR;
	}
	return q->tsig_pos != 0 ? FL_QUESTION_NOTAUTH : FL_QUESTION_OK;
}

enum fl_question_kind fl_question_parse(const uint8_t *msg, size_t len, struct fl_question *out)
{
	*out = (struct fl_question){ .msg = msg, .len = len, .udp_size = FL_UDP_PLAIN };
	if (len < FL_HEADER_SIZE) {
		return FL_QUESTION_DROP;
	}
	out->id = fl_load_u16(msg);
	out->flags = fl_load_u16(msg + 2);
	if ((out->flags & FL_FLAG_QR) != 0) {
		return FL_QUESTION_DROP;
	}
	const enum fl_question_kind kind = read_query(out);
	/* Before anything that is wrong with it: other opcodes have other forms, and what
	 * was understood of this one still serves the reply. RFC 8906 3.1.4. */
	return (out->flags & FL_FLAG_OPCODE) == 0 ? kind : FL_QUESTION_NOTIMP;
}
