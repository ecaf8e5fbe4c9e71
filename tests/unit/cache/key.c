#include "fairlead/cache/key.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct fl_sipkey one = { { 1, 2 } }, other = { { 1, 3 } };

Test(key, holds_the_name_in_lower_case)
{
	struct fl_cache_key k;
	fl_cache_key_init(&k, one, (const uint8_t *)"\3WwW\4Test", 10, 28, 1);
	cr_expect_eq(k.name_len, 10);
	cr_expect_arr_eq(k.name, "\3www\4test", 10);
	cr_expect(k.qtype == 28 && k.qclass == 1);
}

struct same_case {
	const char *why, *name;
	size_t len;
	uint16_t qtype, qclass;
	bool same;
};

/* Beside "\1a\4test\0", type 1, class 1. */
static const struct same_case cases[] = {
	{ "case is folded", "\1A\4tEst", 8, 1, 1, true },
	{ "another type", "\1a\4test", 8, 2, 1, false },
	{ "a type equal mod 256", "\1a\4test", 8, 257, 1, false },
	{ "another class", "\1a\4test", 8, 1, 3, false },
	{ "type and class swapped octets", "\1a\4test", 8, 256, 256, false },
	{ "a dot inside the label", "\6a.test", 8, 1, 1, false },
	{ "a NUL inside the label", "\1\0\4test", 8, 1, 1, false },
	{ "the root", "", 1, 1, 1, false },
};

Test(key, equal_hashes_for_equal_questions_only)
{
	struct fl_cache_key a, b;
	fl_cache_key_init(&a, one, (const uint8_t *)"\1a\4test", 8, 1, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct same_case *c = &cases[i];
		fl_cache_key_init(&b, one, (const uint8_t *)c->name, c->len, c->qtype,
				  c->qclass);
		cr_expect_eq(a.hash == b.hash, c->same, "%s", c->why);
	}
	fl_cache_key_init(&b, other, (const uint8_t *)"\1a\4test", 8, 1, 1);
	cr_expect_neq(a.hash, b.hash, "another file's secret");
}

Test(key, longest_name)
{
	uint8_t name[FL_NAME_MAX];
	struct fl_cache_key k;
	memset(name, 'X', sizeof(name));
	name[0] = name[64] = name[128] = 63;
	name[192] = 61;
	name[254] = 0;
	fl_cache_key_init(&k, one, name, sizeof(name), 0xFFFF, 0xFFFF);
	cr_expect_eq(k.name_len, 255);
	cr_expect_eq(k.name[254], 0);
	cr_expect_eq(k.name[253], 'x');
}
