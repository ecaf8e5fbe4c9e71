#include "fairlead/wire/reply.h"

#include "fairlead/base/err.h"
#include "fairlead/wire/reader.h"
#include "octets.h"

#include <criterion/criterion.h>

#define NAME     "\3wWw\7Example\3com\0"
#define QUESTION NAME "\0\1\0\1"
#define COOKIE24 "abcdefghABCDEFGHIJKLMNOP"

/* A question of the given flags; edns: with an OPT of DO and NSID wanted. */
static struct fl_question ask(uint8_t msg[static 64], uint16_t flags, bool edns)
{
	static const char plain[] = "\x12\x34\0\0\0\1\0\0\0\0\0\0" QUESTION;
	static const char opt[] = "\0\0\x29\4\xD0\0\0\x80\0\0\4\0\3\0\0";
	struct fl_question q;
	size_t len = sizeof(plain) - 1;
	memcpy(msg, plain, len);
	fl_store_u16(msg + 2, flags);
	if (edns) {
		memcpy(msg + len, opt, sizeof(opt) - 1);
		len += sizeof(opt) - 1;
		msg[11] = 1;
	}
	(void)fl_question_parse(msg, len, &q);
	return q;
}

struct opt {
	uint16_t udp_size, flags;
	uint8_t ext_rcode, version;
	size_t pos, len; /* option list */
};

/* The OPT of a reply that has no other record; the whole message is walked. */
static bool find_opt(const uint8_t *msg, size_t len, struct opt *out)
{
	struct fl_reader r = fl_reader_init(msg, len);
	struct fl_rr rr;
	r.pos = 4;
	const uint16_t questions = fl_reader_u16(&r);
	cr_assert_eq(fl_reader_u32(&r), 0, "answer or authority counted");
	const uint16_t additional = fl_reader_u16(&r);
	cr_assert_leq(questions, 1);
	cr_assert_leq(additional, 1);
	if (questions == 1) {
		cr_assert_eq(fl_reader_skip_name(&r), FL_OK);
		fl_reader_take(&r, 4);
	}
	if (additional == 1) {
		cr_assert_eq(fl_reader_rr(&r, &rr), FL_OK);
		cr_assert(msg[rr.owner_pos] == 0 && rr.type == FL_TYPE_OPT);
		*out = (struct opt){ rr.class,
				     (uint16_t)rr.ttl,
				     (uint8_t)(rr.ttl >> 24),
				     (uint8_t)(rr.ttl >> 16),
				     rr.rdata_pos,
				     rr.rdata_len };
	}
	cr_assert_eq(r.err, FL_OK);
	cr_assert_eq(r.pos, len, "octets left over");
	return additional == 1;
}

/* Length of the n-th option with that code, -1: none; *data points at it. */
static int option(const uint8_t *msg, const struct opt *o, uint16_t code, int n,
		  const uint8_t **data)
{
	for (size_t at = o->pos; at < o->pos + o->len; at += 4U + fl_load_u16(msg + at + 2)) {
		if (fl_load_u16(msg + at) == code && n-- == 0) {
			*data = msg + at + 4;
			return fl_load_u16(msg + at + 2);
		}
	}
	return -1;
}

Test(reply, flags)
{
	static const struct {
		const char *why;
		uint16_t asked, added, rcode, want;
	} cases[] = {
		{ "RD=0 stays 0, RA is always 1", 0, 0, 0, 0x8080 },
		{ "RD is copied", 0x0100, 0, 0, 0x8180 },
		{ "CD is copied", 0x0010, 0, 0, 0x8090 },
		{ "AD is not", 0x0020, 0, 0, 0x8080 },
		{ "AA, TC, Z and RCODE of a question are not", 0x064F, 0, 0, 0x8080 },
		{ "the opcode is", 0x2800, 0, FL_RCODE_NOTIMP, 0xA884 },
		{ "AD is ours", 0x0110, FL_FLAG_AD, 0, 0x81B0 },
		{ "TC is ours", 0x0100, FL_FLAG_TC, 0, 0x8380 },
		{ "AA never", 0x0100, FL_FLAG_AA | FL_FLAG_Z | 0xF, 0, 0x8180 },
		{ "the RCODE's low bits", 0, 0, FL_RCODE_NXDOMAIN, 0x8083 },
	};
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		uint8_t msg[64], out[512];
		struct fl_question q = ask(msg, cases[i].asked, false);
		struct fl_writer w = fl_writer_init(out, sizeof(out));
		fl_reply_begin(&w, &q, cases[i].added, cases[i].rcode);
		cr_assert_eq(w.len, 12 + sizeof(QUESTION) - 1);
		cr_expect_eq(fl_load_u16(out), 0x1234);
		cr_expect_eq(fl_load_u16(out + 2), cases[i].want, "%s: %04x", cases[i].why,
			     fl_load_u16(out + 2));
		cr_expect_arr_eq(out + 4, "\0\1\0\0\0\0\0\0" QUESTION,
				 8 + sizeof(QUESTION) - 1);
	}
}

Test(reply, limit)
{
	static const struct {
		uint16_t client;
		size_t want;
	} cases[] = { { 0, 512 },     { 512, 512 },   { 513, 513 },   { 1231, 1231 },
		      { 1232, 1232 }, { 1233, 1232 }, { 65535, 1232 } };
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		const struct fl_question q = { .udp_size = cases[i].client };
		cr_expect_eq(fl_reply_limit(&q, false), cases[i].want);
		cr_expect_eq(fl_reply_limit(&q, true), 65535);
	}
}

Test(reply, no_opt_for_who_sent_none)
{
	uint8_t msg[64], out[512];
	struct fl_question q = ask(msg, 0x0100, false);
	struct fl_reply_opts o = fl_reply_opts_init(512);
	struct opt opt;
	o.ede[0] = (struct fl_reply_ede){ 22, "late", 4 };
	o.cookie = (const uint8_t *)COOKIE24;
	o.cookie_len = 24;
	cr_expect_eq(fl_reply_opt_size(&q, &o), 0);
	const size_t len = fl_reply_error(&q, FL_RCODE_SERVFAIL, &o, out, sizeof(out));
	cr_expect_eq(len, 12 + sizeof(QUESTION) - 1);
	cr_expect_not(find_opt(out, len, &opt));
}

Test(reply, plain_opt)
{
	uint8_t msg[64], out[512];
	struct fl_question q = ask(msg, 0x0100, true);
	struct fl_reply_opts o = fl_reply_opts_init(1232);
	struct opt opt;
	cr_expect_eq(fl_reply_opt_size(&q, &o), 11);
	size_t len = fl_reply_error(&q, FL_RCODE_REFUSED, &o, out, sizeof(out));
	cr_assert(find_opt(out, len, &opt));
	cr_expect_eq(opt.udp_size, 1232);
	cr_expect_eq(opt.flags, 0x8000, "DO is echoed, no other flag");
	cr_expect(opt.ext_rcode == 0 && opt.version == 0 && opt.len == 0);
	q.dnssec_ok = false;
	len = fl_reply_error(&q, FL_RCODE_REFUSED, &o, out, sizeof(out));
	cr_assert(find_opt(out, len, &opt));
	cr_expect_eq(opt.flags, 0);
}

Test(reply, every_option)
{
	uint8_t msg[64], out[1232];
	struct fl_question q = ask(msg, 0x0100, true);
	struct fl_reply_opts o = fl_reply_opts_init(1232);
	struct opt opt;
	const uint8_t *data;
	o.cookie = (const uint8_t *)COOKIE24;
	o.cookie_len = 24;
	o.nsid = "ns1";
	o.keepalive = 300;
	o.ede[0] = (struct fl_reply_ede){ 7, "expired", 7 };
	o.ede[1] = (struct fl_reply_ede){ 0, NULL, 0 };
	const size_t size = fl_reply_opt_size(&q, &o);
	cr_expect_eq(size, 11 + 28 + 7 + 6 + 13 + 6);
	const size_t len = fl_reply_error(&q, FL_RCODE_SERVFAIL, &o, out, sizeof(out));
	cr_expect_eq(len, 12 + sizeof(QUESTION) - 1 + size);
	cr_assert(find_opt(out, len, &opt));
	cr_expect_eq(option(out, &opt, FL_OPTION_COOKIE, 0, &data), 24);
	cr_expect_arr_eq(data, COOKIE24, 24);
	cr_expect_eq(option(out, &opt, FL_OPTION_NSID, 0, &data), 3);
	cr_expect_arr_eq(data, "ns1", 3);
	cr_expect_eq(option(out, &opt, FL_OPTION_KEEPALIVE, 0, &data), 2);
	cr_expect_arr_eq(data, "\1\x2C", 2);
	cr_expect_eq(option(out, &opt, FL_OPTION_EDE, 0, &data), 9);
	cr_expect_arr_eq(data, "\0\7expired", 9);
	cr_expect_eq(option(out, &opt, FL_OPTION_EDE, 1, &data), 2);
	cr_expect_arr_eq(data, "\0\0", 2);
	cr_expect_eq(option(out, &opt, FL_OPTION_PADDING, 0, &data), -1);
}

Test(reply, nsid_only_for_who_asked)
{
	uint8_t msg[64], out[512];
	struct fl_question q = ask(msg, 0, true);
	struct fl_reply_opts o = fl_reply_opts_init(512);
	o.nsid = "ns1";
	q.wants_nsid = false;
	cr_expect_eq(fl_reply_opt_size(&q, &o), 11);
	cr_expect_eq(fl_reply_error(&q, 0, &o, out, sizeof(out)),
		     12 + sizeof(QUESTION) - 1 + 11);
}

Test(reply, extended_rcodes)
{
	static const struct {
		uint16_t rcode;
		uint8_t low, high;
	} cases[] = { { FL_RCODE_SERVFAIL, 2, 0 },
		      { FL_RCODE_BADVERS, 0, 1 },
		      { FL_RCODE_BADCOOKIE, 7, 1 },
		      { 0xFFF, 15, 255 } };
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		uint8_t msg[64], out[512];
		struct fl_question q = ask(msg, 0, true);
		struct fl_reply_opts o = fl_reply_opts_init(512);
		struct opt opt;
		size_t len = fl_reply_error(&q, cases[i].rcode, &o, out, sizeof(out));
		cr_assert(find_opt(out, len, &opt));
		cr_expect_eq(out[3] & 15, cases[i].low);
		cr_expect_eq(opt.ext_rcode, cases[i].high);
		q.edns = false; /* without an OPT its low bits alone would lie */
		len = fl_reply_error(&q, cases[i].rcode, &o, out, sizeof(out));
		cr_expect_not(find_opt(out, len, &opt));
		cr_expect_eq(out[3] & 15, FL_RCODE_SERVFAIL);
	}
}

Test(reply, a_broken_question_gets_the_header)
{
	static const char msg[] = "\x12\x34\1\x10\0\1\0\0\0\0\0\0\xC0\x0C\0\1\0\1";
	uint8_t out[512];
	struct fl_question q;
	struct fl_reply_opts o = fl_reply_opts_init(512);
	cr_assert_eq(fl_question_parse((const uint8_t *)msg, sizeof(msg) - 1, &q),
		     FL_QUESTION_FORMERR);
	cr_expect_eq(fl_reply_error(&q, FL_RCODE_FORMERR, &o, out, sizeof(out)), 12);
	cr_expect_arr_eq(out, "\x12\x34\x81\x91\0\0\0\0\0\0\0\0", 12);
}

/* Every room from nothing to enough: never over it, always well-formed, texts go first. */
Test(reply, every_size)
{
	static const char text[] = "some words to drop";
	uint8_t msg[64];
	struct fl_question q = ask(msg, 0x0100, true);
	struct fl_reply_opts o = fl_reply_opts_init(0);
	o.cookie = (const uint8_t *)COOKIE24;
	o.cookie_len = 24;
	o.nsid = "ns1";
	o.ede[0] = (struct fl_reply_ede){ 22, text, sizeof(text) - 1 };
	o.ede[1] = (struct fl_reply_ede){ 23, text, sizeof(text) - 1 };
	const size_t whole = 12 + sizeof(QUESTION) - 1 + fl_reply_opt_size(&q, &o);
	for (size_t room = 0; room <= whole + 1; room++) {
		for (int by_cap = 0; by_cap < 2; by_cap++) {
			uint8_t *out = malloc(by_cap ? room + 1 : 512);
			o.max_size = by_cap ? 512 : room;
			const size_t len = fl_reply_error(&q, 2, &o, out, by_cap ? room : 512);
			struct opt opt = { 0 };
			const uint8_t *data;
			cr_assert_leq(len,
				      room > 12 || !by_cap ? (room > 12 ? room : 12) : room);
			if (len == 0) {
				cr_assert(by_cap && room < 12);
			} else if (find_opt(out, len, &opt)) {
				const int first = option(out, &opt, FL_OPTION_EDE, 0, &data);
				const int second = option(out, &opt, FL_OPTION_EDE, 1, &data);
				const int nsid = option(out, &opt, FL_OPTION_NSID, 0, &data);
				const int cookie =
					option(out, &opt, FL_OPTION_COOKIE, 0, &data);
				cr_expect(second <= first, "room %zu: the second goes first",
					  room);
				cr_expect(nsid >= 0 || first < 0, "room %zu", room);
				cr_expect(cookie >= 0 || nsid < 0, "room %zu", room);
				cr_expect_eq(room >= whole, second > 2, "room %zu", room);
				cr_expect_eq(room >= whole - 18, first > 2, "room %zu", room);
				cr_expect_eq(room >= whole - 36, second >= 2, "room %zu", room);
			} else {
				cr_expect_lt(room, 12 + sizeof(QUESTION) - 1 + 11, "room %zu",
					     room);
			}
			free(out);
		}
	}
}

/* RFC 8467 4.1: whole blocks, the option's head included, never over the limit. */
Test(reply, padding)
{
	uint8_t msg[64], out[2048];
	struct fl_question q = ask(msg, 0x0100, true);
	const size_t bare = 12 + sizeof(QUESTION) - 1 + 11;
	static const struct {
		uint16_t block;
		size_t max, want;
	} cases[] = { { 468, 65535, 468 }, { 128, 65535, 128 }, { 1, 65535, 48 },
		      { 48, 65535, 48 },   { 47, 65535, 94 },   { 468, 400, 400 },
		      { 468, 44, 44 },     { 468, 47, 44 },     { 468, 48, 48 },
		      { 0, 65535, 44 } };
	cr_assert_eq(bare, 44);
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		struct fl_reply_opts o = fl_reply_opts_init(cases[i].max);
		struct opt opt;
		const uint8_t *data = NULL;
		o.pad_block = cases[i].block;
		memset(out, 0xEE, sizeof(out));
		const size_t len = fl_reply_error(&q, 2, &o, out, sizeof(out));
		cr_expect_eq(len, cases[i].want, "block %u, max %zu: %zu", cases[i].block,
			     cases[i].max, len);
		cr_assert(find_opt(out, len, &opt));
		const int n = option(out, &opt, FL_OPTION_PADDING, 0, &data);
		cr_expect_eq(n, len > 44 ? (int)(len - 48) : -1);
		for (int at = 0; at < n; at++) {
			cr_expect_eq(data[at], 0);
		}
	}
}

Test(reply, opt_counts_beside_other_records)
{
	uint8_t msg[64], out[512];
	struct fl_question q = ask(msg, 0, true);
	struct fl_reply_opts o = fl_reply_opts_init(512);
	struct fl_writer w = fl_writer_init(out, sizeof(out));
	fl_reply_begin(&w, &q, 0, 0);
	fl_writer_patch_u16(&w, 10, 255);
	fl_reply_write_opt(&w, &q, &o, 0);
	cr_expect_eq(fl_load_u16(out + 10), 256);
}

Test(reply, a_poisoned_writer_stays_so)
{
	uint8_t msg[64], out[20];
	struct fl_question q = ask(msg, 0, true);
	struct fl_reply_opts o = fl_reply_opts_init(512);
	struct fl_writer w = fl_writer_init(out, sizeof(out));
	fl_reply_begin(&w, &q, 0, 0);
	cr_assert_eq(w.err, FL_ENOSPACE);
	fl_reply_write_opt(&w, &q, &o, 0);
	cr_expect(w.err == FL_ENOSPACE && w.len <= sizeof(out));
}

/* RFC 8945 5.2.1 and 5.3.2: key name, algorithm, times and id of the question's. */
Test(reply, a_tsig_is_answered_badkey)
{
	static const char msg[] =
		"\x12\x34\1\0\0\1\0\0\0\0\0\2" QUESTION
		"\0\0\x29\4\xD0\0\0\0\0\0\0\3kEy\xC0\x10\0\xFA\0\xFF\0\0\0\0\0\x21"
		"\x0Bhmac-sha256\0\0\0\x6A\1\2\3\1\x2C\0\4MACC\x56\x78\0\0\0\0";
	static const char want[] =
		"\3kEy\7Example\3com\0\0\xFA\0\xFF\0\0\0\0\0\x1D"
		"\x0Bhmac-sha256\0\0\0\x6A\1\2\3\1\x2C\0\0\x56\x78\0\x11\0\0";
	const size_t before = 12 + sizeof(QUESTION) - 1 + 11;
	struct fl_question q;
	struct fl_reply_opts o = fl_reply_opts_init(512);
	uint8_t out[512];
	cr_assert_eq(fl_question_parse((const uint8_t *)msg, sizeof(msg) - 1, &q),
		     FL_QUESTION_NOTAUTH);
	cr_expect_eq(q.tsig_pos, 12 + sizeof(QUESTION) - 1 + 11);
	size_t len = fl_reply_error(&q, FL_RCODE_NOTAUTH, &o, out, sizeof(out));
	cr_assert_eq(len, before + sizeof(want) - 1);
	cr_expect_arr_eq(out + before, want, sizeof(want) - 1);
	cr_expect_eq(fl_load_u16(out + 10), 2);
	o.max_size = len - 1; /* one octet short: the rest of the reply goes out whole */
	len = fl_reply_error(&q, FL_RCODE_NOTAUTH, &o, out, sizeof(out));
	cr_expect_eq(len, before);
	cr_expect_eq(fl_load_u16(out + 10), 1);
	o.max_size = 512; /* only NOTAUTH is about the key */
	cr_expect_eq(fl_reply_error(&q, FL_RCODE_REFUSED, &o, out, sizeof(out)), before);
}
