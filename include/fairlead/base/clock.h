/**
 * @file
 * Every clock reading of the project.
 *
 * Ages and deadlines use the boot clock (it runs through suspend and is not
 * set by anybody); signature validity and ages across boots use the wall
 * clock. All go through libc's clock_gettime(), so a preloaded fake clock
 * moves them.
 */
#ifndef FAIRLEAD_BASE_CLOCK_H
#define FAIRLEAD_BASE_CLOCK_H

#include <stdint.h>

enum { FL_MS_NS = 1000000 };
#define FL_S_NS UINT64_C(1000000000)

uint64_t fl_clock_boot_ns(void); /* CLOCK_BOOTTIME */
int64_t fl_clock_wall_s(void);   /* CLOCK_REALTIME, seconds since 1970 */
int64_t fl_clock_wall_ms(void);  /* the same in milliseconds */

/**
 * A number for this boot of this kernel: a hash of the kernel's random boot id.
 * Opens a file in /proc: call it before confinement. 0 when it can't be read.
 */
uint64_t fl_clock_boot_id(void);

#endif
