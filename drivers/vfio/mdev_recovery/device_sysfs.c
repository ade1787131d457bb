// SPDX-License-Identifier: GPL-2.0-only
/*
 * recovery/ in the directory of an mdev: its tunables, for mdevctl to set.
 * Documented in Documentation/ABI/testing/sysfs-bus-mdev-recovery.
 */
#include "device.h"
#include "group.h"

/* MDR_DEFAULT_RECOVERY_TIMEOUT_MS is in device.h. */
#define MDR_DEFAULT_STALL_TIMEOUT_MS 2000
#define MDR_DEFAULT_HOLD_TIMEOUT_MS 10000
#define MDR_DEFAULT_BREAKER_MAX 5
#define MDR_DEFAULT_BREAKER_WINDOW_MS 60000
#define MDR_DEFAULT_REVOKE_TIMEOUT_MS 10000

static const char * const mdr_dead_access_names[] = {
	[MDR_DEAD_ACCESS_ONES]	= "ones",
	[MDR_DEAD_ACCESS_FAULT]	= "fault",
};

static const char * const mdr_nonfatal_action_names[] = {
	[MDR_NONFATAL_CONTINUE]	= "continue",
	[MDR_NONFATAL_RESET]	= "reset",
};

static const char * const mdr_reset_elision_names[] = {
	[MDR_RESET_ELISION_NEVER]	= "never",
	[MDR_RESET_ELISION_PRISTINE]	= "pristine",
};

static const char * const mdr_revoke_names[] = {
	[MDR_REVOKE_WAIT]	= "wait",
	[MDR_REVOKE_KILL]	= "kill",
};

void mdr_tunables_init(struct mdr_tunables *tunables)
{
	*tunables = (struct mdr_tunables) {
		.stall_timeout_ms	= MDR_DEFAULT_STALL_TIMEOUT_MS,
		.hold_timeout_ms	= MDR_DEFAULT_HOLD_TIMEOUT_MS,
		.recovery_timeout_ms	= MDR_DEFAULT_RECOVERY_TIMEOUT_MS,
		.dead_access		= MDR_DEAD_ACCESS_ONES,
		.nonfatal_action	= MDR_NONFATAL_CONTINUE,
		.reset_elision		= MDR_RESET_ELISION_NEVER,
		.breaker_max		= MDR_DEFAULT_BREAKER_MAX,
		.breaker_window_ms	= MDR_DEFAULT_BREAKER_WINDOW_MS,
		.revoke			= MDR_REVOKE_WAIT,
		.revoke_timeout_ms	= MDR_DEFAULT_REVOKE_TIMEOUT_MS,
	};
}

static struct mdr_tunables *mdr_tunables_of(struct device *dev)
{
	struct mdr_device *device = dev_get_drvdata(dev);

	return &device->tunables;
}

static ssize_t mdr_store_number(struct device *dev,
				struct device_attribute *attr,
				const char *buf, unsigned int min,
				unsigned int max, unsigned int *value,
				size_t count)
{
	unsigned int number;

	if (kstrtouint(buf, 10, &number) || number < min || number > max) {
		dev_warn_ratelimited(dev, "%s: not a number from %u to %u\n",
				     attr->attr.name, min, max);
		return -EINVAL;
	}
	WRITE_ONCE(*value, number);
	return count;
}

static ssize_t mdr_store_word(struct device *dev,
			      struct device_attribute *attr, const char *buf,
			      const char * const *words, size_t nr_words,
			      unsigned int *value, size_t count)
{
	int word = __sysfs_match_string(words, nr_words, buf);

	if (word < 0) {
		dev_warn_ratelimited(dev, "%s: neither %s nor %s\n",
				     attr->attr.name, words[0], words[1]);
		return -EINVAL;
	}
	WRITE_ONCE(*value, word);
	return count;
}

/* 0 means not to wait at all; only the recovery needs a minimum. */
#define MDR_TUNABLE_NUMBER(name_, min_, max_)				\
static ssize_t name_##_show(struct device *dev,				\
			    struct device_attribute *attr, char *buf)	\
{									\
	return sysfs_emit(buf, "%u\n",					\
			  READ_ONCE(mdr_tunables_of(dev)->name_));	\
}									\
									\
static ssize_t name_##_store(struct device *dev,			\
			     struct device_attribute *attr,		\
			     const char *buf, size_t count)		\
{									\
	return mdr_store_number(dev, attr, buf, min_, max_,		\
				&mdr_tunables_of(dev)->name_, count);	\
}									\
static DEVICE_ATTR_RW(name_)

#define MDR_TUNABLE_WORD(name_, words_)					\
static ssize_t name_##_show(struct device *dev,				\
			    struct device_attribute *attr, char *buf)	\
{									\
	unsigned int word = READ_ONCE(mdr_tunables_of(dev)->name_);	\
									\
	return sysfs_emit(buf, "%s\n", (words_)[word]);			\
}									\
									\
static ssize_t name_##_store(struct device *dev,			\
			     struct device_attribute *attr,		\
			     const char *buf, size_t count)		\
{									\
	return mdr_store_word(dev, attr, buf, words_,			\
			      ARRAY_SIZE(words_),			\
			      &mdr_tunables_of(dev)->name_, count);	\
}									\
static DEVICE_ATTR_RW(name_)

MDR_TUNABLE_NUMBER(stall_timeout_ms, 0, MDR_MAX_TIMEOUT_MS);
MDR_TUNABLE_NUMBER(hold_timeout_ms, 0, MDR_MAX_TIMEOUT_MS);
MDR_TUNABLE_NUMBER(recovery_timeout_ms, 100, MDR_MAX_TIMEOUT_MS);
MDR_TUNABLE_NUMBER(breaker_max, 0, MDR_BREAKER_MAX - 1);
MDR_TUNABLE_NUMBER(breaker_window_ms, 1, MDR_MAX_TIMEOUT_MS);
MDR_TUNABLE_NUMBER(revoke_timeout_ms, 0, MDR_MAX_TIMEOUT_MS);
MDR_TUNABLE_WORD(reset_elision, mdr_reset_elision_names);
MDR_TUNABLE_WORD(revoke, mdr_revoke_names);
MDR_TUNABLE_WORD(dead_access, mdr_dead_access_names);
MDR_TUNABLE_WORD(nonfatal_action, mdr_nonfatal_action_names);

static struct attribute *mdr_recovery_attrs[] = {
	&dev_attr_stall_timeout_ms.attr,
	&dev_attr_hold_timeout_ms.attr,
	&dev_attr_recovery_timeout_ms.attr,
	&dev_attr_dead_access.attr,
	&dev_attr_nonfatal_action.attr,
	&dev_attr_reset_elision.attr,
	&dev_attr_breaker_max.attr,
	&dev_attr_breaker_window_ms.attr,
	&dev_attr_revoke.attr,
	&dev_attr_revoke_timeout_ms.attr,
	NULL,
};

static const struct attribute_group mdr_recovery_group = {
	.name = "recovery",
	.attrs = mdr_recovery_attrs,
};

const struct attribute_group *mdr_device_groups[] = {
	&mdr_recovery_group,
	NULL,
};
