/**
 * @file
 * Messages, questions and records for tests: written as zone-file lines, put into
 * wire form by ldns, which is not the code under test.
 */
#ifndef FAIRLEAD_TESTS_UNIT_CACHE_MESSAGES_H
#define FAIRLEAD_TESTS_UNIT_CACHE_MESSAGES_H

#include "fairlead/cache/record.h"
#include "fairlead/wire/name.h"
#include "fairlead/wire/question.h"

#include <criterion/criterion.h>
#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>

/* 2026-06-01 00:00:00; signatures of the tests are from that May to that July */
#define NOW_WALL_S INT64_C(1780272000)
#define SIGNED     " 20260701000000 20260501000000 1234 test. AAAA"

static const struct fl_sipkey secret = { { 0x1111, 0x2222 } };
static const struct fl_moment then = { .boot_id = 7,
				       .boot_ns = 5000000000,
				       .wall_s = NOW_WALL_S };
static const struct fl_record_limits limits = {
	.min_ttl_s = 0, .max_ttl_s = 86400, .negative_ttl_s = 3600, .bogus_ttl_s = 60
};

enum { LINES = 12 };

/* Lines of each section; those not given are NULL. */
struct text_message {
	const char *qname, *qtype;
	ldns_pkt_rcode rcode;
	const char *answer[LINES], *authority[LINES], *additional[LINES];
};

struct octets {
	uint8_t at[FL_MESSAGE_MAX];
	size_t len;
};

static inline void push_lines(ldns_pkt *pkt, ldns_pkt_section section, const char *const *line)
{
	for (unsigned i = 0; i < LINES && line[i] != NULL; i++) {
		ldns_rr *rr;
		const ldns_status s = ldns_rr_new_frm_str(&rr, line[i], 0, NULL, NULL);
		cr_assert_eq(s, LDNS_STATUS_OK, "%s: %s", line[i], ldns_get_errorstr_by_id(s));
		ldns_pkt_push_rr(pkt, section, rr);
	}
}

static inline void to_wire(ldns_pkt *pkt, struct octets *out)
{
	uint8_t *wire;
	ldns_pkt_set_qr(pkt, true);
	cr_assert_eq(ldns_pkt2wire(&wire, pkt, &out->len), LDNS_STATUS_OK);
	cr_assert_leq(out->len, sizeof(out->at));
	memcpy(out->at, wire, out->len);
	free(wire);
	ldns_pkt_free(pkt);
}

static inline ldns_pkt *empty_packet(const char *qname, ldns_rr_type qtype)
{
	return ldns_pkt_query_new(ldns_dname_new_frm_str(qname), qtype, LDNS_RR_CLASS_IN,
				  LDNS_RD | LDNS_RA);
}

static inline void make_message(const struct text_message *text, struct octets *out)
{
	ldns_pkt *pkt = empty_packet(text->qname, ldns_get_rr_type_by_name(text->qtype));
	ldns_pkt_set_rcode(pkt, (uint8_t)text->rcode);
	push_lines(pkt, LDNS_SECTION_ANSWER, text->answer);
	push_lines(pkt, LDNS_SECTION_AUTHORITY, text->authority);
	push_lines(pkt, LDNS_SECTION_ADDITIONAL, text->additional);
	to_wire(pkt, out);
}

static inline struct fl_cache_key make_key(const char *qname, uint16_t qtype)
{
	uint8_t name[FL_NAME_MAX];
	size_t len;
	struct fl_cache_key key;
	cr_assert_eq(fl_name_from_text(qname, name, &len), FL_OK);
	fl_cache_key_init(&key, secret, name, len, qtype, FL_CLASS_IN);
	return key;
}

static inline struct fl_record_source source_of(const struct octets *m, enum fl_verdict verdict)
{
	return (struct fl_record_source){
		.packet = m->at, .packet_len = m->len, .verdict = verdict, .ede = FL_EDE_NONE
	};
}

/* A question as a client sends it; it must outlive what uses it. */
struct client {
	uint8_t msg[600];
	struct fl_question q;
};

enum { ASK_DO = 1, ASK_EDNS = 2, ASK_AD = 4, ASK_CD = 8 };

static inline void ask(struct client *c, const char *qname, uint16_t qtype, unsigned how,
		       uint16_t udp_size)
{
	size_t n = FL_HEADER_SIZE, name_len;
	memset(c->msg, 0, sizeof(c->msg));
	fl_store_u16(c->msg, 0xBEEF);
	const unsigned ad = how & ASK_AD ? FL_FLAG_AD : 0, cd = how & ASK_CD ? FL_FLAG_CD : 0;
	fl_store_u16(c->msg + 2, (uint16_t)(FL_FLAG_RD | ad | cd));
	fl_store_u16(c->msg + 4, 1);
	cr_assert_eq(fl_name_from_text(qname, c->msg + n, &name_len), FL_OK);
	n += name_len;
	fl_store_u16(c->msg + n, qtype);
	fl_store_u16(c->msg + n + 2, FL_CLASS_IN);
	n += 4;
	if (how & (ASK_DO | ASK_EDNS)) {
		fl_store_u16(c->msg + 10, 1);
		fl_store_u16(c->msg + n + 1, FL_TYPE_OPT);
		fl_store_u16(c->msg + n + 3, udp_size);
		c->msg[n + 7] = (uint8_t)(how & ASK_DO ? 0x80 : 0);
		n += 11;
	}
	cr_assert_eq(fl_question_parse(c->msg, n, &c->q), FL_QUESTION_OK);
}

static inline ldns_pkt *parse(const uint8_t *wire, size_t len)
{
	ldns_pkt *pkt;
	const ldns_status s = ldns_wire2pkt(&pkt, wire, len);
	cr_assert_eq(s, LDNS_STATUS_OK, "ldns: %s", ldns_get_errorstr_by_id(s));
	return pkt;
}

/* xorshift64*: the same numbers on every machine. */
static inline uint32_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)((*state * UINT64_C(0x2545F4914F6CDD1D)) >> 32);
}

#endif
