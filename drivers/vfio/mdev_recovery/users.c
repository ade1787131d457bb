// SPDX-License-Identifier: GPL-2.0-only
/*
 * The users of a device: processes that opened it, mapped it or made a call on
 * it, latest first.
 *
 * The file of a device need not be in a descriptor table: it may be in an
 * io_uring or a socket, or a KVM device may hold it. Such a file does not lead
 * to its process, so every use records the process while it is current.
 */
#include <linux/fdtable.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/rbtree.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "device.h"

/* Record the current process; of more than MDR_USERS, drop the oldest use. */
void mdr_users_note(struct mdr_users *users)
{
	struct pid *pid = task_tgid(current);
	unsigned int i;

	if (READ_ONCE(users->pids[0]) == pid)
		return;

	guard(spinlock)(&users->lock);
	for (i = 0; i < MDR_USERS - 1; i++)
		if (!users->pids[i] || users->pids[i] == pid)
			break;
	if (users->pids[i] != pid) {
		put_pid(users->pids[i]);
		get_pid(pid);
	}
	memmove(&users->pids[1], &users->pids[0], i * sizeof(pid));
	WRITE_ONCE(users->pids[0], pid);
}

void mdr_users_forget(struct mdr_users *users)
{
	unsigned int i;

	guard(spinlock)(&users->lock);
	for (i = 0; i < MDR_USERS; i++) {
		put_pid(users->pids[i]);
		WRITE_ONCE(users->pids[i], NULL);
	}
}

/* Is the process of @task among the users? */
bool mdr_users_have(struct mdr_users *users, struct task_struct *task)
{
	unsigned int i;

	guard(spinlock)(&users->lock);
	for (i = 0; i < MDR_USERS; i++)
		if (users->pids[i] && users->pids[i] == task_tgid(task))
			return true;
	return false;
}

static int mdr_is_device_file(const void *mapping, struct file *file,
			      unsigned int fd)
{
	return file->f_mapping == mapping;
}

/* Has the task the file of a device, by its mapping, in its descriptor table? */
bool mdr_task_has_file(struct task_struct *task, struct address_space *mapping)
{
	bool found;

	task_lock(task);
	found = task->files && iterate_fd(task->files, 0, mdr_is_device_file,
					  mapping);
	task_unlock(task);
	return found;
}

/* The same from the side of @mm; yes if one of its threads changes its mappings just now. */
static bool mdr_mm_may_have_mapping(struct mm_struct *mm,
				    struct address_space *mapping)
{
	struct vm_area_struct *vma;
	struct vma_iterator vmi;
	bool found = false;

	if (!mmap_read_trylock(mm))
		return true;
	vma_iter_init(&vmi, mm, 0);
	for_each_vma(vmi, vma)
		found |= vma->vm_file && vma->vm_file->f_mapping == mapping;
	mmap_read_unlock(mm);
	return found;
}

/*
 * Does @mm, the current task's, map the file of a device? Waits for no lock: a task that
 * changes a mapping of the device may hold one of them, and wait for a zap (zap.c).
 */
bool mdr_mm_has_mapping(struct mm_struct *mm, struct address_space *mapping)
{
	struct rb_node *node;

	if (!i_mmap_trylock_read(mapping))
		return mdr_mm_may_have_mapping(mm, mapping);
	for (node = rb_first_cached(&mapping->i_mmap); node; node = rb_next(node))
		if (rb_entry(node, struct vm_area_struct, shared.rb)->vm_mm == mm)
			break;
	i_mmap_unlock_read(mapping);
	return node;
}

/* All threads have exited, so none has a descriptor table any more. */
static bool mdr_process_is_gone(struct task_struct *task)
{
	return READ_ONCE(task->exit_state) && thread_group_empty(task);
}

/* The nth user, with a reference; NULL if there is none or it is gone. */
static struct task_struct *mdr_users_get(struct mdr_users *users,
					 unsigned int n)
{
	struct task_struct *task;

	scoped_guard(spinlock, &users->lock)
		task = get_pid_task(users->pids[n], PIDTYPE_TGID);
	if (task && mdr_process_is_gone(task)) {
		put_task_struct(task);
		return NULL;
	}
	return task;
}

/*
 * The latest user that still exists, as a referenced task; or NULL. Skips the
 * current process, which is waiting, and PID 1, which cannot be killed.
 */
struct task_struct *mdr_users_latest(struct mdr_users *users)
{
	struct task_struct *task;
	unsigned int n;

	for (n = 0; n < MDR_USERS; n++) {
		task = mdr_users_get(users, n);
		if (task && !same_thread_group(task, current) &&
		    !is_global_init(task))
			return task;
		if (task)
			put_task_struct(task);
	}
	return NULL;
}
