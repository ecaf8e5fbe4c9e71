/* Sockets as the transports want them, made by the supervisor. */
#include "fairlead/transport/tcp.h"
#include "fairlead/transport/udp.h"
#include "source.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

enum {
	BUFFER_OCTETS = 4 * 1024 * 1024, /* some 10,000 small datagrams: a stall of 50 ms */
	BACKLOG = 1024,
	FAST_OPEN_QUEUE = 256, /* RFC 7413; of use only where net.ipv4.tcp_fastopen has bit 1 */
};

struct option {
	int level, name, value;
};

static bool set(int fd, struct option o)
{
	return setsockopt(fd, o.level, o.name, &o.value, sizeof(o.value)) == 0;
}

/* With the right to exceed it, else up to what net.core.rmem_max allows. */
static void set_buffer(int fd, int force, int plain)
{
	if (!set(fd, (struct option){ SOL_SOCKET, force, BUFFER_OCTETS })) {
		(void)set(fd, (struct option){ SOL_SOCKET, plain, BUFFER_OCTETS });
	}
}

/* One socket a front on the same address, on an address that may come up later; an IPv6
 * wildcard leaves IPv4 to the IPv4 one. */
static bool set_common(int fd, uint16_t family)
{
	if (!set(fd, (struct option){ SOL_SOCKET, SO_REUSEPORT, 1 })) {
		return false;
	}
	if (family == AF_INET) {
		(void)set(fd, (struct option){ IPPROTO_IP, IP_FREEBIND, 1 });
		return true;
	}
	(void)set(fd, (struct option){ IPPROTO_IPV6, IPV6_FREEBIND, 1 });
	return set(fd, (struct option){ IPPROTO_IPV6, IPV6_V6ONLY, 1 });
}

/*
 * Path MTU discovery is off, so that a forged ICMP message can't make us send
 * fragments (RFC 9715 3.1); IPv6 has none at all, since replies fit in 1,280
 * octets unless the client's size and ours were raised on purpose.
 */
static void set_udp(int fd, const struct fl_addr *at)
{
	if (at->family == AF_INET) {
		(void)set(fd, (struct option){ IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT });
	} else {
		(void)set(fd, (struct option){ IPPROTO_IPV6, IPV6_MTU_DISCOVER,
					       IPV6_PMTUDISC_OMIT });
		(void)set(fd, (struct option){ IPPROTO_IPV6, IPV6_DONTFRAG, 1 });
	}
	/* bound to one address, that is the one that was asked: PKTINFO would only repeat it */
	if (fl__addr_is_any(at)) {
		(void)set(fd, at->family == AF_INET
				      ? (struct option){ IPPROTO_IP, IP_PKTINFO, 1 }
				      : (struct option){ IPPROTO_IPV6, IPV6_RECVPKTINFO, 1 });
	}
	(void)set(fd, (struct option){ SOL_SOCKET, SO_RXQ_OVFL, 1 });
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
}

static bool bind_to(int fd, const struct fl_addr *at)
{
	struct sockaddr_storage ss;
	const socklen_t len = fl_addr_to_sockaddr(at, &ss);
	return bind(fd, (const struct sockaddr *)&ss, len) == 0;
}

static enum fl_err fail(int s)
{
	const int saved = errno; /* the caller tells why */
	(void)close(s);
	errno = saved;
	return FL_ESYSTEM;
}

enum fl_err fl_udp_bind(const struct fl_addr *at, int *fd)
{
	const int s = socket(at->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s < 0) {
		return FL_ESYSTEM;
	}
	if (!set_common(s, at->family)) {
		return fail(s);
	}
	set_udp(s, at);
	if (!bind_to(s, at)) {
		return fail(s);
	}
	*fd = s;
	return FL_OK;
}

enum fl_err fl_tcp_bind(const struct fl_addr *at, int *fd)
{
	const int s = socket(at->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s < 0) {
		return FL_ESYSTEM;
	}
	/* REUSEADDR: closed connections of the last run do not keep the port from us */
	if (!set(s, (struct option){ SOL_SOCKET, SO_REUSEADDR, 1 }) ||
	    !set_common(s, at->family)) {
		return fail(s);
	}
	/* connections inherit it: a reply is whole when it is written */
	(void)set(s, (struct option){ IPPROTO_TCP, TCP_NODELAY, 1 });
	if (!bind_to(s, at)) {
		return fail(s);
	}
	(void)set(s, (struct option){ IPPROTO_TCP, TCP_FASTOPEN, FAST_OPEN_QUEUE });
	if (listen(s, BACKLOG) != 0) {
		return fail(s);
	}
	*fd = s;
	return FL_OK;
}
