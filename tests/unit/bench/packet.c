/* What the relay does to packets. */
#include "link/packet.h"

#include <criterion/criterion.h>
#include <string.h>

/* 10.99.0.2:4000 to 198.18.2.4:53, a question for the root's NS */
static const uint8_t question[] = { 0x45, 0,  0, 45, 0,    1,    0x40, 0, 64,   17,   0, 0,
				    10,   99, 0, 2,  198,  18,   2,    4, 0x0f, 0xa0, 0, 53,
				    0,    25, 1, 2,  0x42, 0x43, 1,    0, 0,    1,    0, 0,
				    0,    0,  0, 0,  0,    0,    2,    0, 1 };

Test(packet, a_pair_is_known_by_its_second_address)
{
	uint8_t p[sizeof(question)];
	memcpy(p, question, sizeof(p));
	cr_expect_eq(packet_pair(p, sizeof(p)), 2);
	p[19] = 16;
	cr_expect_eq(packet_pair(p, sizeof(p)), 8);
	p[19] = 3;
	cr_expect_eq(packet_pair(p, sizeof(p)), 0, "a first address lives always");
	p[19] = 18;
	cr_expect_eq(packet_pair(p, sizeof(p)), 0, "there are eight pairs");
	p[19] = 4;
	p[18] = 3;
	cr_expect_eq(packet_pair(p, sizeof(p)), 0, "another group");
	cr_expect_eq(packet_pair(p, 19), 0, "cut short");
}

Test(packet, a_refusal_goes_back_with_the_question)
{
	uint8_t p[sizeof(question)];
	memcpy(p, question, sizeof(p));
	cr_assert(packet_refuse(p, sizeof(p)));
	cr_expect_arr_eq(p + 12, question + 16, 4, "from whom it was asked");
	cr_expect_arr_eq(p + 16, question + 12, 4, "to who asked");
	cr_expect_arr_eq(p + 20, question + 22, 2);
	cr_expect_arr_eq(p + 22, question + 20, 2);
	cr_expect_arr_eq(p + 28, question + 28, 2, "its ID");
	cr_expect_eq(p[30], 0x81);
	cr_expect_eq(p[31], 5);
	cr_expect_arr_eq(p + 32, question + 32, sizeof(p) - 32);
}

Test(packet, nothing_else_is_refused)
{
	static const struct {
		size_t at;
		uint8_t octet;
		const char *why;
	} cases[] = { { 0, 0x46, "options" },   { 0, 0x60, "IPv6" },
		      { 9, 6, "TCP" },          { 6, 0x20, "a fragment" },
		      { 7, 1, "its rest" },     { 23, 54, "another port" },
		      { 30, 0x81, "an answer" } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t p[sizeof(question)];
		uint8_t before[sizeof(question)];
		memcpy(p, question, sizeof(p));
		p[cases[i].at] = cases[i].octet;
		memcpy(before, p, sizeof(p));
		cr_expect_not(packet_refuse(p, sizeof(p)), "%s", cases[i].why);
		cr_expect_arr_eq(p, before, sizeof(p));
	}
	uint8_t p[sizeof(question)];
	memcpy(p, question, sizeof(p));
	cr_expect_not(packet_refuse(p, 39), "cut short");
}
