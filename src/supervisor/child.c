/* One process of a role: executed, told what it is, watched, started again. */
#include "fairlead/base/clock.h"
#include "supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum fl_err fl__child_init(struct supervisor *s, enum fl_role role, unsigned index)
{
	struct child *c = &s->child[s->n_children++];
	c->sup = s;
	c->role = role;
	c->index = index;
	c->listen_fd = c->sketch_write = c->sketch_read = -1;
	snprintf(c->name, sizeof(c->name), "%s %u", fl_role_name(role), index);
	c->restart.data = c;
	return uv_timer_init(&s->loop, &c->restart) == 0 ? FL_OK : FL_ESYSTEM;
}

void fl__child_tell(struct child *c, enum fl_control verb, unsigned index, const int *fd)
{
	struct fl_frame f = fl_frame_init(FL_FRAME_CONTROL);
	f.h.flags = (uint32_t)verb;
	f.h.index = (uint16_t)index;
	if (c->channel != NULL &&
	    fl_channel_send_fds(c->channel, &f, fd, fd != NULL ? 1 : 0) != FL_OK) {
		fl_log(FL_LOG_ERROR, "cannot talk to %s; ending it", c->name);
		fl__child_kill(c, SIGKILL);
	}
}

void fl__child_tell_cache(struct child *c)
{
	struct supervisor *s = c->sup;
	struct fl_frame f = fl_frame_init(FL_FRAME_CONTROL);
	int parcel = -1;
	f.h.flags = FL_CONTROL_CACHE;
	f.h.generation = s->generation;
	if (c->channel == NULL) {
		return;
	}
	c->generation = s->generation;
	if (fl_cache_hold_parcel(&s->hold, &parcel) != FL_OK ||
	    fl_channel_send_fds(c->channel, &f, &parcel, 1) != FL_OK) {
		fl_log(FL_LOG_ERROR, "cannot hand the cache to %s; ending it", c->name);
		fl__child_kill(c, SIGKILL);
	}
	if (parcel >= 0) {
		close(parcel);
	}
}

static void tell_listener(struct child *c, enum fl_control verb, const struct fl_addr *at,
			  int fd)
{
	struct fl_frame f = fl_frame_init(FL_FRAME_CONTROL);
	f.h.flags = (uint32_t)verb;
	f.packet = (const uint8_t *)at;
	f.h.packet_len = sizeof(*at);
	if (fl_channel_send_fds(c->channel, &f, &fd, 1) != FL_OK) {
		fl__child_kill(c, SIGKILL);
	}
}

/* Each role gets the secrets that it needs, and proof of who it is where it introduces itself.
 */
static struct fl_welcome welcome_of(const struct child *c)
{
	const struct supervisor *s = c->sup;
	struct fl_welcome w = s->welcome;
	w.role = (uint32_t)c->role;
	w.index = c->index;
	if (c->role == FL_ROLE_FRONT) {
		for (unsigned i = 0; i < s->config->resolvers; i++) {
			w.hello_resolver[i] =
				fl_control_hello(s->resolver_greeting[i], c->role, c->index);
		}
		return w;
	}
	memset(w.seed, 0, sizeof(w.seed));
	memset(w.cookie, 0, sizeof(w.cookie));
	if (c->role == FL_ROLE_RESOLVER) {
		memcpy(w.greeting, s->resolver_greeting[c->index], sizeof(w.greeting));
		w.hello_keeper = fl_control_hello(s->keeper_greeting, c->role, c->index);
	} else if (c->role == FL_ROLE_KEEPER) {
		memcpy(w.greeting, s->keeper_greeting, sizeof(w.greeting));
	}
	return w;
}

static void tell_welcome(struct child *c)
{
	struct supervisor *s = c->sup;
	const struct fl_welcome w = welcome_of(c);
	struct fl_frame f = fl_frame_init(FL_FRAME_CONTROL);
	const bool folder = c->role != FL_ROLE_RESOLVER && s->folder_fd >= 0;
	const int fds[FL_WELCOME_FDS] = {
		[FL_WELCOME_CONFIG] = s->config_fd,
		[FL_WELCOME_MODE] = s->mode_read,
		[FL_WELCOME_GENERATIONS] =
			c->role == FL_ROLE_KEEPER ? s->generations_write : s->generations_read,
		[FL_WELCOME_COUNTERS] = c->counters_write,
		[FL_WELCOME_FOLDER] = s->folder_fd,
	};
	f.h.flags = FL_CONTROL_WELCOME;
	f.text = s->token;
	f.h.text_len = (uint8_t)strlen(s->token);
	f.packet = (const uint8_t *)&w;
	f.h.packet_len = sizeof(w);
	if (fl_channel_send_fds(c->channel, &f, fds,
				folder ? FL_WELCOME_FDS : FL_WELCOME_FOLDER) != FL_OK) {
		fl__child_kill(c, SIGKILL);
	}
}

/* All that a role needs, in the order of its life. */
static void tell_all(struct child *c)
{
	struct supervisor *s = c->sup;
	tell_welcome(c);
	if (c->listen_fd >= 0) {
		fl__child_tell(c, FL_CONTROL_ACCEPT, 0, &c->listen_fd);
	}
	if (c->role == FL_ROLE_FRONT) {
		for (size_t i = 0; i < s->n_listen; i++) {
			const struct listen_address *l = &s->listen[i];
			tell_listener(c, FL_CONTROL_LISTEN_UDP, &l->at, l->udp[c->index]);
			tell_listener(c, FL_CONTROL_LISTEN_TCP, &l->at, l->tcp[c->index]);
		}
		fl__child_tell(c, FL_CONTROL_SKETCH, c->index, &c->sketch_write);
		if (s->cache_ready) {
			fl__child_tell_cache(c);
		}
	}
	if (c->role == FL_ROLE_KEEPER) {
		for (unsigned i = 0; i < s->n_children; i++) {
			if (s->child[i].role == FL_ROLE_FRONT) {
				fl__child_tell(c, FL_CONTROL_SKETCH, s->child[i].index,
					       &s->child[i].sketch_read);
			}
		}
		if (s->has_cache) {
			fl__child_tell_cache(c);
		}
	}
	fl__child_tell(c, FL_CONTROL_START, 0, NULL);
}

static void on_frame(void *arg, struct fl_channel *ch, const struct fl_frame *f, int *fds,
		     unsigned n_fds)
{
	(void)ch;
	(void)fds;
	(void)n_fds;
	fl__sup_heard(arg, f);
}

static void on_closed(void *arg, struct fl_channel *ch)
{
	struct child *c = arg;
	fl_channel_free(ch);
	c->channel = NULL;
	/* a role without its channel cannot be told to end; its exit is reported by the kernel
	 */
	fl__child_kill(c, SIGKILL);
}

static void on_exit_status(uv_process_t *p, int64_t status, int signal)
{
	struct child *c = p->data;
	c->alive = false;
	c->ready = false;
	if (c->channel != NULL) {
		fl_channel_free(c->channel);
		c->channel = NULL;
	}
	uv_close((uv_handle_t *)p, NULL);
	fl__sup_child_gone(c, status, signal);
}

/* The variables of our own, but for those with which a service speaks to its manager: a role
 * that was taken over must not say that we are well. */
static char **environment(void)
{
	static const char *const ours[] = { "NOTIFY_SOCKET=", "WATCHDOG_", "LISTEN_",
					    "FDSTORE=",       "MAINPID=",  "CREDENTIALS_" };
	size_t n = 0, kept = 0;
	while (environ[n] != NULL) {
		n++;
	}
	char **env = calloc(n + 1, sizeof(*env));
	for (size_t i = 0; env != NULL && i < n; i++) {
		bool is_ours = false;
		for (size_t k = 0; k < FL_COUNT(ours); k++) {
			is_ours |= strncmp(environ[i], ours[k], strlen(ours[k])) == 0;
		}
		if (!is_ours) {
			env[kept++] = environ[i];
		}
	}
	return env;
}

static enum fl_err execute(struct child *c, int control)
{
	char role[48], title[48];
	snprintf(role, sizeof(role), "--role=%s", fl_role_name(c->role));
	snprintf(title, sizeof(title), "fairleadd: %s", c->name);
	char *args[] = { title, role, NULL };
	char file[] = "/proc/self/exe";
	char **env = environment();
	if (env == NULL) {
		return FL_ENOMEM;
	}
	uv_stdio_container_t stdio[FL_CONTROL_FD + 1] = {
		{ .flags = UV_IGNORE },
		{ .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
		{ .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
		{ .flags = UV_INHERIT_FD, .data.fd = control },
	};
	const uv_process_options_t o = { .exit_cb = on_exit_status,
					 .file = file,
					 .args = args,
					 .env = env,
					 .stdio = stdio,
					 .stdio_count = FL_CONTROL_FD + 1 };
	memset(&c->process, 0, sizeof(c->process));
	const int r = uv_spawn(&c->sup->loop, &c->process, &o);
	c->process.data = c;
	free(env);
	if (r != 0) {
		fl_log(FL_LOG_ERROR, "cannot start %s: %s", c->name, uv_strerror(r));
		uv_close((uv_handle_t *)&c->process, NULL);
		return FL_ESYSTEM;
	}
	return FL_OK;
}

void fl__child_start(struct child *c)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		fl_log(FL_LOG_ERROR, "cannot start %s: %s", c->name, strerror(errno));
		fl__child_start_again(c);
		return;
	}
	const enum fl_err err = execute(c, pair[1]);
	close(pair[1]);
	const struct fl_channel_options o = { .loop = &c->sup->loop,
					      .fd = pair[0],
					      .frame = on_frame,
					      .closed = on_closed,
					      .arg = c };
	if (err != FL_OK) {
		close(pair[0]);
		fl__child_start_again(c);
		return;
	}
	c->alive = true;
	c->hung = false;
	c->generation = 0;
	c->started_ns = fl_clock_boot_ns();
	if (fl_channel_open(&o, &c->channel) != FL_OK) {
		close(pair[0]);
		c->channel = NULL;
		fl__child_kill(c, SIGKILL);
		return;
	}
	tell_all(c);
}

void fl__child_kill(struct child *c, int signal)
{
	if (c->alive) {
		uv_process_kill(&c->process, signal);
	}
}

/* --- starting again --- */

static void on_restart(uv_timer_t *t)
{
	fl__child_start(t->data);
}

static bool too_many_deaths(struct child *c, uint64_t now)
{
	const uint64_t oldest = c->deaths[c->n_deaths % FL_DEATHS_A_MINUTE];
	c->deaths[c->n_deaths % FL_DEATHS_A_MINUTE] = now;
	c->n_deaths++;
	return oldest != 0 && now - oldest < 60 * FL_S_NS;
}

/* At once, if it had served; a role that dies young, or all the time, waits longer each time.
 */
void fl__child_start_again(struct child *c)
{
	uint64_t wait_ms = 0;
	const uint64_t now = fl_clock_boot_ns();
	const bool often = too_many_deaths(c, now);
	if (now - c->started_ns > FL_LIVED_S * FL_S_NS) {
		c->quick_deaths =
			0; /* to get ready is not enough: that may be what it dies of */
	}
	if (often || !c->was_ready) {
		const unsigned n = c->quick_deaths < 7 ? c->quick_deaths : 7;
		wait_ms = (uint64_t)FL_BACKOFF_FIRST_MS << n;
		if (wait_ms > FL_BACKOFF_MAX_MS) {
			wait_ms = FL_BACKOFF_MAX_MS;
		}
		c->quick_deaths++;
		sd_notifyf(0, "STATUS=%s dies again and again", c->name);
		fl_log(FL_LOG_WARNING, "%s %s; it is started again in %llu ms", c->name,
		       often ? "died more than 20 times in a minute" : "never got ready",
		       (unsigned long long)wait_ms);
	}
	c->was_ready = false;
	uv_timer_start(&c->restart, on_restart, wait_ms, 0);
}
