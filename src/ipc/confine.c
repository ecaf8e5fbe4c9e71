#include "fairlead/ipc/confine.h"

#include "fairlead/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef FL_SANITIZED
#define FILTERS_OFF 1
#else
#define FILTERS_OFF 0
#endif

const char *fl_role_name(enum fl_role r)
{
	static const char *const names[FL_ROLE_COUNT] = {
		[FL_ROLE_SUPERVISOR] = "supervisor", [FL_ROLE_FRONT] = "front",
		[FL_ROLE_TLS_FRONT] = "tls front",   [FL_ROLE_RESOLVER] = "resolver",
		[FL_ROLE_SUSPECT] = "suspect",       [FL_ROLE_KEEPER] = "keeper",
		[FL_ROLE_ADMIN] = "admin",           [FL_ROLE_FEED] = "feed",
	};
	return (unsigned)r < FL_ROLE_COUNT ? names[r] : "unknown";
}

bool fl_confine_active(void)
{
	return !FILTERS_OFF;
}

/* --- seccomp: what each role calls in its life after START --- */

/* Needed by any program on libuv, glibc's allocator, the log and the channels. */
static const int calls_all[] = {
	SCMP_SYS(read),          SCMP_SYS(readv),
	SCMP_SYS(write),         SCMP_SYS(writev),
	SCMP_SYS(close),         SCMP_SYS(recvmsg),
	SCMP_SYS(recvmmsg),      SCMP_SYS(sendmsg),
	SCMP_SYS(sendmmsg),      SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),     SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),   SCMP_SYS(poll),
	SCMP_SYS(ppoll),         SCMP_SYS(eventfd2),
	SCMP_SYS(pipe2),         SCMP_SYS(ioctl),
	SCMP_SYS(fcntl),         SCMP_SYS(dup),
	SCMP_SYS(lseek),         SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),    SCMP_SYS(fstatfs),
	SCMP_SYS(brk),           SCMP_SYS(munmap),
	SCMP_SYS(mremap),        SCMP_SYS(madvise),
	SCMP_SYS(futex),         SCMP_SYS(getrandom),
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday),
	SCMP_SYS(time),          SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),     SCMP_SYS(getpid),
	SCMP_SYS(gettid),        SCMP_SYS(getuid),
	SCMP_SYS(geteuid),       SCMP_SYS(getgid),
	SCMP_SYS(getegid),       SCMP_SYS(getrusage),
	SCMP_SYS(sched_yield),   SCMP_SYS(sched_getaffinity),
	SCMP_SYS(rt_sigaction),  SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),  SCMP_SYS(restart_syscall),
	SCMP_SYS(exit),          SCMP_SYS(exit_group),
	SCMP_SYS(tgkill),        SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),    SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),   SCMP_SYS(shutdown),
	SCMP_SYS(uname),         SCMP_SYS(sysinfo),
	SCMP_SYS(rseq),          SCMP_SYS(set_robust_list),
	SCMP_SYS(membarrier),
};

/* clients come and go; the cache of a new generation is opened (Landlock says where) */
static const int calls_front[] = {
	SCMP_SYS(accept),     SCMP_SYS(accept4), SCMP_SYS(connect),   SCMP_SYS(recvfrom),
	SCMP_SYS(sendto),     SCMP_SYS(openat),  SCMP_SYS(open),      SCMP_SYS(pread64),
	SCMP_SYS(statfs),     SCMP_SYS(stat),    SCMP_SYS(ftruncate), SCMP_SYS(flock),
	SCMP_SYS(getdents64),
};

/* outbound sockets; a new context's configuration, by memfd */
static const int calls_resolver[] = {
	SCMP_SYS(accept), SCMP_SYS(accept4),  SCMP_SYS(connect),      SCMP_SYS(bind),
	SCMP_SYS(sendto), SCMP_SYS(recvfrom), SCMP_SYS(memfd_create), SCMP_SYS(openat),
	SCMP_SYS(open),   SCMP_SYS(stat),     SCMP_SYS(pwrite64),     SCMP_SYS(ftruncate),
	SCMP_SYS(dup2),   SCMP_SYS(dup3),     SCMP_SYS(prlimit64),    SCMP_SYS(getrlimit),
};

/* the cache file, to write */
static const int calls_keeper[] = {
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(openat),
	SCMP_SYS(open),
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(pwritev),
	SCMP_SYS(preadv),
	SCMP_SYS(fdatasync),
	SCMP_SYS(fsync),
	SCMP_SYS(msync),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fallocate),
	SCMP_SYS(statfs),
	SCMP_SYS(stat),
	SCMP_SYS(flock),
	SCMP_SYS(unlinkat),
	SCMP_SYS(getdents64),
	SCMP_SYS(sync_file_range),
};

struct role_calls {
	const int *extra;
	size_t n_extra;
	bool unix_sockets, inet_sockets;
};

static struct role_calls calls_of(enum fl_role r)
{
	struct role_calls c = { 0 };
	if (r == FL_ROLE_FRONT || r == FL_ROLE_TLS_FRONT) {
		c = (struct role_calls){ calls_front, FL_COUNT(calls_front), true, false };
	} else if (r == FL_ROLE_RESOLVER || r == FL_ROLE_SUSPECT) {
		c = (struct role_calls){ calls_resolver, FL_COUNT(calls_resolver), true, true };
	} else if (r == FL_ROLE_KEEPER) {
		c = (struct role_calls){ calls_keeper, FL_COUNT(calls_keeper), false, false };
	}
	return c;
}

/* Runs in the faulting process: only what may be called in a signal handler. */
static void on_forbidden(int sig, siginfo_t *info, void *context)
{
	char line[] = "fairleadd: a forbidden system call, number        : this process ends; "
		      "if a library "
		      "was updated, report the number\n";
	char *at = strchr(line, ',') + 9;
	int n = info->si_syscall;
	(void)sig;
	(void)context;
	for (char *d = at + 5; d >= at && n > 0; d--, n /= 10) {
		*d = (char)('0' + n % 10);
	}
	if (write(STDERR_FILENO, line, sizeof(line) - 1) < 0) {
		_exit(128 + SIGSYS);
	}
	_exit(128 + SIGSYS);
}

static int allow_list(scmp_filter_ctx ctx, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		/* calls this architecture never had (open on arm64) are simply not there */
		const int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
		if (r != 0 && r != -EDOM && r != -EINVAL) {
			return r;
		}
	}
	return 0;
}

static int allow_socket(scmp_filter_ctx ctx, int family)
{
	const struct scmp_arg_cmp domain = { .arg = 0,
					     .op = SCMP_CMP_EQ,
					     .datum_a = (scmp_datum_t)family };
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, domain);
}

/* Memory is writable or executable, never both in turn: no mapping is made executable any more.
 */
static int allow_memory(scmp_filter_ctx ctx)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				     SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	}
	return r;
}

static enum fl_err install_seccomp(enum fl_role role)
{
	const struct role_calls c = calls_of(role);
	struct sigaction sa = { .sa_sigaction = on_forbidden, .sa_flags = SA_SIGINFO };
	if (sigaction(SIGSYS, &sa, NULL) != 0) {
		return FL_ESYSTEM;
	}
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	if (ctx == NULL) {
		return FL_ENOMEM;
	}
	int r = allow_list(ctx, calls_all, FL_COUNT(calls_all));
	if (r == 0) {
		r = allow_list(ctx, c.extra, c.n_extra);
	}
	if (r == 0) {
		r = allow_memory(ctx);
	}
	if (r == 0 && c.unix_sockets) {
		r = allow_socket(ctx, AF_UNIX);
	}
	if (r == 0 && c.inet_sockets) {
		r = allow_socket(ctx, AF_INET);
		if (r == 0) {
			r = allow_socket(ctx, AF_INET6);
		}
	}
	if (r == 0) {
		r = seccomp_load(ctx);
	}
	seccomp_release(ctx);
	if (r != 0) {
		errno = -r;
		return FL_ESYSTEM;
	}
	return FL_OK;
}

enum fl_err fl_confine_early(void)
{
	static const int ring[] = { SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
				    SCMP_SYS(io_uring_register) };
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	if (ctx == NULL) {
		return FL_ENOMEM;
	}
	int r = 0;
	for (size_t i = 0; i < FL_COUNT(ring) && r == 0; i++) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), ring[i], 0);
	}
	if (r == 0) {
		r = seccomp_load(ctx); /* sets no new privileges as well */
	}
	seccomp_release(ctx);
	return r == 0 ? FL_OK : FL_ESYSTEM;
}

/* --- Landlock: no file but those of the one folder --- */

/* File rights of the first version: every Landlock kernel has them. */
static const uint64_t landlock_all =
	LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
	LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
	LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
	LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
	LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
	LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
	LANDLOCK_ACCESS_FS_MAKE_SYM;

static enum fl_err install_landlock(enum fl_role role, int folder_fd, bool *have)
{
	const struct landlock_ruleset_attr attr = { .handled_access_fs = landlock_all };
	const long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (version < 1) {
		*have = false; /* not built in, or not switched on: seccomp stands alone */
		return FL_OK;
	}
	const int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0) {
		return FL_ESYSTEM;
	}
	if (folder_fd >= 0) {
		struct landlock_path_beneath_attr beneath = { .parent_fd = folder_fd };
		beneath.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE |
					 LANDLOCK_ACCESS_FS_WRITE_FILE |
					 LANDLOCK_ACCESS_FS_READ_DIR;
		if (role == FL_ROLE_KEEPER) {
			beneath.allowed_access |= LANDLOCK_ACCESS_FS_MAKE_REG;
		}
		if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
			    &beneath, 0) != 0) {
			close(ruleset);
			return FL_ESYSTEM;
		}
	}
	const long r = syscall(SYS_landlock_restrict_self, ruleset, 0);
	close(ruleset);
	*have = r == 0;
	return r == 0 ? FL_OK : FL_ESYSTEM;
}

enum fl_err fl_confine(const struct fl_confine_options *o)
{
	bool landlock = false;
	if (o->role == FL_ROLE_SUPERVISOR) {
		return FL_EINVALID; /* it executes new binaries and binds low ports */
	}
	/* Not PR_SET_DUMPABLE: it would hand /proc/self/fd to root, and the cache folder with
	 * it. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		return FL_ESYSTEM;
	}
	if (FILTERS_OFF) {
		fl_log(FL_LOG_NOTICE, "confinement is off: a sanitizer build");
		return FL_OK;
	}
	enum fl_err err = install_landlock(o->role, o->folder_fd, &landlock);
	if (err != FL_OK) {
		return err;
	}
	if ((err = install_seccomp(o->role)) != FL_OK) {
		return err;
	}
	fl_log(FL_LOG_DEBUG, "confined: seccomp%s, no new privileges",
	       landlock ? ", Landlock" : " (this kernel has no Landlock)");
	return FL_OK;
}
