/* Shared segments, and where the cache lies. */
#include "fairlead/base/clock.h"
#include "fairlead/cache/cache.h"
#include "fairlead/cache/sketch.h"
#include "supervisor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
	LOCK_AT_MIN = 256,
	LOCK_AT_MAX = 16384, /* the kernel's table of descriptors grows to it: 8 octets each */
	LOCK_BELOW_LIMIT = 16,
	FOLDER_DEPTH = 2,
	OLD_FILE_S = 1 /* fronts close it within milliseconds of a new one */
};

#define MEMORY_BASE "/dev/shm"

static enum fl_err make_child_segments(struct supervisor *s, struct child *c)
{
	void *at = NULL;
	enum fl_err err = fl_shm_make("fairlead-counters", sizeof(*c->counters),
				      &c->counters_write, &c->counters_read);
	if (err == FL_OK) {
		err = fl_shm_map(c->counters_read, sizeof(*c->counters), false, &at);
	}
	if (err != FL_OK) {
		return err;
	}
	c->counters = at;
	if (c->role == FL_ROLE_FRONT) {
		err = fl_shm_make("fairlead-sketch", s->welcome.sketch_bytes, &c->sketch_write,
				  &c->sketch_read);
	}
	return err;
}

enum fl_err fl__storage_make_segments(struct supervisor *s)
{
	void *at = NULL;
	s->welcome.sketch_bytes = fl_sketch_bytes(s->config->cache.size);
	enum fl_err err =
		fl_shm_make("fairlead-mode", sizeof(*s->mode), &s->mode_write, &s->mode_read);
	if (err == FL_OK) {
		err = fl_shm_map(s->mode_write, sizeof(*s->mode), true, &at);
	}
	if (err == FL_OK) {
		s->mode = at;
		s->mode->boot_id = s->welcome.boot_id;
		err = fl_shm_make("fairlead-generations", sizeof(struct fl_generations),
				  &s->generations_write, &s->generations_read);
	}
	for (unsigned i = 0; err == FL_OK && i < s->n_children; i++) {
		err = make_child_segments(s, &s->child[i]);
	}
	if (err != FL_OK) {
		fl_log(FL_LOG_ERROR, "cannot make shared memory: %s", strerror(errno));
	}
	return err;
}

/* --- the cache --- */

/* Will the file fit? It is preallocated: what it has already counts. */
static bool has_room(const struct supervisor *s, int generation_fd)
{
	struct statvfs v;
	struct stat st;
	uint64_t have = 0;
	if (fstatvfs(generation_fd, &v) != 0 || faccessat(generation_fd, ".", W_OK, 0) != 0) {
		return false;
	}
	if (fstatat(generation_fd, "data.mdb", &st, AT_SYMLINK_NOFOLLOW) == 0) {
		have = (uint64_t)st.st_blocks * 512;
	}
	return have + (uint64_t)v.f_bavail * v.f_frsize >= s->config->cache.size;
}

/* The number at which each role finds the lock: above all that it opens, within its bounds. */
static unsigned lock_number(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur < LOCK_AT_MIN) {
		return LOCK_AT_MIN;
	}
	return (unsigned)(r.rlim_cur < LOCK_AT_MAX ? r.rlim_cur : LOCK_AT_MAX) -
	       LOCK_BELOW_LIMIT;
}

static enum fl_err hold(int fd, struct fl_cache_hold *out)
{
	unsigned looks = 0;
	enum fl_err err;
	do {
		err = fl_cache_hold(fd, lock_number(), out);
	} while (err == FL_EBUSY && fl__held_pause(&looks));
	return err;
}

static enum fl_err open_in(struct supervisor *s, const char *folder, bool renew, char *problem,
			   size_t size)
{
	unsigned generation;
	struct fl_cache_hold held;
	int fd;
	enum fl_err err = fl_cache_folder_open(folder, renew, &fd, &generation, problem, size);
	if (err != FL_OK) {
		return err;
	}
	/* a new generation: the roles have the old one open still, and its room with it */
	if (!renew && !has_room(s, fd)) {
		close(fd);
		snprintf(problem, size,
			 "%s has no room for cache.size (%llu MiB), or is read-only", folder,
			 (unsigned long long)s->config->cache.size >> 20);
		return FL_ENOSPACE;
	}
	if ((err = hold(fd, &held)) != FL_OK) {
		close(fd);
		snprintf(problem, size, "%s is in use by another fairleadd", folder);
		return err;
	}
	if (s->has_cache) {
		fl_cache_hold_close(&s->hold);
	}
	s->has_cache = true;
	s->hold = held;
	s->generation = generation;
	return FL_OK;
}

static enum fl_err open_base(struct supervisor *s, const char *folder)
{
	const int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return FL_ESYSTEM;
	}
	s->folder_fd = fd;
	snprintf(s->folder, sizeof(s->folder), "%s", folder);
	return FL_OK;
}

/* Closes @p dir_fd. Nothing of ours lies deeper than a generation's folder. */
static void delete_below(int dir_fd, unsigned depth)
{
	DIR *d = fdopendir(dir_fd);
	if (d == NULL) {
		close(dir_fd);
		return;
	}
	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
			continue;
		}
		if (unlinkat(dirfd(d), e->d_name, 0) != 0 && errno == EISDIR && depth > 1) {
			const int sub = openat(dirfd(d), e->d_name,
					       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (sub >= 0) {
				delete_below(sub, depth - 1);
			}
			unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
		}
	}
	closedir(d);
}

/* Ours, and nobody lives in it? Anybody may make a folder of such a name there. */
static bool is_left_behind(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
	       flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* Folders in memory of instances that were killed: nobody holds their lock. */
static void delete_left_behind(const char *prefix)
{
	DIR *d = opendir(MEMORY_BASE);
	if (d == NULL) {
		return;
	}
	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		if (strncmp(e->d_name, prefix, strlen(prefix)) != 0) {
			continue;
		}
		const int fd = openat(dirfd(d), e->d_name,
				      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0) {
			continue;
		}
		if (is_left_behind(fd)) {
			delete_below(fd, FOLDER_DEPTH);
			unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
		} else {
			close(fd);
		}
	}
	closedir(d);
}

/* A cache that lives in memory: lost with this program, but there. Its lock says that somebody
 * lives. */
static enum fl_err open_memory(struct supervisor *s)
{
	char problem[512], prefix[40], folder[64];
	snprintf(prefix, sizeof(prefix), "fairlead-%u-", (unsigned)geteuid());
	snprintf(folder, sizeof(folder), "%s/%sXXXXXX", MEMORY_BASE, prefix);
	delete_left_behind(prefix);
	if (mkdtemp(folder) == NULL) {
		return FL_ESYSTEM;
	}
	s->memory_lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->memory_lock < 0 || flock(s->memory_lock, LOCK_EX | LOCK_NB) != 0) {
		return FL_ESYSTEM;
	}
	s->folder_is_memory = true;
	const enum fl_err err = open_in(s, folder, false, problem, sizeof(problem));
	return err == FL_OK ? open_base(s, folder) : err;
}

enum fl_err fl__storage_open_cache(struct supervisor *s)
{
	char problem[512] = "";
	s->folder_fd = s->old_file = -1;
	enum fl_err err = open_in(s, s->config->cache.folder, false, problem, sizeof(problem));
	if (err == FL_OK) {
		err = open_base(s, s->config->cache.folder);
	}
	if (err == FL_OK) {
		return FL_OK;
	}
	fl_log(FL_LOG_ERROR,
	       "no cache on disk: %s; using memory until this is mended and fairleadd "
	       "restarted",
	       problem[0] != '\0' ? problem : strerror(errno));
	if ((err = open_memory(s)) != FL_OK) {
		fl_log(FL_LOG_ERROR,
		       "no cache in memory either; every answer will come from the resolvers");
	}
	return FL_OK;
}

/* Who closes a deleted file last waits until the kernel has freed all of it: that shall be
 * us, and no front. */
static void keep_old_file(struct supervisor *s)
{
	fl__storage_release_old(s);
	s->old_file = s->has_cache ? openat(s->hold.folder_fd, "data.mdb",
					    O_PATH | O_NOFOLLOW | O_CLOEXEC)
				   : -1;
	s->old_file_ns = fl_clock_boot_ns();
}

void fl__storage_release_old(struct supervisor *s)
{
	if (s->old_file >= 0) {
		close(s->old_file);
	}
	s->old_file = -1;
}

void fl__storage_watch(struct supervisor *s)
{
	if (s->old_file >= 0 && s->cache_ready &&
	    fl_clock_boot_ns() - s->old_file_ns > OLD_FILE_S * FL_S_NS) {
		fl__storage_release_old(s);
	}
}

enum fl_err fl__storage_next_generation(struct supervisor *s, char *problem, size_t size)
{
	keep_old_file(s);
	return open_in(s, s->folder, true, problem, size);
}

void fl__storage_close(struct supervisor *s)
{
	fl__storage_release_old(s);
	if (s->has_cache) {
		fl_cache_hold_end(&s->hold);
	}
	if (!s->folder_is_memory || s->folder[0] == '\0') {
		return;
	}
	const int fd = open(s->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		delete_below(fd, FOLDER_DEPTH);
		rmdir(s->folder);
	}
}
