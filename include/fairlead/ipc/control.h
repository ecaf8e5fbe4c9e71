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

enum { FL_CONTROL_FD = 3, FL_CONTROL_RESOLVERS_MAX = 32 };

/*
 * Verbs, in fl_frame_header.flags of a CONTROL frame. "index" is the header's field.
 *
 *   to a role   WELCOME     who it is; see above
 *               LISTEN_UDP, LISTEN_TCP   one descriptor; packet: struct fl_addr (fronts)
 *               UNLISTEN    packet: struct fl_addr (fronts)
 *               ACCEPT      its listening end (resolvers, keeper)
 *               CACHE       folder of the current generation (fronts, keeper)
 *               SKETCH      a front's own, writable; for the keeper front index's, to read
 *               CONFIG      a new effective configuration
 *               START       everything is there: confine and serve
 *               DRAIN       finish, then exit 0
 *   to the      READY       serving
 *   supervisor  CACHE_READY fronts may open the cache (keeper)
 *               CACHE_BAD   text says what is wrong with the file (fronts, keeper)
 *               FAILED      cannot start; index: exit code, text: why
 *
 * CACHE carries the number of its generation in the header's field of that name; CACHE_READY
 * and CACHE_BAD say it back, so that a word about an older file is known as one.
 */
/* clang-format off */
enum fl_control {
	FL_CONTROL_WELCOME = 1,
	FL_CONTROL_LISTEN_UDP,
	FL_CONTROL_LISTEN_TCP,
	FL_CONTROL_UNLISTEN,
	FL_CONTROL_ACCEPT,
	FL_CONTROL_CACHE,
	FL_CONTROL_SKETCH,
	FL_CONTROL_CONFIG,
	FL_CONTROL_START,
	FL_CONTROL_DRAIN,
	FL_CONTROL_READY,
	FL_CONTROL_CACHE_READY,
	FL_CONTROL_CACHE_BAD,
	FL_CONTROL_FAILED,
	FL_CONTROL_END
};
/* clang-format on */

struct fl_welcome {
	uint32_t role, index;
	uint32_t fronts, resolvers; /* how many there are */
	uint64_t boot_id;
	uint64_t sketch_bytes; /* of one front's sketch */
	uint64_t seed[2];      /* secret of this run, for tables that clients could aim at */
	uint64_t cookie[2];    /* server cookie secret, shared by all fronts */
	/* Who may say who it is. A role that is greeted has a key of its own; who greets it has
	 * the one value that proves its role and index there, and no other. Zero where a role
	 * needs none. */
	uint64_t greeting[2];  /* keeper, resolver: the key for fl_control_hello() */
	uint64_t hello_keeper; /* what this role says to the keeper, in HELLO's job_id */
	uint64_t hello_resolver[FL_CONTROL_RESOLVERS_MAX]; /* and to each resolver */
};

/** What a peer of @p role and @p index says in HELLO's job_id to the holder of @p greeting. */
uint64_t fl_control_hello(const uint64_t greeting[static 2], enum fl_role role, uint32_t index);

enum fl_welcome_fd {
	FL_WELCOME_CONFIG,      /* effective configuration, text */
	FL_WELCOME_MODE,        /* read */
	FL_WELCOME_GENERATIONS, /* read; keeper: write */
	FL_WELCOME_COUNTERS,    /* write: its own block */
	FL_WELCOME_FOLDER,      /* front, keeper: the cache's folder, the only one they may open
				   files in */
	FL_WELCOME_FDS
};

#endif
