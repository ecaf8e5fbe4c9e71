#include "world/world.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/*
 * What the zones hold. One function a shape writes the records and, beside each
 * group of them, the answers that a client must see; it runs once with a file and
 * once with a sample list, so that the two cannot drift apart.
 */
struct content {
	const struct world *world;
	const struct zone *zone;
	FILE *out;       /* NULL: samples only */
	json_t *samples; /* NULL: records only */
};

enum kind { PRESENT, NO_NAME, NO_DATA };

enum {
	TTL_S = 300,
	NEGATIVE_TTL_S = 60,
	DELEGATION_TTL_S = 3600,
	RDATA_MAX = 16384,
	TEXT_MAX = 64,
	LABEL_MAX = 256,
};

static void full_name(const struct zone *z, const char *label, char out[static LABEL_MAX])
{
	if (label[0] == '\0') {
		snprintf(out, LABEL_MAX, "%s", z->name);
	} else {
		snprintf(out, LABEL_MAX, "%s.%s", label, z->parent == NULL ? "" : z->name);
	}
}

__attribute__((format(printf, 4, 5))) static void rr(struct content *c, const char *label,
						     unsigned ttl_s, const char *format, ...)
{
	if (c->out == NULL) {
		return;
	}
	char owner[LABEL_MAX];
	full_name(c->zone, label, owner);
	fprintf(c->out, "%s %u IN ", owner, ttl_s);
	va_list args;
	va_start(args, format);
	vfprintf(c->out, format, args);
	va_end(args);
	fputc('\n', c->out);
}

/* What a validator owes for an answer of this kind from this zone. */
static enum verdict verdict_of(const struct zone *z, enum kind kind)
{
	if (z->fault == FAULT_NO_SIGNATURE) {
		return kind == PRESENT ? z->verdict : VERDICT_SECURE;
	}
	if (z->fault == FAULT_NO_DENIAL || z->fault == FAULT_ITERATIONS) {
		return kind == PRESENT ? VERDICT_SECURE : z->verdict;
	}
	if (z->denial == DENIAL_OPTOUT && kind == NO_NAME && z->verdict == VERDICT_SECURE) {
		return VERDICT_INSECURE; /* RFC 5155 9.2: no AD where an opt-out span denies */
	}
	return z->verdict;
}

static json_t *ede_list(enum fault fault)
{
	json_t *list = json_array();
	for (const int *code = fault_ede(fault); *code >= 0; code++) {
		json_array_append_new(list, json_integer(*code));
	}
	return list;
}

/*
 * Record what a client must see for one question. answer holds the rdata of the
 * records of the type asked for, one a line, or is NULL where there is none.
 */
static void expect_as(struct content *c, const char *label, const char *type, enum kind kind,
		      enum verdict verdict, enum fault fault, const char *answer)
{
	if (c->samples == NULL) {
		return;
	}
	char owner[LABEL_MAX];
	full_name(c->zone, label, owner);
	const char *held = kind == NO_NAME ? "NXDOMAIN" : "NOERROR";
	const bool fails = verdict == VERDICT_BOGUS || verdict == VERDICT_UNREACHABLE;
	json_t *s = json_object();
	json_object_set_new(s, "name", json_string(owner));
	json_object_set_new(s, "type", json_string(type));
	json_object_set_new(s, "verdict", json_string(verdict_name(verdict)));
	json_object_set_new(s, "rcode", json_string(fails ? "SERVFAIL" : held));
	if (verdict == VERDICT_BOGUS) {
		json_object_set_new(s, "cd_rcode", json_string(held));
	}
	if (fails) {
		json_object_set_new(s, "ede", ede_list(fault));
	}
	json_t *list = json_array();
	while (answer != NULL && *answer != '\0') {
		const size_t len = strcspn(answer, "\n");
		json_array_append_new(list, json_stringn(answer, len));
		answer += len + (answer[len] == '\n');
	}
	json_object_set_new(s, "answer", list);
	json_array_append_new(c->samples, s);
}

static void expect(struct content *c, const char *label, const char *type, enum kind kind,
		   const char *answer)
{
	expect_as(c, label, type, kind, verdict_of(c->zone, kind), c->zone->fault, answer);
}

/* The addresses of a name: unrouted, in the same two prefixes as the servers. */
static void host_a(const struct world *w, const char *owner, char out[static TEXT_MAX])
{
	const uint64_t r = world_random(w->options.seed, owner);
	snprintf(out, TEXT_MAX, "198.19.%u.%u", (unsigned)(r >> 8 & 0xff),
		 (unsigned)(r & 0xff));
}

static void host_aaaa(const struct world *w, const char *owner, char out[static TEXT_MAX])
{
	const uint64_t r = world_random(w->options.seed, owner);
	const struct in6_addr a = { .s6_addr = { 0x20, 0x01, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0,
						 (uint8_t)(r >> 24), (uint8_t)(r >> 16),
						 (uint8_t)(r >> 8), (uint8_t)(r | 1) } };
	inet_ntop(AF_INET6, &a, out, TEXT_MAX);
}

static void host(struct content *c, const char *label, unsigned ttl_s)
{
	char owner[LABEL_MAX];
	char address[TEXT_MAX];
	full_name(c->zone, label, owner);
	host_a(c->world, owner, address);
	rr(c, label, ttl_s, "A %s", address);
	host_aaaa(c->world, owner, address);
	rr(c, label, ttl_s, "AAAA %s", address);
}

static void expect_host(struct content *c, const char *label, const char *type)
{
	char owner[LABEL_MAX];
	char address[TEXT_MAX];
	full_name(c->zone, label, owner);
	(strcmp(type, "A") == 0 ? host_a : host_aaaa)(c->world, owner, address);
	expect(c, label, type, PRESENT, address);
}

/* An alias whose end is the host @p target of another zone. */
static void expect_alias(struct content *c, const char *label, const char *target,
			 enum verdict verdict, enum fault fault)
{
	char address[TEXT_MAX];
	host_a(c->world, target, address);
	expect_as(c, label, "A", PRESENT, verdict, fault, address);
}

static void bare(struct content *c)
{
	if (c->zone->verdict == VERDICT_UNREACHABLE) {
		expect(c, "www", "A", PRESENT, NULL);
	} else {
		expect(c, "nothing", "A", NO_NAME, NULL);
	}
}

static void plain(struct content *c)
{
	host(c, "www", TTL_S);
	rr(c, "www", TTL_S, "TXT \"this is www.%s\"", c->zone->name);
	host(c, "mail", TTL_S);
	rr(c, "", TTL_S, "MX 10 mail.%s", c->zone->name);
	expect_host(c, "www", "A");
	expect_host(c, "www", "AAAA");
	expect(c, "nothing", "A", NO_NAME, NULL);
	expect(c, "www", "SRV", NO_DATA, NULL);
}

static void host_label(unsigned i, char out[static TEXT_MAX])
{
	snprintf(out, TEXT_MAX, "h%03u", i);
}

static void hosts(struct content *c)
{
	static const unsigned ttls[] = { 60, 300, 3600, 86400 };
	const unsigned names = c->world->options.names;
	char label[TEXT_MAX];
	for (unsigned i = 0; c->out != NULL && i < names; i++) {
		host_label(i, label);
		const unsigned ttl_s = ttls[(c->zone->random + i) % 4];
		host(c, label, ttl_s);
		if (i % 3 == 0) {
			rr(c, label, ttl_s, "TXT \"%s of %s\"", label, c->zone->name);
		}
		if (i % 5 == 0) {
			rr(c, label, ttl_s, "MX 10 h000.%s", c->zone->name);
		}
	}
	expect(c, "nothing", "A", NO_NAME, NULL);
	if (names > 0) {
		expect_host(c, "h000", "A");
		expect(c, "h000", "SRV", NO_DATA, NULL);
		host_label(names - 1, label);
		expect_host(c, label, "AAAA");
	}
}

static void wildcard(struct content *c)
{
	rr(c, "*", TTL_S, "A 198.19.1.1");
	rr(c, "*.sub", TTL_S, "TXT \"wild\"");
	rr(c, "host.sub", TTL_S, "A 198.19.1.2");
	expect(c, "any", "A", PRESENT, "198.19.1.1");
	expect(c, "deep.any", "A", PRESENT, "198.19.1.1");
	expect(c, "any", "TXT", NO_DATA, NULL);
	expect(c, "any.sub", "TXT", PRESENT, "\"wild\"");
	expect(c, "any.sub", "A", NO_DATA, NULL);
	expect(c, "host.sub", "A", PRESENT, "198.19.1.2");
	expect(c, "host.sub", "TXT", NO_DATA, NULL);
	expect(c, "any.host.sub", "TXT", NO_NAME, NULL);
}

static void chain(struct content *c)
{
	enum { LINKS = 8 };
	for (unsigned i = 1; i < LINKS; i++) {
		char label[TEXT_MAX];
		snprintf(label, sizeof(label), "c%u", i);
		rr(c, label, TTL_S, "CNAME c%u.%s", i + 1, c->zone->name);
	}
	rr(c, "c8", TTL_S, "CNAME end.%s", c->zone->name);
	rr(c, "end", TTL_S, "A 198.19.2.1");
	expect(c, "c1", "A", PRESENT, "198.19.2.1");
	expect(c, "c8", "A", PRESENT, "198.19.2.1");
	expect(c, "c1", "TXT", NO_DATA, NULL);

	rr(c, "across", TTL_S, "CNAME www.nsec3.shape.");
	expect_alias(c, "across", "www.nsec3.shape.", VERDICT_SECURE, FAULT_NONE);
	rr(c, "wild", TTL_S, "CNAME any.wildcard.shape.");
	expect(c, "wild", "A", PRESENT, "198.19.1.1");
	rr(c, "to-unsigned", TTL_S, "CNAME www.unsigned.shape.");
	expect_alias(c, "to-unsigned", "www.unsigned.shape.", VERDICT_INSECURE, FAULT_NONE);
	rr(c, "to-badsig", TTL_S, "CNAME www.badsig.broken.");
	expect_alias(c, "to-badsig", "www.badsig.broken.", VERDICT_BOGUS, FAULT_BAD_SIGNATURE);
	rr(c, "to-nothing", TTL_S, "CNAME nothing.nsec.shape.");
	expect(c, "to-nothing", "A", NO_NAME, NULL);
	rr(c, "to-dead", TTL_S, "CNAME www.dead0.down.");
	expect_as(c, "to-dead", "A", PRESENT, VERDICT_UNREACHABLE, FAULT_DEAD, NULL);
	if (c->world->options.zones > 0 && c->world->options.names > 0) {
		rr(c, "to-alpha", TTL_S, "CNAME h000.z000.alpha.");
		expect_alias(c, "to-alpha", "h000.z000.alpha.", VERDICT_SECURE, FAULT_NONE);
	}
	/* a ring: resolvers differ in what they say, so it is in no sample */
	rr(c, "ring1", TTL_S, "CNAME ring2.%s", c->zone->name);
	rr(c, "ring2", TTL_S, "CNAME ring1.%s", c->zone->name);
}

static void dname(struct content *c)
{
	rr(c, "here", TTL_S, "DNAME there.%s", c->zone->name);
	rr(c, "www.there", TTL_S, "A 198.19.3.1");
	rr(c, "moved", TTL_S, "DNAME nsec.shape.");
	expect(c, "www.here", "A", PRESENT, "198.19.3.1");
	expect(c, "here", "DNAME", PRESENT, "there.dname.shape.");
	expect_alias(c, "www.moved", "www.nsec.shape.", VERDICT_SECURE, FAULT_NONE);
	expect(c, "nothing.here", "A", NO_NAME, NULL);
}

static void empty_nonterminal(struct content *c)
{
	rr(c, "a.b.c.d", TTL_S, "A 198.19.4.1");
	expect(c, "a.b.c.d", "A", PRESENT, "198.19.4.1");
	expect(c, "b.c.d", "A", NO_DATA, NULL);
	expect(c, "d", "TXT", NO_DATA, NULL);
	expect(c, "nothing.c.d", "A", NO_NAME, NULL);
}

/* A TXT record of strings of 200 letters, each string another letter. */
static void long_txt(unsigned strings, char out[static RDATA_MAX])
{
	size_t at = 0;
	for (unsigned i = 0; i < strings; i++) {
		out[at++] = '"';
		memset(out + at, 'a' + (int)(i % 26), 200);
		at += 200;
		out[at++] = '"';
		out[at++] = ' ';
	}
	out[at - 1] = '\0';
}

static void bigtxt(struct content *c)
{
	char rdata[RDATA_MAX];
	long_txt(7, rdata); /* 1,407 octets: over 1232, the usual limit of UDP */
	rr(c, "medium", TTL_S, "TXT %s", rdata);
	expect(c, "medium", "TXT", PRESENT, rdata);
	long_txt(45, rdata); /* 9,045 octets: over 8 KiB */
	rr(c, "large", TTL_S, "TXT %s", rdata);
	expect(c, "large", "TXT", PRESENT, rdata);
	size_t at = 0;
	for (unsigned i = 1; i <= 120; i++) { /* 1,920 octets in many records */
		rr(c, "many", TTL_S, "A 198.19.5.%u", i);
		at += (size_t)snprintf(rdata + at, sizeof(rdata) - at, "198.19.5.%u\n", i);
	}
	expect(c, "many", "A", PRESENT, rdata);
}

/* In RFC 3597 form, because ldns 1.8 does not know these types by name. */
static void svcb(struct content *c)
{
	/* 1 . alpn=h2,h3; alias to www.nsec.shape.; 1 . alpn=dot (RFC 9460 2.2) */
	static const char service[] = "\\# 13 00010000010006026832026833";
	static const char alias[] = "\\# 18 000003777777046E73656305736861706500";
	static const char dot[] = "\\# 11 0001000001000403646F74";
	host(c, "www", TTL_S);
	rr(c, "www", TTL_S, "TYPE65 %s", service);
	rr(c, "", TTL_S, "TYPE65 %s", alias);
	rr(c, "_dns", TTL_S, "TYPE64 %s", dot);
	expect(c, "www", "TYPE65", PRESENT, service);
	expect(c, "", "TYPE65", PRESENT, alias);
	expect(c, "_dns", "TYPE64", PRESENT, dot);
	expect_host(c, "www", "AAAA");
}

static void unknown_type(struct content *c)
{
	rr(c, "alien", TTL_S, "TYPE65280 \\# 6 C0FFEE00BEEF");
	rr(c, "empty", TTL_S, "TYPE65281 \\# 0");
	expect(c, "alien", "TYPE65280", PRESENT, "\\# 6 C0FFEE00BEEF");
	expect(c, "empty", "TYPE65281", PRESENT, "\\# 0");
	expect(c, "alien", "TYPE65281", NO_DATA, NULL);
}

static void idn(struct content *c)
{
	static const char *const labels[] = {
		"xn--mnchen-3ya",   /* an A-label, as applications ask */
		"xn--fsqu00a",      /* two Han characters */
		"m\\195\\188nchen", /* the same city in raw UTF-8 octets */
		"with\\032space",   "with\\.dot",
	};
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		host(c, labels[i], TTL_S);
		expect_host(c, labels[i], "A");
	}
	expect(c, "xn--nothing-n2a", "A", NO_NAME, NULL);
}

static const struct {
	const char *name;
	content_fn write;
} shapes[] = {
	{ "bare", bare },
	{ "plain", plain },
	{ "hosts", hosts },
	{ "chain", chain },
	{ "dname", dname },
	{ "wildcard", wildcard },
	{ "bigtxt", bigtxt },
	{ "svcb", svcb },
	{ "ent", empty_nonterminal },
	{ "idn", idn },
	{ "unknown-type", unknown_type },
};

content_fn content_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if (strcmp(shapes[i].name, name) == 0) {
			return shapes[i].write;
		}
	}
	return NULL;
}

/* NS set and addresses of a zone's servers: its own, or glue in the parent. */
static void write_servers(const struct zone *z, FILE *out)
{
	for (unsigned i = 0; i < 2; i++) {
		char server[LABEL_MAX];
		char address[ADDRESS_MAX];
		server_name(z, i, server, sizeof(server));
		fprintf(out, "%s %d IN NS %s\n", z->name, DELEGATION_TTL_S, server);
		place_text(z->server[i], AF_INET, address);
		fprintf(out, "%s %d IN A %s\n", server, DELEGATION_TTL_S, address);
		place_text(z->server[i], AF_INET6, address);
		fprintf(out, "%s %d IN AAAA %s\n", server, DELEGATION_TTL_S, address);
	}
}

static void write_delegation(const struct zone *child, FILE *out)
{
	write_servers(child, out);
	ldns_rr_list *ds = zone_ds(child);
	if (ds != NULL) {
		ldns_rr_list_print(out, ds);
		ldns_rr_list_deep_free(ds);
	}
}

void zone_write(const struct world *w, const struct zone *z, FILE *out)
{
	char server[LABEL_MAX];
	server_name(z, 0, server, sizeof(server));
	fprintf(out, "%s %d IN SOA %s hostmaster.%s 1 7200 3600 1209600 %d\n", z->name,
		DELEGATION_TTL_S, server, z->parent == NULL ? "" : z->name, NEGATIVE_TTL_S);
	write_servers(z, out);
	for (size_t i = 0; i < w->count; i++) {
		if (w->zone[i].parent == z) {
			write_delegation(&w->zone[i], out);
		}
	}
	struct content c = { .world = w, .zone = z, .out = out };
	z->content(&c);
}

json_t *zone_samples(const struct world *w, const struct zone *z)
{
	struct content c = { .world = w, .zone = z, .samples = json_array() };
	z->content(&c);
	const struct zone *up = z->parent;
	if (up != NULL && !z->delegated_signed && up->verdict == VERDICT_SECURE &&
	    up->denial != DENIAL_OPTOUT) {
		expect_as(&c, "", "DS", NO_DATA, VERDICT_SECURE, FAULT_NONE, NULL);
	}
	return c.samples;
}

void world_write_queries(const struct world *w, FILE *out)
{
	for (unsigned i = 0; i < w->options.names; i++) {
		char label[TEXT_MAX];
		host_label(i, label);
		for (size_t k = 0; k < w->count; k++) {
			if (w->zone[k].content == hosts) {
				fprintf(out, "%s.%s A\n%s.%s AAAA\n", label, w->zone[k].name,
					label, w->zone[k].name);
			}
		}
	}
}
