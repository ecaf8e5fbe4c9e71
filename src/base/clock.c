#include "fairlead/base/clock.h"

#include "fairlead/base/siphash.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

uint64_t fl_clock_boot_ns(void)
{
	struct timespec t = { 0 };
	clock_gettime(CLOCK_BOOTTIME, &t); /* fails for unknown clocks only */
	return (uint64_t)t.tv_sec * FL_S_NS + (uint64_t)t.tv_nsec;
}

int64_t fl_clock_wall_s(void)
{
	struct timespec t = { 0 };
	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec;
}

int64_t fl_clock_wall_ms(void)
{
	struct timespec t = { 0 };
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / FL_MS_NS;
}

uint64_t fl_clock_boot_id(void)
{
	char text[64]; /* a UUID and a newline */
	const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return 0;
	}
	const ssize_t n = read(fd, text, sizeof(text));
	close(fd);
	if (n <= 0) {
		return 0;
	}
	/* The key is no secret: the number is only compared with itself. */
	const uint64_t id = fl_siphash13((struct fl_sipkey){ { 0, 0 } }, text, (size_t)n);
	return id == 0 ? 1 : id; /* 0 says "unknown" */
}
