#include "fairlead/ipc/confine.h"

#include "fairlead/base/log.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
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
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(close),
	SCMP_SYS(recvmsg),
	SCMP_SYS(recvmmsg),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendmmsg),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(eventfd2),
	SCMP_SYS(pipe2),
	SCMP_SYS(dup),
	SCMP_SYS(lseek),
	SCMP_SYS(fstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(fstatfs),
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(futex),
	SCMP_SYS(getrandom),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(getrusage),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(shutdown),
	SCMP_SYS(uname),
	SCMP_SYS(sysinfo),
	SCMP_SYS(rseq),
	SCMP_SYS(set_robust_list),
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
	SCMP_SYS(accept),    SCMP_SYS(accept4),   SCMP_SYS(connect),      SCMP_SYS(bind),
	SCMP_SYS(sendto),    SCMP_SYS(recvfrom),  SCMP_SYS(memfd_create), SCMP_SYS(stat),
	SCMP_SYS(pwrite64),  SCMP_SYS(ftruncate), SCMP_SYS(dup2),         SCMP_SYS(dup3),
	SCMP_SYS(getrlimit),
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

/* Calls of which only some uses are needed: one argument decides, as 32 bits, which is all that
 * the kernel looks at. */
struct use {
	int call;
	unsigned arg;
	uint32_t mask, value;
	uint32_t action; /* 0: allowed */
};

#define WHOLE UINT32_MAX

static const struct use uses_all[] = {
	/* not TIOCSTI: it types into the terminal that a role has inherited */
	{ SCMP_SYS(ioctl), 1, WHOLE, FIONBIO, 0 },
	{ SCMP_SYS(ioctl), 1, WHOLE, FIONREAD, 0 },
	{ SCMP_SYS(ioctl), 1, WHOLE, FIOCLEX, 0 },
	{ SCMP_SYS(ioctl), 1, WHOLE, TCGETS, 0 },  /* isatty(), stdio's */
	{ SCMP_SYS(ioctl), 1, WHOLE, TCGETS2, 0 }, /* a newer libc's */
	/* not F_SETOWN and F_SETSIG: they send any signal to any process of our user */
	{ SCMP_SYS(fcntl), 1, WHOLE, F_DUPFD, 0 },
	{ SCMP_SYS(fcntl), 1, WHOLE, F_DUPFD_CLOEXEC, 0 },
	{ SCMP_SYS(fcntl), 1, WHOLE, F_GETFD, 0 },
	{ SCMP_SYS(fcntl), 1, WHOLE, F_SETFD, 0 },
	{ SCMP_SYS(fcntl), 1, WHOLE, F_GETFL, 0 },
	{ SCMP_SYS(fcntl), 1, WHOLE, F_SETFL, 0 },
	{ SCMP_SYS(fcntl), 1, WHOLE, F_GETLK, 0 },
	{ SCMP_SYS(fcntl), 1, WHOLE, F_SETLK, 0 },
	{ SCMP_SYS(fcntl), 1, WHOLE, F_SETLKW, 0 },
	{ SCMP_SYS(fcntl), 1, WHOLE, F_OFD_GETLK, 0 },
	{ SCMP_SYS(fcntl), 1, WHOLE, F_OFD_SETLK, 0 },
	{ SCMP_SYS(fcntl), 1, WHOLE, F_OFD_SETLKW, 0 },
};

/* Where the kernel has no Landlock, /proc/PID/mem of our user's processes could be opened: to
 * read at the most. Refused as Landlock refuses: a library that tries goes on without. */
#define WRITES         (O_ACCMODE | O_CREAT | O_TRUNC)
#define EACCES_INSTEAD SCMP_ACT_ERRNO(EACCES)

static const struct use uses_resolver[] = {
	{ SCMP_SYS(prlimit64), 0, WHOLE, 0, 0 }, /* its own limits */
	{ SCMP_SYS(openat), 2, WRITES, O_RDONLY, 0 },
	{ SCMP_SYS(openat), 2, O_WRONLY, O_WRONLY, EACCES_INSTEAD },
	{ SCMP_SYS(openat), 2, O_RDWR, O_RDWR, EACCES_INSTEAD },
	{ SCMP_SYS(openat), 2, O_CREAT, O_CREAT, EACCES_INSTEAD },
	{ SCMP_SYS(openat), 2, O_TRUNC, O_TRUNC, EACCES_INSTEAD },
	{ SCMP_SYS(open), 1, WRITES, O_RDONLY, 0 },
	{ SCMP_SYS(open), 1, O_WRONLY, O_WRONLY, EACCES_INSTEAD },
	{ SCMP_SYS(open), 1, O_RDWR, O_RDWR, EACCES_INSTEAD },
	{ SCMP_SYS(open), 1, O_CREAT, O_CREAT, EACCES_INSTEAD },
	{ SCMP_SYS(open), 1, O_TRUNC, O_TRUNC, EACCES_INSTEAD },
};

struct role_calls {
	const int *extra;
	size_t n_extra;
	const struct use *uses;
	size_t n_uses;
	bool unix_sockets, inet_sockets;
};

static struct role_calls calls_of(enum fl_role r)
{
	struct role_calls c = { 0 };
	if (r == FL_ROLE_FRONT || r == FL_ROLE_TLS_FRONT) {
		c.extra = calls_front;
		c.n_extra = FL_COUNT(calls_front);
		c.unix_sockets = true;
	} else if (r == FL_ROLE_RESOLVER || r == FL_ROLE_SUSPECT) {
		c.extra = calls_resolver;
		c.n_extra = FL_COUNT(calls_resolver);
		c.uses = uses_resolver;
		c.n_uses = FL_COUNT(uses_resolver);
		c.unix_sockets = c.inet_sockets = true;
	} else if (r == FL_ROLE_KEEPER) {
		c.extra = calls_keeper;
		c.n_extra = FL_COUNT(calls_keeper);
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

static int add_use(scmp_filter_ctx ctx, const struct use *u)
{
	const struct scmp_arg_cmp arg = {
		.arg = u->arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = u->mask, .datum_b = u->value
	};
	const uint32_t action = u->action == 0 ? SCMP_ACT_ALLOW : u->action;
	const int r = seccomp_rule_add(ctx, action, u->call, 1, arg);
	return r == -EDOM || r == -EINVAL ? 0 : r; /* as above */
}

static int add_uses(scmp_filter_ctx ctx, const struct use *uses, size_t n)
{
	int r = 0;
	for (size_t i = 0; i < n && r == 0; i++) {
		r = add_use(ctx, &uses[i]);
	}
	return r;
}

/* abort() and raise(): signals to nobody but ourselves. */
static int allow_own_signals(scmp_filter_ctx ctx)
{
	const struct use own = { SCMP_SYS(tgkill), 0, WHOLE, (uint32_t)getpid(), 0 };
	return add_use(ctx, &own);
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

static int add_rules(scmp_filter_ctx ctx, enum fl_role role)
{
	const struct role_calls c = calls_of(role);
	int r;
	if ((r = allow_list(ctx, calls_all, FL_COUNT(calls_all))) != 0 ||
	    (r = allow_list(ctx, c.extra, c.n_extra)) != 0 ||
	    (r = add_uses(ctx, uses_all, FL_COUNT(uses_all))) != 0 ||
	    (r = add_uses(ctx, c.uses, c.n_uses)) != 0 || (r = allow_own_signals(ctx)) != 0 ||
	    (r = allow_memory(ctx)) != 0) {
		return r;
	}
	if (c.unix_sockets && (r = allow_socket(ctx, AF_UNIX)) != 0) {
		return r;
	}
	if (c.inet_sockets && (r = allow_socket(ctx, AF_INET)) == 0) {
		r = allow_socket(ctx, AF_INET6);
	}
	return r;
}

static enum fl_err install_seccomp(enum fl_role role)
{
	struct sigaction sa = { .sa_sigaction = on_forbidden, .sa_flags = SA_SIGINFO };
	if (sigaction(SIGSYS, &sa, NULL) != 0) {
		return FL_ESYSTEM;
	}
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	if (ctx == NULL) {
		return FL_ENOMEM;
	}
	int r = add_rules(ctx, role);
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

/* What kernels newer than our headers know; each is asked for by the version that has it. */
enum {
	FS_REFER = 1 << 13,    /* 2 */
	FS_TRUNCATE = 1 << 14, /* 3 */
	NET_BIND_TCP = 1 << 0, /* 4 */
	NET_CONNECT_TCP = 1 << 1,
	FS_IOCTL_DEV = 1 << 15,       /* 5 */
	SCOPE_ABSTRACT_UNIX = 1 << 0, /* 6 */
	SCOPE_SIGNAL = 1 << 1
};

struct ruleset { /* struct landlock_ruleset_attr as of version 6; older kernels want 0 behind
		    what they know, and read no further */
	uint64_t fs, net, scoped;
};

static const uint64_t fs_first = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
				 LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
				 LANDLOCK_ACCESS_FS_REMOVE_DIR |
				 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
				 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
				 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
				 LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;

/* What is taken from @p role, as far as this kernel can take it. */
static struct ruleset taken_from(enum fl_role role, long version)
{
	struct ruleset r = { .fs = fs_first };
	const bool calls_servers = role == FL_ROLE_RESOLVER || role == FL_ROLE_SUSPECT;
	if (version >= 2) {
		r.fs |= FS_REFER;
	}
	if (version >= 3) {
		r.fs |= FS_TRUNCATE;
	}
	if (version >= 4 && !calls_servers) {
		r.net = NET_BIND_TCP | NET_CONNECT_TCP;
	}
	if (version >= 5) {
		r.fs |= FS_IOCTL_DEV;
	}
	if (version >= 6) { /* fronts and resolvers connect to addresses of the supervisor's */
		r.scoped = SCOPE_SIGNAL | (role == FL_ROLE_KEEPER ? SCOPE_ABSTRACT_UNIX : 0U);
	}
	return r;
}

/* What is left to it beneath its folder. */
static bool give_folder(int ruleset, enum fl_role role, int folder_fd, uint64_t handled)
{
	struct landlock_path_beneath_attr beneath = { .parent_fd = folder_fd };
	beneath.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
				 LANDLOCK_ACCESS_FS_READ_DIR;
	if (role == FL_ROLE_KEEPER) {
		beneath.allowed_access |= LANDLOCK_ACCESS_FS_MAKE_REG | FS_TRUNCATE;
	}
	beneath.allowed_access &= handled;
	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath,
		       0) == 0;
}

/* @p version: of the kernel's Landlock, 0 when it has none or it is not switched on. */
static enum fl_err install_landlock(enum fl_role role, int folder_fd, long *version)
{
	*version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (*version < 1) {
		*version = 0;
		return FL_OK; /* seccomp stands alone */
	}
	const struct ruleset r = taken_from(role, *version);
	const int ruleset = (int)syscall(SYS_landlock_create_ruleset, &r, sizeof(r), 0);
	if (ruleset < 0) {
		return FL_ESYSTEM;
	}
	const bool ok = (folder_fd < 0 || give_folder(ruleset, role, folder_fd, r.fs)) &&
			syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
	close(ruleset);
	return ok ? FL_OK : FL_ESYSTEM;
}

enum fl_err fl_confine(const struct fl_confine_options *o)
{
	long landlock = 0;
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
	if (landlock == 0) {
		fl_log(FL_LOG_NOTICE, "this kernel has no Landlock: which files may be opened "
				      "rests on this program and the rights of its user");
	}
	fl_log(FL_LOG_DEBUG, "confined: seccomp, no new privileges, Landlock %ld", landlock);
	return FL_OK;
}
