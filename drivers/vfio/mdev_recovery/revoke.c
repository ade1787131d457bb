// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking a device away from a user: first ask, then, if revoke=kill says so,
 * kill who still holds it.
 *
 * A holder is a process with the device's file among its descriptors, or with a
 * mapping of it. Where no process is one and the file is held all the same, it
 * is in an io_uring, in a socket, with KVM: then the process that used the
 * device last is killed (users.c), and if that was not the one, the next.
 *
 * Nothing here waits for another process: not for its mmap_lock, since the
 * mappings are found from the device's side, and not with a reference that
 * keeps its files or its memory.
 */
#include <linux/fdtable.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/rbtree.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/xarray.h>

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

/**
 * struct mdr_search - a search for holders of a device
 * @mapping: that of the device's file
 * @mms: address spaces with a mapping of it, by their address; mmgrab()
 */
struct mdr_search {
	struct address_space *mapping;
	struct xarray mms;
};

/*
 * mmgrab() keeps the address of an mm_struct from becoming another one's, and
 * nothing else. Memory is not waited for either: reclaim takes i_mmap_rwsem.
 */
static int mdr_search_mappings(struct mdr_search *search)
{
	struct vm_area_struct *vma;
	struct rb_node *node;
	int ret = 0;

	i_mmap_lock_read(search->mapping);
	for (node = rb_first_cached(&search->mapping->i_mmap); node;
	     node = rb_next(node)) {
		vma = rb_entry(node, struct vm_area_struct, shared.rb);
		ret = xa_insert(&search->mms, (unsigned long)vma->vm_mm,
				vma->vm_mm, GFP_NOWAIT | __GFP_NOWARN);
		if (ret == -ENOMEM)
			break;
		if (!ret)
			mmgrab(vma->vm_mm);
	}
	i_mmap_unlock_read(search->mapping);
	return ret == -ENOMEM ? ret : 0;
}

static void mdr_search_end(struct mdr_search *search)
{
	struct mm_struct *mm;
	unsigned long index;

	xa_for_each(&search->mms, index, mm)
		mmdrop(mm);
	xa_destroy(&search->mms);
}

static bool mdr_search_hits(struct mdr_search *search,
			    struct task_struct *task)
{
	if (task->flags & PF_KTHREAD)
		return false;
	return xa_load(&search->mms, (unsigned long)READ_ONCE(task->mm)) ||
	       mdr_task_has_file(task, search->mapping);
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

/* All threads of the process. One that is dying already is not reported again. */
static void mdr_kill(struct mdr_device *device, struct task_struct *task)
{
	if (is_global_init(task)) {
		dev_warn_ratelimited(&device->core.pdev->dev,
				     "mdev %s: %s (%d) holds it and cannot be killed\n",
				     device->uuid, task->comm,
				     task_tgid_nr(task));
		return;
	}
	if (!(READ_ONCE(task->signal->flags) & SIGNAL_GROUP_EXIT))
		pci_warn(device->core.pdev,
			 "mdev %s: killing %s (%d), which did not release it within %u ms\n",
			 device->uuid, task->comm, task_tgid_nr(task),
			 READ_ONCE(device->tunables.revoke_timeout_ms));

	guard(rcu)();
	kill_pid(task_tgid(task), SIGKILL, 1);
}

/* False if no process has it open or mapped; true if that is not known. */
static bool mdr_kill_holders(struct mdr_device *device)
{
	struct mdr_search search = {
		.mapping = device->core.vdev.inode->i_mapping,
	};
	struct task_struct **tasks, **task;
	bool found;

	tasks = mdr_get_tasks();
	if (!tasks)
		return true; /* the next round may have more luck */

	xa_init(&search.mms);
	found = mdr_search_mappings(&search) < 0; /* for all that is known */
	for (task = tasks; *task; task++) {
		if (mdr_search_hits(&search, *task)) {
			mdr_kill(device, *task);
			found = true;
		}
		put_task_struct(*task);
		cond_resched();
	}
	mdr_search_end(&search);
	kvfree(tasks);
	return found;
}

/* False if nobody is left to be killed. */
static bool mdr_kill_latest_user(struct mdr_device *device)
{
	struct task_struct *task = mdr_users_latest(&device->users);

	if (!task)
		return false;
	mdr_kill(device, task);
	put_task_struct(task);
	return true;
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

/**
 * struct mdr_revocation - how far the taking away of a device is
 * @device: the device
 * @kill_at: in jiffies, if its user is to be killed
 * @requests: how often the user was asked
 * @unseen: how often in a row no process had it open or mapped
 * @interrupted: a signal came to who waits; goes on regardless
 * @helpless: it was said that nobody is left to be killed
 */
struct mdr_revocation {
	struct mdr_device *device;
	unsigned long kill_at;
	unsigned int requests;
	unsigned int unseen;
	bool interrupted;
	bool helpless;
};

static void mdr_revoke_kill(struct mdr_revocation *revocation)
{
	struct mdr_device *device = revocation->device;

	if (mdr_kill_holders(device)) {
		revocation->unseen = 0;
		return;
	}
	/* the first time it may be a user that is just closing its file */
	if (!revocation->unseen++ || mdr_kill_latest_user(device) ||
	    revocation->helpless)
		return;
	revocation->helpless = true;
	pci_warn(device->core.pdev,
		 "mdev %s is in use, but by no process that is known: %s (%d) waits\n",
		 device->uuid, current->comm, task_pid_nr(current));
}

/* How long to wait for the user now, in jiffies; asks or kills first. */
static long mdr_revoke_press(struct mdr_revocation *revocation)
{
	struct mdr_device *device = revocation->device;
	long period = msecs_to_jiffies(MDR_REQUEST_PERIOD_MS);
	long left;

	if (READ_ONCE(device->tunables.revoke) == MDR_REVOKE_KILL) {
		left = revocation->kill_at - jiffies;
		if (left <= 0 && revocation->requests) {
			mdr_revoke_kill(revocation);
			return msecs_to_jiffies(MDR_KILL_PERIOD_MS);
		}
		period = clamp(left, 1, period);
	}
	vfio_pci_core_request(&device->core.vdev, revocation->requests++);
	return period;
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
