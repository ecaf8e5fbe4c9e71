#include "fairlead/ipc/shm.h"

#include <fcntl.h>
#include <stdio.h>
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
	void *m = mmap(NULL, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED,
		       fd, 0);
	if (m == MAP_FAILED) {
		return FL_ESYSTEM;
	}
	*at = m;
	return FL_OK;
}
