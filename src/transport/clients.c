#include "tcp_private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum fl_err fl__clients_init(struct fl__clients *c, uint32_t max)
{
	uint8_t octets[16];
	uint32_t buckets = 16;
	while (buckets < max) {
		buckets *= 2;
	}
	if (getrandom(octets, sizeof(octets), 0) != (ssize_t)sizeof(octets)) {
		return FL_ESYSTEM;
	}
	c->key = fl_sipkey_from_octets(octets);
	c->mask = buckets - 1;
	c->client = calloc(max, sizeof(*c->client));
	c->bucket = malloc(buckets * sizeof(*c->bucket));
	if (c->client == NULL || c->bucket == NULL) {
		fl__clients_fini(c);
		return FL_ENOMEM;
	}
	for (uint32_t i = 0; i < buckets; i++) {
		c->bucket[i] = FL__TCP_NONE;
	}
	for (uint32_t i = 0; i < max; i++) {
		c->client[i].next = i + 1 < max ? i + 1 : FL__TCP_NONE;
	}
	c->free = 0;
	return FL_OK;
}

void fl__clients_fini(struct fl__clients *c)
{
	free(c->client);
	free(c->bucket);
	c->client = NULL;
	c->bucket = NULL;
}

static uint64_t net_of(const struct fl_addr *peer)
{
	uint64_t net = 0;
	if (peer->family == AF_INET) {
		memcpy(&net, peer->octets, 4);
	} else {
		/* all hosts of a link share fe80::/64 */
		const bool link_local = peer->octets[0] == 0xfe && peer->octets[1] == 0x80;
		memcpy(&net, peer->octets + (link_local ? 8 : 0), sizeof(net));
	}
	return net;
}

static uint32_t *bucket_of(struct fl__clients *c, uint64_t net)
{
	return &c->bucket[fl_siphash13(c->key, &net, sizeof(net)) & c->mask];
}

bool fl__clients_enter(struct fl__clients *c, const struct fl_addr *peer, uint32_t limit,
		       uint32_t *client)
{
	const uint64_t net = net_of(peer);
	uint32_t *bucket = bucket_of(c, net);
	uint32_t i = *bucket;
	while (i != FL__TCP_NONE &&
	       (c->client[i].net != net || c->client[i].family != peer->family)) {
		i = c->client[i].next;
	}
	if (i == FL__TCP_NONE) {
		assert(c->free != FL__TCP_NONE); /* as many clients as connections */
		i = c->free;
		c->free = c->client[i].next;
		c->client[i] = (struct fl__client){ net, 0, *bucket, peer->family };
		*bucket = i;
	} else if (c->client[i].count >= limit) {
		return false;
	}
	c->client[i].count++;
	*client = i;
	return true;
}

void fl__clients_leave(struct fl__clients *c, uint32_t client)
{
	struct fl__client *gone = &c->client[client];
	assert(gone->count > 0);
	if (--gone->count > 0) {
		return;
	}
	uint32_t *at = bucket_of(c, gone->net);
	while (*at != client) {
		at = &c->client[*at].next;
	}
	*at = gone->next;
	gone->next = c->free;
	c->free = client;
}
