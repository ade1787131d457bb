// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking a device away from its user: ask first; with revoke=kill, then kill
 * the processes that still hold it.
 *
 * A holder has the device's file among its descriptors, or a mapping of it. Holders
 * that have used the device are killed first: others may only have been sent the
 * file, and may close it when those are gone. If there is no holder but the file is
 * in use, it is in an io_uring or a socket, or KVM has it. Then the latest user of
 * the device (users.c) is killed, and if that did not help, the one before.
 *
 * Nothing here waits for another process. The mappings are found from the
 * device's side, without its mmap_lock, and no reference keeps its files or its
 * memory.
 */
#include <linux/delay.h>
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

/* Time from a kill to the next search for holders. */
#define MDR_KILL_PERIOD_MS 1000

/* A search tries for about 100 ms to look at the mappings, and again in the next period. */
#define MDR_SEARCH_TRIES 100

/* After so many in vain, the next one waits: nobody has to get past it but the user. */
#define MDR_BUSY_SEARCHES 3

/* Polling period: nothing signals that the last file is closed. */
#define MDR_HELD_PERIOD_MS 10

/*
 * @mapping: of the device's file
 * @users: hit only these, and processes that map the file; NULL: all
 * @mms: referenced address spaces that map the file, by address
 */
struct mdr_search {
	struct address_space *mapping;
	struct mdr_users *users;
	struct xarray mms;
};

/*
 * mmgrab() only keeps the address of the mm_struct from being reused. The
 * allocation must not wait for memory: reclaim takes i_mmap_rwsem. -EBUSY if another task
 * changes the mappings, unless @wait: it may wait for a zap, which takes as long as the user
 * lets it (zap.c).
 */
static int mdr_search_mappings(struct mdr_search *search, bool wait)
{
	struct vm_area_struct *vma;
	unsigned int tries = 0;
	struct rb_node *node;
	int ret = 0;

	while (!i_mmap_trylock_read(search->mapping)) {
		if (tries++ < MDR_SEARCH_TRIES) {
			usleep_range(500, 1000);
			continue;
		}
		if (!wait)
			return -EBUSY;
		i_mmap_lock_read(search->mapping);
		break;
	}
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
	if (xa_load(&search->mms, (unsigned long)READ_ONCE(task->mm)))
		return true;
	return (!search->users || mdr_users_have(search->users, task)) &&
	       mdr_task_has_file(task, search->mapping);
}

/*
 * An array of all threads, referenced, up to a NULL; NULL if out of memory. The
 * first thread of a process may be gone while others live on.
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

/* Kill the whole process, and log it unless it is dying already. */
static void mdr_kill(struct mdr_device *device, struct task_struct *task)
{
	if (is_global_init(task)) {
		dev_warn_ratelimited(&device->core->pdev->dev,
				     "mdev %s is held by %s (%d), which cannot be killed\n",
				     device->uuid, task->comm,
				     task_tgid_nr(task));
		return;
	}
	if (!(READ_ONCE(task->signal->flags) & SIGNAL_GROUP_EXIT))
		dev_warn_ratelimited(&device->core->pdev->dev,
				     "mdev %s: killing %s (%d), which did not release it within %u ms\n",
				     device->uuid, task->comm,
				     task_tgid_nr(task),
				     READ_ONCE(device->tunables.revoke_timeout_ms));

	guard(rcu)();
	kill_pid(task_tgid(task), SIGKILL, 1);
}

/*
 * Has @task the same memory and descriptors as @before, which was not hit? It takes long to
 * look at many descriptors, and a process can have many threads.
 */
static bool mdr_search_is_same(struct task_struct *before,
			       struct task_struct *task)
{
	return before && same_thread_group(before, task) &&
	       READ_ONCE(before->mm) == READ_ONCE(task->mm) &&
	       READ_ONCE(before->files) == READ_ONCE(task->files);
}

/* Kill all processes that the search hits; false if there are none. */
static bool mdr_kill_hits(struct mdr_device *device, struct mdr_search *search,
			  struct task_struct **tasks)
{
	struct task_struct *before = NULL;
	bool found = false;

	for (; *tasks; before = *tasks++) {
		/* of one that was hit, all are dying */
		if (mdr_search_is_same(before, *tasks))
			continue;
		if (mdr_search_hits(search, *tasks)) {
			mdr_kill(device, *tasks);
			found = true;
		}
		cond_resched();
	}
	return found;
}

/*
 * False if no process has the device open or mapped; true if unknown. @busy counts the searches
 * that could not look at the mappings, from 0 on.
 */
static bool mdr_kill_holders(struct mdr_device *device, unsigned int *busy)
{
	struct mdr_search search = {
		.mapping = device->core->vdev.inode->i_mapping,
		.users = &device->users,
	};
	struct task_struct **tasks, **task;
	bool found;
	int ret;

	tasks = mdr_get_tasks();
	if (!tasks)
		return true; /* try again in the next round */

	xa_init(&search.mms);
	ret = mdr_search_mappings(&search, *busy >= MDR_BUSY_SEARCHES);
	if (ret == -EBUSY)
		(*busy)++;
	found = ret < 0; /* may have missed one */
	found |= mdr_kill_hits(device, &search, tasks);
	if (!found) {
		search.users = NULL;
		found = mdr_kill_hits(device, &search, tasks);
	}
	for (task = tasks; *task; task++)
		put_task_struct(*task);
	mdr_search_end(&search);
	kvfree(tasks);
	return found;
}

/* False if there is no user left to kill. */
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
 * True if anyone has a file of the device. A /dev/vfio/devices file that is not
 * bound to an iommufd does not use the device, but vfio core would wait for it
 * later, with the device lock held.
 */
bool mdr_device_is_held(struct mdr_device *device)
{
	return READ_ONCE(device->in_use) ||
	       refcount_read(&device->core->vdev.refcount) > 1;
}

struct mdr_revocation {
	struct mdr_device *device;
	unsigned long kill_at;	/* jiffies; only with revoke=kill */
	unsigned int requests;	/* how often the user was asked */
	unsigned int unseen;	/* consecutive searches without a holder */
	unsigned int busy;	/* see mdr_kill_holders() */
	bool interrupted;	/* this task got a signal; it waits on */
	bool helpless;		/* logged that no user is left to kill */
};

static void mdr_revoke_kill(struct mdr_revocation *revocation)
{
	struct mdr_device *device = revocation->device;

	if (mdr_kill_holders(device, &revocation->busy)) {
		revocation->unseen = 0;
		return;
	}
	/* the first time, the user may just be closing its file */
	if (!revocation->unseen++ || mdr_kill_latest_user(device) ||
	    revocation->helpless)
		return;
	revocation->helpless = true;
	pci_warn(device->core->pdev,
		 "mdev %s is in use, but no process is known to use it: %s (%d) keeps waiting\n",
		 device->uuid, current->comm, task_pid_nr(current));
}

/* Ask or kill; returns how long to wait for it to help, in jiffies. */
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
	device->parent->request(&device->core->vdev, revocation->requests++);
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
	pci_warn(device->core->pdev,
		 "mdev %s is in use: %s (%d) keeps waiting for its user\n",
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

/*
 * .request: vfio core waits for the last file to be closed. All users have left
 * before that, so this one just opened /dev/vfio/devices. The device lock of
 * the function is held.
 */
void mdr_device_request(struct vfio_device *vdev, unsigned int count)
{
	struct mdr_device *device = to_mdr_device(vdev);
	unsigned int busy = 0;

	if (count && READ_ONCE(device->tunables.revoke) == MDR_REVOKE_KILL)
		mdr_kill_holders(device, &busy);
	else
		device->parent->request(vdev, count);
}

/*
 * Take a device away from its user; nobody can open it any more. Sleeps until the user
 * has left, without a bound unless revoke=kill is set. So the device lock of the function
 * must not be held, except while the parent driver is unbound: a user that stays must not
 * keep the host from recovering the neighbours.
 */
void mdr_device_revoke(struct mdr_device *device)
{
	struct mdr_group *group = device->function->group;
	struct mdr_revocation revocation = {
		.device = device,
		.kill_at = jiffies +
			msecs_to_jiffies(READ_ONCE(device->tunables.revoke_timeout_ms)),
	};

	scoped_guard(mutex, &group->lock) {
		if (!device->removing) {
			device->removing = true;
			mdr_status_publish(group);
		}
	}

	while (mdr_device_is_held(device))
		mdr_revoke_wait(&revocation, mdr_revoke_press(&revocation));
}
