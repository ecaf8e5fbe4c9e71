/**
 * @file
 * Trains: questions of one length that leave in one message (UDP_SEGMENT), and answers
 * that are received merged (UDP_GRO), as between a balancer in front and a server.
 */
#ifndef FAIRLEAD_BENCH_BURST_H
#define FAIRLEAD_BENCH_BURST_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
	BURST_QUESTIONS = 64, /* a message's segments are at most so many */
	BURST_MESSAGES = 16,  /* received at once */
};

struct burst;

/** NULL: out of memory. */
struct burst *burst_new(void);
void burst_free(struct burst *b);
/** Have answers merged on this socket, where the kernel can. */
void burst_open(int fd);
/** Send all, in trains of questions of one length; what the kernel does not take is lost. */
void burst_send(struct burst *b, int fd, const struct iovec *question, unsigned count);
/** Receive what is there; @p take is called for each answer. Gives how many. */
unsigned burst_receive(struct burst *b, int fd,
		       void (*take)(void *context, const uint8_t *message, size_t len),
		       void *context);

#endif
