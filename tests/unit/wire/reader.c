#include "fairlead/wire/reader.h"

#include "octets.h"

#include <criterion/criterion.h>

#define L63 "\77aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define L61 "\75aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define L62 "\76aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

Test(reader, numbers)
{
	static const uint8_t msg[] = { 0xFE, 0x80, 0x01, 0xFF, 0xFE, 0xFD, 0xFC };
	struct fl_reader r = fl_reader_init(msg, sizeof(msg));
	cr_expect_eq(fl_reader_u8(&r), 0xFE);
	cr_expect_eq(fl_reader_u16(&r), 0x8001);
	cr_expect_eq(fl_reader_u32(&r), 0xFFFEFDFCU);
	cr_expect_eq(r.err, FL_OK);
	cr_expect_eq(r.pos, sizeof(msg));
}

Test(reader, an_error_is_sticky_and_moves_nothing)
{
	static const uint8_t msg[] = { 1, 2, 3 };
	struct fl_reader r = fl_reader_init(msg, sizeof(msg));
	uint8_t name[FL_NAME_MAX];
	size_t len = 999;
	struct fl_rr rr = { .type = 999 };
	cr_expect_eq(fl_reader_u32(&r), 0);
	cr_expect_eq(r.err, FL_ETRUNCATED);
	cr_expect_eq(r.pos, 0);
	cr_expect_eq(fl_reader_u8(&r), 0, "there was an octet, but the reader is poisoned");
	cr_expect_eq(fl_reader_u16(&r), 0);
	cr_expect_null(fl_reader_take(&r, 0));
	cr_expect_eq(fl_reader_skip_name(&r), FL_ETRUNCATED);
	cr_expect_eq(fl_reader_name(&r, name, &len), FL_ETRUNCATED);
	cr_expect_eq(fl_reader_rr(&r, &rr), FL_ETRUNCATED);
	cr_expect(len == 999 && rr.type == 999, "written on failure");
	cr_expect_eq(r.pos, 0);
}

Test(reader, take)
{
	static const uint8_t msg[] = { 1, 2, 3 };
	struct fl_reader r = fl_reader_init(msg, sizeof(msg));
	cr_expect_eq(fl_reader_take(&r, 2), msg);
	cr_expect_eq(fl_reader_take(&r, 0), msg + 2);
	cr_expect_eq(fl_reader_take(&r, 1), msg + 2);
	cr_expect_eq(fl_reader_take(&r, 0), msg + 3, "nothing can be taken at the end");
	cr_expect_eq(r.err, FL_OK);
	cr_expect_null(fl_reader_take(&r, SIZE_MAX));
	cr_expect_eq(r.err, FL_ETRUNCATED);
}

struct skip_case {
	const char *why, *msg;
	size_t len;
	enum fl_err want;
	size_t pos;
};

static const struct skip_case skip_cases[] = {
	{ "nothing there", OCTETS(""), FL_ETRUNCATED, 0 },
	{ "no root", OCTETS("\1a"), FL_ETRUNCATED, 0 },
	{ "label cut", OCTETS("\3ab"), FL_ETRUNCATED, 0 },
	{ "pointer cut in half", OCTETS("\xC0"), FL_ETRUNCATED, 0 },
	{ "pointer cut in half behind a label", OCTETS("\1a\xC0"), FL_ETRUNCATED, 0 },
	{ "0x40 label type is reserved", OCTETS("\x41\0\0"), FL_EMALFORMED, 0 },
	{ "0x80 label type is reserved", OCTETS("\x81\0\0"), FL_EMALFORMED, 0 },
	{ "256 octets", OCTETS(L63 L63 L63 L62 "\0"), FL_EMALFORMED, 0 },
	{ "root is one octet", OCTETS("\0x"), FL_OK, 1 },
	{ "pointer ends the name", OCTETS("\1a\xC0\x0Cx"), FL_OK, 4 },
	{ "a pointer to nowhere costs nothing", OCTETS("\xFF\xFFx"), FL_OK, 2 },
	{ "255 octets", OCTETS(L63 L63 L63 L61 "\0x"), FL_OK, 255 },
};

Test(reader, skip_name)
{
	for (size_t i = 0; i < FL_COUNT(skip_cases); i++) {
		const struct skip_case *c = &skip_cases[i];
		uint8_t *msg = exact_copy(c->msg, c->len);
		struct fl_reader r = fl_reader_init(msg, c->len);
		cr_expect_eq(fl_reader_skip_name(&r), c->want, "%s", c->why);
		cr_expect_eq(r.pos, c->pos, "%s: stopped at %zu", c->why, r.pos);
		free(msg);
	}
}

Test(reader, name)
{
	static const uint8_t msg[] = { 1, 'a', 0, 1, 'B', 0xC0, 0, 0xC0, 9, 0 };
	struct fl_reader r = fl_reader_init(msg, sizeof(msg));
	uint8_t out[FL_NAME_MAX];
	size_t len = 0;
	cr_expect_eq(fl_reader_name(&r, out, &len), FL_OK);
	cr_expect(len == 3 && r.pos == 3);
	cr_expect_eq(fl_reader_name(&r, out, &len), FL_OK);
	cr_expect(len == 5 && r.pos == 7 && memcmp(out, "\1B\1a\0", 5) == 0);
	cr_expect_eq(fl_reader_name(&r, out, &len), FL_EMALFORMED,
		     "that pointer leads forwards");
	cr_expect(r.pos == 7 && r.err == FL_EMALFORMED);
}

struct rr_case {
	const char *why, *msg;
	size_t len;
	enum fl_err want;
	uint32_t ttl;
	uint16_t rdata_len;
};

static const struct rr_case rr_cases[] = {
	{ "nothing there", OCTETS(""), FL_ETRUNCATED, 0, 0 },
	{ "owner alone", OCTETS("\0"), FL_ETRUNCATED, 0, 0 },
	{ "fixed part cut by one", OCTETS("\0\0\1\0\1\0\0\0\1\0"), FL_ETRUNCATED, 0, 0 },
	{ "rdata cut by one", OCTETS("\0\0\1\0\1\0\0\0\1\0\4abc"), FL_ETRUNCATED, 0, 0 },
	{ "rdata of 65,535 that is not there",
	  OCTETS("\0\0\1\0\1\0\0\0\1\xFF\xFF"
		 "abc"),
	  FL_ETRUNCATED, 0, 0 },
	{ "bad owner", OCTETS("\x40\0\1\0\1\0\0\0\1\0\0\0"), FL_EMALFORMED, 0, 0 },
	{ "no rdata", OCTETS("\0\0\1\0\1\0\0\0\1\0\0"), FL_OK, 1, 0 },
	{ "four octets, more behind", OCTETS("\0\0\1\0\1\1\2\3\4\0\4abcdXX"), FL_OK, 0x01020304,
	  4 },
	{ "largest TTL", OCTETS("\0\0\1\0\1\x7F\xFF\xFF\xFF\0\0"), FL_OK, 0x7FFFFFFF, 0 },
	{ "TTL with the top bit is 0", OCTETS("\0\0\1\0\1\x80\0\0\0\0\0"), FL_OK, 0, 0 },
	{ "TTL of all ones is 0", OCTETS("\0\0\1\0\1\xFF\xFF\xFF\xFF\0\0"), FL_OK, 0, 0 },
	{ "but an OPT's is flags", OCTETS("\0\0\x29\4\xD0\xFF\0\x80\0\0\0"), FL_OK, 0xFF008000,
	  0 },
};

Test(reader, rr)
{
	for (size_t i = 0; i < FL_COUNT(rr_cases); i++) {
		const struct rr_case *c = &rr_cases[i];
		uint8_t *msg = exact_copy(c->msg, c->len);
		struct fl_reader r = fl_reader_init(msg, c->len);
		struct fl_rr rr = { .ttl_pos = 999 };
		cr_expect_eq(fl_reader_rr(&r, &rr), c->want, "%s", c->why);
		if (c->want == FL_OK) {
			cr_expect_eq(rr.ttl, c->ttl, "%s: %x", c->why, rr.ttl);
			cr_expect_eq(rr.rdata_len, c->rdata_len, "%s", c->why);
			cr_expect_eq(rr.ttl_pos, 5, "%s", c->why);
			cr_expect_eq(rr.rdata_pos, 11, "%s", c->why);
			cr_expect_eq(r.pos, 11U + c->rdata_len, "%s", c->why);
		} else {
			cr_expect_eq(rr.ttl_pos, 999, "%s: written on failure", c->why);
			cr_expect_eq(r.pos, 0, "%s: moved on failure", c->why);
		}
		free(msg);
	}
}

Test(reader, rr_at_a_position)
{
	static const uint8_t msg[] = "\1a\0\1b\xC0\0\0\x10\0\3\0\0\0\x3C\0\2\1x";
	struct fl_reader r = fl_reader_init(msg, sizeof(msg) - 1);
	r.pos = 3;
	struct fl_rr rr;
	cr_assert_eq(fl_reader_rr(&r, &rr), FL_OK);
	cr_expect(rr.owner_pos == 3 && rr.type == FL_TYPE_TXT && rr.class == FL_CLASS_CH);
	cr_expect(rr.ttl == 60 && rr.ttl_pos == 11 && rr.rdata_pos == 17 && rr.rdata_len == 2);
	cr_expect_eq(r.pos, r.len);
}
