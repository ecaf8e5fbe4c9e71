#include "fairlead/policy/access.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

/*
 * The prefixes are flattened when made: the addresses of a family fall into
 * ranges of one verdict each, and a range is known by its first address. A
 * lookup is a binary search, whatever the number of prefixes and their nesting.
 */
struct key { /* an address as a number; IPv4 has its 32 bits on top of hi */
	uint64_t hi, lo;
};

struct range {
	struct key from;
	bool allow;
};

struct table {
	struct range *at; /* ascending; at[0] starts at address 0 */
	size_t n;         /* 0: nothing is allowed */
};

struct fl_access {
	struct table v4, v6;
};

struct rule {
	struct key from, last; /* first and last address of the prefix */
	unsigned bits;
	bool v6, allow;
};

static uint64_t load_be64(const uint8_t *at)
{
	uint64_t v;
	memcpy(&v, at, sizeof(v));
	return be64toh(v);
}

static struct key key_of(const uint8_t octets[static 16])
{
	return (struct key){ load_be64(octets), load_be64(octets + 8) };
}

static int compare(struct key a, struct key b)
{
	if (a.hi != b.hi) {
		return a.hi < b.hi ? -1 : 1;
	}
	return a.lo == b.lo ? 0 : a.lo < b.lo ? -1 : 1;
}

/* RFC 4291 2.5.5.2: ::ffff:0:0/96 is IPv4 in disguise. */
static bool is_mapped(struct key k)
{
	return k.hi == 0 && k.lo >> 32 == 0xffff;
}

static struct key unmap(struct key k)
{
	return (struct key){ k.lo << 32, 0 };
}

/* The bits of a 64-bit word that a prefix of that length leaves to the host. */
static uint64_t host_bits(unsigned bits)
{
	return bits >= 64 ? 0 : UINT64_MAX >> bits;
}

static enum fl_err make_rule(const struct fl_prefix *p, bool allow, struct rule *out)
{
	struct rule r = { .from = key_of(p->octets), .bits = p->bits, .allow = allow };
	r.v6 = p->family == AF_INET6;
	if ((!r.v6 && p->family != AF_INET) || p->bits > (r.v6 ? 128 : 32)) {
		return FL_EINVALID;
	}
	if (r.v6 && r.bits >= 96 && is_mapped(r.from)) {
		r.v6 = false;
		r.bits -= 96;
		r.from = unmap(r.from);
	}
	r.last.hi = r.from.hi | host_bits(r.bits);
	r.last.lo = r.from.lo | (r.bits > 64 ? host_bits(r.bits - 64) : UINT64_MAX);
	r.from.hi &= ~host_bits(r.bits);
	r.from.lo &= r.bits > 64 ? ~host_bits(r.bits - 64) : 0;
	*out = r;
	return FL_OK;
}

static enum fl_err make_rules(const struct fl_prefix_list *list, bool allow, struct rule *to)
{
	for (size_t i = 0; i < list->n; i++) {
		const enum fl_err err = make_rule(&list->at[i], allow, &to[i]);
		if (err != FL_OK) {
			return err;
		}
	}
	return FL_OK;
}

/* Longest prefix decides, deny wins a tie. Every rule is looked at for every range when a
 * table is made: 5,000 prefixes cost some 0.1 s, once. */
static bool decide(const struct rule *rules, size_t n, bool v6, struct key k)
{
	const struct rule *best = NULL;
	for (size_t i = 0; i < n; i++) {
		const struct rule *r = &rules[i];
		if (r->v6 != v6 || compare(k, r->from) < 0 || compare(k, r->last) > 0) {
			continue;
		}
		if (best == NULL || r->bits > best->bits ||
		    (r->bits == best->bits && !r->allow)) {
			best = r;
		}
	}
	return best != NULL && best->allow;
}

/* The address after @p k; false when there is none. */
static bool next_key(struct key k, struct key *out)
{
	out->lo = k.lo + 1;
	out->hi = k.hi + (out->lo == 0);
	return out->lo != 0 || out->hi != 0;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct range *x = a, *y = b;
	return compare(x->from, y->from);
}

/* Every address where a verdict may begin: 0, and the ends of each prefix. */
static size_t collect_starts(const struct rule *rules, size_t n, bool v6, struct range *to)
{
	size_t count = 0;
	to[count++].from = (struct key){ 0, 0 };
	for (size_t i = 0; i < n; i++) {
		if (rules[i].v6 != v6) {
			continue;
		}
		to[count++].from = rules[i].from;
		if (next_key(rules[i].last, &to[count].from)) {
			count++;
		}
	}
	qsort(to, count, sizeof(*to), compare_ranges);
	return count;
}

static enum fl_err make_table(const struct rule *rules, size_t n, bool v6, struct table *out)
{
	struct range *at = calloc(2 * n + 1, sizeof(*at));
	if (at == NULL) {
		return FL_ENOMEM;
	}
	const size_t starts = collect_starts(rules, n, v6, at);
	size_t kept = 0;
	for (size_t i = 0; i < starts; i++) {
		const struct key from = at[i].from;
		const bool allow = decide(rules, n, v6, from);
		if (kept == 0 || at[kept - 1].allow != allow) {
			at[kept++] = (struct range){ from, allow };
		}
	}
	*out = (struct table){ at, kept };
	return FL_OK;
}

enum fl_err fl_access_new(const struct fl_prefix_list *allow, const struct fl_prefix_list *deny,
			  struct fl_access **out)
{
	enum fl_err err = FL_ENOMEM;
	const size_t n = allow->n + deny->n;
	struct rule *rules = calloc(n + 1, sizeof(*rules));
	struct fl_access *a = calloc(1, sizeof(*a));
	if (rules == NULL || a == NULL || (err = make_rules(allow, true, rules)) != FL_OK ||
	    (err = make_rules(deny, false, rules + allow->n)) != FL_OK ||
	    (err = make_table(rules, n, false, &a->v4)) != FL_OK ||
	    (err = make_table(rules, n, true, &a->v6)) != FL_OK) {
		fl_access_free(a);
		a = NULL;
	}
	free(rules);
	if (a != NULL) {
		*out = a;
	}
	return err;
}

void fl_access_free(struct fl_access *a)
{
	if (a == NULL) {
		return;
	}
	free(a->v4.at);
	free(a->v6.at);
	free(a);
}

/* The last range that starts at or before @p k. */
static bool lookup(const struct table *t, struct key k)
{
	size_t low = 0, n = t->n;
	while (n > 1) {
		const size_t half = n / 2;
		if (compare(t->at[low + half].from, k) <= 0) {
			low += half;
		}
		n -= half;
	}
	return t->at[low].allow;
}

bool fl_access_allows(const struct fl_access *access, const struct fl_addr *a)
{
	const struct key k = key_of(a->octets);
	if (a->family == AF_INET) {
		return lookup(&access->v4, k);
	}
	if (a->family != AF_INET6) {
		return false;
	}
	return is_mapped(k) ? lookup(&access->v4, unmap(k)) : lookup(&access->v6, k);
}
