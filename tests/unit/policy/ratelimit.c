#include "fairlead/policy/ratelimit.h"

#include "fairlead/base/clock.h"

#include <criterion/criterion.h>
#include <string.h>

#define START_NS (UINT64_C(1000) * FL_S_NS)

static struct fl_ratelimit *make(uint32_t per_second, uint32_t buckets)
{
	const struct fl_ratelimit_options o = { .per_second = per_second,
						.buckets = buckets,
						.secret = { { 1, 2 } } };
	struct fl_ratelimit *r = NULL;
	cr_assert_eq(fl_ratelimit_new(&o, &r), FL_OK);
	return r;
}

static struct fl_addr v4(uint32_t n)
{
	return (struct fl_addr){ .family = AF_INET,
				 .octets = { (uint8_t)(n >> 24), (uint8_t)(n >> 16),
					     (uint8_t)(n >> 8), (uint8_t)n } };
}

/* 2001:db8::/32 and the next 32 bits; the host part is the last argument. */
static struct fl_addr v6(uint32_t net, uint8_t host)
{
	struct fl_addr a = { .family = AF_INET6, .octets = { 0x20, 0x01, 0x0d, 0xb8 } };
	for (unsigned i = 0; i < 4; i++) {
		a.octets[4 + i] = (uint8_t)(net >> (24 - 8 * i));
	}
	a.octets[15] = host;
	return a;
}

/* How many of @p n answers at one moment are let pass. */
static unsigned passes(struct fl_ratelimit *r, struct fl_addr a, unsigned n, uint64_t now_ns)
{
	unsigned passed = 0;
	for (unsigned i = 0; i < n; i++) {
		passed += fl_ratelimit_take(r, &a, now_ns) == FL_RATE_PASS;
	}
	return passed;
}

Test(ratelimit, tables_that_cannot_be_are_refused)
{
	static const uint32_t bad[] = { 0, 1, 2, 3, 5, 48, 65535 };
	for (size_t i = 0; i < FL_COUNT(bad); i++) {
		const struct fl_ratelimit_options o = { .per_second = 1, .buckets = bad[i] };
		struct fl_ratelimit *r = NULL;
		cr_expect_eq(fl_ratelimit_new(&o, &r), FL_EINVALID, "%u", bad[i]);
		cr_expect_null(r);
	}
}

Test(ratelimit, zero_never_limits_and_needs_no_table)
{
	struct fl_ratelimit *r = make(0, 0);
	cr_expect_eq(passes(r, v4(1), 100000, START_NS), 100000);
	fl_ratelimit_free(r);
}

Test(ratelimit, a_client_has_a_second_s_worth_then_the_rate)
{
	struct fl_ratelimit *r = make(20, 1024);
	cr_expect_eq(passes(r, v4(1), 100, START_NS), 20);
	cr_expect_eq(passes(r, v4(1), 100, START_NS + FL_S_NS / 2), 10);
	cr_expect_eq(passes(r, v4(1), 100, START_NS + FL_S_NS * 100), 20,
		     "no more is saved up");
	fl_ratelimit_free(r);
}

Test(ratelimit, one_a_second_is_one_a_second)
{
	struct fl_ratelimit *r = make(1, 1024);
	unsigned passed = 0;
	for (unsigned ms = 0; ms < 10000; ms += 10) {
		passed += passes(r, v4(1), 1, START_NS + (uint64_t)ms * FL_MS_NS);
	}
	cr_expect_eq(passed, 10);
	fl_ratelimit_free(r);
}

Test(ratelimit, every_second_answer_over_the_limit_slips)
{
	struct fl_ratelimit *r = make(1, 1024);
	const struct fl_addr a = v4(1);
	unsigned seen[3] = { 0 };
	for (unsigned i = 0; i < 101; i++) {
		seen[fl_ratelimit_take(r, &a, START_NS)]++;
	}
	cr_expect_eq(seen[FL_RATE_PASS], 1);
	cr_expect_eq(seen[FL_RATE_SLIP], 50);
	cr_expect_eq(seen[FL_RATE_DROP], 50);
	fl_ratelimit_free(r);
}

Test(ratelimit, one_client_s_flood_is_not_another_s)
{
	struct fl_ratelimit *r = make(20, 1024);
	passes(r, v4(1), 1000, START_NS);
	cr_expect_eq(passes(r, v4(2), 20, START_NS), 20);
	fl_ratelimit_free(r);
}

Test(ratelimit, a_slash_24_has_32_times_the_rate)
{
	struct fl_ratelimit *r = make(10, 4096);
	unsigned passed = 0;
	for (uint32_t host = 0; host < 256; host++) {
		passed += passes(r, v4(0x0a000000 + host), 10, START_NS);
	}
	cr_expect_eq(passed, 320);
	cr_expect_eq(passes(r, v4(0x0a000100), 10, START_NS), 10,
		     "the next /24 is not touched");
	fl_ratelimit_free(r);
}

Test(ratelimit, ipv6_counts_a_slash_64_as_one_client)
{
	struct fl_ratelimit *r = make(10, 4096);
	cr_expect_eq(passes(r, v6(0, 1), 10, START_NS), 10);
	cr_expect_eq(passes(r, v6(0, 2), 10, START_NS), 0);
	cr_expect_eq(passes(r, v6(1, 2), 10, START_NS), 10, "the next /64");
	fl_ratelimit_free(r);
}

Test(ratelimit, a_slash_56_has_three_times_and_a_slash_48_four_times_the_rate)
{
	struct fl_ratelimit *r = make(10, 4096);
	unsigned in_56 = 0, in_48 = 0;
	for (uint32_t net = 0; net < 256; net++) {
		in_56 += passes(r, v6(net, 1), 10, START_NS);
	}
	cr_expect_eq(in_56, 30);
	for (uint32_t net = 0; net < 256; net++) {
		in_48 += passes(r, v6(0x10000 + net * 0x100, 1), 10, START_NS);
	}
	cr_expect_eq(in_48, 40);
	fl_ratelimit_free(r);
}

Test(ratelimit, mapped_addresses_are_ipv4)
{
	struct fl_ratelimit *r = make(10, 1024);
	struct fl_addr mapped = { .family = AF_INET6,
				  .octets = { [10] = 0xff, [11] = 0xff, 10, 0, 0, 1 } };
	cr_expect_eq(passes(r, v4(0x0a000001), 10, START_NS), 10);
	cr_expect_eq(passes(r, mapped, 10, START_NS), 0);
	mapped.octets[15] = 2;
	cr_expect_eq(passes(r, mapped, 10, START_NS), 10, "its own /32");
	fl_ratelimit_free(r);
}

Test(ratelimit, exempt_is_what_the_list_says)
{
	struct fl_prefix loopback = { .octets = { 127 }, .family = AF_INET, .bits = 8 };
	const struct fl_ratelimit_options o = { .per_second = 1,
						.buckets = 64,
						.exempt = { &loopback, 1 } };
	struct fl_ratelimit *r;
	cr_assert_eq(fl_ratelimit_new(&o, &r), FL_OK);
	const struct fl_addr in = v4(0x7f000001), out = v4(0x80000001);
	cr_expect(fl_ratelimit_exempt(r, &in));
	cr_expect_not(fl_ratelimit_exempt(r, &out));
	fl_ratelimit_free(r);
}

/* A heavy client asks 1,000 times a second for ten seconds, while between its questions
 * addresses come that were never seen before, a hundred times as many as the table holds. */
Test(ratelimit, a_flood_of_addresses_does_not_lift_the_limit_of_a_heavy_one)
{
	struct fl_ratelimit *r = make(20, 64);
	unsigned passed = 0;
	for (uint32_t i = 0; i < 10000; i++) {
		const uint64_t now_ns = START_NS + i * UINT64_C(1000000);
		passed += passes(r, v4(0xc0000201), 1, now_ns);
		passes(r, v4(0x0a000000 + i * 0x100), 1, now_ns);
	}
	cr_expect_leq(passed, 20 + 10 * 20, "%u", passed);
	fl_ratelimit_free(r);
}

/* What is let pass is bounded by the table, not by the number of addresses. */
Test(ratelimit, new_addresses_do_not_bring_new_tokens)
{
	enum { BUCKETS = 16, PER_SECOND = 10 };
	struct fl_ratelimit *r = make(PER_SECOND, BUCKETS);
	unsigned passed = 0;
	for (uint32_t i = 0; i < 100000; i++) {
		passed += passes(r, v4(i * 0x100), 1, START_NS);
	}
	cr_expect_leq(passed, BUCKETS * PER_SECOND, "%u", passed);
	fl_ratelimit_free(r);
}

/* A newcomer takes the place of who owes least, not of the heavy one: it is served. */
Test(ratelimit, a_heavy_client_does_not_take_the_newcomers_down)
{
	struct fl_ratelimit *r = make(20, 16);
	for (uint32_t i = 0; i < 200; i++) {
		const uint64_t now_ns = START_NS + i * UINT64_C(100) * FL_MS_NS;
		passes(r, v4(0xc0000201), 100, now_ns);
		cr_expect_eq(passes(r, v4(0x0a000000 + i * 0x100), 1, now_ns), 1, "%u", i);
	}
	fl_ratelimit_free(r);
}

Test(ratelimit, after_a_flood_the_others_are_served_again)
{
	struct fl_ratelimit *r = make(20, 64);
	for (uint32_t i = 0; i < 100000; i++) {
		passes(r, v4(i * 0x100), 1, START_NS);
	}
	cr_expect_eq(passes(r, v4(0xc0000201), 20, START_NS + FL_S_NS), 20);
	fl_ratelimit_free(r);
}

Test(ratelimit, a_clock_set_back_locks_nobody_out)
{
	struct fl_ratelimit *r = make(20, 64);
	passes(r, v4(1), 100, START_NS);
	cr_expect_eq(passes(r, v4(1), 100, START_NS - 500 * FL_S_NS), 20);
	fl_ratelimit_free(r);
}
