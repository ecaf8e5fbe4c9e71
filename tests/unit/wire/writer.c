#include "fairlead/wire/writer.h"

#include <criterion/criterion.h>
#include <string.h>

Test(writer, big_endian)
{
	uint8_t buf[16];
	struct fl_writer w = fl_writer_init(buf, sizeof(buf));
	fl_writer_u8(&w, 0xFE);
	fl_writer_u16(&w, 0x8001);
	fl_writer_u32(&w, 0xFFFEFDFC);
	fl_writer_octets(&w, "abc", 3);
	fl_writer_octets(&w, NULL, 0);
	cr_expect_eq(w.err, FL_OK);
	cr_expect_eq(w.len, 10);
	cr_expect_arr_eq(buf,
			 "\xFE\x80\x01\xFF\xFE\xFD\xFC"
			 "abc",
			 10);
	fl_writer_patch_u16(&w, 8, 0x1234);
	cr_expect_arr_eq(buf + 8, "\x12\x34", 2);
}

Test(writer, what_does_not_fit_is_not_begun)
{
	for (size_t cap = 0; cap < 4; cap++) {
		uint8_t buf[8];
		memset(buf, 0xEE, sizeof(buf));
		struct fl_writer w = fl_writer_init(buf, cap);
		fl_writer_u32(&w, 0);
		cr_expect_eq(w.err, FL_ENOSPACE);
		cr_expect_eq(w.len, 0);
		cr_expect_eq(buf[0], 0xEE);
	}
}

Test(writer, an_error_is_sticky)
{
	uint8_t buf[4] = { 0xEE, 0xEE, 0xEE, 0xEE };
	struct fl_writer w = fl_writer_init(buf, sizeof(buf));
	fl_writer_u16(&w, 7);
	fl_writer_octets(&w, "abc", 3);
	fl_writer_u8(&w, 1); /* it would fit, but the reply is already broken */
	fl_writer_u16(&w, 1);
	fl_writer_patch_u16(&w, 0, 9);
	cr_expect_eq(w.err, FL_ENOSPACE);
	cr_expect_eq(w.len, 2);
	cr_expect_arr_eq(buf, "\0\7\xEE\xEE", 4);
	fl_writer_octets(&w, "", SIZE_MAX);
	cr_expect_eq(w.len, 2);
}

Test(writer, an_exact_fit_fits)
{
	uint8_t buf[2];
	struct fl_writer w = fl_writer_init(buf, sizeof(buf));
	fl_writer_u16(&w, 0xABCD);
	fl_writer_octets(&w, "", 0);
	cr_expect_eq(w.err, FL_OK);
	cr_expect_eq(w.len, 2);
}

Test(writer, loads_and_stores_at_any_alignment)
{
	uint8_t buf[12];
	for (size_t at = 0; at < 8; at++) {
		fl_store_u16(buf + at, 0x8102);
		cr_expect_eq(fl_load_u16(buf + at), 0x8102);
		cr_expect_eq(buf[at], 0x81);
		fl_store_u32(buf + at, 0xF1020304);
		cr_expect_eq(fl_load_u32(buf + at), 0xF1020304);
		cr_expect_eq(buf[at + 3], 4);
	}
}
