#include "fairlead/wire/question.h"

#include "fairlead/base/err.h"
#include "octets.h"

#include <criterion/criterion.h>
#include <malloc.h>

/* id 0x1234, RD; a one-octet count each */
#define HEADER_FLAGS(flags, qd, an, ns, ar) "\x12\x34" flags "\0" qd "\0" an "\0" ns "\0" ar
#define HEADER(qd, an, ns, ar)              HEADER_FLAGS("\1\0", qd, an, ns, ar)
#define QUESTION                            "\3www\7Example\3com\0\0\1\0\1"
#define OPT_HEAD                            "\0\0\x29\x04\xD0\0\0\0\0" /* root, OPT, 1232, version 0 */
#define OPT                                 OPT_HEAD "\0\0"
#define OPT_DO                              "\0\0\x29\x10\0\0\0\x80\0\0\0"
#define OPT_V1                              "\0\0\x29\x10\0\0\1\0\0\0\0"
#define A_RR                                "\0\0\1\0\1\0\0\0\x3C\0\4\x7F\0\0\1"
#define SOA_RR                              "\xC0\x0C\0\6\0\1\0\0\0\0\0\x16\0\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1"
#define TSIG_RR                                      \
	"\3key\0\0\xFA\0\xFF\0\0\0\0\0\x1D\x0Bhmac-" \
	"sha256\0\0\0\0\0\0\1\1\x2C\0\0\x12\x34\0\0\0\0"
#define L63     "\77aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define L62     "\76aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define L61     "\75aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define COOKIE8 "abcdefgh"

struct kind_case {
	const char *why, *msg;
	size_t len;
	enum fl_question_kind want;
	uint8_t name_len; /* of what is understood all the same */
	bool edns;
};

static const struct kind_case kind_cases[] = {
	/* never answered */
	{ "nothing", OCTETS(""), FL_QUESTION_DROP, 0, false },
	{ "11 octets", OCTETS("\x12\x34\1\0\0\1\0\0\0\0\0"), FL_QUESTION_DROP, 0, false },
	{ "a response", OCTETS(HEADER_FLAGS("\x81\x80", "\1", "\0", "\0", "\0") QUESTION),
	  FL_QUESTION_DROP, 0, false },
	{ "a response of an unknown opcode",
	  OCTETS(HEADER_FLAGS("\xF8\0", "\1", "\0", "\0", "\0") QUESTION), FL_QUESTION_DROP, 0,
	  false },
	/* opcodes: asked first */
	{ "a status query", OCTETS(HEADER_FLAGS("\x10\0", "\1", "\0", "\0", "\0") QUESTION),
	  FL_QUESTION_NOTIMP, 17, false },
	{ "an inverse query without a question",
	  OCTETS(HEADER_FLAGS("\x08\0", "\0", "\0", "\0", "\0")), FL_QUESTION_NOTIMP, 0,
	  false },
	{ "opcode 15 and garbage",
	  OCTETS(HEADER_FLAGS("\x78\0", "\1", "\7", "\7", "\7") "\xFF\xFF"), FL_QUESTION_NOTIMP,
	  0, false },
	{ "a notify with its SOA",
	  OCTETS(HEADER_FLAGS("\x24\0", "\1", "\1", "\0", "\0") QUESTION SOA_RR),
	  FL_QUESTION_NOTIMP, 17, false },
	{ "an unknown opcode with EDNS",
	  OCTETS(HEADER_FLAGS("\x78\0", "\1", "\0", "\0", "\1") QUESTION OPT),
	  FL_QUESTION_NOTIMP, 17, true },
	/* the question */
	{ "no question", OCTETS(HEADER("\0", "\0", "\0", "\0")), FL_QUESTION_FORMERR, 0,
	  false },
	{ "no question but a cookie",
	  OCTETS(HEADER("\0", "\0", "\0", "\1") OPT_HEAD "\0\x0C\0\x0A\0\x08" COOKIE8),
	  FL_QUESTION_FORMERR, 0, false },
	{ "two questions", OCTETS(HEADER("\2", "\0", "\0", "\0") QUESTION QUESTION),
	  FL_QUESTION_FORMERR, 0, false },
	{ "256 questions", OCTETS("\x12\x34\1\0\1\0\0\0\0\0\0\0" QUESTION), FL_QUESTION_FORMERR,
	  0, false },
	{ "a question announced, none there", OCTETS(HEADER("\1", "\0", "\0", "\0")),
	  FL_QUESTION_FORMERR, 0, false },
	{ "a name without a root", OCTETS(HEADER("\1", "\0", "\0", "\0") "\3www"),
	  FL_QUESTION_FORMERR, 0, false },
	{ "a label over the end", OCTETS(HEADER("\1", "\0", "\0", "\0") "\77www"),
	  FL_QUESTION_FORMERR, 0, false },
	{ "a name alone", OCTETS(HEADER("\1", "\0", "\0", "\0") "\3www\0"), FL_QUESTION_FORMERR,
	  0, false },
	{ "class cut in half", OCTETS(HEADER("\1", "\0", "\0", "\0") "\3www\0\0\1\0"),
	  FL_QUESTION_FORMERR, 0, false },
	{ "a name that is a pointer to itself",
	  OCTETS(HEADER("\1", "\0", "\0", "\0") "\xC0\x0C\0\1\0\1"), FL_QUESTION_FORMERR, 0,
	  false },
	{ "a pointer behind a label",
	  OCTETS(HEADER("\1", "\0", "\0", "\0") "\3www\xC0\x04\0\1\0\1"), FL_QUESTION_FORMERR,
	  0, false },
	{ "label type 01",
	  OCTETS(HEADER("\1", "\0", "\0", "\0") "\x41"
						"a\0\0\1\0\1"),
	  FL_QUESTION_FORMERR, 0, false },
	{ "a label of 65 is one of type 01, however much follows",
	  OCTETS(HEADER("\1", "\0", "\0", "\0") "\x41" L62 "aa\0\0\1\0\1"), FL_QUESTION_FORMERR,
	  0, false },
	{ "label type 10", OCTETS(HEADER("\1", "\0", "\0", "\0") "\x80\0\0\1\0\1"),
	  FL_QUESTION_FORMERR, 0, false },
	{ "a name of 256 octets",
	  OCTETS(HEADER("\1", "\0", "\0", "\0") L63 L63 L63 L62 "\0\0\1\0\1"),
	  FL_QUESTION_FORMERR, 0, false },
	{ "octets left over", OCTETS(HEADER("\1", "\0", "\0", "\0") QUESTION "x"),
	  FL_QUESTION_FORMERR, 17, false },
	/* other sections */
	{ "an answer", OCTETS(HEADER("\1", "\1", "\0", "\0") QUESTION A_RR),
	  FL_QUESTION_FORMERR, 17, false },
	{ "an answer announced, none there", OCTETS(HEADER("\1", "\1", "\0", "\0") QUESTION),
	  FL_QUESTION_FORMERR, 17, false },
	{ "authority", OCTETS(HEADER("\1", "\0", "\1", "\0") QUESTION SOA_RR),
	  FL_QUESTION_FORMERR, 17, false },
	{ "an IXFR with two records of authority",
	  OCTETS(HEADER("\1", "\0", "\2", "\0") "\1a\0\0\xFB\0\1" SOA_RR SOA_RR),
	  FL_QUESTION_FORMERR, 3, false },
	{ "an IXFR whose authority is no SOA",
	  OCTETS(HEADER("\1", "\0", "\1", "\0") "\1a\0\0\xFB\0\1" A_RR), FL_QUESTION_FORMERR, 3,
	  false },
	{ "additional announced, none there", OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION),
	  FL_QUESTION_FORMERR, 17, false },
	{ "65,535 additional records and one there",
	  OCTETS("\x12\x34\1\0\0\1\0\0\0\0\xFF\xFF" QUESTION OPT), FL_QUESTION_FORMERR, 17,
	  true },
	{ "an additional record cut",
	  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION "\0\0\1\0\1\0\0"), FL_QUESTION_FORMERR,
	  17, false },
	{ "an OPT not announced", OCTETS(HEADER("\1", "\0", "\0", "\0") QUESTION OPT),
	  FL_QUESTION_FORMERR, 17, false },
	{ "octets behind the OPT", OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION OPT "\0"),
	  FL_QUESTION_FORMERR, 17, true },
	/* EDNS */
	{ "two OPTs", OCTETS(HEADER("\1", "\0", "\0", "\2") QUESTION OPT OPT),
	  FL_QUESTION_FORMERR, 17, true },
	{ "an OPT that is not at the root",
	  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION "\1a" OPT), FL_QUESTION_FORMERR, 17,
	  false },
	{ "an OPT whose owner is a pointer to a root",
	  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION "\xC0\x1C\0\x29\4\xD0\0\0\0\0\0\0"),
	  FL_QUESTION_FORMERR, 17, false },
	{ "an OPT longer than the message",
	  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION OPT_HEAD "\0\5\0\3\0\0"),
	  FL_QUESTION_FORMERR, 17, false },
	{ "half an option head",
	  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION OPT_HEAD "\0\3\0\3\0"),
	  FL_QUESTION_FORMERR, 17, true },
	{ "an option longer than the OPT",
	  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION OPT_HEAD "\0\5\0\3\0\2x"),
	  FL_QUESTION_FORMERR, 17, true },
	{ "a stray octet behind the options",
	  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION OPT_HEAD "\0\5\0\3\0\0x"),
	  FL_QUESTION_FORMERR, 17, true },
	{ "an empty cookie",
	  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION OPT_HEAD "\0\4\0\x0A\0\0"),
	  FL_QUESTION_FORMERR, 17, true },
	{ "a cookie of 7",
	  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION OPT_HEAD "\0\x0B\0\x0A\0\7abcdefg"),
	  FL_QUESTION_FORMERR, 17, true },
	{ "a cookie of 9",
	  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION OPT_HEAD "\0\x0D\0\x0A\0\x09" COOKIE8
								  "i"),
	  FL_QUESTION_FORMERR, 17, true },
	{ "a cookie of 15",
	  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION OPT_HEAD "\0\x13\0\x0A\0\x0F" COOKIE8
								  "abcdefg"),
	  FL_QUESTION_FORMERR, 17, true },
	{ "a cookie of 41",
	  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION OPT_HEAD
		 "\0\x2D\0\x0A\0\x29" COOKIE8 COOKIE8 COOKIE8 COOKIE8 COOKIE8 "i"),
	  FL_QUESTION_FORMERR, 17, true },
	{ "EDNS version 1", OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION OPT_V1),
	  FL_QUESTION_BADVERS, 17, true },
	{ "EDNS version 1 with options that version 0 would not know",
	  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION "\0\0\x29\x10\0\0\1\0\0\0\3xyz"),
	  FL_QUESTION_BADVERS, 17, true },
	{ "EDNS version 255",
	  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION "\0\0\x29\x10\0\0\xFF\0\0\0\0"),
	  FL_QUESTION_BADVERS, 17, true },
	{ "EDNS version 1 and octets left over",
	  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION OPT_V1 "x"), FL_QUESTION_FORMERR, 17,
	  true },
	/* TSIG */
	{ "a TSIG", OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION TSIG_RR),
	  FL_QUESTION_NOTAUTH, 17, false },
	{ "an OPT and a TSIG", OCTETS(HEADER("\1", "\0", "\0", "\2") QUESTION OPT TSIG_RR),
	  FL_QUESTION_NOTAUTH, 17, true },
	{ "a TSIG whose MAC is longer than it",
	  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION
		 "\0\0\xFA\0\xFF\0\0\0\0\0\x11\0\0\0\0\0\0\1\1\x2C\0\7\x12\x34\0\0\0\0"),
	  FL_QUESTION_FORMERR, 17, false },
	{ "a TSIG with an octet too many",
	  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION
		 "\0\0\xFA\0\xFF\0\0\0\0\0\x12\0\0\0\0\0\0\1\1\x2C\0\0\x12\x34\0\0\0\0x"),
	  FL_QUESTION_FORMERR, 17, false },
	{ "a TSIG without rdata",
	  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION "\0\0\xFA\0\xFF\0\0\0\0\0\0"),
	  FL_QUESTION_FORMERR, 17, false },
	{ "a TSIG before the OPT", OCTETS(HEADER("\1", "\0", "\0", "\2") QUESTION TSIG_RR OPT),
	  FL_QUESTION_FORMERR, 17, false },
	{ "two TSIGs", OCTETS(HEADER("\1", "\0", "\0", "\2") QUESTION TSIG_RR TSIG_RR),
	  FL_QUESTION_FORMERR, 17, false },
	/* good */
	{ "a plain question", OCTETS(HEADER("\1", "\0", "\0", "\0") QUESTION), FL_QUESTION_OK,
	  17, false },
	{ "the root", OCTETS(HEADER("\1", "\0", "\0", "\0") "\0\0\2\0\1"), FL_QUESTION_OK, 1,
	  false },
	{ "a name of 255 octets",
	  OCTETS(HEADER("\1", "\0", "\0", "\0") L63 L63 L63 L61 "\0\0\1\0\1"), FL_QUESTION_OK,
	  255, false },
	{ "EDNS", OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION OPT), FL_QUESTION_OK, 17,
	  true },
	{ "EDNS behind another record",
	  OCTETS(HEADER("\1", "\0", "\0", "\2") QUESTION A_RR OPT), FL_QUESTION_OK, 17, true },
	{ "flags Z, RA, AA, TC and an RCODE are nothing to us",
	  OCTETS(HEADER_FLAGS("\x06\xCF", "\1", "\0", "\0", "\0") QUESTION), FL_QUESTION_OK, 17,
	  false },
	{ "unknown options and EDNS flags",
	  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION
		 "\0\0\x29\x10\0\xFF\0\x7F\xFF\0\x0B\xFD\xE9\0\3xyz\0\x64\0\0"),
	  FL_QUESTION_OK, 17, true },
	{ "client subnet, of whatever form",
	  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION OPT_HEAD "\0\5\0\x08\0\1x"),
	  FL_QUESTION_OK, 17, true },
	{ "an IXFR, well-formed",
	  OCTETS(HEADER("\1", "\0", "\1", "\0") "\1a\0\0\xFB\0\1" SOA_RR), FL_QUESTION_OK, 3,
	  false },
};

Test(question, kinds)
{
	for (size_t i = 0; i < FL_COUNT(kind_cases); i++) {
		const struct kind_case *c = &kind_cases[i];
		uint8_t *msg = exact_copy(c->msg, c->len);
		struct fl_question q;
		cr_expect_eq(fl_question_parse(msg, c->len, &q), c->want, "%s", c->why);
		cr_expect_eq(q.name_len, c->name_len, "%s: name of %u", c->why, q.name_len);
		cr_expect_eq(q.edns, c->edns, "%s: EDNS %d", c->why, q.edns);
		cr_expect(q.msg == msg && q.len == c->len, "%s: view lost its message", c->why);
		cr_expect_eq(q.id, c->len < 12 ? 0 : 0x1234, "%s", c->why);
		cr_expect_geq(q.udp_size, 512, "%s", c->why);
		cr_expect(q.name_len > 0 || (q.qtype == 0 && q.qclass == 0),
			  "%s: a type without a name", c->why);
		free(msg);
	}
}

static struct fl_question parsed(const char *msg, size_t len)
{
	struct fl_question q;
	cr_assert_eq(fl_question_parse((const uint8_t *)msg, len, &q), FL_QUESTION_OK);
	return q;
}

Test(question, view)
{
	static const char msg[] = HEADER_FLAGS("\1\x30", "\1", "\0", "\0",
					       "\1") "\3wWw\7Example\3com\0\0\x1C\0\3" OPT_DO;
	struct fl_question q = parsed(OCTETS(msg));
	cr_expect_eq(q.flags, FL_FLAG_RD | FL_FLAG_AD | FL_FLAG_CD);
	cr_expect_eq(q.qtype, FL_TYPE_AAAA);
	cr_expect_eq(q.qclass, FL_CLASS_CH);
	cr_expect_eq(fl_question_name(&q), (const uint8_t *)msg + 12);
	cr_expect(q.edns && q.dnssec_ok && q.edns_version == 0);
	cr_expect_eq(q.udp_size, 4096);
	cr_expect(q.cookie == NULL && q.cookie_len == 0 && !q.wants_nsid && !q.padded);
}

Test(question, udp_size)
{
	static const struct {
		const char *why, *msg;
		size_t len;
		uint16_t want;
	} cases[] = {
		{ "none without EDNS", OCTETS(HEADER("\1", "\0", "\0", "\0") QUESTION), 512 },
		{ "0 is 512",
		  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION "\0\0\x29\0\0\0\0\0\0\0\0"),
		  512 },
		{ "511 is 512",
		  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION "\0\0\x29\1\xFF\0\0\0\0\0\0"),
		  512 },
		{ "513 is 513",
		  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION "\0\0\x29\2\1\0\0\0\0\0\0"),
		  513 },
		{ "65,535 is told as it is",
		  OCTETS(HEADER("\1", "\0", "\0", "\1") QUESTION
			 "\0\0\x29\xFF\xFF\0\0\0\0\0\0"),
		  65535 },
	};
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		struct fl_question q = parsed(cases[i].msg, cases[i].len);
		cr_expect_eq(q.udp_size, cases[i].want, "%s: %u", cases[i].why, q.udp_size);
	}
}

Test(question, options)
{
	static const char msg[] = HEADER("\1", "\0", "\0", "\1") QUESTION OPT_HEAD
		"\0\x20"
		"\0\3\0\0"             /* NSID */
		"\0\x0A\0\x08" COOKIE8 /* the first cookie counts, RFC 7873 5.2 */
		"\0\x0A\0\x01y"        /* a second is not even looked at */
		"\0\x0B\0\0"           /* keepalive */
		"\0\x0C\0\3\0\0\0";    /* padding */
	struct fl_question q = parsed(OCTETS(msg));
	cr_expect(q.wants_nsid && q.padded);
	cr_expect_eq(q.cookie_len, 8);
	cr_expect_arr_eq(q.cookie, COOKIE8, 8);
	cr_expect(q.cookie > (const uint8_t *)msg &&
			  q.cookie < (const uint8_t *)msg + sizeof(msg),
		  "the cookie was copied");
}

/* RFC 6891 6.1.3: what options of another version mean nobody knows. */
Test(question, options_of_another_version_are_not_read)
{
	static const char msg[] = HEADER("\1", "\0", "\0", "\1") QUESTION
		"\0\0\x29\x10\0\0\1\x80\0\0\x10\0\3\0\0\0\x0A\0\x08" COOKIE8;
	struct fl_question q;
	cr_assert_eq(fl_question_parse((const uint8_t *)msg, sizeof(msg) - 1, &q),
		     FL_QUESTION_BADVERS);
	cr_expect(q.edns && q.dnssec_ok && q.edns_version == 1 && q.udp_size == 4096);
	cr_expect(q.cookie == NULL && q.cookie_len == 0 && !q.wants_nsid);
}

Test(question, cookie_lengths)
{
	for (size_t n = 0; n <= 60; n++) {
		uint8_t msg[256] = HEADER("\1", "\0", "\0", "\1") QUESTION OPT_HEAD;
		const size_t head =
			sizeof(HEADER("\1", "\0", "\0", "\1") QUESTION OPT_HEAD) - 1;
		const bool good = n == 8 || (n >= 16 && n <= 40);
		struct fl_question q;
		msg[head + 1] = (uint8_t)(n + 4);
		msg[head + 3] = FL_OPTION_COOKIE;
		msg[head + 5] = (uint8_t)n;
		cr_expect_eq(fl_question_parse(msg, head + 6 + n, &q),
			     good ? FL_QUESTION_OK : FL_QUESTION_FORMERR, "cookie of %zu", n);
		cr_expect_eq(q.cookie_len, good ? n : 0, "cookie of %zu", n);
	}
}

/* Each prefix of a whole question is FORMERR, and nothing behind it is read. */
Test(question, every_cut)
{
	static const char msg[] = HEADER("\1", "\0", "\0", "\2") QUESTION OPT_HEAD
		"\0\x0C\0\x0A\0\x08" COOKIE8 A_RR;
	for (size_t len = 0; len < sizeof(msg) - 1; len++) {
		uint8_t *cut = exact_copy(msg, len);
		struct fl_question q;
		cr_expect_eq(fl_question_parse(cut, len, &q),
			     len < 12 ? FL_QUESTION_DROP : FL_QUESTION_FORMERR, "cut at %zu",
			     len);
		free(cut);
	}
	parsed(OCTETS(msg));
}

/* A random change to a good question never makes the view point outside. */
Test(question, every_view_stays_inside)
{
	static const char good[] = HEADER("\1", "\0", "\0", "\2") QUESTION OPT_HEAD
		"\0\x10\0\3\0\0\0\x0A\0\x08" COOKIE8 TSIG_RR;
	uint64_t seed = 6891;
	unsigned kinds[FL_QUESTION_NOTAUTH + 1] = { 0 };
	for (int i = 0; i < 200000; i++) {
		const size_t len = sizeof(good) - 1 -
				   (next_random(&seed) % 4 == 0 ? next_random(&seed) % 60 : 0);
		uint8_t *msg = exact_copy(good, len);
		for (uint32_t n = next_random(&seed) % 4; n > 0; n--) {
			msg[next_random(&seed) % len] ^=
				(uint8_t)(1U << next_random(&seed) % 8);
		}
		struct fl_question q;
		kinds[fl_question_parse(msg, len, &q)]++;
		cr_assert(q.name_len == 0 || 12U + q.name_len + 4U <= len);
		cr_assert((q.cookie == NULL) == (q.cookie_len == 0));
		cr_assert(q.cookie == NULL ||
			  (q.cookie > msg && q.cookie + q.cookie_len <= msg + len));
		free(msg);
	}
	for (size_t k = FL_QUESTION_DROP; k < FL_COUNT(kinds); k++) {
		cr_expect_gt(kinds[k], 100, "kind %zu came only %u times", k, kinds[k]);
	}
}

Test(question, nothing_is_allocated)
{
	static const char msg[] = HEADER("\1", "\0", "\0", "\1") QUESTION OPT;
	struct fl_question q;
	unsigned ok = 0;
	const struct mallinfo2 before = mallinfo2();
	for (int i = 0; i < 1000; i++) {
		ok += fl_question_parse((const uint8_t *)msg, sizeof(msg) - 1, &q) ==
		      FL_QUESTION_OK;
	}
	const struct mallinfo2 after = mallinfo2();
	cr_expect_eq(ok, 1000);
	cr_expect_eq(before.uordblks, after.uordblks);
	cr_expect_eq(before.hblkhd, after.hblkhd);
}
