#include "jobs.h"

#include "fairlead/wire/name.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct fl__zone { /* a zone part that has jobs */
	struct fl__zone *next;
	uint64_t hash;
	unsigned jobs;
	size_t name_len;
	uint8_t name[];
};

enum fl_err fl__jobs_init(struct fl__jobs *jobs, unsigned max, unsigned max_zone)
{
	size_t buckets = 64;
	while (buckets < max) {
		buckets *= 2;
	}
	*jobs = (struct fl__jobs){ .mask = buckets - 1, .max = max, .max_zone = max_zone };
	uint8_t seed[16];
	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed)) {
		return FL_ESYSTEM;
	}
	jobs->key = fl_sipkey_from_octets(seed);
	jobs->bucket = calloc(buckets, sizeof(struct fl__job *));
	jobs->zone_bucket = calloc(buckets, sizeof(struct fl__zone *));
	if (jobs->bucket == NULL || jobs->zone_bucket == NULL) {
		fl__jobs_fini(jobs);
		return FL_ENOMEM;
	}
	return FL_OK;
}

void fl__jobs_fini(struct fl__jobs *jobs)
{
	assert(jobs->n == 0);
	free(jobs->bucket);
	free(jobs->zone_bucket);
	jobs->bucket = NULL;
	jobs->zone_bucket = NULL;
}

static uint64_t hash_of(const struct fl__jobs *jobs, const uint8_t *name, size_t len,
			uint16_t type)
{
	uint8_t key[FL_NAME_MAX + 2];
	memcpy(key, name, len);
	key[len] = (uint8_t)(type >> 8);
	key[len + 1] = (uint8_t)type;
	return fl_siphash13(jobs->key, key, len + 2);
}

struct fl__job *fl__jobs_find(struct fl__jobs *jobs, const uint8_t *name, uint16_t type)
{
	size_t len = fl_name_len(name);
	uint64_t hash = hash_of(jobs, name, len, type);
	struct fl__job *j = jobs->bucket[hash & jobs->mask];
	while (j != NULL && (j->hash != hash || j->type != type || j->name_len != len ||
			     memcmp(j->name, name, len) != 0)) {
		j = j->next_in_bucket;
	}
	return j;
}

/* The zone's counter, made when it has none. NULL: out of memory. */
static struct fl__zone *zone_of(struct fl__jobs *jobs, const uint8_t *name)
{
	const uint8_t *part = fl_name_zone_part(name);
	size_t len = fl_name_len(part);
	uint64_t hash = fl_siphash13(jobs->key, part, len);
	struct fl__zone **bucket = &jobs->zone_bucket[hash & jobs->mask];
	for (struct fl__zone *z = *bucket; z != NULL; z = z->next) {
		if (z->hash == hash && z->name_len == len && memcmp(z->name, part, len) == 0) {
			return z;
		}
	}
	struct fl__zone *z = malloc(sizeof(*z) + len);
	if (z == NULL) {
		return NULL;
	}
	*z = (struct fl__zone){ .next = *bucket, .hash = hash, .name_len = len };
	memcpy(z->name, part, len);
	*bucket = z;
	return z;
}

static void zone_leave(struct fl__jobs *jobs, struct fl__zone *z)
{
	if (--z->jobs > 0) {
		return;
	}
	struct fl__zone **at = &jobs->zone_bucket[z->hash & jobs->mask];
	while (*at != z) {
		at = &(*at)->next;
	}
	*at = z->next;
	free(z);
}

enum fl_err fl__jobs_add(struct fl__jobs *jobs, const uint8_t *name, uint16_t type,
			 struct fl__job **out, enum fl_reason *why)
{
	if (jobs->n >= jobs->max) {
		*why = FL_REASON_LIMIT_RESOLVER;
		return FL_EBUSY;
	}
	struct fl__zone *zone = zone_of(jobs, name);
	if (zone == NULL) {
		return FL_ENOMEM;
	}
	if (zone->jobs >= jobs->max_zone) {
		*why = FL_REASON_LIMIT_ZONE;
		return FL_EBUSY;
	}
	zone->jobs++;
	size_t len = fl_name_len(name);
	struct fl__job *j = calloc(1, sizeof(*j) + len);
	if (j == NULL) {
		zone_leave(jobs, zone);
		return FL_ENOMEM;
	}
	fl_list_init(&j->at);
	j->last_waiter = &j->waiters;
	j->zone = zone;
	j->hash = hash_of(jobs, name, len, type);
	j->type = type;
	j->name_len = len;
	memcpy(j->name, name, len);
	struct fl__job **bucket = &jobs->bucket[j->hash & jobs->mask];
	j->next_in_bucket = *bucket;
	*bucket = j;
	jobs->n++;
	*out = j;
	return FL_OK;
}

enum fl_err fl__job_wait(struct fl__job *job, fl_engine_answer_fn answer, void *arg,
			 uint64_t ticket)
{
	struct fl__waiter *w = malloc(sizeof(*w));
	if (w == NULL) {
		return FL_ENOMEM;
	}
	*w = (struct fl__waiter){ .answer = answer, .arg = arg, .ticket = ticket };
	*job->last_waiter = w;
	job->last_waiter = &w->next;
	return FL_OK;
}

void fl__jobs_take(struct fl__jobs *jobs, struct fl__job *job)
{
	struct fl__job **at = &jobs->bucket[job->hash & jobs->mask];
	while (*at != job) {
		at = &(*at)->next_in_bucket;
	}
	*at = job->next_in_bucket;
	zone_leave(jobs, job->zone);
	job->zone = NULL;
	jobs->n--;
}

void fl__job_free(struct fl__job *job)
{
	fl_list_remove(&job->at);
	for (struct fl__waiter *w = job->waiters, *next; w != NULL; w = next) {
		next = w->next;
		free(w);
	}
	free(job->packet);
	free(job);
}
