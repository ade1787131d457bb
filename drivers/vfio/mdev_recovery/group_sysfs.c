// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/class/mdev_recovery/group<N>/: the status of a group, one value per
 * file. Documented in Documentation/ABI/testing/sysfs-class-mdev_recovery.
 */
#include "device.h"
#include "function.h"
#include "group.h"

static ssize_t state_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct mdr_group *group = to_mdr_group(dev);

	guard(mdr_group_briefly)(group);
	group->resetting_read |= group->machine.state == MDR_STATE_RESETTING;
	return sysfs_emit(buf, "%s\n", mdr_state_name(group->machine.state));
}
static DEVICE_ATTR_RO(state);

static ssize_t event_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct mdr_group *group = to_mdr_group(dev);

	guard(mdr_group_briefly)(group);
	return sysfs_emit(buf, "%llu\n", group->event);
}
static DEVICE_ATTR_RO(event);

static ssize_t cause_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct mdr_group *group = to_mdr_group(dev);

	guard(mdr_group_briefly)(group);
	return sysfs_emit(buf, "%s\n", mdr_cause_name(group->cause));
}
static DEVICE_ATTR_RO(cause);

static ssize_t policy_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct mdr_group *group = to_mdr_group(dev);

	guard(mdr_group_briefly)(group);
	return sysfs_emit(buf, "%s\n",
			  mdr_policy_name(mdr_group_policy(group, false)));
}
static DEVICE_ATTR_RO(policy);

static ssize_t functions_show(struct device *dev,
			      struct device_attribute *attr, char *buf)
{
	struct mdr_group *group = to_mdr_group(dev);
	struct mdr_function *function;
	ssize_t at = 0;

	guard(mdr_group_briefly)(group);
	list_for_each_entry(function, &group->functions, group_item)
		at += sysfs_emit_at(buf, at, "%s\n", pci_name(function->pdev));
	return at;
}
static DEVICE_ATTR_RO(functions);

static ssize_t domain_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct mdr_group *group = to_mdr_group(dev);
	unsigned int index = 0;
	struct pci_dev *port;
	ssize_t at = 0;

	while ((port = mdr_group_port(group, index++))) {
		at += sysfs_emit_at(buf, at, "%s\n", pci_name(port));
		pci_dev_put(port);
	}
	return at;
}
static DEVICE_ATTR_RO(domain);

static ssize_t blockers_show(struct device *dev,
			     struct device_attribute *attr, char *buf)
{
	return mdr_blockers_show(to_mdr_group(dev), buf);
}
static DEVICE_ATTR_RO(blockers);

static ssize_t recover_store(struct device *dev, struct device_attribute *attr,
			     const char *buf, size_t count)
{
	struct mdr_group *group = to_mdr_group(dev);
	bool recover;
	int ret;

	ret = kstrtobool(buf, &recover);
	if (ret || !recover) {
		dev_notice_ratelimited(dev, "recover: only 1 can be written, nothing done\n");
		return -EINVAL;
	}
	ret = mdr_group_recover(group);
	if (ret == -EINVAL)
		dev_notice_ratelimited(dev, "recover: state is not failed, nothing done\n");
	else if (ret)
		dev_notice_ratelimited(dev, "recover: not recovered: %d; see state, then write 1 again\n",
				       ret);
	return ret ?: count;
}
static DEVICE_ATTR_WO(recover);

static struct attribute *mdr_group_attrs[] = {
	&dev_attr_state.attr,
	&dev_attr_event.attr,
	&dev_attr_cause.attr,
	&dev_attr_policy.attr,
	&dev_attr_functions.attr,
	&dev_attr_domain.attr,
	&dev_attr_blockers.attr,
	&dev_attr_recover.attr,
	NULL,
};

static const struct attribute_group mdr_group_attr_group = {
	.attrs = mdr_group_attrs,
};

#define MDR_STAT(name_, value_)						\
static ssize_t name_##_show(struct device *dev,				\
			    struct device_attribute *attr, char *buf)	\
{									\
	struct mdr_group *group = to_mdr_group(dev);			\
	struct mdr_stats *stats = &group->stats;			\
									\
	guard(mdr_group_briefly)(group);				\
	return sysfs_emit(buf, "%llu\n", (u64)(value_));		\
}									\
static DEVICE_ATTR_RO(name_)

MDR_STAT(recoveries, stats->recoveries);
MDR_STAT(failures, stats->failures);
MDR_STAT(drain_timeouts, stats->drain_timeouts);
MDR_STAT(own_resets, stats->own_resets);
MDR_STAT(elided_resets, stats->elided_resets);
MDR_STAT(user_resets, stats->user_resets);
MDR_STAT(host_resets, stats->host_resets);
MDR_STAT(hold_timeouts, stats->hold_timeouts);
MDR_STAT(harmless_errors, stats->harmless_errors);
MDR_STAT(acknowledgements, stats->acknowledgements);
MDR_STAT(correctable_errors, atomic64_read(&stats->correctable_errors));
MDR_STAT(recovery_ns_last, stats->recovery_ns_last);
MDR_STAT(stalls, atomic64_read(&stats->stalls));
MDR_STAT(dead_accesses, atomic64_read(&stats->dead_accesses));
MDR_STAT(stall_ns_total, atomic64_read(&stats->stall_ns_total));
MDR_STAT(stall_ns_max, atomic64_read(&stats->stall_ns_max));

static struct attribute *mdr_stats_attrs[] = {
	&dev_attr_recoveries.attr,
	&dev_attr_failures.attr,
	&dev_attr_drain_timeouts.attr,
	&dev_attr_own_resets.attr,
	&dev_attr_elided_resets.attr,
	&dev_attr_user_resets.attr,
	&dev_attr_host_resets.attr,
	&dev_attr_hold_timeouts.attr,
	&dev_attr_harmless_errors.attr,
	&dev_attr_acknowledgements.attr,
	&dev_attr_correctable_errors.attr,
	&dev_attr_recovery_ns_last.attr,
	&dev_attr_stalls.attr,
	&dev_attr_dead_accesses.attr,
	&dev_attr_stall_ns_total.attr,
	&dev_attr_stall_ns_max.attr,
	NULL,
};

static const struct attribute_group mdr_stats_attr_group = {
	.name = "stats",
	.attrs = mdr_stats_attrs,
};

static const struct attribute_group *mdr_group_groups[] = {
	&mdr_group_attr_group,
	&mdr_stats_attr_group,
	NULL,
};

const struct class mdr_class = {
	.name		= "mdev_recovery",
	.class_groups	= mdr_class_groups,
	.dev_groups	= mdr_group_groups,
	.pm		= pm_sleep_ptr(&mdr_sleep_pm_ops),
};

