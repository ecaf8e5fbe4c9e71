/**
 * @file
 * The life of a role that is not the supervisor: born, told what it is, running, drained.
 *
 * fl_role_begin() does what every role does first: die with the supervisor, be
 * told (WELCOME), read the configuration, map the segments, start its log and
 * its loop. The role then reacts to control frames; fl_role_run() turns the loop
 * until fl_role_end(). The heartbeat is the loop's own: a role whose loop hangs stops
 * beating.
 */
#ifndef FAIRLEAD_IPC_ROLE_H
#define FAIRLEAD_IPC_ROLE_H

#include "fairlead/config/config.h"
#include "fairlead/ipc/channel.h"
#include "fairlead/ipc/control.h"
#include "fairlead/ipc/shm.h"

enum { FL_EXIT_OK = 0, FL_EXIT_CONFIG = 1, FL_EXIT_RUNTIME = 2 };

struct fl_role_self {
	struct fl_welcome welcome;
	char token[64]; /* of this instance's listening ends */
	struct fl_config *config;
	const struct fl_mode *mode;
	struct fl_generations *generations; /* writable in the keeper only */
	struct fl_counters *counters;
	int folder_fd;             /* -1 where the role has none */
	uint32_t cache_generation; /* of the last CACHE it was told; said back by fl_role_say()
				    */
	struct uv_loop_s *loop;
	struct fl_receiver *receiver; /* for all channels of this loop */
	struct fl_channel *control;

	/* the role's */
	void (*told)(void *arg, const struct fl_frame *f, int *fds, unsigned n_fds);
	void *arg;
	int exit_code;
};

/** Everything up to the loop; on failure the reason has been logged. The caller fills told and
 * arg. */
enum fl_err fl_role_begin(struct fl_role_self *self) FL_MUST_USE;

/** Say @p verb to the supervisor, with what failed (FL_OK: nothing), a text ("" for none) and
 * the generation of the cache that the role was told last. */
void fl_role_say(struct fl_role_self *self, enum fl_control verb, enum fl_err code,
		 const char *text);

/** Report that this role cannot start, and end. @p code: FL_EXIT_CONFIG or FL_EXIT_RUNTIME. */
void fl_role_fail(struct fl_role_self *self, int code, const char *fmt, ...) FL_PRINTF(3, 4);

/** Confine this process as @p self's role; a failure is reported and ends it. */
enum fl_err fl_role_confine(struct fl_role_self *self) FL_MUST_USE;

/**
 * Turn the loop until fl_role_end(); returns the exit code. The role then closes
 * what it has on the loop and calls fl_role_fini(), which waits for the handles,
 * closes the loop and frees what fl_role_begin() made.
 */
int fl_role_run(struct fl_role_self *self);
void fl_role_fini(struct fl_role_self *self);
void fl_role_end(struct fl_role_self *self, int code);

#endif
