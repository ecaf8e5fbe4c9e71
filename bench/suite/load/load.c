#include "load/load.h"

#include "load/tcp.h"
#include "load/udp.h"

bool load_run(const struct load_plan *p, struct load_result *out)
{
	return p->tcp ? tcp_run(p, out) : udp_run(p, out);
}
