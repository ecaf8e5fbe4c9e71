#include "namespace.h"

#include "report.h"
#include "world/world.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	IPV4_PREFIX =
		15, /* so that all of 198.18.0.0/15 is local, also for tests' own servers */
	IPV6_PREFIX = 128,
};

static void refused(const char *what, int error)
{
	report_error(
		"this system does not allow a network namespace (%s: %s): run as root "
		"(sudo), or allow user namespaces (sysctl user.max_user_namespaces above 0, "
		"kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_"
		"userns=0), or start the container with CAP_SYS_ADMIN",
		what, strerror(error));
}

static bool write_text(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		return false;
	}
	const bool ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

/* user_namespaces(7): without setgroups denied, an ordinary user may map no group */
static bool map_self(uid_t uid, gid_t gid)
{
	char line[64];
	if (!write_text("/proc/self/setgroups", "deny") && errno != ENOENT) {
		return false;
	}
	snprintf(line, sizeof(line), "0 %u 1", (unsigned)uid);
	if (!write_text("/proc/self/uid_map", line)) {
		return false;
	}
	snprintf(line, sizeof(line), "0 %u 1", (unsigned)gid);
	return write_text("/proc/self/gid_map", line);
}

bool namespace_create(void)
{
	const uid_t uid = geteuid();
	const gid_t gid = getegid();
	if (unshare(CLONE_NEWNET) == 0) {
		return true;
	}
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
		refused("unshare", errno);
		return false;
	}
	if (!map_self(uid, gid)) {
		refused("uid_map", errno);
		return false;
	}
	return true;
}

static bool raise_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return false;
	}
	bool ok = ioctl(fd, SIOCGIFFLAGS, &request) == 0;
	request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
	ok = ok && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
	close(fd);
	return ok;
}

/* RTM_NEWADDR with one IFA_LOCAL attribute, rtnetlink(7). */
struct address_request {
	struct nlmsghdr header;
	struct ifaddrmsg message;
	struct rtattr attribute;
	uint8_t address[16];
};

/* 0, or the kernel's errno. */
static int request_address(int fd, int family, const void *address, size_t len)
{
	const size_t used = offsetof(struct address_request, address) + len;
	struct address_request request = {
		.header = { .nlmsg_len = (uint32_t)used,
			    .nlmsg_type = RTM_NEWADDR,
			    .nlmsg_flags =
				    NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE },
		.message = { .ifa_family = (uint8_t)family,
			     .ifa_prefixlen = family == AF_INET ? IPV4_PREFIX : IPV6_PREFIX,
			     /* there is nobody to detect a duplicate against */
			     .ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0,
			     .ifa_scope = RT_SCOPE_UNIVERSE,
			     .ifa_index = if_nametoindex("lo") },
		.attribute = { .rta_len = (unsigned short)RTA_LENGTH(len),
			       .rta_type = IFA_LOCAL },
	};
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[256];
	} reply = { 0 };
	memcpy(request.address, address, len);
	if (send(fd, &request, used, 0) < 0 || recv(fd, &reply, sizeof(reply), 0) < 0) {
		return errno;
	}
	return reply.header.nlmsg_type == NLMSG_ERROR ? -reply.error.error : EPROTO;
}

static int add_place(int fd, struct place at, int family)
{
	if (family == AF_INET) {
		const struct in_addr four = place_ipv4(at);
		return request_address(fd, family, &four, sizeof(four));
	}
	const struct in6_addr six = place_ipv6(at);
	return request_address(fd, family, &six, sizeof(six));
}

static int add_family(int fd, int family)
{
	for (enum group g = GROUP_ROOT; g < GROUP_COUNT; g++) {
		for (unsigned i = 1; i <= group_size(g); i++) {
			const int error = add_place(fd, (struct place){ g, i }, family);
			if (error != 0) {
				return error;
			}
		}
	}
	return 0;
}

bool namespace_address(bool *ipv6)
{
	if (!raise_loopback()) {
		refused("raising lo", errno);
		return false;
	}
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0) {
		refused("netlink", errno);
		return false;
	}
	const int four = add_family(fd, AF_INET);
	const int six = add_family(fd, AF_INET6);
	close(fd);
	if (four != 0) {
		refused("adding an address to lo", four);
		return false;
	}
	*ipv6 = six == 0;
	return true;
}

static bool same_namespace(pid_t holder, const char *kind)
{
	char path[64];
	char mine[64] = "";
	char its[64] = "";
	snprintf(path, sizeof(path), "/proc/self/ns/%s", kind);
	const ssize_t a = readlink(path, mine, sizeof(mine) - 1);
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)holder, kind);
	const ssize_t b = readlink(path, its, sizeof(its) - 1);
	return a > 0 && b > 0 && strcmp(mine, its) == 0;
}

static bool enter_kind(pid_t holder, const char *kind, int type)
{
	if (same_namespace(holder, kind)) {
		return true;
	}
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)holder, kind);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	const bool ok = fd >= 0 && setns(fd, type) == 0;
	if (!ok) {
		report_error(
			"cannot enter the miniature Internet (%s: %s): run as the user who "
			"started it, or as root",
			path, strerror(errno));
	}
	if (fd >= 0) {
		close(fd);
	}
	return ok;
}

bool namespace_enter(pid_t holder)
{
	/* the user namespace first: it gives the right to enter the other */
	return enter_kind(holder, "user", CLONE_NEWUSER) &&
	       enter_kind(holder, "net", CLONE_NEWNET);
}
