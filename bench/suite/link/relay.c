#include "link/relay.h"

#include "link/packet.h"
#include "say.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	WAITING_MOST = 16384, /* packets on their way, in each direction */
	DEVICE_QUEUE = 10000,
	READ_MOST = 64, /* packets in a row from one side */
};

#define NS_PER_MS 1000000ULL

static const char device[] = "fl-upstream";
static const char near_address[] = "10.99.0.2";
static const char far_address[] = "10.99.0.1";

struct packet {
	uint64_t due_ns;
	size_t len;
	uint8_t octets[PACKET_MAX];
};

/* The delay is the same for all, so that a queue is in order of time. */
struct direction {
	int from;
	int to;
	struct packet *ring;
	size_t head;
	size_t count;
};

struct relay {
	struct link link;
	struct direction way[2]; /* out to the name servers, and back */
	uint64_t chance;
};

bool link_wanted(const struct link *l)
{
	return l->delay_ms != 0 || l->loss != 0 || l->dead != 0 || l->lame != 0;
}

static void set_address(struct sockaddr *at, const char *text)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	inet_pton(AF_INET, text, &in.sin_addr);
	memcpy(at, &in, sizeof(in));
}

static bool raise_device(int fd, const char *name)
{
	struct ifreq r = { 0 };
	memcpy(r.ifr_name, name, strlen(name));
	if (ioctl(fd, SIOCGIFFLAGS, &r) != 0) {
		return false;
	}
	r.ifr_flags = (short)(r.ifr_flags | IFF_UP);
	return ioctl(fd, SIOCSIFFLAGS, &r) == 0;
}

static bool configure(int fd, const char *own, const char *peer)
{
	struct ifreq r = { 0 };
	memcpy(r.ifr_name, device, sizeof(device));
	set_address(&r.ifr_addr, own);
	bool ok = ioctl(fd, SIOCSIFADDR, &r) == 0;
	set_address(&r.ifr_dstaddr, peer);
	ok = ok && ioctl(fd, SIOCSIFDSTADDR, &r) == 0;
	r.ifr_qlen = DEVICE_QUEUE;
	return ok && ioctl(fd, SIOCSIFTXQLEN, &r) == 0 && raise_device(fd, device);
}

/* A TUN device in the namespace that this process is in now. */
static int open_device(const char *own, const char *peer)
{
	struct ifreq r = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	const int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memcpy(r.ifr_name, device, sizeof(device));
	const bool ok = tun >= 0 && fd >= 0 && ioctl(tun, TUNSETIFF, &r) == 0 &&
			configure(fd, own, peer);
	if (!ok) {
		say_error("delay, loss, lame and dead servers need /dev/net/tun: %s",
			  strerror(errno));
	}
	if (fd >= 0) {
		close(fd);
	}
	if (!ok && tun >= 0) {
		close(tun);
	}
	return ok ? tun : -1;
}

static bool route_all(void)
{
	char name[] = "fl-upstream";
	struct rtentry route = { .rt_flags = RTF_UP, .rt_dev = name };
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	set_address(&route.rt_dst, "0.0.0.0");
	set_address(&route.rt_genmask, "0.0.0.0");
	const bool ok = fd >= 0 && raise_device(fd, "lo") && ioctl(fd, SIOCADDRT, &route) == 0;
	if (fd >= 0) {
		close(fd);
	}
	if (!ok) {
		say_error("cannot lead the way through the relay: %s", strerror(errno));
	}
	return ok;
}

static bool lost(struct relay *r)
{
	r->chance = r->chance * 6364136223846793005U + 1442695040888963407U;
	return (r->chance >> 33) % 100 < r->link.loss;
}

static void enqueue(const struct relay *r, struct direction *d, const uint8_t *octets,
		    size_t len)
{
	if (d->count == WAITING_MOST) {
		return; /* a router's queue is full too, at some time */
	}
	struct packet *p = &d->ring[(d->head + d->count++) % WAITING_MOST];
	p->due_ns = now_ns() + r->link.delay_ms * NS_PER_MS / 2;
	p->len = len;
	memcpy(p->octets, octets, len);
}

/* To a dead address nothing goes; a lame one's refusal is made here. */
static void take(struct relay *r, struct direction *d, uint8_t *octets, size_t len)
{
	struct direction *out = &r->way[0];
	if (lost(r)) {
		return;
	}
	if (d == out) {
		const unsigned pair = packet_pair(octets, len);
		if (pair != 0 && pair <= r->link.dead) {
			return;
		}
		if (pair > r->link.dead && pair <= r->link.dead + r->link.lame) {
			if (packet_refuse(octets, len)) {
				enqueue(r, &r->way[1], octets, len);
			}
			return;
		}
	}
	enqueue(r, d, octets, len);
}

static void read_all(struct relay *r, struct direction *d)
{
	uint8_t octets[PACKET_MAX];
	for (unsigned i = 0; i < READ_MOST; i++) {
		const ssize_t n = read(d->from, octets, sizeof(octets));
		if (n <= 0) {
			return;
		}
		take(r, d, octets, (size_t)n);
	}
}

/* Gives when the next is due; far ahead where none waits. */
static uint64_t write_due(struct direction *d)
{
	const uint64_t now = now_ns();
	while (d->count > 0 && d->ring[d->head].due_ns <= now) {
		const struct packet *p = &d->ring[d->head];
		(void)!write(d->to, p->octets, p->len); /* what is not taken is lost */
		d->head = (d->head + 1) % WAITING_MOST;
		d->count--;
	}
	return d->count > 0 ? d->ring[d->head].due_ns : now + 1000 * NS_PER_MS;
}

static void carry(struct relay *r)
{
	for (;;) { /* until ended by whoever started it, or with it */
		const uint64_t out = write_due(&r->way[0]);
		const uint64_t back = write_due(&r->way[1]);
		const uint64_t next = out < back ? out : back;
		const uint64_t now = now_ns();
		const uint64_t wait = next > now ? next - now : 0;
		const struct timespec t = { .tv_sec = (time_t)(wait / 1000000000U),
					    .tv_nsec = (long)(wait % 1000000000U) };
		struct pollfd p[2] = { { .fd = r->way[0].from, .events = POLLIN },
				       { .fd = r->way[1].from, .events = POLLIN } };
		if (ppoll(p, 2, &t, NULL) > 0) {
			read_all(r, &r->way[0]);
			read_all(r, &r->way[1]);
		}
	}
}

static void become_relay(const struct link *l, int near_fd, int far_fd)
{
	struct relay r = { .link = *l,
			   .way = { { .from = near_fd, .to = far_fd },
				    { .from = far_fd, .to = near_fd } },
			   .chance = 1 };
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_IGN);
	for (unsigned i = 0; i < 2; i++) {
		r.way[i].ring = calloc(WAITING_MOST, sizeof(struct packet));
		if (r.way[i].ring == NULL) {
			_exit(EXIT_FAILURE);
		}
	}
	carry(&r);
}

pid_t relay_start(const struct link *l)
{
	const int far_fd = open_device(far_address, near_address);
	int near_fd = -1;
	pid_t pid = 0;
	if (far_fd < 0) {
		return 0;
	}
	if (unshare(CLONE_NEWNET) != 0) {
		say_error("no network namespace for the relay: %s", strerror(errno));
	} else if ((near_fd = open_device(near_address, far_address)) >= 0 && route_all()) {
		fflush(NULL);
		pid = fork();
		if (pid == 0) {
			become_relay(l, near_fd, far_fd);
		}
	}
	close(far_fd);
	if (near_fd >= 0) {
		close(near_fd);
	}
	return pid > 0 ? pid : 0;
}

void relay_stop(pid_t relay)
{
	if (relay > 0) {
		kill(relay, SIGKILL);
		waitpid(relay, NULL, 0);
	}
}
