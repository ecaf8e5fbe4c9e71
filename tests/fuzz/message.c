/**
 * @file
 * Covers what the front does with any octets from the network and what the
 * cache does with a packet of the engine: fl_question_parse() and the replies
 * made from its view, and a walk over all records of a message by fl_reader
 * with the names in their rdata expanded by fl_rrtype_rdata_shape().
 */
#include "fairlead/wire/name.h"
#include "fairlead/wire/question.h"
#include "fairlead/wire/reader.h"
#include "fairlead/wire/reply.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds) {
		abort();
	}
}

/* A reply is never over its limit, never an echo of what it should not be, and our own reader
 * understands it to the last octet. */
static void check_reply(const struct fl_question *q, const struct fl_reply_opts *o,
			uint16_t rcode)
{
	uint8_t out[1400];
	const size_t len = fl_reply_error(q, rcode, o, out, sizeof(out));
	must(len >= FL_HEADER_SIZE && (len <= o->max_size || len == FL_HEADER_SIZE));
	must(fl_load_u16(out) == q->id && (out[2] & 0x80) != 0 && (out[2] & 0x04) == 0);
	struct fl_reader r = fl_reader_init(out, len);
	r.pos = 4;
	const bool question = fl_reader_u16(&r) == 1;
	fl_reader_u32(&r);
	const unsigned records = fl_reader_u16(&r);
	if (question) {
		must(fl_reader_skip_name(&r) == FL_OK);
		must(memcmp(out + 12, q->msg + 12, q->name_len + 4U) == 0);
		fl_reader_take(&r, 4);
	}
	must(records <= (q->edns ? 1U : 0U) + (q->tsig_pos != 0 ? 1U : 0U));
	for (unsigned i = 0; i < records; i++) {
		struct fl_rr rr;
		must(fl_reader_rr(&r, &rr) == FL_OK);
		must(rr.type == (i == 0 && q->edns ? FL_TYPE_OPT : FL_TYPE_TSIG));
	}
	must(r.err == FL_OK && r.pos == len);
}

static void check_question(const uint8_t *data, size_t size)
{
	struct fl_question q;
	const enum fl_question_kind kind = fl_question_parse(data, size, &q);
	must(q.name_len == 0 || 12U + q.name_len + 4U <= size);
	must(q.name_len == 0 || fl_name_len(fl_question_name(&q)) == q.name_len);
	must(q.cookie == NULL || (q.cookie > data && q.cookie + q.cookie_len <= data + size));
	must(q.udp_size >= FL_UDP_PLAIN);
	must(kind != FL_QUESTION_OK || q.name_len > 0);
	if (kind == FL_QUESTION_DROP) {
		return;
	}
	struct fl_reply_opts o = fl_reply_opts_init(fl_reply_limit(&q, false));
	check_reply(&q, &o, FL_RCODE_BADCOOKIE);
	o.max_size = 12 + size % 1220;
	o.ede[0] = (struct fl_reply_ede){ 22, "no answer from the authorities in time", 38 };
	o.ede[1] = (struct fl_reply_ede){ 3, NULL, 0 };
	o.nsid = "fuzz";
	o.keepalive = 100;
	o.cookie = q.cookie;
	o.cookie_len = q.cookie_len;
	o.pad_block = q.padded ? 468 : 0;
	check_reply(&q, &o, FL_RCODE_NOTAUTH);
}

static void check_name(struct fl_reader *r)
{
	uint8_t name[FL_NAME_MAX];
	size_t len = 0;
	if (fl_reader_name(r, name, &len) == FL_OK) {
		must(len <= FL_NAME_MAX && fl_name_len(name) == len);
	}
}

static void check_rdata(const uint8_t *data, const struct fl_rr *rr)
{
	struct fl_reader r = fl_reader_init(data, rr->rdata_pos + rr->rdata_len);
	r.pos = rr->rdata_pos;
	for (const char *s = fl_rrtype_rdata_shape(rr->type); *s != '\0'; s++) {
		if (*s == 'n' || *s == 'N') {
			check_name(&r);
		} else if (*s == 's') {
			fl_reader_take(&r, fl_reader_u8(&r));
		} else if (*s == '*') {
			fl_reader_take(&r, r.len - r.pos);
		} else {
			fl_reader_take(&r, (size_t)(*s - '0'));
		}
	}
	must(r.pos <= r.len);
}

static void check_message(const uint8_t *data, size_t size)
{
	struct fl_reader r = fl_reader_init(data, size);
	fl_reader_u32(&r);
	unsigned questions = fl_reader_u16(&r);
	unsigned records = fl_reader_u16(&r);
	records += fl_reader_u16(&r);
	records += fl_reader_u16(&r);
	for (; questions > 0 && r.err == FL_OK; questions--) {
		check_name(&r);
		fl_reader_take(&r, 4);
	}
	for (; records > 0; records--) {
		struct fl_rr rr;
		const size_t pos = r.pos;
		if (fl_reader_rr(&r, &rr) != FL_OK) {
			must(r.pos == pos);
			return;
		}
		must(rr.rdata_pos + rr.rdata_len == r.pos && r.pos <= size);
		must(rr.owner_pos == pos && rr.ttl_pos + 6U == rr.rdata_pos);
		check_rdata(data, &rr);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > FL_MESSAGE_MAX) {
		return 0; /* no transport delivers more */
	}
	check_question(data, size);
	check_message(data, size);
	return 0;
}
