// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "device.h"
#include "nic_user.h"
#include "scenario.h"

/* Link up, and negotiation done: they come some time after a reset. */
#define STATUS_MAY_VARY 0x402u
/* The gate does not open in one moment, and the kernel may be delayed there. */
#define OPENS_NS (20 * NS_PER_MS)
/* For so long a user waits for a gate to close. */
#define LOOKS 100
#define LOOK_US 2000
/* What a user may change; memory decoding stays on, for the BARs. */
#define COMMAND_MINE (PCI_COMMAND_MASTER | PCI_COMMAND_SERR)

/*
 * Was the gate closed at any time since then? So an access was right to meet no device.
 * A status that is refused says nothing: true.
 */
static bool was_closed(struct soak_device *d, uint64_t since)
{
	struct mdr_status s;

	return vfio_status(&d->u, &s) || s.state != MDR_STATE_OPEN || s.closed_ns >= since ||
	       s.opened_ns + OPENS_NS >= since || (s.flags & MDR_STATUS_REMOVING);
}

static const char *who(struct soak_device *d)
{
	static char name[64];

	snprintf(name, sizeof(name), "%.15s (%s, group%d)", d->f->s.addr, d->f->type,
		 d->f->s.group);
	return name;
}

void device_check_register(struct soak_device *d, enum access_kind kind)
{
	uint64_t start = now_ns(), reference;
	uint32_t value = 0;
	int error;

	if (access_prepare(&d->u, kind, 0))
		return;
	error = access_once(&d->u, kind, 0, NIC_STATUS, &value);
	if (now_ns() - start > patient_ms(DEVICE_ACCESS_MS) * NS_PER_MS)
		soak_fail("%s: an access takes %ju ms", who(d),
			  (uintmax_t)((now_ns() - start) / NS_PER_MS));
	if (error || value == ~0u) {
		if (!was_closed(d, start))
			soak_fail("%s: an open device reads %#x (%s) by %s", who(d), value,
				  strerror(error),
				  kind == ACCESS_PREAD ? "pread" : "its mapping");
		return;
	}
	value |= STATUS_MAY_VARY;
	reference = atomic_load(&d->f->reference);
	if (!reference)
		atomic_store(&d->f->reference, value);
	else if (value != reference)
		soak_fail("%s: STATUS reads %#x, not %#jx, by %s", who(d), value,
			  (uintmax_t)reference,
			  kind == ACCESS_PREAD ? "pread" : "its mapping");
}

/* No access has to come through: the gate is closed, and what was under way is over. */
static bool is_shut(const struct mdr_status *s)
{
	return (s->state == MDR_STATE_RECOVERING || s->state == MDR_STATE_HOLDING ||
		s->state == MDR_STATE_EVICTING || s->state == MDR_STATE_FAILED) &&
	       s->opened_ns < s->closed_ns;
}

void device_check_shut(struct soak_device *d, enum access_kind kind)
{
	struct mdr_status before, after;
	unsigned int looks = LOOKS;
	uint32_t value = 0;

	if (access_prepare(&d->u, kind, 0))
		return;
	do {
		if (!looks-- || vfio_status(&d->u, &before))
			return;
		usleep(LOOK_US);
	} while (!is_shut(&before));
	atomic_fetch_add(&soak->tries, 1);
	if (access_once(&d->u, kind, 0, NIC_STATUS, &value) || value == ~0u ||
	    vfio_status(&d->u, &after))
		return;
	if (is_shut(&after) && after.closed_ns == before.closed_ns &&
	    after.opened_ns == before.opened_ns)
		soak_fail("%s: %s reads %#x from a device in state %u", who(d),
			  kind == ACCESS_PREAD ? "pread" : "a mapping", value, after.state);
}

/*
 * Bus mastering is off in holding, and comes back with the user's reset only: so it is
 * not looked at in a type that may hold.
 */
static uint16_t mine(struct soak_device *d)
{
	if (d->f->vf)
		return 0;
	return strcmp(d->f->type, "resume") ? PCI_COMMAND_SERR : COMMAND_MINE;
}

static void settle(struct soak_device *d, uint16_t command, uint8_t line)
{
	d->command = command;
	d->maybe_command = command;
	d->line = line;
	d->maybe_line = line;
}

void device_check_config(struct soak_device *d)
{
	uint64_t start = now_ns();
	uint16_t mask = mine(d), command;
	uint8_t bytes[16];
	ssize_t len;

	if (d->f->vf)
		return;
	/* one read: either the device gives all of it, or nothing */
	len = vfio_user_pread(&d->u, VFIO_CONFIG, bytes, sizeof(bytes), 0);
	if (len != sizeof(bytes) || (bytes[0] == 0xff && bytes[1] == 0xff) ||
	    (bytes[4] == 0xff && bytes[5] == 0xff)) {
		if (!was_closed(d, start))
			soak_fail("%s: an open device has no config space (%zd)", who(d), len);
		return;
	}
	command = bytes[PCI_COMMAND] | bytes[PCI_COMMAND + 1] << 8;
	/* the read may have been cut in two by an error */
	if (was_closed(d, start))
		return;
	if ((command ^ d->command) & mask && (command ^ d->maybe_command) & mask)
		soak_fail("%s: COMMAND is %#x, its user wrote %#x", who(d), command, d->command);
	if (bytes[PCI_CACHE_LINE_SIZE] != d->line && bytes[PCI_CACHE_LINE_SIZE] != d->maybe_line)
		soak_fail("%s: the cache line size is %#x, its user wrote %#x", who(d),
			  bytes[PCI_CACHE_LINE_SIZE], d->line);
	settle(d, command, bytes[PCI_CACHE_LINE_SIZE]);
}

/* A write to a closed gate may be dropped, and says nothing of that. */
void device_write_config(struct soak_device *d, struct soak_random *r)
{
	uint64_t start = now_ns();
	uint16_t command;
	uint8_t line;

	if (d->f->vf)
		return;
	device_check_config(d);
	/* only one write may be in doubt */
	if (d->command != d->maybe_command || d->line != d->maybe_line)
		return;
	if (random_one_in(r, 2)) {
		command = (d->command & ~COMMAND_MINE) | (random_next(r) & COMMAND_MINE);
		if (vfio_user_write(&d->u, VFIO_CONFIG, PCI_COMMAND, 2, command) ||
		    was_closed(d, start))
			d->maybe_command = command;
		else
			settle(d, command, d->line);
	} else {
		line = random_next(r);
		if (vfio_user_write(&d->u, VFIO_CONFIG, PCI_CACHE_LINE_SIZE, 1, line) ||
		    was_closed(d, start))
			d->maybe_line = line;
		else
			settle(d, d->command, line);
	}
	device_check_config(d);
}

int device_open(struct soak_device *d, struct soak_function *f, struct soak_device *with)
{
	uint64_t start = now_ns();
	uint8_t bytes[16];
	int ret;

	if (!atomic_load(&f->there))
		return -ENODEV;
	memset(d, 0, sizeof(*d));
	d->f = f;
	ret = vfio_user_open_in(&d->u, f->s.uuid, with ? with->u.space : NULL);
	if (ret)
		return ret;
	d->open = true;
	/* it may fail as soon as it is open: then nothing is known of it */
	if (vfio_user_pread(&d->u, VFIO_CONFIG, bytes, sizeof(bytes), 0) != sizeof(bytes) ||
	    was_closed(d, start + 1)) {
		ret = -EAGAIN;
	} else {
		settle(d, bytes[PCI_COMMAND] | bytes[PCI_COMMAND + 1] << 8,
		       bytes[PCI_CACHE_LINE_SIZE]);
	}
	if (ret)
		device_close(d);
	return ret;
}

void device_close_irqs(struct soak_device *d)
{
	while (d->nr_irqs)
		close(d->irqs[--d->nr_irqs]);
}

void device_close(struct soak_device *d)
{
	if (!d->open)
		return;
	device_close_irqs(d);
	if (d->has_dma)
		munmap(d->dma.va, d->dma.size);
	if (d->page)
		munmap((void *)d->page, sizeof(*d->page));
	vfio_user_close(&d->u);
	memset(d, 0, sizeof(*d));
}

void device_reset(struct soak_device *d, int (*how)(struct vfio_user *u))
{
	d->reset_at = ~0ull;
	how(&d->u);
	d->reset_at = now_ns();
	device_check_register(d, ACCESS_PREAD);
}

/* Initiate Function Level Reset, as a guest's kernel does it. */
int device_flr(struct vfio_user *u)
{
	unsigned int at = vfio_user_read(u, VFIO_CONFIG, PCI_CAPABILITY_LIST, 1);
	unsigned int control, left = 48;

	while (at >= 0x40 && at < 0xff && left--) {
		if (vfio_user_read(u, VFIO_CONFIG, at, 1) == PCI_CAP_ID_EXP) {
			control = vfio_user_read(u, VFIO_CONFIG, at + PCI_EXP_DEVCTL, 2);
			if (control == ~0u)
				return -EIO;
			return vfio_user_write(u, VFIO_CONFIG, at + PCI_EXP_DEVCTL, 2,
					       control | PCI_EXP_DEVCTL_BCR_FLR);
		}
		at = vfio_user_read(u, VFIO_CONFIG, at + 1, 1);
	}
	return -ENODEV;
}

void device_acknowledge(struct soak_device *d)
{
	struct mdr_status s;

	if (vfio_status(&d->u, &s))
		return;
	d->reset_at = ~0ull;
	vfio_acknowledge(&d->u, s.event);
	d->reset_at = now_ns();
}

void device_acknowledge_stale(struct soak_device *d, struct soak_random *r)
{
	struct mdr_status s;
	uint64_t event;
	int ret;

	if (vfio_status(&d->u, &s))
		return;
	/* one that comes meanwhile must not be hit by chance */
	event = random_one_in(r, 3) ? s.event + 1000000 :
		s.event - 1 - random_below(r, 3);
	ret = vfio_acknowledge(&d->u, event);
	/* a device that goes away refuses whatever it is asked */
	if (ret != -ESTALE && !device_is_asked_to_leave(d))
		soak_fail("%s: the acknowledgement of event %ju, after %ju, gives %d",
			  who(d), (uintmax_t)event, (uintmax_t)s.event, ret);
}

void device_check_hold(struct soak_device *d, struct soak_random *r)
{
	struct mdr_status s;

	/* two devices in a group: the answer of one of them does not open it */
	if (vfio_status(&d->u, &s) || s.policy != MDR_POLICY_HOLD)
		return;
	if (s.state == MDR_STATE_HOLDING && s.error_ns > d->reset_at && d->held != s.event) {
		d->held = s.event;
		d->held_at = now_ns();
	}
	if (d->held && s.state == MDR_STATE_OPEN && s.event == d->held &&
	    d->reset_at < s.error_ns && s.opened_ns >= d->held_at)
		soak_fail("%s: event %ju was held, and is open without an answer", who(d),
			  (uintmax_t)d->held);
	if (s.event != d->held)
		d->held = 0;
	if (s.state == MDR_STATE_HOLDING && random_one_in(r, 2))
		device_acknowledge_stale(d, r);
}

bool device_is_asked_to_leave(struct soak_device *d)
{
	struct mdr_status s;

	return d->open && (vfio_status(&d->u, &s) || s.next == MDR_NEXT_RELEASE ||
			   (s.flags & MDR_STATUS_REMOVING));
}

enum soak_answer device_answer(struct soak_device *d)
{
	struct mdr_status s;

	if (!d->open)
		return DEVICE_WELL;
	if (vfio_status(&d->u, &s) || (s.flags & MDR_STATUS_REMOVING))
		return DEVICE_LEAVES;
	switch (s.next) {
	case MDR_NEXT_RESET:
		if (s.flags & MDR_STATUS_MAY_ACKNOWLEDGE && s.event % 2)
			device_acknowledge(d);
		else
			device_reset(d, vfio_user_reset);
		return DEVICE_WAITS;
	case MDR_NEXT_RELEASE:
		return DEVICE_LEAVES;
	case MDR_NEXT_NOTHING:
		device_check_register(d, ACCESS_PREAD);
		device_check_register(d, ACCESS_MAP_READ);
		device_check_config(d);
		return DEVICE_WELL;
	default:
		return DEVICE_WAITS;
	}
}
