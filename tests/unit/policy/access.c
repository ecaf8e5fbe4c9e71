#include "fairlead/policy/access.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RULES_MAX = 16 };

static struct fl_addr addr(const char *text)
{
	struct fl_addr a = { .family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET };
	cr_assert_eq(inet_pton(a.family, text, a.octets), 1, "%s", text);
	return a;
}

/* "10.0.0.0/8 ::1/128", host bits allowed. */
static struct fl_prefix_list prefixes(const char *text, struct fl_prefix to[static RULES_MAX])
{
	struct fl_prefix_list list = { to, 0 };
	char copy[256], *save = NULL;
	snprintf(copy, sizeof(copy), "%s", text);
	for (char *word = strtok_r(copy, " ", &save); word != NULL;
	     word = strtok_r(NULL, " ", &save)) {
		char *slash = strchr(word, '/');
		*slash = '\0';
		const struct fl_addr a = addr(word);
		struct fl_prefix *p = &to[list.n++];
		memcpy(p->octets, a.octets, sizeof(p->octets));
		p->family = a.family;
		p->bits = (uint8_t)atoi(slash + 1);
	}
	return list;
}

static struct fl_access *make(const char *allow, const char *deny)
{
	struct fl_prefix a[RULES_MAX], d[RULES_MAX];
	const struct fl_prefix_list allowed = prefixes(allow, a), denied = prefixes(deny, d);
	struct fl_access *access = NULL;
	cr_assert_eq(fl_access_new(&allowed, &denied, &access), FL_OK);
	return access;
}

struct access_case {
	const char *why, *allow, *deny, *client;
	bool want;
};

static const struct access_case cases[] = {
	{ "nothing listed: nobody", "", "", "127.0.0.1", false },
	{ "nothing listed: nobody, IPv6", "", "", "::1", false },
	{ "only denied: nobody else either", "", "10.0.0.0/8", "11.0.0.1", false },
	{ "just below the prefix", "10.0.0.0/8", "", "9.255.255.255", false },
	{ "just above the prefix", "10.0.0.0/8", "", "11.0.0.0", false },
	{ "first of the prefix", "10.0.0.0/8", "", "10.0.0.0", true },
	{ "last of the prefix", "10.0.0.0/8", "", "10.255.255.255", true },
	{ "a longer deny", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", false },
	{ "beside the longer deny", "10.0.0.0/8", "10.1.0.0/16", "10.2.0.0", true },
	{ "a longer allow in a deny", "10.1.1.0/24", "10.0.0.0/8", "10.1.1.255", true },
	{ "beside the longer allow", "10.1.1.0/24", "10.0.0.0/8", "10.1.2.0", false },
	{ "three deep", "10.0.0.0/8 10.1.1.0/24", "10.1.0.0/16", "10.1.1.1", true },
	{ "deny wins a tie", "10.0.0.0/8", "10.0.0.0/8", "10.0.0.1", false },
	{ "everybody", "0.0.0.0/0", "", "255.255.255.255", true },
	{ "everybody of IPv4 is nobody of IPv6", "0.0.0.0/0", "", "2001:db8::1", false },
	{ "everybody of IPv6 is nobody of IPv4", "::/0", "", "192.0.2.1", false },
	{ "mapped counts as IPv4", "10.0.0.0/8", "", "::ffff:10.0.0.1", true },
	{ "mapped is not let in by ::/0", "::/0", "", "::ffff:10.0.0.1", false },
	{ "mapped is denied as IPv4", "::/0 0.0.0.0/0", "10.0.0.0/8", "::ffff:10.0.0.1",
	  false },
	{ "a mapped prefix is one of IPv4", "::ffff:10.0.0.0/104", "", "10.9.9.9", true },
	{ "last of all, IPv6", "ff00::/8", "", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	  true },
	{ "a prefix past 64 bits", "2001:db8::/96", "", "2001:db8::ffff:ffff", true },
	{ "above a prefix past 64 bits", "2001:db8::/96", "", "2001:db8::1:0:0", false },
	{ "the 64-bit border carries", "2001:db8::/64", "", "2001:db8:0:1::", false },
	{ "end of a /64", "2001:db8::/64", "", "2001:db8::ffff:ffff:ffff:ffff", true },
	{ "one address", "::1/128", "", "::1", true },
	{ "beside one address", "::1/128", "", "::2", false },
	{ "link local", "fe80::/10", "", "febf::1", true },
	{ "beyond link local", "fe80::/10", "", "fec0::1", false },
	{ "host bits are not looked at", "10.1.2.3/8", "", "10.0.0.1", true },
};

Test(access, tells_who_may_ask)
{
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		struct fl_access *access = make(cases[i].allow, cases[i].deny);
		const struct fl_addr client = addr(cases[i].client);
		cr_expect_eq(fl_access_allows(access, &client), cases[i].want, "%s",
			     cases[i].why);
		fl_access_free(access);
	}
}

Test(access, another_family_may_not_ask)
{
	struct fl_access *access = make("0.0.0.0/0 ::/0", "");
	const struct fl_addr client = { .family = AF_UNIX };
	cr_expect_not(fl_access_allows(access, &client));
	fl_access_free(access);
}

Test(access, prefixes_that_cannot_be_are_refused)
{
	static const struct fl_prefix bad[] = {
		{ .family = AF_UNIX, .bits = 8 },
		{ .family = AF_INET, .bits = 33 },
		{ .family = AF_INET6, .bits = 129 },
	};
	for (size_t i = 0; i < FL_COUNT(bad); i++) {
		struct fl_prefix copy = bad[i];
		const struct fl_prefix_list one = { &copy, 1 }, none = { NULL, 0 };
		struct fl_access *untouched = NULL;
		cr_expect_eq(fl_access_new(&one, &none, &untouched), FL_EINVALID, "%zu", i);
		cr_expect_eq(fl_access_new(&none, &one, &untouched), FL_EINVALID, "%zu", i);
		cr_expect_null(untouched);
	}
}

static unsigned next_random(uint32_t *x)
{
	*x = *x * 1664525 + 1013904223;
	return *x >> 8;
}

/* The rule as the documentation says it, over few bits so that prefixes nest and touch. */
static bool slow_answer(const struct fl_prefix *allow, size_t n, const struct fl_prefix *deny,
			size_t m, const struct fl_addr *a)
{
	int best = -1;
	bool verdict = false;
	for (size_t i = 0; i < n + m; i++) {
		const struct fl_prefix *p = i < n ? &allow[i] : &deny[i - n];
		const int bits = p->bits;
		if (bits < best || (p->octets[0] ^ a->octets[0]) >> (8 - bits) != 0) {
			continue;
		}
		best = bits;
		verdict = i < n;
	}
	return verdict;
}

Test(access, agrees_with_the_plain_rule_on_random_lists)
{
	uint32_t seed = 7;
	for (int round = 0; round < 500; round++) {
		struct fl_prefix p[2][8];
		memset(p, 0, sizeof(p));
		for (size_t i = 0; i < 16; i++) {
			struct fl_prefix *to = &p[i / 8][i % 8];
			to->family = AF_INET;
			to->bits = (uint8_t)(next_random(&seed) % 9);
			to->octets[0] = (uint8_t)(next_random(&seed) & (0xff00U >> to->bits));
		}
		struct fl_prefix_list allow = { p[0], 8 },
				      deny = { p[1], next_random(&seed) % 9 };
		struct fl_access *access;
		cr_assert_eq(fl_access_new(&allow, &deny, &access), FL_OK);
		for (unsigned a = 0; a < 256; a++) {
			const struct fl_addr client = { .family = AF_INET,
							.octets = { (uint8_t)a, 1 } };
			cr_assert_eq(fl_access_allows(access, &client),
				     slow_answer(p[0], 8, p[1], deny.n, &client),
				     "round %d, %u.1.0.0", round, a);
		}
		fl_access_free(access);
	}
}
