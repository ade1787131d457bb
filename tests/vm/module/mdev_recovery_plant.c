// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdev_recovery_plant: for tests only, never installed. Plants errors that a debug kernel
 * must report. Write to the parameter plant:
 *
 *	leak	memory without a pointer to it
 *	use	memory used after it was freed
 *	locks	two locks taken in both orders
 *	sleep	a call that may sleep, in atomic context
 */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

#define PLANT_SIZE 100
/* more than SLUB keeps in the sheaves of a cache */
#define PLANT_CHURN 4096

static DEFINE_MUTEX(plant_first);
static DEFINE_MUTEX(plant_second);

/*
 * SLUB leaves the pointer of what it allocates in its sheaf (since 6.18), where kmemleak finds
 * it. What is allocated and freed afterwards takes its place.
 */
static void plant_churn(void)
{
	void **others = kcalloc(PLANT_CHURN, sizeof(*others), GFP_KERNEL);
	unsigned int i;

	if (!others)
		return;
	for (i = 0; i < PLANT_CHURN; i++)
		others[i] = kmalloc(PLANT_SIZE, GFP_KERNEL);
	for (i = 0; i < PLANT_CHURN; i++)
		kfree(others[i]);
	kfree(others);
}

/* Several: a stale word in a register or on a stack can hide one. */
static void plant_leak(void)
{
	unsigned int i;

	for (i = 0; i < 8; i++) {
		u8 *memory = kmalloc(PLANT_SIZE, GFP_KERNEL);

		if (memory)
			memset(memory, 0x5a, PLANT_SIZE);
	}
	plant_churn();
}

static void plant_use(void)
{
	u8 *memory = kmalloc(PLANT_SIZE, GFP_KERNEL);
	u8 value;

	if (!memory)
		return;
	memory[0] = 1;
	OPTIMIZER_HIDE_VAR(memory);
	kfree(memory);
	value = READ_ONCE(memory[0]);
	pr_info("planted: read %#x\n", value);
}

static void plant_locks(void)
{
	mutex_lock(&plant_first);
	mutex_lock(&plant_second);
	mutex_unlock(&plant_second);
	mutex_unlock(&plant_first);

	mutex_lock(&plant_second);
	mutex_lock(&plant_first);
	mutex_unlock(&plant_first);
	mutex_unlock(&plant_second);
}

static void plant_sleep(void)
{
	preempt_disable();
	might_sleep();
	preempt_enable();
}

static const struct {
	const char *name;
	void (*plant)(void);
} plants[] = {
	{ "leak", plant_leak },
	{ "use", plant_use },
	{ "locks", plant_locks },
	{ "sleep", plant_sleep },
};

static int plant_set(const char *text, const struct kernel_param *param)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(plants); i++) {
		if (!sysfs_streq(text, plants[i].name))
			continue;
		plants[i].plant();
		return 0;
	}
	return -EINVAL;
}

static const struct kernel_param_ops plant_ops = {
	.set = plant_set,
};
module_param_cb(plant, &plant_ops, NULL, 0200);

MODULE_LICENSE("GPL");
MODULE_AUTHOR("The mdev-recovery authors");
MODULE_DESCRIPTION("What a debug kernel must report, for the tests of mdev_recovery");
