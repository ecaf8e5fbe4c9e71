/**
 * @file
 * A network of one's own: made by the holder, entered by everyone else.
 */
#ifndef FAIRLEAD_INET_NAMESPACE_H
#define FAIRLEAD_INET_NAMESPACE_H

#include <stdbool.h>
#include <sys/types.h>

/**
 * Move this process into a new network namespace: as it is where it may, else as
 * the root of a new user namespace. On failure one line says what to do, on
 * standard error.
 */
bool namespace_create(void);

/** Raise lo and put every address of the world on it. @p ipv6 tells whether the
 * kernel took the IPv6 ones. */
bool namespace_address(bool *ipv6);

/** Move this process into the namespaces of @p holder. */
bool namespace_enter(pid_t holder);

#endif
