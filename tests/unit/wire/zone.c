#include "fairlead/wire/name.h"
#include "octets.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void zone_part_is(const char *name_text, const char *want)
{
	uint8_t name[FL_NAME_MAX];
	char text[FL_NAME_TEXT_MAX];
	size_t len;
	cr_assert_eq(fl_name_from_text(name_text, name, &len), FL_OK);
	const uint8_t *part = fl_name_zone_part(name);
	cr_expect(part >= name && part < name + len, "%s: not inside the name", name_text);
	cr_expect_str_eq(fl_name_to_text(part, text), want, "%s -> %s", name_text, text);
}

Test(zone, part)
{
	static const struct {
		const char *name, *want;
	} cases[] = {
		{ ".", "." },
		{ "com", "com." },
		{ "example.com", "example.com." },
		{ "www.example.com", "example.com." },
		{ "a.b.c.d.e.Example.Com", "Example.Com." },
		{ "co.uk", "co.uk." },
		{ "example.co.uk", "example.co.uk." },
		{ "www.example.co.uk", "example.co.uk." },
		{ "www.example.CO.Uk", "example.CO.Uk." },
		{ "www.example.xco.uk", "xco.uk." },
		{ "www.co.ukx", "co.ukx." },
		{ "www.example.co\\.uk", "example.co\\.uk." }, /* one label with a dot in it */
		{ "a.co\\000.uk", "co\\000.uk." },
		{ "www.example.com.br", "example.com.br." },
		{ "www.example.ac.id", "example.ac.id." }, /* the table's first entries */
		{ "www.example.nhs.uk", "example.nhs.uk." },
		{ "www.example.govt.nz", "example.govt.nz." },
		{ "1.2.0.192.in-addr.arpa", "192.in-addr.arpa." }, /* and its last */
		{ "in-addr.arpa", "in-addr.arpa." },
		{ "8.b.d.0.1.0.0.2.ip6.arpa", "2.ip6.arpa." },
		{ "a.b.home.arpa", "home.arpa." },
		{ "x.abcdefghijklmnopqrstuvwxyz.abcdefghijklmnopqrstuvwxyz",
		  "abcdefghijklmnopqrstuvwxyz.abcdefghijklmnopqrstuvwxyz." },
	};
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		zone_part_is(cases[i].name, cases[i].want);
	}
}

/* A table out of order would lose entries to the binary search: ask for many. */
Test(zone, part_finds_every_registry)
{
	static const char *const some[] = {
		"co.uk",  "org.uk", "me.uk",  "ac.uk",        "gov.uk",  "net.uk", "co.jp",
		"ne.jp",  "or.jp",  "ac.jp",  "ad.jp",        "go.jp",   "gr.jp",  "co.nz",
		"co.za",  "com.cn", "com.tr", "co.in",        "co.kr",   "com.mx", "com.ar",
		"com.au", "net.au", "org.au", "edu.au",       "gov.au",  "id.au",  "com.br",
		"net.br", "org.br", "gov.br", "com.vn",       "com.ve",  "com.tw", "com.ua",
		"com.sg", "com.hk", "com.my", "com.ph",       "com.pk",  "com.pl", "net.pl",
		"org.pl", "co.id",  "or.id",  "co.il",        "co.th",   "org.za", "edu.vn",
		"ac.in",  "net.in", "gov.in", "in-addr.arpa", "ip6.arpa"
	};
	for (size_t i = 0; i < FL_COUNT(some); i++) {
		char name[64], want[64];
		snprintf(name, sizeof(name), "w.x.%s", some[i]);
		snprintf(want, sizeof(want), "x.%s.", some[i]);
		zone_part_is(name, want);
	}
}

static uint64_t hash_of(const char *text)
{
	uint8_t name[FL_NAME_MAX];
	size_t len;
	cr_assert_eq(fl_name_from_text(text, name, &len), FL_OK);
	return fl_name_zone_hash(name);
}

Test(zone, hash)
{
	cr_expect_eq(hash_of("www.example.com"), hash_of("a.b.EXAMPLE.cOm"));
	cr_expect_eq(hash_of("example.com"), hash_of("www.example.com"));
	cr_expect_neq(hash_of("www.example.com"), hash_of("www.example.net"));
	cr_expect_neq(hash_of("a.co.uk"), hash_of("b.co.uk"));
	cr_expect_neq(hash_of("."), hash_of("com"));
	/* all roles of a run, and of an upgrade, must pick alike */
	cr_expect_eq(hash_of("example.com"), UINT64_C(0xbb8136680150841c));
}

/* 4,096 zones over 3 resolvers: none gets less than a quarter. */
Test(zone, hash_spreads)
{
	unsigned got[3] = { 0 };
	for (int i = 0; i < 4096; i++) {
		char name[32];
		snprintf(name, sizeof(name), "www.z%d.example", i);
		(void)hash_of(name);
		snprintf(name, sizeof(name), "www.z%d", i);
		got[hash_of(name) % 3]++;
	}
	for (int i = 0; i < 3; i++) {
		cr_expect_gt(got[i], 1024, "resolver %d got %u of 4096 zones", i, got[i]);
	}
}
