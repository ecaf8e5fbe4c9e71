/*
 * Inside the supervisor.
 *
 *   supervisor.c  its life: start, what roles say, signals, the end
 *   child.c       one process of a role: executed, told, started again
 *   watch.c       the watchdog
 *   renew.c       when the cache's file is given up
 *   sockets.c     the clients' sockets and the listening ends between roles
 *   storage.c     shared segments, and where the cache lies
 */
#ifndef FL_SUPERVISOR_PRIVATE_H
#define FL_SUPERVISOR_PRIVATE_H

#include "fairlead/base/list.h"
#include "fairlead/cache/cache.h"
#include "fairlead/config/config.h"
#include "fairlead/ipc/channel.h"
#include "fairlead/ipc/control.h"
#include "fairlead/ipc/role.h"
#include "fairlead/ipc/shm.h"

#include <uv.h>

enum {
	FL_FRONTS_MAX = 64,
	FL_RESOLVERS_MAX = FL_CONTROL_RESOLVERS_MAX,
	FL_CHILDREN_MAX = FL_FRONTS_MAX + FL_RESOLVERS_MAX + 1,
	FL_LISTEN_MAX = 64,
	FL_WATCH_MS = 250,
	FL_START_MAX_S = 30,     /* a role that is not ready by then is started again */
	FL_LIVED_S = 60,         /* a role that lived so long is no quick death */
	FL_DEATHS_A_MINUTE = 20, /* more than these, and starting again waits */
	FL_BACKOFF_FIRST_MS = 100,
	FL_BACKOFF_MAX_MS = 10000
};

#ifdef FL_SANITIZED
enum { FL_SLOWNESS = 10 }; /* what a sanitizer may cost */
#else
enum { FL_SLOWNESS = 1 };
#endif

struct supervisor;

struct child {
	struct supervisor *sup;
	enum fl_role role;
	unsigned index;
	char name[32]; /* "front 0" */
	uv_process_t process;
	uv_timer_t restart;
	struct fl_channel *channel;
	bool alive, ready, was_ready;
	uint32_t generation;               /* of the cache that it was told of last; 0: none */
	uint64_t looked_ns, looked_run_ns; /* the watchdog's last look at a role that is late */
	bool hung;                         /* killed by the watchdog */
	uint64_t hung_ns;                  /* when that was last */
	uint64_t started_ns;
	unsigned quick_deaths;               /* in a row: before ready, or too many a minute */
	uint64_t deaths[FL_DEATHS_A_MINUTE]; /* boot clock, a ring */
	unsigned n_deaths;
	int counters_write, counters_read;
	struct fl_counters *counters;
	int sketch_write, sketch_read; /* fronts; else -1 */
	int listen_fd;                 /* resolvers, keeper: listening end; else -1 */
};

struct listen_address {
	struct fl_addr at;
	int udp[FL_FRONTS_MAX], tcp[FL_FRONTS_MAX];
};

/* An end has its order, and each stage a time of its own, counted from the beginning: who
 * does not end in it is ended, and the next ones still have what they need. */
enum stage { STAGE_FRONTS, STAGE_RESOLVERS, STAGE_KEEPER, STAGE_DONE };

enum sup_state { SUP_STARTING, SUP_SERVING, SUP_STOPPING };

/* What has to be done about the cache's file, most pressing last. */
enum cache_want {
	WANT_NOTHING,
	WANT_AGAIN, /* the keeper opens it again: it may be sound, or have room by now */
	WANT_ANEW   /* a new generation */
};

/* What is done again and again is done more and more seldom. */
struct backoff {
	uint64_t last_ns; /* boot clock */
	unsigned n;       /* in a row */
};

struct supervisor {
	const struct fl_config *config;
	uv_loop_t loop;
	uv_signal_t sigterm, sigint, sighup, sigusr1;
	uv_timer_t watch, stop;
	uint64_t last_watch_ns;
	enum sup_state state;
	enum stage stage; /* of the end */
	uint64_t stopped_ns;
	int exit_code;
	char token[33];            /* names this instance's listening ends */
	struct fl_welcome welcome; /* what all roles are told alike, and the fronts' secrets */
	/* with which each role that is greeted tells true peers from false ones */
	uint64_t keeper_greeting[2], resolver_greeting[FL_RESOLVERS_MAX][2];
	int config_fd;
	int mode_write, mode_read, generations_write, generations_read;
	struct fl_mode *mode;
	struct listen_address listen[FL_LISTEN_MAX];
	size_t n_listen;
	struct child child[FL_CHILDREN_MAX];
	unsigned n_children;
	/* the cache */
	int folder_fd;     /* base folder */
	char folder[4096]; /* its path */
	bool folder_is_memory;
	int memory_lock; /* held while that folder is ours */
	bool has_cache;
	struct fl_cache_hold hold; /* the current generation's folder */
	uint32_t generation;       /* and its number */
	int old_file;         /* of the generation before, until its users have closed it; -1 */
	uint64_t old_file_ns; /* since when */
	bool cache_ready;
	bool cache_missing; /* the keeper cannot use it: served without one, for now */
	enum cache_want want;
	char want_why[FL_REASON_TEXT_MAX + 1];
	uv_timer_t renew; /* the pause until it may be done */
	struct backoff anew, again;
	uint64_t believed_fronts; /* a bit each: found this generation damaged */
	uint64_t crashed_ns;      /* last death that may be the file's doing */
	struct fl_log_gate cache_gate;
};

/* supervisor.c */
void fl__sup_heard(struct child *c, const struct fl_frame *f);
void fl__sup_child_gone(struct child *c, int64_t status, int signal);

/* child.c */
enum fl_err fl__child_init(struct supervisor *s, enum fl_role role, unsigned index);
void fl__child_start(struct child *c);
void fl__child_tell(struct child *c, enum fl_control verb, unsigned index, const int *fd);
/* Tell of the current generation, so that the role opens it (again). */
void fl__child_tell_cache(struct child *c);
void fl__child_kill(struct child *c, int signal);

void fl__child_start_again(struct child *c);

/* watch.c */
void fl__child_watch(struct supervisor *s);

/* sockets.c */
/* The roles of an instance that was killed may take a moment to end, and hold what it had: its
 * addresses, its cache. Sleeps; false when that has lasted too long. */
bool fl__held_pause(unsigned *looks);
enum fl_err fl__sockets_open(struct supervisor *s);

/* storage.c */
enum fl_err fl__storage_make_segments(struct supervisor *s);
enum fl_err fl__storage_open_cache(struct supervisor *s);
/* Begin a new generation in the same folder; the others are deleted. */
enum fl_err fl__storage_next_generation(struct supervisor *s, char *problem, size_t size);
/* The old one's file, once all have left it, or its room is needed at once. */
void fl__storage_watch(struct supervisor *s);
void fl__storage_release_old(struct supervisor *s);
void fl__storage_close(struct supervisor *s);

/* renew.c; FL_EDENIED: what this role may not say */
enum fl_err fl__renew_init(struct supervisor *s);
enum fl_err fl__renew_heard_bad(struct child *c, const struct fl_frame *f) FL_MUST_USE;
enum fl_err fl__renew_heard_ready(struct child *c, const struct fl_frame *f) FL_MUST_USE;
void fl__renew_suspect(struct child *c, int signal);

#endif
