#include "fairlead/wire/rr.h"

#include "fairlead/base/err.h"

#include <criterion/criterion.h>
#include <string.h>

Test(rr, meta_types)
{
	static const uint16_t meta[] = { 0, 41, 128, 200, 249, 250, 251, 252, 253, 254 };
	static const uint16_t data[] = { 1,   40,  42,  46,    65,    127,
					 255, 256, 257, 32768, 65280, 65535 };
	for (size_t i = 0; i < FL_COUNT(meta); i++) {
		cr_expect(fl_rrtype_is_meta(meta[i]), "type %u", meta[i]);
	}
	for (size_t i = 0; i < FL_COUNT(data); i++) {
		cr_expect_not(fl_rrtype_is_meta(data[i]), "type %u", data[i]);
	}
}

Test(rr, dnssec_types)
{
	for (unsigned t = 0; t <= 65535; t++) {
		const bool want =
			t == 46 || t == 47 || t == 50; /* DS, DNSKEY, NSEC3PARAM: data */
		cr_assert_eq(fl_rrtype_is_dnssec((uint16_t)t), want, "type %u", t);
	}
}

/* RFC 1035 3.3 and RFC 3597 4, one by one; every other type is the rest. */
Test(rr, rdata_shapes)
{
	static const struct {
		uint16_t type;
		const char *shape;
	} cases[] = { { 2, "n" },     { 3, "n" },   { 4, "n" },   { 5, "n" },
		      { 6, "nn992" }, { 7, "n" },   { 8, "n" },   { 9, "n" },
		      { 12, "n" },    { 14, "nn" }, { 15, "2n" }, { 17, "NN" },
		      { 18, "2N" },   { 21, "2N" }, { 23, "N" },  { 24, "99N*" },
		      { 26, "2NN" },  { 30, "N*" }, { 33, "6N" }, { 35, "4sssN" },
		      { 36, "2N" },   { 39, "N" },  { 107, "2N" } };
	size_t next = 0;
	for (unsigned t = 0; t <= 65535; t++) {
		const char *want = "*";
		if (next < FL_COUNT(cases) && cases[next].type == t) {
			want = cases[next++].shape;
		}
		cr_assert_str_eq(fl_rrtype_rdata_shape((uint16_t)t), want, "type %u", t);
	}
	cr_expect_eq(next, FL_COUNT(cases));
}

Test(rr, text)
{
	static const struct {
		uint16_t type;
		const char *text;
	} cases[] = { { 1, "A" },
		      { 28, "AAAA" },
		      { 51, "NSEC3PARAM" },
		      { 65, "HTTPS" },
		      { 255, "ANY" },
		      { 257, "CAA" },
		      { 32769, "DLV" },
		      { 0, "TYPE0" },
		      { 54, "TYPE54" },
		      { 65280, "TYPE65280" },
		      { 65535, "TYPE65535" } };
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		char buf[16];
		cr_expect_str_eq(fl_rrtype_text(cases[i].type, buf), cases[i].text);
	}
}
