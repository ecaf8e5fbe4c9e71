#include "load/burst.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
	MESSAGE_MAX = 1 << 16,
	CONTROL_LEN = CMSG_SPACE(sizeof(int)),
};

struct burst {
	struct mmsghdr head[BURST_QUESTIONS];
	struct iovec iov[BURST_QUESTIONS];
	_Alignas(struct cmsghdr) uint8_t control[BURST_QUESTIONS][CONTROL_LEN];
	uint8_t answer[BURST_MESSAGES][MESSAGE_MAX];
};

struct burst *burst_new(void)
{
	return calloc(1, sizeof(struct burst));
}

void burst_free(struct burst *b)
{
	free(b);
}

void burst_open(int fd)
{
	const int on = 1;
	(void)setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
}

static void segment(struct burst *b, unsigned n, size_t len)
{
	struct msghdr *head = &b->head[n].msg_hdr;
	const uint16_t size = (uint16_t)len;
	head->msg_control = b->control[n];
	head->msg_controllen = CMSG_SPACE(sizeof(size));
	struct cmsghdr *c = CMSG_FIRSTHDR(head);
	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(size));
	memcpy(CMSG_DATA(c), &size, sizeof(size));
}

/* Gather questions of the length that the first of those left has. */
static unsigned gather(struct burst *b, const struct iovec *question, unsigned count)
{
	bool taken[BURST_QUESTIONS] = { false };
	unsigned trains = 0;
	unsigned used = 0;
	memset(b->head, 0, count * sizeof(b->head[0]));
	for (unsigned first = 0; first < count; first++) {
		const unsigned begin = used;
		for (unsigned i = first; i < count; i++) {
			if (!taken[i] && question[i].iov_len == question[first].iov_len) {
				taken[i] = true;
				b->iov[used++] = question[i];
			}
		}
		if (used > begin) {
			b->head[trains].msg_hdr.msg_iov = &b->iov[begin];
			b->head[trains].msg_hdr.msg_iovlen = used - begin;
			if (used - begin > 1) {
				segment(b, trains, question[first].iov_len);
			}
			trains++;
		}
	}
	return trains;
}

void burst_send(struct burst *b, int fd, const struct iovec *question, unsigned count)
{
	const unsigned trains =
		gather(b, question, count < BURST_QUESTIONS ? count : BURST_QUESTIONS);
	unsigned done = 0;
	for (unsigned tries = 0; done < trains && tries < BURST_QUESTIONS; tries++) {
		const int sent = sendmmsg(fd, b->head + done, trains - done, 0);
		done += sent > 0 ? (unsigned)sent : 0;
		if (sent < 0 && errno != EINTR && errno != ECONNREFUSED) {
			return;
		}
	}
}

/* The length of each answer but the last in a merged message. */
static size_t part_len(struct msghdr *head, size_t whole)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(head); c != NULL; c = CMSG_NXTHDR(head, c)) {
		int size;
		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
			memcpy(&size, CMSG_DATA(c), sizeof(size));
			return size > 0 ? (size_t)size : whole;
		}
	}
	return whole;
}

unsigned burst_receive(struct burst *b, int fd,
		       void (*take)(void *context, const uint8_t *message, size_t len),
		       void *context)
{
	unsigned got = 0;
	for (unsigned i = 0; i < BURST_MESSAGES; i++) {
		b->iov[i] = (struct iovec){ b->answer[i], MESSAGE_MAX };
		b->head[i].msg_hdr = (struct msghdr){ .msg_iov = &b->iov[i],
						      .msg_iovlen = 1,
						      .msg_control = b->control[i],
						      .msg_controllen = CONTROL_LEN };
	}
	const int n = recvmmsg(fd, b->head, BURST_MESSAGES, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++) {
		const size_t whole = b->head[i].msg_len;
		const size_t part = part_len(&b->head[i].msg_hdr, whole);
		for (size_t at = 0; at < whole; at += part) {
			take(context, b->answer[i] + at, whole - at < part ? whole - at : part);
			got++;
		}
	}
	return got;
}
