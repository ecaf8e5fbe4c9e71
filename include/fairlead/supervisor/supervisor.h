/**
 * @file
 * The supervisor: every listening socket, the folders, the children.
 *
 * It parses nothing that came from the network. It makes what is shared (sockets,
 * segments, listening ends between roles), executes this program anew for each
 * role, hands each what it needs and no more, and starts again what died. If it
 * dies, its children die with it.
 */
#ifndef FAIRLEAD_SUPERVISOR_SUPERVISOR_H
#define FAIRLEAD_SUPERVISOR_SUPERVISOR_H

#include "fairlead/config/config.h"

/**
 * Serve until told to stop (SIGTERM, SIGINT); returns the exit code. @p config stays the
 * caller's. SIGUSR1 writes every role's counters to the log.
 */
int fl_supervisor_main(const struct fl_config *config);

#endif
