/* SPDX-License-Identifier: GPL-2.0 */
/* Accesses to the memory of peer.c; others fail, which tools/virtio's own header does not know of. */
#ifndef PEER_UACCESS_H
#define PEER_UACCESS_H
#include <string.h>
#include <stdbool.h>
#include <linux/compiler.h>

bool peer_has(const volatile void *start, unsigned long len);

#define get_user(x, from) (peer_has(from, sizeof(*(from))) ? (x = READ_ONCE(*(from)), 0) : -1)
#define put_user(x, to) (peer_has(to, sizeof(*(to))) ? (WRITE_ONCE(*(to), x), 0) : -1)

static inline int copy_from_user(void *to, const void *from, unsigned long len)
{
	if (!peer_has(from, len))
		return len;
	memcpy(to, from, len);
	return 0;
}

static inline int copy_to_user(void *to, const void *from, unsigned long len)
{
	if (!peer_has(to, len))
		return len;
	memcpy(to, from, len);
	return 0;
}
#endif
