#include "fairlead/base/crc32c.h"

#include "crc32c_ways.h"

#include <endian.h>
#include <string.h>

#ifdef __aarch64__
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7) /* asm/hwcap.h */
#endif
#endif

static inline uint64_t load_le64(const uint8_t *at)
{
	uint64_t v;
	memcpy(&v, at, sizeof(v));
	return le64toh(v);
}

/*
 * A CRC is linear: the entry of octet b is the sum (xor) of the entries of its
 * bits. So a table is written down as the eight entries of 1, 2, 4, ... 128 and
 * the compiler works out the rest. Table k is table 0 moved on by k octets of zero;
 * table 0's entry of 128 is the polynomial of RFC 3385, bits reversed.
 */
/* clang-format off */
#define BIT(b, i, entry)  ((((b) >> (i)) & 1u) * (entry))
#define E(b, c0, c1, c2, c3, c4, c5, c6, c7) \
	BIT(b, 0, c0) ^ BIT(b, 1, c1) ^ BIT(b, 2, c2) ^ BIT(b, 3, c3) ^ \
	BIT(b, 4, c4) ^ BIT(b, 5, c5) ^ BIT(b, 6, c6) ^ BIT(b, 7, c7)
#define E4(b, ...)   E(b, __VA_ARGS__), E(b + 1u, __VA_ARGS__), E(b + 2u, __VA_ARGS__), E(b + 3u, __VA_ARGS__)
#define E16(b, ...)  E4(b, __VA_ARGS__), E4(b + 4u, __VA_ARGS__), E4(b + 8u, __VA_ARGS__), E4(b + 12u, __VA_ARGS__)
#define E64(b, ...)  E16(b, __VA_ARGS__), E16(b + 16u, __VA_ARGS__), E16(b + 32u, __VA_ARGS__), E16(b + 48u, __VA_ARGS__)
#define E256(...)    E64(0u, __VA_ARGS__), E64(64u, __VA_ARGS__), E64(128u, __VA_ARGS__), E64(192u, __VA_ARGS__)

static const uint32_t tables[8][256] = {
	{ E256(0xf26b8303, 0xe13b70f7, 0xc79a971f, 0x8ad958cf,
	       0x105ec76f, 0x20bd8ede, 0x417b1dbc, 0x82f63b78) },
	{ E256(0x13a29877, 0x274530ee, 0x4e8a61dc, 0x9d14c3b8,
	       0x3fc5f181, 0x7f8be302, 0xff17c604, 0xfbc3faf9) },
	{ E256(0xa541927e, 0x4f6f520d, 0x9edea41a, 0x38513ec5,
	       0x70a27d8a, 0xe144fb14, 0xc76580d9, 0x8b277743) },
	{ E256(0xdd45aab8, 0xbf672381, 0x7b2231f3, 0xf64463e6,
	       0xe964b13d, 0xd725148b, 0xaba65fe7, 0x52a0c93f) },
	{ E256(0x38116fac, 0x7022df58, 0xe045beb0, 0xc5670b91,
	       0x8f2261d3, 0x1ba8b557, 0x37516aae, 0x6ea2d55c) },
	{ E256(0xef306b19, 0xdb8ca0c3, 0xb2f53777, 0x6006181f,
	       0xc00c303e, 0x85f4168d, 0x0e045beb, 0x1c08b7d6) },
	{ E256(0x68032cc8, 0xd0065990, 0xa5e0c5d1, 0x4e2dfd53,
	       0x9c5bfaa6, 0x3d5b83bd, 0x7ab7077a, 0xf56e0ef4) },
	{ E256(0x493c7d27, 0x9278fa4e, 0x211d826d, 0x423b04da,
	       0x847609b4, 0x0d006599, 0x1a00cb32, 0x34019664) },
};
/* clang-format on */

/* Eight octets a step, each through its own table: "slicing by eight". */
uint32_t fl__crc32c_table(uint32_t crc, const uint8_t *at, size_t len)
{
	for (; len >= 8; at += 8, len -= 8) {
		const uint64_t m = load_le64(at) ^ crc;
		crc = tables[7][m & 0xff] ^ tables[6][(m >> 8) & 0xff] ^
		      tables[5][(m >> 16) & 0xff] ^ tables[4][(m >> 24) & 0xff] ^
		      tables[3][(m >> 32) & 0xff] ^ tables[2][(m >> 40) & 0xff] ^
		      tables[1][(m >> 48) & 0xff] ^ tables[0][m >> 56];
	}
	for (; len > 0; at++, len--) {
		crc = (crc >> 8) ^ tables[0][(crc ^ *at) & 0xff];
	}
	return crc;
}

/*
 * The instruction, for one function only: the rest of the program must run on
 * processors without it. The intrinsics' headers want it for the whole file with
 * one compiler or the other, hence the built-in functions.
 */
#if defined(__x86_64__)
#define CRC_TARGET     __attribute__((target("sse4.2")))
#define CRC_64(crc, v) ((uint32_t)__builtin_ia32_crc32di((crc), (v)))
#define CRC_8(crc, v)  __builtin_ia32_crc32qi((crc), (v))
#elif defined(__aarch64__) && defined(__clang__)
#define CRC_TARGET     __attribute__((target("crc")))
#define CRC_64(crc, v) __builtin_arm_crc32cd((crc), (v))
#define CRC_8(crc, v)  __builtin_arm_crc32cb((crc), (v))
#elif defined(__aarch64__)
#define CRC_TARGET     __attribute__((target("+crc")))
#define CRC_64(crc, v) __builtin_aarch64_crc32cx((crc), (v))
#define CRC_8(crc, v)  __builtin_aarch64_crc32cb((crc), (v))
#endif

#ifdef CRC_TARGET
CRC_TARGET uint32_t fl__crc32c_instruction(uint32_t crc, const uint8_t *at, size_t len)
{
	for (; len >= 8; at += 8, len -= 8) {
		crc = CRC_64(crc, load_le64(at));
	}
	for (; len > 0; at++, len--) {
		crc = CRC_8(crc, *at);
	}
	return crc;
}
#else
uint32_t fl__crc32c_instruction(uint32_t crc, const uint8_t *at, size_t len)
{
	return fl__crc32c_table(crc, at, len);
}
#endif

/* Asked at every sum: it costs a load or two, less than keeping a pointer right would. */
bool fl__crc32c_has_instruction(void)
{
#if defined(__x86_64__)
	return __builtin_cpu_supports("sse4.2");
#elif defined(__aarch64__)
	return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
#else
	return false;
#endif
}

uint32_t fl_crc32c(uint32_t crc, const void *data, size_t len)
{
	crc = ~crc;
	return ~(fl__crc32c_has_instruction() ? fl__crc32c_instruction(crc, data, len)
					      : fl__crc32c_table(crc, data, len));
}
