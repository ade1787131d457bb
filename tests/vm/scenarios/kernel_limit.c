// SPDX-License-Identifier: GPL-2.0-only
/*
 * A bug of the kernel alone, with no driver bound to the function. Runs only if named,
 * on the debug kernel: the machine is lost.
 */
#include <stdatomic.h>

#include "aer_thread.h"
#include "background.h"
#include "clock.h"
#include "klog.h"
#include "monitor.h"
#include "pci.h"
#include "scenario.h"

#define PORT "rp_igb2"
#define FREED "held lock freed"
#define ROUNDS 40
#define ERRORS 8
#define LATER_MS 20
#define SCAN_MS 15000

static int remove_function(const char *addr)
{
	return pci_remove(addr);
}

/*
 * The reset of a slot locks the functions below it, and later unlocks those that are
 * still on the bus. A function that is removed in between is freed with its lock held.
 * Lockdep notices if the thread that locked it had the last reference.
 */
SCENARIO(kernel_limit_removal,
	 "a function that nobody uses is removed amid errors (fails where the kernel has the bug)",
	 .selftest = true, .limit_s = 120)
{
	char addr[PCI_ADDR_LEN];
	int round;

	for (round = 0; round < ROUNDS && !klog_count(FREED); round++) {
		struct background b = { .call = remove_function, .name = addr };

		REQUIRE_OK(pci_below(PORT, 0, addr));
		for (int i = 0; i < ERRORS; i++) {
			REQUIRE_OK(aer_inject(PORT, "DLP"));
			sleep_ms(LATER_MS);
			if (i == 2)
				background_start(&b);
		}
		REQUIRE(WAIT_FOR(atomic_load(&b.done), SCAN_MS), "the removal does not end");
		REQUIRE(aer_wait_idle(SCAN_MS), "the recovery does not end");
		REQUIRE_OK(pci_rescan(PORT));
		REQUIRE(pci_wait_below(PORT, 1, SCAN_MS), "no function after a rescan");
	}
	CHECK(!klog_count(FREED), "in round %d", round);
}
