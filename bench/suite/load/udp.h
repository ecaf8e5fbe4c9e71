/** @file The UDP sender: many sockets, one thread, whole batches a call. */
#ifndef FAIRLEAD_BENCH_UDP_H
#define FAIRLEAD_BENCH_UDP_H

#include "load/load.h"

bool udp_run(const struct load_plan *p, struct load_result *out);

#endif
