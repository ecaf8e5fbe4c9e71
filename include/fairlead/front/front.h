/**
 * @file
 * The front: clients on one side, the cache and the resolvers on the other.
 *
 * One process a core. It owns its UDP and TCP sockets (made by the supervisor),
 * parses in place, screens, answers from local data and the cache, and asks a
 * resolver for the rest. Its table of pending questions is the truth about
 * what is in flight: a message that sat in a dead resolver is asked once more.
 */
#ifndef FAIRLEAD_FRONT_FRONT_H
#define FAIRLEAD_FRONT_FRONT_H

/** Run this process as a front; returns its exit code. Started by the supervisor only. */
int fl_front_main(void);

#endif
