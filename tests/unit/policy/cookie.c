#include "fairlead/policy/cookie.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { COOKIE_MAX = 40 };

static size_t from_hex(const char *hex, uint8_t *out, size_t cap)
{
	size_t n = 0;
	unsigned v;
	for (; n < cap && sscanf(hex + 2 * n, "%2x", &v) == 1; n++) {
		out[n] = (uint8_t)v;
	}
	return n;
}

static struct fl_sipkey secret(const char *hex)
{
	uint8_t octets[16];
	cr_assert_eq(from_hex(hex, octets, sizeof(octets)), sizeof(octets));
	return fl_sipkey_from_octets(octets);
}

static struct fl_addr addr(const char *text)
{
	struct fl_addr a = { .family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET };
	cr_assert_eq(inet_pton(a.family, text, a.octets), 1, "%s", text);
	return a;
}

static enum fl_cookie_state check(const char *cookie, const char *client,
				  const struct fl_cookie_secrets *s, uint32_t now_s)
{
	uint8_t octets[COOKIE_MAX];
	struct fl_question q = { .cookie = octets };
	q.cookie_len = (uint8_t)from_hex(cookie, octets, sizeof(octets));
	const struct fl_addr a = addr(client);
	return fl_cookie_check(&q, &a, s, now_s);
}

static void expect_made(const char *client_cookie, const char *client,
			const struct fl_cookie_secrets *s, uint32_t now_s, const char *want)
{
	uint8_t octets[8], out[FL_COOKIE_LEN];
	char text[2 * FL_COOKIE_LEN + 1];
	struct fl_question q = { .cookie = octets };
	q.cookie_len = (uint8_t)from_hex(client_cookie, octets, sizeof(octets));
	const struct fl_addr a = addr(client);
	fl_cookie_make(&q, &a, s, now_s, out);
	for (size_t i = 0; i < sizeof(out); i++) {
		snprintf(text + 2 * i, 3, "%02x", out[i]);
	}
	cr_expect_str_eq(text, want);
}

/* RFC 9018, appendix A. */
#define SECRET_A123  "e5e973e5a6b2a43f48e7dc849e37bfcf"
#define SECRET_A4    "dd3bdf9344b678b185a6f5cb60fca715"
#define SECRET_A4NEW "445536bcd2513298075a5d379663c962"
#define COOKIE_A1    "2464c4abcf10c957010000005cf79f111f8130c3eee29480"
#define COOKIE_A2    "2464c4abcf10c957010000005cf7a871d4a564a1442aca77"
#define COOKIE_A3    "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5"
#define COOKIE_A3NEW "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e"
#define COOKIE_A4    "22681ab97d52c298010000005cf7c57926556bd0934c72f8"
#define COOKIE_A4NEW "22681ab97d52c298010000005cf7c609a6bb79d16625507a"
#define CLIENT_A12   "198.51.100.100"
#define CLIENT_A3    "203.0.113.203"
#define CLIENT_A4    "2001:db8:220:1:59de:d0f4:8769:82b8"

enum {
	A1_S = 1559731985,
	A2_S = 1559734385,
	A3_S = 1559727985,
	A3NEW_S = 1559734700,
	A4NEW_S = 1559741961
};

Test(cookie, rfc_9018_a1_and_a2_learn_and_renew)
{
	const struct fl_cookie_secrets s = { .now = secret(SECRET_A123) };
	cr_expect_eq(check("2464c4abcf10c957", CLIENT_A12, &s, A1_S), FL_COOKIE_CLIENT);
	expect_made("2464c4abcf10c957", CLIENT_A12, &s, A1_S, COOKIE_A1);
	cr_expect_eq(check(COOKIE_A1, CLIENT_A12, &s, A2_S), FL_COOKIE_VALID);
	expect_made("2464c4abcf10c957", CLIENT_A12, &s, A2_S, COOKIE_A2);
}

Test(cookie, rfc_9018_a3_reserved_octets_are_hashed_as_they_came)
{
	const struct fl_cookie_secrets s = { .now = secret(SECRET_A123) };
	cr_expect_eq(check(COOKIE_A3, CLIENT_A3, &s, A3_S), FL_COOKIE_VALID);
	expect_made("fc93fc62807ddb86", CLIENT_A3, &s, A3NEW_S, COOKIE_A3NEW);
	cr_expect_eq(check(COOKIE_A3, CLIENT_A3, &s, A3NEW_S), FL_COOKIE_INVALID,
		     "an hour and 52 minutes later it is too old");
}

Test(cookie, rfc_9018_a4_the_last_secret_still_counts)
{
	const struct fl_cookie_secrets s = { secret(SECRET_A4NEW), secret(SECRET_A4) };
	const struct fl_cookie_secrets late = { .now = secret(SECRET_A4NEW) };
	cr_expect_eq(check(COOKIE_A4, CLIENT_A4, &s, A4NEW_S), FL_COOKIE_VALID);
	cr_expect_eq(check(COOKIE_A4, CLIENT_A4, &late, A4NEW_S), FL_COOKIE_INVALID);
	expect_made("22681ab97d52c298", CLIENT_A4, &s, A4NEW_S, COOKIE_A4NEW);
}

Test(cookie, is_good_for_an_hour_and_five_minutes_early)
{
	const struct fl_cookie_secrets s = { .now = secret(SECRET_A123) };
	cr_expect_eq(check(COOKIE_A1, CLIENT_A12, &s, A1_S + 3600), FL_COOKIE_VALID);
	cr_expect_eq(check(COOKIE_A1, CLIENT_A12, &s, A1_S + 3601), FL_COOKIE_INVALID);
	cr_expect_eq(check(COOKIE_A1, CLIENT_A12, &s, A1_S - 300), FL_COOKIE_VALID);
	cr_expect_eq(check(COOKIE_A1, CLIENT_A12, &s, A1_S - 301), FL_COOKIE_INVALID);
}

Test(cookie, time_wraps)
{
	const struct fl_cookie_secrets s = { .now = secret(SECRET_A123) };
	const struct fl_addr a = addr(CLIENT_A12);
	uint8_t client[8] = { 1 }, made[FL_COOKIE_LEN];
	struct fl_question q = { .cookie = client, .cookie_len = sizeof(client) };
	fl_cookie_make(&q, &a, &s, UINT32_MAX - 10, made);
	q.cookie = made;
	q.cookie_len = sizeof(made);
	cr_expect_eq(fl_cookie_check(&q, &a, &s, 20), FL_COOKIE_VALID);
	cr_expect_eq(fl_cookie_check(&q, &a, &s, 3600), FL_COOKIE_INVALID);
}

Test(cookie, anothers_cookie_is_invalid)
{
	const struct fl_cookie_secrets s = { .now = secret(SECRET_A123) };
	cr_expect_eq(check(COOKIE_A1, "198.51.100.101", &s, A1_S), FL_COOKIE_INVALID);
	cr_expect_eq(
		check("3464c4abcf10c957010000005cf79f111f8130c3eee29480", CLIENT_A12, &s, A1_S),
		FL_COOKIE_INVALID, "another client cookie");
	cr_expect_eq(
		check("2464c4abcf10c957020000005cf79f111f8130c3eee29480", CLIENT_A12, &s, A1_S),
		FL_COOKIE_INVALID, "version 2");
	for (size_t bit = 0; bit < 64; bit++) {
		uint8_t octets[FL_COOKIE_LEN];
		from_hex(COOKIE_A1, octets, sizeof(octets));
		octets[16 + bit / 8] ^= (uint8_t)(1U << bit % 8);
		const struct fl_question q = { .cookie = octets, .cookie_len = sizeof(octets) };
		const struct fl_addr a = addr(CLIENT_A12);
		cr_expect_eq(fl_cookie_check(&q, &a, &s, A1_S), FL_COOKIE_INVALID, "bit %zu",
			     bit);
	}
}

Test(cookie, other_lengths_are_other_peoples)
{
	const struct fl_cookie_secrets s = { .now = secret(SECRET_A123) };
	cr_expect_eq(check("", CLIENT_A12, &s, A1_S), FL_COOKIE_NONE);
	cr_expect_eq(check("2464c4abcf10c957010000005cf79f11", CLIENT_A12, &s, A1_S),
		     FL_COOKIE_INVALID);
	cr_expect_eq(check(COOKIE_A1 "00", CLIENT_A12, &s, A1_S), FL_COOKIE_INVALID);
}

Test(cookie, a_key_of_zeros_vouches_for_nobody)
{
	const struct fl_cookie_secrets none = { 0 };
	const struct fl_cookie_secrets s = { .now = secret(SECRET_A123) };
	const struct fl_addr a = addr(CLIENT_A12);
	uint8_t client[8] = { 1 }, forged[FL_COOKIE_LEN];
	struct fl_question q = { .cookie = client, .cookie_len = sizeof(client) };
	fl_cookie_make(&q, &a, &none, A1_S, forged);
	q.cookie = forged;
	q.cookie_len = sizeof(forged);
	cr_expect_eq(fl_cookie_check(&q, &a, &s, A1_S), FL_COOKIE_INVALID);
}

Test(cookie, mapped_and_plain_addresses_share_cookies)
{
	const struct fl_cookie_secrets s = { .now = secret(SECRET_A123) };
	cr_expect_eq(check(COOKIE_A1, "::ffff:" CLIENT_A12, &s, A1_S), FL_COOKIE_VALID);
}
