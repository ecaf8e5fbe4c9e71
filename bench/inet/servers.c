#include "servers.h"

#include "report.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	DNS_PORT = 53,
	SILENT_BUFFER = 4096, /* octets kept of what nobody will read */
	STOP_WAIT_MS = 5000,
	STOP_POLL_MS = 20,
};

/* UDP: nothing is ever read. TCP: the kernel connects, and nobody accepts. */
static bool open_silent(struct place at, int family, int type)
{
	const struct sockaddr_in four = { .sin_family = AF_INET,
					  .sin_port = htons(DNS_PORT),
					  .sin_addr = place_ipv4(at) };
	const struct sockaddr_in6 six = { .sin6_family = AF_INET6,
					  .sin6_port = htons(DNS_PORT),
					  .sin6_addr = place_ipv6(at) };
	const int size = SILENT_BUFFER;
	const int fd = socket(family, type | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return false;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	const int bound =
		family == AF_INET
			? bind(fd, (const struct sockaddr *)(const void *)&four, sizeof(four))
			: bind(fd, (const struct sockaddr *)(const void *)&six, sizeof(six));
	return bound == 0 && (type == SOCK_DGRAM || listen(fd, 1) == 0);
}

bool servers_open_silent(bool ipv6)
{
	static const int types[] = { SOCK_DGRAM, SOCK_STREAM };
	for (unsigned i = 1; i <= group_size(GROUP_SILENT); i++) {
		const struct place at = { GROUP_SILENT, i };
		for (unsigned t = 0; t < 2; t++) {
			if (!open_silent(at, AF_INET, types[t]) ||
			    (ipv6 && !open_silent(at, AF_INET6, types[t]))) {
				report_error("cannot bind a silent server: %s",
					     strerror(errno));
				return false;
			}
		}
	}
	return true;
}

static void run_nsd(const char *conf, pid_t holder)
{
	char *const argv[] = { (char[]){ "nsd" }, (char[]){ "-d" }, (char[]){ "-c" },
			       strdup(conf), NULL };
	static const char *const paths[] = { "/usr/sbin/nsd", "/usr/local/sbin/nsd" };
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != holder) {
		_exit(1); /* it died before the line above */
	}
	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		execv(paths[i], argv);
	}
	execvp("nsd", argv);
	report_error("cannot run nsd: %s; install it: apt-get install nsd", strerror(errno));
	_exit(127);
}

bool servers_start(const struct state *st, struct servers *out)
{
	*out = (struct servers){ 0 };
	const pid_t self = getpid();
	for (enum group g = GROUP_ROOT; g < GROUP_SERVED; g++) {
		char name[32];
		char conf[PATH_MAX];
		snprintf(name, sizeof(name), "nsd-%s.conf", group_name(g));
		state_path(st, name, conf);
		const pid_t pid = fork();
		if (pid < 0) {
			report_error("cannot start a process: %s", strerror(errno));
			servers_stop(out);
			return false;
		}
		if (pid == 0) {
			run_nsd(conf, self);
		}
		out->nsd[g] = pid;
	}
	return true;
}

enum group servers_reap(struct servers *s)
{
	enum group ended = GROUP_COUNT;
	for (enum group g = GROUP_ROOT; g < GROUP_SERVED; g++) {
		if (s->nsd[g] != 0 && waitpid(s->nsd[g], NULL, WNOHANG) == s->nsd[g]) {
			s->nsd[g] = 0;
			ended = ended == GROUP_COUNT ? g : ended;
		}
	}
	return ended;
}

static bool any_left(const struct servers *s)
{
	for (enum group g = GROUP_ROOT; g < GROUP_SERVED; g++) {
		if (s->nsd[g] != 0) {
			return true;
		}
	}
	return false;
}

static void signal_all(const struct servers *s, int sig)
{
	for (enum group g = GROUP_ROOT; g < GROUP_SERVED; g++) {
		if (s->nsd[g] == 0) {
			continue;
		}
		/* the child makes itself a group's leader: early on, only it is there */
		if (sig != SIGKILL || kill(-s->nsd[g], sig) != 0) {
			kill(s->nsd[g], sig);
		}
	}
}

void servers_stop(struct servers *s)
{
	const struct timespec pause = { .tv_nsec = STOP_POLL_MS * 1000000L };
	signal_all(s, SIGTERM);
	for (int waited = 0; any_left(s) && waited < STOP_WAIT_MS; waited += STOP_POLL_MS) {
		nanosleep(&pause, NULL);
		servers_reap(s);
	}
	signal_all(s, SIGKILL);
	for (enum group g = GROUP_ROOT; g < GROUP_SERVED; g++) {
		if (s->nsd[g] != 0) {
			waitpid(s->nsd[g], NULL, 0);
			s->nsd[g] = 0;
		}
	}
}
