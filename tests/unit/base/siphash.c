#include "fairlead/base/siphash.h"

#include <criterion/criterion.h>
#include <string.h>

/* The reference vectors of the authors: key 00..0f, message 00..n-1; the first octets. */
static const uint64_t want24[16] = {
	0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
	0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
	0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
	0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
};

static struct fl_sipkey reference_key(void)
{
	uint8_t octets[16];
	for (unsigned i = 0; i < sizeof(octets); i++) {
		octets[i] = (uint8_t)i;
	}
	return fl_sipkey_from_octets(octets);
}

static void count_up(uint8_t *to, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		to[i] = (uint8_t)i;
	}
}

Test(siphash, key_is_read_little_endian)
{
	cr_expect_eq(reference_key().k[0], 0x0706050403020100);
	cr_expect_eq(reference_key().k[1], 0x0f0e0d0c0b0a0908);
}

Test(siphash, two_four_gives_the_reference_vectors)
{
	uint8_t message[16];
	count_up(message, sizeof(message));
	for (size_t n = 0; n < 16; n++) {
		cr_expect_eq(fl_siphash24(reference_key(), message, n), want24[n], "%zu octets",
			     n);
	}
}

Test(siphash, one_three_gives_the_reference_vectors)
{
	static const struct {
		size_t n;
		uint64_t want;
	} cases[] = {
		{ 0, 0xabac0158050fc4dc },   { 1, 0xc9f49bf37d57ca93 },
		{ 7, 0xd3927d989bb11140 },   { 8, 0x369095118d299a8e },
		{ 15, 0xd320d86d2a519956 },  { 63, 0x9d199062b7bbb3a8 },
		{ 255, 0xf76214e3153c4a15 }, { 256, 0x75b3e64e167de370 },
	};
	uint8_t message[256];
	count_up(message, sizeof(message));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_expect_eq(fl_siphash13(reference_key(), message, cases[i].n), cases[i].want,
			     "%zu octets", cases[i].n);
	}
}

Test(siphash, the_place_of_the_message_does_not_matter)
{
	uint8_t room[64 + 8];
	for (size_t at = 0; at < 8; at++) {
		count_up(room + at, 63);
		cr_expect_eq(fl_siphash13(reference_key(), room + at, 63), 0x9d199062b7bbb3a8,
			     "at %zu", at);
	}
}

Test(siphash, another_key_gives_another_hash)
{
	struct fl_sipkey other = reference_key();
	other.k[1] ^= UINT64_C(1) << 63;
	cr_expect_neq(fl_siphash13(other, "a", 1), fl_siphash13(reference_key(), "a", 1));
	cr_expect_neq(fl_siphash24(other, "a", 1), fl_siphash24(reference_key(), "a", 1));
}
