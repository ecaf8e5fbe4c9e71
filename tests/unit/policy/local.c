#include "fairlead/policy/local.h"

#include "fairlead/wire/name.h"
#include "fairlead/wire/writer.h"
#include "special.h"

#include <criterion/criterion.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <string.h>

enum { IN = FL_CLASS_IN, CH = FL_CLASS_CH, HS = 4, NOT_OURS = -1 };
enum {
	MX = FL_TYPE_MX,
	A = FL_TYPE_A,
	AAAA = FL_TYPE_AAAA,
	PTR = FL_TYPE_PTR,
	TXT = FL_TYPE_TXT,
	SOA = FL_TYPE_SOA,
	NS = FL_TYPE_NS,
	DS = FL_TYPE_DS,
	ANY = FL_TYPE_ANY
};

struct asked {
	uint8_t query[512], name[FL_NAME_MAX], reply[1232];
	struct fl_question q;
	size_t len; /* of the reply, 0: none */
	ldns_pkt *pkt;
};

/* A question as a client sends it, with an OPT of DO=1. */
static void put_question(struct asked *a, const char *text, int type, int class)
{
	static const uint8_t header[12] = { 0x12, 0x34, 0x01, 0x10, 0, 1, 0, 0, 0, 0, 0, 1 };
	static const uint8_t opt[11] = { 0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0 };
	size_t n;
	memset(a, 0, sizeof(*a));
	memcpy(a->query, header, sizeof(header));
	cr_assert_eq(fl_name_from_text(text, a->query + sizeof(header), &n), FL_OK, "%s", text);
	fl_name_lower(a->name, a->query + sizeof(header), n);
	n += sizeof(header);
	fl_store_u16(a->query + n, (uint16_t)type);
	fl_store_u16(a->query + n + 2, (uint16_t) class);
	memcpy(a->query + n + 4, opt, sizeof(opt));
	cr_assert_eq(fl_question_parse(a->query, n + 4 + sizeof(opt), &a->q), FL_QUESTION_OK,
		     "%s", text);
}

static void ask(const struct fl_local *l, const char *name, int type, int class,
		struct asked *a)
{
	put_question(a, name, type, class);
	const struct fl_reply_opts o = fl_reply_opts_init(fl_reply_limit(&a->q, false));
	a->len = fl_local_reply(l, &a->q, a->name, &o, a->reply, sizeof(a->reply));
	if (a->len > 0) {
		cr_assert_eq(ldns_wire2pkt(&a->pkt, a->reply, a->len), LDNS_STATUS_OK, "%s",
			     name);
	}
}

static void asked_fini(struct asked *a)
{
	ldns_pkt_free(a->pkt);
}

/* The records of a section, one space between fields, no newline at the end. */
static const char *section(const ldns_rr_list *list, char buf[static 512])
{
	char *text = ldns_rr_list2str(list);
	snprintf(buf, 512, "%s", text);
	free(text);
	for (char *c = buf; *c != '\0'; c++) {
		*c = *c == '\t' ? ' ' : *c;
	}
	const size_t len = strlen(buf);
	if (len > 0 && buf[len - 1] == '\n') {
		buf[len - 1] = '\0';
	}
	return buf;
}

struct local_case {
	const char *why, *name;
	int type, class, rcode;
	const char *answer;    /* "": none */
	const char *authority; /* apex whose SOA is there, "": none */
};

static void expect(const struct fl_local *l, const struct local_case *c)
{
	struct asked a;
	char answer[512], authority[512], want[512] = "";
	ask(l, c->name, c->type, c->class, &a);
	if (c->rcode == NOT_OURS || a.len == 0) {
		cr_expect(c->rcode == NOT_OURS && a.len == 0, "%s: %s: %s", c->why, c->name,
			  a.len == 0 ? "not answered" : "answered");
		asked_fini(&a);
		return;
	}
	if (c->authority[0] != '\0') {
		snprintf(want, sizeof(want),
			 "%s 10800 IN SOA %s nobody.invalid. 1 3600 1200 604800 10800",
			 c->authority, c->authority);
	}
	cr_expect_eq((int)ldns_pkt_get_rcode(a.pkt), c->rcode, "%s: RCODE %d", c->why,
		     (int)ldns_pkt_get_rcode(a.pkt));
	cr_expect_str_eq(section(ldns_pkt_answer(a.pkt), answer), c->answer, "%s: %s", c->why,
			 answer);
	cr_expect_str_eq(section(ldns_pkt_authority(a.pkt), authority), want, "%s: %s", c->why,
			 authority);
	cr_expect(!ldns_pkt_ad(a.pkt) && !ldns_pkt_aa(a.pkt) && !ldns_pkt_tc(a.pkt) &&
			  ldns_pkt_ra(a.pkt) && ldns_pkt_rd(a.pkt) && ldns_pkt_cd(a.pkt),
		  "%s: flags", c->why);
	cr_expect(ldns_pkt_edns(a.pkt) && ldns_pkt_edns_do(a.pkt), "%s: OPT", c->why);
	asked_fini(&a);
}

static struct fl_local *make(const char *identity, const char *const *open, size_t n)
{
	uint8_t names[8][FL_NAME_MAX];
	const uint8_t *at[8];
	size_t len;
	for (size_t i = 0; i < n; i++) {
		cr_assert_eq(fl_name_from_text(open[i], names[i], &len), FL_OK);
		at[i] = names[i];
	}
	const struct fl_local_options o = { .identity = identity, .open = at, .n_open = n };
	struct fl_local *l = NULL;
	cr_assert_eq(fl_local_new(&o, &l), FL_OK);
	return l;
}

static void expect_all(struct fl_local *l, const struct local_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		expect(l, &cases[i]);
	}
	fl_local_free(l);
}

#define LOOPBACK_V6 "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa."
#define UNSPECIFIED_V6 \
	"0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa."

Test(local, lets_ordinary_names_through)
{
	static const struct local_case cases[] = {
		{ "a name", "example.com.", A, IN, NOT_OURS, "", "" },
		{ "the root", ".", NS, IN, NOT_OURS, "", "" },
		{ "a top-level domain", "org.", SOA, IN, NOT_OURS, "", "" },
		{ "below arpa", "a.arpa.", A, IN, NOT_OURS, "", "" },
		{ "arpa itself", "arpa.", SOA, IN, NOT_OURS, "", "" },
		{ "in-addr itself", "in-addr.arpa.", SOA, IN, NOT_OURS, "", "" },
		{ "ip6 itself", "ip6.arpa.", NS, IN, NOT_OURS, "", "" },
		{ "a public address", "4.3.2.1.in-addr.arpa.", PTR, IN, NOT_OURS, "", "" },
		{ "below private", "1.1.15.172.in-addr.arpa.", PTR, IN, NOT_OURS, "", "" },
		{ "above private", "1.1.32.172.in-addr.arpa.", PTR, IN, NOT_OURS, "", "" },
		{ "172 itself", "172.in-addr.arpa.", NS, IN, NOT_OURS, "", "" },
		{ "below 100.64/10", "1.1.63.100.in-addr.arpa.", PTR, IN, NOT_OURS, "", "" },
		{ "above 100.64/10", "1.1.128.100.in-addr.arpa.", PTR, IN, NOT_OURS, "", "" },
		{ "beside TEST-NET-1", "1.3.0.192.in-addr.arpa.", PTR, IN, NOT_OURS, "", "" },
		{ "not written as an octet", "1.010.in-addr.arpa.", PTR, IN, NOT_OURS, "", "" },
		{ "more than an octet", "266.in-addr.arpa.", PTR, IN, NOT_OURS, "", "" },
		{ "fc00::/8 is not locally assigned", "c.f.ip6.arpa.", PTR, IN, NOT_OURS, "",
		  "" },
		{ "2001:db9::", "9.b.d.0.1.0.0.2.ip6.arpa.", PTR, IN, NOT_OURS, "", "" },
		{ "fec0::", "c.e.f.ip6.arpa.", PTR, IN, NOT_OURS, "", "" },
		{ "mDNS names are left alone", "printer.local.", A, IN, NOT_OURS, "", "" },
		{ "example is an ordinary name", "example.", A, IN, NOT_OURS, "", "" },
		{ "ends like localhost", "xlocalhost.", A, IN, NOT_OURS, "", "" },
		{ "ends like test", "latest.", A, IN, NOT_OURS, "", "" },
		{ "localhost in front", "localhost.example.", A, IN, NOT_OURS, "", "" },
		{ "dot in a label", "x\\004test.", A, IN, NOT_OURS, "", "" },
		{ "DS of home.arpa is arpa's", "home.arpa.", DS, IN, NOT_OURS, "", "" },
	};
	expect_all(make(NULL, NULL, 0), cases, FL_COUNT(cases));
}

Test(local, answers_special_names)
{
	static const struct local_case cases[] = {
		{ "localhost", "localhost.", A, IN, 0, "localhost. 10800 IN A 127.0.0.1", "" },
		{ "any case", "LocalHost.", AAAA, IN, 0, "LocalHost. 10800 IN AAAA ::1", "" },
		{ "below it", "a.b.localhost.", A, IN, 0, "a.b.localhost. 10800 IN A 127.0.0.1",
		  "" },
		{ "another type", "localhost.", MX, IN, 0, "", "localhost." },
		{ "its apex", "localhost.", NS, IN, 0, "localhost. 10800 IN NS localhost.",
		  "" },
		{ "ANY", "localhost.", ANY, IN, 0, "localhost. 10800 IN A 127.0.0.1", "" },
		{ "127.0.0.1", "1.0.0.127.in-addr.arpa.", PTR, IN, 0,
		  "1.0.0.127.in-addr.arpa. 10800 IN PTR localhost.", "" },
		{ "127.0.0.2", "2.0.0.127.in-addr.arpa.", PTR, IN, 3, "", "127.in-addr.arpa." },
		{ "between apex and 127.0.0.1", "0.127.in-addr.arpa.", PTR, IN, 0, "",
		  "127.in-addr.arpa." },
		{ "below 127.0.0.1", "x.1.0.0.127.in-addr.arpa.", PTR, IN, 3, "",
		  "127.in-addr.arpa." },
		{ "::1", LOOPBACK_V6, PTR, IN, 0, LOOPBACK_V6 " 10800 IN PTR localhost.", "" },
		{ "::1 has nothing else", LOOPBACK_V6, A, IN, 0, "", LOOPBACK_V6 },
		{ "::", UNSPECIFIED_V6, PTR, IN, 0, "", UNSPECIFIED_V6 },
		{ "invalid", "invalid.", A, IN, 3, "", "invalid." },
		{ "below invalid", "a.invalid.", SOA, IN, 3, "", "invalid." },
		{ "test", "a.test.", A, IN, 3, "", "test." },
		{ "onion", "a.onion.", A, IN, 3, "", "onion." },
		{ "alt", "a.alt.", A, IN, 3, "", "alt." },
		{ "alt itself", "alt.", NS, IN, 3, "", "alt." },
		{ "ANY below test", "a.test.", ANY, IN, 3, "", "test." },
		{ "home.arpa", "home.arpa.", A, IN, 0, "", "home.arpa." },
		{ "below home.arpa", "a.home.arpa.", A, IN, 3, "", "home.arpa." },
		{ "DS below home.arpa", "a.home.arpa.", DS, IN, 3, "", "home.arpa." },
		{ "resolver.arpa", "resolver.arpa.", A, IN, 0, "", "resolver.arpa." },
		{ "DDR without encrypted service", "_dns.resolver.arpa.", FL_TYPE_SVCB, IN, 0,
		  "", "resolver.arpa." },
		{ "DS of a local apex", "10.in-addr.arpa.", DS, IN, 0, "", "10.in-addr.arpa." },
		{ "SOA", "10.in-addr.arpa.", SOA, IN, 0,
		  "10.in-addr.arpa. 10800 IN SOA 10.in-addr.arpa. nobody.invalid. 1 3600 1200 "
		  "604800 10800",
		  "" },
		{ "NS", "10.in-addr.arpa.", NS, IN, 0,
		  "10.in-addr.arpa. 10800 IN NS 10.in-addr.arpa.", "" },
		{ "ANY at an apex", "10.in-addr.arpa.", ANY, IN, 0,
		  "10.in-addr.arpa. 10800 IN SOA 10.in-addr.arpa. nobody.invalid. 1 3600 1200 "
		  "604800 10800",
		  "" },
		{ "SOA below an apex", "1.10.in-addr.arpa.", SOA, IN, 3, "",
		  "10.in-addr.arpa." },
		{ "no octets below it", "foo.10.in-addr.arpa.", A, IN, 3, "",
		  "10.in-addr.arpa." },
	};
	expect_all(make(NULL, NULL, 0), cases, FL_COUNT(cases));
}

/* RFC 6303 4.1 to 4.6 and RFC 7793, all of them, and the two ends of each row. */
Test(local, serves_every_empty_zone)
{
	static const char *const zones[] = {
		"10.in-addr.arpa.",
		"168.192.in-addr.arpa.",
		"0.in-addr.arpa.",
		"127.in-addr.arpa.",
		"254.169.in-addr.arpa.",
		"2.0.192.in-addr.arpa.",
		"100.51.198.in-addr.arpa.",
		"113.0.203.in-addr.arpa.",
		"255.255.255.255.in-addr.arpa.",
		"16.172.in-addr.arpa.",
		"31.172.in-addr.arpa.",
		"64.100.in-addr.arpa.",
		"127.100.in-addr.arpa.",
		"d.f.ip6.arpa.",
		"8.e.f.ip6.arpa.",
		"9.e.f.ip6.arpa.",
		"a.e.f.ip6.arpa.",
		"b.e.f.ip6.arpa.",
		"8.b.d.0.1.0.0.2.ip6.arpa.",
		UNSPECIFIED_V6,
		LOOPBACK_V6,
		"home.arpa.",
	};
	struct fl_local *l = make(NULL, NULL, 0);
	for (size_t i = 0; i < FL_COUNT(zones); i++) {
		char below[300];
		snprintf(below, sizeof(below), "7.%s", zones[i]);
		expect(l, &(struct local_case){ "apex", zones[i], TXT, IN, 0, "", zones[i] });
		expect(l, &(struct local_case){ "below", below, PTR, IN, 3, "", zones[i] });
	}
	fl_local_free(l);
}

Test(local, every_zone_of_172_and_100_is_there)
{
	struct fl_local *l = make(NULL, NULL, 0);
	for (int i = 0; i < 256; i++) {
		char name[64], zone[64];
		snprintf(name, sizeof(name), "1.2.%d.172.in-addr.arpa.", i);
		snprintf(zone, sizeof(zone), "%d.172.in-addr.arpa.", i);
		expect(l, &(struct local_case){ "172", name, PTR, IN,
						i >= 16 && i <= 31 ? 3 : NOT_OURS, "", zone });
		snprintf(name, sizeof(name), "1.2.%d.100.in-addr.arpa.", i);
		snprintf(zone, sizeof(zone), "%d.100.in-addr.arpa.", i);
		expect(l, &(struct local_case){ "100", name, PTR, IN,
						i >= 64 && i <= 127 ? 3 : NOT_OURS, "", zone });
	}
	fl_local_free(l);
}

Test(local, what_the_operator_opened_is_let_through)
{
	static const char *const open[] = { ".",
					    "arpa.",
					    "corp.test.",
					    "1.168.192.in-addr.arpa.",
					    "10.in-addr.arpa.",
					    "b.home.arpa.",
					    "example.com." };
	static const struct local_case cases[] = {
		{ "opened", "corp.test.", A, IN, NOT_OURS, "", "" },
		{ "below opened", "www.corp.test.", A, IN, NOT_OURS, "", "" },
		{ "ends like opened", "xcorp.test.", A, IN, 3, "", "test." },
		{ "opened inside a label", "x\\004corp.test.", A, IN, 3, "", "test." },
		{ "above opened exists", "test.", A, IN, 0, "", "test." },
		{ "beside opened", "other.test.", A, IN, 3, "", "test." },
		{ "opened reverse zone", "2.1.168.192.in-addr.arpa.", PTR, IN, NOT_OURS, "",
		  "" },
		{ "beside it", "2.2.168.192.in-addr.arpa.", PTR, IN, 3, "",
		  "168.192.in-addr.arpa." },
		{ "its local parent", "168.192.in-addr.arpa.", PTR, IN, 0, "",
		  "168.192.in-addr.arpa." },
		{ "a whole zone", "10.in-addr.arpa.", SOA, IN, NOT_OURS, "", "" },
		{ "a zone above opens nothing", "a.localhost.", MX, IN, 0, "", "localhost." },
		{ "arpa opens nothing", "1.16.172.in-addr.arpa.", PTR, IN, 3, "",
		  "16.172.in-addr.arpa." },
		{ "ANY for an opened name", "a.corp.test.", ANY, IN, 0,
		  "a.corp.test. 3789 IN HINFO \"RFC8482\" \"\"", "" },
	};
	expect_all(make(NULL, open, FL_COUNT(open)), cases, FL_COUNT(cases));
}

Test(local, answers_any_and_meta_types_and_other_classes)
{
	static const struct local_case cases[] = {
		{ "ANY", "Example.com.", ANY, IN, 0,
		  "Example.com. 3789 IN HINFO \"RFC8482\" \"\"", "" },
		{ "ANY for the root", ".", ANY, IN, 0, ". 3789 IN HINFO \"RFC8482\" \"\"", "" },
		{ "AXFR", "example.com.", FL_TYPE_AXFR, IN, 5, "", "" },
		{ "IXFR", "localhost.", FL_TYPE_IXFR, IN, 5, "", "" },
		{ "OPT", "example.com.", FL_TYPE_OPT, IN, 1, "", "" },
		{ "TSIG", "example.com.", FL_TYPE_TSIG, IN, 1, "", "" },
		{ "TKEY", "example.com.", FL_TYPE_TKEY, IN, 4, "", "" },
		{ "MAILA", "example.com.", FL_TYPE_MAILA, IN, 4, "", "" },
		{ "MAILB", "example.com.", FL_TYPE_MAILB, IN, 4, "", "" },
		{ "type 0", "example.com.", 0, IN, 4, "", "" },
		{ "unassigned meta type", "example.com.", 200, IN, 4, "", "" },
		{ "unassigned data type", "example.com.", 256, IN, NOT_OURS, "", "" },
		{ "private type", "example.com.", 65280, IN, NOT_OURS, "", "" },
		{ "Hesiod", "example.com.", A, HS, 5, "", "" },
		{ "class ANY", "example.com.", A, FL_CLASS_ANY, 5, "", "" },
		{ "class NONE", "localhost.", A, FL_CLASS_NONE, 5, "", "" },
		{ "class 0", "example.com.", A, 0, 5, "", "" },
		{ "Chaos", "example.com.", TXT, CH, 5, "", "" },
		{ "identity that is none", "version.bind.", TXT, CH, 5, "", "" },
		{ "identity that is none, ANY", "id.server.", ANY, CH, 5, "", "" },
	};
	expect_all(make(NULL, NULL, 0), cases, FL_COUNT(cases));
}

Test(local, tells_its_identity_if_it_has_one)
{
	static const struct local_case cases[] = {
		{ "version.bind", "version.bind.", TXT, CH, 0,
		  "version.bind. 0 CH TXT \"ns \\\"1\\\"\"", "" },
		{ "hostname.bind", "Hostname.BIND.", TXT, CH, 0,
		  "Hostname.BIND. 0 CH TXT \"ns \\\"1\\\"\"", "" },
		{ "id.server", "id.server.", TXT, CH, 0, "id.server. 0 CH TXT \"ns \\\"1\\\"\"",
		  "" },
		{ "version.server", "version.server.", ANY, CH, 0,
		  "version.server. 0 CH TXT \"ns \\\"1\\\"\"", "" },
		{ "another type", "id.server.", A, CH, 5, "", "" },
		{ "another name", "authors.bind.", TXT, CH, 5, "", "" },
		{ "the same name in IN", "id.server.", TXT, IN, NOT_OURS, "", "" },
	};
	expect_all(make("ns \"1\"", NULL, 0), cases, FL_COUNT(cases));
}

Test(local, an_identity_that_fits_no_string_is_refused)
{
	char identity[257];
	memset(identity, 'x', 256);
	identity[256] = '\0';
	struct fl_local_options o = { .identity = identity };
	struct fl_local *l = NULL;
	cr_expect_eq(fl_local_new(&o, &l), FL_EINVALID);
	cr_expect_null(l);
	identity[255] = '\0';
	cr_assert_eq(fl_local_new(&o, &l), FL_OK);
	fl_local_free(l);
}

Test(local, a_reply_that_does_not_fit_is_cut_with_tc)
{
	char identity[256];
	memset(identity, 'x', 255);
	identity[255] = '\0';
	struct fl_local *l = make(identity, NULL, 0);
	struct asked a;
	put_question(&a, "id.server.", TXT, CH);
	struct fl_reply_opts o = fl_reply_opts_init(300);
	a.len = fl_local_reply(l, &a.q, a.name, &o, a.reply, sizeof(a.reply));
	cr_assert(a.len > 0 && a.len <= 300);
	cr_assert_eq(ldns_wire2pkt(&a.pkt, a.reply, a.len), LDNS_STATUS_OK);
	cr_expect(ldns_pkt_tc(a.pkt));
	cr_expect_eq(ldns_pkt_ancount(a.pkt), 0);
	asked_fini(&a);
	fl_local_free(l);
}

/* The EDE code in the OPT of a reply without records; -1: none. */
static int ede_of(const struct asked *a)
{
	const size_t opt = 12U + a->q.name_len + 4U;
	const uint8_t *rdata = a->reply + opt + 11;
	if (a->len < opt + 11 + 6 || fl_load_u16(rdata) != FL_OPTION_EDE) {
		return -1;
	}
	return fl_load_u16(rdata + 4);
}

Test(local, refusals_carry_ede_21_and_denials_none)
{
	struct fl_local *l = make(NULL, NULL, 0);
	static const struct {
		const char *name;
		int type, class, want;
	} cases[] = {
		{ "example.com.", A, HS, 21 },
		{ "version.bind.", TXT, CH, 21 },
		{ "example.com.", FL_TYPE_AXFR, IN, 21 },
		{ "example.com.", FL_TYPE_MAILB, IN, 21 },
		{ "example.com.", FL_TYPE_OPT, IN, -1 },
		{ "a.invalid.", A, IN, -1 },
	};
	for (size_t i = 0; i < FL_COUNT(cases); i++) {
		struct asked a;
		ask(l, cases[i].name, cases[i].type, cases[i].class, &a);
		cr_expect_eq(ede_of(&a), cases[i].want, "%s type %d", cases[i].name,
			     cases[i].type);
		cr_expect_leq(a.len, 12U + a.q.name_len + 4U + 40U + 60U);
		asked_fini(&a);
	}
	fl_local_free(l);
}

/* The short check may let a name pass that is not special, never the other way. */
Test(local, the_short_check_holds_back_no_special_name)
{
	static const char *const names[] = { "alt.",           "x.alt.",   "localhost.",
					     "test.",          "invalid.", "onion.",
					     "home.arpa.",     "a.test.",  LOOPBACK_V6,
					     "0.in-addr.arpa." };
	for (size_t i = 0; i < FL_COUNT(names); i++) {
		uint8_t wire[FL_NAME_MAX];
		size_t len;
		cr_assert_eq(fl_name_from_text(names[i], wire, &len), FL_OK);
		cr_expect_neq(fl__special_find(wire).kind, FL__SPECIAL_NONE, "%s", names[i]);
		cr_expect(fl__special_may_be(wire, len), "%s", names[i]);
	}
	cr_expect_not(fl__special_may_be((const uint8_t *)"", 1));
	cr_expect_not(fl__special_may_be((const uint8_t *)"\2de", 4));
}

/* The longest name with the most labels there can be. */
Test(local, takes_the_longest_name)
{
	struct fl_local *l = make(NULL, NULL, 0);
	char text[300] = "";
	for (int i = 0; i < 122; i++) {
		strcat(text, "a.");
	}
	strcat(text, "b.b.b.alt.");
	struct asked a;
	ask(l, text, A, IN, &a);
	cr_assert_gt(a.len, 0);
	cr_expect_eq(a.q.name_len, 255);
	cr_expect_eq((int)ldns_pkt_get_rcode(a.pkt), 3);
	asked_fini(&a);
	fl_local_free(l);
}
