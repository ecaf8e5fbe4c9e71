#include "fairlead/policy/cookie.h"

#include "fairlead/wire/writer.h"

#include <string.h>

enum { /* RFC 9018 4: client cookie, version, reserved, timestamp, hash */
       CLIENT_LEN = 8,
       VERSION_AT = 8,
       TIME_AT = 12,
       HASH_AT = 16,
       VERSION = 1,
       OLD_S = 3600, /* RFC 9018 4.3 */
       EARLY_S = 300
};

/* The address as it is hashed: 4 or 16 octets. A client seen through an IPv6
 * socket has the cookie that it would have through an IPv4 one. */
static size_t client_octets(const struct fl_addr *a, const uint8_t **out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	if (a->family == AF_INET) {
		*out = a->octets;
		return 4;
	}
	if (memcmp(a->octets, mapped, sizeof(mapped)) == 0) {
		*out = a->octets + sizeof(mapped);
		return 4;
	}
	*out = a->octets;
	return 16;
}

/* RFC 9018 4.4: over everything before the hash, and the client's address. The
 * octets of the result are SipHash's own, least first. */
static void hash(const uint8_t cookie[static HASH_AT], const struct fl_addr *client,
		 struct fl_sipkey secret, uint8_t out[static 8])
{
	uint8_t input[HASH_AT + 16];
	const uint8_t *address;
	const size_t n = client_octets(client, &address);
	memcpy(input, cookie, HASH_AT);
	memcpy(input + HASH_AT, address, n);
	const uint64_t h = fl_siphash24(secret, input, HASH_AT + n);
	for (unsigned i = 0; i < 8; i++) {
		out[i] = (uint8_t)(h >> (8 * i));
	}
}

/* In a time that does not tell where they differ. */
static bool same(const uint8_t *a, const uint8_t *b, size_t n)
{
	unsigned differ = 0;
	for (size_t i = 0; i < n; i++) {
		differ |= (unsigned)a[i] ^ b[i];
	}
	return differ == 0;
}

/* A key of zeros is what memory holds before there is a secret: everybody knows it. */
static bool is_secret(struct fl_sipkey key)
{
	return (key.k[0] | key.k[1]) != 0;
}

static bool made_by(const uint8_t *cookie, const struct fl_addr *client,
		    struct fl_sipkey secret)
{
	uint8_t want[8];
	hash(cookie, client, secret, want);
	return is_secret(secret) && same(cookie + HASH_AT, want, sizeof(want));
}

/* RFC 9018 4.3, in the serial numbers of RFC 1982: time wraps in 2106. */
static bool is_timely(const uint8_t *cookie, uint32_t now_s)
{
	const uint32_t made_s = fl_load_u32(cookie + TIME_AT);
	const int32_t age_s = (int32_t)(now_s - made_s);
	return age_s <= OLD_S && age_s >= -EARLY_S;
}

enum fl_cookie_state fl_cookie_check(const struct fl_question *q, const struct fl_addr *client,
				     const struct fl_cookie_secrets *s, uint32_t now_s)
{
	if (q->cookie_len < CLIENT_LEN) {
		return FL_COOKIE_NONE;
	}
	if (q->cookie_len == CLIENT_LEN) {
		return FL_COOKIE_CLIENT;
	}
	if (q->cookie_len != FL_COOKIE_LEN || q->cookie[VERSION_AT] != VERSION ||
	    !is_timely(q->cookie, now_s)) {
		return FL_COOKIE_INVALID;
	}
	if (made_by(q->cookie, client, s->now) || made_by(q->cookie, client, s->before)) {
		return FL_COOKIE_VALID;
	}
	return FL_COOKIE_INVALID;
}

void fl_cookie_make(const struct fl_question *q, const struct fl_addr *client,
		    const struct fl_cookie_secrets *s, uint32_t now_s,
		    uint8_t out[static FL_COOKIE_LEN])
{
	memcpy(out, q->cookie, CLIENT_LEN);
	memset(out + VERSION_AT, 0, TIME_AT - VERSION_AT); /* reserved: RFC 9018 4.2 */
	out[VERSION_AT] = VERSION;
	fl_store_u32(out + TIME_AT, now_s);
	hash(out, client, s->now, out + HASH_AT);
}
