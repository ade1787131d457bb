// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

#include "access.h"

static __thread sigjmp_buf on_sigbus;
static __thread volatile sig_atomic_t sigbus_expected;

static void catch_sigbus(int sig)
{
	if (sigbus_expected)
		siglongjmp(on_sigbus, 1);
	signal(sig, SIG_DFL);
}

int access_prepare(struct vfio_user *u, enum access_kind kind, unsigned int region)
{
	struct sigaction sa = { .sa_handler = catch_sigbus };

	if (!access_is_mapped(kind))
		return 0;
	sigaction(SIGBUS, &sa, NULL);
	return vfio_user_map(u, region) ? 0 : -errno;
}

static int touch(volatile uint32_t *reg, bool store, uint32_t *value)
{
	if (sigsetjmp(on_sigbus, 1)) {
		sigbus_expected = 0;
		return EFAULT;
	}
	sigbus_expected = 1;
	if (store)
		*reg = *value;
	else
		*value = *reg;
	sigbus_expected = 0;
	return 0;
}

int access_once(struct vfio_user *u, enum access_kind kind, unsigned int region,
		uint64_t off, uint32_t *value)
{
	ssize_t len;

	if (access_is_mapped(kind))
		return touch((void *)((char *)u->regions[region].map + off),
			     kind == ACCESS_MAP_WRITE, value);
	if (kind == ACCESS_PREAD)
		len = vfio_user_pread(u, region, value, 4, off);
	else
		len = vfio_user_pwrite(u, region, value, 4, off);
	if (len < 0)
		return -len;
	return len == 4 ? 0 : EIO;
}
