#include "fairlead/base/siphash.h"
#include "fairlead/wire/name.h"

#include <stdlib.h>
#include <string.h>

enum { SUFFIX_MAX = 14 }; /* octets of the longest entry below, root label included */

/* Registries whose customers' zones have three labels, as lower-case wire names in
 * octet order; a name's root label is the string's NUL. This list only spreads
 * work: one that is missing costs balance, never a wrong answer. */
/* clang-format off */
static const char *const suffixes[] = {
	"\2ac\2id", "\2ac\2il", "\2ac\2in", "\2ac\2jp", "\2ac\2kr", "\2ac\2nz", "\2ac\2th",
	"\2ac\2uk", "\2ac\2za", "\2ad\2jp", "\2co\2id", "\2co\2il", "\2co\2in", "\2co\2jp",
	"\2co\2ke", "\2co\2kr", "\2co\2nz", "\2co\2th", "\2co\2tz", "\2co\2ug", "\2co\2uk",
	"\2co\2za", "\2co\2zw", "\2go\2id", "\2go\2jp", "\2go\2kr", "\2go\2th", "\2gr\2jp",
	"\2id\2au", "\2me\2uk", "\2ne\2jp", "\2ne\2kr", "\2or\2id", "\2or\2jp", "\2or\2kr",
	"\2or\2th", "\3com\2ar", "\3com\2au", "\3com\2bd", "\3com\2br", "\3com\2cn",
	"\3com\2co", "\3com\2cy", "\3com\2ec", "\3com\2eg", "\3com\2gh", "\3com\2gr",
	"\3com\2gt", "\3com\2hk", "\3com\2kw", "\3com\2lb", "\3com\2mt", "\3com\2mx",
	"\3com\2my", "\3com\2ng", "\3com\2np", "\3com\2pe", "\3com\2ph", "\3com\2pk",
	"\3com\2pl", "\3com\2pt", "\3com\2py", "\3com\2qa", "\3com\2sa", "\3com\2sg",
	"\3com\2sv", "\3com\2tr", "\3com\2tw", "\3com\2ua", "\3com\2uy", "\3com\2ve",
	"\3com\2vn", "\3edu\2au", "\3edu\2br", "\3edu\2cn", "\3edu\2mx", "\3edu\2pl",
	"\3edu\2tr", "\3edu\2tw", "\3edu\2vn", "\3gob\2ar", "\3gob\2mx", "\3gov\2au",
	"\3gov\2br", "\3gov\2cn", "\3gov\2in", "\3gov\2tr", "\3gov\2uk", "\3gov\2za",
	"\3ip6\4arpa", "\3net\2ar", "\3net\2au", "\3net\2br", "\3net\2cn", "\3net\2il",
	"\3net\2in", "\3net\2nz", "\3net\2pl", "\3net\2tr", "\3net\2tw", "\3net\2uk",
	"\3net\2za", "\3nhs\2uk", "\3org\2ar", "\3org\2au", "\3org\2br", "\3org\2cn",
	"\3org\2il", "\3org\2in", "\3org\2mx", "\3org\2nz", "\3org\2pl", "\3org\2tr",
	"\3org\2tw", "\3org\2uk", "\3org\2za", "\4govt\2nz", "\7in-addr\4arpa",
};
/* clang-format on */

static int by_octets(const void *key, const void *element)
{
	return strcmp(key, *(const char *const *)element);
}

/* True when the name of two labels is a registry's, so that zones begin a label below. */
static bool is_public_suffix(const uint8_t *name)
{
	char key[SUFFIX_MAX];
	const size_t len = fl_name_len(name);
	if (len > sizeof(key)) {
		return false;
	}
	fl_name_lower((uint8_t *)key, name, len);
	return bsearch(key, suffixes, FL_COUNT(suffixes), sizeof(suffixes[0]), by_octets) !=
	       NULL;
}

const uint8_t *fl_name_zone_part(const uint8_t *name)
{
	const uint8_t *third = NULL, *second = NULL, *first = NULL; /* labels from the right */
	for (const uint8_t *at = name; *at != 0; at += 1U + *at) {
		third = second;
		second = first;
		first = at;
	}
	if (second == NULL) {
		return name;
	}
	return third != NULL && is_public_suffix(second) ? third : second;
}

uint64_t fl_name_zone_hash(const uint8_t *name)
{
	/* No secret: every role must agree, and to crowd one shard a client needs no
	 * collision, names below one zone do that already. */
	static const struct fl_sipkey key = { { UINT64_C(0x666169726c656164),
						UINT64_C(0x7a6f6e6520706172) } };
	uint8_t folded[FL_NAME_MAX];
	const uint8_t *part = fl_name_zone_part(name);
	const size_t len = fl_name_len(part);
	fl_name_lower(folded, part, len);
	return fl_siphash13(key, folded, len);
}
