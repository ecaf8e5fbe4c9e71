/**
 * @file
 * CRC32C (Castagnoli) over a buffer; with the processor's instruction where
 * there is one, slice by eight elsewhere. Same value on every machine.
 */
#ifndef FAIRLEAD_BASE_CRC32C_H
#define FAIRLEAD_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/** @p crc is 0 for a new sum, or the result so far. */
uint32_t fl_crc32c(uint32_t crc, const void *data, size_t len);

#endif
