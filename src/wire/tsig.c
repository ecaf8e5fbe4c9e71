#include "tsig.h"

#include "fairlead/wire/name.h"

#include <string.h>

enum {
	ARCOUNT_AT = 10,
	BADKEY = 17, /* RFC 8945 3 */
	TIMES = 8    /* time signed and fudge, RFC 8945 4.2 */
};

/* The parts of a TSIG that its refusal repeats. */
struct tsig {
	uint8_t key[FL_NAME_MAX], algorithm[FL_NAME_MAX];
	size_t key_len, algorithm_len;
	const uint8_t *times;
	uint16_t original_id;
};

static enum fl_err read_rdata(const uint8_t *msg, const struct fl_rr *rr, struct tsig *t)
{
	struct fl_reader r = fl_reader_init(msg, rr->rdata_pos + rr->rdata_len);
	r.pos = rr->rdata_pos;
	if (fl_reader_name(&r, t->algorithm, &t->algorithm_len) != FL_OK) {
		return r.err;
	}
	t->times = fl_reader_take(&r, TIMES);
	fl_reader_take(&r, fl_reader_u16(&r)); /* MAC: no key of ours made it */
	t->original_id = fl_reader_u16(&r);
	fl_reader_u16(&r);                     /* error */
	fl_reader_take(&r, fl_reader_u16(&r)); /* other data */
	return r.err == FL_OK && r.pos != r.len ? FL_EMALFORMED : r.err;
}

bool fl__tsig_is_whole(const uint8_t *msg, const struct fl_rr *rr)
{
	struct tsig t;
	return read_rdata(msg, rr, &t) == FL_OK;
}

static enum fl_err read_tsig(const struct fl_question *q, struct tsig *t)
{
	struct fl_reader r = fl_reader_init(q->msg, q->len);
	struct fl_rr rr;
	size_t next;
	r.pos = q->tsig_pos;
	enum fl_err err = fl_reader_rr(&r, &rr);
	if (err == FL_OK) {
		err = fl_name_expand(q->msg, q->len, rr.owner_pos, t->key, &t->key_len, &next);
	}
	return err != FL_OK ? err : read_rdata(q->msg, &rr, t);
}

void fl__tsig_write_badkey(struct fl_writer *w, const struct fl_question *q)
{
	struct tsig t;
	struct fl_writer with = *w;
	if (q->tsig_pos == 0 || read_tsig(q, &t) != FL_OK) {
		return;
	}
	fl_writer_octets(&with, t.key, t.key_len);
	fl_writer_u16(&with, FL_TYPE_TSIG);
	fl_writer_u16(&with, FL_CLASS_ANY);
	fl_writer_u32(&with, 0);
	fl_writer_u16(&with, (uint16_t)(t.algorithm_len + TIMES + 8));
	fl_writer_octets(&with, t.algorithm, t.algorithm_len);
	fl_writer_octets(&with, t.times, TIMES);
	fl_writer_u16(&with, 0); /* no MAC: unsigned */
	fl_writer_u16(&with, t.original_id);
	fl_writer_u16(&with, BADKEY);
	fl_writer_u16(&with, 0); /* no other data */
	fl_writer_patch_u16(&with, ARCOUNT_AT,
			    (uint16_t)(fl_load_u16(w->buf + ARCOUNT_AT) + 1));
	if (with.err == FL_OK) {
		*w = with;
	}
}
