/* What a role may no longer do once it is confined: each forbidden call ends the process. */
#include "fairlead/ipc/confine.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
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
	MEMFD
};

static int (*const calls[])(void) = {
	execute,          be_another_user,    be_traced,          make_code,
	open_inet_socket, open_unix_socket,   open_packet_socket, bind_a_port,
	read_a_file,      read_in_the_folder, make_in_the_folder, make_a_memfd,
};

enum outcome { WORKS, DIES, REFUSED };

struct confine_case {
	enum fl_role role;
	char what[40];
	enum call call;
	enum outcome want;
};

/* what the kernel may lack: then the file rules rest on the roles' code alone */
static bool have_landlock(void)
{
	return syscall(444 /* landlock_create_ruleset */, NULL, 0, 1 /* version */) > 0;
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
		{ FL_ROLE_RESOLVER, "execute a program", EXECUTE, DIES },
		{ FL_ROLE_RESOLVER, "make memory executable", MAKE_CODE, DIES },
		{ FL_ROLE_RESOLVER, "open a packet socket", PACKET_SOCKET, DIES },
		{ FL_ROLE_RESOLVER, "open an outbound socket", INET_SOCKET, WORKS },
		{ FL_ROLE_RESOLVER, "read a file", READ_FILE, REFUSED },
		{ FL_ROLE_RESOLVER, "read the cache", READ_FOLDER, REFUSED },
		{ FL_ROLE_RESOLVER, "hand libunbound a configuration", MEMFD, WORKS },
		{ FL_ROLE_KEEPER, "execute a program", EXECUTE, DIES },
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
	close(folder);
	rmdir(path);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

ParameterizedTest(struct confine_case *c, confine, call)
{
	static const int want[] = { [WORKS] = 0, [DIES] = 128 + SIGSYS, [REFUSED] = 1 };
	if (!fl_confine_active() || (c->want == REFUSED && !have_landlock())) {
		cr_skip_test("this build or this kernel has no such filter");
	}
	cr_expect_eq(run_confined(c), want[c->want], "%s: %s: exit %d, not %d",
		     fl_role_name(c->role), c->what, run_confined(c), want[c->want]);
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
