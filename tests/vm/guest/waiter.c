// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clock.h"
#include "task.h"
#include "waiter.h"

static __thread sigjmp_buf on_sigbus;
static __thread volatile sig_atomic_t sigbus_expected;

static void catch_sigbus(int sig)
{
	if (sigbus_expected)
		siglongjmp(on_sigbus, 1);
	signal(sig, SIG_DFL);
}

static bool is_mapped(const struct waiter *w)
{
	return w->kind == WAITER_LOAD || w->kind == WAITER_STORE;
}

int waiter_prepare(struct waiter *w)
{
	struct sigaction sa = { .sa_handler = catch_sigbus };

	if (!is_mapped(w))
		return 0;
	sigaction(SIGBUS, &sa, NULL);
	return vfio_user_map(w->u, w->region) ? 0 : -errno;
}

static int touch_map(struct waiter *w)
{
	volatile uint32_t *reg = (void *)((char *)w->u->regions[w->region].map +
					  w->off);

	if (sigsetjmp(on_sigbus, 1)) {
		sigbus_expected = 0;
		return EFAULT;
	}
	sigbus_expected = 1;
	if (w->kind == WAITER_LOAD)
		w->value = *reg;
	else
		*reg = w->value;
	sigbus_expected = 0;
	return 0;
}

static int result_of(ssize_t len)
{
	if (len < 0)
		return -len;
	return len == 4 ? 0 : ENODATA;
}

static int touch(struct waiter *w)
{
	struct vfio_irq_info info = { .argsz = sizeof(info) };

	switch (w->kind) {
	case WAITER_LOAD:
	case WAITER_STORE:
		return touch_map(w);
	case WAITER_PREAD:
		return result_of(vfio_user_pread(w->u, w->region, &w->value, 4, w->off));
	case WAITER_PWRITE:
		return result_of(vfio_user_pwrite(w->u, w->region, &w->value, 4, w->off));
	case WAITER_IOCTL:
		return ioctl(w->u->device, VFIO_DEVICE_GET_IRQ_INFO, &info) ? errno : 0;
	case WAITER_RESET:
		return -vfio_user_reset(w->u);
	}
	return EINVAL;
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
