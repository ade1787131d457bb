// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who uses a device: the processes that opened it, mapped it or asked something
 * of it, latest first.
 *
 * A file need not be in a table of descriptors: it may be in an io_uring, in a
 * socket, or held by a device of KVM. Nothing leads from such a file to its
 * process, so that is noted when the process is at hand.
 */
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "device.h"

/**
 * mdr_users_note - the current process uses the device
 * @users: the users
 *
 * If there are more than MDR_USERS, the one who used it longest ago falls out.
 *
 * Context: process context.
 */
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

/**
 * mdr_users_forget - nobody uses the device any more
 * @users: the users
 *
 * Context: process context.
 */
void mdr_users_forget(struct mdr_users *users)
{
	unsigned int i;

	guard(spinlock)(&users->lock);
	for (i = 0; i < MDR_USERS; i++) {
		put_pid(users->pids[i]);
		WRITE_ONCE(users->pids[i], NULL);
	}
}

/* Has none of its threads got a table of descriptors any more? */
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

/**
 * mdr_users_latest - the process that used the device last and is still there
 * @users: the users
 *
 * Left out are the current process, which waits, and PID 1, which nobody kills.
 *
 * Context: process context.
 * Return: its first thread, to be released with put_task_struct(); or NULL.
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
