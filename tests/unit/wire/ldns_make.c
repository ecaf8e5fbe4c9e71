#include "ldns_make.h"

#include "fairlead/base/err.h"
#include "fairlead/wire/name.h"
#include "fairlead/wire/writer.h"
#include "octets.h"

#include <ldns/ldns.h>
#include <stdio.h>

/* One of each type that ldns knows well; %s is a name of the message. */
static const char *const rdata[] = {
	"A 192.0.2.1",
	"AAAA 2001:db8::1",
	"NS ns1.%s",
	"MD md.%s",
	"MF mf.%s",
	"CNAME Alias.%s",
	"SOA ns1.%s hostmaster.%s 2026112401 7200 3600 1209600 300",
	"MB mb.%s",
	"MG mg.%s",
	"MR mr.%s",
	"WKS 192.0.2.1 6 25 80",
	"PTR host.%s",
	"HINFO \"amd64\" \"Debian GNU/Linux\"",
	"MINFO r.%s e.%s",
	"MX 10 mail.%s",
	"TXT \"one\" \"two with \\\"quotes\\\"\" \"\"",
	"RP admin.%s txt.%s",
	"AFSDB 1 afs.%s",
	"X25 \"311061700956\"",
	"ISDN \"150862028003217\" \"004\"",
	"RT 10 relay.%s",
	"NSAP 0x47.0005.80.005a00.0000.0001.e133.ffffff000161.00",
	"KEY 256 3 8 AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexTBAvkMgJzkKTOiW1vkIbzxeF3",
	"PX 10 map822.%s mapx400.%s",
	"LOC 52 22 23.000 N 4 53 32.000 E -2.00m 1.00m 10000m 10m",
	"SRV 0 5 5060 sip.%s",
	"NAPTR 100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:info@example.com!\" replace.%s",
	"KX 10 kx.%s",
	"CERT PGP 0 0 AQIDBAUGBwg=",
	"DNAME elsewhere.%s",
	"APL 1:192.0.2.0/24 !2:2001:db8::/32",
	"DS 20326 8 2 e06d44b80b8f1d39a95c0b0d7c65d08458e880409bbc683457104237c7f8ec8d",
	"SSHFP 4 2 e06d44b80b8f1d39a95c0b0d7c65d08458e880409bbc683457104237c7f8ec8d",
	"IPSECKEY 10 3 2 gw.%s AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==",
	"RRSIG A 13 2 300 20261224000000 20261124000000 4711 %s "
	"zXpFf3oQVYbJvZ5vVn0t6e0sX9Y1qB2yS8d5w2H9b6y3y1d2e3f4g5h6i7j8k9l0m1n2o3p4q5r6s7t8u9v0wQ"
	"==",
	"NSEC next.%s A NS SOA MX TXT RRSIG NSEC DNSKEY TYPE1234",
	"DNSKEY 257 3 13 "
	"mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+"
	"KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==",
	"DHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=",
	"NSEC3 1 1 12 aabbccdd 2t7b4g4vsa5smi47k61mv5bv1a22bojr A RRSIG",
	"NSEC3PARAM 1 0 0 -",
	"TLSA 3 1 1 d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971",
	"CDS 20326 8 2 e06d44b80b8f1d39a95c0b0d7c65d08458e880409bbc683457104237c7f8ec8d",
	"CDNSKEY 257 3 13 "
	"mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+"
	"KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==",
	"OPENPGPKEY AQIDBAUGBwg=",
	"CSYNC 66 3 A NS AAAA",
	"SPF \"v=spf1 -all\"",
	"NID 10 0014:4fff:ff20:ee64",
	"L32 10 10.1.2.0",
	"L64 10 2001:0db8:1140:1000",
	"LP 10 l64.%s",
	"EUI48 00-00-5e-00-53-2a",
	"EUI64 00-00-5e-ef-10-00-00-2a",
	"URI 10 1 \"https://example.com/\"",
	"CAA 0 issue \"ca.example.net\"",
	"TYPE64 \\# 19 00010000010003026832000400 04c0000201 00",
	"TYPE65280 \\# 5 0102c00c05",
	"TYPE65535 \\# 0",
};

static const char *const labels[] = { "www",           "EXAMPLE", "co",   "uk",  "a",
				      "xn--bcher-kva", "_dmarc",  "mail", "com", "b1" };

static uint32_t below(uint64_t *seed, uint32_t n)
{
	return next_random(seed) % n;
}

static void random_name(uint64_t *seed, char *out, size_t cap)
{
	size_t n = 0;
	const uint32_t count = below(seed, 40) == 0 ? 0 : 1 + below(seed, 6);
	for (uint32_t i = 0; i < count; i++) {
		n += (size_t)snprintf(out + n, cap - n, "%s.",
				      labels[below(seed, FL_COUNT(labels))]);
	}
	if (count == 0) {
		snprintf(out, cap, ".");
	} else if (below(seed, 30) == 0) { /* a long label */
		snprintf(out + n, cap - n, "%.*s.", (int)(1 + below(seed, 63)),
			 "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-0");
	}
}

static ldns_rr *random_rr(uint64_t *seed, const char *owner, const char *zone)
{
	char text[1024], format[512];
	const uint32_t ttl = below(seed, 20) == 0 ? UINT32_C(2147483647) : below(seed, 90000);
	ldns_rr *rr = NULL;
	const char *under = strcmp(zone, ".") == 0 ? "" : zone; /* "ns1." of the root */
	const char *data = rdata[below(seed, FL_COUNT(rdata))];
	/* a name that stands alone must not become empty */
	snprintf(format, sizeof(format), "%s %u IN ", owner, ttl);
	size_t n = (size_t)snprintf(text, sizeof(text), "%s", format);
	for (const char *at = data; *at != '\0' && n < sizeof(text) - 1; at++) {
		if (at[0] == '%' && at[1] == 's') {
			const bool alone = at[-1] == ' ';
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s",
					      alone ? zone : under);
			at++;
		} else {
			text[n++] = *at;
			text[n] = '\0';
		}
	}
	if (ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL) != LDNS_STATUS_OK) {
		fprintf(stderr, "ldns does not take: %s\n", text);
		abort();
	}
	return rr;
}

static void to_wire(ldns_pkt *pkt, struct made *out)
{
	uint8_t *wire = NULL;
	size_t len = 0;
	if (ldns_pkt2wire(&wire, pkt, &len) != LDNS_STATUS_OK || len > MAKE_MAX) {
		abort();
	}
	memcpy(out->octets, wire, len);
	out->len = len;
	free(wire);
}

static ldns_pkt *new_packet(uint64_t *seed, const char *name, bool response)
{
	static const uint16_t qtypes[] = {
		1, 2, 6, 15, 16, 28, 33, 43, 46, 48, 65, 255, 65280
	};
	ldns_rdf *owner = NULL;
	if (ldns_str2rdf_dname(&owner, name) != LDNS_STATUS_OK) {
		abort();
	}
	ldns_pkt *pkt = ldns_pkt_query_new(
		owner, qtypes[below(seed, FL_COUNT(qtypes))],
		below(seed, 20) == 0 ? LDNS_RR_CLASS_CH : LDNS_RR_CLASS_IN, LDNS_RD);
	if (pkt == NULL) {
		abort();
	}
	ldns_pkt_set_id(pkt, (uint16_t)next_random(seed));
	ldns_pkt_set_rd(pkt, below(seed, 8) != 0);
	ldns_pkt_set_cd(pkt, below(seed, 4) == 0);
	ldns_pkt_set_ad(pkt, below(seed, 4) == 0);
	ldns_pkt_set_aa(pkt, response && below(seed, 2) == 0);
	ldns_pkt_set_ra(pkt, response);
	ldns_pkt_set_qr(pkt, response);
	if (response && below(seed, 4) == 0) {
		ldns_pkt_set_rcode(pkt, LDNS_RCODE_NXDOMAIN);
	}
	return pkt;
}

/* Append one option; lengths that RFC 7873 forbids come too. */
static void put_option(uint64_t *seed, struct fl_writer *w)
{
	static const uint16_t codes[] = { 3, 8, 10, 10, 11, 12, 15, 65001 };
	static const uint8_t lengths[] = { 0, 1, 7, 8, 8, 8, 16, 24, 24, 32, 40, 41 };
	const uint16_t code = codes[below(seed, FL_COUNT(codes))];
	const uint8_t len =
		code == 10 || below(seed, 2) == 0 ? lengths[below(seed, FL_COUNT(lengths))] : 0;
	fl_writer_u16(w, code);
	fl_writer_u16(w, len);
	for (uint8_t i = 0; i < len; i++) {
		fl_writer_u8(w, (uint8_t)next_random(seed));
	}
}

static void set_edns(uint64_t *seed, ldns_pkt *pkt)
{
	static const uint16_t sizes[] = { 512, 1232, 1410, 4096, 65535, 1 };
	uint8_t options[512];
	struct fl_writer w = fl_writer_init(options, sizeof(options));
	ldns_pkt_set_edns_udp_size(pkt, sizes[below(seed, FL_COUNT(sizes))]);
	ldns_pkt_set_edns_do(pkt, below(seed, 2) == 0);
	ldns_pkt_set_edns_version(pkt, below(seed, 12) == 0 ? 1 : 0);
	for (uint32_t n = below(seed, 4); n > 0; n--) {
		put_option(seed, &w);
	}
	if (w.len > 0) {
		ldns_pkt_set_edns_data(
			pkt, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_NONE, w.len, options));
	}
}

/* As early senders did: rdata whose name is a pointer to the question, RFC 3597 4. */
static void append_compressed(uint64_t *seed, struct made *m)
{
	static const struct {
		uint16_t type;
		const char *rdata;
		uint16_t len;
	} extra[] = {
		{ 33, "\0\1\0\2\0\3\3sip\xC0\x0C", 12 },
		{ 35, "\0\1\0\2\1u\3E2U\0\xC0\x0C", 13 },
		{ 17, "\1m\xC0\x0C\1t\xC0\x0C", 8 },
		{ 18, "\0\1\xC0\x0C", 4 },
		{ 21, "\0\1\1r\xC0\x0C", 6 },
		{ 26, "\0\1\xC0\x0C\xC0\x0C", 6 },
		{ 36, "\0\1\xC0\x0C", 4 },
		{ 39, "\xC0\x0C", 2 },
		{ 107, "\0\1\xC0\x0C", 4 },
		{ 47, "\1n\xC0\x0C\0\1\x40", 7 },
		{ 46, "\0\1\x0D\2\0\0\1\x2C\x6A\0\0\0\x69\0\0\0\x12\x34\xC0\x0Csign", 24 },
		{ 257, "\0\5issue\xC0\x0C", 9 },
	};
	const uint32_t pick = below(seed, FL_COUNT(extra));
	struct fl_writer w = fl_writer_init(m->octets, MAKE_MAX);
	w.len = m->len;
	fl_writer_u16(&w, 0xC00C);
	fl_writer_u16(&w, extra[pick].type);
	fl_writer_u16(&w, 1);
	fl_writer_u32(&w, below(seed, 5) == 0 ? UINT32_C(0x80000001) : 300);
	fl_writer_u16(&w, extra[pick].len);
	fl_writer_octets(&w, extra[pick].rdata, extra[pick].len);
	fl_writer_patch_u16(&w, 10, (uint16_t)(fl_load_u16(m->octets + 10) + 1));
	m->len = w.len;
}

void make_response(uint64_t *seed, struct made *out)
{
	char name[512], zone[512];
	static const ldns_pkt_section sections[] = { LDNS_SECTION_ANSWER,
						     LDNS_SECTION_AUTHORITY,
						     LDNS_SECTION_ADDITIONAL };
	random_name(seed, name, sizeof(name));
	random_name(seed, zone, sizeof(zone));
	ldns_pkt *pkt = new_packet(seed, name, true);
	for (size_t s = 0; s < FL_COUNT(sections); s++) {
		for (uint32_t n = below(seed, 6); n > 0; n--) {
			ldns_rr *rr = random_rr(seed, below(seed, 2) ? name : zone,
						below(seed, 3) ? zone : name);
			ldns_pkt_push_rr(pkt, sections[s], rr);
		}
	}
	if (below(seed, 2) == 0) {
		set_edns(seed, pkt);
	}
	to_wire(pkt, out);
	ldns_pkt_free(pkt);
	if (below(seed, 3) == 0) {
		append_compressed(seed, out);
	}
}

void make_query(uint64_t *seed, struct made *out)
{
	char name[512];
	random_name(seed, name, sizeof(name));
	ldns_pkt *pkt = new_packet(seed, name, false);
	if (below(seed, 4) != 0) {
		set_edns(seed, pkt);
	}
	if (below(seed, 12) == 0) {
		ldns_pkt_push_rr(pkt, LDNS_SECTION_ADDITIONAL, random_rr(seed, name, name));
	}
	if (below(seed, 25) == 0) {
		ldns_pkt_push_rr(pkt, LDNS_SECTION_AUTHORITY, random_rr(seed, name, name));
	}
	if (below(seed, 25) == 0) {
		ldns_pkt_set_opcode(pkt, LDNS_PACKET_NOTIFY);
	}
	to_wire(pkt, out);
	ldns_pkt_free(pkt);
	if (below(seed, 25) == 0) {
		append_compressed(seed, out);
	}
	if (below(seed, 25) == 0) {
		out->octets[out->len++] = 0;
	}
}

static void flip_bits(uint64_t *seed, struct made *m)
{
	for (uint32_t n = 1 + below(seed, 8); n > 0; n--) {
		m->octets[below(seed, (uint32_t)m->len)] ^= (uint8_t)(1U << below(seed, 8));
	}
}

static void splice(uint64_t *seed, struct made *m, const struct made *other)
{
	const size_t from = below(seed, (uint32_t)other->len);
	const size_t to = below(seed, (uint32_t)m->len);
	const size_t len =
		other->len - from < MAKE_MAX - to ? other->len - from : MAKE_MAX - to;
	memcpy(m->octets + to, other->octets + from, len);
	m->len = to + len;
}

static void change_count(uint64_t *seed, struct made *m)
{
	const size_t at = 4 + 2 * (size_t)below(seed, 4);
	if (m->len >= 12) {
		fl_store_u16(m->octets + at, below(seed, 8) == 0
						     ? (uint16_t)next_random(seed)
						     : (uint16_t)(fl_load_u16(m->octets + at) +
								  below(seed, 3) - 1));
	}
}

static void put_pointer(uint64_t *seed, struct made *m)
{
	if (m->len < 16) {
		return;
	}
	const size_t at = 12 + below(seed, (uint32_t)m->len - 14);
	const size_t to = below(seed, 2) ? 12 : below(seed, (uint32_t)m->len + 4);
	fl_store_u16(m->octets + at, (uint16_t)(0xC000 | to));
}

static void nudge(uint64_t *seed, struct made *m)
{
	uint8_t *at = m->octets + below(seed, (uint32_t)m->len);
	*at = (uint8_t)(*at + below(seed, 3) - 1);
}

void make_mangled(uint64_t *seed, struct made *m, const struct made *other)
{
	for (uint32_t n = 1 + below(seed, 2); n > 0 && m->len > 0; n--) {
		switch (below(seed, 6)) {
		case 0:
			flip_bits(seed, m);
			break;
		case 1:
			m->len = below(seed, (uint32_t)m->len + 1);
			break;
		case 2:
			splice(seed, m, other);
			break;
		case 3:
			change_count(seed, m);
			break;
		case 4:
			put_pointer(seed, m);
			break;
		default: /* an octet that may be a length, a little wrong */
			nudge(seed, m);
			break;
		}
	}
}
