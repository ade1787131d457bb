// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO_DEVICE_PCI_HOT_RESET: a bus or slot reset that a user asks for. It hits
 * functions of other groups too, so the gates of all of them close first.
 *
 * vfio-pci-core decides whether the reset is allowed. But a user must not even close
 * the gate of another one, so it first has to prove that it owns each group, by group
 * file or iommufd context. vfio-pci-core asks for the same proof later, and reads the
 * arguments again. If their page is absent by then, the reset ends and the gates open.
 * It starts over once the page is present, so a user cannot keep the gates of others
 * closed by withholding a page.
 */
#include <linux/file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "device.h"
#include "function.h"
#include "group.h"

/* Functions on one bus: 32 devices of 8 (PCI Express 6.0, 2.2.4.2). */
#define MDR_MAX_HOT_RESET_FILES 256

/**
 * struct mdr_hot_reset_group - a group that a hot reset hits
 * @group: the group; referenced
 * @entry: presence inside its gate
 * @error: why one of its functions cannot be restored; 0 if that is not known yet
 */
struct mdr_hot_reset_group {
	struct mdr_group *group;
	struct mdr_gate_entry entry;
	int error;
};

/**
 * struct mdr_hot_reset - a hot reset
 * @device: the device it was asked for
 * @context: the iommufd of a user of the character device, whose proof it is; NULL for
 *	a user of a group, who passes files, also if the group is in an iommufd
 * @files: the group files that the user passed; referenced
 * @nr_files: number of @files
 * @groups: the group of @device first, then the others that the reset hits
 * @count: number of @groups
 * @begun: how many of @groups this reset has put into state resetting
 * @deadline: until then (jiffies) it waits for functions that are slow
 * @let_go: until then for tasks that have a function, and may be draining a gate
 */
struct mdr_hot_reset {
	struct mdr_device *device;
	struct iommufd_ctx *context;
	struct file **files;
	unsigned int nr_files;
	struct mdr_hot_reset_group *groups;
	unsigned int count;
	unsigned int begun;
	unsigned long deadline;
	unsigned long let_go;
};

/* Is the device, open or not, in a group whose file the user passed? */
static bool mdr_hot_reset_has_file(struct mdr_hot_reset *reset,
				   struct vfio_device *vdev)
{
	unsigned int i;

	for (i = 0; i < reset->nr_files; i++)
		if (vfio_file_has_dev(reset->files[i], vdev))
			return true;
	return false;
}

/*
 * Has the caller proven that it owns the group? A group without a user needs a proof as
 * well: otherwise anyone could keep its gate closed, and its owner from opening it, with
 * resets that vfio-pci-core refuses. A context owns a group through the devices that are
 * open in it.
 */
static bool mdr_hot_reset_may(struct mdr_hot_reset *reset,
			      struct mdr_group *group)
{
	struct iommufd_ctx *context = reset->context;
	struct mdr_function *function;
	bool shown = false;

	lockdep_assert_held(&group->lock);
	list_for_each_entry(function, &group->functions, group_item) {
		struct mdr_device *device = function->device;
		struct vfio_device *vdev;

		if (!device || (context && !device->opened))
			continue;
		vdev = &device->core->vdev;
		shown = context ? vfio_iommufd_device_ictx(vdev) == context :
				  mdr_hot_reset_has_file(reset, vdev);
		if (!shown)
			return false;
	}
	return shown;
}

static bool mdr_hot_reset_has(struct mdr_hot_reset *reset,
			      struct mdr_group *group)
{
	unsigned int i;

	for (i = 0; i < reset->count; i++)
		if (reset->groups[i].group == group)
			return true;
	return false;
}

static void mdr_hot_reset_add(struct mdr_hot_reset *reset,
			      struct mdr_group *group)
{
	get_device(&group->dev);
	reset->groups[reset->count++].group = group;
}

static unsigned int mdr_functions_on(struct pci_bus *bus)
{
	struct mdr_function *function;
	unsigned int count = 0;
	unsigned long index;

	xa_for_each(&mdr_functions, index, function)
		count += function->pdev->bus == bus;
	return count;
}

/* Refuse a reset that hits the group of another user. group->lock. */
static int mdr_hot_reset_check(struct mdr_hot_reset *reset,
			       struct mdr_group *group)
{
	if (mdr_hot_reset_may(reset, group))
		return 0;
	pci_notice_ratelimited(reset->device->core->pdev,
			       "%s: hot reset refused: it would reset a group that the caller has not proven to own\n",
			       reset->device->uuid);
	return -EPERM;
}

static int mdr_hot_reset_collect(struct mdr_hot_reset *reset)
{
	struct mdr_function *function = reset->device->function, *other;
	struct pci_bus *bus = function->pdev->bus;
	unsigned long index;
	int ret;

	guard(mutex)(&mdr_registry_lock);
	reset->groups = kcalloc(mdr_functions_on(bus), sizeof(*reset->groups),
				GFP_KERNEL);
	if (!reset->groups)
		return -ENOMEM;

	mdr_hot_reset_add(reset, function->group);
	xa_for_each(&mdr_functions, index, other) {
		if (other->pdev->bus != bus ||
		    mdr_hot_reset_has(reset, other->group))
			continue;
		scoped_guard(mutex, &other->group->lock)
			ret = mdr_hot_reset_check(reset, other->group);
		if (ret)
			return ret;
		mdr_hot_reset_add(reset, other->group);
	}
	return 0;
}

/* Has no error come? The host waits for this task to leave then. */
static bool mdr_hot_reset_is_mine(struct mdr_hot_reset *reset)
{
	bool mine = true;
	unsigned int i;

	for (i = 0; i < reset->count; i++)
		mine &= READ_ONCE(reset->groups[i].group->resetter) == current;
	return mine;
}

/*
 * Close, drain and enter all gates. This may wait for the device's own group. The other
 * groups must be ready: otherwise two such resets could wait for each other.
 */
static int mdr_hot_reset_begin(struct mdr_hot_reset *reset)
{
	struct mdr_function *function = reset->device->function;
	unsigned int i;
	int ret;

	ret = mdr_reset_enter(reset->device, &reset->groups[0].entry);
	if (ret)
		return ret;
	reset->begun = 1;

	for (i = 1; i < reset->count; i++) {
		struct mdr_group *group = reset->groups[i].group;

		scoped_guard(mutex, &group->lock) {
			/* it may have another user since the proof */
			ret = mdr_hot_reset_check(reset, group);
			if (ret)
				return ret;
			if (mdr_group_host_may_work(group))
				return -EIO;
			if (!mdr_group_reset_begin(group,
						   MDR_EVENT_USER_RESET_BEGIN,
						   function))
				return -EAGAIN;
		}
		mdr_gate_enter_exclusive(&group->gate, &reset->groups[i].entry);
		reset->groups[i].entry.user_reset = true;
		reset->begun = i + 1;
		if (!mdr_group_drain_or_fail(group))
			return -EBUSY;
	}
	/* it may have waited */
	ret = mdr_unbind_must_pass(function->pdev->bus);
	if (ret)
		return ret;
	return mdr_hot_reset_is_mine(reset) ? 0 : -EAGAIN;
}

static void mdr_hot_reset_end(struct mdr_hot_reset *reset, bool alive)
{
	struct mdr_function *function = reset->device->function;

	while (reset->begun) {
		struct mdr_hot_reset_group *hit = &reset->groups[--reset->begun];

		mdr_gate_exit(&hit->entry);
		mdr_reset_end(hit->group, function, function->pdev->bus, alive);
	}
}

/*
 * A function does not answer: note it as lost if the reset has made it silent, and return as
 * mdr_hot_reset_try(). One that did not answer before is not the business of this reset,
 * unless its restore has begun.
 */
static int mdr_hot_reset_note_silent(struct pci_dev *pdev)
{
	struct mdr_function *function;

	guard(rcu)();
	function = mdr_function_find(pdev);
	if (!function || (READ_ONCE(function->restore.was_silent) &&
			  !READ_ONCE(function->restore.configured)))
		return 0;
	/* a reset from outside makes it silent for a while */
	if (READ_ONCE(function->host_reset.counted))
		return -EAGAIN;
	/* nobody else restores it as long as the group is this task's */
	mdr_function_set_blank(function);
	return pci_dev_is_disconnected(pdev) ? -EIO : -EBUSY;
}

/*
 * Try to make a function of the bus whole that was reset. -EBUSY if it does not answer, or is
 * not healthy yet; -EAGAIN if another task has it.
 */
static int mdr_hot_reset_try(struct mdr_hot_reset *reset,
			     struct mdr_group *group, struct pci_dev *pdev)
{
	int ret;

	if (!mdr_function_answers(pdev))
		return mdr_hot_reset_note_silent(pdev);
	/* mdr_reset_finish() restores the one that takes the group out of failed */
	if (pdev == reset->device->core->pdev && mdr_reset_revives(group))
		return 0;
	ret = mdr_restore_if_blank(pdev);
	if (ret == -ENODEV || (ret == -EIO && !mdr_function_answers(pdev)))
		return -EBUSY;
	return ret;
}

static int mdr_hot_reset_worst(int one, int other)
{
	if (!one || one == -EAGAIN)
		return other ?: one;
	return one == -EBUSY && other && other != -EAGAIN ? other : one;
}

/* Try all functions of a group on the bus. 0, or the worst as of mdr_hot_reset_try(). */
static int mdr_hot_reset_restore(struct mdr_hot_reset *reset,
				 struct mdr_hot_reset_group *hit)
{
	struct pci_bus *bus = reset->device->core->pdev->bus;
	struct mdr_snapshot snapshot;
	unsigned int i;
	int worst;

	if (hit->error)
		return hit->error;
	worst = mdr_snapshot_take(hit->group, MDR_SNAPSHOT_ALL, &snapshot);
	for (i = 0; i < snapshot.count; i++)
		if (snapshot.pdevs[i]->bus == bus)
			worst = mdr_hot_reset_worst(worst,
						    mdr_hot_reset_try(reset, hit->group,
								      snapshot.pdevs[i]));
	mdr_snapshot_put(&snapshot);
	if (worst != -EBUSY && worst != -EAGAIN)
		hit->error = worst;
	return worst;
}

/* What has to be waited for: -EBUSY functions, -EAGAIN just tasks that have them, 0 nothing. */
static int mdr_hot_reset_awaits(struct mdr_hot_reset *reset)
{
	int awaits = 0, ret;
	unsigned int i;

	for (i = 0; i < reset->count; i++) {
		ret = mdr_hot_reset_restore(reset, &reset->groups[i]);
		if (ret == -EBUSY || (ret == -EAGAIN && !awaits))
			awaits = ret;
	}
	return awaits;
}

/*
 * The PCI core restores the config space that it found, in functions that answer in time; it
 * waits for one function of the bus only. Wait here for the others, and restore them, inside
 * the gates and without a lock, for as long as the host may take for a recovery. An error in
 * one of the groups ends the wait for all. A task that has a function may be draining one of
 * the gates, so the wait for it is short.
 */
static void mdr_hot_reset_wait(struct mdr_hot_reset *reset)
{
	struct pci_bus *bus = reset->device->core->pdev->bus;
	struct mdr_group *group = reset->groups[0].group;
	unsigned int poll_ms = MDR_POLL_MS;
	int awaits;

	reset->let_go = jiffies + msecs_to_jiffies(MDR_LET_GO_MS);
	while (mdr_hot_reset_is_mine(reset) && mdr_reset_may_wait(group, bus)) {
		awaits = mdr_hot_reset_awaits(reset);
		if (awaits != -EAGAIN)
			reset->let_go = jiffies + msecs_to_jiffies(MDR_LET_GO_MS);
		if (!awaits || time_after(jiffies, awaits == -EAGAIN ? reset->let_go :
								       reset->deadline))
			return;
		mdr_group_poll(group, !mdr_hot_reset_is_mine(reset), &poll_ms);
	}
}

/* The end of the reset for a group: its functions are whole, or it ends otherwise. */
static int mdr_hot_reset_finish(struct mdr_hot_reset *reset,
				struct mdr_hot_reset_group *hit)
{
	struct mdr_group *group = hit->group;
	int ret;

	do {
		/* otherwise an error took over: its recovery restores the functions */
		ret = READ_ONCE(group->resetter) == current ?
		      mdr_hot_reset_restore(reset, hit) : 0;
	} while (ret == -EAGAIN && mdr_wait_host_lets_go(reset->let_go));
	if (ret == -EAGAIN ||
	    (ret == -EBUSY && time_before(jiffies, reset->deadline)))
		return mdr_reset_hand_over(group);
	if (!ret) {
		/* it takes the group out of failed, with all its devices */
		if (mdr_reset_revives(group))
			mdr_group_sync_interrupts(group);
		return mdr_reset_hooks(group, NULL);
	}
	mdr_reset_fail(group, NULL, -EIO);
	return -EIO;
}

/*
 * Restore all functions that were reset. Each group ends separately: if one is not usable
 * it fails, and so does the reset. The first group may have failed already.
 */
static int mdr_hot_reset_mend(struct mdr_hot_reset *reset)
{
	struct mdr_group *group = reset->groups[0].group;
	int worst = 0, ret;
	unsigned int i;

	reset->deadline = mdr_reset_deadline(group);
	mdr_hot_reset_wait(reset);
	if (mdr_reset_revives(group))
		worst = mdr_reset_finish(reset->device);
	/* hooks may be due for the others, too */
	if (worst)
		mdr_reset_fail(group, NULL, worst);
	for (i = worst ? 1 : 0; i < reset->count; i++) {
		ret = mdr_hot_reset_finish(reset, &reset->groups[i]);
		if (ret)
			worst = ret;
	}
	/* one of a hook's would be taken for a page that is absent */
	return worst == -EFAULT ? -EIO : worst;
}

static void mdr_hot_reset_put_groups(struct mdr_hot_reset *reset)
{
	while (reset->count)
		put_device(&reset->groups[--reset->count].group->dev);
	kfree(reset->groups);
	reset->groups = NULL;
}

static long mdr_hot_reset_run(struct mdr_hot_reset *reset, unsigned int cmd,
			      unsigned long arg)
{
	unsigned int begun, i;
	long ret;

	ret = mdr_unbind_must_pass_call(reset->device,
					reset->device->core->pdev->bus);
	if (!ret)
		ret = mdr_hot_reset_collect(reset);
	if (!ret)
		ret = mdr_hot_reset_begin(reset);
	if (!ret && !mdr_reset_reaches(reset->device))
		ret = -EIO;
	if (!ret) {
		/* vfio-pci-core reads the arguments again */
		mdr_gate_faults_off();
		ret = mdr_reset_run(reset->device, cmd, arg,
				    &reset->groups[0].entry);
		mdr_gate_faults_on();
	}
	if (reset->begun && reset->groups[0].entry.was_reset)
		ret = mdr_hot_reset_mend(reset) ?: ret;
	begun = reset->begun;
	mdr_hot_reset_end(reset, !ret);
	for (i = 0; i < begun; i++)
		mdr_reset_settle(reset->groups[i].group, ret);
	mdr_hot_reset_put_groups(reset);
	return ret;
}

static int mdr_get_file(s32 __user *descriptor, struct file **file)
{
	s32 fd;

	if (get_user(fd, descriptor))
		return -EFAULT;
	*file = fget(fd);
	if (!*file)
		return -EBADF;
	if (vfio_file_is_group(*file))
		return 0;
	fput(*file);
	return -EINVAL;
}

/*
 * Get the proof of the caller: its context, or all group files that it passed.
 * Malformed arguments that vfio-pci-core would refuse are refused here, before any
 * gate closes.
 */
static int mdr_hot_reset_get_proof(struct mdr_hot_reset *reset,
				   unsigned long arg)
{
	struct vfio_pci_hot_reset __user *user = (void __user *)arg;
	struct vfio_device *vdev = &reset->device->core->vdev;
	bool by_context = vfio_device_cdev_opened(vdev);
	struct vfio_pci_hot_reset header;
	int ret;

	if (copy_from_user(&header, user, offsetofend(typeof(header), count)))
		return -EFAULT;
	if (header.argsz < offsetofend(typeof(header), count) || header.flags ||
	    header.count > MDR_MAX_HOT_RESET_FILES ||
	    by_context == !!header.count)
		return -EINVAL;

	if (by_context)
		reset->context = vfio_iommufd_device_ictx(vdev);
	reset->files = kcalloc(header.count, sizeof(*reset->files), GFP_KERNEL);
	if (!reset->files)
		return -ENOMEM;
	while (reset->nr_files < header.count) {
		ret = mdr_get_file(&user->group_fds[reset->nr_files],
				   &reset->files[reset->nr_files]);
		if (ret)
			return ret;
		reset->nr_files++;
	}
	return 0;
}

static void mdr_hot_reset_put_files(struct mdr_hot_reset *reset)
{
	while (reset->nr_files)
		fput(reset->files[--reset->nr_files]);
	kfree(reset->files);
}

/*
 * VFIO_DEVICE_PCI_HOT_RESET: as mdr_device_reset(); -EPERM if it would reset a group that
 * the caller has not proven to own; -EAGAIN if another group is in a recovery or reset, or if
 * a function on the bus, or one that the caller uses, is being unbound, before the reset or
 * while it waits for a slow function; -EFAULT, -EBADF or
 * -EINVAL for a bad argument; -ENOMEM.
 */
long mdr_device_hot_reset(struct mdr_device *device, unsigned int cmd,
			  unsigned long arg)
{
	struct mdr_hot_reset reset = { .device = device };
	unsigned int retries = 0;
	long ret;

	ret = mdr_hot_reset_get_proof(&reset, arg);
	if (ret)
		goto out_put;
	/* -EFAULT: nothing was reset, and all gates are as before */
	do {
		ret = mdr_hot_reset_run(&reset, cmd, arg);
	} while (unlikely(ret == -EFAULT) &&
		 mdr_device_call_again(&retries, (void __user *)arg,
				       struct_size_t(struct vfio_pci_hot_reset,
						     group_fds, reset.nr_files),
				       false));
out_put:
	mdr_hot_reset_put_files(&reset);
	return ret;
}
