// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shim's own attempt, and the wait before it. The shim waits for functions that are
 * slow after the host's reset. It resets functions that the host did not reset, or
 * that the host's reset did not bring back. mdr_group_finish() comes here when the
 * host is done with a group, and so does a write to recover.
 *
 * The host goes first. The task only tries to take device locks, and it checks
 * mdr_attempt_may() whenever it gets one, and during every wait. It is inside the
 * gate while it touches a function, so a new error waits for that access; it is
 * outside while it waits.
 *
 * Before each access to a device, the bridges above it are checked: if they do not
 * answer, the PCI core would wait a minute for the device, with locks held.
 */
#include <linux/pm_runtime.h>

#include "device.h"
#include "function.h"
#include "group.h"

/*
 * After a reset the link is up within 1 s, or never (PCI Express 6.0, 6.6.1), and
 * the host has already waited for it.
 */
#define MDR_LINK_DOWN_MS 2000

/* Is the function being unbound, or gone? Then the others of its group go on without it. */
static bool mdr_attempt_gone(struct mdr_group *group, struct pci_dev *pdev)
{
	struct mdr_function *function;

	guard(mutex)(&group->lock);
	list_for_each_entry(function, &group->functions, group_item)
		if (function->pdev == pdev)
			return READ_ONCE(function->removing) ||
			       mdr_function_is_gone(function);
	return true;
}

static int mdr_attempt_stops(struct mdr_group *group, struct pci_dev *pdev,
			     unsigned long deadline)
{
	if (mdr_attempt_gone(group, pdev))
		return -ENODEV;
	if (!mdr_attempt_may(group))
		return -ECANCELED;
	return time_after(jiffies, deadline) ? -EBUSY : 0;
}

/*
 * Take the device lock of a function that may be going away. The task that unbinds
 * it holds that lock, and waits for the write to recover to end.
 */
static int mdr_attempt_lock(struct mdr_group *group, struct pci_dev *pdev)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(MDR_DEVICE_LOCK_MS);
	bool locked;
	int stop;

	locked = mdr_trylock_until(pdev, (stop = mdr_attempt_stops(group, pdev,
								   deadline)));
	if (!locked)
		return stop;
	if (mdr_attempt_may(group))
		return 0;
	device_unlock(&pdev->dev);
	return -ECANCELED;
}

/* The function is whole again, so the host need not come back to it. */
static void mdr_attempt_proven(struct mdr_function *function)
{
	guard(mutex)(&function->group->lock);
	function->group->reset_at = ktime_get_ns();
	mdr_walk_end(function);
	function->failed = false;
}

/*
 * Look at one function once, and restore it if it answers. -EUCLEAN if it shows no
 * trace of a reset, unless @reset_is_sure.
 */
static int mdr_restore_look(struct mdr_function *function, bool reset_is_sure)
{
	int ret;

	if (!READ_ONCE(function->restore.blank) && !READ_ONCE(function->failed))
		return 0;
	if (pci_dev_is_disconnected(function->pdev))
		return -ENXIO;
	ret = mdr_bridges_restore(function->pdev);
	if (ret)
		return ret;
	if (!mdr_function_answers(function->pdev))
		return -ENODEV;
	if (!reset_is_sure && !function->restore.configured &&
	    !READ_ONCE(function->restore.unchecked) &&
	    !mdr_function_is_blank(function))
		return -EUCLEAN;
	ret = mdr_restore_again(function);
	if (!ret)
		mdr_attempt_proven(function);
	return ret;
}

/* May the function still come back after this error, without a reset? */
bool mdr_restore_may_come(int error, bool link_down_for_long)
{
	switch (error) {
	case -ENOLINK:
		return !link_down_for_long;
	case -EUCLEAN:
	case -EINVAL:
	case -EIO:
	case -ENXIO:
	case -ECANCELED:
	case -ENOMEM:
		return false;
	default:
		return true;
	}
}

/* Look, or return -EBUSY while another task has the function. */
static int mdr_restore_try(struct mdr_group *group, struct pci_dev *pdev,
			   bool reset_is_sure)
{
	struct mdr_function *function;
	int ret = 0;

	if (!device_trylock(&pdev->dev))
		return mdr_attempt_gone(group, pdev) ? 0 : -EBUSY;
	function = mdr_function_find(pdev);
	if (!mdr_attempt_may(group)) {
		ret = -ECANCELED;
	} else if (function && !mdr_restore_claim(function)) {
		ret = -EBUSY;
	} else if (function) {
		ret = mdr_restore_look(function, reset_is_sure);
		mdr_restore_unclaim(function);
	}
	device_unlock(&pdev->dev);
	return ret && ret != -ECANCELED && mdr_attempt_gone(group, pdev) ?
		       0 : ret;
}

/*
 * Look at all functions of the group that are not whole. Returns an error that
 * waiting does not mend, if there is one.
 */
static int mdr_restore_round(struct mdr_group *group, bool reset_is_sure)
{
	struct mdr_snapshot snapshot;
	struct mdr_gate_entry entry;
	unsigned int i;
	int worst, ret;

	mdr_gate_enter_exclusive(&group->gate, &entry);
	worst = mdr_snapshot_take(group, MDR_SNAPSHOT_LOST, &snapshot);
	for (i = 0; i < snapshot.count && mdr_attempt_may(group); i++) {
		struct pci_dev *pdev = snapshot.pdevs[i];

		/* its user may have put it, and the ports above, into low power */
		pm_runtime_get_sync(&pdev->dev);
		ret = mdr_restore_try(group, pdev, reset_is_sure);
		pm_runtime_put(&pdev->dev);
		if (ret && (!worst || mdr_restore_may_come(worst, false)))
			worst = ret;
	}
	mdr_snapshot_put(&snapshot);
	mdr_gate_exit(&entry);
	return mdr_attempt_may(group) ? worst : -ECANCELED;
}

/* Also above functions that are whole: bridges may have lost bus mastering. */
static void mdr_group_restore_bridges(struct mdr_group *group)
{
	struct mdr_snapshot snapshot;
	struct mdr_gate_entry entry;
	unsigned int i;

	mdr_gate_enter_exclusive(&group->gate, &entry);
	mdr_snapshot_take(group, MDR_SNAPSHOT_ALL, &snapshot);
	for (i = 0; i < snapshot.count && mdr_attempt_may(group); i++)
		mdr_bridges_restore_awake(snapshot.pdevs[i]);
	mdr_snapshot_put(&snapshot);
	mdr_gate_exit(&entry);
}

/*
 * Restore all functions of a group that are not whole, after mdr_attempt_start() and
 * outside the gate. Each round looks at all of them, so the wait is that of the slowest
 * function, until @deadline_ns of ktime_get_ns(). @reset_is_sure: the host has reset the
 * functions, even if that does not show.
 *
 * Returns 0; -ECANCELED if the host is at work again; -EUCLEAN if a function shows no
 * trace of a reset; otherwise why a function did not come back in time.
 */
int mdr_group_restore(struct mdr_group *group, u64 deadline_ns,
		      bool reset_is_sure)
{
	unsigned int poll_ms = MDR_POLL_MS;
	u64 link_seen = ktime_get_ns(), now;
	int ret;

	mdr_group_restore_bridges(group);
	for (;;) {
		ret = mdr_restore_round(group, reset_is_sure);
		now = ktime_get_ns();
		if (ret != -ENOLINK)
			link_seen = now;
		if (!ret || now >= deadline_ns ||
		    !mdr_restore_may_come(ret, now - link_seen >
					  MDR_LINK_DOWN_MS * NSEC_PER_MSEC))
			return ret;
		mdr_group_poll(group, !mdr_attempt_may(group), &poll_ms);
	}
}

/* The place of device_specific in pci_reset_fn_methods (drivers/pci/pci.c). */
#define MDR_RESET_DEVICE_SPECIFIC 1

/*
 * Below a hot-plug port the slot is among the PCI core's methods for a VF. Its reset hits the PF
 * and all other VFs, which nobody tells. Every VF has a function level reset (SR-IOV 1.1,
 * 2.2.2), also one that does not say so (Intel 82599). A method of its device alone comes
 * first, and has its reasons (Chelsio, HiNIC).
 */
static int mdr_reset_vf(struct pci_dev *vf)
{
	if (!vf->reset_methods[0] || (vf->dev_flags & PCI_DEV_FLAGS_NO_FLR_RESET))
		return -ENOTTY;
	if (vf->reset_methods[0] == MDR_RESET_DEVICE_SPECIFIC)
		return pci_reset_function_locked(vf);
	pci_set_power_state(vf, PCI_D0);
	pci_write_config_word(vf, PCI_COMMAND, 0);
	return pcie_flr(vf);
}

/*
 * Reset with DMA off and config access blocked, as the PCI core does. Here the
 * function is already locked, so the bridge above it can only be tried.
 */
static int mdr_reset_by_pci_core(struct pci_dev *pdev)
{
	struct pci_dev *bridge = pci_upstream_bridge(pdev);
	int ret = -EAGAIN;

	if (!mdr_bridge_trylock(bridge))
		return ret;
	if (pci_cfg_access_trylock(pdev)) {
		ret = pdev->is_virtfn ? mdr_reset_vf(pdev) :
					 pci_reset_function_locked(pdev);
		pci_cfg_access_unlock(pdev);
	}
	mdr_bridge_unlock(bridge);
	return ret;
}

static bool mdr_attempt_owns(struct mdr_group *group, struct pci_dev *pdev)
{
	struct mdr_function *function;

	if (pdev->subordinate)
		return true; /* a bridge: only functions count */
	guard(rcu)();
	function = mdr_function_find(pdev);
	return function && (function->group == group ||
			    !READ_ONCE(function->group->users));
}

/*
 * The same for all VFs of a referenced PF: they may be on a bus that is below no bridge.
 * The PF of a VF that is being removed may be gone, so it is compared only.
 */
static bool mdr_attempt_owns_vfs(struct mdr_group *group, struct pci_dev *pf)
{
	struct pci_dev *pdev = NULL;
	bool owns = true;

	if (!pf->is_physfn)
		return true;
	for_each_pci_dev(pdev)
		if (pdev->is_virtfn && pci_physfn(pdev) == pf)
			owns &= mdr_attempt_owns(group, pdev);
	return owns;
}

/*
 * Reset a function, by its parent driver or by the PCI core. -ENODEV if it is going away,
 * -EIO if it does not answer, or if the hook returns an error that means something else here.
 * -EPERM if it has VFs that others use: they would be blank behind open gates.
 */
static int mdr_attempt_reset_locked(struct pci_dev *pdev)
{
	struct mdr_function *function = mdr_function_find(pdev);
	int ret;

	device_lock_assert(&pdev->dev);

	if (!function)
		return -ENODEV;
	if (!mdr_function_answers(pdev))
		return -EIO;
	if (!mdr_attempt_owns_vfs(function->group, pdev)) {
		pci_warn(pdev, "not reset, since others use its VFs\n");
		return -EPERM;
	}
	function->restore.configured = false;
	mdr_function_set_blank(function);
	ret = function->ops->reset ? function->ops->reset(pdev) :
				     mdr_reset_by_pci_core(pdev);
	/* it has not left the group: without a reset it must not be restored */
	return ret == -ENODEV ? -EIO : mdr_hook_error(ret);
}

/*
 * Try to reset a function; -EAGAIN or -EBUSY while a lock is taken. The device lock
 * is held from the check to the reset, so the function does not get another driver
 * in between.
 */
static int mdr_attempt_reset_try(struct mdr_group *group, struct pci_dev *pdev)
{
	int ret;

	ret = mdr_bridges_restore(pdev);
	if (ret)
		return ret == -ENODEV ? -EIO : ret;
	ret = mdr_attempt_lock(group, pdev);
	if (ret)
		return ret;
	ret = mdr_attempt_reset_locked(pdev);
	device_unlock(&pdev->dev);
	return ret;
}

/* Reset one function without restoring it. -ENOTTY if it has no reset method. */
static int mdr_attempt_reset_one(struct mdr_group *group, struct pci_dev *pdev)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(MDR_DEVICE_LOCK_MS);
	int ret;

	pm_runtime_get_sync(&pdev->dev);
	do {
		ret = mdr_attempt_reset_try(group, pdev);
		if (!mdr_attempt_may(group))
			ret = -ECANCELED;
	} while ((ret == -EAGAIN || ret == -EBUSY) &&
		 mdr_wait_host_lets_go(deadline));
	pm_runtime_put(&pdev->dev);
	/* it is leaving the group */
	return ret && ret != -ECANCELED && mdr_attempt_gone(group, pdev) ?
		       0 : ret;
}

static int mdr_attempt_reset_each(struct mdr_group *group,
				  enum mdr_snapshot_of of)
{
	struct mdr_snapshot snapshot;
	struct mdr_gate_entry entry;
	int err, ret;
	unsigned int i;

	mdr_gate_enter_exclusive(&group->gate, &entry);
	err = mdr_snapshot_take(group, of, &snapshot);
	for (i = 0; i < snapshot.count && err != -ECANCELED; i++) {
		ret = mdr_attempt_reset_one(group, snapshot.pdevs[i]);
		/* one without a reset method must not hide what another one lacks */
		if (ret && (!err || err == -ENOTTY || ret == -ECANCELED))
			err = ret;
		if (ret && ret != -ECANCELED)
			pci_err(snapshot.pdevs[i], "cannot reset the function: %d\n", ret);
	}
	mdr_snapshot_put(&snapshot);
	mdr_gate_exit(&entry);
	return err;
}

/* A device may take as long after our reset as after the host's. */
static int mdr_attempt_restore(struct mdr_group *group)
{
	u64 timeout_ns;

	scoped_guard(mutex, &group->lock)
		timeout_ns = (u64)mdr_group_recovery_timeout(group) *
			     NSEC_PER_MSEC;
	return mdr_group_restore(group, ktime_get_ns() + timeout_ns, true);
}

/*
 * Make the resets that functions voted for but did not get, once all have resumed.
 * Otherwise as mdr_group_restore().
 */
int mdr_group_reset_due(struct mdr_group *group)
{
	struct mdr_function *function;
	int ret;

	scoped_guard(mutex, &group->lock)
		if (mdr_group_is_resumed_late(group) && mdr_group_awaits_reset(group))
			return -EBUSY;
	ret = mdr_attempt_reset_each(group, MDR_SNAPSHOT_DUE);
	if (ret)
		return ret;
	guard(mutex)(&group->lock);
	/* a new error may have made them due again */
	if (!mdr_attempt_may(group))
		return -ECANCELED;
	list_for_each_entry(function, &group->functions, group_item)
		function->error.reset_due = false;
	return 0;
}

/*
 * Does a reset below this bridge hit only functions of this group, or of groups
 * without a user? This must not take mdr_registry_lock or device locks: a task that
 * unbinds a function holds them while it waits for this one. Nor pci_bus_sem, see
 * mdr_blockers_walk().
 */
static bool mdr_attempt_owns_below(struct mdr_group *group,
				   struct pci_dev *bridge)
{
	struct pci_dev *pdev = NULL;
	bool owns = true;

	for_each_pci_dev(pdev)
		if (mdr_pci_is_below(pdev, bridge))
			owns &= mdr_attempt_owns(group, pdev) &&
				mdr_attempt_owns_vfs(group, pdev);
	return owns;
}

/* Once; before each try, since another group may have a user by then. */
static int mdr_attempt_reset_bus_once(struct mdr_group *group,
				      struct pci_dev *pdev)
{
	if (!mdr_attempt_may(group))
		return -ECANCELED;
	if (!mdr_attempt_owns_below(group, pci_upstream_bridge(pdev)))
		return -EPERM;
	return pci_reset_bus(pdev);
}

/*
 * Reset the bus of a function, if that hits no foreign function and all bridges
 * above it answer.
 */
static int mdr_attempt_reset_bus(struct mdr_group *group, struct pci_dev *pdev)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(MDR_LET_GO_MS);
	struct pci_dev *bridge = pci_upstream_bridge(pdev);
	int ret;

	if (!bridge || pdev->is_virtfn ||
	    !mdr_attempt_owns_below(group, bridge))
		return -EPERM;
	ret = mdr_bridges_restore(pdev);
	if (ret)
		return ret;
	if (!mdr_function_answers(pdev))
		return -EIO;
	/* the PCI core only tries to take the device locks */
	do {
		ret = mdr_attempt_reset_bus_once(group, pdev);
	} while (ret == -EAGAIN && mdr_wait_host_lets_go(deadline));
	return ret;
}

static int mdr_attempt_reset_buses(struct mdr_group *group)
{
	struct mdr_snapshot snapshot;
	struct pci_bus *done = NULL;
	struct mdr_gate_entry entry;
	unsigned int i;
	int ret;

	mdr_gate_enter_exclusive(&group->gate, &entry);
	ret = mdr_snapshot_take_awake(group, MDR_SNAPSHOT_ALL, &snapshot);
	for (i = 0; i < snapshot.count && !ret; i++) {
		if (snapshot.pdevs[i]->bus == done)
			continue;
		done = snapshot.pdevs[i]->bus;
		ret = mdr_attempt_reset_bus(group, snapshot.pdevs[i]);
	}
	mdr_snapshot_put(&snapshot);
	mdr_gate_exit(&entry);
	return ret;
}

/*
 * Reset and restore all functions of a group, and then the buses if that was not enough.
 * Otherwise as mdr_group_restore().
 */
int mdr_group_reset_and_restore(struct mdr_group *group)
{
	int ret;

	ret = mdr_attempt_reset_each(group, MDR_SNAPSHOT_ALL);
	if (!ret)
		ret = mdr_attempt_restore(group);
	if (!ret || !mdr_attempt_may(group))
		return ret;
	if (mdr_attempt_reset_buses(group))
		return ret;
	return mdr_attempt_restore(group);
}

static void mdr_group_resumed(struct mdr_group *group)
{
	enum mdr_policy policy = mdr_group_policy(group, true);

	group->stats.recoveries++;
	mdr_group_step(group, mdr_policy_resume_event(policy), NULL);
}

/* All functions are reset now, also those whose users have answered the event before. */
static void mdr_group_ask_again(struct mdr_group *group)
{
	struct mdr_function *function;

	guard(mutex)(&group->lock);
	list_for_each_entry(function, &group->functions, group_item)
		if (function->device)
			function->device->acknowledged = 0;
}

static int mdr_group_recover_drained(struct mdr_group *group)
{
	mdr_group_ask_again(group);
	return mdr_group_reset_and_restore(group);
}

/* End what an administrator's recover has begun; returns what mdr_group_recover() does. */
static int mdr_group_recover_end(struct mdr_group *group, int ret)
{
	struct mdr_function *function;

	guard(mutex)(&group->lock);
	if (ret == -ECANCELED || group->resetter != current)
		ret = -EAGAIN;
	if (!ret) {
		mdr_breaker_reset(&group->breaker);
		group->cause = MDR_CAUSE_NONE;
		list_for_each_entry(function, &group->functions, group_item) {
			mdr_walk_end(function);
			mdr_domain_forget(function);
		}
		group->attempt.host_is_done = false;
	}
	/* a reset from outside that is under way opens the gate at its end */
	if (!ret && group->resets == 1)
		mdr_group_resumed(group);
	if (mdr_attempt_may(group))
		mdr_attempt_stop(group);
	mdr_group_reset_end(group, MDR_EVENT_HOST_RESET_DONE, NULL);
	return ret;
}

/*
 * Recover a failed group for an administrator. Returns 0 with the group open, holding or
 * evicting as its type says, or about to; -EINVAL if it is not failed; -EBUSY if an access or a
 * zap does not end, or another task holds a function; -EAGAIN if an error came meanwhile;
 * -ENODEV if a function does not answer, -ENOLINK if the link to it is down; -ENOMEM; or the
 * error of a function's reset.
 */
int mdr_group_recover(struct mdr_group *group)
{
	int ret;

	scoped_guard(mutex, &group->lock) {
		if (!mdr_group_reset_begin(group, MDR_EVENT_ADMIN_RECOVER,
					   NULL))
			return -EINVAL;
		mdr_attempt_start(group);
	}
	mdr_group_zap_begin(group);

	ret = mdr_group_drain_or_fail(group) && mdr_group_zap_wait(group) ?
	      mdr_group_recover_drained(group) : -EBUSY;
	if (!ret)
		mdr_group_sync_interrupts(group);
	ret = mdr_group_recover_end(group, ret);
	mdr_group_wait_opened_briefly(group);
	return ret;
}
