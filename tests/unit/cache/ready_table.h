/**
 * @file
 * Tables of ready answers for tests: keys by number, records to put, questions to ask.
 */
#ifndef FAIRLEAD_TESTS_UNIT_CACHE_READY_TABLE_H
#define FAIRLEAD_TESTS_UNIT_CACHE_READY_TABLE_H

#include "fairlead/base/clock.h"
#include "fairlead/cache/ready.h"
#include "messages.h"

#include <stdio.h>

enum { TINY_TABLE = 64 << 10, GENERATION = 7, EPOCH = 3, ALL_SHAPES = 8 };

static inline struct fl_ready *new_table(size_t bytes)
{
	struct fl_ready *t = NULL;
	cr_assert_eq(fl_ready_new(bytes, &t), FL_OK);
	cr_assert_not_null(t);
	return t;
}

static inline struct fl_cache_key numbered(unsigned n)
{
	char text[64];
	snprintf(text, sizeof(text), "n%u.test.", n);
	return make_key(text, FL_TYPE_TXT);
}

/* A record and the octets it borrows. */
struct kept {
	struct fl_record r;
	uint8_t octets[FL_RECORD_STORE_MAX];
};

/* The TXT answer of @p key: @p octets of @p fill, stored at then, for @p ttl seconds. */
static inline void make_record(struct kept *k, const struct fl_cache_key *key, size_t octets,
			       uint8_t fill, uint32_t ttl)
{
	static struct octets m;
	struct fl_writer w = fl_writer_init(m.at, sizeof(m.at));
	fl_writer_octets(&w, "\0\0\x81\x80\0\1\0\1\0\0\0\0", 12);
	fl_writer_octets(&w, key->name, key->name_len);
	fl_writer_octets(&w, "\0\x10\0\1\xC0\x0C\0\x10\0\1", 10);
	fl_writer_u32(&w, ttl);
	fl_writer_u16(&w, (uint16_t)octets);
	for (size_t i = 0; i < octets; i++) {
		fl_writer_u8(&w, fill);
	}
	m.len = w.len;
	const struct fl_record_source src = source_of(&m, FL_VERDICT_SECURE);
	size_t len = 0;
	cr_assert_eq(
		fl_record_encode(key, &src, &limits, then, k->octets, sizeof(k->octets), &len),
		FL_OK);
	cr_assert_eq(fl_record_view(k->octets, len, key, &k->r), FL_OK);
}

/* The question for @p key in @p shape, without EDNS unless the shape needs it. */
static inline void ask_key(struct client *c, const struct fl_cache_key *key, unsigned shape)
{
	size_t n = FL_HEADER_SIZE;
	memset(c->msg, 0, sizeof(c->msg));
	fl_store_u16(c->msg + 2,
		     (uint16_t)(FL_FLAG_RD | (shape & FL_SHAPE_AD ? FL_FLAG_AD : 0U) |
				(shape & FL_SHAPE_CD ? FL_FLAG_CD : 0U)));
	c->msg[5] = 1;
	memcpy(c->msg + n, key->name, key->name_len);
	n += key->name_len;
	fl_store_u16(c->msg + n, key->qtype);
	fl_store_u16(c->msg + n + 2, key->qclass);
	n += 4;
	if (shape & FL_SHAPE_DNSSEC) {
		c->msg[11] = 1;
		memcpy(c->msg + n, "\0\0\x29\x10\0\0\0\x80\0\0\0", 11);
		n += 11;
	}
	cr_assert_eq(fl_question_parse(c->msg, n, &c->q), FL_QUESTION_OK);
}

static inline void put(struct fl_ready *t, const struct fl_cache_key *key, unsigned shape,
		       const struct fl_record *r)
{
	fl_ready_put(t, key, shape, GENERATION, EPOCH, then.boot_ns, r, 0);
}

/* Ask at time @p now_ns with a reply of 65,535 octets. */
static inline size_t ask_at(struct fl_ready *t, const struct fl_cache_key *key, unsigned shape,
			    uint64_t now_ns, uint8_t *out)
{
	struct client c;
	ask_key(&c, key, shape);
	const struct fl_reply_opts o = fl_reply_opts_init(FL_MESSAGE_MAX);
	fl_ready_prefetch(t, key->hash);
	fl_ready_prefetch_entry(t, key->hash, shape);
	return fl_ready_reply(t, key, shape, GENERATION, EPOCH, now_ns, &c.q, &o, out,
			      FL_MESSAGE_MAX);
}

static inline bool holds(struct fl_ready *t, const struct fl_cache_key *key, unsigned shape)
{
	static uint8_t out[FL_MESSAGE_MAX];
	return ask_at(t, key, shape, then.boot_ns, out) > 0;
}

#endif
