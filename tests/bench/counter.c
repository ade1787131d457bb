// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "counter.h"

#define ROUNDS 64
#define CALLS 1000
#define CONFIG_BAR0 0x10

enum call { NOTHING, PREAD, PWRITE, IRQ_INFO };

void counter_open(struct counter *c)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE, .size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS, .exclude_hv = 1,
	};

	c->fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	c->error = c->fd < 0 ? errno : 0;
}

const char *counter_unit(const struct counter *c)
{
	return c->fd < 0 ? "ticks" : "instructions";
}

static uint64_t now(const struct counter *c)
{
	uint64_t value = 0;

	if (c->fd < 0)
		return __builtin_ia32_rdtsc();
	if (read(c->fd, &value, sizeof(value)) != sizeof(value))
		return 0;
	return value;
}

int counter_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int call(enum call what, struct vfio_user *u, off_t pos, unsigned int width)
{
	struct vfio_irq_info info = {
		.argsz = sizeof(info), .index = VFIO_PCI_MSIX_IRQ_INDEX,
	};
	uint64_t value;

	switch (what) {
	case PREAD:
		return pread(u->device, &value, width, pos) == width ? 0 : -EIO;
	case PWRITE:
		/* as an empty BAR: config space of the user, not of the device */
		value = 0;
		return pwrite(u->device, &value, width, pos) == width ? 0 : -EIO;
	case IRQ_INFO:
		return ioctl(u->device, VFIO_DEVICE_GET_IRQ_INFO, &info) ? -errno : 0;
	default:
		return 0;
	}
}

/* The cost of one call, from rounds of many; sorted. */
static int sample(struct counter *c, enum call what, struct vfio_user *u, off_t pos,
		  unsigned int width, uint64_t *samples)
{
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = now(c);

		for (int i = 0; i < CALLS; i++) {
			int ret = call(what, u, pos, width);

			if (ret)
				return ret;
		}
		samples[round] = (now(c) - start) / CALLS;
	}
	qsort(samples, ROUNDS, sizeof(*samples), counter_compare);
	return 0;
}

int counter_measure(struct counter *c, struct vfio_user *u, const char *side,
		    int bar, uint64_t off, void (*say)(const char *line))
{
	const struct {
		const char *name;
		enum call what;
		int region;
		uint64_t off;
		unsigned int width;
	} metrics[] = {
		{ "config_pread_1", PREAD, VFIO_CONFIG, CONFIG_BAR0, 1 },
		{ "config_pread_4", PREAD, VFIO_CONFIG, CONFIG_BAR0, 4 },
		{ "config_pwrite_1", PWRITE, VFIO_CONFIG, CONFIG_BAR0, 1 },
		{ "config_pwrite_4", PWRITE, VFIO_CONFIG, CONFIG_BAR0, 4 },
		{ "bar_pread_4", PREAD, bar, off, 4 },
		{ "get_irq_info", IRQ_INFO, VFIO_CONFIG, 0, 0 },
	};
	uint64_t nothing[ROUNDS], samples[ROUNDS];
	char line[128];

	sample(c, NOTHING, u, 0, 0, nothing);
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		int ret;

		if (metrics[i].region < 0)
			continue;
		ret = sample(c, metrics[i].what, u,
			     u->regions[metrics[i].region].offset + metrics[i].off,
			     metrics[i].width, samples);
		if (ret)
			return ret;
		snprintf(line, sizeof(line), "hw_%s_%s %s %s %ju %ju", counter_unit(c),
			 metrics[i].name, counter_unit(c), side,
			 (uintmax_t)(samples[0] - nothing[0]),
			 (uintmax_t)(samples[ROUNDS / 2] - nothing[0]));
		say(line);
	}
	return 0;
}
