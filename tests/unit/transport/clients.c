#include "../../../src/transport/tcp_private.h"
#include "support.h"

static struct fl__clients c;

static void setup(void)
{
	cr_assert_eq(fl__clients_init(&c, 300), FL_OK);
}

static void teardown(void)
{
	fl__clients_fini(&c);
}

TestSuite(clients, .init = setup, .fini = teardown);

static bool enter(const char *text, uint32_t limit, uint32_t *client)
{
	const struct fl_addr a = addr_of(text, 4000);
	return fl__clients_enter(&c, &a, limit, client);
}

Test(clients, the_limit_is_an_address_of_its_own)
{
	uint32_t a, b;
	cr_expect(enter("192.0.2.1", 2, &a));
	cr_expect(enter("192.0.2.1", 2, &a));
	cr_expect_not(enter("192.0.2.1", 2, &a), "a third one is refused");
	cr_expect(enter("192.0.2.2", 2, &b), "a neighbour has its own count");
	cr_expect_neq(a, b);
	fl__clients_leave(&c, a);
	cr_expect(enter("192.0.2.1", 2, &a), "who leaves makes room");
}

Test(clients, an_ipv6_client_has_a_whole_64)
{
	uint32_t a, b;
	cr_expect(enter("2001:db8::1", 1, &a));
	cr_expect_not(enter("2001:db8::ffff:1", 1, &b), "the same /64");
	cr_expect(enter("2001:db8:0:1::1", 1, &b), "the next /64");
	cr_expect(enter("fe80::1", 1, &a));
	cr_expect(enter("fe80::2", 1, &b), "hosts of a link are several clients");
}

Test(clients, many_come_and_go_in_any_order)
{
	uint32_t id[300];
	char text[32];
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 300; i++) {
			snprintf(text, sizeof(text), "10.%u.%u.%u", round, i / 200, i % 200);
			cr_assert(enter(text, 1, &id[i]), "%s", text);
		}
		for (unsigned i = 0; i < 300; i++) {
			fl__clients_leave(&c, id[(i * 7 + round) % 300]);
		}
	}
	for (uint32_t i = 0; i <= c.mask; i++) {
		cr_expect_eq(c.bucket[i], FL__TCP_NONE, "every bucket is empty again");
	}
}
