/**
 * @file
 * The null server: what the socket alone costs.
 *
 * It looks nothing up. It receives batches of 64, reads the address each question
 * was asked at (IP_PKTINFO), turns the question round, pads it to a size drawn by
 * the question's ID from 256 sizes of real answers, sets the source address and
 * sends the batch. Whatever a server costs above it is the server's own doing.
 */
#ifndef FAIRLEAD_BENCH_ECHO_H
#define FAIRLEAD_BENCH_ECHO_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ECHO_SIZES = 256 };

/** Serve until killed. @p polled: wait in epoll, as a server with other things to do
 * must, instead of in the receiving call. Gives an exit code. */
int echo_serve(const struct sockaddr_in *at, const uint16_t sizes[static ECHO_SIZES],
	       bool polled);

#endif
