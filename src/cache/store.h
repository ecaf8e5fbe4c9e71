/**
 * @file
 * What lmdb.c says of its library to the rest of the module.
 */
#ifndef FL_CACHE_STORE_H
#define FL_CACHE_STORE_H

/** "major.minor" of the library in use: files of one such pair are interchangeable. */
void fl__store_version(int *major, int *minor);

#endif
