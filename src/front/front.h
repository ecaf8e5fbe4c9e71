/*
 * Inside the front. One struct query lives on the stack for the part of a
 * question that needs no waiting; of who must wait a struct waiter keeps what the
 * reply will need, hung on the job that its question shares with others.
 */
#ifndef FL_FRONT_PRIVATE_H
#define FL_FRONT_PRIVATE_H

#include "fairlead/base/list.h"
#include "fairlead/cache/cache.h"
#include "fairlead/cache/ready.h"
#include "fairlead/cache/sketch.h"
#include "fairlead/ipc/role.h"
#include "fairlead/policy/access.h"
#include "fairlead/policy/cookie.h"
#include "fairlead/policy/local.h"
#include "fairlead/policy/ratelimit.h"
#include "fairlead/transport/tcp.h"
#include "fairlead/transport/udp.h"

#include <uv.h>

enum {
	FL_FRONT_RESOLVERS_MAX = 32,
	FL_FRONT_BUCKETS = 4096, /* of the table of jobs */
	FL_FRONT_CLIENT_SLOTS =
		65536, /* counters of waiting questions, by keyed hash of the address */
	FL_FRONT_ZONE_SLOTS = 65536,
	FL_FRONT_STALL_MS = 2,
	FL_FRONT_DEADLINE_MS =
		4400, /* with the sweep below: every question ends within 4.5 s */
	FL_FRONT_SWEEP_MS = 50,
	/* Those who join a question in flight, at most, as a multiple of limits.resolver: the
	 * jobs' own bound does not see them, and over UDP their addresses may be forged. With
	 * the first of each job that is 4 waiters a job, 4 MiB at the default of 2,048.
	 * More is refused to them alone, never to a name that nobody else asks. */
	FL_FRONT_JOIN_TIMES = 3,
	FL_FRONT_KEPT_MAX = FL_HEADER_SIZE + FL_NAME_MAX + 4, /* of a message that waits */
	FL_FRONT_REOPEN_MS = 1000, /* a cache that could not be opened or read is tried again */
	FL_FRONT_DRAIN_MS = 1000,  /* what a drain lets a waiting question have */
	FL_FRONT_REPLY_MAX = FL_MESSAGE_MAX
};

struct front;

struct listener {
	struct fl_list node;
	struct front *front;
	struct fl_addr at;
	struct fl_udp *udp; /* one of the two */
	struct fl_tcp *tcp;
};

/* Where an answer goes back to. */
struct way_back {
	struct listener *listener;
	struct fl_udp_return udp;
	struct fl_tcp_conn_id conn;
};

enum step {              /* what a stage made of a question */
	    STEP_NEXT,   /* not ended here */
	    STEP_ANSWER, /* the reply is written: out_len octets */
	    STEP_DROP,   /* no reply at all */
	    STEP_WAIT    /* copied into a waiter */
};

/* A question during the stages that need no waiting. */
struct query {
	struct front *front;
	struct fl_question q;
	struct fl_addr client;
	struct way_back way;
	struct fl_cache_key key;
	unsigned shape;
	uint32_t generation; /* of the key's slot, before the batch's transaction was renewed */
	enum step step;
	struct fl_reply_opts opts;
	uint8_t cookie[FL_COOKIE_LEN];
	uint8_t *out; /* the transport's */
	size_t cap, out_len;
};

/*
 * A client's question that waits: not its message, which may hold 64 KiB, but what the reply
 * will need: the header and question as they were spelled, and what was understood of its OPT.
 */
struct waiter {
	struct fl_list in_job, in_line; /* line: by arrival, so that deadlines are in order */
	struct job *job;
	struct way_back way;
	uint64_t deadline_ns;
	uint16_t client_slot;
	bool counted; /* in the client's limit */
	bool joined;  /* a job that was there already */
	bool has_cookie;
	uint8_t cookie[FL_COOKIE_LEN];
	struct fl_question q; /* of the octets below */
	uint8_t kept[FL_FRONT_KEPT_MAX];
};

/* One question in flight to a resolver, for all who wait for it. */
struct job {
	struct fl_list in_bucket, in_upstream, waiters;
	struct fl_cache_key key;
	uint64_t id;
	uint64_t asked_ns; /* 0: not sent yet */
	unsigned resolver;
	uint16_t zone_slot;
	bool again; /* the resolver that was asked first died with it */
};

struct upstream { /* a resolver seen from here */
	struct front *front;
	unsigned index;
	struct fl_channel *channel; /* NULL while there is none */
	struct fl_list jobs;
	/* Bounded for each by itself: one that stalls takes no place from the others. */
	uint32_t n_jobs, n_joined;
};

struct pending {
	struct fl_list bucket[FL_FRONT_BUCKETS];
	struct fl_list line; /* all waiters */
	struct job **slot;   /* by the low half of a job id */
	uint32_t *stamp;     /* the high half, new for each use of a slot */
	uint32_t *free_slots;
	uint32_t n_free, max_jobs;
	uint32_t client[FL_FRONT_CLIENT_SLOTS];
	/* jobs by keyed hash of the zone part, as the resolver counts them: one zone that is
	 * flooded leaves the places of a resolver that stalls to the others */
	uint32_t zone[FL_FRONT_ZONE_SLOTS];
	uv_timer_t sweep;
};

/*
 * One turn of the loop: from the first work after the poll to the next poll. Its beginning is
 * the clock reading that the work needs anyway.
 */
struct turn {
	uv_prepare_t prepare;
	uv_check_t check;
	uint64_t begin_ns;  /* boot clock; 0: nothing has been done in this turn */
	uint64_t polled_ms; /* libuv's clock when the last poll returned */
	/* what the scheduler made us wait for a processor, and when we looked last */
	uint64_t waited_ns, looked_ns;
	uint64_t waited_before_ns; /* since the look before, when this turn's work began */
	int schedstat;             /* where that is read; -1 where the kernel does not say */
};

struct front {
	struct fl_role_self self;
	struct fl_cache *cache;  /* NULL: everything is a miss */
	int generation_fd;       /* its folder, kept to open it again; -1 none, or given up */
	uint64_t reopen_ns;      /* when that is tried, 0: not */
	uint32_t opened;         /* how often: with that, ready answers are void */
	uint64_t unreadable_ns;  /* since when no transaction could be begun, 0: it can */
	struct fl_sipkey secret; /* of the cache's keys, or the run's before there is one */
	struct fl_ready *ready;
	bool reading;   /* the batch's transaction is open */
	bool blind;     /* it could not be opened: this batch does without the cache */
	uint32_t epoch; /* before it was renewed; and f->opened in it */
	struct fl_sketch sketch;
	void *sketch_at; /* its mapping */
	bool has_sketch;
	struct fl_access *access;
	struct fl_ratelimit *errors, *per_client;
	struct fl_local *local;
	struct fl_cookie_secrets cookies;
	struct fl_record_limits limits;
	struct fl_list listeners;
	struct upstream up[FL_FRONT_RESOLVERS_MAX];
	struct pending pending;
	struct turn turn;
	struct fl_moment now; /* of the batch */
	bool draining;
	struct fl_log_gate cache_gate;
	struct query batch[FL_UDP_BATCH];
	uint8_t reply[FL_FRONT_REPLY_MAX]; /* for answers that come later, and for TCP */
	uint8_t record[FL_RECORD_MAX];     /* what came from a resolver, encoded */
};

/*
 * serve.c: a batch of clients' messages, in two steps, so that what all of them will
 * read of the tables is on its way from memory before the first is looked up.
 */
void fl__front_begin_batch(struct front *f);
/* view, screen, local data; q->step is STEP_NEXT where the tables decide */
void fl__front_open(struct query *q, struct front *f, const uint8_t *message, size_t len,
		    const struct way_back *way, const struct fl_addr *client, uint8_t *out,
		    size_t cap);
/* ready answers, the cache, a resolver; afterwards q->out_len octets go out now, if any */
void fl__front_close(struct query *q);
void fl__front_end_batch(struct front *f);
/* Write the reply and count it, whether it has waited or not: STEP_ANSWER, or STEP_DROP where
 * an error answer is over the error limit. */
enum step fl__front_reply_record(struct query *q, const struct fl_record *r, uint32_t age_s,
				 bool waited);
enum step fl__front_reply_failure(struct query *q, enum fl_reason reason);
void fl__front_send(const struct way_back *way, const uint8_t *reply, size_t len);
/* reply options of a question that was viewed; q->cookie must outlive the reply */
void fl__front_reply_opts(struct query *q, bool has_cookie);

/* front.c */
/* the cache's file is given up: the supervisor decides about it, and sends another */
void fl__front_cache_bad(struct front *f, enum fl_err err, const char *text);
void fl__front_reopen(struct front *f); /* where that is due */

/* turn.c: how long the loop's turns take */
void fl__turn_init(struct front *f); /* first of all that is on the loop; opens a file */
void fl__turn_fini(struct front *f);
/* work begins, at this boot clock */
void fl__turn_work(struct front *f, uint64_t now_ns);
void fl__turn_end(struct front *f, uint64_t now_ns);

/* pending.c: questions in flight */
enum fl_err fl__pending_init(struct front *f);
void fl__pending_start(struct front *f); /* the sweep begins */
void fl__pending_fini(struct front *f);  /* who still waits is not answered */
/* the question waits now, or @p why says which limit forbids it */
bool fl__pending_wait(struct query *q, enum fl_reason *why);
void fl__pending_answered(struct front *f, struct job *job, const struct fl_record *r);
void fl__pending_failed(struct front *f, struct job *job, enum fl_reason reason);
struct job *fl__pending_find(struct front *f, uint64_t id);
void fl__pending_forget(struct front *f, const struct listener *l);
void fl__pending_drain(struct front *f);
bool fl__pending_idle(const struct front *f);

/* upstream.c: the resolvers */
void fl__upstream_init(struct front *f);
enum fl_err fl__upstream_start(struct front *f);
void fl__upstream_fini(struct front *f);
void fl__upstream_ask(struct front *f, struct job *job);
void fl__upstream_retry(struct front *f); /* connections that could not be made */

#endif
