// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking a device away from a user: first ask, then, if revoke=kill says so,
 * kill who still holds it.
 *
 * A holder is a process with the device's file among its descriptors, or with a
 * mapping of it. A descriptor that is neither, on its way through a socket for
 * example, is not found; then the wait goes on.
 */
#include <linux/fdtable.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "device.h"
#include "function.h"
#include "group.h"

/* How often a user is asked to leave, as vfio core does it. */
#define MDR_REQUEST_PERIOD_MS 10000

/* After a kill, how long until the next look for holders. */
#define MDR_KILL_PERIOD_MS 1000

/* How often to look whether the last file is closed: nothing tells. */
#define MDR_HELD_PERIOD_MS 10

static int mdr_is_device_file(const void *mapping, struct file *file,
			      unsigned int fd)
{
	return file->f_mapping == mapping;
}

static bool mdr_task_has_file(struct task_struct *task,
			      struct address_space *mapping)
{
	bool found;

	task_lock(task);
	found = task->files && iterate_fd(task->files, 0, mdr_is_device_file,
					  mapping);
	task_unlock(task);
	return found;
}

static bool mdr_task_has_mapping(struct task_struct *task,
				 struct address_space *mapping)
{
	struct mm_struct *mm = get_task_mm(task);
	struct vm_area_struct *vma;
	bool found = false;

	if (!mm)
		return false;
	mmap_read_lock(mm);
	{
		VMA_ITERATOR(vmi, mm, 0);

		for_each_vma(vmi, vma) {
			if (vma->vm_file && vma->vm_file->f_mapping == mapping) {
				found = true;
				break;
			}
		}
	}
	mmap_read_unlock(mm);
	mmput(mm);
	return found;
}

/*
 * All threads, referenced, in an array that ends with NULL; NULL: no memory. Not
 * just the first of each process, which may be gone with the others living on.
 */
static struct task_struct **mdr_get_tasks(void)
{
	struct task_struct **tasks, *process, *task;
	unsigned int room = 0, count = 0;

	rcu_read_lock();
	for_each_process_thread(process, task)
		room++;
	rcu_read_unlock();

	room += room / 8 + 16;
	tasks = kvcalloc(room + 1, sizeof(*tasks), GFP_KERNEL);
	if (!tasks)
		return NULL;

	rcu_read_lock();
	for_each_process_thread(process, task)
		if (count < room)
			tasks[count++] = get_task_struct(task);
	rcu_read_unlock();
	return tasks;
}

static void mdr_kill_holders(struct mdr_device *device)
{
	struct address_space *mapping = device->core.vdev.inode->i_mapping;
	struct task_struct **tasks, **task;

	tasks = mdr_get_tasks();
	if (!tasks)
		return; /* the next round may have more luck */

	for (task = tasks; *task; task++) {
		/* one kill ends all threads of a process */
		if (!fatal_signal_pending(*task) &&
		    (mdr_task_has_file(*task, mapping) ||
		     mdr_task_has_mapping(*task, mapping))) {
			pci_warn(device->core.pdev,
				 "mdev %s: killing %s (%d), which did not release it within %u ms\n",
				 device->uuid, (*task)->comm, task_pid_nr(*task),
				 READ_ONCE(device->tunables.revoke_timeout_ms));
			send_sig(SIGKILL, *task, 1);
		}
		put_task_struct(*task);
	}
	kvfree(tasks);
}

/**
 * struct mdr_revocation - how far the taking away of a device is
 * @device: the device
 * @kill_at: in jiffies, if its user is to be killed
 * @requests: how often the user was asked
 * @interrupted: a signal came to who waits; goes on regardless
 */
struct mdr_revocation {
	struct mdr_device *device;
	unsigned long kill_at;
	unsigned int requests;
	bool interrupted;
};

/* How long to wait for the user now, in jiffies; asks or kills first. */
static long mdr_revoke_press(struct mdr_revocation *revocation)
{
	struct mdr_device *device = revocation->device;
	long period = msecs_to_jiffies(MDR_REQUEST_PERIOD_MS);
	long left;

	if (READ_ONCE(device->tunables.revoke) == MDR_REVOKE_KILL) {
		left = revocation->kill_at - jiffies;
		if (left <= 0 && revocation->requests) {
			mdr_kill_holders(device);
			return msecs_to_jiffies(MDR_KILL_PERIOD_MS);
		}
		period = clamp(left, 1, period);
	}
	vfio_pci_core_request(&device->core.vdev, revocation->requests++);
	return period;
}

/*
 * Does anybody have a file of the device? One of /dev/vfio/devices that is not
 * bound to an iommufd is no use of the device, but vfio core would wait for it
 * in the end, with the device lock held.
 */
static bool mdr_device_is_held(struct mdr_device *device)
{
	return READ_ONCE(device->in_use) ||
	       refcount_read(&device->core.vdev.refcount) > 1;
}

static void mdr_revoke_wait_slice(struct mdr_revocation *revocation, long slice)
{
	struct mdr_device *device = revocation->device;

	if (revocation->interrupted) {
		wait_event_timeout(device->released,
				   !mdr_device_is_held(device), slice);
		return;
	}
	if (wait_event_interruptible_timeout(device->released,
					     !mdr_device_is_held(device),
					     slice) >= 0)
		return;
	revocation->interrupted = true;
	pci_warn(device->core.pdev,
		 "mdev %s is in use: %s (%d) waits until its user releases it\n",
		 device->uuid, current->comm, task_pid_nr(current));
}

static void mdr_revoke_wait(struct mdr_revocation *revocation, long period)
{
	unsigned long end = jiffies + period;

	do {
		mdr_revoke_wait_slice(revocation,
				      msecs_to_jiffies(MDR_HELD_PERIOD_MS));
	} while (mdr_device_is_held(revocation->device) &&
		 time_before(jiffies, end));
}

/**
 * mdr_device_request - vfio core waits for the last file to be closed
 * @vdev: the device
 * @count: how often it has asked in vain
 *
 * The users have left before that, so this is one who opened
 * /dev/vfio/devices just then.
 *
 * Context: process context, device lock of the function held, may sleep.
 */
void mdr_device_request(struct vfio_device *vdev, unsigned int count)
{
	struct mdr_device *device = to_mdr_device(vdev);

	if (count && READ_ONCE(device->tunables.revoke) == MDR_REVOKE_KILL)
		mdr_kill_holders(device);
	else
		vfio_pci_core_request(vdev, count);
}

/**
 * mdr_device_revoke - take a device away from its user
 * @device: the device; nobody can use it anew from here on
 *
 * The device lock of the function is not held on this way, unless the parent
 * driver itself is being unbound: a user who stays must not keep the host from
 * recovering the neighbours.
 *
 * Context: process context, may sleep, until the user has let go; bounded only
 * with revoke=kill.
 */
void mdr_device_revoke(struct mdr_device *device)
{
	struct mdr_group *group = device->function->group;
	struct mdr_revocation revocation = {
		.device = device,
		.kill_at = jiffies +
			msecs_to_jiffies(READ_ONCE(device->tunables.revoke_timeout_ms)),
	};

	scoped_guard(mutex, &group->lock)
		device->removing = true;

	while (mdr_device_is_held(device))
		mdr_revoke_wait(&revocation, mdr_revoke_press(&revocation));
}
