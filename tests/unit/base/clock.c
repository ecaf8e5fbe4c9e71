#include "fairlead/base/clock.h"

#include <criterion/criterion.h>
#include <time.h>

Test(clock, boot_clock_never_goes_back)
{
	uint64_t last = fl_clock_boot_ns();
	cr_assert_gt(last, 0);
	for (int i = 0; i < 1000; i++) {
		const uint64_t now = fl_clock_boot_ns();
		cr_assert_geq(now, last);
		last = now;
	}
}

Test(clock, wall_clock_is_the_one_everybody_has)
{
	const time_t before = time(NULL);
	const int64_t s = fl_clock_wall_s(), ms = fl_clock_wall_ms();
	cr_expect_geq(s, before - 1); /* time() may lag by a tick */
	cr_expect_leq(s, before + 5);
	cr_expect_geq(ms, s * 1000);
	cr_expect_leq(ms, (s + 5) * 1000);
}

Test(clock, a_boot_has_one_number)
{
	const uint64_t id = fl_clock_boot_id();
	cr_expect_neq(id, 0, "/proc is there in every test");
	cr_expect_eq(fl_clock_boot_id(), id);
}
