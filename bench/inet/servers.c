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
	prctl(PR_SET_CHILD_SUBREAPER, 1);
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
	enum group first = GROUP_COUNT;
	for (pid_t pid = waitpid(-1, NULL, WNOHANG); pid > 0;
	     pid = waitpid(-1, NULL, WNOHANG)) {
		for (enum group g = GROUP_ROOT; g < GROUP_SERVED; g++) {
			if (s->nsd[g] == pid) {
				s->ended[g] = true;
				first = first == GROUP_COUNT ? g : first;
			}
		}
	}
	return first;
}

static bool children_left(void)
{
	siginfo_t info;
	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void ask_to_end(const struct servers *s)
{
	for (enum group g = GROUP_ROOT; g < GROUP_SERVED; g++) {
		if (s->nsd[g] != 0 && !s->ended[g]) {
			kill(s->nsd[g], SIGTERM);
		}
	}
}

static void force_to_end(const struct servers *s)
{
	for (enum group g = GROUP_ROOT; g < GROUP_SERVED; g++) {
		if (s->nsd[g] != 0 && kill(-s->nsd[g], SIGKILL) != 0 && !s->ended[g]) {
			kill(s->nsd[g], SIGKILL); /* it was not yet its group's leader */
		}
	}
}

void servers_stop(struct servers *s)
{
	const struct timespec pause = { .tv_nsec = STOP_POLL_MS * 1000000L };
	ask_to_end(s);
	for (int waited = 0; waited < STOP_WAIT_MS; waited += STOP_POLL_MS) {
		servers_reap(s);
		if (!children_left()) {
			return;
		}
		nanosleep(&pause, NULL);
	}
	force_to_end(s);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) {
	}
}
