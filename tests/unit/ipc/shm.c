/* Shared segments: one writer, readers that cannot write, and sizes that cannot change. */
#include "fairlead/ipc/shm.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
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

Test(shm, a_mapped_segment_is_in_memory_as_a_whole)
{
	enum { PAGES = 64, PAGE = 4096 };
	int w, r;
	void *at;
	unsigned char there[PAGES];
	cr_assert_eq(fl_shm_make("test", PAGES * PAGE, &w, &r), FL_OK);
	cr_assert_eq(fl_shm_map(w, PAGES * PAGE, true, &at), FL_OK);
	cr_assert_eq(mincore(at, PAGES * PAGE, there), 0);
	for (unsigned i = 0; i < PAGES; i++) {
		cr_expect(there[i] & 1, "page %u would be made by the question that needs it",
			  i);
	}
}

Test(shm, a_generation_slot_is_bumped_alone)
{
	static struct fl_generations g;
	fl_generation_bump(&g, 7);
	cr_expect_eq(fl_generation_of(&g, 7), 1);
	cr_expect_eq(fl_generation_of(&g, 7 + FL_GENERATION_SLOTS), 1, "the low 16 bits count");
	cr_expect_eq(fl_generation_of(&g, 8), 0);
}

/* --- flush rules --- */

#define EXAMPLE  ((const uint8_t *)"\7example")
#define WWW      ((const uint8_t *)"\3www\7example")
#define XEXAMPLE ((const uint8_t *)"\10xexample")
#define ROOT     ((const uint8_t *)"")

enum { BOOT = 7, OTHER_BOOT = 6 };

static bool flushed(const struct fl_generations *g, uint64_t boot, uint64_t ns,
		    const uint8_t *name)
{
	return fl_generations_flushed(g, BOOT, boot, ns, name);
}

Test(flush, a_rule_covers_what_is_older_and_at_or_below_its_name)
{
	static struct fl_generations g;
	cr_expect_not(flushed(&g, BOOT, 1, WWW), "there are no rules");
	fl_flush_rule_write(&g, 0, (const uint8_t *)"\7eXaMPLe", 1000);
	cr_expect(flushed(&g, BOOT, 1000, EXAMPLE));
	cr_expect(flushed(&g, BOOT, 999, WWW));
	cr_expect_not(flushed(&g, BOOT, 1001, WWW), "stored since");
	cr_expect_not(flushed(&g, BOOT, 1, XEXAMPLE));
	cr_expect_not(flushed(&g, BOOT, 1, ROOT));
}

Test(flush, what_an_earlier_boot_stored_is_older_than_any_rule)
{
	static struct fl_generations g;
	fl_flush_rule_write(&g, 0, EXAMPLE, 1000);
	cr_expect(flushed(&g, OTHER_BOOT, 5000, WWW), "its clock is not ours");
	cr_expect_not(flushed(&g, OTHER_BOOT, 5000, XEXAMPLE));
}

Test(flush, rules_come_and_go)
{
	static struct fl_generations g;
	fl_flush_rule_write(&g, 0, XEXAMPLE, 10);
	fl_flush_rule_write(&g, FL_FLUSH_RULES - 1, EXAMPLE, 1000);
	cr_expect(flushed(&g, BOOT, 500, WWW));
	fl_flush_rule_write(&g, FL_FLUSH_RULES - 1, NULL, 0);
	cr_expect_not(flushed(&g, BOOT, 500, WWW));
	cr_expect(flushed(&g, BOOT, 10, XEXAMPLE));
	cr_expect_eq(g.rules_used, 1);
	fl_flush_rule_write(&g, 0, NULL, 0);
	cr_expect_eq(g.rules_used, 0, "lookups skip the rules again");
	fl_flush_rule_write(&g, 3, ROOT, 20);
	cr_expect(flushed(&g, BOOT, 20, WWW), "the root is above all");
}

/* A name of 255 octets leaves nothing of itself behind a shorter one. */
Test(flush, a_longer_name_before_is_forgotten)
{
	static struct fl_generations g;
	uint8_t longest[FL_NAME_MAX];
	memset(longest, 'a', sizeof(longest));
	longest[0] = longest[64] = longest[128] = 63;
	longest[192] = 61;
	longest[254] = 0;
	fl_flush_rule_write(&g, 0, longest, 1000);
	cr_expect(flushed(&g, BOOT, 1, longest));
	fl_flush_rule_write(&g, 0, EXAMPLE, 1000);
	cr_expect(flushed(&g, BOOT, 1, WWW));
	cr_expect_not(flushed(&g, BOOT, 1, longest));
}

Test(flush, a_rule_that_is_being_written_makes_everything_a_miss)
{
	static struct fl_generations g;
	fl_flush_rule_write(&g, 0, XEXAMPLE, 1000);
	g.rule[0].seq++; /* its writer stands still, or died, in the middle */
	cr_expect(flushed(&g, BOOT, 5000, WWW));
	fl_flush_rule_write(&g, 0, XEXAMPLE, 1000);
	cr_expect_not(flushed(&g, BOOT, 5000, WWW), "its successor writes it anew");
}

Test(flush, a_suffix_without_an_end_is_not_walked)
{
	static struct fl_generations g;
	struct fl_flush_rule *last = &g.rule[FL_FLUSH_RULES - 1];
	fl_flush_rule_write(&g, FL_FLUSH_RULES - 1, EXAMPLE, 1000);
	memset(last->suffix, 63, sizeof(last->suffix)); /* the segment ends behind it */
	cr_expect(flushed(&g, BOOT, 1, WWW));
	memset(last->suffix, 0xC0, sizeof(last->suffix));
	cr_expect(flushed(&g, BOOT, 1, WWW));
	g.rules_used = UINT32_MAX;
	cr_expect_not(flushed(&g, BOOT, 5000, WWW));
}
