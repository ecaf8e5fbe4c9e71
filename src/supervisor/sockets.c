/* The clients' sockets. */
#include "fairlead/base/clock.h"
#include "fairlead/transport/tcp.h"
#include "fairlead/transport/udp.h"
#include "supervisor.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { HELD_LOOK_MS = 10, HELD_WAIT_MS = 2000 };

/* Nobody else may hold the address: with SO_REUSEPORT, a second instance of this very user
 * would bind beside us, and each would get a part of the questions. */
static enum fl_err probe(const struct fl_addr *at, int type)
{
	struct sockaddr_storage sa;
	const socklen_t len = fl_addr_to_sockaddr(at, &sa);
	const int one = 1;
	const int fd = socket(at->family, type | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return FL_ESYSTEM;
	}
	if (at->family == AF_INET6) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
		setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &one, sizeof(one));
	} else {
		setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one));
	}
	if (type == SOCK_STREAM) {
		/* connections of the last run may linger in TIME_WAIT; a listener still refuses
		 */
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	}
	const int r = bind(fd, (struct sockaddr *)&sa, len);
	const int e = errno;
	close(fd);
	errno = e;
	return r == 0 ? FL_OK : FL_ESYSTEM;
}

bool fl__held_pause(unsigned *looks)
{
	const struct timespec pause = { .tv_nsec = HELD_LOOK_MS * FL_MS_NS };
	if (++*looks > HELD_WAIT_MS / HELD_LOOK_MS) {
		return false;
	}
	nanosleep(&pause, NULL);
	return true;
}

static enum fl_err probe_patiently(const struct fl_addr *at, int type)
{
	unsigned looks = 0;
	enum fl_err err;
	do {
		err = probe(at, type);
	} while (err != FL_OK && errno == EADDRINUSE && fl__held_pause(&looks));
	return err;
}

static void explain(const struct fl_addr *at, const char *what)
{
	char text[FL_ADDR_TEXT_MAX];
	const char *hint = "";
	if (errno == EADDRINUSE) {
		hint = "; another server holds it: stop that, or change `listen`";
	} else if (errno == EACCES) {
		hint = "; ports below 1024 need CAP_NET_BIND_SERVICE: run under systemd, or "
		       "use a higher port";
	} else if (errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT) {
		hint = "; this machine lacks that address family: remove it from `listen`";
	}
	const int e = errno;
	fl_log(FL_LOG_ERROR, "cannot listen on %s (%s): %s%s", fl_addr_format(at, text), what,
	       strerror(e), hint);
}

static enum fl_err open_address(struct supervisor *s, struct listen_address *l)
{
	for (unsigned i = 0; i < s->config->fronts; i++) {
		if (fl_udp_bind(&l->at, &l->udp[i]) != FL_OK) {
			explain(&l->at, "UDP");
			return FL_ESYSTEM;
		}
		if (fl_tcp_bind(&l->at, &l->tcp[i]) != FL_OK) {
			explain(&l->at, "TCP");
			return FL_ESYSTEM;
		}
	}
	return FL_OK;
}

static enum fl_err open_between_roles(struct supervisor *s)
{
	for (unsigned i = 0; i < s->n_children; i++) {
		struct child *c = &s->child[i];
		char name[32];
		if (c->role == FL_ROLE_KEEPER) {
			snprintf(name, sizeof(name), "keeper");
		} else if (c->role == FL_ROLE_RESOLVER) {
			snprintf(name, sizeof(name), "resolver.%u", c->index);
		} else {
			continue;
		}
		if (fl_channel_listen(s->token, name, &c->listen_fd) != FL_OK) {
			fl_log(FL_LOG_ERROR, "cannot make the socket that roles talk over: %s",
			       strerror(errno));
			return FL_ESYSTEM;
		}
	}
	return FL_OK;
}

enum fl_err fl__sockets_open(struct supervisor *s)
{
	const struct fl_addr_list *want = &s->config->listen;
	if (want->n > FL_LISTEN_MAX) {
		fl_log(FL_LOG_ERROR, "`listen` names %zu addresses; at most %d are served",
		       want->n, FL_LISTEN_MAX);
		return FL_EINVALID;
	}
	for (size_t i = 0; i < want->n; i++) {
		if (probe_patiently(&want->at[i], SOCK_DGRAM) != FL_OK) {
			explain(&want->at[i], "UDP");
			return FL_ESYSTEM;
		}
		if (probe_patiently(&want->at[i], SOCK_STREAM) != FL_OK) {
			explain(&want->at[i], "TCP");
			return FL_ESYSTEM;
		}
	}
	for (size_t i = 0; i < want->n; i++) {
		struct listen_address *l = &s->listen[s->n_listen++];
		l->at = want->at[i];
		const enum fl_err err = open_address(s, l);
		if (err != FL_OK) {
			return err;
		}
	}
	return open_between_roles(s);
}
