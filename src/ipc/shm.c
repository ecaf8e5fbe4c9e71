#include "fairlead/ipc/shm.h"

#include "fairlead/wire/name.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum fl_err fl_shm_make(const char *name, size_t size, int *fd_write, int *fd_read)
{
	char path[40];
	const int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		return FL_ESYSTEM;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	/* sealed in size: a role that cut its segment would kill its readers by SIGBUS */
	if (ftruncate(fd, (off_t)size) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
		close(fd);
		return FL_ESYSTEM;
	}
	const int fd_ro = open(path, O_RDONLY | O_CLOEXEC);
	if (fd_ro < 0) {
		close(fd);
		return FL_ESYSTEM;
	}
	*fd_write = fd;
	*fd_read = fd_ro;
	return FL_OK;
}

enum fl_err fl_shm_map(int fd, size_t size, bool writable, void **at)
{
	struct stat st;
	if (fstat(fd, &st) != 0) {
		return FL_ESYSTEM;
	}
	if (st.st_size != (off_t)size) {
		return FL_EINVALID;
	}
	/* with all its pages: a sketch is read and written all over, and each page that is made
	 * by the first question which needs it costs that one several microseconds */
	void *m = mmap(NULL, size, writable ? PROT_READ | PROT_WRITE : PROT_READ,
		       MAP_SHARED | MAP_POPULATE, fd, 0);
	if (m == MAP_FAILED) {
		return FL_ESYSTEM;
	}
	*at = m;
	return FL_OK;
}

/* --- flush rules: one writer, readers that never wait for it --- */

enum { READ_TRIES = 3 };

/* Octet by octet and atomic, so that a reader in another process meets old or new ones, and the
 * compiler invents none in between; rules are few and seldom written. */
static void copy_in(uint8_t to[static FL_NAME_MAX], const uint8_t *name, size_t len)
{
	uint8_t lower[FL_NAME_MAX];
	fl_name_lower(lower, name, len);
	for (size_t i = 0; i < len; i++) {
		__atomic_store_n(&to[i], lower[i], __ATOMIC_RELAXED);
	}
}

static uint32_t last_used(const struct fl_generations *g)
{
	uint32_t n = FL_FLUSH_RULES;
	while (n > 0 && g->rule[n - 1].used == 0) {
		n--;
	}
	return n;
}

void fl_flush_rule_write(struct fl_generations *g, unsigned i, const uint8_t *suffix,
			 uint64_t before_ns)
{
	assert(i < FL_FLUSH_RULES);
	struct fl_flush_rule *r = &g->rule[i];
	const uint32_t seq = r->seq | 1; /* a writer that died in here left it odd */
	__atomic_store_n(&r->seq, seq, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE); /* who sees a field below sees seq odd */
	if (suffix != NULL) {
		copy_in(r->suffix, suffix, fl_name_len(suffix));
	}
	__atomic_store_n(&r->before_ns, before_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&r->used, suffix != NULL, __ATOMIC_RELAXED);
	__atomic_store_n(&r->seq, seq + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&g->rules_used, last_used(g), __ATOMIC_RELEASE);
}

/* A name that ends inside its field; whoever wrote it, it is walked no further. */
static bool is_name(const uint8_t suffix[static FL_NAME_MAX])
{
	size_t at = 0;
	while (at < FL_NAME_MAX && suffix[at] != 0 && suffix[at] <= FL_LABEL_MAX) {
		at += suffix[at] + 1U;
	}
	return at < FL_NAME_MAX && suffix[at] == 0;
}

/* One look at a rule: false when it was being written. */
static bool covers(const struct fl_flush_rule *r, uint64_t boot_ns, const uint8_t *name,
		   bool *yes)
{
	uint8_t suffix[FL_NAME_MAX];
	const uint32_t seq = __atomic_load_n(&r->seq, __ATOMIC_ACQUIRE);
	const bool applies = __atomic_load_n(&r->used, __ATOMIC_RELAXED) != 0 &&
			     boot_ns <= __atomic_load_n(&r->before_ns, __ATOMIC_RELAXED);
	for (size_t i = 0; applies && i < sizeof(suffix); i++) {
		suffix[i] = __atomic_load_n(&r->suffix[i], __ATOMIC_RELAXED);
	}
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if ((seq & 1) != 0 || __atomic_load_n(&r->seq, __ATOMIC_RELAXED) != seq) {
		return false;
	}
	*yes = applies && (!is_name(suffix) || fl_name_is_under(name, suffix));
	return true;
}

bool fl_generations_flushed(const struct fl_generations *g, uint64_t now_boot_id,
			    uint64_t boot_id, uint64_t boot_ns, const uint8_t *name)
{
	const uint32_t n = __atomic_load_n(&g->rules_used, __ATOMIC_ACQUIRE);
	/* a record of an earlier boot is older than any rule of this one */
	const uint64_t stored_ns = boot_id == now_boot_id ? boot_ns : 0;
	for (uint32_t i = 0; i < n && i < FL_FLUSH_RULES; i++) {
		bool yes = true;
		for (unsigned tries = 0;
		     tries < READ_TRIES && !covers(&g->rule[i], stored_ns, name, &yes);
		     tries++) {
		}
		if (yes) {
			return true;
		}
	}
	return false;
}
