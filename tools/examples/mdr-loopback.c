// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdr-loopback: a driver that loses nothing across errors of its device. It sends
 * numbered frames to itself through an igb, and checks each frame that comes back.
 *
 *   mdr-loopback [--seconds=N] [--iommufd] UUID
 *
 * UUID is an mdev of type mdr-pci-hold; the profile recovery-aware has the settings
 * for it. It is opened through its IOMMU group, or with --iommufd through its character
 * device. What a driver needs is in this file:
 *
 * - before and after each batch, one load from the status page tells whether there was
 *   an error (mdr_device_alive());
 * - if so, stop, wait for the host (mdr_device_wait()), and do what the status says:
 *   acknowledge the error by its id, or reset;
 * - initialise the device again, and repeat what has not been confirmed.
 *
 * The last line on stdout is a summary. Exit codes: 0 all frames came back intact; 1 some
 * did not, or something else failed; 3 the device is lost, or has to be released.
 */
#include <errno.h>
#include <getopt.h>
#include <libmdr.h>
#include <linux/mdev_recovery.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "igb.h"

#define HOST_MS		100000	/* without a change of state */
#define FRAME_MS	2000	/* for a batch to come back from a working device */
#define HEADER		14	/* of Ethernet */
#define ETHERTYPE	0x88b5	/* for experiments */
#define STARTS_MOST	10	/* attempts to start a device that reports no error */

struct work {
	struct mdr_device *device;
	struct igb igb;
	uint64_t event;			/* the latest one handled */
	uint64_t done;			/* frames that came back intact */
	uint64_t retried, wrong, recoveries, acknowledged, resets;
	uint32_t sum;			/* of their checksums */
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static uint32_t crc32(const uint8_t *data, size_t size)
{
	uint32_t crc = ~0u;

	while (size--) {
		crc ^= *data++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

/* Frame number n; its last four bytes are the checksum of the others. */
static uint32_t make_frame(uint8_t *frame, uint64_t number)
{
	uint32_t noise = 2463534242u ^ (uint32_t)number * 2654435761u, crc;

	memset(frame, 0xff, 6);
	memset(frame + 6, 0x02, 6);
	frame[12] = ETHERTYPE >> 8;
	frame[13] = ETHERTYPE & 0xff;
	memcpy(frame + HEADER, &number, sizeof(number));
	for (size_t i = HEADER + sizeof(number); i < IGB_FRAME_SIZE - sizeof(crc); i++) {
		noise ^= noise << 13;
		noise ^= noise >> 17;
		noise ^= noise << 5;
		frame[i] = noise;
	}
	crc = crc32(frame, IGB_FRAME_SIZE - sizeof(crc));
	memcpy(frame + IGB_FRAME_SIZE - sizeof(crc), &crc, sizeof(crc));
	return crc;
}

static bool alive(const struct work *work)
{
	return mdr_device_alive(work->device, work->event);
}

/* Does what the status says. Returns 0 if the status has to be read again. */
static int answer(struct work *work, const struct mdr_status *status)
{
	int ret;

	if (status->next == MDR_NEXT_RELEASE || status->next == MDR_NEXT_GIVE_UP)
		return -ENODEV;
	if (status->flags & MDR_STATUS_MAY_ACKNOWLEDGE) {
		ret = mdr_device_acknowledge(work->device, status->event);
		work->acknowledged += !ret;
		/* a newer error, a running reset, or another device has yet to answer */
		if (!ret || ret == -ESTALE || ret == -EAGAIN || ret == -EALREADY ||
		    ret == -EINVAL)
			return 0;
		if (ret != -EPERM)
			return ret;
	}
	if (ioctl(mdr_device_fd(work->device), VFIO_DEVICE_RESET))
		return errno == EAGAIN || errno == EBUSY ? 0 : -errno;
	work->resets++;
	return 0;
}

/* Waits for the host, and starts the device. Returns 0 when the device works. */
static int recover(struct work *work)
{
	struct mdr_status status;
	int ret, starts = 0;

	for (;;) {
		ret = mdr_device_wait(work->device, HOST_MS, &status);
		if (!ret && status.next != MDR_NEXT_NOTHING) {
			ret = answer(work, &status);
			if (!ret)
				continue;
		}
		if (ret)
			return ret;
		work->recoveries += status.event != work->event;
		work->event = status.event;
		ret = igb_start(&work->igb);
		/* start over if there was another error meanwhile */
		if (!ret && alive(work))
			return 0;
		if (alive(work) && ++starts == STARTS_MOST)
			return ret ? ret : -EIO;
	}
}

/* Returns how many frames of the batch came back, in order, before the device died. */
static unsigned int collect(struct work *work, unsigned int count)
{
	uint8_t expected[IGB_FRAME_SIZE];
	int64_t end_ms = now_ms() + FRAME_MS;
	unsigned int got = 0;

	while (got < count && now_ms() < end_ms) {
		const uint8_t *frame = igb_frame_in(&work->igb, got);
		uint32_t crc;

		if (!frame) {
			if (!alive(work))
				break;
			continue;
		}
		crc = make_frame(expected, work->done);
		if (memcmp(frame, expected, sizeof(expected))) {
			work->wrong++;
			break;
		}
		work->sum += crc;
		work->done++;
		got++;
	}
	return got;
}

/* One batch. The next one sends again what did not come back. */
static int do_lot(struct work *work)
{
	unsigned int got;

	if (!alive(work))
		return recover(work);
	for (unsigned int i = 0; i < IGB_FRAMES; i++)
		make_frame(igb_frame_out(&work->igb, i), work->done + i);
	igb_send(&work->igb, IGB_FRAMES);
	got = collect(work, IGB_FRAMES);
	if (got == IGB_FRAMES) {
		igb_next(&work->igb, IGB_FRAMES);
		return 0;
	}
	work->retried += IGB_FRAMES - got;
	if (alive(work))
		return -EIO;	/* a frame is lost, and no error explains it */
	return recover(work);
}

static uint32_t sum_of(uint64_t frames)
{
	uint8_t frame[IGB_FRAME_SIZE];
	uint32_t sum = 0;

	for (uint64_t n = 0; n < frames; n++)
		sum += make_frame(frame, n);
	return sum;
}

static int run(struct work *work, int seconds)
{
	int64_t end_ms = now_ms() + seconds * 1000LL;
	struct mdr_status status;
	int ret;

	ret = igb_open(&work->igb, work->device);
	if (!ret)
		ret = mdr_device_status(work->device, &status);
	if (!ret) {
		work->event = status.event;
		ret = recover(work);
	}
	while (!ret && now_ms() < end_ms)
		ret = do_lot(work);
	igb_close(&work->igb);
	return ret;
}

static int report(const struct work *work, int error)
{
	bool right = !error && work->done && !work->wrong && work->sum == sum_of(work->done);

	if (error)
		fprintf(stderr, "mdr-loopback: after %llu frames: %s\n",
			(unsigned long long)work->done, strerror(-error));
	printf("%s frames=%llu sum=%08x recoveries=%llu acknowledged=%llu ",
	       right ? "right" : "WRONG", (unsigned long long)work->done, work->sum,
	       (unsigned long long)work->recoveries, (unsigned long long)work->acknowledged);
	printf("resets=%llu retried=%llu wrong=%llu\n", (unsigned long long)work->resets,
	       (unsigned long long)work->retried, (unsigned long long)work->wrong);
	if (error == -ENODEV)
		return 3;
	return right ? 0 : 1;
}

static int usage(void)
{
	fputs("Usage: mdr-loopback [--seconds=N] [--iommufd] UUID\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 's' },
		{ "iommufd", no_argument, NULL, 'i' },
		{}
	};
	struct work work = {};
	int (*open_device)(struct mdr *, const char *, struct mdr_device **) = mdr_device_open;
	int option, seconds = 10, ret;
	struct mdr *mdr;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 'i')
			open_device = mdr_device_open_cdev;
		else
			seconds = option == 's' ? atoi(optarg) : 0;
		if (seconds <= 0)
			return usage();
	}
	if (optind + 1 != argc)
		return usage();
	mdr = mdr_new(NULL);
	ret = mdr ? open_device(mdr, argv[optind], &work.device) : -ENOMEM;
	if (ret) {
		fprintf(stderr, "mdr-loopback: %s: %s\n", argv[optind], strerror(-ret));
		mdr_free(mdr);
		return 1;
	}
	ret = run(&work, seconds);
	mdr_device_close(work.device);
	mdr_free(mdr);
	return report(&work, ret);
}
