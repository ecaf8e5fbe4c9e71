#include "special.h"

#include "fairlead/wire/rr.h"

#include <assert.h>

enum {
	LABELS_MAX = 128, /* 127 and the root, RFC 1035 3.1 */
	NIBBLES = 32
};

/* A name's labels, counted from the right: 0 is the top-level domain. */
struct labels {
	const uint8_t *name;
	uint8_t at[LABELS_MAX];
	unsigned n;
};

/* RFC 6303 4.1, 4.2 and RFC 7793, as the octets of the addresses; the last one a range. */
static const struct zone_v4 {
	uint8_t n;
	uint8_t octets[4];
	uint8_t last; /* of the range that starts with octets[n - 1] */
} zones_v4[] = {
	{ 1, { 10 }, 10 },                  /* RFC 1918 */
	{ 2, { 172, 16 }, 31 },             /* RFC 1918 */
	{ 2, { 192, 168 }, 168 },           /* RFC 1918 */
	{ 1, { 0 }, 0 },                    /* "this" network */
	{ 1, { 127 }, 127 },                /* loopback */
	{ 2, { 169, 254 }, 254 },           /* link local */
	{ 3, { 192, 0, 2 }, 2 },            /* TEST-NET-1 */
	{ 3, { 198, 51, 100 }, 100 },       /* TEST-NET-2 */
	{ 3, { 203, 0, 113 }, 113 },        /* TEST-NET-3 */
	{ 4, { 255, 255, 255, 255 }, 255 }, /* broadcast */
	{ 2, { 100, 64 }, 127 },            /* RFC 7793: shared address space */
};

/* RFC 6303 4.3 to 4.6, as the leading nibbles of the addresses. */
static const char *const zones_v6[] = {
	"00000000000000000000000000000000", /* unspecified */
	"00000000000000000000000000000001", /* loopback */
	"fd",                               /* locally assigned */
	"fe8",
	"fe9",
	"fea",
	"feb",      /* link local */
	"20010db8", /* documentation */
};

static const struct top {
	const char *label;
	enum fl__special_kind kind;
} tops[] = {
	{ "localhost", FL__SPECIAL_LOCALHOST }, /* RFC 6761 6.3 */
	{ "invalid", FL__SPECIAL_ABSENT },      /* RFC 6761 6.4 */
	{ "test", FL__SPECIAL_ABSENT },         /* RFC 6761 6.2 */
	{ "onion", FL__SPECIAL_ABSENT },        /* RFC 7686 2 */
	{ "alt", FL__SPECIAL_ABSENT },          /* RFC 9476 */
};

static void split(const uint8_t *name, struct labels *l)
{
	uint8_t from_left[LABELS_MAX];
	size_t pos = 0;
	l->name = name;
	l->n = 0;
	for (; name[pos] != 0; pos += 1U + name[pos]) {
		assert(l->n < LABELS_MAX && pos < FL_NAME_MAX);
		from_left[l->n++] = (uint8_t)pos;
	}
	for (unsigned i = 0; i < l->n; i++) {
		l->at[i] = from_left[l->n - 1 - i];
	}
}

static const uint8_t *label(const struct labels *l, unsigned i)
{
	return l->name + l->at[i];
}

static bool label_is(const struct labels *l, unsigned i, const char *text)
{
	const size_t len = strlen(text);
	return i < l->n && *label(l, i) == len && memcmp(label(l, i) + 1, text, len) == 0;
}

/* A zone of the name's last @p count labels. */
static struct fl__special zone(const struct labels *l, unsigned count,
			       enum fl__special_kind kind)
{
	return (struct fl__special){ .kind = kind, .apex = label(l, count - 1) };
}

/* 0..255 without leading zeros, as RFC 1035 3.5 writes an octet; -1: it is none. */
static int octet_of(const uint8_t *at)
{
	const unsigned len = *at++;
	if (len == 0 || len > 3 || (len > 1 && *at == '0')) {
		return -1;
	}
	int v = 0;
	for (unsigned i = 0; i < len; i++) {
		if (at[i] < '0' || at[i] > '9') {
			return -1;
		}
		v = v * 10 + (at[i] - '0');
	}
	return v <= 255 ? v : -1;
}

static bool in_zone_v4(const struct zone_v4 *z, const int *octets, unsigned n)
{
	if (n < z->n) {
		return false;
	}
	const unsigned end = z->n - 1U;
	for (unsigned i = 0; i < end; i++) {
		if (octets[i] != z->octets[i]) {
			return false;
		}
	}
	return octets[end] >= z->octets[end] && octets[end] <= z->last;
}

static struct fl__special find_v4(const struct labels *l)
{
	int octets[4];
	unsigned n = 0;
	while (n < 4 && n + 2 < l->n && (octets[n] = octet_of(label(l, n + 2))) >= 0) {
		n++;
	}
	for (size_t i = 0; i < sizeof(zones_v4) / sizeof(zones_v4[0]); i++) {
		if (in_zone_v4(&zones_v4[i], octets, n)) {
			return zone(l, zones_v4[i].n + 2U, FL__SPECIAL_EMPTY);
		}
	}
	return (struct fl__special){ .kind = FL__SPECIAL_NONE };
}

static struct fl__special find_v6(const struct labels *l)
{
	char nibbles[NIBBLES] = { 0 };
	size_t n = 0;
	while (n < NIBBLES && n + 2 < l->n && *label(l, (unsigned)n + 2) == 1) {
		nibbles[n] = (char)label(l, (unsigned)n + 2)[1];
		n++;
	}
	for (size_t i = 0; i < sizeof(zones_v6) / sizeof(zones_v6[0]); i++) {
		const size_t len = strlen(zones_v6[i]);
		if (n >= len && memcmp(nibbles, zones_v6[i], len) == 0) {
			return zone(l, (unsigned)len + 2, FL__SPECIAL_EMPTY);
		}
	}
	return (struct fl__special){ .kind = FL__SPECIAL_NONE };
}

static struct fl__special find_arpa(const struct labels *l)
{
	if (label_is(l, 1, "in-addr")) {
		return find_v4(l);
	}
	if (label_is(l, 1, "ip6")) {
		return find_v6(l);
	}
	if (label_is(l, 1, "home")) { /* RFC 8375 */
		struct fl__special s = zone(l, 2, FL__SPECIAL_EMPTY);
		s.home_arpa = true;
		return s;
	}
	if (label_is(l, 1, "resolver")) { /* RFC 9462 6.4 */
		return zone(l, 2, FL__SPECIAL_BARE);
	}
	return (struct fl__special){ .kind = FL__SPECIAL_NONE };
}

struct fl__special fl__special_find(const uint8_t *name)
{
	struct labels l = { 0 };
	split(name, &l);
	if (label_is(&l, 0, "arpa")) {
		return find_arpa(&l);
	}
	for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++) {
		if (label_is(&l, 0, tops[i].label)) {
			return zone(&l, 1, tops[i].kind);
		}
	}
	return (struct fl__special){ .kind = FL__SPECIAL_NONE };
}
