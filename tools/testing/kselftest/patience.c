// SPDX-License-Identifier: GPL-2.0
/*
 * More time for the tests of a kselftest program, without a change to its sources.
 *
 * The kselftest harness ends a test after 30 s on whatever machine it runs. A debug kernel under
 * emulation takes about that long to set up or to give back 2048 interrupts. The harness waits in
 * poll(), so the program is linked with --wrap=poll.
 */
#include <poll.h>
#include <stdlib.h>

int __real_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);

/* The environment says how many times as long each wait may be; the harness has none of 2^31 ms / 8. */
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout)
{
	const char *times = getenv("KSELFTEST_PATIENCE");

	if (times && timeout > 0)
		timeout *= atoi(times);
	return __real_poll(fds, count, timeout);
}
