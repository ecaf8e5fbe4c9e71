#include "fairlead/cache/cache.h"
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDER_MODE = 0750, OPEN_FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

/* "<record format>-<lmdb major.minor>-<generation>" */
struct label {
	unsigned format, major, minor, generation;
};

struct request {
	const char *folder;
	struct label want; /* what this program writes; generation: newest found, 0: none */
	char *problem;
	size_t problem_size;
};

static enum fl_err fail(const struct request *q, const char *what, const char *name)
{
	const int e = errno;
	const char *why = e == ENOTDIR || e == ELOOP
				  ? "not a folder (symbolic links are not followed)"
				  : strerror(e);
	snprintf(q->problem, q->problem_size, "cannot %s %s%s%s: %s", what, q->folder,
		 name[0] != '\0' ? "/" : "", name, why);
	switch (e) {
	case EACCES:
	case EPERM:
	case EROFS:
		return FL_EDENIED;
	case ENOSPC:
	case EDQUOT:
		return FL_ENOSPACE;
	case ENOENT:
		return FL_ENOTFOUND;
	default:
		return FL_ESYSTEM;
	}
}

/* A number without sign or leading zeros; returns what follows, NULL if there is none. */
static const char *read_number(const char *at, unsigned *out)
{
	if (*at < '0' || *at > '9' || (at[0] == '0' && at[1] >= '0' && at[1] <= '9')) {
		return NULL;
	}
	uint64_t n = 0;
	for (; *at >= '0' && *at <= '9'; at++) {
		n = n * 10 + (uint64_t)(*at - '0');
		if (n > INT_MAX) {
			return NULL;
		}
	}
	*out = (unsigned)n;
	return at;
}

static bool read_label(const char *name, struct label *out)
{
	static const char separators[] = { '-', '.', '-', '\0' };
	unsigned *const fields[] = { &out->format, &out->major, &out->minor, &out->generation };
	for (unsigned i = 0; i < FL_COUNT(fields); i++) {
		name = read_number(name, fields[i]);
		if (name == NULL || *name != separators[i]) {
			return false;
		}
		name++;
	}
	return true;
}

static void write_label(const struct label *l, char buf[static 64])
{
	snprintf(buf, 64, "%u-%u.%u-%u", l->format, l->major, l->minor, l->generation);
}

static int compare(unsigned a, unsigned b)
{
	return (a > b) - (a < b);
}

/* Below 0: @p l is of an older format, library or generation than @p than. */
static int compare_labels(const struct label *l, const struct label *than)
{
	const int by[] = {
		compare(l->format, than->format),
		compare(l->major, than->major),
		compare(l->minor, than->minor),
		compare(l->generation, than->generation),
	};
	for (unsigned i = 0; i < FL_COUNT(by); i++) {
		if (by[i] != 0) {
			return by[i];
		}
	}
	return 0;
}

/* Delete one generation: the two files that it can hold, and itself if that was all. */
static void delete_generation(int fd, const char *name)
{
	const int old = openat(fd, name, OPEN_FOLDER);
	if (old < 0) {
		return;
	}
	unlinkat(old, "data.mdb", 0);
	unlinkat(old, "lock.mdb", 0);
	close(old);
	unlinkat(fd, name, AT_REMOVEDIR);
}

/* Call @p each for every generation in the folder. */
static enum fl_err walk(int fd,
			void (*each)(int fd, const char *name, const struct label *l,
				     struct request *q, bool renew),
			struct request *q, bool renew)
{
	const int own = openat(fd, ".", OPEN_FOLDER);
	DIR *dir = own >= 0 ? fdopendir(own) : NULL;
	if (dir == NULL) {
		const enum fl_err err = fail(q, "list", "");
		if (own >= 0) {
			close(own);
		}
		return err;
	}
	for (struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) {
		struct label l;
		if (read_label(d->d_name, &l)) {
			each(fd, d->d_name, &l, q, renew);
		}
	}
	closedir(dir);
	return FL_OK;
}

static void find_newest(int fd, const char *name, const struct label *l, struct request *q,
			bool renew)
{
	(void)fd;
	(void)name;
	(void)renew;
	struct label same = *l;
	same.generation = q->want.generation;
	if (compare_labels(&same, &q->want) == 0 && l->generation > q->want.generation) {
		q->want.generation = l->generation;
	}
}

/* The older ones always, with @p renew all others. Who has them open keeps their octets. */
static void delete_other(int fd, const char *name, const struct label *l, struct request *q,
			 bool renew)
{
	const int order = compare_labels(l, &q->want);
	if (order < 0 || (renew && order > 0)) {
		delete_generation(fd, name);
	}
}

/* Make @p folder and at most its last parent. */
static void make_folder(const char *folder)
{
	if (mkdir(folder, FOLDER_MODE) == 0 || errno != ENOENT) {
		return;
	}
	char parent[PATH_MAX];
	const char *slash = strrchr(folder, '/');
	const size_t n = slash != NULL ? (size_t)(slash - folder) : 0;
	if (n == 0 || n >= sizeof(parent)) {
		return;
	}
	memcpy(parent, folder, n);
	parent[n] = '\0';
	if (mkdir(parent, FOLDER_MODE) == 0) {
		(void)!mkdir(folder, FOLDER_MODE); /* opening it tells */
	}
}

static enum fl_err open_generation(int folder_fd, const struct request *q, int *fd)
{
	char name[64];
	write_label(&q->want, name);
	if (mkdirat(folder_fd, name, FOLDER_MODE) != 0 && errno != EEXIST) {
		return fail(q, "make", name);
	}
	const int got = openat(folder_fd, name, OPEN_FOLDER);
	if (got < 0) {
		return fail(q, "open", name);
	}
	*fd = got;
	return FL_OK;
}

static enum fl_err choose_generation(int folder_fd, struct request *q, bool renew, int *fd)
{
	enum fl_err err = walk(folder_fd, find_newest, q, false);
	if (err != FL_OK) {
		return err;
	}
	if (renew || q->want.generation == 0) {
		q->want.generation++;
	}
	err = open_generation(folder_fd, q, fd);
	if (err != FL_OK) {
		return err;
	}
	return walk(folder_fd, delete_other, q, renew);
}

enum fl_err fl_cache_folder_open(const char *folder, bool renew, int *fd, unsigned *generation,
				 char *problem, size_t problem_size)
{
	int major, minor;
	fl__store_version(&major, &minor);
	struct request q = {
		.folder = folder,
		.want = { FL_RECORD_FORMAT, (unsigned)major, (unsigned)minor, 0 },
		.problem = problem,
		.problem_size = problem_size,
	};
	int folder_fd = open(folder, OPEN_FOLDER);
	if (folder_fd < 0 && errno == ENOENT) {
		make_folder(folder);
		folder_fd = open(folder, OPEN_FOLDER);
	}
	if (folder_fd < 0) {
		return fail(&q, "open", "");
	}
	int got = -1;
	const enum fl_err err = choose_generation(folder_fd, &q, renew, &got);
	close(folder_fd);
	if (err != FL_OK) {
		if (got >= 0) {
			close(got);
		}
		return err;
	}
	*fd = got;
	*generation = q.want.generation;
	return FL_OK;
}
