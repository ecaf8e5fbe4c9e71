/* Inside the keeper: connections in keeper.c, what becomes of an answer in store.c. */
#ifndef FL_KEEPER_PRIVATE_H
#define FL_KEEPER_PRIVATE_H

#include "fairlead/cache/cache.h"
#include "fairlead/cache/sketch.h"
#include "fairlead/ipc/acceptor.h"
#include "fairlead/ipc/role.h"
#include "refresh.h"

#include <uv.h>

enum {
	FL_KEEPER_FRONTS = 64,
	FL_KEEPER_COMMIT_RECORDS = 1000,
	FL_KEEPER_COMMIT_MS = 1000, /* from the first record on */
	FL_KEEPER_DRAIN_MS = 50,
	FL_KEEPER_EVICT_STEPS = 128, /* records looked at for one stored, while over the mark */
	FL_KEEPER_RECORD_BYTES =
		400, /* of the map, about; bounds the list of those to refresh */
	FL_KEEPER_REFRESH_TTL_MIN_S = 5, /* shorter ones would be asked for all the time */
	FL_KEEPER_REFRESH_HITS =
		3, /* by the sketch: the question that stored it, and two more */
	FL_KEEPER_READERS_MS = 200,      /* between looks for readers that have died */
	FL_KEEPER_REFRESH_BURST = 200,   /* a second; the first work to be dropped under load */
	FL_KEEPER_FAILURE_MEMORY_S = 600 /* a failure after that is the first again */
};

struct keeper {
	struct fl_role_self self;
	struct fl_cache *cache;    /* NULL: nothing is stored */
	uint32_t cache_generation; /* whose file that is */
	struct fl_record_limits limits;
	struct fl_sketch sketch[FL_KEEPER_FRONTS];
	unsigned n_sketches;
	struct fl_acceptor *resolvers; /* what each may store is its index's shard */
	uv_timer_t commit, second, readers;
	uint64_t changed[FL_KEEPER_COMMIT_RECORDS]; /* key hashes put and not yet committed */
	unsigned n_changed;
	struct fl_refresh refresh;
	unsigned refreshed; /* in this second */
	struct fl_log_gate write_gate;
	uint8_t record[FL_RECORD_MAX];
};

/* store.c */
unsigned fl__keeper_popularity(void *keeper, uint64_t hash);
void fl__keeper_store(struct keeper *k, unsigned resolver, const struct fl_frame *f);
void fl__keeper_commit(struct keeper *k);
/* what the watchdog reads: the loop may stand still for the disk's sake */
void fl__keeper_mark_disk(struct keeper *k, bool waits);

#endif
