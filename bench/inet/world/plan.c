#include "world/world.h"

#include <stdlib.h>
#include <string.h>

/*
 * Every zone that has a purpose of its own. A newcomer reads the miniature
 * Internet off this table; README.md draws it. A parent stands above its
 * children. The generated zones z000.alpha. and so on follow after it.
 */
struct plan {
	const char *name;
	enum group group;
	int algorithm; /* RFC 8624 numbers; 0 is unsigned */
	enum denial denial;
	enum fault fault;
	enum verdict verdict;
	const char *content;
};

// clang-format off
static const struct plan plans[] = {
	{ ".",      GROUP_ROOT, 8,  DENIAL_NSEC,   FAULT_NONE, VERDICT_SECURE, "bare" },

	{ "alpha.", GROUP_TLD,  13, DENIAL_NSEC,   FAULT_NONE, VERDICT_SECURE, "bare" },
	{ "beta.",  GROUP_TLD,  8,  DENIAL_OPTOUT, FAULT_NONE, VERDICT_SECURE, "bare" },
	{ "gamma.", GROUP_TLD,  15, DENIAL_NSEC3,  FAULT_NONE, VERDICT_SECURE, "bare" },
	{ "algo.",  GROUP_TLD,  13, DENIAL_NSEC,   FAULT_NONE, VERDICT_SECURE, "bare" },
	{ "shape.", GROUP_TLD,  13, DENIAL_NSEC,   FAULT_NONE, VERDICT_SECURE, "bare" },
	{ "broken.", GROUP_TLD, 13, DENIAL_NSEC,   FAULT_NONE, VERDICT_SECURE, "bare" },
	{ "down.",  GROUP_TLD,  13, DENIAL_NSEC,   FAULT_NONE, VERDICT_SECURE, "bare" },

	/* one zone an algorithm */
	{ "rsasha256.algo.", GROUP_LEAF, 8,  DENIAL_NSEC3, FAULT_NONE, VERDICT_SECURE, "plain" },
	{ "rsasha512.algo.", GROUP_LEAF, 10, DENIAL_NSEC,  FAULT_NONE, VERDICT_SECURE, "plain" },
	{ "ecdsap256.algo.", GROUP_LEAF, 13, DENIAL_NSEC3, FAULT_NONE, VERDICT_SECURE, "plain" },
	{ "ecdsap384.algo.", GROUP_LEAF, 14, DENIAL_NSEC,  FAULT_NONE, VERDICT_SECURE, "plain" },
	{ "ed25519.algo.",   GROUP_LEAF, 15, DENIAL_NSEC3, FAULT_NONE, VERDICT_SECURE, "plain" },
	{ "ed448.algo.",     GROUP_LEAF, 16, DENIAL_NSEC,  FAULT_NONE, VERDICT_SECURE, "plain" },

	/* good zones of every shape */
	{ "nsec.shape.",     GROUP_LEAF, 13, DENIAL_NSEC,   FAULT_NONE, VERDICT_SECURE, "plain" },
	{ "nsec3.shape.",    GROUP_LEAF, 13, DENIAL_NSEC3,  FAULT_NONE, VERDICT_SECURE, "plain" },
	{ "optout.shape.",   GROUP_LEAF, 13, DENIAL_OPTOUT, FAULT_NONE, VERDICT_SECURE, "plain" },
	{ "unsigned.shape.", GROUP_LEAF, 0,  DENIAL_NONE,   FAULT_NONE, VERDICT_INSECURE, "plain" },
	{ "wildcard.shape.", GROUP_LEAF, 13, DENIAL_NSEC3,  FAULT_NONE, VERDICT_SECURE, "wildcard" },
	{ "chain.shape.",    GROUP_LEAF, 13, DENIAL_NSEC,   FAULT_NONE, VERDICT_SECURE, "chain" },
	{ "dname.shape.",    GROUP_LEAF, 13, DENIAL_NSEC,   FAULT_NONE, VERDICT_SECURE, "dname" },
	{ "ent.shape.",      GROUP_LEAF, 13, DENIAL_NSEC3,  FAULT_NONE, VERDICT_SECURE, "ent" },
	{ "bigtxt.shape.",   GROUP_LEAF, 13, DENIAL_NSEC,   FAULT_NONE, VERDICT_SECURE, "bigtxt" },
	{ "svcb.shape.",     GROUP_LEAF, 13, DENIAL_NSEC,   FAULT_NONE, VERDICT_SECURE, "svcb" },
	{ "unknown-type.shape.", GROUP_LEAF, 13, DENIAL_NSEC, FAULT_NONE, VERDICT_SECURE, "unknown-type" },
	{ "idn.shape.",      GROUP_LEAF, 13, DENIAL_NSEC3,  FAULT_NONE, VERDICT_SECURE, "idn" },
	{ "xn--bcher-kva.shape.", GROUP_LEAF, 15, DENIAL_NSEC, FAULT_NONE, VERDICT_SECURE, "plain" },

	/* third level: an unsigned and a signed delegation in an opt-out span, a
	 * delegation without DS under NSEC, and a signed island that no chain reaches */
	{ "signed.optout.shape.",   GROUP_DEEP, 13, DENIAL_NSEC,  FAULT_NONE, VERDICT_SECURE, "plain" },
	{ "unsigned.optout.shape.", GROUP_DEEP, 0,  DENIAL_NONE,  FAULT_NONE, VERDICT_INSECURE, "plain" },
	{ "unsigned.nsec.shape.",   GROUP_DEEP, 0,  DENIAL_NONE,  FAULT_NONE, VERDICT_INSECURE, "plain" },
	{ "unsigned.nsec3.shape.",  GROUP_DEEP, 0,  DENIAL_NONE,  FAULT_NONE, VERDICT_INSECURE, "plain" },
	{ "island.unsigned.shape.", GROUP_DEEP, 13, DENIAL_NSEC,  FAULT_NONE, VERDICT_INSECURE, "plain" },

	/* one zone a fault */
	{ "badsig.broken.",    GROUP_LEAF, 13, DENIAL_NSEC,  FAULT_BAD_SIGNATURE, VERDICT_BOGUS, "plain" },
	{ "expired.broken.",   GROUP_LEAF, 13, DENIAL_NSEC,  FAULT_EXPIRED, VERDICT_BOGUS, "plain" },
	{ "notyet.broken.",    GROUP_LEAF, 13, DENIAL_NSEC,  FAULT_NOT_YET, VERDICT_BOGUS, "plain" },
	{ "nosig.broken.",     GROUP_LEAF, 13, DENIAL_NSEC,  FAULT_NO_SIGNATURE, VERDICT_BOGUS, "plain" },
	{ "ds-nokey.broken.",  GROUP_LEAF, 13, DENIAL_NSEC,  FAULT_DS_WITHOUT_KEY, VERDICT_BOGUS, "plain" },
	{ "ds-digest.broken.", GROUP_LEAF, 13, DENIAL_NSEC,  FAULT_DS_DIGEST, VERDICT_BOGUS, "plain" },
	{ "badalg.broken.",    GROUP_LEAF, 13, DENIAL_NSEC,  FAULT_UNKNOWN_ALGORITHM, VERDICT_INSECURE, "plain" },
	{ "nodenial.broken.",  GROUP_LEAF, 13, DENIAL_NSEC,  FAULT_NO_DENIAL, VERDICT_BOGUS, "plain" },
	{ "iter.broken.",      GROUP_LEAF, 13, DENIAL_NSEC3, FAULT_ITERATIONS, VERDICT_INSECURE, "plain" },
	/* the same fault under an algorithm that no part of the chain above uses */
	{ "badsig-rsa.broken.",     GROUP_LEAF, 8,  DENIAL_NSEC3, FAULT_BAD_SIGNATURE, VERDICT_BOGUS, "plain" },
	{ "badsig-ed25519.broken.", GROUP_LEAF, 15, DENIAL_NSEC3, FAULT_BAD_SIGNATURE, VERDICT_BOGUS, "plain" },

	{ "half.down.", GROUP_LEAF, 13, DENIAL_NSEC, FAULT_HALF, VERDICT_SECURE, "plain" },
	{ "lame.down.", GROUP_DEAD, 0,  DENIAL_NONE, FAULT_LAME, VERDICT_UNREACHABLE, "bare" },
};
// clang-format on

enum {
	PLANS = sizeof(plans) / sizeof(plans[0]),
	UNREACHABLE_ZONES = 10, /* of each kind, dead and silent */
};

static const char *const generated_tlds[] = { "alpha.", "beta.", "gamma." };

/* The plans name only zones that stand above them: anything else is a bug here. */
static struct zone *find(struct world *w, const char *name)
{
	for (size_t i = 0; i < w->count; i++) {
		if (strcmp(w->zone[i].name, name) == 0) {
			return &w->zone[i];
		}
	}
	abort();
}

static const char *parent_name(const char *name)
{
	if (strcmp(name, ".") == 0) {
		return NULL;
	}
	const char *rest = name + strcspn(name, ".") + 1;
	return *rest == '\0' ? "." : rest;
}

/* Two neighbouring addresses; zones of a group take turns. */
static void seat(struct zone *z, enum group group, unsigned turn)
{
	const unsigned pairs = group_size(group) / 2;
	for (unsigned i = 0; i < 2; i++) {
		z->server[i] = (struct place){ group, turn % pairs * 2 + i + 1 };
	}
}

static void choose_nsec3(struct zone *z)
{
	if (z->fault == FAULT_ITERATIONS) {
		z->iterations = TOO_MANY_ITERATIONS;
	} else if (z->denial == DENIAL_NSEC3 && z->random % 2 == 0) {
		/* RFC 9276 3.1 wants none of this, but half of the world still has it */
		z->iterations = (uint16_t)(z->random / 2 % 10 + 1);
		z->salt_len = sizeof(z->salt);
		memcpy(z->salt, (const uint8_t[]){ 0xf1, 0x53 }, sizeof(z->salt));
	}
}

static void add(struct world *w, const struct plan *p, unsigned turn)
{
	struct zone *z = &w->zone[w->count];
	const char *parent = parent_name(p->name);
	*z = (struct zone){
		.parent = parent == NULL ? NULL : find(w, parent),
		.host = p->group,
		.algorithm = p->algorithm,
		.denial = p->denial,
		.fault = p->fault,
		.verdict = p->verdict,
		.content = content_by_name(p->content),
		.random = world_random(w->options.seed, p->name),
	};
	snprintf(z->name, sizeof(z->name), "%s", p->name);
	z->delegated_signed =
		z->algorithm != 0 && z->parent != NULL && z->parent->algorithm != 0;
	seat(z, p->group, turn);
	choose_nsec3(z);
	w->count++;
}

/* Zones whose name servers are not where a plan's group says. */
static void reseat(struct world *w)
{
	struct zone *half = find(w, "half.down.");
	half->server[1] = (struct place){ GROUP_SILENT, group_size(GROUP_SILENT) };
	seat(find(w, "lame.down."), GROUP_LEAF, 0);
}

static void add_unreachable(struct world *w)
{
	char name[ZONE_NAME_MAX];
	for (unsigned i = 0; i < UNREACHABLE_ZONES; i++) {
		snprintf(name, sizeof(name), "dead%u.down.", i);
		add(w,
		    &(struct plan){ name, GROUP_DEAD, 0, DENIAL_NONE, FAULT_DEAD,
				    VERDICT_UNREACHABLE, "bare" },
		    i);
		snprintf(name, sizeof(name), "silent%u.down.", i);
		add(w,
		    &(struct plan){ name, GROUP_SILENT, 0, DENIAL_NONE, FAULT_SILENT,
				    VERDICT_UNREACHABLE, "bare" },
		    i);
	}
}

static void add_generated(struct world *w, unsigned i)
{
	/* of ten zones: four P-256, three RSA, two Ed25519, one unsigned */
	static const int algorithms[10] = { 13, 8, 13, 15, 8, 13, 0, 8, 15, 13 };
	static const enum denial denials[3] = { DENIAL_NSEC, DENIAL_NSEC3, DENIAL_OPTOUT };
	char name[ZONE_NAME_MAX];
	snprintf(name, sizeof(name), "z%03u.%s", i, generated_tlds[i % 3]);
	const int algorithm = algorithms[i % 10];
	const uint64_t random = world_random(w->options.seed, name);
	const struct plan p = {
		.name = name,
		.group = GROUP_LEAF,
		.algorithm = algorithm,
		.denial = algorithm == 0 ? DENIAL_NONE : denials[random / 64 % 3],
		.verdict = algorithm == 0 ? VERDICT_INSECURE : VERDICT_SECURE,
		.content = "hosts",
	};
	add(w, &p, i);
}

bool world_build(const struct world_options *options, struct world *out)
{
	const size_t room = PLANS + UNREACHABLE_ZONES * 2 + options->zones;
	struct world w = { .options = *options, .zone = calloc(room, sizeof(struct zone)) };
	if (w.zone == NULL) {
		return false;
	}
	for (unsigned i = 0; i < PLANS; i++) {
		add(&w, &plans[i], i);
	}
	add_unreachable(&w);
	reseat(&w);
	for (unsigned i = 0; i < options->zones; i++) {
		add_generated(&w, i);
	}
	*out = w;
	return true;
}

static void free_key(ldns_key *key)
{
	if (key != NULL) { /* ldns does not ask */
		ldns_key_deep_free(key);
	}
}

void world_free(struct world *w)
{
	for (size_t i = 0; i < w->count; i++) {
		free_key(w->zone[i].key);
		free_key(w->zone[i].zsk);
		free_key(w->zone[i].other);
	}
	free(w->zone);
	*w = (struct world){ 0 };
}

/* FNV-1a over the text, then one splitmix64 step: the same on every machine. */
uint64_t world_random(uint64_t seed, const char *text)
{
	uint64_t h = 0xcbf29ce484222325U ^ seed;
	for (; *text != '\0'; text++) {
		h = (h ^ (unsigned char)*text) * 0x100000001b3U;
	}
	h += 0x9e3779b97f4a7c15U;
	h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9U;
	h = (h ^ (h >> 27)) * 0x94d049bb133111ebU;
	return h ^ (h >> 31);
}

/* Names and RFC 8914 codes of the faults, as the manifest spells them. */
static const struct {
	const char *name;
	int ede[4];
} faults[] = {
	[FAULT_NONE] = { "none", { -1 } },
	[FAULT_BAD_SIGNATURE] = { "badsig", { 6, -1 } },
	[FAULT_EXPIRED] = { "expired", { 7, -1 } },
	[FAULT_NOT_YET] = { "notyet", { 8, -1 } },
	[FAULT_NO_SIGNATURE] = { "nosig", { 10, -1 } },
	[FAULT_DS_WITHOUT_KEY] = { "ds-nokey", { 9, -1 } },
	[FAULT_DS_DIGEST] = { "ds-digest", { 9, 6, -1 } },
	[FAULT_UNKNOWN_ALGORITHM] = { "badalg", { 1, -1 } },
	[FAULT_NO_DENIAL] = { "nodenial", { 12, -1 } },
	[FAULT_ITERATIONS] = { "iter", { 27, -1 } },
	[FAULT_DEAD] = { "dead", { 22, 23, -1 } },
	[FAULT_SILENT] = { "silent", { 22, 23, -1 } },
	[FAULT_LAME] = { "lame", { 22, 23, -1 } },
	[FAULT_HALF] = { "half", { -1 } },
};

const char *fault_name(enum fault fault)
{
	return faults[fault].name;
}

const int *fault_ede(enum fault fault)
{
	return faults[fault].ede;
}

const char *denial_name(enum denial denial)
{
	static const char *const names[] = { "none", "nsec", "nsec3", "nsec3-optout" };
	return names[denial];
}

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[] = { "secure", "insecure", "bogus", "unreachable" };
	return names[verdict];
}

const char *group_name(enum group group)
{
	static const char *const names[] = { "root", "tld", "leaf", "deep", "dead", "silent" };
	return names[group];
}
