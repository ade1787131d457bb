// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdev_recovery_notifier: for tests only, never installed. An MMU notifier that takes its
 * time, as one of KVM does with thousands of virtual machines, or one of a GPU's driver that
 * waits for the GPU.
 *
 * Write "ADDRESS SIZE" to the parameter watch: this part of the writer's memory has a
 * notifier from then on. "0 0" ends it. While the parameter hold is 1, an invalidation there
 * does not go on. The parameter calls counts those that have begun.
 */
#include <linux/delay.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sysfs.h>

#define POLL_MS 5
/* longer than any scenario waits for it */
#define MAX_HOLD_MS 60000

static bool hold;
module_param(hold, bool, 0644);

/* protects the registration; the range is written before it */
static DEFINE_MUTEX(watch_lock);
static unsigned long watch_start, watch_end;
static atomic_t calls;

static int notifier_invalidate(struct mmu_notifier *notifier,
			       const struct mmu_notifier_range *range)
{
	unsigned int waited_ms;

	if (range->end <= watch_start || range->start >= watch_end ||
	    !mmu_notifier_range_blockable(range))
		return 0;
	atomic_inc(&calls);
	/* not for a process that exits */
	for (waited_ms = 0; READ_ONCE(hold) && waited_ms < MAX_HOLD_MS &&
	     atomic_read(&range->mm->mm_users); waited_ms += POLL_MS)
		msleep(POLL_MS);
	return 0;
}

static const struct mmu_notifier_ops notifier_ops = {
	.invalidate_range_start = notifier_invalidate,
};

static struct mmu_notifier watch = { .ops = &notifier_ops };
static struct mm_struct *watched;

static void watch_end_locked(void)
{
	if (watched)
		mmu_notifier_unregister(&watch, watched);
	watched = NULL;
}

static int watch_set(const char *text, const struct kernel_param *param)
{
	unsigned long start, size;
	int ret;

	if (sscanf(text, "%lx %lx", &start, &size) != 2)
		return -EINVAL;
	guard(mutex)(&watch_lock);
	watch_end_locked();
	if (!size)
		return 0;
	watch_start = start;
	watch_end = start + size;
	atomic_set(&calls, 0);
	ret = mmu_notifier_register(&watch, current->mm);
	if (!ret)
		watched = current->mm;
	return ret;
}

static const struct kernel_param_ops watch_ops = {
	.set = watch_set,
};
module_param_cb(watch, &watch_ops, NULL, 0200);

static int calls_get(char *text, const struct kernel_param *param)
{
	return sysfs_emit(text, "%d\n", atomic_read(&calls));
}

static const struct kernel_param_ops calls_ops = {
	.get = calls_get,
};
module_param_cb(calls, &calls_ops, NULL, 0444);

static int __init notifier_init(void)
{
	return 0;
}
module_init(notifier_init);

static void __exit notifier_exit(void)
{
	WRITE_ONCE(hold, false);
	guard(mutex)(&watch_lock);
	watch_end_locked();
}
module_exit(notifier_exit);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The mdev-recovery authors");
MODULE_DESCRIPTION("A slow MMU notifier, for the tests of mdev_recovery");
