#include "context.h"

#include "builtin.h"
#include "conf.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_WAIT_MS = 20000, PATH_MAX_FD = 32 };

static const char *fd_path(int fd, char buf[static PATH_MAX_FD])
{
	snprintf(buf, PATH_MAX_FD, "/proc/self/fd/%d", fd);
	return buf;
}

static void say(char *problem, size_t size, const char *text)
{
	snprintf(problem, size, "%s", text);
}

/* ---- one context ---- */

static void on_probe(void *arg, int rcode, void *packet, int len, int sec, char *why_bogus,
		     int was_ratelimited)
{
	(void)packet;
	(void)len;
	(void)sec;
	(void)why_bogus;
	(void)was_ratelimited;
	*(int *)arg = rcode;
}

/* The first question finalises the context and makes its worker. This one is
 * answered from a local zone inside the call, so nothing is sent. */
static bool probe(struct ub_ctx *ctx)
{
	int rcode = -1;
	int err = ub_resolve_event(ctx, FL__CONF_PROBE, FL_TYPE_A, FL_CLASS_IN, &rcode,
				   on_probe, NULL);
	return err == 0 && rcode == 0;
}

enum fl_err fl__context_make(const struct fl__plan *plan, struct ub_event_base *base, FILE *log,
			     struct ub_ctx **out)
{
	char path[PATH_MAX_FD];
	struct ub_ctx *ctx = ub_ctx_create_ub_event(base);
	if (ctx == NULL) {
		return FL_ENOMEM;
	}
	/* before finalising, or that sets the process-wide sink to stderr; val-log-squelch
	 * exists only as an option of this call, and without it failures have no reason */
	if (ub_ctx_debugout(ctx, log) != 0 ||
	    ub_ctx_config(ctx, fd_path(plan->conf_fd, path)) != 0 ||
	    (plan->have_ipv6 != NULL &&
	     ub_ctx_set_option(ctx, "do-ip6:", plan->ipv6 ? "yes" : "no") != 0) ||
	    ub_ctx_set_option(ctx, "val-log-squelch:", "no") != 0 || !probe(ctx)) {
		ub_ctx_delete(ctx); /* half built; nothing else can be done with it */
		return FL_ESYSTEM;
	}
	*out = ctx;
	return FL_OK;
}

/* ---- the child that tries ---- */

/* Its events never fire: it only builds, and answers itself. */
static enum fl_err try_plan(const struct fl__plan *plan)
{
	uv_loop_t loop;
	struct fl__events events;
	struct fl_counters counters = { 0 };
	if (uv_loop_init(&loop) != 0 ||
	    fl__events_open(&events, &loop, &counters, NULL, NULL) != FL_OK) {
		return FL_ESYSTEM;
	}
	struct ub_ctx *ctx;
	return fl__context_make(plan, &events.base, stderr, &ctx);
}

/* One raw option alone in a configuration: a refusal then has a name. */
static bool try_raw(const struct fl_engine_option *raw)
{
	int fd = memfd_create("fairlead-option", MFD_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
	if (file == NULL) {
		return false;
	}
	fputs("server:\n", file);
	fl__conf_write_raw(raw, file);
	fflush(file);
	char path[PATH_MAX_FD];
	struct ub_ctx *ctx = ub_ctx_create();
	bool taken = ctx != NULL && ub_ctx_config(ctx, fd_path(fd, path)) == 0;
	if (ctx != NULL) {
		ub_ctx_delete(ctx);
	}
	fclose(file);
	return taken;
}

static _Noreturn void child(const struct fl_engine_options *o, const struct fl__plan *plan,
			    int report_fd)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (quiet >= 0) {
		dup2(quiet,
		     STDERR_FILENO); /* the option's name says more than the parser does */
	}
	for (size_t i = 0; i < o->n_raw; i++) {
		if (!try_raw(&o->raw[i])) {
			dprintf(report_fd,
				"error: libunbound option %s: \"%s\": refused by libunbound "
				"%s\n",
				o->raw[i].name, o->raw[i].value, ub_version());
			_exit(1);
		}
	}
	dup2(report_fd, STDERR_FILENO); /* the parser writes there, whatever its log sink */
	_exit(try_plan(plan) == FL_OK ? 0 : 1);
}

/* All that the child says, cut to @p size; true when it ends, which closes the pipe. */
static bool read_report(int fd, char *report, size_t size)
{
	size_t len = 0;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	while (poll(&p, 1, CHILD_WAIT_MS) > 0) {
		char spare[256];
		size_t room = size - 1 - len;
		ssize_t n = room > 0 ? read(fd, report + len, room)
				     : read(fd, spare, sizeof(spare));
		if (n <= 0) {
			report[len] = '\0';
			return true;
		}
		len += room > 0 ? (size_t)n : 0;
	}
	report[len] = '\0';
	return false;
}

/* The first complaint in @p report, without its prefix. */
static void explain(char *report, int status, char *problem, size_t size)
{
	if (!WIFEXITED(status)) {
		snprintf(problem, size,
			 "libunbound %s does not survive this configuration (signal %d)",
			 ub_version(), WTERMSIG(status));
		return;
	}
	char *at = strstr(report, "error: ");
	if (at == NULL) {
		snprintf(problem, size,
			 "libunbound %s cannot be started with this configuration",
			 ub_version());
		return;
	}
	at += strlen("error: ");
	at[strcspn(at, "\n")] = '\0';
	say(problem, size, at);
}

static enum fl_err try_in_child(const struct fl_engine_options *o, const struct fl__plan *plan,
				char *problem, size_t size)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) != 0) {
		say(problem, size, "no pipe for trying the libunbound configuration");
		return FL_ESYSTEM;
	}
	pid_t pid = fork();
	if (pid == 0) {
		child(o, plan, fds[1]);
	}
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		say(problem, size, "no process for trying the libunbound configuration");
		return FL_ESYSTEM;
	}
	char report[4096];
	if (!read_report(fds[0], report, sizeof(report))) {
		kill(pid, SIGKILL);
	}
	close(fds[0]);
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		return FL_OK;
	}
	explain(report, status, problem, size);
	return FL_EINVALID;
}

/* ---- the plan ---- */

static bool knows(void *arg, const char *option, const char *value)
{
	char name[80];
	snprintf(name, sizeof(name), "%s:", option);
	return ub_ctx_set_option(arg, name, value) == 0;
}

static int text_file(const char *name, const char *text)
{
	int fd = memfd_create(name, MFD_CLOEXEC);
	if (fd < 0) {
		return -1;
	}
	for (size_t left = strlen(text); left > 0;) {
		ssize_t n = write(fd, text, left);
		if (n <= 0) {
			close(fd);
			return -1;
		}
		text += n;
		left -= (size_t)n;
	}
	return fd;
}

static enum fl_err write_conf(const struct fl_engine_options *o, const struct fl__plan *plan,
			      char **text, char *problem, size_t size)
{
	struct ub_ctx *scratch = ub_ctx_create();
	size_t len;
	FILE *out = scratch == NULL ? NULL : open_memstream(text, &len);
	if (out == NULL) {
		ub_ctx_delete(scratch); /* NULL is fine there */
		return FL_ENOMEM;
	}
	const struct fl__conf_library lib = { .version = ub_version(),
					      .knows = knows,
					      .arg = scratch };
	char path[PATH_MAX_FD];
	enum fl_err err = fl__conf_write(o, &lib, plan->outgoing_range,
					 fd_path(plan->hints_fd, path), out, problem, size);
	ub_ctx_delete(scratch);
	if (fclose(out) != 0 && err == FL_OK) {
		err = FL_ENOMEM;
	}
	return err;
}

static unsigned range_for_this_process(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0) {
		return FL__CONF_RANGE_MIN;
	}
	return fl__conf_outgoing_range(files.rlim_cur);
}

enum fl_err fl__plan_open(const struct fl_engine_options *o, struct fl__plan *plan,
			  char *problem, size_t problem_size)
{
	struct fl__plan p = { .conf_fd = -1,
			      .outgoing_range = range_for_this_process(),
			      .have_ipv6 = o->have_ipv6,
			      .ipv6 = o->ipv6 };
	const char *hints = o->root_hints_text;
	p.hints_fd = text_file("fairlead-root-hints",
			       hints != NULL ? hints : fl__builtin_root_hints());
	char *text = NULL;
	enum fl_err err = FL_ESYSTEM;
	say(problem, problem_size, "no memory file for libunbound's configuration");
	if (p.hints_fd < 0 ||
	    (err = write_conf(o, &p, &text, problem, problem_size)) != FL_OK) {
		goto close_plan;
	}
	p.conf_fd = text_file("fairlead-libunbound", text);
	if (p.conf_fd < 0) {
		err = FL_ESYSTEM;
		goto close_plan;
	}
	if ((err = try_in_child(o, &p, problem, problem_size)) != FL_OK) {
		goto close_plan;
	}
	free(text);
	*plan = p;
	return FL_OK;
close_plan:
	free(text);
	fl__plan_close(&p);
	return err;
}

void fl__plan_close(struct fl__plan *plan)
{
	if (plan->conf_fd >= 0) {
		close(plan->conf_fd);
	}
	if (plan->hints_fd >= 0) {
		close(plan->hints_fd);
	}
	plan->conf_fd = plan->hints_fd = -1;
}
