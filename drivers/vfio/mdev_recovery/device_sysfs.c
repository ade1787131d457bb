// SPDX-License-Identifier: GPL-2.0-only
/*
 * recovery/ in the directory of an mdev: its tunables, for mdevctl to set.
 * Described in Documentation/ABI/testing/sysfs-bus-mdev-recovery.
 */
#include "mdr.h"

static const char * const mdr_dead_access_names[] = {
	[MDR_DEAD_ACCESS_ONES]	= "ones",
	[MDR_DEAD_ACCESS_FAULT]	= "fault",
};

static const char * const mdr_nonfatal_action_names[] = {
	[MDR_NONFATAL_CONTINUE]	= "continue",
	[MDR_NONFATAL_RESET]	= "reset",
};

/**
 * mdr_tunables_init - the defaults
 * @tunables: filled in
 *
 * Context: any.
 */
void mdr_tunables_init(struct mdr_tunables *tunables)
{
	*tunables = (struct mdr_tunables) {
		.stall_timeout_ms	= MDR_DEFAULT_STALL_TIMEOUT_MS,
		.hold_timeout_ms	= MDR_DEFAULT_HOLD_TIMEOUT_MS,
		.recovery_timeout_ms	= MDR_DEFAULT_RECOVERY_TIMEOUT_MS,
		.dead_access		= MDR_DEAD_ACCESS_ONES,
		.nonfatal_action	= MDR_NONFATAL_CONTINUE,
	};
}

static struct mdr_tunables *mdr_tunables_of(struct device *dev)
{
	struct mdr_device *device = dev_get_drvdata(dev);

	return &device->tunables;
}

static ssize_t mdr_store_ms(struct device *dev, struct device_attribute *attr,
			    const char *buf, unsigned int min,
			    unsigned int *value, size_t count)
{
	unsigned int ms;

	if (kstrtouint(buf, 10, &ms) || ms < min || ms > MDR_MAX_TIMEOUT_MS) {
		dev_warn_ratelimited(dev,
				     "%s: not a number of milliseconds from %u to %u\n",
				     attr->attr.name, min, MDR_MAX_TIMEOUT_MS);
		return -EINVAL;
	}
	WRITE_ONCE(*value, ms);
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

/* A time-out of 0 never waits; the recovery needs some time, though. */
#define MDR_TUNABLE_MS(name_, min_)					\
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
	return mdr_store_ms(dev, attr, buf, min_,			\
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

MDR_TUNABLE_MS(stall_timeout_ms, 0);
MDR_TUNABLE_MS(hold_timeout_ms, 0);
MDR_TUNABLE_MS(recovery_timeout_ms, 100);
MDR_TUNABLE_WORD(dead_access, mdr_dead_access_names);
MDR_TUNABLE_WORD(nonfatal_action, mdr_nonfatal_action_names);

static struct attribute *mdr_recovery_attrs[] = {
	&dev_attr_stall_timeout_ms.attr,
	&dev_attr_hold_timeout_ms.attr,
	&dev_attr_recovery_timeout_ms.attr,
	&dev_attr_dead_access.attr,
	&dev_attr_nonfatal_action.attr,
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
