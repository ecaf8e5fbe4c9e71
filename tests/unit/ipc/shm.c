/* Shared segments: one writer, readers that cannot write, and sizes that cannot change. */
#include "fairlead/ipc/shm.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

Test(shm, what_is_written_is_read)
{
	int w, r;
	void *at_w, *at_r;
	cr_assert_eq(fl_shm_make("test", 4096, &w, &r), FL_OK);
	cr_assert_eq(fl_shm_map(w, 4096, true, &at_w), FL_OK);
	cr_assert_eq(fl_shm_map(r, 4096, false, &at_r), FL_OK);
	*(char *)at_w = 'x';
	cr_expect_eq(*(const char *)at_r, 'x');
}

Test(shm, a_reader_cannot_map_it_to_write)
{
	int w, r;
	void *at;
	cr_assert_eq(fl_shm_make("test", 4096, &w, &r), FL_OK);
	cr_expect_eq(fl_shm_map(r, 4096, true, &at), FL_ESYSTEM);
}

Test(shm, another_size_is_refused)
{
	int w, r;
	void *at;
	cr_assert_eq(fl_shm_make("test", 4096, &w, &r), FL_OK);
	cr_expect_eq(fl_shm_map(r, 8192, false, &at), FL_EINVALID);
}

Test(shm, nobody_can_cut_it_short)
{
	int w, r;
	cr_assert_eq(fl_shm_make("test", 4096, &w, &r), FL_OK);
	cr_expect_neq(ftruncate(w, 0), 0, "a reader would die by SIGBUS");
	cr_expect_eq(errno, EPERM);
}

Test(shm, a_generation_slot_is_bumped_alone)
{
	static struct fl_generations g;
	fl_generation_bump(&g, 7);
	cr_expect_eq(fl_generation_of(&g, 7), 1);
	cr_expect_eq(fl_generation_of(&g, 7 + FL_GENERATION_SLOTS), 1, "the low 16 bits count");
	cr_expect_eq(fl_generation_of(&g, 8), 0);
}
