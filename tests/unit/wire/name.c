#include "fairlead/wire/name.h"

#include "octets.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A62 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A61 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define L63 "\77" A63

static const uint8_t *wire(const char *literal)
{
	return (const uint8_t *)literal;
}

struct expand_case {
	const char *why;
	const char *msg;
	size_t len;
	size_t pos;
	enum fl_err want;
	const char *name;
	size_t name_len;
	size_t next;
};

static const struct expand_case expand_cases[] = {
	{ "an empty message holds no name", OCTETS(""), 0, FL_ETRUNCATED, OCTETS(""), 0 },
	{ "a position behind the message holds none", OCTETS("\0"), 1, FL_ETRUNCATED,
	  OCTETS(""), 0 },
	{ "a label without a root is cut", OCTETS("\1a"), 0, FL_ETRUNCATED, OCTETS(""), 0 },
	{ "a label longer than the message is cut", OCTETS("\5abcd"), 0, FL_ETRUNCATED,
	  OCTETS(""), 0 },
	{ "a label that fills the message has no root", OCTETS("\4abcd"), 0, FL_ETRUNCATED,
	  OCTETS(""), 0 },
	{ "half a pointer is cut", OCTETS("\0\xC0"), 1, FL_ETRUNCATED, OCTETS(""), 0 },
	{ "label type 01 is reserved",
	  OCTETS("\x41"
		 "a\0"),
	  0, FL_EMALFORMED, OCTETS(""), 0 },
	{ "label type 10 is reserved",
	  OCTETS("\x81"
		 "a\0"),
	  0, FL_EMALFORMED, OCTETS(""), 0 },
	{ "a pointer to itself goes nowhere", OCTETS("\xC0\0"), 0, FL_EMALFORMED, OCTETS(""),
	  0 },
	{ "a pointer to its own labels loops", OCTETS("\1a\xC0\0"), 0, FL_EMALFORMED,
	  OCTETS(""), 0 },
	{ "a pointer into its own label is no prior name", OCTETS("\2\0a\xC0\1"), 0,
	  FL_EMALFORMED, OCTETS(""), 0 },
	{ "a pointer forwards is refused", OCTETS("\xC0\2\0"), 0, FL_EMALFORMED, OCTETS(""),
	  0 },
	{ "two pointers at each other loop", OCTETS("\xC0\2\xC0\0"), 2, FL_EMALFORMED,
	  OCTETS(""), 0 },
	{ "a second pointer must lead before the first's target", OCTETS("\1a\xC0\0\1b\xC0\0"),
	  4, FL_EMALFORMED, OCTETS(""), 0 },
	{ "256 octets are one too many", OCTETS(L63 L63 L63 "\76" A62 "\0"), 0, FL_EMALFORMED,
	  OCTETS(""), 0 },
	{ "256 octets through a pointer too", OCTETS("\76" A62 "\0" L63 L63 L63 "\xC0\0"), 64,
	  FL_EMALFORMED, OCTETS(""), 0 },
	{ "the root is one octet", OCTETS("\0"), 0, FL_OK, OCTETS("\0"), 1 },
	{ "case is kept", OCTETS("\3WwW\2Ex\0"), 0, FL_OK, OCTETS("\3WwW\2Ex\0"), 8 },
	{ "dots and NULs are octets like any", OCTETS("\3.\0.\0"), 0, FL_OK, OCTETS("\3.\0.\0"),
	  5 },
	{ "255 octets are allowed", OCTETS(L63 L63 L63 "\75" A61 "\0"), 0, FL_OK,
	  OCTETS(L63 L63 L63 "\75" A61 "\0"), 255 },
	{ "255 octets through a pointer too", OCTETS("\75" A61 "\0" L63 L63 L63 "\xC0\0"), 63,
	  FL_OK, OCTETS(L63 L63 L63 "\75" A61 "\0"), 257 },
	{ "a bare pointer is a whole name", OCTETS("\1a\0\xC0\0x"), 3, FL_OK, OCTETS("\1a\0"),
	  5 },
	{ "labels, then a pointer", OCTETS("\1a\0\1b\xC0\0x"), 3, FL_OK, OCTETS("\1b\1a\0"),
	  7 },
	{ "a pointer to a pointer", OCTETS("\1a\0\1b\xC0\0\1c\xC0\3"), 7, FL_OK,
	  OCTETS("\1c\1b\1a\0"), 11 },
	{ "a pointer to the root", OCTETS("\1a\0\1b\xC0\2"), 3, FL_OK, OCTETS("\1b\0"), 7 },
};

Test(name, expand)
{
	for (size_t i = 0; i < FL_COUNT(expand_cases); i++) {
		const struct expand_case *c = &expand_cases[i];
		uint8_t *msg = exact_copy(c->msg, c->len);
		uint8_t out[FL_NAME_MAX];
		size_t len = 999, next = 999;
		cr_expect_eq(fl_name_expand(msg, c->len, c->pos, out, &len, &next), c->want,
			     "%s", c->why);
		if (c->want == FL_OK) {
			cr_expect_eq(len, c->name_len, "%s: %zu octets", c->why, len);
			cr_expect_arr_eq(out, c->name, c->name_len, "%s", c->why);
			cr_expect_eq(next, c->next, "%s: next is %zu", c->why, next);
		} else {
			cr_expect_eq(len, 999, "%s: length written on failure", c->why);
			cr_expect_eq(next, 999, "%s: next written on failure", c->why);
		}
		free(msg);
	}
}

/* RFC 1035 4.1.4's own figure: F.ISI.ARPA, FOO.F.ISI.ARPA, ARPA and the root. */
Test(name, expand_example_of_rfc1035)
{
	uint8_t msg[93] = { 0 };
	uint8_t out[FL_NAME_MAX];
	char text[FL_NAME_TEXT_MAX];
	memcpy(msg + 20, "\1F\3ISI\4ARPA\0", 12);
	memcpy(msg + 40, "\3FOO\xC0\x14", 6);
	memcpy(msg + 64, "\xC0\x1A", 2);
	static const struct {
		size_t pos, next;
		const char *text;
	} names[] = { { 20, 32, "F.ISI.ARPA." },
		      { 40, 46, "FOO.F.ISI.ARPA." },
		      { 64, 66, "ARPA." },
		      { 92, 93, "." } };
	for (size_t i = 0; i < FL_COUNT(names); i++) {
		size_t len, next;
		cr_assert_eq(fl_name_expand(msg, sizeof(msg), names[i].pos, out, &len, &next),
			     FL_OK);
		cr_expect_str_eq(fl_name_to_text(out, text), names[i].text);
		cr_expect_eq(next, names[i].next);
	}
}

/* Any octets: what expands is a well-formed name, and nothing is read outside. Each
 * pointer leads before the last, so a walk must end, or CTest ends the test. */
Test(name, expand_any_octets)
{
	uint64_t seed = 4343;
	unsigned expanded = 0;
	for (int round = 0; round < 200000; round++) {
		const size_t len = 1 + next_random(&seed) % 40;
		uint8_t *msg = malloc(len);
		for (size_t i = 0; i < len; i++) {
			const uint32_t r = next_random(&seed);
			msg[i] = (uint8_t)(r % 4 == 0   ? 0xC0
					   : r % 4 == 1 ? r >> 8
							: (r >> 8) % 40);
		}
		uint8_t out[FL_NAME_MAX];
		size_t name_len, next;
		const size_t pos = next_random(&seed) % len;
		if (fl_name_expand(msg, len, pos, out, &name_len, &next) == FL_OK) {
			expanded++;
			cr_assert_eq(fl_name_len(out), name_len);
			cr_assert(next > pos && next <= len);
		}
		free(msg);
	}
	cr_expect_gt(expanded, 1000, "only %u names expanded: the test tests nothing",
		     expanded);
}

/* 16,383 pointers in a row, each to the one before: linear, and ends at the root. */
Test(name, expand_longest_chain_of_pointers)
{
	static uint8_t msg[0x4000];
	uint8_t out[FL_NAME_MAX];
	size_t len, next;
	for (size_t at = 2; at + 2 <= sizeof(msg); at += 2) {
		const size_t target = at == 2 ? 0 : at - 2;
		msg[at] = (uint8_t)(0xC0 | target >> 8);
		msg[at + 1] = (uint8_t)target;
	}
	cr_assert_eq(fl_name_expand(msg, sizeof(msg), sizeof(msg) - 2, out, &len, &next),
		     FL_OK);
	cr_expect_eq(len, 1);
	cr_expect_eq(next, sizeof(msg));
}

Test(name, len_and_labels)
{
	static const struct {
		const char *name;
		size_t len;
		unsigned labels;
	} cases[] = { { "\0", 1, 0 },
		      { "\1a\0", 3, 1 },
		      { "\3www\7example\3com\0", 17, 3 },
		      { L63 L63 L63 "\75" A61 "\0", 255, 4 } };
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		cr_expect_eq(fl_name_len(wire(cases[i].name)), cases[i].len, "case %zu", i);
		cr_expect_eq(fl_name_labels(wire(cases[i].name)), cases[i].labels, "case %zu",
			     i);
	}
}

Test(name, labels_at_most_127)
{
	uint8_t name[FL_NAME_MAX];
	for (size_t i = 0; i < 254; i += 2) {
		name[i] = 1;
		name[i + 1] = 'x';
	}
	name[254] = 0;
	cr_expect_eq(fl_name_labels(name), 127);
	cr_expect_eq(fl_name_len(name), 255);
	cr_expect_eq(fl_name_suffix(name, 0), name + 254);
	cr_expect_eq(fl_name_suffix(name, 127), name);
	cr_expect_eq(fl_name_suffix(name, 2), name + 250);
}

static uint8_t lower_octet(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* Every octet value at every place of a word, every length, nothing around it touched. */
Test(name, lower_every_octet_and_length)
{
	for (size_t len = 0; len <= 40; len++) {
		for (unsigned first = 0; first < 256; first++) {
			uint8_t from[40], to[40 + 16];
			memset(to, 0xEE, sizeof(to));
			for (size_t i = 0; i < len; i++) {
				from[i] = (uint8_t)(first + i * 7);
			}
			uint8_t *exact = exact_copy((const char *)from, len);
			fl_name_lower(to + 8, exact, len);
			for (size_t i = 0; i < len; i++) {
				cr_assert_eq(to[8 + i], lower_octet(from[i]),
					     "octet %zu of %zu: %02x", i, len, from[i]);
			}
			for (size_t i = 0; i < 8; i++) {
				cr_assert(to[i] == 0xEE && to[8 + len + i] == 0xEE,
					  "wrote around %zu octets", len);
			}
			fl_name_lower(exact, exact, len);
			cr_assert_eq(memcmp(exact, to + 8, len), 0, "in place, %zu octets",
				     len);
			free(exact);
		}
	}
}

Test(name, equal)
{
	static const struct {
		const char *why, *a, *b;
		bool want;
	} cases[] = {
		{ "the root is not a label", "\0", "\1a\0", false },
		{ "lengths differ", "\3www\0", "\4wwww\0", false },
		{ "last octet differs", "\3www\7example\3com\0", "\3www\7example\3con\0",
		  false },
		{ "same octets, other labels", "\3a\1b\0", "\1a\1b\0", false },
		{ "@ is not `", "\1@\0", "\1`\0", false },
		{ "[ is not {", "\1[\0", "\1{\0", false },
		{ "only ASCII folds", "\1\xC0\0", "\1\xE0\0", false },
		{ "a difference behind a NUL counts", "\3\0ab\0", "\3\0ac\0", false },
		{ "the root is the root", "\0", "\0", true },
		{ "case folds", "\3wWw\7EXAMPLE\3cOm\0", "\3WwW\7example\3CoM\0", true },
		{ "A and Z fold", "\2AZ\0", "\2az\0", true },
	};
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		cr_expect_eq(fl_name_equal(wire(cases[i].a), wire(cases[i].b)), cases[i].want,
			     "%s", cases[i].why);
		cr_expect_eq(fl_name_equal(wire(cases[i].b), wire(cases[i].a)), cases[i].want,
			     "%s, turned round", cases[i].why);
	}
}

Test(name, is_under)
{
	static const struct {
		const char *why, *name, *zone;
		bool want;
	} cases[] = {
		{ "the parent is not under its child", "\3com\0", "\1a\3com\0", false },
		{ "a sibling is not", "\1b\3com\0", "\1a\3com\0", false },
		{ "a longer label is not a label below", "\4xcom\0", "\3com\0", false },
		{ "octets of a label are no labels", "\5x\3com\0", "\3com\0", false },
		{ "everything is under the root", "\1a\3com\0", "\0", true },
		{ "the root is under itself", "\0", "\0", true },
		{ "a zone is under itself", "\1A\3com\0", "\1a\3COM\0", true },
		{ "two labels below", "\1x\1y\3cOm\0", "\3com\0", true },
	};
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		cr_expect_eq(fl_name_is_under(wire(cases[i].name), wire(cases[i].zone)),
			     cases[i].want, "%s", cases[i].why);
	}
}

Test(name, text_that_is_no_name)
{
	static const struct {
		const char *why, *text;
	} cases[] = {
		{ "empty", "" },
		{ "two dots", ".." },
		{ "a dot in front", ".a" },
		{ "an empty label inside", "a..b" },
		{ "an empty label at the end", "a.." },
		{ "a lone backslash", "\\" },
		{ "a backslash at the end", "a\\" },
		{ "one digit", "\\1" },
		{ "two digits", "a\\12" },
		{ "two digits and a letter", "\\12x" },
		{ "a number over 255", "\\256" },
		{ "a label of 64", A63 "a" },
		{ "256 octets", A63 "." A63 "." A63 "." A62 },
		{ "256 octets and a dot", A63 "." A63 "." A63 "." A62 "." },
		{ "far too long", A63 "." A63 "." A63 "." A63 "." A63 "." A63 },
	};
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		uint8_t out[FL_NAME_MAX] = { 0xEE };
		size_t len = 999;
		cr_expect_eq(fl_name_from_text(cases[i].text, out, &len), FL_EMALFORMED, "%s",
			     cases[i].why);
		cr_expect(len == 999 && out[0] == 0xEE, "%s: written on failure", cases[i].why);
	}
}

Test(name, text)
{
	static const struct {
		const char *text, *name;
		size_t len;
		const char *back;
	} cases[] = {
		{ ".", OCTETS("\0"), "." },
		{ "a", OCTETS("\1a\0"), "a." },
		{ "a.", OCTETS("\1a\0"), "a." },
		{ "Www.Example.com", OCTETS("\3Www\7Example\3com\0"), "Www.Example.com." },
		{ "a\\.b.c", OCTETS("\3a.b\1c\0"), "a\\.b.c." },
		{ "a\\\\b", OCTETS("\3a\\b\0"), "a\\\\b." },
		{ "\\000\\255\\032", OCTETS("\3\0\xFF \0"), "\\000\\255\\032." },
		{ "\\065\\x", OCTETS("\2Ax\0"), "Ax." },
		{ "\\046", OCTETS("\1.\0"), "\\.." },
		{ "a b", OCTETS("\3a b\0"), "a\\032b." },
		{ "*._tcp", OCTETS("\1*\4_tcp\0"), "*._tcp." },
		{ A63 "." A63 "." A63 "." A61 ".", OCTETS(L63 L63 L63 "\75" A61 "\0"),
		  A63 "." A63 "." A63 "." A61 "." },
	};
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		uint8_t out[FL_NAME_MAX];
		char text[FL_NAME_TEXT_MAX];
		size_t len = 0;
		cr_assert_eq(fl_name_from_text(cases[i].text, out, &len), FL_OK, "%s",
			     cases[i].text);
		cr_assert_eq(len, cases[i].len, "%s", cases[i].text);
		cr_expect_arr_eq(out, cases[i].name, len, "%s", cases[i].text);
		cr_expect_str_eq(fl_name_to_text(out, text), cases[i].back);
	}
}

/* A name of random labels, up to 255 octets. */
static size_t random_name(uint64_t *seed, uint8_t out[static FL_NAME_MAX])
{
	const size_t want = next_random(seed) % 255;
	size_t n = 0;
	while (n + 1 < want) {
		size_t label = 1 + next_random(seed) % FL_LABEL_MAX;
		label = label < want - n ? label : want - n - 1;
		out[n++] = (uint8_t)label;
		while (label-- > 0) {
			out[n++] = (uint8_t)next_random(seed);
		}
	}
	out[n++] = 0;
	return n;
}

Test(name, text_round_trip)
{
	uint64_t seed = 1035;
	size_t longest = 0;
	for (int i = 0; i < 20000; i++) {
		uint8_t name[FL_NAME_MAX], back[FL_NAME_MAX];
		char text[FL_NAME_TEXT_MAX];
		size_t len = random_name(&seed, name), back_len = 0;
		cr_assert_eq(fl_name_len(name), len);
		fl_name_to_text(name, text);
		longest = strlen(text) > longest ? strlen(text) : longest;
		cr_assert_lt(strlen(text), FL_NAME_TEXT_MAX);
		cr_assert_eq(fl_name_from_text(text, back, &back_len), FL_OK, "%s", text);
		cr_assert(back_len == len && memcmp(name, back, len) == 0, "%s", text);
		if (len >
		    1) { /* the relative spelling is the same name; an escaped dot is not one */
			text[strlen(text) - 1] = '\0';
			cr_assert_eq(fl_name_from_text(text, back, &back_len), FL_OK, "%s",
				     text);
			cr_assert(back_len == len && memcmp(name, back, len) == 0, "%s", text);
		}
	}
	cr_expect_gt(longest, 600, "no long text was made");
}

/* The longest text of all: 250 octets in four labels, each escaped in four. */
Test(name, text_longest)
{
	uint8_t name[FL_NAME_MAX] = { 0 };
	char text[FL_NAME_TEXT_MAX];
	for (size_t at = 0, i = 0; i < 4; i++) {
		const uint8_t label = i < 3 ? 63 : 61;
		name[at] = label;
		memset(name + at + 1, 0xFF, label);
		at += 1U + label;
	}
	cr_expect_eq(strlen(fl_name_to_text(name, text)), 250 * 4 + 4);
}
