/* Packets of a capture are foreign octets. */
#include "load/capture.h"

#include <criterion/criterion.h>
#include <pcap/dlt.h>
#include <stdlib.h>
#include <string.h>

/* Ethernet, 192.0.2.1:4000 to 192.0.2.53:53, "Ab. AAAA" with DO and a client cookie */
static const uint8_t packet[] = {
	2,    0,    0,   0,    0,    1,  2,    0,    0,  0,  0,  2, 0x08, 0x00, /* 14 */
	0x45, 0,    0,   71,   0,    1,  0x40, 0,    64, 17, 0,  0, 192,  0,
	2,    1,    192, 0,    2,    53,                            /* 34 */
	0x0f, 0xa0, 0,   53,   0,    51, 0,    0,                   /* 42 */
	0x12, 0x34, 1,   0,    0,    1,  0,    0,    0,  0,  0,  1, /* 54 */
	2,    'A',  'b', 0,    0,    28, 0,    1,                   /* 62 */
	0,    0,    41,  0x04, 0xd0, 0,  0,    0x80, 0,  0,  12,    /* 73 */
	0,    10,   0,   8,    1,    2,  3,    4,    5,  6,  7,  8, /* 85 */
};

Test(capture, a_question_is_read)
{
	struct captured q;
	cr_assert(capture_read(packet, sizeof(packet), DLT_EN10MB, &q));
	cr_expect_eq(q.name_len, 4);
	cr_expect_arr_eq(q.name, "\2ab", 4, "in lower case");
	cr_expect_eq(q.type, 28);
	cr_expect(q.dnssec);
	cr_expect(q.cookie);
	struct captured raw;
	cr_assert(capture_read(packet + 14, sizeof(packet) - 14, DLT_RAW, &raw));
	cr_expect_eq(raw.client, q.client);
}

Test(capture, clients_are_told_apart_by_address_and_port)
{
	uint8_t other[sizeof(packet)];
	struct captured one;
	struct captured two;
	cr_assert(capture_read(packet, sizeof(packet), DLT_EN10MB, &one));
	memcpy(other, packet, sizeof(packet));
	other[29]++;
	cr_assert(capture_read(other, sizeof(other), DLT_EN10MB, &two));
	cr_expect_neq(one.client, two.client);
	memcpy(other, packet, sizeof(packet));
	other[35]++;
	cr_assert(capture_read(other, sizeof(other), DLT_EN10MB, &two));
	cr_expect_neq(one.client, two.client);
}

Test(capture, a_packet_cut_anywhere_before_its_questions_end_is_none)
{
	for (size_t len = 0; len <= sizeof(packet); len++) {
		struct captured q;
		uint8_t *cut = malloc(len + 1); /* so that a read beyond is seen */
		cr_assert_not_null(cut);
		uint8_t *exact = realloc(cut, len > 0 ? len : 1);
		cr_assert_not_null(exact);
		memcpy(exact, packet, len);
		cr_expect_eq(capture_read(exact, len, DLT_EN10MB, &q), len >= 62, "%zu", len);
		free(exact);
	}
}

Test(capture, what_is_no_question_is_none)
{
	static const struct {
		size_t at;
		uint8_t octet;
		const char *why;
	} cases[] = {
		{ 12, 0x09, "another ethertype" },
		{ 14, 0x55, "no IP version" },
		{ 14, 0x41, "a head too short" },
		{ 20, 0x20, "a fragment" },
		{ 23, 6, "TCP" },
		{ 37, 54, "another port" },
		{ 44, 0x81, "an answer" },
		{ 44, 0x28, "an update" },
		{ 47, 2, "two questions" },
		{ 54, 0xc0, "a pointer" },
		{ 54, 0x3f, "a label beyond" },
		{ 61, 3, "class CH" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct captured q;
		uint8_t p[sizeof(packet)];
		memcpy(p, packet, sizeof(p));
		p[cases[i].at] = cases[i].octet;
		cr_expect_not(capture_read(p, sizeof(p), DLT_EN10MB, &q), "%s", cases[i].why);
	}
}
