/**
 * @file
 * A world of two zones on disk, for tests: secure.z000, insecure.z001.
 */
#ifndef FAIRLEAD_TEST_BENCH_WORLD_H
#define FAIRLEAD_TEST_BENCH_WORLD_H

#include "check/catalogue.h"

/** Write it and read it as a catalogue; the folder is removed again. */
void world_load(const struct selection *s, struct catalogue *out);
/** The entry of this name (as catalogue_text() writes it), or NULL. */
const struct entry *world_find(const struct catalogue *c, const char *text);

#endif
