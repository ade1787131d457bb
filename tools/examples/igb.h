/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * igb: enough of a driver for Intel's 82576 to send frames to itself, by DMA and through
 * the loopback of its MAC. It knows nothing of errors and recoveries: igb_start() makes
 * the device work from any state.
 */
#ifndef MDR_EXAMPLE_IGB_H
#define MDR_EXAMPLE_IGB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IGB_FRAME_SIZE	512
#define IGB_FRAMES	16	/* at once; the rings are larger */

struct mdr_device;

struct igb {
	int device;
	volatile uint8_t *registers;
	size_t registers_size;
	uint64_t config;	/* the offset of config space in the device's file */
	uint8_t *memory;	/* rings and frames, for DMA */
	unsigned int used;	/* descriptors of both rings since the start */
};

/* Maps the registers and the memory. All return 0 or -errno. */
int igb_open(struct igb *igb, const struct mdr_device *device);
void igb_close(struct igb *igb);

/* Resets the device's queues and starts them. */
int igb_start(struct igb *igb);

/* The frame with this index in the next batch. */
uint8_t *igb_frame_out(struct igb *igb, unsigned int index);

/* Sends count frames. */
void igb_send(struct igb *igb, unsigned int count);

/* The received frame with this index, or NULL if it has not come back. */
const uint8_t *igb_frame_in(struct igb *igb, unsigned int index);

/* This batch is done. */
void igb_next(struct igb *igb, unsigned int count);

#endif
