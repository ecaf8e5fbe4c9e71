#include "load/replay.h"

#include "load/capture.h"
#include "say.h"

#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

enum { TABLE_LEN = 1 << 22 }; /* over twice the questions that there can be */

#define NS_PER_S 1000000000ULL

struct table {
	uint32_t *slot; /* entry + 1; 0 is free */
};

static uint32_t hash_of(const uint8_t *name, size_t len, uint16_t type)
{
	uint32_t hash = 2166136261U ^ type;
	for (size_t i = 0; i < len; i++) {
		hash = (hash ^ name[i]) * 16777619U;
	}
	return hash;
}

/* Where it stands, or would. */
static uint32_t *find(const struct table *t, const struct catalogue *c, const uint8_t *name,
		      size_t len, uint16_t type)
{
	uint32_t at = hash_of(name, len, type) % TABLE_LEN;
	while (t->slot[at] != 0) {
		const struct entry *e = &c->entries[t->slot[at] - 1];
		if (e->type == type && e->name_len == len &&
		    memcmp(c->names + e->name, name, len) == 0) {
			break;
		}
		at = (at + 1) % TABLE_LEN;
	}
	return &t->slot[at];
}

static void index_all(struct table *t, const struct catalogue *c)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct entry *e = &c->entries[i];
		*find(t, c, c->names + e->name, e->name_len, e->type) = (uint32_t)i + 1;
	}
}

static bool add_event(struct replay *r, struct table *t, struct catalogue *c,
		      const struct captured *q, uint64_t at_ns)
{
	uint32_t *slot = find(t, c, q->name, q->name_len, q->type);
	if (*slot == 0) {
		if (!catalogue_add_unknown(c, q->name, q->name_len, q->type)) {
			return false;
		}
		*slot = (uint32_t)c->count;
	}
	r->events[r->count++] = (struct event){ .at_ns = at_ns,
						.entry = *slot - 1,
						.client = q->client,
						.dnssec = q->dnssec,
						.cookie = q->cookie };
	r->unknown += c->entries[*slot - 1].origin == ORIGIN_NONE;
	return true;
}

static bool read_packets(pcap_t *in, struct replay *r, struct table *t, struct catalogue *c)
{
	struct pcap_pkthdr *head;
	const uint8_t *octets;
	struct captured q;
	uint64_t first = 0;
	uint64_t last = 0;
	int got;
	while ((got = pcap_next_ex(in, &head, &octets)) == 1 && r->count < EVENTS_MOST) {
		if (!capture_read(octets, head->caplen, pcap_datalink(in), &q)) {
			r->skipped++;
			continue;
		}
		/* opened with nanoseconds, so that tv_usec holds them */
		const uint64_t at =
			(uint64_t)head->ts.tv_sec * NS_PER_S + (uint64_t)head->ts.tv_usec;
		first = r->count == 0 ? at : first;
		/* a packet that was written late goes out with the one before it */
		const uint64_t since = at > first ? at - first : 0;
		last = since > last ? since : last;
		if (last > REPLAY_MOST_S * NS_PER_S) {
			break;
		}
		if (!add_event(r, t, c, &q, last)) {
			return false;
		}
	}
	if (got == PCAP_ERROR) {
		say_error("cannot read on: %s", pcap_geterr(in));
	}
	return got != PCAP_ERROR;
}

bool replay_read(const char *path, struct catalogue *c, struct replay *out)
{
	char why[PCAP_ERRBUF_SIZE];
	struct replay r = { .events = calloc(EVENTS_MOST, sizeof(*r.events)) };
	struct table t = { .slot = calloc(TABLE_LEN, sizeof(*t.slot)) };
	pcap_t *in =
		pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, why);
	bool ok = in != NULL && r.events != NULL && t.slot != NULL;
	if (!ok) {
		say_error("cannot read the capture: %s", in == NULL ? why : "out of memory");
	} else {
		index_all(&t, c);
		ok = read_packets(in, &r, &t, c);
		if (ok && r.count == 0) {
			say_error("%s holds no question over UDP to port 53", path);
			ok = false;
		}
	}
	if (in != NULL) {
		pcap_close(in);
	}
	free(t.slot);
	if (!ok) {
		replay_free(&r);
		return false;
	}
	*out = r;
	return true;
}

void replay_free(struct replay *r)
{
	free(r->events);
	*r = (struct replay){ 0 };
}
