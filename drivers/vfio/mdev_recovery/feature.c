// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO_DEVICE_FEATUREs of our own: status, eventfd and acknowledgement, see
 * include/uapi/linux/mdev_recovery.h. None of them enters the gate.
 */
#include <linux/eventfd.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "device.h"
#include "function.h"
#include "group.h"

static int mdr_feature_status(struct mdr_device *device, u32 flags,
			      void __user *arg, size_t argsz)
{
	struct mdr_status status;
	int ret;

	ret = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_GET,
				 sizeof(status));
	if (ret != 1)
		return ret;
	scoped_guard(mdr_group_briefly, device->function->group)
		mdr_status_fill(device, &status);
	return copy_to_user(arg, &status, sizeof(status)) ? -EFAULT : 0;
}

/* What a SET is given: 1 if @request is filled in, otherwise what to return. */
static int mdr_feature_request(u32 flags, void __user *arg, size_t argsz,
			       void *request, size_t size)
{
	int ret;

	ret = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_SET, size);
	if (ret == 1 && copy_from_user(request, arg, size))
		return -EFAULT;
	return ret;
}

static int mdr_feature_eventfd(struct mdr_device *device, u32 flags,
			       void __user *arg, size_t argsz)
{
	struct mdr_device_feature_eventfd request;
	struct eventfd_ctx *changed = NULL;
	int ret;

	ret = mdr_feature_request(flags, arg, argsz, &request, sizeof(request));
	if (ret != 1)
		return ret;
	if (request.flags || request.fd < -1)
		return -EINVAL;
	if (request.fd >= 0)
		changed = eventfd_ctx_fdget(request.fd);
	if (IS_ERR(changed))
		return PTR_ERR(changed);
	mdr_status_set_eventfd(device, changed);
	return 0;
}

static int mdr_acknowledge(struct mdr_device *device, u64 event)
{
	struct mdr_group *group = device->function->group;
	int ret;

	guard(mutex)(&group->lock);
	ret = mdr_status_may_acknowledge(device, event);
	if (ret)
		return ret;
	device->acknowledged = event;
	group->stats.acknowledgements++;
	if (mdr_group_acknowledged(group, MDR_POLICY_HOLD))
		mdr_group_step(group, MDR_EVENT_ACKNOWLEDGED, device->function);
	if (group->machine.state == MDR_STATE_HOLDING)
		mdr_status_update(device);
	return 0;
}

static int mdr_feature_acknowledge(struct mdr_device *device, u32 flags,
				   void __user *arg, size_t argsz)
{
	struct mdr_device_feature_acknowledge request;
	int ret;

	ret = mdr_feature_request(flags, arg, argsz, &request, sizeof(request));
	if (ret != 1)
		return ret;
	if (request.flags || request.reserved)
		return -EINVAL;
	ret = mdr_acknowledge(device, request.event);
	if (!ret || ret == -EALREADY)
		mdr_group_wait_opened(device->function->group);
	if (ret)
		pci_notice_ratelimited(device->core->pdev,
				       "%s: acknowledgement of event %llu refused: %d\n",
				       device->uuid, request.event, ret);
	return ret;
}

/* -ENOTTY if it is none of ours. */
int mdr_device_own_feature(struct mdr_device *device, u32 flags,
			   void __user *arg, size_t argsz)
{
	switch (flags & VFIO_DEVICE_FEATURE_MASK) {
	case MDR_DEVICE_FEATURE_STATUS:
		return mdr_feature_status(device, flags, arg, argsz);
	case MDR_DEVICE_FEATURE_EVENTFD:
		return mdr_feature_eventfd(device, flags, arg, argsz);
	case MDR_DEVICE_FEATURE_ACKNOWLEDGE:
		return mdr_feature_acknowledge(device, flags, arg, argsz);
	default:
		return -ENOTTY;
	}
}
