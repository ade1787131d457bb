/* SPDX-License-Identifier: GPL-2.0-only */
/* A module parameter that is a counter: module_param_cb(name, &count_param_ops, &atomic, 0644) */
#ifndef MDR_COUNT_PARAM_H
#define MDR_COUNT_PARAM_H

#include <linux/atomic.h>
#include <linux/moduleparam.h>
#include <linux/sysfs.h>

static int count_param_get(char *text, const struct kernel_param *param)
{
	return sysfs_emit(text, "%d\n", atomic_read((atomic_t *)param->arg));
}

static int count_param_set(const char *text, const struct kernel_param *param)
{
	int count, ret = kstrtoint(text, 0, &count);

	if (!ret)
		atomic_set((atomic_t *)param->arg, count);
	return ret;
}

static const struct kernel_param_ops count_param_ops = {
	.set = count_param_set,
	.get = count_param_get,
};

#endif
