#include "load/capture.h"

#include <ctype.h>
#include <pcap/dlt.h>
#include <string.h>

enum {
	ETHER_IPV4 = 0x0800,
	ETHER_IPV6 = 0x86dd,
	ETHER_VLAN = 0x8100,
	IP4_HEAD = 20,
	IP6_HEAD = 40,
	PROTOCOL_UDP = 17,
	UDP_HEAD = 8,
	DNS_PORT = 53,
	DNS_HEAD = 12,
	TYPE_OPT = 41,      /* RFC 6891 6.1.1 */
	OPTION_COOKIE = 10, /* RFC 7873 4 */
	LABEL_MOST = 63,
};

/* What is left to read. */
struct rest {
	const uint8_t *at;
	size_t len;
};

static bool skip(struct rest *r, size_t n)
{
	if (r->len < n) {
		return false;
	}
	r->at += n;
	r->len -= n;
	return true;
}

static unsigned two(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

/* To the IP head. */
static bool skip_link(struct rest *r, int link)
{
	switch (link) {
	case DLT_RAW:
		return true;
	case DLT_NULL:
		return skip(r, 4);
	case DLT_LINUX_SLL:
		return skip(r, 16);
#ifdef DLT_LINUX_SLL2
	case DLT_LINUX_SLL2:
		return skip(r, 20);
#endif
	case DLT_EN10MB:
		if (r->len >= 14 && two(r->at + 12) == ETHER_VLAN && !skip(r, 4)) {
			return false;
		}
		return r->len >= 14 &&
		       (two(r->at + 12) == ETHER_IPV4 || two(r->at + 12) == ETHER_IPV6) &&
		       skip(r, 14);
	default:
		return false;
	}
}

static uint32_t mix_in(uint32_t hash, const uint8_t *octets, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		hash = (hash ^ octets[i]) * 16777619U; /* FNV-1a */
	}
	return hash;
}

/* To the message; the client's address and port are hashed on the way. */
static bool skip_ip(struct rest *r, struct captured *out)
{
	const uint8_t *ip = r->at;
	out->client = 2166136261U;
	if (r->len >= IP4_HEAD && ip[0] >> 4 == 4) {
		const size_t head = (size_t)(ip[0] & 15) * 4;
		const bool fragment = (two(ip + 6) & 0x3fff) != 0;
		out->client = mix_in(out->client, ip + 12, 4);
		if (ip[9] != PROTOCOL_UDP || fragment || head < IP4_HEAD || !skip(r, head)) {
			return false;
		}
	} else if (r->len >= IP6_HEAD && ip[0] >> 4 == 6) {
		out->client = mix_in(out->client, ip + 8, 16);
		if (ip[6] != PROTOCOL_UDP || !skip(r, IP6_HEAD)) {
			return false;
		}
	} else {
		return false;
	}
	if (r->len < UDP_HEAD || two(r->at + 2) != DNS_PORT) {
		return false;
	}
	out->client = mix_in(out->client, r->at, 2);
	return skip(r, UDP_HEAD);
}

/* RFC 1035 3.1; a question's name has nothing before it to point to. */
static bool take_name(struct rest *r, struct captured *out)
{
	size_t n = 0;
	while (r->len > 0) {
		const size_t label = r->at[0];
		if (label > LABEL_MOST || r->len < label + 1 || n + label + 1 > NAME_WIRE_MAX) {
			return false;
		}
		out->name[n++] = (uint8_t)label;
		for (size_t i = 1; i <= label; i++) {
			out->name[n++] = (uint8_t)tolower(r->at[i]);
		}
		skip(r, label + 1);
		if (label == 0) {
			out->name_len = (uint8_t)n;
			return true;
		}
	}
	return false;
}

static void take_options(struct rest *r, size_t len, struct captured *out)
{
	struct rest o = { r->at, len < r->len ? len : r->len };
	while (o.len >= 4) {
		const size_t size = two(o.at + 2);
		out->cookie = out->cookie || two(o.at) == OPTION_COOKIE;
		if (!skip(&o, 4 + size)) {
			return;
		}
	}
}

bool capture_read(const uint8_t *octets, size_t len, int link, struct captured *out)
{
	struct rest r = { octets, len };
	*out = (struct captured){ 0 };
	if (!skip_link(&r, link) || !skip_ip(&r, out) || r.len < DNS_HEAD) {
		return false;
	}
	const uint8_t *head = r.at;
	/* QR and opcode 0, one question, nothing in answer and authority */
	if ((head[2] & 0xf8) != 0 || two(head + 4) != 1 || two(head + 6) != 0 ||
	    two(head + 8) != 0) {
		return false;
	}
	if (!skip(&r, DNS_HEAD) || !take_name(&r, out) || r.len < 4 || two(r.at + 2) != 1) {
		return false;
	}
	out->type = (uint16_t)two(r.at);
	skip(&r, 4);
	if (two(head + 10) > 0 && r.len >= 11 && r.at[0] == 0 && two(r.at + 1) == TYPE_OPT) {
		const size_t size = two(r.at + 9);
		out->dnssec = (r.at[7] & 0x80) != 0;
		skip(&r, 11);
		take_options(&r, size, out);
	}
	return true;
}
