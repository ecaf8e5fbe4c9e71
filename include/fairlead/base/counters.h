/**
 * @file
 * What each process counts, in memory that admin and the tests read.
 *
 * One block a process, one writer a block, no locks: a reader sees each number
 * whole, though not all of one moment. Names are those of the metrics
 * (fairlead_<name>_total). Events are counted before they are judged, so that a
 * refused flood still shows.
 */
#ifndef FAIRLEAD_BASE_COUNTERS_H
#define FAIRLEAD_BASE_COUNTERS_H

#include <stdint.h>

/* clang-format off */
#define FL_COUNTERS(X) \
	/* front */ \
	X(questions_udp,        "questions received over UDP") \
	X(questions_tcp,        "questions received over TCP") \
	X(answers_cached,       "answers from the cache") \
	X(answers_local,        "answers from local data") \
	X(answers_resolved,     "answers that waited for a resolver") \
	X(answers_failed,       "SERVFAIL answers") \
	X(answers_truncated,    "UDP answers with TC=1") \
	X(dropped_malformed,    "messages dropped unanswered: too short, or a response") \
	X(dropped_overload,     "questions dropped because a queue was full") \
	X(formerr,              "FORMERR answers") \
	X(notimp,               "NOTIMP answers") \
	X(badvers,              "BADVERS answers") \
	X(refused_access,       "REFUSED by the access list") \
	X(refused_recursion,    "REFUSED because RD=0 and nothing is cached") \
	X(rate_limited,         "answers dropped or truncated by a rate limit") \
	X(cookies_bad,          "server cookies that were not ours") \
	X(limit_client,         "questions over the client limit") \
	X(limit_zone,           "questions over the zone limit") \
	X(limit_resolver,       "questions over the resolver limit") \
	X(merged,               "questions that joined one in flight") \
	X(deadline,             "questions whose client deadline passed") \
	X(asked_again,          "questions asked again after a resolver's death") \
	X(ready_hits,           "those cache hits that a front's own table answered") \
	X(cache_hits,           "cache lookups answered") \
	X(cache_expired,        "cache lookups that found an expired record") \
	X(cache_misses,         "cache lookups without a record") \
	X(cache_damaged,        "records refused: checksum, format or lengths") \
	X(loop_stalls,          "loop turns longer than 2 ms") \
	X(loop_stalls_own,      "those of them that did not wait for a processor meanwhile") \
	/* transport */ \
	X(udp_receive_overflow, "datagrams lost in a full receive buffer") \
	X(udp_send_errors,      "replies the kernel did not take") \
	X(udp_send_queued,      "replies that had to wait for the socket") \
	X(tcp_accepted,         "TCP connections accepted") \
	X(tcp_overflow,         "TCP connections closed at a limit") \
	X(tcp_idle_closed,      "TCP connections closed idle") \
	X(tcp_broken,           "TCP connections closed for broken framing or a full output") \
	/* messages between roles */ \
	X(ipc_sent,             "messages sent to other roles") \
	X(ipc_received,         "messages received from other roles") \
	X(ipc_refused,          "messages refused: foreign, malformed or out of place") \
	X(ipc_dropped,          "messages dropped because a peer was behind or gone") \
	/* resolver */ \
	X(resolved_secure,      "validated answers") \
	X(resolved_insecure,    "unsigned answers") \
	X(resolved_bogus,       "answers that failed validation") \
	X(resolved_failed,      "questions that failed") \
	X(resolver_refused,     "questions over a limit of the resolver") \
	X(contexts_made,        "libunbound contexts made") \
	X(upstream_timers,      "timers libunbound set, about its packets sent") \
	/* keeper */ \
	X(stored,               "records stored") \
	X(store_refused,        "records refused: not the resolver's shard, malformed, too large") \
	X(refresh_asked,        "popular names asked again at their expiry") \
	X(refresh_dropped,      "popular names not asked again: too much else to do") \
	X(evicted,              "records evicted") \
	X(commits,              "transactions committed") \
	X(write_errors,         "failed writes to the cache file") \
	X(readers_cleared,      "reader slots of dead processes cleared")
/* clang-format on */

enum { FL_HISTOGRAM_BUCKETS = 96 };

/** Times in nanoseconds, four buckets an octave from 1 us: index 0 is below that. */
struct fl_histogram {
	uint64_t bucket[FL_HISTOGRAM_BUCKETS];
	uint64_t sum_ns, count;
};

struct fl_counters {
#define X(name, help) uint64_t name;
	FL_COUNTERS(X)
#undef X
	/* gauges, written by their owner */
	uint64_t heartbeat_ns; /* boot clock of the last loop turn */
	uint64_t committing; /* keeper: not 0 during a commit, which a slow disk may stretch */
	uint64_t in_flight;  /* front: questions waiting; resolver: jobs */
	uint64_t cache_entries, cache_bytes; /* keeper */
	/* front: boot clock of the batch whose read transaction is open, which keeps the keeper
	 * from using old pages again; 0: none is */
	uint64_t reading_since;
	uint64_t loop_own_max_ns; /* front: the longest turn, less what it waited for a
				     processor */
	struct fl_histogram answer_cached, answer_resolved, loop_turn;
};

/** Single-writer increment that a reader in another process sees whole. */
#define FL_COUNT_ADD(counters, name, by) \
	__atomic_store_n(&(counters)->name, (counters)->name + (uint64_t)(by), __ATOMIC_RELAXED)

void fl_histogram_add(struct fl_histogram *h, uint64_t ns);
/** Upper bound in nanoseconds of bucket @p i (itself outside); UINT64_MAX for the last. */
uint64_t fl_histogram_bound_ns(unsigned i);

enum { FL_HISTOGRAM_TEXT_MAX = 640 };

/**
 * What was counted, by octave from 16 us to 8 s: "16us=5 2048us=1 above=1" is 5 times under
 * 16.000 us, one under 2,048 us and one of more than the last bound. Octaves without any are
 * left out; "" for none at all. Returns @p out.
 */
const char *fl_histogram_text(const struct fl_histogram *h,
			      char out[static FL_HISTOGRAM_TEXT_MAX]);

#endif
