/**
 * @file
 * The keeper: the cache's only writer.
 *
 * It takes answers from resolvers (each only for names of its shard), encodes,
 * stores, commits at most a second or 1,000 records apart, evicts, and clears
 * the reader slots of dead fronts. It touches no network.
 */
#ifndef FAIRLEAD_KEEPER_KEEPER_H
#define FAIRLEAD_KEEPER_KEEPER_H

/** Run this process as a keeper; returns its exit code. Started by the supervisor only. */
int fl_keeper_main(void);

#endif
