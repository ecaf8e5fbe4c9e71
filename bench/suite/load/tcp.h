/** @file The TCP sender: persistent connections, questions pipelined (RFC 7766 6.2.1.1). */
#ifndef FAIRLEAD_BENCH_TCP_H
#define FAIRLEAD_BENCH_TCP_H

#include "load/load.h"

bool tcp_run(const struct load_plan *p, struct load_result *out);

#endif
