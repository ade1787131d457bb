/* SPDX-License-Identifier: GPL-2.0-only */
/* An open device, what its user has written, and what must be true of it. */
#ifndef MDR_SOAK_DEVICE_H
#define MDR_SOAK_DEVICE_H

#include "access.h"
#include "soak.h"
#include "vfio_status.h"

/* The longest that one access may wait: SOAK_STALL_MS, and what has to be done then. */
#define DEVICE_ACCESS_MS 6000

/**
 * struct soak_device - a device of a user
 * @command, @line: COMMAND and the cache line size, as the user has written them
 * @maybe_command, @maybe_line: the same, if it is not known whether a write was lost
 * @held: the id of an event in state holding which the user has not answered, or 0
 * @reset_at: when the user last reset it, or acknowledged
 */
struct soak_device {
	struct soak_function *f;
	struct vfio_user u;
	bool open;
	uint16_t command, maybe_command;
	uint8_t line, maybe_line;
	uint64_t held;
	uint64_t held_at;
	uint64_t reset_at;
	const struct mdr_status_page *page;
	unsigned int irq_index;
	unsigned int nr_irqs;
	int irqs[4];
	bool has_dma;
	struct vfio_dma dma;
};

/* What a device at rest is. */
enum soak_answer { DEVICE_WELL, DEVICE_WAITS, DEVICE_LEAVES };

/* In the space of another one, or its own. 0 or -errno. */
int device_open(struct soak_device *d, struct soak_function *f, struct soak_device *with);
void device_close(struct soak_device *d);
void device_close_irqs(struct soak_device *d);

void device_check_register(struct soak_device *d, enum access_kind kind);
/* Waits a moment for the gate to close. Nothing comes through then. */
void device_check_shut(struct soak_device *d, enum access_kind kind);
void device_check_config(struct soak_device *d);
void device_write_config(struct soak_device *d, struct soak_random *r);

void device_reset(struct soak_device *d, int (*how)(struct vfio_user *u));
int device_flr(struct vfio_user *u);
void device_acknowledge(struct soak_device *d);
/* An older id, or one that was never given, must be refused. */
void device_acknowledge_stale(struct soak_device *d, struct soak_random *r);
/* The gate does not open before the answer; a wrong one is none. */
void device_check_hold(struct soak_device *d, struct soak_random *r);

bool device_is_asked_to_leave(struct soak_device *d);
enum soak_answer device_answer(struct soak_device *d);

#endif
