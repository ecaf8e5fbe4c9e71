/**
 * @file
 * A way to the miniature Internet that is as far, as lossy and as ill-served as asked.
 *
 * Many kernels have no netem, so the suite carries packets itself: this process moves
 * into a network namespace of its own, and a relay reads whole IP packets from a TUN
 * device here and writes them into one where the name servers are, and back. Servers
 * under test see nothing but a network.
 */
#ifndef FAIRLEAD_BENCH_RELAY_H
#define FAIRLEAD_BENCH_RELAY_H

#include <stdbool.h>
#include <sys/types.h>

enum {
	LINK_PAIRS = 8, /* of addresses, 198.18.2.1 and .2 to .15 and .16: a zone has a pair */
	LINK_DELAY_MOST_MS = 2000,
	LINK_LOSS_MOST = 50, /* percent */
};

struct link {
	unsigned delay_ms; /* there and back */
	unsigned loss;     /* percent of packets, each way */
	unsigned dead;     /* of so many pairs the second address says nothing */
	unsigned lame;     /* of so many others it says REFUSED */
};

/** Whether there is anything to do. */
bool link_wanted(const struct link *l);
/** Move this process behind the relay, which is a child. 0 after a report. */
pid_t relay_start(const struct link *l);
/** End it. */
void relay_stop(pid_t relay);

#endif
