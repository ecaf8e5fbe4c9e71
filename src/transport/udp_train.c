/*
 * Trains: replies to one peer that leave in one message (UDP_SEGMENT).
 *
 * On the way out a datagram costs the kernel several times what a reply costs us. Of one
 * message to one peer it makes many datagrams at the end of that way. All of a train have
 * one length; only the last may be shorter.
 */
#include "udp_private.h"

#include <netinet/udp.h>
#include <string.h>

enum {
	BUCKETS = 2 * FL_UDP_BATCH,
	NONE = 0xff,
	TRAIN_OCTETS = 60000 /* the kernel takes 65,535 less its headers */
};
_Static_assert((int)FL_UDP_BATCH < (int)NONE, "a slot's number fits");
_Static_assert(FL_UDP_BATCH <= 64, "UDP_MAX_SEGMENTS of older kernels");

/* Slots to one peer, in the order of their coming. */
struct row {
	uint8_t first[FL_UDP_BATCH];                 /* a peer's first slot */
	uint8_t last[FL_UDP_BATCH], n[FL_UDP_BATCH]; /* by a peer's first slot */
	uint8_t next[FL_UDP_BATCH];
	unsigned peers;
};

static bool same_way(const struct fl_udp_return *a, const struct fl_udp_return *b)
{
	return memcmp(&a->peer, &b->peer, sizeof(a->peer)) == 0 &&
	       memcmp(a->local.octets, b->local.octets, sizeof(a->local.octets)) == 0;
}

static unsigned bucket_of(const struct fl_addr *peer)
{
	uint32_t tail;
	memcpy(&tail, peer->octets + (peer->family == AF_INET ? 0 : 12), sizeof(tail));
	return ((tail + peer->port) * 0x9E3779B1U) >> 25; /* 7 bits: BUCKETS */
}
_Static_assert(BUCKETS == 1 << 7, "bucket_of() gives 7 bits");

static void find_peers(const struct fl_udp *u, unsigned n, struct row *r)
{
	uint8_t bucket[BUCKETS];
	memset(bucket, NONE, sizeof(bucket));
	r->peers = 0;
	for (unsigned k = 0; k < n; k++) {
		if (u->slot[k].reply_len == 0) {
			continue;
		}
		unsigned b = bucket_of(&u->slot[k].way.peer);
		while (bucket[b] != NONE &&
		       !same_way(&u->slot[bucket[b]].way, &u->slot[k].way)) {
			b = (b + 1) % BUCKETS;
		}
		const uint8_t head = bucket[b] == NONE ? (uint8_t)k : bucket[b];
		if (bucket[b] == NONE) {
			bucket[b] = r->first[r->peers++] = head;
			r->n[head] = 0;
		} else {
			r->next[r->last[head]] = (uint8_t)k;
		}
		r->last[head] = (uint8_t)k;
		r->n[head]++;
	}
}

/* A peer's slots, the longest reply first; equal ones stay in order. */
static unsigned sorted(const struct fl_udp *u, const struct row *r, uint8_t head, uint8_t *out)
{
	unsigned n = 0;
	for (uint8_t k = head; n < r->n[head]; k = r->next[k]) {
		unsigned at = n++;
		for (; at > 0 && u->slot[out[at - 1]].reply_len < u->slot[k].reply_len; at--) {
			out[at] = out[at - 1];
		}
		out[at] = k;
	}
	return n;
}

/* How many of the slots at @p k make one train. */
static unsigned train_length(const struct fl_udp *u, const uint8_t *k, unsigned n)
{
	const size_t len = u->slot[k[0]].reply_len;
	size_t octets = len;
	unsigned cars = 1;
	while (cars < n && octets + len <= TRAIN_OCTETS) {
		const size_t more = u->slot[k[cars++]].reply_len;
		octets += more;
		if (more < len) {
			break; /* only the last may be shorter */
		}
	}
	return cars;
}

unsigned fl__udp_trains(struct fl_udp *u, unsigned n, uint8_t order[static FL_UDP_BATCH],
			uint8_t cars[static FL_UDP_BATCH])
{
	struct row r;
	unsigned placed = 0, trains = 0;
	find_peers(u, n, &r);
	for (unsigned p = 0; p < r.peers; p++) {
		uint8_t *mine = order + placed;
		unsigned left = sorted(u, &r, r.first[p], mine);
		placed += left;
		while (left > 0) {
			const unsigned take = train_length(u, mine, left);
			cars[trains++] = (uint8_t)take;
			mine += take;
			left -= take;
		}
	}
	return trains;
}

bool fl__udp_can_train(int fd)
{
	int size;
	socklen_t len = sizeof(size);
	return getsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, &len) == 0;
}
