#include "inet.h"
#include "namespace.h"
#include "probe.h"
#include "report.h"
#include "servers.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 * The holder is the one process that must live for the miniature Internet to
 * stand: it is the namespace, its children are the name servers, and they die
 * with it. start waits at a pipe whose other end the holder has as its standard
 * error, so that what goes wrong is read where the person sits.
 */
enum {
	START_WAIT_MS = 60000,
	WAIT_A_ZONE_MS = 20,
	STOP_WAIT_MS = 10000,
	POLL_MS = 50,
	READY = 0x06, /* ASCII acknowledge: the holder's last octet to start */
};

/* A zone that each served group has, whatever the options. */
static const char *const probe_zone[GROUP_SERVED] = {
	[GROUP_ROOT] = ".",
	[GROUP_TLD] = "shape.",
	[GROUP_LEAF] = "nsec.shape.",
	[GROUP_DEEP] = "signed.optout.shape.",
};

static void pause_ms(long ms)
{
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
	nanosleep(&t, NULL);
}

static bool load_world(const struct state *st, struct world *w)
{
	char manifest[PATH_MAX];
	struct world_options options;
	state_path(st, "manifest.json", manifest);
	if (!manifest_options(manifest, &options)) {
		report_error(
			"nothing is made in %s yet, or by another version: run fairlead-inet "
			"make first",
			st->dir);
		return false;
	}
	if (!world_build(&options, w)) {
		report_error("out of memory");
		return false;
	}
	return true;
}

/* One asking of a group: its first address alone first, for while a server loads
 * each question to it waits for nothing. */
static enum probe ask_group(enum group g, bool ipv6)
{
	const enum probe first = probe_place((struct place){ g, 1 }, AF_INET, probe_zone[g]);
	if (first != PROBE_WELL) {
		return first;
	}
	const unsigned want = group_size(g) * (ipv6 ? 2 : 1);
	return probe_group(g, probe_zone[g], ipv6) == want ? PROBE_WELL : PROBE_NOTHING;
}

/* Wait for one group. NSD takes no question before it has loaded what it can. */
static bool wait_group(const struct state *st, struct servers *s, enum group g, bool ipv6,
		       uint64_t end_ms)
{
	const char *name = group_name(g);
	while (monotonic_ms() < end_ms) {
		const enum group ended = servers_reap(s);
		if (ended != GROUP_COUNT) {
			report_error(
				"the name server of group %s ended at once: see %s/nsd-%s.log",
				group_name(ended), st->dir, group_name(ended));
			return false;
		}
		const enum probe found = ask_group(g, ipv6);
		if (found == PROBE_WELL) {
			return true;
		}
		if (found == PROBE_WITHOUT_ZONE) {
			report_error(
				"the name servers of group %s do not have the zone %s: see "
				"%s/nsd-%s.log",
				name, probe_zone[g], st->dir, name);
			return false;
		}
		pause_ms(POLL_MS);
	}
	report_error("the name servers of group %s do not answer: see %s/nsd-%s.log", name,
		     st->dir, name);
	return false;
}

static bool wait_ready(const struct state *st, struct servers *s, bool ipv6, size_t zones)
{
	/* a large world loads slowly */
	const uint64_t end_ms = monotonic_ms() + START_WAIT_MS + zones * WAIT_A_ZONE_MS;
	for (enum group g = GROUP_ROOT; g < GROUP_SERVED; g++) {
		if (!wait_group(st, s, g, ipv6, end_ms)) {
			return false;
		}
	}
	return true;
}

static void block_signals(sigset_t *waited)
{
	sigemptyset(waited);
	sigaddset(waited, SIGTERM);
	sigaddset(waited, SIGINT);
	sigaddset(waited, SIGCHLD);
	sigaddset(waited, SIGHUP);
	sigprocmask(SIG_BLOCK, waited, NULL);
	signal(SIGPIPE, SIG_IGN); /* start may have been interrupted */
}

static int open_log(const struct state *st)
{
	char path[PATH_MAX];
	state_path(st, "holder.log", path);
	return open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
}

/* Tell start that all is up, and let go of its pipe and of its terminal. Where start
 * has been interrupted nobody knows of us, and we end. */
static bool report_ready(int log_fd)
{
	const char octet = READY;
	const bool heard = write(STDERR_FILENO, &octet, 1) == 1;
	dup2(log_fd, STDERR_FILENO);
	return heard;
}

static void hold(struct servers *s, const sigset_t *waited)
{
	int sig = 0;
	while (sig != SIGTERM && sig != SIGINT) {
		if (sigwait(waited, &sig) != 0) {
			return;
		}
		const enum group ended = sig == SIGCHLD ? servers_reap(s) : GROUP_COUNT;
		if (ended != GROUP_COUNT) {
			report_error("the name server of group %s ended", group_name(ended));
		}
	}
}

/* From the namespace on: servers up, told, held, down again. */
static int serve(const struct state *st, const struct world *w, bool ipv6, int log_fd,
		 const sigset_t *waited)
{
	struct servers servers;
	if (!conf_write(st, w, ipv6) || !servers_open_silent(ipv6) ||
	    !servers_start(st, &servers)) {
		return EXIT_FAILED;
	}
	int code = EXIT_FAILED;
	if (wait_ready(st, &servers, ipv6, w->count) && report_ready(log_fd)) {
		hold(&servers, waited);
		code = EXIT_OK;
	}
	servers_stop(&servers);
	return code;
}

static int run_holder(const struct state *st, const struct world *w)
{
	sigset_t waited;
	bool ipv6 = false;
	setsid();
	const int log_fd = open_log(st);
	if (log_fd < 0) {
		report_error("cannot write in %s: %s", st->dir, strerror(errno));
		return EXIT_FAILED;
	}
	dup2(log_fd, STDOUT_FILENO);
	block_signals(&waited);
	if (!namespace_create() || !namespace_address(&ipv6)) {
		return EXIT_NOT_ALLOWED;
	}
	/* before the servers: should start be killed now, the next one finds us */
	if (!state_set_holder(st)) {
		return EXIT_FAILED;
	}
	const int code = serve(st, w, ipv6, log_fd, &waited);
	state_clear_holder(st);
	return code;
}

/* The holder keeps nothing that start has open: a harness that waits for the end
 * of our output must not wait for the holder's. */
static void become_holder(const struct state *st, const struct world *w, int pipe_fd)
{
	const int null = open("/dev/null", O_RDWR);
	dup2(null, STDIN_FILENO);
	dup2(pipe_fd, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	if (chdir("/") != 0) {
		_exit(EXIT_FAILED);
	}
	_exit(run_holder(st, w));
}

/* Pass on what the holder says until it is ready or gone. */
static bool listen_holder(int pipe_fd)
{
	char text[512];
	ssize_t n;
	while ((n = read(pipe_fd, text, sizeof(text))) != 0) {
		if (n < 0 && errno != EINTR) {
			return false;
		}
		if (n > 0 && text[n - 1] == READY) {
			fwrite(text, 1, (size_t)n - 1, stderr);
			return true;
		}
		fwrite(text, 1, n > 0 ? (size_t)n : 0, stderr);
	}
	return false;
}

static int start_locked(const struct state *st)
{
	struct world w;
	int ends[2];
	if (state_holder(st) != 0) {
		printf("already running\n");
		return verb_status(st);
	}
	if (!load_world(st, &w)) {
		return EXIT_FAILED;
	}
	if (pipe2(ends, O_CLOEXEC) != 0) {
		report_error("cannot make a pipe: %s", strerror(errno));
		world_free(&w);
		return EXIT_FAILED;
	}
	fflush(NULL);
	const pid_t pid = fork();
	if (pid == 0) {
		become_holder(st, &w, ends[1]);
	}
	close(ends[1]);
	world_free(&w);
	const bool ready = pid > 0 && listen_holder(ends[0]);
	close(ends[0]);
	if (ready) {
		return verb_status(st);
	}
	int status = 0;
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
		report_error("the process that holds the namespace ended: see %s/holder.log",
			     st->dir);
		return EXIT_FAILED;
	}
	return WEXITSTATUS(status);
}

int verb_start(const struct state *st)
{
	const int lock = state_lock(st);
	if (lock < 0) {
		return EXIT_FAILED;
	}
	const int code = start_locked(st);
	close(lock);
	return code;
}

static int stop_locked(const struct state *st)
{
	const pid_t pid = state_holder(st);
	if (pid == 0) {
		state_clear_holder(st);
		printf("not running\n");
		return EXIT_OK;
	}
	if (kill(pid, SIGTERM) != 0) {
		report_error("cannot stop process %d: %s; run as the user who started it",
			     (int)pid, strerror(errno));
		return EXIT_FAILED;
	}
	for (int waited = 0; waited < STOP_WAIT_MS && state_holder(st) == pid;
	     waited += POLL_MS) {
		pause_ms(POLL_MS);
	}
	if (state_holder(st) == pid) {
		kill(pid, SIGKILL); /* its name servers go with it: PR_SET_PDEATHSIG */
		state_clear_holder(st);
	}
	printf("stopped\n");
	return EXIT_OK;
}

int verb_stop(const struct state *st)
{
	if (access(st->dir, F_OK) != 0) {
		printf("not running\n");
		return EXIT_OK;
	}
	const int lock = state_lock(st);
	if (lock < 0) {
		return EXIT_FAILED;
	}
	const int code = stop_locked(st);
	close(lock);
	return code;
}

/* Run inside: the number of groups that do not answer. */
static int show_groups(void)
{
	/* where the kernel has no IPv6 no address of it is there to fail */
	const struct place first_root = { GROUP_ROOT, 1 };
	const bool ipv6 = probe_place(first_root, AF_INET6, ".") == PROBE_WELL;
	int down = 0;
	for (enum group g = GROUP_ROOT; g < GROUP_SERVED; g++) {
		char first[ADDRESS_MAX];
		char last[ADDRESS_MAX];
		const unsigned want = group_size(g) * (ipv6 ? 2 : 1);
		const unsigned up = probe_group(g, probe_zone[g], ipv6);
		place_text((struct place){ g, 1 }, AF_INET, first);
		place_text((struct place){ g, group_size(g) }, AF_INET, last);
		printf("  %-5s %s to %s%s: %u of %u addresses answer\n", group_name(g), first,
		       last, ipv6 ? " and their IPv6 twins" : "", up, want);
		down += up != want;
	}
	return down;
}

int verb_status(const struct state *st)
{
	const pid_t pid = state_holder(st);
	if (pid == 0) {
		printf("not running (%s)\n", st->dir);
		return EXIT_FAILED;
	}
	printf("running in %s, held by process %d\n", st->dir, (int)pid);
	fflush(NULL);
	const pid_t inside = fork(); /* the caller's own namespace stays as it is */
	if (inside == 0) {
		const bool ok = namespace_enter(pid) && show_groups() == 0;
		fflush(NULL);
		_exit(ok ? EXIT_OK : EXIT_FAILED);
	}
	int status = EXIT_FAILED;
	if (inside < 0 || waitpid(inside, &status, 0) != inside || !WIFEXITED(status)) {
		report_error("cannot look inside: %s", strerror(errno));
		return EXIT_FAILED;
	}
	return WEXITSTATUS(status);
}

int verb_exec(const struct state *st, char **command)
{
	const pid_t pid = state_holder(st);
	if (command[0] == NULL) {
		report_error("exec needs a command: fairlead-inet exec dig @198.18.0.1 . SOA");
		return EXIT_FAILED;
	}
	if (pid == 0) {
		report_error("no miniature Internet runs in %s: run fairlead-inet start",
			     st->dir);
		return EXIT_FAILED;
	}
	if (!namespace_enter(pid)) {
		return EXIT_FAILED;
	}
	execvp(command[0], command);
	const int error = errno;
	report_error("cannot run %s: %s", command[0], strerror(error));
	return error == ENOENT ? 127 : 126;
}
