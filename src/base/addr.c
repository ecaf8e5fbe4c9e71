#include "fairlead/base/addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* IPv4-mapped IPv6, RFC 4291 2.5.5.2: ten zero octets, two of ones, the IPv4 address */
enum { MAPPED_AT = 12 };
static const uint8_t mapped[MAPPED_AT] = { [10] = 0xff, [11] = 0xff };

static bool is_link_local(const struct fl_addr *a)
{
	return a->family == AF_INET6 && a->octets[0] == 0xfe && (a->octets[1] & 0xc0) == 0x80;
}

/* A decimal number of 0..max without sign, blank or needless zero. */
static bool read_number(const char *text, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0')) {
		return false;
	}
	for (const char *c = text; *c != '\0'; c++) {
		if (*c < '0' || *c > '9') {
			return false;
		}
		n = n * 10 + (uint64_t)(*c - '0');
		if (n > max) {
			return false;
		}
	}
	*out = n;
	return true;
}

static bool read_octets(const char *text, struct fl_addr *a)
{
	a->family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	return inet_pton(a->family, text, a->octets) == 1;
}

/* A scope as a number needs no system call: confined processes read it too. */
static bool read_scope(const char *text, struct fl_addr *a)
{
	uint64_t index = 0;

	if (!is_link_local(a)) {
		return false;
	}
	if (!read_number(text, UINT32_MAX, &index)) {
		index = if_nametoindex(text);
	}
	a->scope = (uint32_t)index;
	return index != 0;
}

static bool read_port(const char *text, struct fl_addr *a)
{
	uint64_t port;

	if (!read_number(text, UINT16_MAX, &port) || port == 0) {
		return false;
	}
	a->port = (uint16_t)port;
	return true;
}

enum fl_err fl_addr_parse(const char *text, uint16_t default_port, struct fl_addr *out)
{
	char host[FL_ADDR_TEXT_MAX];
	struct fl_addr a = { .port = default_port };

	if (strlen(text) >= sizeof(host)) {
		return FL_EMALFORMED;
	}
	strcpy(host, text);
	char *port = strchr(host, '@');
	if (port != NULL) {
		*port++ = '\0';
	}
	char *scope = strchr(host, '%');
	if (scope != NULL) {
		*scope++ = '\0';
	}
	if (!read_octets(host, &a) || (scope != NULL && !read_scope(scope, &a)) ||
	    (port != NULL && !read_port(port, &a))) {
		return FL_EMALFORMED;
	}
	*out = a;
	return FL_OK;
}

const char *fl_addr_format(const struct fl_addr *a, char buf[static FL_ADDR_TEXT_MAX])
{
	char host[INET6_ADDRSTRLEN], scope[16] = "", port[16] = "";

	if (inet_ntop(a->family, a->octets, host, sizeof(host)) == NULL) {
		strcpy(host, "?");
	}
	if (a->scope != 0) {
		snprintf(scope, sizeof(scope), "%%%" PRIu32, a->scope);
	}
	if (a->port != 0) {
		snprintf(port, sizeof(port), "@%u", (unsigned)a->port);
	}
	snprintf(buf, FL_ADDR_TEXT_MAX, "%s%s%s", host, scope, port);
	return buf;
}

bool fl_addr_equal(const struct fl_addr *a, const struct fl_addr *b)
{
	return memcmp(a->octets, b->octets, sizeof(a->octets)) == 0 && a->scope == b->scope &&
	       a->port == b->port && a->family == b->family;
}

socklen_t fl_addr_to_sockaddr(const struct fl_addr *a, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (a->family == AF_INET) {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(a->port) };
		memcpy(&in.sin_addr, a->octets, sizeof(in.sin_addr));
		memcpy(out, &in, sizeof(in));
		return sizeof(in);
	}
	assert(a->family == AF_INET6);
	struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(a->port),
		.sin6_scope_id = a->scope,
	};
	memcpy(&in6.sin6_addr, a->octets, sizeof(in6.sin6_addr));
	memcpy(out, &in6, sizeof(in6));
	return sizeof(in6);
}

bool fl_addr_from_sockaddr(const struct sockaddr *sa, struct fl_addr *out)
{
	struct fl_addr a = { .family = sa->sa_family };

	/* copied, since a buffer from the kernel may be aligned for octets only */
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, sa, sizeof(in));
		memcpy(a.octets, &in.sin_addr, sizeof(in.sin_addr));
		a.port = ntohs(in.sin_port);
	} else if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, sa, sizeof(in6));
		memcpy(a.octets, &in6.sin6_addr, sizeof(in6.sin6_addr));
		a.port = ntohs(in6.sin6_port);
		/* some kernels leave an interface in the scope of global addresses */
		a.scope = is_link_local(&a) ? in6.sin6_scope_id : 0;
	} else {
		return false;
	}
	*out = a;
	return true;
}

static bool host_bits_zero(const struct fl_prefix *p)
{
	for (unsigned bit = p->bits; bit < 128; bit++) {
		if ((p->octets[bit / 8] & (0x80u >> bit % 8)) != 0) {
			return false;
		}
	}
	return true;
}

enum fl_err fl_prefix_parse(const char *text, struct fl_prefix *out)
{
	char host[FL_ADDR_TEXT_MAX];
	struct fl_addr a = { 0 };
	struct fl_prefix p = { 0 };

	if (strlen(text) >= sizeof(host)) {
		return FL_EMALFORMED;
	}
	strcpy(host, text);
	char *length = strchr(host, '/');
	if (length != NULL) {
		*length++ = '\0';
	}
	if (!read_octets(host, &a)) {
		return FL_EMALFORMED;
	}
	uint64_t bits = a.family == AF_INET ? 32 : 128;
	if (length != NULL && !read_number(length, bits, &bits)) {
		return FL_EMALFORMED;
	}
	memcpy(p.octets, a.octets, sizeof(p.octets));
	p.family = a.family;
	p.bits = (uint8_t)bits;
	if (!host_bits_zero(&p)) { /* 10.1.2.3/8 may mean /32: ask rather than guess */
		return FL_EMALFORMED;
	}
	*out = p;
	return FL_OK;
}

const char *fl_prefix_format(const struct fl_prefix *p, char buf[static FL_ADDR_TEXT_MAX])
{
	char host[INET6_ADDRSTRLEN];

	if (inet_ntop(p->family, p->octets, host, sizeof(host)) == NULL) {
		strcpy(host, "?");
	}
	snprintf(buf, FL_ADDR_TEXT_MAX, "%s/%u", host, (unsigned)p->bits);
	return buf;
}

static bool starts_alike(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	const unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0) {
		return false;
	}
	return rest == 0 || ((a[whole] ^ b[whole]) & (0xff00u >> rest) & 0xffu) == 0;
}

bool fl_prefix_has(const struct fl_prefix *p, const struct fl_addr *a)
{
	if (p->family == a->family) {
		return starts_alike(p->octets, a->octets, p->bits);
	}
	if (p->family == AF_INET && memcmp(a->octets, mapped, sizeof(mapped)) == 0) {
		return starts_alike(p->octets, a->octets + MAPPED_AT, p->bits);
	}
	return false;
}
