/**
 * @file
 * What a role may still do once it has what it needs: seccomp, Landlock, no new
 * privileges. Installed by the role itself, never by the supervisor.
 *
 * A forbidden call kills the process after one line that names the call's
 * number, so that a library update that needs another one is diagnosed at once. Of calls that
 * do many things (ioctl, fcntl, tgkill, prlimit) only the uses that are needed are allowed. A
 * resolver opens files to read only, even where the kernel has no Landlock; of that, what the
 * kernel's version has is used.
 * Filters are off in sanitizer builds, whose runtimes need more.
 */
#ifndef FAIRLEAD_IPC_CONFINE_H
#define FAIRLEAD_IPC_CONFINE_H

#include "fairlead/base/err.h"

#include <stdbool.h>

enum fl_role {
	FL_ROLE_SUPERVISOR,
	FL_ROLE_FRONT,
	FL_ROLE_TLS_FRONT,
	FL_ROLE_RESOLVER,
	FL_ROLE_SUSPECT,
	FL_ROLE_KEEPER,
	FL_ROLE_ADMIN,
	FL_ROLE_FEED,
	FL_ROLE_COUNT
};

const char *fl_role_name(enum fl_role r); /* "front" */

struct fl_confine_options {
	enum fl_role role;
	int folder_fd; /* the only folder whose files may be opened; -1: none */
};

/** Says (log, once) which layers the kernel has. FL_ESYSTEM: a layer that it has failed to
 * install. */
enum fl_err fl_confine(const struct fl_confine_options *o) FL_MUST_USE;

/**
 * First thing in a role's life, before there is a loop: io_uring is answered with
 * ENOSYS from here on. Newer libuv would hand epoll's work to it, past every
 * filter on system calls; told that the kernel has none, it uses epoll itself.
 */
enum fl_err fl_confine_early(void) FL_MUST_USE;

/** False in builds whose filters are off. */
bool fl_confine_active(void);

#endif
