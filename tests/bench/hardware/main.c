// SPDX-License-Identifier: GPL-2.0-only
/*
 * count DEVICE SIDE [BAR OFFSET]: measures the function that vfio-pci (DEVICE is
 * its PCI address) or an mdev of ours (its UUID) assigns. For tests/bench/hardware/run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "counter.h"

static struct utsname machine;

static void say(const char *line)
{
	printf("%s %s\n", machine.release, line);
}

int main(int argc, char **argv)
{
	static struct vfio_user user;
	struct counter counter;
	int ret, bar = -1;
	uint64_t off = 0;

	if (argc != 3 && argc != 5) {
		fprintf(stderr, "usage: count DEVICE SIDE [BAR OFFSET]\n");
		return 2;
	}
	if (argc == 5) {
		bar = atoi(argv[3]);
		off = strtoull(argv[4], NULL, 0);
	}
	uname(&machine);
	counter_open(&counter);
	if (counter.fd < 0)
		fprintf(stderr,
			"count: this processor counts no instructions for us (%s): ticks of the time stamp counter instead\n",
			strerror(counter.error));
	ret = vfio_user_open(&user, argv[1]);
	if (ret) {
		fprintf(stderr, "count: cannot open %s: %s; is it bound, and free?\n",
			argv[1], strerror(-ret));
		return 1;
	}
	if (bar > VFIO_PCI_BAR5_REGION_INDEX ||
	    (bar >= 0 && user.regions[bar].size < off + 4)) {
		fprintf(stderr, "count: %s has no BAR %d with a register at %#jx\n",
			argv[1], bar, (uintmax_t)off);
		return 2;
	}
	ret = counter_measure(&counter, &user, argv[2], bar, off, say);
	if (ret)
		fprintf(stderr, "count: %s: an access failed: %s\n", argv[1],
			strerror(-ret));
	vfio_user_close(&user);
	return ret ? 1 : 0;
}
