// SPDX-License-Identifier: GPL-2.0-only
/*
 * A user: opens the devices of a group, uses them in every way, answers or does not,
 * dies or leaves. Whatever happens, a register has its right value, or the gate was
 * closed meanwhile; and config space is as the user has written it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "access.h"
#include "clock.h"
#include "device.h"
#include "hot_reset.h"
#include "nic_user.h"
#include "scenario.h"
#include "soak.h"
#include "vfio_irq.h"
#include "vfio_status.h"

#define ACCESS_MS DEVICE_ACCESS_MS
#define RESET_MS 60000
#define PAUSE_US 130000

/* This process's devices; the second one shares the space of the first. */
static struct soak_device devices[2];

static struct soak_device *any_device(struct soak_actor *a)
{
	struct soak_device *d = &devices[random_below(&a->random, 2)];

	if (d->open)
		return d;
	return devices[0].open ? &devices[0] : NULL;
}

static void use(struct soak_actor *a, void (*how)(struct soak_actor *, struct soak_device *))
{
	struct soak_device *d = any_device(a);

	if (d)
		how(a, d);
}

#define USE(name_)							\
	static void name_##_(struct soak_actor *a, struct soak_device *d); \
	static void name_(struct soak_actor *a)				\
	{								\
		use(a, name_##_);					\
	}								\
	static void name_##_(struct soak_actor *a __attribute__((unused)), \
			     struct soak_device *d)

USE(load)
{
	unsigned int times = 1 + random_below(&a->random, 200);

	while (times--)
		device_check_register(d, ACCESS_MAP_READ);
}

USE(load_slowly)
{
	for (unsigned int i = 0; i < 8; i++) {
		device_check_register(d, ACCESS_MAP_READ);
		random_sleep(&a->random, 2000);
	}
}

USE(read_bar)
{
	device_check_register(d, ACCESS_PREAD);
}

USE(intrude)
{
	device_check_shut(d, random_one_in(&a->random, 4) ? ACCESS_PREAD : ACCESS_MAP_READ);
}

USE(store)
{
	uint32_t value = random_next(&a->random);

	if (!access_prepare(&d->u, ACCESS_MAP_WRITE, 0))
		access_once(&d->u, ACCESS_MAP_WRITE, 0, NIC_SCRATCH, &value);
}

USE(write_bar)
{
	uint32_t value = random_next(&a->random);

	access_once(&d->u, ACCESS_PWRITE, 0, NIC_SCRATCH, &value);
}

USE(unmap)
{
	vfio_user_unmap(&d->u, 0);
}

USE(read_config)
{
	device_check_config(d);
}

USE(write_config)
{
	device_write_config(d, &a->random);
}

/* Reads and writes whose buffer is not there, is read-only, or is the device itself. */
USE(bad_buffer)
{
	unsigned int region = random_one_in(&a->random, 2) ? VFIO_CONFIG : 0;
	size_t len = 1 + random_below(&a->random, 300);
	uint64_t off = random_below(&a->random, 0x200);
	void *buffer;
	size_t size = 4096;

	switch (random_below(&a->random, 4)) {
	case 0:
		buffer = (void *)8;
		break;
	case 1:
		buffer = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		break;
	case 2:
		buffer = mmap(NULL, size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		break;
	default:
		buffer = vfio_user_map(&d->u, 0);
		if (buffer)
			vfio_user_pread(&d->u, VFIO_CONFIG, (char *)buffer + NIC_SCRATCH, 4, 0);
		return;
	}
	vfio_user_pread(&d->u, region, buffer, len, off);
	/* what would be written is not there */
	if (buffer == (void *)8)
		vfio_user_pwrite(&d->u, region, buffer, 4, 0x3c);
	else
		munmap(buffer, size);
}

USE(ask)
{
	struct mdr_status status;
	int ret = vfio_status(&d->u, &status);

	if (ret)
		soak_fail("%s: the status is refused: %s", d->f->s.uuid, strerror(-ret));
	vfio_user_learn(&d->u);
	vfio_irq_count(&d->u, random_below(&a->random, VFIO_PCI_NUM_IRQS));
	vfio_feature(&d->u, random_next(&a->random), NULL, 0);
}

USE(status_eventfd)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	vfio_status_eventfd(&d->u, random_one_in(&a->random, 4) ? -1 : fd);
	close(fd);
}

USE(look)
{
	if (!d->page) {
		d->page = vfio_status_map(&d->u);
		if (d->page == MAP_FAILED)
			d->page = NULL;
	}
	if (d->page)
		vfio_status_look(d->page);
}

USE(interrupts)
{
	static const unsigned int indices[] = {
		VFIO_PCI_MSIX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX, VFIO_PCI_INTX_IRQ_INDEX,
	};

	if (d->nr_irqs) {
		if (random_one_in(&a->random, 2)) {
			vfio_irq_loopback(&d->u, d->irq_index, 0);
			return;
		}
		vfio_irq_disable(&d->u, d->irq_index);
		device_close_irqs(d);
		return;
	}
	d->irq_index = indices[random_below(&a->random, 3)];
	d->nr_irqs = d->irq_index == VFIO_PCI_MSIX_IRQ_INDEX ?
		     1 + random_below(&a->random, 3) : 1;
	if (vfio_irq_enable(&d->u, d->irq_index, d->nr_irqs, d->irqs))
		d->nr_irqs = 0;
}

USE(intx)
{
	if (!d->nr_irqs || d->irq_index != VFIO_PCI_INTX_IRQ_INDEX)
		return;
	switch (random_below(&a->random, 3)) {
	case 0:
		vfio_irq_mask_intx(&d->u);
		break;
	case 1:
		vfio_irq_unmask_intx(&d->u);
		break;
	default:
		vfio_irq_unmask_intx_by(&d->u, random_one_in(&a->random, 3) ? -1 : d->irqs[0]);
	}
}

USE(dma)
{
	if (d->has_dma) {
		vfio_user_dma_unmap(&d->u, &d->dma);
		d->has_dma = false;
		return;
	}
	d->has_dma = !vfio_user_dma_map(&d->u, &d->dma, 4096 << random_below(&a->random, 4));
}

USE(reset)
{
	device_reset(d, vfio_user_reset);
}

USE(reset_hot)
{
	/* it answers for both */
	devices[0].reset_at = ~0ull;
	devices[1].reset_at = ~0ull;
	device_reset(d, hot_reset);
	devices[0].reset_at = d->reset_at;
	devices[1].reset_at = d->reset_at;
}

USE(reset_by_config)
{
	if (d->f->vf)
		return;
	device_reset(d, device_flr);
}

USE(acknowledge)
{
	device_acknowledge(d);
}

USE(acknowledge_stale)
{
	device_acknowledge_stale(d, &a->random);
}

USE(hold)
{
	device_check_hold(d, &a->random);
}

static void open_devices(struct soak_actor *a)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct soak_device *d = &devices[i];

		if (!a->functions[i] || d->open || (i && random_one_in(&a->random, 3)))
			continue;
		if (device_open(d, a->functions[i], i ? &devices[0] : NULL))
			return;
	}
}

static void close_devices(struct soak_actor *a)
{
	(void)a;
	/* its space is the first one's */
	device_close(&devices[1]);
	device_close(&devices[0]);
}

static void close_or_open(struct soak_actor *a)
{
	if (devices[0].open)
		close_devices(a);
	else
		open_devices(a);
}

/* The same device by another file, which outlives the first. */
USE(duplicate)
{
	int old = d->u.device;

	d->u.device = dup(old);
	close(old);
}

/* A child has the device for a while, and may be killed in the middle of a call. */
USE(fork_child)
{
	unsigned int ms = random_below(&a->random, 20);
	pid_t pid = fork();

	if (pid < 0)
		return;
	if (!pid) {
		for (;;)
			device_check_register(d, ms % 2 ? ACCESS_PREAD : ACCESS_MAP_READ);
	}
	sleep_ms(ms);
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Something kills us, in the middle of the operations to come. */
static void die_soon(struct soak_actor *a)
{
	unsigned int us = random_below(&a->random, 400000);
	pid_t parent = getpid(), pid = fork();

	if (pid)
		return;
	close_range(3, ~0u, 0);
	usleep(us);
	kill(parent, SIGKILL);
	_exit(0);
}

static const struct soak_operation operations[] = {
	{ "load", 30, 8 * ACCESS_MS, load },
	{ "load slowly", 20, 8 * ACCESS_MS, load_slowly },
	{ "pread", 15, ACCESS_MS, read_bar },
	{ "intrude", 20, 2 * ACCESS_MS, intrude },
	{ "store", 5, ACCESS_MS, store },
	{ "pwrite", 5, ACCESS_MS, write_bar },
	{ "munmap", 3, ACCESS_MS, unmap },
	{ "read config", 12, 3 * ACCESS_MS, read_config },
	{ "write config", 15, 3 * ACCESS_MS, write_config },
	{ "bad buffer", 8, 2 * ACCESS_MS, bad_buffer },
	{ "ask", 5, 4 * ACCESS_MS, ask },
	{ "status eventfd", 3, ACCESS_MS, status_eventfd },
	{ "status page", 4, ACCESS_MS, look },
	{ "interrupts", 10, 2 * ACCESS_MS, interrupts },
	{ "mask INTx", 3, ACCESS_MS, intx },
	{ "DMA", 5, ACCESS_MS, dma },
	{ "reset", 4, RESET_MS, reset },
	{ "hot reset", 3, RESET_MS, reset_hot },
	{ "FLR", 2, RESET_MS, reset_by_config },
	{ "acknowledge", 5, ACCESS_MS, acknowledge },
	{ "acknowledge stale", 5, ACCESS_MS, acknowledge_stale },
	{ "hold", 15, ACCESS_MS, hold },
	{ "close or open", 5, RESET_MS, close_or_open },
	{ "dup", 2, ACCESS_MS, duplicate },
	{ "fork", 2, RESET_MS, fork_child },
	{ "killed", 1, ACCESS_MS, die_soon },
};

#define NR_OPERATIONS (sizeof(operations) / sizeof(operations[0]))

/* Answers what it is asked, and finds its devices whole. True if all is well. */
static bool rest(struct soak_actor *a)
{
	bool well = true;

	actor_begin(a, "rest", RESET_MS);
	for (unsigned int i = 0; i < 2; i++) {
		switch (device_answer(&devices[i])) {
		case DEVICE_WELL:
			break;
		case DEVICE_WAITS:
			well = false;
			break;
		case DEVICE_LEAVES:
			close_devices(a);
			well = false;
			break;
		}
	}
	actor_end(a);
	return well;
}

void user_run(struct soak_actor *a)
{
	while (!atomic_load(&soak->stop)) {
		if (atomic_load(&soak->rest)) {
			atomic_store(&a->parked, rest(a));
			sleep_ms(5);
			continue;
		}
		atomic_store(&a->parked, false);
		if (device_is_asked_to_leave(&devices[0]) && random_one_in(&a->random, 4)) {
			actor_begin(a, "leave", RESET_MS);
			close_devices(a);
		} else if (!devices[0].open && random_one_in(&a->random, 3)) {
			actor_begin(a, "open", RESET_MS);
			open_devices(a);
		}
		actor_draw(a, operations, NR_OPERATIONS);
		random_sleep(&a->random, PAUSE_US);
	}
	actor_begin(a, "end", RESET_MS);
	close_devices(a);
	actor_end(a);
}

void user_report(void)
{
	struct soak_actor all = { .name = "users" };

	for (unsigned int i = 0; i < soak->nr_actors; i++) {
		if (soak->actors[i].run != user_run)
			continue;
		for (unsigned int op = 0; op < NR_OPERATIONS; op++)
			all.counts[op] += soak->actors[i].counts[op];
	}
	actor_report(&all, operations, NR_OPERATIONS);
}
