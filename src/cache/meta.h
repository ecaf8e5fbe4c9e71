/**
 * @file
 * A look at the database file before it is mapped.
 *
 * LMDB trusts its meta pages: a truncated or foreign file would end in a signal
 * or an assertion. What it would follow at start is checked here.
 */
#ifndef FL_CACHE_META_H
#define FL_CACHE_META_H

#include "fairlead/base/err.h"

#include <stdint.h>

/**
 * Check data.mdb in @p folder_fd against a map of @p map_bytes.
 *
 * @retval FL_ENOTFOUND  there is none yet, or it is empty
 * @retval FL_ECORRUPT   truncated, or not a sound database
 * @retval FL_EVERSION   another format, or larger than the map
 */
enum fl_err fl__meta_check(int folder_fd, uint64_t map_bytes) FL_MUST_USE;

#endif
