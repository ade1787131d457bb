// SPDX-License-Identifier: GPL-2.0-only
/*
 * The eventfd by which a user unmasks INTx, at the gate.
 *
 * On a signal vfio-pci-core writes to COMMAND from vfio core's wake-up function, which
 * cannot wait. Behind a closed gate that write would reach a device in its reset, or
 * be lost in the restore that follows. vfio-pci-core would then take INTx for unmasked
 * while the device has it disabled for good.
 *
 * vfio-pci-core ignores the eventfd while the user has INTx Disable set in its view of
 * COMMAND. So the shim sets that view once a closed gate is drained. When the gate
 * opens, the shim puts the user's value back and signals the eventfd, without knowing
 * whether the user has signalled it or an interrupt was missed. INTx is a level, so
 * unmasking it once more than needed is harmless.
 */
#include <linux/eventfd.h>
#include <linux/uaccess.h>

#include "device.h"
#include "function.h"
#include "group.h"

/* What the SET_IRQS at @user asks for. Nothing, if the call cannot succeed. */
void mdr_intx_parse(const void __user *user, struct mdr_irqs_request *request)
{
	size_t size = offsetofend(struct vfio_irq_set, count);
	struct vfio_irq_set set;

	*request = (struct mdr_irqs_request){ .fd = -1 };
	if (copy_from_user(&set, user, size))
		return;
	request->turns_off = !set.count &&
			     set.flags == (VFIO_IRQ_SET_DATA_NONE |
					   VFIO_IRQ_SET_ACTION_TRIGGER);
	if (set.index != VFIO_PCI_INTX_IRQ_INDEX)
		return;
	if (set.flags == (VFIO_IRQ_SET_DATA_EVENTFD |
			  VFIO_IRQ_SET_ACTION_UNMASK))
		request->changes = !get_user(request->fd,
					     (s32 __user *)(user + size));
	/* the eventfd goes with INTx */
	if (request->turns_off)
		request->changes = true;
}

/* What the user has INTx Disable set to; see also mdr_intx_withhold(). */
static void mdr_intx_tell(struct mdr_device *device, bool withheld)
{
	struct vfio_pci_core_device *core = device->core;
	u16 command = le16_to_cpup((__le16 *)(core->vconfig + PCI_COMMAND));

	guard(spinlock_irqsave)(&core->irqlock);
	core->virq_disabled = withheld || command & PCI_COMMAND_INTX_DISABLE;
	device->intx.withheld = withheld;
}

/* Replace the eventfd by @eventfd, which may be NULL. */
static void mdr_intx_replace(struct mdr_device *device,
			     struct eventfd_ctx *eventfd)
{
	scoped_guard(mutex, &device->function->group->lock) {
		if (device->intx.withheld)
			mdr_intx_tell(device, false);
		swap(device->intx.eventfd, eventfd);
	}
	if (eventfd)
		eventfd_ctx_put(eventfd);
}

/* Drop the eventfd: vfio-pci-core has none, or is about to drop it. */
void mdr_intx_forget(struct mdr_device *device)
{
	mdr_intx_replace(device, NULL);
	vfio_virqfd_disable(&device->intx.watch);
}

/*
 * A SET_IRQS has succeeded; inside the gate, so that no drain ends in between. If the user
 * changes its argument, or the file behind a descriptor, during the call, the shim does
 * not know the eventfd and does not withhold it.
 */
void mdr_intx_note(struct mdr_device *device,
		   const struct mdr_irqs_request *request)
{
	struct eventfd_ctx *eventfd;

	if (!request->changes)
		return;
	mdr_intx_forget(device);
	if (request->fd < 0)
		return;
	eventfd = eventfd_ctx_fdget(request->fd);
	if (IS_ERR(eventfd))
		return;
	/* without a handler, but removed when the user closes the file */
	if (vfio_virqfd_enable(device, NULL, NULL, NULL, &device->intx.watch,
			       request->fd)) {
		eventfd_ctx_put(eventfd);
		return;
	}
	mdr_intx_replace(device, eventfd);
}

/* Not an eventfd that is closed: nobody would signal it, and nothing else undo this. */
static void mdr_intx_withhold_from(struct mdr_device *device)
{
	/* mdr_intx_take_back() does it for one that is lent */
	if (device->intx.eventfd && READ_ONCE(device->intx.watch) &&
	    !device->intx.lent)
		mdr_intx_tell(device, true);
}

/*
 * The gate is closed, and no user is inside: a write to COMMAND by which a user sets INTx
 * Disable would undo this.
 */
void mdr_intx_withhold(struct mdr_group *group)
{
	struct mdr_function *function;

	lockdep_assert_held(&group->lock);

	/* it may have opened since the drain began */
	if (!mdr_gate_closed(&group->gate))
		return;
	list_for_each_entry(function, &group->functions, group_item)
		if (function->device)
			mdr_intx_withhold_from(function->device);
}

/*
 * Before the shim has vfio-pci-core mask INTx and unmask it: while the eventfd is withheld,
 * vfio-pci-core would not unmask. The signal at the opening gate makes up for that, but not
 * if the user has closed the eventfd by then. The device is neither reset nor restored
 * meanwhile, so a signal of the user's may get through. True if the eventfd was withheld.
 */
bool mdr_intx_lend(struct mdr_device *device)
{
	guard(mutex)(&device->function->group->lock);
	if (!device->intx.withheld)
		return false;
	mdr_intx_tell(device, false);
	device->intx.lent = true;
	return true;
}

/* Withhold it again, after mdr_intx_lend() has returned true. */
void mdr_intx_take_back(struct mdr_device *device)
{
	struct mdr_group *group = device->function->group;

	guard(mutex)(&group->lock);
	device->intx.lent = false;
	if (mdr_gate_closed(&group->gate))
		mdr_intx_withhold_from(device);
	else if (device->intx.eventfd)
		/* opening it found nothing withheld; a signal may have been lost before */
		eventfd_signal(device->intx.eventfd);
}

/* The gate has opened. */
void mdr_intx_release(struct mdr_device *device)
{
	lockdep_assert_held(&device->function->group->lock);

	if (!device->intx.withheld)
		return;
	mdr_intx_tell(device, false);
	eventfd_signal(device->intx.eventfd);
}
