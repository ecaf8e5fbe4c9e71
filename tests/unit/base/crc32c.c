#include "fairlead/base/crc32c.h"

#include "crc32c_ways.h"

#include <criterion/criterion.h>
#include <string.h>

struct vector {
	const char *why;
	uint8_t first, step; /* octet i is first + i * step */
	uint32_t want;
};

/* RFC 3720 B.4, 32 octets each; the sum there is written least octet first. */
static const struct vector vectors[] = {
	{ "32 octets of zero", 0x00, 0, 0x8a9136aa },
	{ "32 octets of ones", 0xff, 0, 0x62a8ab43 },
	{ "counting up", 0x00, 1, 0x46dd794e },
	{ "counting down", 0x1f, 0xff, 0x113fdb5c },
};

static void fill(uint8_t to[static 32], const struct vector *v)
{
	for (unsigned i = 0; i < 32; i++) {
		to[i] = (uint8_t)(v->first + i * v->step);
	}
}

Test(crc32c, gives_the_vectors_of_rfc_3720)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		uint8_t data[32];
		fill(data, &vectors[i]);
		cr_expect_eq(fl_crc32c(0, data, sizeof(data)), vectors[i].want, "%s",
			     vectors[i].why);
	}
	cr_expect_eq(fl_crc32c(0, "123456789", 9), 0xe3069283, "the check value");
	cr_expect_eq(fl_crc32c(0, "", 0), 0, "nothing sums to nothing");
}

static void scramble(uint8_t *to, size_t n)
{
	uint32_t x = 2463534242; /* xorshift: any octets do, but the same ones always */
	for (size_t i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		to[i] = (uint8_t)x;
	}
}

Test(crc32c, table_and_instruction_agree_at_every_length_and_place)
{
	if (!fl__crc32c_has_instruction()) {
		cr_skip("this processor has no CRC32C instruction");
	}
	uint8_t data[300];
	scramble(data, sizeof(data));
	for (size_t at = 0; at < 8; at++) {
		for (size_t n = 0; n + at <= sizeof(data); n++) {
			cr_assert_eq(fl__crc32c_table(~0u, data + at, n),
				     fl__crc32c_instruction(~0u, data + at, n),
				     "%zu octets at %zu", n, at);
		}
	}
}

Test(crc32c, both_ways_give_the_check_value)
{
	const uint8_t *const check = (const uint8_t *)"123456789";
	cr_expect_eq(~fl__crc32c_table(~0u, check, 9), 0xe3069283);
	if (fl__crc32c_has_instruction()) {
		cr_expect_eq(~fl__crc32c_instruction(~0u, check, 9), 0xe3069283);
	}
}

Test(crc32c, a_sum_can_be_taken_up_again_anywhere)
{
	uint8_t data[100];
	scramble(data, sizeof(data));
	const uint32_t whole = fl_crc32c(0, data, sizeof(data));
	for (size_t cut = 0; cut <= sizeof(data); cut++) {
		const uint32_t part = fl_crc32c(0, data, cut);
		cr_expect_eq(fl_crc32c(part, data + cut, sizeof(data) - cut), whole,
			     "cut at %zu", cut);
	}
}

Test(crc32c, every_flipped_bit_shows)
{
	uint8_t data[64];
	scramble(data, sizeof(data));
	const uint32_t whole = fl_crc32c(0, data, sizeof(data));
	for (size_t bit = 0; bit < 8 * sizeof(data); bit++) {
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		cr_expect_neq(fl_crc32c(0, data, sizeof(data)), whole, "bit %zu", bit);
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}
