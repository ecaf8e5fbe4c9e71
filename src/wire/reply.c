#include "fairlead/wire/reply.h"

#include "tsig.h"

#include <string.h>

enum {
	ARCOUNT_AT = 10,
	OPT_FIXED = 11, /* root, type, class, TTL, RDLENGTH: RFC 6891 6.1.2 */
	OPTION_FIXED = 4,
	EDNS_DO = 0x8000 /* RFC 6891 6.1.4 */
};

/* What of the options goes out: all of it, until something does not fit. */
struct plan {
	bool text[2]; /* EXTRA-TEXT, RFC 8914 2 */
	bool ede[2];
	bool nsid;
	bool keepalive;
	bool cookie;
};

struct fl_reply_opts fl_reply_opts_init(size_t max_size)
{
	return (struct fl_reply_opts){ .max_size = max_size,
				       .ede = { { .code = FL_EDE_NONE },
						{ .code = FL_EDE_NONE } } };
}

size_t fl_reply_limit(const struct fl_question *q, bool tcp)
{
	if (tcp) {
		return FL_MESSAGE_MAX;
	}
	if (q->udp_size <= FL_UDP_PLAIN) {
		return FL_UDP_PLAIN;
	}
	return q->udp_size < FL_UDP_PAYLOAD ? q->udp_size : FL_UDP_PAYLOAD;
}

static struct plan plan_all(const struct fl_question *q, const struct fl_reply_opts *o)
{
	struct plan p = { .nsid = o->nsid != NULL &&
				  q->wants_nsid, /* only when asked: RFC 5001 */
			  .keepalive = o->keepalive != 0,
			  .cookie = o->cookie != NULL };
	for (int i = 0; i < 2; i++) {
		p.ede[i] = o->ede[i].code != FL_EDE_NONE;
		p.text[i] = p.ede[i] && o->ede[i].text != NULL;
	}
	return p;
}

static size_t plan_size(const struct plan *p, const struct fl_reply_opts *o)
{
	size_t n = OPT_FIXED;
	for (int i = 0; i < 2; i++) {
		n += p->ede[i] ? OPTION_FIXED + 2U : 0;
		n += p->text[i] ? o->ede[i].text_len : 0U;
	}
	n += p->nsid ? OPTION_FIXED + strlen(o->nsid) : 0;
	n += p->keepalive ? OPTION_FIXED + 2U : 0;
	n += p->cookie ? OPTION_FIXED + (size_t)o->cookie_len : 0;
	return n;
}

/* Leave out what a client misses least until the OPT is at most room octets. */
static bool plan_fit(struct plan *p, const struct fl_reply_opts *o, size_t room)
{
	if (plan_size(p, o) <= room) { /* nearly always */
		return true;
	}
	bool *const order[] = { &p->text[1], &p->text[0],   &p->ede[1], &p->ede[0],
				&p->nsid,    &p->keepalive, &p->cookie };
	for (size_t i = 0; plan_size(p, o) > room; i++) {
		if (i == FL_COUNT(order)) {
			return false;
		}
		*order[i] = false;
	}
	return true;
}

size_t fl_reply_opt_size(const struct fl_question *q, const struct fl_reply_opts *o)
{
	const struct plan p = plan_all(q, o);
	return q->edns ? plan_size(&p, o) : 0;
}

void fl_reply_begin(struct fl_writer *w, const struct fl_question *q, uint16_t flags,
		    uint16_t rcode)
{
	const unsigned kept = q->flags & (FL_FLAG_OPCODE | FL_FLAG_RD | FL_FLAG_CD);
	const unsigned ours = flags & (FL_FLAG_AD | FL_FLAG_TC);
	const bool question = q->name_len > 0;
	if (rcode > FL_FLAG_RCODE && !q->edns) {
		rcode = FL_RCODE_SERVFAIL; /* its high bits need an OPT, RFC 6891 6.1.3 */
	}
	uint8_t header[FL_HEADER_SIZE] = { 0 };
	fl_store_u16(header, q->id);
	fl_store_u16(header + 2, (uint16_t)(FL_FLAG_QR | FL_FLAG_RA | kept | ours |
					    (rcode & FL_FLAG_RCODE)));
	header[5] = question ? 1 : 0; /* QDCOUNT */
	fl_writer_octets(w, header, sizeof(header));
	if (question) {
		fl_writer_octets(w, fl_question_name(q), q->name_len + 4U);
	}
}

static void write_option(struct fl_writer *w, enum fl_edns_option code, const void *data,
			 size_t len)
{
	fl_writer_u16(w, (uint16_t)code);
	fl_writer_u16(w, (uint16_t)len);
	fl_writer_octets(w, data, len);
}

static void write_ede(struct fl_writer *w, const struct fl_reply_ede *e, bool text)
{
	const unsigned len = text ? e->text_len : 0U;
	fl_writer_u16(w, FL_OPTION_EDE);
	fl_writer_u16(w, (uint16_t)(2U + len));
	fl_writer_u16(w, e->code);
	fl_writer_octets(w, e->text, len);
}

/* RFC 7830 3: octets of zero. */
static void write_padding(struct fl_writer *w, size_t len)
{
	static const uint8_t zeros[64];
	fl_writer_u16(w, FL_OPTION_PADDING);
	fl_writer_u16(w, (uint16_t)len);
	for (; len > sizeof(zeros); len -= sizeof(zeros)) {
		fl_writer_octets(w, zeros, sizeof(zeros));
	}
	fl_writer_octets(w, zeros, len);
}

static void write_options(struct fl_writer *w, const struct plan *p,
			  const struct fl_reply_opts *o)
{
	if (p->cookie) {
		write_option(w, FL_OPTION_COOKIE, o->cookie, o->cookie_len);
	}
	if (p->nsid) {
		write_option(w, FL_OPTION_NSID, o->nsid, strlen(o->nsid));
	}
	if (p->keepalive) {
		uint8_t timeout[2];
		fl_store_u16(timeout, o->keepalive);
		write_option(w, FL_OPTION_KEEPALIVE, timeout, sizeof(timeout));
	}
	for (int i = 0; i < 2; i++) {
		if (p->ede[i]) {
			write_ede(w, &o->ede[i], p->text[i]);
		}
	}
}

/* Octets of the padding option, its four of head included; 0: none. A reply is
 * filled to a multiple of the block, or to the limit when that comes first, RFC 8467 4.1. */
static size_t padding_size(size_t len, size_t limit, size_t block)
{
	if (block == 0 || limit - len < OPTION_FIXED) {
		return 0;
	}
	const size_t over = (len + OPTION_FIXED) % block;
	const size_t want = OPTION_FIXED + (over != 0 ? block - over : 0);
	return want < limit - len ? want : limit - len;
}

void fl_reply_write_opt(struct fl_writer *w, const struct fl_question *q,
			const struct fl_reply_opts *o, uint16_t rcode)
{
	if (!q->edns || w->err != FL_OK) {
		return;
	}
	struct plan p = plan_all(q, o);
	const size_t limit = o->max_size < w->cap ? o->max_size : w->cap;
	if (limit < w->len || !plan_fit(&p, o, limit - w->len)) {
		w->err = FL_ENOSPACE;
		return;
	}
	const size_t size = plan_size(&p, o);
	const size_t padding = padding_size(w->len + size, limit, o->pad_block);
	uint8_t fixed[OPT_FIXED] = { 0 }; /* owner: the root; version 0 */
	fl_store_u16(fixed + 1, FL_TYPE_OPT);
	fl_store_u16(fixed + 3, FL_UDP_PAYLOAD);
	fixed[5] = (uint8_t)(rcode >> 4);
	fl_store_u16(fixed + 7, q->dnssec_ok ? EDNS_DO : 0);
	fl_store_u16(fixed + 9, (uint16_t)(size - OPT_FIXED + padding));
	fl_writer_octets(w, fixed, sizeof(fixed));
	write_options(w, &p, o);
	if (padding > 0) {
		write_padding(w, padding - OPTION_FIXED);
	}
	fl_writer_patch_u16(w, ARCOUNT_AT, (uint16_t)(fl_load_u16(w->buf + ARCOUNT_AT) + 1));
}

size_t fl_reply_error(const struct fl_question *q, uint16_t rcode,
		      const struct fl_reply_opts *o, uint8_t *out, size_t cap)
{
	if (cap < FL_HEADER_SIZE) {
		return 0;
	}
	struct fl_writer w = fl_writer_init(out, cap < o->max_size ? cap : o->max_size);
	fl_reply_begin(&w, q, 0, rcode);
	fl_reply_write_opt(&w, q, o, rcode);
	if (w.err == FL_OK) {
		if (rcode == FL_RCODE_NOTAUTH) {
			fl__tsig_write_badkey(&w, q);
		}
		return w.len;
	}
	struct fl_question bare = *q; /* a header is always possible */
	bare.name_len = 0;
	bare.edns = false;
	w = fl_writer_init(out, FL_HEADER_SIZE);
	fl_reply_begin(&w, &bare, 0, rcode);
	return w.len;
}
