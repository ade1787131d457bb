// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups: one per IOMMU group with functions of ours. A group owns the gate and
 * the state, and mdr_group_step() is the only way to change either.
 */
#include <linux/iommu.h>
#include <linux/slab.h>

#include "mdr.h"
#include "trace.h"

/* How often a user who is to leave is asked again; as vfio core does it. */
#define MDR_REQUEST_PERIOD_MS 10000

static LIST_HEAD(mdr_groups);

static void mdr_group_timer(struct work_struct *work);

static void mdr_group_release(struct device *dev)
{
	struct mdr_group *group = to_mdr_group(dev);

	iommu_group_put(group->iommu_group);
	mutex_destroy(&group->lock);
	kfree(group);
}

static struct mdr_group *mdr_group_create(struct iommu_group *iommu_group)
{
	struct mdr_group *group;
	int ret;

	group = kzalloc(sizeof(*group), GFP_KERNEL);
	if (!group) {
		iommu_group_put(iommu_group);
		return ERR_PTR(-ENOMEM);
	}

	group->iommu_group = iommu_group;
	mdr_gate_init(&group->gate);
	mutex_init(&group->lock);
	mdr_machine_init(&group->machine);
	init_waitqueue_head(&group->state_changed);
	INIT_LIST_HEAD(&group->functions);
	INIT_DELAYED_WORK(&group->timer, mdr_group_timer);
	INIT_WORK(&group->finish, mdr_group_finish);
	INIT_WORK(&group->fallback, mdr_group_fallback);

	device_initialize(&group->dev);
	group->dev.class = &mdr_class;
	group->dev.release = mdr_group_release;
	ret = dev_set_name(&group->dev, "group%d", iommu_group_id(iommu_group));
	if (ret)
		goto err_put;
	ret = device_add(&group->dev);
	if (ret)
		goto err_put;

	group->state_node = sysfs_get_dirent(group->dev.kobj.sd, "state");
	list_add_tail(&group->item, &mdr_groups);
	return group;

err_put:
	put_device(&group->dev);
	return ERR_PTR(ret);
}

/**
 * mdr_group_get - find or make the group of a function
 * @pdev: the function
 *
 * Context: process context, mdr_registry_lock held, may sleep.
 * Return: the group, to be released with mdr_group_put(), or an ERR_PTR():
 * -ENODEV if the function is in no IOMMU group, -ENOMEM, or what
 * device_add() says.
 */
struct mdr_group *mdr_group_get(struct pci_dev *pdev)
{
	struct iommu_group *iommu_group;
	struct mdr_group *group;

	lockdep_assert_held(&mdr_registry_lock);

	iommu_group = iommu_group_get(&pdev->dev);
	if (!iommu_group)
		return ERR_PTR(-ENODEV);

	list_for_each_entry(group, &mdr_groups, item) {
		if (group->iommu_group == iommu_group) {
			iommu_group_put(iommu_group);
			group->registered++;
			return group;
		}
	}

	group = mdr_group_create(iommu_group);
	if (!IS_ERR(group))
		group->registered = 1;
	return group;
}

/**
 * mdr_group_put - release a group
 * @group: from mdr_group_get()
 *
 * Context: process context, mdr_registry_lock held, may sleep.
 */
void mdr_group_put(struct mdr_group *group)
{
	lockdep_assert_held(&mdr_registry_lock);

	if (--group->registered)
		return;

	list_del(&group->item);
	scoped_guard(mutex, &group->lock)
		group->dying = true;
	cancel_delayed_work_sync(&group->timer);
	cancel_work_sync(&group->finish);
	cancel_work_sync(&group->fallback);
	device_del(&group->dev);
	sysfs_put(group->state_node);
	group->state_node = NULL;
	put_device(&group->dev);
}

/**
 * mdr_group_add - a function joins its group
 * @group: the group
 * @function: the function
 *
 * Context: process context.
 */
void mdr_group_add(struct mdr_group *group, struct mdr_function *function)
{
	guard(mutex)(&group->lock);
	list_add_tail(&function->group_item, &group->functions);
}

static bool mdr_group_has_failed(struct mdr_group *group)
{
	struct mdr_function *function;

	list_for_each_entry(function, &group->functions, group_item)
		if (function->failed || READ_ONCE(function->blank))
			return true;
	return false;
}

/**
 * mdr_group_remove - a function leaves its group for good
 * @group: the group
 * @function: the function
 *
 * If the group waited for this function only, it goes on.
 *
 * Context: process context.
 */
void mdr_group_remove(struct mdr_group *group, struct mdr_function *function)
{
	guard(mutex)(&group->lock);
	list_del(&function->group_item);
	if (list_empty(&group->functions) || mdr_group_pending(group) ||
	    mdr_group_has_failed(group))
		return;
	if (group->machine.state == MDR_STATE_FAILED)
		mdr_group_step(group, MDR_EVENT_REMOVE, function);
	else if (group->machine.state == MDR_STATE_RECOVERING)
		queue_work(mdr_workqueue, &group->finish);
}

/* Is this the first function of the group that is in this domain? */
static bool mdr_first_of_domain(struct mdr_group *group,
				struct mdr_function *function)
{
	struct mdr_function *other;

	list_for_each_entry(other, &group->functions, group_item)
		if (other->domain == function->domain)
			return other == function;
	return false;
}

/**
 * mdr_group_port - the ports of the domains that a group reaches into
 * @group: the group
 * @index: which one, from 0
 *
 * Context: process context; takes group->lock.
 * Return: the port, to be released with pci_dev_put(); NULL after the last.
 */
struct pci_dev *mdr_group_port(struct mdr_group *group, unsigned int index)
{
	struct mdr_function *function;

	guard(mutex)(&group->lock);
	list_for_each_entry(function, &group->functions, group_item)
		if (mdr_first_of_domain(group, function) && !index--)
			return pci_dev_get(function->domain->port);
	return NULL;
}

/**
 * mdr_group_pending - does the host still recover a function of this group?
 * @group: the group
 *
 * Context: group->lock held.
 * Return: true if a function was told of an error and not yet of its end.
 */
bool mdr_group_pending(struct mdr_group *group)
{
	struct mdr_function *function;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(function, &group->functions, group_item)
		if (function->recovering)
			return true;
	return false;
}

/**
 * mdr_group_policy - the strictest policy of the group's mdevs
 * @group: the group
 * @opened_only: count only those that somebody has open
 *
 * Context: group->lock held.
 * Return: the policy, MDR_POLICY_NONE if no mdev counts.
 */
enum mdr_policy mdr_group_policy(struct mdr_group *group, bool opened_only)
{
	enum mdr_policy policy = MDR_POLICY_NONE;
	struct mdr_function *function;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(function, &group->functions, group_item) {
		struct mdr_device *device = function->device;

		if (device && (device->opened || !opened_only))
			policy = mdr_policy_stricter(policy, device->policy);
	}
	return policy;
}

/**
 * mdr_group_acknowledged - has every user who must, acknowledged the event?
 * @group: the group
 *
 * Context: group->lock held.
 * Return: true if no open device of type hold lags behind.
 */
bool mdr_group_acknowledged(struct mdr_group *group)
{
	struct mdr_function *function;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(function, &group->functions, group_item) {
		struct mdr_device *device = function->device;

		if (device && device->opened &&
		    device->policy == MDR_POLICY_HOLD &&
		    device->acknowledged != group->event)
			return false;
	}
	return true;
}

/**
 * mdr_group_recovery_timeout - how long the host may take
 * @group: the group
 *
 * Context: group->lock held.
 * Return: the shortest bound among the group's mdevs, in milliseconds.
 */
unsigned int mdr_group_recovery_timeout(struct mdr_group *group)
{
	struct mdr_function *function;
	unsigned int ms = MDR_MAX_TIMEOUT_MS;
	bool found = false;

	lockdep_assert_held(&group->lock);

	list_for_each_entry(function, &group->functions, group_item) {
		struct mdr_device *device = function->device;

		if (device) {
			ms = min(ms, READ_ONCE(device->tunables.recovery_timeout_ms));
			found = true;
		}
	}
	return found ? ms : MDR_DEFAULT_RECOVERY_TIMEOUT_MS;
}

static unsigned int mdr_group_hold_timeout(struct mdr_group *group)
{
	struct mdr_function *function;
	unsigned int ms = MDR_MAX_TIMEOUT_MS;

	list_for_each_entry(function, &group->functions, group_item) {
		struct mdr_device *device = function->device;

		if (device && device->opened &&
		    device->policy == MDR_POLICY_HOLD)
			ms = min(ms, READ_ONCE(device->tunables.hold_timeout_ms));
	}
	return ms;
}

/*
 * What is left of the hold time-out, in milliseconds. It runs from the end of the
 * recovery; a user whose resets keep failing does not start it anew.
 */
static unsigned int mdr_group_hold_left(struct mdr_group *group)
{
	u64 timeout_ns = (u64)mdr_group_hold_timeout(group) * NSEC_PER_MSEC;
	u64 held_ns = ktime_get_ns() - group->held_at;

	return held_ns < timeout_ns ?
	       div_u64(timeout_ns - held_ns, NSEC_PER_MSEC) : 0;
}

/* The function is lost: QEMU and its like stop the VM on this interrupt. */
static void mdr_group_signal_lost(struct mdr_group *group)
{
	struct mdr_function *function;

	list_for_each_entry(function, &group->functions, group_item)
		if (function->device && function->device->opened)
			vfio_pci_core_aer_err_detected(function->pdev,
						       pci_channel_io_perm_failure);
}

static void mdr_group_request(struct mdr_group *group)
{
	struct mdr_function *function;

	list_for_each_entry(function, &group->functions, group_item)
		if (function->device && function->device->opened)
			vfio_pci_core_request(&function->device->core.vdev,
					      group->requests);
	group->requests++;
}

/* Does any user want its reset left out where it makes no difference? */
static bool mdr_group_elides(struct mdr_group *group)
{
	struct mdr_function *function;

	list_for_each_entry(function, &group->functions, group_item)
		if (function->device &&
		    READ_ONCE(function->device->tunables.reset_elision) ==
		    MDR_RESET_ELISION_PRISTINE)
			return true;
	return false;
}

static void mdr_group_open_gate(struct mdr_group *group)
{
	struct mdr_function *function;

	mdr_gate_open(&group->gate, group->untouched && mdr_group_elides(group));
	/* after opening: who comes late with a substitute page sees the flag */
	list_for_each_entry(function, &group->functions, group_item)
		if (function->device)
			mdr_device_unsubstitute(function->device);
}

static void mdr_group_act(struct mdr_group *group, enum mdr_action action)
{
	switch (action) {
	case MDR_ACTION_CLOSE:
		group->untouched = mdr_gate_close(&group->gate);
		break;
	case MDR_ACTION_OPEN:
		mdr_group_open_gate(group);
		break;
	case MDR_ACTION_LOSE:
		group->untouched = false;
		group->stats.failures++;
		mdr_gate_die(&group->gate);
		mdr_group_signal_lost(group);
		break;
	case MDR_ACTION_REQUEST:
		group->untouched = false;
		mdr_gate_close(&group->gate);
		group->requests = 0;
		mdr_group_request(group);
		break;
	case MDR_ACTION_NONE:
		break;
	}
}

static void mdr_group_arm(struct mdr_group *group, unsigned int ms)
{
	if (!group->dying)
		mod_delayed_work(mdr_workqueue, &group->timer,
				 msecs_to_jiffies(ms));
}

/* The bound of the state just entered. */
static void mdr_group_bound(struct mdr_group *group)
{
	switch (group->machine.state) {
	case MDR_STATE_CLOSING:
		mdr_group_arm(group, mdr_group_recovery_timeout(group));
		break;
	case MDR_STATE_RECOVERING:
		break; /* the bound of closing goes on */
	case MDR_STATE_HOLDING:
		mdr_group_arm(group, mdr_group_hold_left(group));
		break;
	case MDR_STATE_EVICTING:
		mdr_group_arm(group, MDR_REQUEST_PERIOD_MS);
		break;
	default:
		cancel_delayed_work(&group->timer);
	}
}

static void mdr_group_announce(struct mdr_group *group,
			       struct mdr_function *function)
{
	char state[32], event[32], cause[32], device[32];
	char *envp[] = { state, event, cause, function ? device : NULL, NULL };

	snprintf(state, sizeof(state), "MDR_STATE=%s",
		 mdr_state_name(group->machine.state));
	snprintf(event, sizeof(event), "MDR_EVENT=%llu", group->event);
	snprintf(cause, sizeof(cause), "MDR_CAUSE=%s",
		 mdr_cause_name(group->cause));
	if (function)
		snprintf(device, sizeof(device), "MDR_DEVICE=%s",
			 pci_name(function->pdev));

	wake_up_all(&group->state_changed);
	sysfs_notify_dirent(group->state_node);
	kobject_uevent_env(&group->dev.kobj, KOBJ_CHANGE, envp);
}

/**
 * mdr_group_step - something happened to a group
 * @group: the group
 * @event: what
 * @function: the function it happened to, or NULL
 *
 * The only place that changes a group's state and its gate, and that tells the
 * world about it.
 *
 * Context: process context, group->lock held, may sleep.
 * Return: true if the event was accepted, false if the state does not know it;
 * then nothing changed.
 */
bool mdr_group_step(struct mdr_group *group, enum mdr_event event,
		    struct mdr_function *function)
{
	enum mdr_state from = group->machine.state;
	enum mdr_action action;

	lockdep_assert_held(&group->lock);

	if (!mdr_machine_step(&group->machine, event, &action))
		return false;

	trace_mdr_state(group, from, event);
	if (event == MDR_EVENT_RESUME_HOLD)
		group->held_at = ktime_get_ns();
	mdr_group_act(group, action);
	if (group->machine.state == from && action == MDR_ACTION_NONE)
		return true;

	if (group->machine.state != MDR_STATE_RESETTING)
		group->resetter = NULL;
	mdr_group_bound(group);
	mdr_group_announce(group, function);

	/* nobody left to wait for */
	if (!group->users)
		mdr_group_step(group, MDR_EVENT_LAST_USER_GONE, function);
	return true;
}

static void mdr_group_timer(struct work_struct *work)
{
	struct mdr_group *group = container_of(to_delayed_work(work),
					       struct mdr_group, timer);

	guard(mutex)(&group->lock);
	if (delayed_work_pending(&group->timer))
		return; /* armed anew while this run waited for the lock */

	switch (group->machine.state) {
	case MDR_STATE_CLOSING:
	case MDR_STATE_RECOVERING:
		dev_warn(&group->dev,
			 "recovery of event %llu did not end within %u ms\n",
			 group->event, mdr_group_recovery_timeout(group));
		mdr_group_abandon(group, MDR_EVENT_WATCHDOG, false);
		break;
	case MDR_STATE_HOLDING:
		group->stats.hold_timeouts++;
		dev_warn(&group->dev,
			 "user did not reset the device after event %llu: evicting\n",
			 group->event);
		mdr_group_step(group, MDR_EVENT_HOLD_TIMEOUT, NULL);
		break;
	case MDR_STATE_EVICTING:
		mdr_group_request(group);
		mdr_group_arm(group, MDR_REQUEST_PERIOD_MS);
		break;
	default:
		break;
	}
}

/**
 * mdr_group_reset_begin - a reset that the recovery did not ask for begins
 * @group: the group
 * @event: MDR_EVENT_USER_RESET_BEGIN, MDR_EVENT_HOST_RESET_BEGIN or
 *	MDR_EVENT_ADMIN_RECOVER
 * @function: the function to be reset, or NULL
 *
 * Resets from outside cannot be refused, so several may run in one group. The
 * first one closes the gate.
 *
 * Context: process context, group->lock held.
 * Return: true if mdr_group_reset_end() is to be called; false if the state
 * does not allow it, or (for a reset from outside) the gate is closed for the
 * host's recovery anyway.
 */
bool mdr_group_reset_begin(struct mdr_group *group, enum mdr_event event,
			   struct mdr_function *function)
{
	bool by_host = event == MDR_EVENT_HOST_RESET_BEGIN;
	bool joins = by_host && group->machine.state == MDR_STATE_RESETTING;

	lockdep_assert_held(&group->lock);

	/* before the step, which announces it */
	if (group->machine.state == MDR_STATE_OPEN &&
	    event != MDR_EVENT_ADMIN_RECOVER)
		group->cause = by_host ? MDR_CAUSE_HOST_RESET :
					 MDR_CAUSE_USER_RESET;
	if (!joins && !mdr_group_step(group, event, function))
		return false;
	if (!by_host)
		group->resetter = current;
	group->resets++;
	return true;
}

/**
 * mdr_group_reset_end - such a reset ended
 * @group: the group
 * @event: how the group goes back to where the reset began, if it has to
 * @function: the function that was reset, or NULL
 *
 * The last one to end opens the gate, or leaves it to what is still waited for.
 * An error that came meanwhile has taken the group over: then there is nothing
 * to do.
 *
 * Context: process context, group->lock held.
 */
void mdr_group_reset_end(struct mdr_group *group, enum mdr_event event,
			 struct mdr_function *function)
{
	lockdep_assert_held(&group->lock);

	if (--group->resets || group->machine.state != MDR_STATE_RESETTING)
		return;

	if (group->machine.origin == MDR_STATE_HOLDING &&
	    mdr_group_acknowledged(group))
		event = MDR_EVENT_USER_RESET_OK;
	if (group->machine.origin == MDR_STATE_FAILED &&
	    !mdr_group_pending(group) && !mdr_group_has_failed(group))
		event = MDR_EVENT_USER_RESET_OK;
	mdr_group_step(group, event, function);
}

/**
 * mdr_group_drain - wait, with a bound, until no user is inside the gate
 * @group: a group in state closing or resetting
 * @config_is_blocked: see mdr_gate_drain()
 *
 * Past the bound the host goes on; that is counted, traced and logged.
 *
 * Context: process context, no lock of ours held, may sleep; a host callback.
 */
void mdr_group_drain(struct mdr_group *group, bool config_is_blocked)
{
	u64 start = ktime_get_ns();
	bool drained;

	drained = mdr_gate_drain(&group->gate, MDR_DRAIN_TIMEOUT_MS,
				 config_is_blocked);
	trace_mdr_drain(group, ktime_get_ns() - start, drained);

	guard(mutex)(&group->lock);
	group->drained = drained;
	if (!drained) {
		group->stats.drain_timeouts++;
		dev_warn_ratelimited(&group->dev,
				     "a user is still inside after %u ms, going on without it\n",
				     MDR_DRAIN_TIMEOUT_MS);
	}
	if (group->machine.state == MDR_STATE_CLOSING)
		mdr_group_step(group, drained ? MDR_EVENT_DRAINED :
						MDR_EVENT_DRAIN_TIMEOUT, NULL);
}

/**
 * mdr_group_zap - take the BAR mappings of all devices away
 * @group: a group whose gate is closed
 *
 * Context: process context, may sleep; a host callback. Takes i_mmap_rwsem of
 * the devices' mappings and page table locks, not mmap_lock.
 */
void mdr_group_zap(struct mdr_group *group)
{
	struct mdr_function *function;

	guard(mutex)(&group->lock);
	list_for_each_entry(function, &group->functions, group_item)
		if (function->device)
			mdr_device_zap(function->device);
}

/**
 * mdr_group_is_recovering - is the host at work?
 * @group: the group
 *
 * Context: any; without group->lock the answer may be old.
 * Return: true in states closing and recovering.
 */
bool mdr_group_is_recovering(struct mdr_group *group)
{
	enum mdr_state state = READ_ONCE(group->machine.state);

	return state == MDR_STATE_CLOSING || state == MDR_STATE_RECOVERING;
}

static bool mdr_group_is_resetting(struct mdr_group *group)
{
	return READ_ONCE(group->machine.state) == MDR_STATE_RESETTING;
}

static int mdr_group_waited(long left)
{
	if (left < 0)
		return left;
	return left ? 0 : -EAGAIN;
}

/**
 * mdr_group_wait_recovered - wait for the end of the host's recovery
 * @group: the group
 * @timeout_ms: the bound, in milliseconds
 *
 * Does not wait for resets that users asked for: a hot reset wants the lock of
 * the device set, with which vfio core calls open_device().
 *
 * Context: process context, not inside any gate, may sleep, killable.
 * Return: 0, -EAGAIN if the bound passed, -ERESTARTSYS if killed.
 */
int mdr_group_wait_recovered(struct mdr_group *group, unsigned int timeout_ms)
{
	return mdr_group_waited(wait_event_killable_timeout(group->state_changed,
				!mdr_group_is_recovering(group),
				msecs_to_jiffies(timeout_ms)));
}

/**
 * mdr_group_wait_settled - wait for the end of what the host or a user does
 * @group: the group
 * @timeout_ms: the bound, in milliseconds
 *
 * Context: process context, no lock of vfio core held, not inside any gate, may
 * sleep, killable.
 * Return: 0, -EAGAIN if the bound passed, -ERESTARTSYS if killed.
 */
int mdr_group_wait_settled(struct mdr_group *group, unsigned int timeout_ms)
{
	return mdr_group_waited(wait_event_killable_timeout(group->state_changed,
				!mdr_group_is_recovering(group) &&
				!mdr_group_is_resetting(group),
				msecs_to_jiffies(timeout_ms)));
}

/**
 * mdr_group_wait_close - wait for the end of the recovery, whoever kills us
 * @group: the group
 *
 * For close, which cannot fail and cannot be undone. Bounded by the group's
 * watchdog.
 *
 * Context: process context, not inside any gate, may sleep.
 */
void mdr_group_wait_close(struct mdr_group *group)
{
	unsigned int ms;

	scoped_guard(mutex, &group->lock)
		ms = mdr_group_recovery_timeout(group) + MDR_DRAIN_TIMEOUT_MS;
	wait_event_timeout(group->state_changed,
			   !mdr_group_is_recovering(group),
			   msecs_to_jiffies(ms));
}

/*
 * Did the host reset every function for the latest event, with nobody inside
 * the gate since?
 */
static bool mdr_group_is_pristine(struct mdr_group *group)
{
	struct mdr_function *function;

	if (!group->drained)
		return false;
	list_for_each_entry(function, &group->functions, group_item)
		if (!function->was_reset)
			return false;
	return true;
}

/* Is every function whole again, in time or late? */
static bool mdr_group_has_resumed(struct mdr_group *group)
{
	/* whom the breaker gave up on, only an administrator takes back */
	if (group->cause == MDR_CAUSE_BREAKER)
		return false;
	return (group->machine.state == MDR_STATE_RECOVERING ||
		group->machine.state == MDR_STATE_FAILED) &&
	       !mdr_group_pending(group) && !mdr_group_has_failed(group);
}

/* The next open device whose INTx is out of line, with a reference. */
static struct mdr_device *mdr_group_next_unsynced(struct mdr_group *group)
{
	struct mdr_function *function;

	list_for_each_entry(function, &group->functions, group_item) {
		struct mdr_device *device = function->device;

		if (device && device->opened && !device->synced) {
			device->synced = true;
			get_device(&device->core.vdev.device);
			return device;
		}
	}
	return NULL;
}

/**
 * mdr_group_finish - all functions have resumed: decide by policy
 * @work: &mdr_group.finish
 *
 * Runs apart from the host's callback because bringing INTx in line takes locks
 * of vfio-pci-core, which a callback must not take. A new error may come at any
 * time; its drain waits for this.
 *
 * Context: mdr_workqueue.
 */
void mdr_group_finish(struct work_struct *work)
{
	struct mdr_group *group = container_of(work, struct mdr_group, finish);
	struct mdr_gate_entry entry;
	struct mdr_device *device;
	int due_failed;

	mdr_gate_enter_exclusive(&group->gate, &entry);
	due_failed = mdr_group_reset_due(group);
	mutex_lock(&group->lock);
	if (due_failed)
		mdr_group_step(group, MDR_EVENT_SLOT_RESET_FAILED, NULL);

	while (!due_failed && mdr_group_has_resumed(group) &&
	       (device = mdr_group_next_unsynced(group))) {
		mutex_unlock(&group->lock);
		scoped_guard(mutex, &device->core_lock)
			if (READ_ONCE(device->opened))
				mdr_restore_interrupts(device);
		put_device(&device->core.vdev.device);
		mutex_lock(&group->lock);
	}

	if (!due_failed && mdr_group_has_resumed(group)) {
		group->untouched = mdr_group_is_pristine(group);
		group->stats.recoveries++;
		group->stats.recovery_ns_last = ktime_get_ns() - group->error_at;
		mdr_group_step(group, mdr_policy_resume_event(mdr_group_policy(group, true)),
			       NULL);
	}

	mutex_unlock(&group->lock);
	mdr_gate_exit(&entry);
}

/**
 * mdr_group_account_stall - count an access that waited at the closed gate
 * @group: the group
 * @ns: how long, in nanoseconds
 *
 * Context: any; takes no lock.
 */
void mdr_group_account_stall(struct mdr_group *group, u64 ns)
{
	struct mdr_stats *stats = &group->stats;
	s64 max = atomic64_read(&stats->stall_ns_max);

	atomic64_inc(&stats->stalls);
	atomic64_add(ns, &stats->stall_ns_total);
	while (ns > max &&
	       !atomic64_try_cmpxchg(&stats->stall_ns_max, &max, ns))
		;
}
