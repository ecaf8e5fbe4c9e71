#include "fairlead/base/crc32c.h"
#include "messages.h"

static struct fl_cache_key key;
static uint8_t stored[4096];
static size_t stored_len;

static void make_record(void)
{
	static struct octets m;
	static const struct text_message text = {
		"wWw.test.",
		"A",
		0,
		{ "www.test. 900 IN CNAME Host.test.", "host.test. 300 IN A 192.0.2.1",
		  "host.test. 300 IN RRSIG A 13 2 300" SIGNED },
		{ "test. 900 IN NS ns.other." },
		{ 0 }
	};
	make_message(&text, &m);
	key = make_key("www.test.", FL_TYPE_A);
	struct fl_record_source src = source_of(&m, FL_VERDICT_SECURE);
	src.text = "hi";
	src.text_len = 2;
	src.ede = 29;
	cr_assert_eq(fl_record_encode(&key, &src, &limits, then, stored, sizeof(stored),
				      &stored_len),
		     FL_OK);
}

/* The layout is frozen: files outlive programs. A change here is a new FL_RECORD_FORMAT. */
Test(record, golden_octets, .init = make_record)
{
	/* clang-format off */
	static const uint8_t golden[] = {
		0x09, 0x00, 0x89, 0x67, 0x01, 0x01, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x00, 0xF2, 0x05, 0x2A, 0x01, 0x00, 0x00, 0x00,
		0x80, 0xCB, 0x1C, 0x6A, 0x00, 0x00, 0x00, 0x00, 0x2C, 0x01, 0x00, 0x00,
		0xE6, 0x00, 0x00, 0x00, 0x01, 0x00, 0x01, 0x00, 0x1D, 0x00, 0x0A, 0x02,
		0x00, 0x00, 0x04, 0x00, 0x02, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x28, 0x00, 0x00, 0x00, 0x2C, 0x00, 0x00, 0x00,
		0x16, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x00, 0x00, 0x00, 0x03, 0x77, 0x77, 0x77, 0x04, 0x74, 0x65, 0x73,
		0x74, 0x00, 0x68, 0x69, 0x06, 0x00, 0x84, 0x03, 0x00, 0x00, 0x1E, 0x00,
		0x2C, 0x01, 0x00, 0x00, 0x33, 0x00, 0x2C, 0x01, 0x00, 0x00, 0x5A, 0x00,
		0x84, 0x03, 0x00, 0x00, 0xC0, 0x0C, 0x00, 0x05, 0x00, 0x01, 0x00, 0x00,
		0x03, 0x84, 0x00, 0x07, 0x04, 0x48, 0x6F, 0x73, 0x74, 0xC0, 0x10, 0x04,
		0x48, 0x6F, 0x73, 0x74, 0xC0, 0x10, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00,
		0x01, 0x2C, 0x00, 0x04, 0xC0, 0x00, 0x02, 0x01, 0x04, 0x48, 0x6F, 0x73,
		0x74, 0xC0, 0x10, 0x00, 0x2E, 0x00, 0x01, 0x00, 0x00, 0x01, 0x2C, 0x00,
		0x1B, 0x00, 0x01, 0x0D, 0x02, 0x00, 0x00, 0x01, 0x2C, 0x6A, 0x44, 0x58,
		0x80, 0x69, 0xF3, 0xED, 0x00, 0x04, 0xD2, 0x04, 0x74, 0x65, 0x73, 0x74,
		0x00, 0x00, 0x00, 0x00, 0xC0, 0x10, 0x00, 0x02, 0x00, 0x01, 0x00, 0x00,
		0x03, 0x84, 0x00, 0x0A, 0x02, 0x6E, 0x73, 0x05, 0x6F, 0x74, 0x68, 0x65,
		0x72, 0x00,
	};
	/* clang-format on */
	cr_assert_eq(stored_len, sizeof(golden), "%zu octets", stored_len);
	cr_expect_arr_eq(stored, golden, sizeof(golden));
}

Test(record, view, .init = make_record)
{
	struct fl_record r;
	cr_assert_eq(fl_record_view(stored, stored_len, &key, &r), FL_OK);
	cr_expect(r.h.boot_id == 7 && r.h.boot_ns == 5000000000 && r.h.wall_s == NOW_WALL_S);
	cr_expect_arr_eq(r.name, "\3www\4test", 10);
	cr_expect_arr_eq(r.reason_text, "hi", 2);
	cr_expect_eq(r.h.n_ttls, 4);
	cr_expect_eq(r.body + r.h.length[0] + r.h.length[1] + r.h.length[2],
		     stored + stored_len);
}

static const struct fl_record untouched = { .h = { .size = 12345 } };

Test(record, every_damaged_octet_is_refused, .init = make_record)
{
	const size_t hint_at = offsetof(struct fl_record_header, hint);
	for (size_t at = 0; at < stored_len; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			struct fl_record r = untouched;
			stored[at] ^= (uint8_t)(1U << bit);
			const enum fl_err err = fl_record_view(stored, stored_len, &key, &r);
			if (at == hint_at) {
				cr_expect_eq(err, FL_OK, "the hint is not the answer's");
			} else {
				cr_expect(err == FL_ECORRUPT || err == FL_EVERSION,
					  "octet %zu, bit %u: %s", at, bit, fl_err_text(err));
				cr_expect_eq(r.h.size, 12345, "written on failure");
			}
			stored[at] ^= (uint8_t)(1U << bit);
		}
	}
}

struct forged_case {
	const char *why;
	size_t at;
	uint8_t value;
};

/* Behind the header: 10 octets of name, 2 of reason, then four TTLs. */
Test(record, a_right_checksum_is_not_enough, .init = make_record)
{
	static const struct forged_case cases[] = {
		{ "an unknown verdict", 5, FL_VERDICT_COUNT },
		{ "an RCODE over 15", 6, 16 },
		{ "an unknown reason", 7, FL_REASON_COUNT },
		{ "a size that lies", 36, 0 },
		{ "no name", 46, 0 },
		{ "a longer name", 46, 11 },
		{ "a longer reason", 47, 3 },
		{ "fewer TTLs", 50, 3 },
		{ "more records in a part", 52, 3 },
		{ "a count in the wrong part", 56, 2 },
		{ "a longer part", 64, 0x29 },
		{ "a part of 16 million octets", 66, 0xFF },
		{ "first TTL behind its part", 100, 37 },
		{ "second TTL over the first", 106, 7 },
		{ "third TTL in the part before", 112, 0x24 },
		{ "last TTL over the end", 118, 0x7B },
		{ "last TTL at 64 KiB", 119, 0xFF },
	};
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		struct fl_record r = untouched;
		const uint8_t was = stored[cases[i].at];
		cr_assert_neq(was, cases[i].value, "%s: no change", cases[i].why);
		stored[cases[i].at] = cases[i].value;
		const uint32_t crc = fl_crc32c(0, stored + 4, stored_len - 4);
		memcpy(stored, &crc, sizeof(crc));
		cr_expect_eq(fl_record_view(stored, stored_len, &key, &r), FL_ECORRUPT, "%s",
			     cases[i].why);
		cr_expect_eq(r.h.size, 12345, "%s: written on failure", cases[i].why);
		stored[cases[i].at] = was;
	}
}

Test(record, every_other_length_is_refused, .init = make_record)
{
	for (size_t len = 0; len < stored_len; len++) {
		struct fl_record r = untouched;
		uint8_t *cut = malloc(len > 0 ? len : 1);
		memcpy(cut, stored, len);
		cr_expect_eq(fl_record_view(cut, len, &key, &r), FL_ECORRUPT, "%zu octets",
			     len);
		free(cut);
	}
	struct fl_record r;
	cr_expect_eq(fl_record_view(stored, stored_len + 1, &key, &r), FL_ECORRUPT);
}

Test(record, another_format_is_told_from_damage, .init = make_record)
{
	struct fl_record r;
	stored[offsetof(struct fl_record_header, format)] = FL_RECORD_FORMAT + 1;
	cr_expect_eq(fl_record_view(stored, stored_len, &key, &r), FL_EVERSION);
}

struct foreign_case {
	const char *why, *name;
	uint16_t qtype;
};

/* As if their hashes were equal: what the file gave is not what was asked. */
Test(record, another_keys_record_is_not_found, .init = make_record)
{
	static const struct foreign_case cases[] = {
		{ "another name", "wwv.test.", FL_TYPE_A },
		{ "another length", "www.tes.", FL_TYPE_A },
		{ "its parent", "test.", FL_TYPE_A },
		{ "another type", "www.test.", FL_TYPE_AAAA },
		{ "a type equal mod 256", "www.test.", 257 },
		{ "a dot in the label", "www\\.test.", FL_TYPE_A },
	};
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		struct fl_record r = untouched;
		struct fl_cache_key other = make_key(cases[i].name, cases[i].qtype);
		other.hash = key.hash;
		cr_expect_eq(fl_record_view(stored, stored_len, &other, &r), FL_ENOTFOUND, "%s",
			     cases[i].why);
		cr_expect_eq(r.h.size, 12345);
	}
	struct fl_cache_key other = key;
	struct fl_record r;
	other.qclass = FL_CLASS_CH;
	cr_expect_eq(fl_record_view(stored, stored_len, &other, &r), FL_ENOTFOUND);
}

struct age_case {
	const char *why;
	struct fl_moment now;
	uint32_t want;
};

/* Stored in boot 7 at 5 s of its clock, at NOW_WALL_S of the wall's. */
Test(record, age, .init = make_record)
{
	static const struct age_case cases[] = {
		{ "at once", { 7, 5000000000, NOW_WALL_S }, 0 },
		{ "the boot clock counts within a boot", { 7, 15999999999, NOW_WALL_S }, 10 },
		{ "a step of the wall clock changes nothing", { 7, 6000000000, 0 }, 1 },
		{ "ten years ahead neither", { 7, 6000000000, NOW_WALL_S + 315360000 }, 1 },
		{ "a boot clock before is 0", { 7, 1, NOW_WALL_S + 50 }, 0 },
		{ "across boots the wall clock", { 8, 5000000000, NOW_WALL_S + 50 }, 50 },
		{ "1970 at boot is 0, not negative", { 8, 5000000000, 0 }, 0 },
		{ "no boot id: the wall clock", { 0, 99000000000, NOW_WALL_S + 9 }, 9 },
		{ "an age over 32 bits",
		  { 8, 0, NOW_WALL_S + INT64_C(1) * 5000000000 },
		  UINT32_MAX },
		{ "the end of time", { 8, 0, INT64_MAX }, UINT32_MAX },
	};
	struct fl_record r;
	cr_assert_eq(fl_record_view(stored, stored_len, &key, &r), FL_OK);
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		const uint32_t age = fl_record_age_s(&r, cases[i].now);
		cr_expect_eq(age, cases[i].want, "%s: %u", cases[i].why, age);
	}
	r.h.boot_id = 0;
	const struct fl_moment now = { 0, 99000000000, NOW_WALL_S + 9 };
	cr_expect_eq(fl_record_age_s(&r, now), 9, "two unknown boots are not the same one");
	r.h.wall_s = INT64_MIN;
	cr_expect_eq(fl_record_age_s(&r, now), UINT32_MAX);
}
