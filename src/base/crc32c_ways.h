/**
 * @file
 * The ways there are to a CRC32C, for fl_crc32c() to choose from and for the
 * tests to compare. The registers here are raw: without the inversion that
 * starts and ends a sum.
 */
#ifndef FAIRLEAD_SRC_BASE_CRC32C_WAYS_H
#define FAIRLEAD_SRC_BASE_CRC32C_WAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint32_t fl__crc32c_table(uint32_t crc, const uint8_t *at, size_t len);

/** Does this processor have the instruction? Where not, the next one must not be called. */
bool fl__crc32c_has_instruction(void);
uint32_t fl__crc32c_instruction(uint32_t crc, const uint8_t *at, size_t len);

#endif
