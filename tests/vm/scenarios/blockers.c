// SPDX-License-Identifier: GPL-2.0-only
/* The file blockers of a group, which anybody may read as often as they like. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "kernel.h"
#include "pci.h"
#include "scenario.h"
#include "shim.h"
#include "sysfs.h"
#include "trace.h"
#include "vfio_user.h"

/* Reads the group's blockers until it is killed. */
static int read_blockers(int group, unsigned int times)
{
	char text[256];

	while (times--)
		if (shim_status(group, "blockers", text, sizeof(text)) < 0)
			return -errno;
	return 0;
}

struct tries {
	unsigned int all;
	unsigned int own;	/* of the lock of the group, one for each snapshot */
};

static void count_trylock(const char *entry, void *arg)
{
	const char *name = strstr(entry, "mutex_trylock");
	struct tries *tries = arg;

	tries->all += name && name - entry <= 1;
	tries->own += !strncmp(entry, "mdr_snapshot_take_briefly", 25);
}

SCENARIO(switch_blockers_take_no_lock,
	 "reading blockers in a loop takes no function's lock and makes no reset fail",
	 .limit_s = 60)
{
	static const char * const functions[] = {
		"mutex_trylock", "mdr_snapshot_take_briefly", NULL,
	};
	/* its name in 7.3, with lockdep */
	static const char * const checked[] = {
		"_mutex_trylock_nest_lock", "mdr_snapshot_take_briefly", NULL,
	};
	bool lockdep = sysfs_exists("/proc/lockdep_stats");
	/* with PREEMPT_RT it waits for the lock of its group */
	unsigned int one = kernel_is_realtime() ? 0 : 1;
	struct tries tries = { 0 };
	unsigned int refused = 0;
	char addr[PCI_ADDR_LEN];
	struct vfio_user other;
	struct shim s;
	pid_t reader;

	REQUIRE_OK(shim_make(&s, "rp_igb", 0, "resume"));
	REQUIRE_OK(pci_below("rp_igb", 1, addr));
	REQUIRE_OK(pci_bind(addr, "vfio-pci"));
	REQUIRE_OK(vfio_user_open(&other, addr));

	REQUIRE_OK(trace_start(lockdep ? checked : functions));
	REQUIRE_OK(trace_task(getpid()));
	CHECK_OK(read_blockers(s.group, 10));
	trace_stop();
	REQUIRE_OK(trace_each(count_trylock, &tries));
	trace_end();
	CHECK(tries.own == 10 && tries.all == tries.own * one,
	      "ten reads of blockers tried %u locks, %u of them of their group", tries.all,
	      tries.own);

	reader = fork();
	REQUIRE(reader >= 0, "fork");
	if (!reader)
		_exit(read_blockers(s.group, -1u));
	for (int i = 0; i < 5; i++)
		refused += vfio_user_reset(&other) < 0;
	CHECK(!refused, "%u of 5 resets failed", refused);
	kill(reader, SIGKILL);
	MEASURE("tried", "%u", tries.all);
	MEASURE("refused", "%u", refused);
}
