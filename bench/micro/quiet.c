/*
 * Counts what a cached answer must not do: allocate, lock, write, log.
 *
 * The C library's functions are replaced for the whole process, so that calls from inside of
 * LMDB and libuv count as well. There is one thread, and a replaced malloc() has no argument
 * for a context: hence the one global.
 */
#include "fairlead/base/log.h"
#include "micro.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
	bool on;
	struct quiet n;
} quiet;

void quiet_begin(void)
{
	quiet.n = (struct quiet){ 0 };
	quiet.on = true;
}

struct quiet quiet_end(void)
{
	quiet.on = false;
	return quiet.n;
}

/* In place of base/log.c. What a front says here is a failure of this program, and seldom. */
static void say(const char *fmt, va_list args) FL_PRINTF(1, 0);

static void say(const char *fmt, va_list args)
{
	quiet.n.lines += quiet.on;
	fputs("fairlead-micro: the front says: ", stderr);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

void fl_log(enum fl_log_level level, const char *fmt, ...)
{
	va_list args;
	(void)level;
	va_start(args, fmt);
	say(fmt, args);
	va_end(args);
}

void fl_log_gated(struct fl_log_gate *gate, unsigned every_s, enum fl_log_level level,
		  const char *fmt, ...)
{
	va_list args;
	(void)gate;
	(void)every_s;
	(void)level;
	va_start(args, fmt);
	say(fmt, args);
	va_end(args);
}

#ifdef FL_SANITIZED

bool quiet_counts(void)
{
	return false;
}

#else

bool quiet_counts(void)
{
	return true;
}

/* glibc's own, by the names it keeps for who replaces them */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *at, size_t size);
void __libc_free(void *at);

void *malloc(size_t size)
{
	quiet.n.allocations += quiet.on;
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	quiet.n.allocations += quiet.on;
	return __libc_calloc(n, size);
}

void *realloc(void *at, size_t size)
{
	quiet.n.allocations += quiet.on;
	return __libc_realloc(at, size);
}

void free(void *at)
{
	quiet.n.frees += quiet.on && at != NULL;
	__libc_free(at);
}

static void *next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

/* ISO C has no cast from an object's pointer to a function's */
union lock_fn {
	void *at;
	int (*mutex)(pthread_mutex_t *);
	int (*rwlock)(pthread_rwlock_t *);
};

int pthread_mutex_lock(pthread_mutex_t *m)
{
	const union lock_fn real = { .at = next("pthread_mutex_lock") };
	quiet.n.locks += quiet.on;
	return real.mutex(m);
}

int pthread_rwlock_rdlock(pthread_rwlock_t *l)
{
	const union lock_fn real = { .at = next("pthread_rwlock_rdlock") };
	quiet.n.locks += quiet.on;
	return real.rwlock(l);
}

int pthread_rwlock_wrlock(pthread_rwlock_t *l)
{
	const union lock_fn real = { .at = next("pthread_rwlock_wrlock") };
	quiet.n.locks += quiet.on;
	return real.rwlock(l);
}

ssize_t write(int fd, const void *from, size_t n)
{
	quiet.n.writes += quiet.on;
	return syscall(SYS_write, fd, from, n);
}

#endif
