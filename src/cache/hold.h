/**
 * @file
 * A generation's folder in the hands of a role.
 */
#ifndef FL_CACHE_HOLD_H
#define FL_CACHE_HOLD_H

#include "fairlead/base/err.h"

struct fl__share {
	int folder_fd; /* a descriptor of its own: the folder is ours as long as it is open */
	int lock_fd;   /* LMDB's lock in memory, at the number that lock.mdb names; or -1 */
};

/**
 * Take what fl_cache_open() was given: a folder, or a parcel, which can be taken again.
 *
 * @retval FL_EBUSY  the number that lock.mdb names is in use by another descriptor
 */
enum fl_err fl__share_take(int fd, struct fl__share *out) FL_MUST_USE;
/** Only after LMDB closed its own: closing any descriptor of a file drops the locks on it. */
void fl__share_close(struct fl__share *s);

#endif
