// SPDX-License-Identifier: GPL-2.0-only
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "holder.h"
#include "scenario.h"
#include "vfio_irq.h"
#include "vfio_user.h"

#define OPEN_MS 3000
#define REQ_MS 20000

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void read_for_ever(volatile uint32_t *regs)
{
	for (;;) {
		(void)regs[0];
		sleep_ms(1);
	}
}

static void hold_on(enum grip grip, const char *uuid, atomic_bool *ready)
{
	static struct vfio_user user;
	pthread_t thread;
	int req;

	REQUIRE_OK(vfio_user_open(&user, uuid));
	REQUIRE(vfio_user_map(&user, VFIO_PCI_BAR0_REGION_INDEX), "mmap");
	REQUIRE_OK(vfio_irq_enable(&user, VFIO_PCI_REQ_IRQ_INDEX, 1, &req));
	if (grip == GRIP_MAPPING) {
		close(user.device);
		close(user.own.groups[0].fd);
		close(user.own.container);
	}
	atomic_store(ready, true);
	if (grip == GRIP_LEAVES) {
		vfio_irq_wait(req, REQ_MS, NULL);
		vfio_user_close(&user);
		_exit(0);
	}
	if (grip == GRIP_READS)
		read_for_ever(vfio_user_map(&user, VFIO_PCI_BAR0_REGION_INDEX));
	if (grip == GRIP_THREAD) {
		pthread_create(&thread, NULL, wait_for_ever, NULL);
		pthread_exit(NULL);
	}
	wait_for_ever(NULL);
}

pid_t holder_fork(enum grip grip, const char *uuid)
{
	atomic_bool *ready = mmap(NULL, sizeof(*ready), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();

	REQUIRE(pid >= 0, "fork");
	if (!pid)
		hold_on(grip, uuid, ready);
	REQUIRE(WAIT_FOR(atomic_load(ready), OPEN_MS), "no user");
	return pid;
}
