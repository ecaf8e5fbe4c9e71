#include "fairlead/ipc/role.h"

#include "fairlead/base/clock.h"
#include "fairlead/base/list.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

enum { HEARTBEAT_MS = 200, CONFIG_MAX = 4 << 20 };

/* The loop and the handles of a role; one a process, but owned, not global. */
struct role_loop {
	uv_loop_t loop;
	uv_timer_t heartbeat;
	struct fl_role_self *self;
};

/* Die when the supervisor does. It may have died before we asked: then somebody else is our
 * parent. */
static enum fl_err tie_to_parent(void)
{
	const pid_t parent = getppid();
	struct ucred peer;
	socklen_t len = sizeof(peer);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
		return FL_ESYSTEM;
	}
	/* who made descriptor 3 is the supervisor */
	if (getsockopt(FL_CONTROL_FD, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 ||
	    peer.pid != parent || getppid() != parent) {
		return FL_ECLOSED;
	}
	return FL_OK;
}

/* What else the caller of fairleadd had open went through the supervisor into us: it would be
 * at hand for whoever takes this role over. */
static void close_strange_fds(void)
{
	close_range(FL_CONTROL_FD + 1, ~0U, 0); /* Linux 5.9; an older kernel keeps them open */
}

/* Wait for the first frame, before there is a loop. */
static enum fl_err receive_welcome(uint8_t *octets, struct fl_frame *f,
				   int fds[static FL_WELCOME_FDS], unsigned *n_fds)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * FL_WELCOME_FDS)];
	struct iovec iov = { octets, FL_FRAME_MAX };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	ssize_t n;
	do {
		n = recvmsg(FL_CONTROL_FD, &m, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n <= 0) {
		return FL_ECLOSED;
	}
	*n_fds = 0;
	const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		*n_fds = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), *n_fds * sizeof(int));
	}
	if ((m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		return FL_EMALFORMED;
	}
	return fl_frame_parse(octets, (size_t)n, f);
}

static enum fl_err parse_config(int fd, struct fl_config **out)
{
	struct stat st;
	if (fstat(fd, &st) != 0 || st.st_size > CONFIG_MAX) {
		return FL_ESYSTEM;
	}
	const size_t len = (size_t)st.st_size;
	char *text = len == 0 ? NULL : mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED) {
		return FL_ESYSTEM;
	}
	const enum fl_err err = fl_config_parse_text(text == NULL ? "" : text, len,
						     "effective configuration", stderr, out);
	if (text != NULL) {
		munmap(text, len);
	}
	return err;
}

static enum fl_err map_segments(struct fl_role_self *self, const int *fds)
{
	void *at;
	enum fl_err err = fl_shm_map(fds[FL_WELCOME_MODE], sizeof(*self->mode), false, &at);
	if (err != FL_OK) {
		return err;
	}
	self->mode = at;
	err = fl_shm_map(fds[FL_WELCOME_GENERATIONS], sizeof(*self->generations),
			 self->welcome.role == FL_ROLE_KEEPER, &at);
	if (err != FL_OK) {
		return err;
	}
	self->generations = at;
	err = fl_shm_map(fds[FL_WELCOME_COUNTERS], sizeof(*self->counters), true, &at);
	if (err != FL_OK) {
		return err;
	}
	self->counters = at;
	return FL_OK;
}

/* Counters go on through the lives of a role; what it held and did when it died is gone. */
static void zero_gauges(struct fl_counters *c)
{
	__atomic_store_n(&c->committing, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&c->in_flight, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&c->reading_since, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&c->cache_entries, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&c->cache_bytes, 0, __ATOMIC_RELAXED);
}

static enum fl_err take_welcome(struct fl_role_self *self)
{
	int fds[FL_WELCOME_FDS];
	unsigned n_fds = 0;
	struct fl_frame f;
	uint8_t *octets = malloc(FL_FRAME_MAX);
	if (octets == NULL) {
		return FL_ENOMEM;
	}
	enum fl_err err = receive_welcome(octets, &f, fds, &n_fds);
	if (err == FL_OK &&
	    (f.h.kind != FL_FRAME_CONTROL || f.h.flags != FL_CONTROL_WELCOME ||
	     f.h.packet_len != sizeof(self->welcome) || n_fds < FL_WELCOME_FOLDER ||
	     f.h.text_len >= sizeof(self->token))) {
		err = FL_EMALFORMED;
	}
	if (err == FL_OK) {
		memcpy(&self->welcome, f.packet, sizeof(self->welcome));
		memcpy(self->token, f.text, f.h.text_len);
		self->token[f.h.text_len] = '\0';
		self->folder_fd = n_fds > FL_WELCOME_FOLDER ? fds[FL_WELCOME_FOLDER] : -1;
		err = parse_config(fds[FL_WELCOME_CONFIG], &self->config);
	}
	if (err == FL_OK) {
		err = map_segments(self, fds);
	}
	if (err == FL_OK) {
		zero_gauges(self->counters);
	}
	for (unsigned i = 0; i < n_fds && i < FL_WELCOME_FOLDER; i++) {
		close(fds[i]);
	}
	free(octets);
	return err;
}

static void on_heartbeat(uv_timer_t *t)
{
	struct role_loop *rl = t->data;
	__atomic_store_n(&rl->self->counters->heartbeat_ns, fl_clock_boot_ns(),
			 __ATOMIC_RELAXED);
}

static void on_frame(void *arg, struct fl_channel *ch, const struct fl_frame *f, int *fds,
		     unsigned n_fds)
{
	struct fl_role_self *self = arg;
	(void)ch;
	if (f->h.kind != FL_FRAME_CONTROL) {
		FL_COUNT_ADD(self->counters, ipc_refused, 1);
		return;
	}
	if (f->h.flags == FL_CONTROL_CACHE) {
		self->cache_generation = f->h.generation;
	}
	self->told(self->arg, f, fds, n_fds);
}

static void on_closed(void *arg, struct fl_channel *ch)
{
	struct fl_role_self *self = arg;
	(void)ch;
	fl_log(FL_LOG_ERROR, "the supervisor closed the control channel; ending");
	fl_role_end(self, FL_EXIT_RUNTIME);
}

static enum fl_err make_loop(struct fl_role_self *self)
{
	struct role_loop *rl = calloc(1, sizeof(*rl));
	if (rl == NULL) {
		return FL_ENOMEM;
	}
	rl->self = self;
	self->receiver = fl_receiver_new();
	if (self->receiver == NULL || uv_loop_init(&rl->loop) != 0) {
		fl_receiver_free(self->receiver);
		free(rl);
		return FL_ESYSTEM;
	}
	self->loop = &rl->loop;
	uv_timer_init(self->loop, &rl->heartbeat);
	rl->heartbeat.data = rl;
	uv_timer_start(&rl->heartbeat, on_heartbeat, 0, HEARTBEAT_MS);
	const struct fl_channel_options o = { .loop = self->loop,
					      .fd = FL_CONTROL_FD,
					      .frame = on_frame,
					      .closed = on_closed,
					      .arg = self,
					      .counters = self->counters,
					      .receiver = self->receiver };
	return fl_channel_open(&o, &self->control);
}

enum fl_err fl_role_begin(struct fl_role_self *self)
{
	char who[32];
	enum fl_err err = tie_to_parent();
	if (err != FL_OK) {
		fl_log(FL_LOG_ERROR,
		       "a role is started by the supervisor only; run fairleadd -c FILE");
		return err;
	}
	if ((err = fl_confine_early()) != FL_OK) {
		fl_log(FL_LOG_ERROR, "cannot install a filter on system calls: %s",
		       fl_err_text(err));
		return err;
	}
	close_strange_fds();
	signal(SIGPIPE, SIG_IGN);
	/* the terminal's ^C is for the supervisor, which drains the roles */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if ((err = take_welcome(self)) != FL_OK) {
		fl_log(FL_LOG_ERROR, "cannot start as a role: %s", fl_err_text(err));
		return err;
	}
	snprintf(who, sizeof(who), "%s %u", fl_role_name((enum fl_role)self->welcome.role),
		 self->welcome.index);
	prctl(PR_SET_NAME,
	      who); /* what top and perf show: the program file is /proc/self/exe */
	fl_log_init(who, self->config->log.level, self->config->log.format);
	if ((err = make_loop(self)) != FL_OK) {
		fl_log(FL_LOG_ERROR, "cannot start the event loop: %s", fl_err_text(err));
	}
	return err;
}

void fl_role_say(struct fl_role_self *self, enum fl_control verb, enum fl_err code,
		 const char *text)
{
	struct fl_frame f = fl_frame_init(FL_FRAME_CONTROL);
	const size_t len = strnlen(text, FL_REASON_TEXT_MAX);
	f.h.flags = (uint32_t)verb;
	f.h.index = (uint16_t)code;
	f.h.generation = self->cache_generation;
	f.h.text_len = (uint8_t)len;
	f.text = text;
	if (fl_channel_send(self->control, &f) != FL_OK) {
		fl_log(FL_LOG_ERROR, "cannot reach the supervisor; ending");
		fl_role_end(self, FL_EXIT_RUNTIME);
	}
}

void fl_role_fail(struct fl_role_self *self, int code, const char *fmt, ...)
{
	char text[FL_REASON_TEXT_MAX + 1];
	struct fl_frame f = fl_frame_init(FL_FRAME_CONTROL);
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	f.h.flags = FL_CONTROL_FAILED;
	f.h.index = (uint16_t)code;
	f.h.text_len = (uint8_t)strlen(text);
	f.text = text;
	if (fl_channel_send(self->control, &f) == FL_OK) {
		fl_channel_flush(self->control);
	}
	fl_role_end(self, code);
}

enum fl_err fl_role_confine(struct fl_role_self *self)
{
	const struct fl_confine_options o = { .role = (enum fl_role)self->welcome.role,
					      .folder_fd = self->folder_fd };
	const enum fl_err err = fl_confine(&o);
	if (err != FL_OK) {
		fl_role_fail(self, FL_EXIT_RUNTIME, "cannot confine this process: %s",
			     fl_err_text(err));
	}
	return err;
}

int fl_role_run(struct fl_role_self *self)
{
	uv_run(self->loop, UV_RUN_DEFAULT);
	/* what was said last still goes out */
	fl_channel_flush(self->control);
	return self->exit_code;
}

/* A role ends with a loop that is empty: what its owner forgot to close shows here. */
void fl_role_fini(struct fl_role_self *self)
{
	struct role_loop *rl = FL_CONTAINER(self->loop, struct role_loop, loop);
	fl_channel_free(self->control);
	uv_close((uv_handle_t *)&rl->heartbeat, NULL);
	uv_run(self->loop, UV_RUN_DEFAULT);
	if (uv_loop_close(self->loop) != 0) {
		fl_log(FL_LOG_DEBUG, "something on the loop was left open");
	}
	fl_receiver_free(self->receiver);
	free(rl);
	fl_config_free(self->config);
}

void fl_role_end(struct fl_role_self *self, int code)
{
	self->exit_code = code;
	uv_stop(self->loop);
}
