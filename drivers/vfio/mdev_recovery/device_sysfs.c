// SPDX-License-Identifier: GPL-2.0-only
/*
 * The settings of an mdev: recovery/ in its directory, for mdevctl to set, and
 * what there is to set, in /sys/class/mdev_recovery/settings. Both come from the
 * table here. Documented in Documentation/ABI/testing/sysfs-bus-mdev-recovery
 * and sysfs-class-mdev_recovery.
 */
#include "device.h"
#include "function.h"
#include "group.h"

static const char * const mdr_dead_access_names[] = {
	[MDR_DEAD_ACCESS_ONES]	= "ones",
	[MDR_DEAD_ACCESS_FAULT]	= "fault",
	NULL,
};

static const char * const mdr_nonfatal_action_names[] = {
	[MDR_NONFATAL_CONTINUE]	= "continue",
	[MDR_NONFATAL_RESET]	= "reset",
	NULL,
};

static const char * const mdr_reset_elision_names[] = {
	[MDR_RESET_ELISION_NEVER]	= "never",
	[MDR_RESET_ELISION_PRISTINE]	= "pristine",
	NULL,
};

static const char * const mdr_revoke_names[] = {
	[MDR_REVOKE_WAIT]	= "wait",
	[MDR_REVOKE_KILL]	= "kill",
	NULL,
};

/* One setting: a number of that unit, or one of these words. */
struct mdr_setting {
	struct device_attribute dev;
	size_t offset;			/* in struct mdr_tunables */
	unsigned int initial, min, max;
	const char *unit;
	const char * const *words;	/* the last is NULL; NULL: a number */
};

#define to_mdr_setting(attr_) container_of(attr_, struct mdr_setting, dev)

static unsigned int *mdr_setting_value(struct mdr_tunables *tunables,
				       const struct mdr_setting *setting)
{
	return (void *)tunables + setting->offset;
}

static ssize_t mdr_setting_show(struct device *dev,
				struct device_attribute *attr, char *buf)
{
	const struct mdr_setting *setting = to_mdr_setting(attr);
	struct mdr_device *device = dev_get_drvdata(dev);
	unsigned int value;

	value = READ_ONCE(*mdr_setting_value(&device->tunables, setting));
	if (setting->words)
		return sysfs_emit(buf, "%s\n", setting->words[value]);
	return sysfs_emit(buf, "%u\n", value);
}

static int mdr_setting_parse(struct device *dev,
			     const struct mdr_setting *setting, const char *buf,
			     unsigned int *value)
{
	const char *name = setting->dev.attr.name;
	int word;

	if (!setting->words) {
		if (!kstrtouint(buf, 10, value) && *value >= setting->min &&
		    *value <= setting->max)
			return 0;
		dev_warn_ratelimited(dev, "%s: not a number from %u to %u\n",
				     name, setting->min, setting->max);
		return -EINVAL;
	}
	word = __sysfs_match_string(setting->words, -1, buf);
	if (word < 0) {
		dev_warn_ratelimited(dev, "%s: neither %s nor %s\n", name,
				     setting->words[0], setting->words[1]);
		return -EINVAL;
	}
	*value = word;
	return 0;
}

static ssize_t mdr_setting_store(struct device *dev,
				 struct device_attribute *attr, const char *buf,
				 size_t count)
{
	const struct mdr_setting *setting = to_mdr_setting(attr);
	struct mdr_device *device = dev_get_drvdata(dev);
	unsigned int value;
	int ret;

	ret = mdr_setting_parse(dev, setting, buf, &value);
	if (ret)
		return ret;
	WRITE_ONCE(*mdr_setting_value(&device->tunables, setting), value);
	mdr_group_hold_timeout_changed(device->function->group);
	return count;
}

#define MDR_SETTING(name_, initial_, ...)				\
static struct mdr_setting dev_attr_##name_ = {				\
	.dev = __ATTR(name_, 0644, mdr_setting_show, mdr_setting_store),\
	.offset = offsetof(struct mdr_tunables, name_),			\
	.initial = initial_,						\
	__VA_ARGS__							\
}

#define MDR_NUMBER(name_, initial_, min_, max_, unit_)			\
	MDR_SETTING(name_, initial_, .min = min_, .max = max_, .unit = unit_)
#define MDR_WORD(name_, initial_, words_)				\
	MDR_SETTING(name_, initial_, .words = words_)

/* 0 means not to wait at all; only the recovery needs a minimum. */
MDR_NUMBER(stall_timeout_ms, 2000, 0, MDR_MAX_TIMEOUT_MS, "ms");
MDR_NUMBER(hold_timeout_ms, 10000, 0, MDR_MAX_TIMEOUT_MS, "ms");
MDR_NUMBER(recovery_timeout_ms, MDR_DEFAULT_RECOVERY_TIMEOUT_MS, 100,
	   MDR_MAX_TIMEOUT_MS, "ms");
MDR_WORD(dead_access, MDR_DEAD_ACCESS_ONES, mdr_dead_access_names);
MDR_WORD(nonfatal_action, MDR_NONFATAL_CONTINUE, mdr_nonfatal_action_names);
MDR_WORD(reset_elision, MDR_RESET_ELISION_NEVER, mdr_reset_elision_names);
MDR_NUMBER(breaker_max, 5, 0, MDR_BREAKER_MAX - 1, "errors");
MDR_NUMBER(breaker_window_ms, 60000, 1, MDR_MAX_TIMEOUT_MS, "ms");
MDR_WORD(revoke, MDR_REVOKE_WAIT, mdr_revoke_names);
MDR_NUMBER(revoke_timeout_ms, 10000, 0, MDR_MAX_TIMEOUT_MS, "ms");

static struct attribute *mdr_recovery_attrs[] = {
	&dev_attr_stall_timeout_ms.dev.attr,
	&dev_attr_hold_timeout_ms.dev.attr,
	&dev_attr_recovery_timeout_ms.dev.attr,
	&dev_attr_dead_access.dev.attr,
	&dev_attr_nonfatal_action.dev.attr,
	&dev_attr_reset_elision.dev.attr,
	&dev_attr_breaker_max.dev.attr,
	&dev_attr_breaker_window_ms.dev.attr,
	&dev_attr_revoke.dev.attr,
	&dev_attr_revoke_timeout_ms.dev.attr,
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

static const struct mdr_setting *mdr_setting_at(unsigned int index)
{
	struct attribute *attr = mdr_recovery_attrs[index];

	return attr ? container_of(attr, struct mdr_setting, dev.attr) : NULL;
}

void mdr_tunables_init(struct mdr_tunables *tunables)
{
	const struct mdr_setting *setting;

	for (unsigned int i = 0; (setting = mdr_setting_at(i)); i++)
		*mdr_setting_value(tunables, setting) = setting->initial;
}

static ssize_t mdr_setting_describe(const struct mdr_setting *setting,
				    char *buf, ssize_t at)
{
	const char * const *words = setting->words;
	ssize_t start = at;

	at += sysfs_emit_at(buf, at, "%s ", setting->dev.attr.name);
	if (!words)
		return at - start +
		       sysfs_emit_at(buf, at, "number %u %u %u %s\n",
				     setting->initial, setting->min,
				     setting->max, setting->unit);

	at += sysfs_emit_at(buf, at, "word %s", words[setting->initial]);
	for (; *words; words++)
		at += sysfs_emit_at(buf, at, " %s", *words);
	return at - start + sysfs_emit_at(buf, at, "\n");
}

static ssize_t settings_show(const struct class *class,
			     const struct class_attribute *attr, char *buf)
{
	const struct mdr_setting *setting;
	ssize_t at = 0;

	for (unsigned int i = 0; (setting = mdr_setting_at(i)); i++)
		at += mdr_setting_describe(setting, buf, at);
	return at;
}
static CLASS_ATTR_RO(settings);

static struct attribute *mdr_class_attrs[] = {
	&class_attr_settings.attr,
	NULL,
};

static const struct attribute_group mdr_class_group = {
	.attrs = mdr_class_attrs,
};

const struct attribute_group *mdr_class_groups[] = {
	&mdr_class_group,
	NULL,
};
