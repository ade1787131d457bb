// SPDX-License-Identifier: GPL-2.0-only
/*
 * ioctl() of a device, by class. Calls that vfio-pci-core answers without the
 * device pass; calls that may touch it enter the gate; resets close the gate.
 * The rest would bypass the gate and is refused.
 *
 * vfio-pci-core touches the device in more calls than their names suggest:
 * GET_INFO may set AtomicOps in Device Control 2, GET_IRQ_INFO reads the MSI
 * capabilities, and GET_REGION_INFO of the ROM changes COMMAND for a moment.
 * During a recovery they would read or leave behind garbage.
 */
#include <linux/uaccess.h>

#include "device.h"
#include "function.h"
#include "group.h"

/*
 * mdr_call_inside() for a call that copies from or to user memory, at @user_. If a
 * page there is absent the call is made again. That is safe: each of these calls
 * copies its arguments before it changes anything, and may return its results twice.
 */
#define mdr_call_copying(device_, user_, size_, write_, call_)		\
({									\
	unsigned int retries_ = 0;					\
	long result_;							\
									\
	do {								\
		result_ = mdr_call_inside(device_, ({			\
			long called_;					\
									\
			mdr_gate_faults_off();				\
			called_ = (call_);				\
			mdr_gate_faults_on();				\
			called_;					\
		}));							\
	} while (unlikely(result_ == -EFAULT) &&			\
		 mdr_device_call_again(&retries_, user_, size_, write_)); \
	result_;							\
})

static long mdr_get_info(struct mdr_device *device, unsigned int cmd,
			 unsigned long arg)
{
	long ret = mdr_parent_ioctl(device, cmd, arg);

	mdr_user_registers_info(device);
	return ret;
}

/* Is the device kept from its user by an error, with a type that asks for a user's reset? */
static bool mdr_device_is_withheld(struct mdr_device *device)
{
	struct mdr_group *group = device->function->group;

	guard(mutex)(&group->lock);
	return device->policy != MDR_POLICY_RESUME &&
	       group->machine.state != MDR_STATE_RESETTING &&
	       mdr_gate_closed(&group->gate);
}

/*
 * vfio-pci-core turns memory decoding on for SET_IRQS, and writes the COMMAND that it found
 * at the end. It waits for whoever reads the interrupt's files in /proc, which may take until
 * after the host's reset, and bus mastering would be back.
 */
static void mdr_irqs_end(struct mdr_device *device)
{
	struct pci_dev *pdev = device->core->pdev;
	u16 command;

	if (likely(!mdr_gate_closed(device->gate)) ||
	    !mdr_device_is_withheld(device))
		return;
	pci_read_config_word(pdev, PCI_COMMAND, &command);
	if (!PCI_POSSIBLE_ERROR(command) && (command & PCI_COMMAND_MASTER))
		pci_write_config_word(pdev, PCI_COMMAND,
				      command & ~PCI_COMMAND_MASTER);
}

static long mdr_set_irqs(struct mdr_device *device, unsigned int cmd,
			 unsigned long arg,
			 const struct mdr_irqs_request *request)
{
	long ret = mdr_parent_ioctl(device, cmd, arg);

	mdr_irqs_end(device);
	if (!ret)
		mdr_intx_note(device, request);
	return ret;
}

/* The longest argument of a call: SET_IRQS with an eventfd for each of 2048. */
#define MDR_MAX_CALL (sizeof(struct vfio_irq_set) + 2048 * sizeof(s32))

/*
 * The size of an argument, from its first word. 0 if it cannot be read or is not
 * valid; vfio-pci-core then refuses the call.
 */
static size_t mdr_call_size(void __user *user)
{
	u32 size;

	return get_user(size, (u32 __user *)user) ? 0 :
	       min_t(size_t, size, MDR_MAX_CALL);
}

static bool mdr_group_is_holding(struct mdr_group *group)
{
	guard(mutex)(&group->lock);
	return group->machine.state == MDR_STATE_HOLDING;
}

static bool mdr_irqs_wait_ends(struct mdr_group *group)
{
	return READ_ONCE(group->machine.state) == MDR_STATE_HOLDING ||
	       !mdr_gate_closed(&group->gate) || READ_ONCE(group->gate.dead);
}

/* Wait at a closed gate, like any call, until it opens, or until the group is holding. */
static void mdr_irqs_wait(struct mdr_device *device)
{
	unsigned int timeout_ms = READ_ONCE(device->tunables.stall_timeout_ms);
	struct mdr_group *group = device->function->group;

	if (!mdr_irqs_wait_ends(group))
		wait_event_killable_timeout(group->state_changed,
					    mdr_irqs_wait_ends(group),
					    mdr_gate_left(&group->gate,
							  timeout_ms));
}

/* The user has changed the argument in the middle of the call, and has interrupts. */
static void mdr_irqs_touched(struct mdr_device *device)
{
	struct mdr_function *function = device->function;

	guard(mutex)(&function->group->lock);
	function->group->untouched = false;
	function->error.was_reset = false;
}

/*
 * A SET_IRQS that removes interrupts from a held device, with its result in @ret. False
 * if the group is not holding: the call still has to be made then.
 *
 * A VMM turns the interrupts of a device off, and then resets it; in holding that reset
 * opens the gate. If SET_IRQS waited for the gate it would fail, and the device would keep
 * its old interrupts: INTx could not be turned on while vfio-pci-core has MSI-X in use.
 * The host is done with the device, and a close does the same. The call counts as no
 * access, so reset_elision can still skip the reset. A new error finds the exclusive
 * entry, and waits for it.
 */
static bool mdr_irqs_turn_off(struct mdr_device *device, unsigned int cmd,
			      unsigned long arg,
			      const struct mdr_irqs_request *request, long *ret)
{
	struct mdr_group *group = device->function->group;
	void __user *user = (void __user *)arg;
	struct mdr_gate_entry entry;
	unsigned int retries = 0;
	bool holding;

	mdr_irqs_wait(device);
	/* users that try without a pause would look to a drain like one that stays inside */
	if (READ_ONCE(group->machine.state) != MDR_STATE_HOLDING)
		return false;
	do {
		mdr_gate_enter_exclusive(&group->gate, &entry);
		holding = mdr_group_is_holding(group);
		if (holding) {
			mdr_gate_faults_off();
			*ret = mdr_set_irqs(device, cmd, arg, request);
			mdr_gate_faults_on();
			if (READ_ONCE(device->core->irq_type) !=
			    VFIO_PCI_NUM_IRQS)
				mdr_irqs_touched(device);
		}
		mdr_gate_exit(&entry);
	} while (holding && *ret == -EFAULT &&
		 mdr_device_call_again(&retries, user, mdr_call_size(user), false));
	return holding;
}

/*
 * An ioctl that vfio does not know. Only the parent driver knows whether its argument is
 * written or only read, maybe from memory that cannot be written.
 */
static long mdr_own_ioctl(struct mdr_device *device, unsigned int cmd,
			  unsigned long arg)
{
	void __user *user = (void __user *)arg;
	long ret;

	ret = mdr_call_copying(device, user, mdr_call_size(user), true,
			       mdr_parent_ioctl(device, cmd, arg));
	if (ret != -EFAULT)
		return ret;
	return mdr_call_copying(device, user, mdr_call_size(user), false,
				mdr_parent_ioctl(device, cmd, arg));
}

/* It walks the bus below the device. -EAGAIN if an unbind waits for the caller. */
static long mdr_get_hot_reset_info(struct mdr_device *device, unsigned int cmd,
				   unsigned long arg)
{
	void __user *user = (void __user *)arg;
	unsigned int retries = 0;
	long ret;

	/* a page that is withheld must not delay it until an unbind begins */
	do {
		ret = mdr_unbind_must_pass_call(device, NULL);
		if (ret)
			return ret;
		mdr_gate_faults_off();
		ret = mdr_parent_ioctl(device, cmd, arg);
		mdr_gate_faults_on();
	} while (ret == -EFAULT &&
		 mdr_device_call_again(&retries, user, mdr_call_size(user),
				       true));
	return ret;
}

static long mdr_ioctl_refuse(struct mdr_device *device, unsigned int cmd)
{
	pci_notice_ratelimited(device->core->pdev,
			       "%s: ioctl %#x refused: it would bypass the access gate\n",
			       device->uuid, cmd);
	return -ENOTTY;
}

/* .ioctl; -EIO if the device does not answer within stall_timeout_ms. */
long mdr_device_ioctl(struct vfio_device *vdev, unsigned int cmd,
		      unsigned long arg)
{
	struct mdr_device *device = to_mdr_device(vdev);
	void __user *user = (void __user *)arg;
	struct mdr_irqs_request request;
	long ret;

	mdr_users_note(&device->users);
	switch (cmd) {
	case VFIO_DEVICE_GET_PCI_HOT_RESET_INFO:
		return mdr_get_hot_reset_info(device, cmd, arg);
	case VFIO_DEVICE_GET_INFO:
		return mdr_call_copying(device, user, mdr_call_size(user), true,
					mdr_get_info(device, cmd, arg));
	case VFIO_DEVICE_GET_REGION_INFO:
	case VFIO_DEVICE_GET_IRQ_INFO:
		return mdr_call_copying(device, user, mdr_call_size(user), true,
					mdr_parent_ioctl(device, cmd, arg));
	case VFIO_DEVICE_SET_IRQS:
		mdr_intx_parse(user, &request);
		if (request.turns_off &&
		    mdr_irqs_turn_off(device, cmd, arg, &request, &ret))
			return ret;
		return mdr_call_copying(device, user, mdr_call_size(user), false,
					mdr_set_irqs(device, cmd, arg,
						     &request));
	case VFIO_DEVICE_RESET:
		return mdr_device_reset(device, cmd, arg);
	case VFIO_DEVICE_PCI_HOT_RESET:
		return mdr_device_hot_reset(device, cmd, arg);
	case VFIO_DEVICE_IOEVENTFD:
		/* its writes come from an eventfd, outside of any call */
		return mdr_ioctl_refuse(device, cmd);
	default:
		if (!device->function->ops->device_ops)
			return mdr_ioctl_refuse(device, cmd);
		return mdr_own_ioctl(device, cmd, arg);
	}
}

/* .get_region_info_caps; fails like mdr_device_ioctl(). */
int mdr_device_region_info(struct vfio_device *vdev,
			   struct vfio_region_info *info,
			   struct vfio_info_cap *caps)
{
	struct mdr_device *device = to_mdr_device(vdev);

	mdr_users_note(&device->users);
	return mdr_call_inside(device,
			       vfio_ops_region_info(device->parent, vdev, info,
						    caps));
}

/*
 * .device_feature; fails like mdr_device_ioctl(). One feature that would bypass
 * the gate is the export of a BAR as a dma-buf.
 */
int mdr_device_feature(struct vfio_device *vdev, u32 flags, void __user *arg,
		       size_t argsz)
{
	struct mdr_device *device = to_mdr_device(vdev);
	u32 feature = flags & VFIO_DEVICE_FEATURE_MASK;

	mdr_users_note(&device->users);
	switch (feature) {
	case VFIO_DEVICE_FEATURE_PCI_VF_TOKEN:
		return device->parent->device_feature(vdev, flags, arg, argsz);
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY:
	case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP:
	case VFIO_DEVICE_FEATURE_LOW_POWER_EXIT:
		break;
	case MDR_DEVICE_FEATURE_STATUS ... MDR_DEVICE_FEATURE_ACKNOWLEDGE:
		return mdr_device_own_feature(device, flags, arg, argsz);
	default:
		if (!(flags & VFIO_DEVICE_FEATURE_PROBE))
			pci_notice_ratelimited(device->core->pdev,
					       "%s: device feature %u refused: it would bypass the access gate\n",
					       device->uuid, feature);
		return -ENOTTY;
	}

	return mdr_call_copying(device, arg, min_t(size_t, argsz, MDR_MAX_CALL),
				false,
				device->parent->device_feature(vdev, flags, arg,
							       argsz));
}
