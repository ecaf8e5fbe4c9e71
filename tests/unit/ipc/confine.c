/* What a role may no longer do once it is confined: each forbidden call ends the process. */
#include "fairlead/ipc/confine.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int folder; /* the one folder that front and keeper are given */

static int execute(void)
{
	char *const argv[] = { (char[]){ "true" }, NULL };
	return execve("/bin/true", argv, NULL);
}

static int be_another_user(void)
{
	return setuid(65534);
}

static int be_traced(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int make_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

static int open_inet_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0) < 0 ? -1 : 0;
}

static int open_unix_socket(void)
{
	return socket(AF_UNIX, SOCK_SEQPACKET, 0) < 0 ? -1 : 0;
}

static int open_packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) < 0 ? -1 : 0;
}

static int bind_a_port(void)
{
	const struct sockaddr_in sa = { .sin_family = AF_INET };
	return bind(0, (const struct sockaddr *)&sa, sizeof(sa));
}

static int read_a_file(void)
{
	const int fd = open("/etc/passwd", O_RDONLY);
	return fd < 0 ? -1 : 0;
}

static int read_in_the_folder(void)
{
	return openat(folder, "inside", O_RDONLY) < 0 ? -1 : 0;
}

static int make_in_the_folder(void)
{
	return openat(folder, "new", O_WRONLY | O_CREAT, 0600) < 0 ? -1 : 0;
}

static int make_a_memfd(void)
{
	return memfd_create("x", 0) < 0 ? -1 : 0;
}

static int tcp_socket; /* as a role has them: made before */
static pid_t parent;

static int type_into_the_terminal(void)
{
	return ioctl(STDERR_FILENO, TIOCSTI, "x");
}

static int own_sockets_signals(void)
{
	return fcntl(tcp_socket, F_SETOWN, parent);
}

static int choose_its_signal(void)
{
	return fcntl(tcp_socket, 10 /* F_SETSIG */, SIGKILL);
}

static int set_nonblocking(void)
{
	int on = 1;
	const int flags = fcntl(tcp_socket, F_GETFL);
	return ioctl(tcp_socket, FIONBIO, &on) == 0 &&
			       fcntl(tcp_socket, F_SETFL, flags | O_NONBLOCK) == 0 &&
			       fcntl(tcp_socket, F_SETFD, FD_CLOEXEC) == 0
		       ? 0
		       : -1;
}

static int lock_a_file(void)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	const int fd = openat(folder, "inside", O_RDWR);
	return fd < 0 ? -1 : fcntl(fd, F_SETLK, &l);
}

static int ask_whether_a_terminal(void)
{
	isatty(STDERR_FILENO);
	return 0;
}

static int signal_the_parent(void)
{
	return (int)syscall(SYS_tgkill, parent, parent, 0);
}

static int signal_ourselves(void)
{
	return (int)syscall(SYS_tgkill, getpid(), getpid(), 0);
}

static int limit_the_parent(void)
{
	struct rlimit l;
	return prlimit(parent, RLIMIT_NOFILE, NULL, &l);
}

static int read_our_limits(void)
{
	struct rlimit l;
	return getrlimit(RLIMIT_NOFILE, &l);
}

static int write_in_the_folder(void)
{
	return openat(folder, "inside", O_WRONLY) < 0 ? -1 : 0;
}

static int update_in_the_folder(void)
{
	return openat(folder, "inside", O_RDWR) < 0 ? -1 : 0;
}

static int empty_in_the_folder(void)
{
	return openat(folder, "inside", O_RDONLY | O_TRUNC) < 0 ? -1 : 0;
}

static int cut_in_the_folder(void)
{
	const int fd = openat(folder, "inside", O_RDWR);
	return ftruncate(fd, 1);
}

static int read_a_memfd_again(void)
{
	char path[40];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memfd_create("x", 0));
	return open(path, O_RDONLY) < 0 ? -1 : 0;
}

/* A front has listening sockets; shut down, one could be connected. */
static int connect_over_tcp(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(1) };
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return connect(tcp_socket, (struct sockaddr *)&sa, sizeof(sa)) != 0 && errno == EACCES
		       ? -1
		       : 0;
}

/* by number: a case travels to another process, where functions lie elsewhere */
enum call {
	EXECUTE,
	SETUID,
	PTRACE,
	MAKE_CODE,
	INET_SOCKET,
	UNIX_SOCKET,
	PACKET_SOCKET,
	BIND,
	READ_FILE,
	READ_FOLDER,
	MAKE_IN_FOLDER,
	MEMFD,
	TYPE_INTO_TERMINAL,
	SET_OWNER,
	SET_SIGNAL,
	SET_NONBLOCKING,
	LOCK_FILE,
	IS_TERMINAL,
	SIGNAL_PARENT,
	SIGNAL_OURSELVES,
	LIMIT_PARENT,
	READ_LIMITS,
	WRITE_FOLDER,
	UPDATE_FOLDER,
	EMPTY_FOLDER,
	CUT_FOLDER,
	READ_MEMFD,
	CONNECT_TCP
};

static int (*const calls[])(void) = {
	execute,
	be_another_user,
	be_traced,
	make_code,
	open_inet_socket,
	open_unix_socket,
	open_packet_socket,
	bind_a_port,
	read_a_file,
	read_in_the_folder,
	make_in_the_folder,
	make_a_memfd,
	type_into_the_terminal,
	own_sockets_signals,
	choose_its_signal,
	set_nonblocking,
	lock_a_file,
	ask_whether_a_terminal,
	signal_the_parent,
	signal_ourselves,
	limit_the_parent,
	read_our_limits,
	write_in_the_folder,
	update_in_the_folder,
	empty_in_the_folder,
	cut_in_the_folder,
	read_a_memfd_again,
	connect_over_tcp,
};

enum outcome {
	WORKS,
	DIES,
	DENIED,   /* whatever the kernel has */
	REFUSED,  /* by Landlock's first version */
	REFUSED3, /* by its third */
	REFUSED4
};

struct confine_case {
	enum fl_role role;
	char what[40];
	enum call call;
	enum outcome want;
};

/* what the kernel may lack: then the file rules rest on the roles' code alone */
static bool have_landlock(long version)
{
	return syscall(444 /* landlock_create_ruleset */, NULL, 0, 1 /* version */) >= version;
}

ParameterizedTestParameters(confine, call)
{
	static struct confine_case cases[] = {
		{ FL_ROLE_FRONT, "execute a program", EXECUTE, DIES },
		{ FL_ROLE_FRONT, "become another user", SETUID, DIES },
		{ FL_ROLE_FRONT, "be traced", PTRACE, DIES },
		{ FL_ROLE_FRONT, "make memory executable", MAKE_CODE, DIES },
		{ FL_ROLE_FRONT, "open an outbound socket", INET_SOCKET, DIES },
		{ FL_ROLE_FRONT, "bind a port", BIND, DIES },
		{ FL_ROLE_FRONT, "reach a resolver", UNIX_SOCKET, WORKS },
		{ FL_ROLE_FRONT, "read a file elsewhere", READ_FILE, REFUSED },
		{ FL_ROLE_FRONT, "read the cache", READ_FOLDER, WORKS },
		{ FL_ROLE_FRONT, "make a file in the cache", MAKE_IN_FOLDER, REFUSED },
		{ FL_ROLE_FRONT, "type into the terminal", TYPE_INTO_TERMINAL, DIES },
		{ FL_ROLE_FRONT, "own a socket's signals", SET_OWNER, DIES },
		{ FL_ROLE_FRONT, "choose a socket's signal", SET_SIGNAL, DIES },
		{ FL_ROLE_FRONT, "signal the supervisor", SIGNAL_PARENT, DIES },
		{ FL_ROLE_FRONT, "signal itself", SIGNAL_OURSELVES, WORKS },
		{ FL_ROLE_FRONT, "set a socket nonblocking", SET_NONBLOCKING, WORKS },
		{ FL_ROLE_FRONT, "lock a file", LOCK_FILE, WORKS },
		{ FL_ROLE_FRONT, "ask whether a terminal", IS_TERMINAL, WORKS },
		{ FL_ROLE_FRONT, "read others' limits", LIMIT_PARENT, DIES },
		{ FL_ROLE_FRONT, "cut a file of the cache", CUT_FOLDER, REFUSED3 },
		{ FL_ROLE_FRONT, "connect over TCP", CONNECT_TCP, REFUSED4 },
		{ FL_ROLE_RESOLVER, "execute a program", EXECUTE, DIES },
		{ FL_ROLE_RESOLVER, "type into the terminal", TYPE_INTO_TERMINAL, DIES },
		{ FL_ROLE_RESOLVER, "own a socket's signals", SET_OWNER, DIES },
		{ FL_ROLE_RESOLVER, "signal the supervisor", SIGNAL_PARENT, DIES },
		{ FL_ROLE_RESOLVER, "read others' limits", LIMIT_PARENT, DIES },
		{ FL_ROLE_RESOLVER, "read its own limits", READ_LIMITS, WORKS },
		{ FL_ROLE_RESOLVER, "open a memfd again", READ_MEMFD, WORKS },
		{ FL_ROLE_RESOLVER, "connect over TCP", CONNECT_TCP, WORKS },
		/* with a folder, so that it is not Landlock that refuses */
		{ FL_ROLE_SUSPECT, "read beneath a folder", READ_FOLDER, WORKS },
		{ FL_ROLE_SUSPECT, "write a file", WRITE_FOLDER, DENIED },
		{ FL_ROLE_SUSPECT, "update a file", UPDATE_FOLDER, DENIED },
		{ FL_ROLE_SUSPECT, "empty a file", EMPTY_FOLDER, DENIED },
		{ FL_ROLE_SUSPECT, "make a file", MAKE_IN_FOLDER, DENIED },
		{ FL_ROLE_RESOLVER, "make memory executable", MAKE_CODE, DIES },
		{ FL_ROLE_RESOLVER, "open a packet socket", PACKET_SOCKET, DIES },
		{ FL_ROLE_RESOLVER, "open an outbound socket", INET_SOCKET, WORKS },
		{ FL_ROLE_RESOLVER, "read a file", READ_FILE, REFUSED },
		{ FL_ROLE_RESOLVER, "read the cache", READ_FOLDER, REFUSED },
		{ FL_ROLE_RESOLVER, "hand libunbound a configuration", MEMFD, WORKS },
		{ FL_ROLE_KEEPER, "execute a program", EXECUTE, DIES },
		{ FL_ROLE_KEEPER, "type into the terminal", TYPE_INTO_TERMINAL, DIES },
		{ FL_ROLE_KEEPER, "own a socket's signals", SET_OWNER, DIES },
		{ FL_ROLE_KEEPER, "signal the supervisor", SIGNAL_PARENT, DIES },
		{ FL_ROLE_KEEPER, "lock a file", LOCK_FILE, WORKS },
		{ FL_ROLE_KEEPER, "cut a file of the cache", CUT_FOLDER, WORKS },
		{ FL_ROLE_KEEPER, "make memory executable", MAKE_CODE, DIES },
		{ FL_ROLE_KEEPER, "open an outbound socket", INET_SOCKET, DIES },
		{ FL_ROLE_KEEPER, "open any other socket", UNIX_SOCKET, DIES },
		{ FL_ROLE_KEEPER, "read a file elsewhere", READ_FILE, REFUSED },
		{ FL_ROLE_KEEPER, "make a file in the cache", MAKE_IN_FOLDER, WORKS },
	};
	return cr_make_param_array(struct confine_case, cases, FL_COUNT(cases));
}

/* The call's outcome in a confined child. */
static int run_confined(const struct confine_case *c)
{
	char path[] = "/tmp/fairlead-confine-XXXXXX";
	cr_assert_not_null(mkdtemp(path));
	folder = open(path, O_RDONLY | O_DIRECTORY);
	const int file = openat(folder, "inside", O_WRONLY | O_CREAT, 0600);
	close(file);
	tcp_socket = socket(AF_INET, SOCK_STREAM, 0);
	parent = getpid();
	const pid_t pid = fork();
	if (pid == 0) {
		const struct fl_confine_options o = {
			.role = c->role, .folder_fd = c->role == FL_ROLE_RESOLVER ? -1 : folder
		};
		if (fl_confine(&o) != FL_OK) {
			_exit(99);
		}
		_exit(calls[c->call]() == 0 ? 0 : 1);
	}
	int status;
	waitpid(pid, &status, 0);
	unlinkat(folder, "inside", 0);
	unlinkat(folder, "new", 0);
	close(tcp_socket);
	close(folder);
	rmdir(path);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

ParameterizedTest(struct confine_case *c, confine, call)
{
	static const struct {
		int exit;
		long landlock; /* version that it takes */
	} want[] = {
		[WORKS] = { 0, 0 },   [DIES] = { 128 + SIGSYS, 0 }, [DENIED] = { 1, 0 },
		[REFUSED] = { 1, 1 }, [REFUSED3] = { 1, 3 },        [REFUSED4] = { 1, 4 }
	};
	const int wanted = want[c->want].exit;
	const long version = want[c->want].landlock;
	if (!fl_confine_active() || (version > 0 && !have_landlock(version))) {
		cr_skip_test("this build or this kernel has no such filter");
	}
	const int got = run_confined(c);
	cr_expect_eq(got, wanted, "%s: %s: exit %d, not %d", fl_role_name(c->role), c->what,
		     got, wanted);
}

Test(confine, the_supervisor_is_never_confined)
{
	const struct fl_confine_options o = { .role = FL_ROLE_SUPERVISOR, .folder_fd = -1 };
	cr_expect_eq(fl_confine(&o), FL_EINVALID);
}

Test(confine, there_is_no_io_uring)
{
	int status;
	const pid_t pid = fork();
	if (pid == 0) {
		const bool early = fl_confine_early() == FL_OK;
		errno = 0;
		const long r = syscall(425 /* io_uring_setup */, 1, NULL);
		_exit(early && r == -1 && errno == ENOSYS ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
