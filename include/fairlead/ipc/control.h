/**
 * @file
 * What supervisor and role say to each other on the descriptor a role is born with.
 *
 * A role finds its end of the control channel at descriptor 3. Everything it
 * needs arrives there: first WELCOME (text: instance token; packet: struct
 * fl_welcome; descriptors in the order of enum fl_welcome_fd), then its sockets, then START.
 * It answers READY when it serves. The same verbs carry changes later, so
 * that start and reload are one path.
 */
#ifndef FAIRLEAD_IPC_CONTROL_H
#define FAIRLEAD_IPC_CONTROL_H

#include "fairlead/base/addr.h"
#include "fairlead/ipc/confine.h"
#include "fairlead/ipc/frame.h"

enum { FL_CONTROL_FD = 3 };

enum fl_control {                         /* in fl_frame_header.flags of a CONTROL frame */
		  FL_CONTROL_WELCOME = 1, /* supervisor -> role */
		  FL_CONTROL_LISTEN_UDP,  /* supervisor -> front: one descriptor; packet: struct
					     fl_addr */
		  FL_CONTROL_LISTEN_TCP,
		  FL_CONTROL_UNLISTEN, /* supervisor -> front; packet: struct fl_addr */
		  FL_CONTROL_ACCEPT,   /* supervisor -> resolver, keeper: its listening end */
		  FL_CONTROL_CACHE,    /* supervisor -> front, keeper: folder of the cache */
		  FL_CONTROL_CONFIG,   /* supervisor -> role: a new effective configuration, one
					  descriptor */
		  FL_CONTROL_START,    /* supervisor -> role: all is there */
		  FL_CONTROL_READY,    /* role -> supervisor */
		  FL_CONTROL_CACHE_READY, /* keeper -> supervisor: fronts may open it */
		  FL_CONTROL_CACHE_BAD, /* keeper, front -> supervisor: text says what is wrong
					 */
		  FL_CONTROL_FAILED, /* role -> supervisor: cannot start; text says why, flags
					in index: exit code */
		  FL_CONTROL_DRAIN,  /* supervisor -> role: finish, then exit 0 */
		  FL_CONTROL_END
};

struct fl_welcome {
	uint32_t role, index;
	uint32_t fronts, resolvers; /* how many there are */
	uint64_t boot_id;
	uint64_t sketch_bytes; /* of one front's sketch */
	uint64_t seed[2];      /* secret of this run, for tables that clients could aim at */
	uint64_t cookie[2];    /* server cookie secret, shared by all fronts */
};

enum fl_welcome_fd {
	FL_WELCOME_CONFIG,      /* effective configuration, text */
	FL_WELCOME_MODE,        /* read */
	FL_WELCOME_GENERATIONS, /* read; keeper: write */
	FL_WELCOME_COUNTERS,    /* write: its own block */
	FL_WELCOME_FDS,
	/* then: a front its own sketch (write); the keeper every front's sketch (read) */
};

#endif
