// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
#include "task.h"
#include "waiter.h"

int waiter_prepare(struct waiter *w)
{
	return access_prepare(w->u, (enum access_kind)w->kind, w->region);
}

static int touch(struct waiter *w)
{
	struct vfio_irq_info info = { .argsz = sizeof(info) };

	switch (w->kind) {
	case WAITER_IOCTL:
		return ioctl(w->u->device, VFIO_DEVICE_GET_IRQ_INFO, &info) ? errno : 0;
	case WAITER_RESET:
		return -vfio_user_reset(w->u);
	default:
		return access_once(w->u, (enum access_kind)w->kind, w->region, w->off, &w->value);
	}
}

void waiter_run(struct waiter *w)
{
	uint64_t start = now_ns();

	atomic_store(&w->task, gettid());
	w->error = touch(w);
	w->ns = now_ns() - start;
	atomic_store(&w->done, true);
}

static void *waiter_thread(void *arg)
{
	waiter_run(arg);
	return NULL;
}

int waiter_start(struct waiter *w)
{
	int ret = waiter_prepare(w);

	atomic_store(&w->done, false);
	atomic_store(&w->task, 0);
	return ret ? ret : -pthread_create(&w->thread, NULL, waiter_thread, w);
}

bool waiter_ended(struct waiter *w, unsigned int ms)
{
	return WAIT_FOR(atomic_load(&w->done), ms);
}

bool waiter_in(struct waiter *w, const char *function, unsigned int ms)
{
	return WAIT_FOR(task_in(atomic_load(&w->task), function, 0), ms);
}

bool waiter_waits(struct waiter *w, unsigned int ms)
{
	return WAIT_FOR(task_at_gate(atomic_load(&w->task), 0), ms);
}

pid_t waiter_fork(struct waiter *w)
{
	pid_t pid = fork();

	if (pid)
		return pid < 0 ? -errno : pid;
	waiter_run(w);
	_exit(0);
}
