// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which functions and domains exist, and the ids of errors.
 *
 * The host walks once per error: one task tells everything below a port. All functions
 * told by one walk get the same event id, in whatever group. Another task, port or
 * severity means another walk. So does telling a function twice, or after the walk has
 * begun its next step.
 */
#include <linux/aer.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "device.h"
#include "function.h"
#include "group.h"

DEFINE_MUTEX(mdr_registry_lock);

/*
 * struct pci_dev * -> struct mdr_function *. An entry changes with both the device lock of
 * its function and mdr_registry_lock held: host callbacks look it up under the former,
 * loops over all of them run under the latter.
 */
DEFINE_XARRAY(mdr_functions);

/*
 * Look up the function of a PCI device; NULL if it is not registered. The
 * device lock, mdr_registry_lock or RCU pins the result.
 */
struct mdr_function *mdr_function_find(struct pci_dev *pdev)
{
	RCU_LOCKDEP_WARN(!rcu_read_lock_held() &&
			 !lockdep_is_held(&pdev->dev.mutex) &&
			 !lockdep_is_held(&mdr_registry_lock),
			 "nothing keeps the function that is looked up");
	return xa_load(&mdr_functions, (unsigned long)pdev);
}

/*
 * From here on the caller may wait for a user to close a device, or for dev_set->lock,
 * which a close holds; and it holds the device lock of a function, for which a walk may
 * wait. So no close may wait for the host now, in no group: IOMMU groups can span ports,
 * and one process may close devices of several, one after the other.
 */
void mdr_closes_hurry_begin(void)
{
	struct mdr_function *function;
	unsigned long index;

	guard(mutex)(&mdr_registry_lock);
	mdr_closes_hurry_count(1);
	xa_for_each(&mdr_functions, index, function)
		wake_up_all(&function->group->state_changed);
}

void mdr_closes_hurry_end(void)
{
	guard(mutex)(&mdr_registry_lock);
	mdr_closes_hurry_count(-1);
}

static struct vfio_device *mdr_function_get_vdev(struct mdr_function *function)
{
	struct mdr_device *device;

	guard(mutex)(&function->group->lock);
	device = function->device;
	if (!device)
		return NULL;
	get_device(&device->core->vdev.device);
	return &device->core->vdev;
}

/*
 * Does the current process use the device, or hold or map its file? A process may have very
 * many descriptors, so this runs without group->lock: host callbacks must not wait for the
 * scan. The function stays in the registry meanwhile, and with it the parent driver's code,
 * which the last reference may need.
 */
static bool mdr_current_uses(struct mdr_function *function)
{
	struct vfio_device *vdev = mdr_function_get_vdev(function);
	struct address_space *mapping;
	bool uses;

	lockdep_assert_held(&mdr_registry_lock);

	if (!vdev)
		return false;
	mapping = vdev->inode->i_mapping;
	uses = mdr_users_have(&to_mdr_device(vdev)->users, current) ||
	       mdr_mm_has_mapping(current->mm, mapping) ||
	       mdr_task_has_file(current, mapping);
	vfio_put_device(vdev);
	return uses;
}

/*
 * Is a function being unbound that the current process uses, or that is on @bus? Then this
 * process must not wait for pci_bus_sem: a walk may hold that and wait for the device lock
 * of the function, with a hotplug in the queue, and the unbind waits for this process to
 * close. A reset of @bus would fail for that device lock, and holds dev_set->lock meanwhile.
 */
static bool mdr_unbind_waits_for_current(struct pci_bus *bus)
{
	struct mdr_function *function;
	unsigned long index;

	lockdep_assert_held(&mdr_registry_lock);

	xa_for_each(&mdr_functions, index, function) {
		if (!READ_ONCE(function->removing))
			continue;
		if (function->pdev->bus == bus || mdr_current_uses(function))
			return true;
	}
	return false;
}

/* -EAGAIN if the current process must not wait for pci_bus_sem, see above. */
int mdr_unbind_must_pass(struct pci_bus *bus)
{
	if (!mdr_closes_must_hurry())
		return 0;
	guard(mutex)(&mdr_registry_lock);
	return mdr_unbind_waits_for_current(bus) ? -EAGAIN : 0;
}

/*
 * The same for an ioctl, with which a process may come in any number of threads. One looks
 * at a time for each device, and the others are refused: a task with a device lock that
 * wants the registry waits for no more looks than there are devices.
 */
int mdr_unbind_must_pass_call(struct mdr_device *device, struct pci_bus *bus)
{
	int ret = -EAGAIN;

	if (!mdr_closes_must_hurry())
		return 0;
	if (mutex_trylock(&device->look)) {
		ret = mdr_unbind_must_pass(bus);
		mutex_unlock(&device->look);
	}
	return ret;
}

/*
 * For mdev create and remove, which hold locks that the parent driver's remove takes
 * below the device lock. -ENODEV if the function is going away.
 */
int mdr_function_lock(struct mdr_function *function)
{
	if (!mdr_trylock_until(function->pdev, READ_ONCE(function->removing)))
		return -ENODEV;
	if (!READ_ONCE(function->removing)) {
		mdr_closes_hurry_begin();
		return 0;
	}
	device_unlock(&function->pdev->dev);
	return -ENODEV;
}

void mdr_function_unlock(struct mdr_function *function)
{
	mdr_closes_hurry_end();
	device_unlock(&function->pdev->dev);
}

static LIST_HEAD(mdr_domains);
static atomic64_t mdr_event_ids = ATOMIC64_INIT(0);

static struct mdr_domain *mdr_domain_create(struct pci_dev *port)
{
	struct mdr_domain *domain;

	domain = kzalloc(sizeof(*domain), GFP_KERNEL);
	if (!domain)
		return ERR_PTR(-ENOMEM);
	domain->port = pci_dev_get(port);
	mutex_init(&domain->lock);
	INIT_LIST_HEAD(&domain->told);
	list_add_tail(&domain->item, &mdr_domains);
	return domain;
}

static void mdr_domain_forget_all(struct mdr_domain *domain)
{
	struct mdr_walk *walk, *next;

	guard(mutex)(&domain->lock);
	list_for_each_entry_safe(walk, next, &domain->told, item)
		list_del_init(&walk->item);
}

/* Find or create the domain of a function; mdr_domain_put() releases it. */
struct mdr_domain *mdr_domain_get(struct pci_dev *pdev)
{
	struct pci_dev *port = mdr_pci_root(pdev);
	struct mdr_domain *domain;

	lockdep_assert_held(&mdr_registry_lock);

	list_for_each_entry(domain, &mdr_domains, item)
		if (domain->port == port)
			goto out;

	domain = mdr_domain_create(port);
	if (IS_ERR(domain))
		return domain;
out:
	domain->functions++;
	/*
	 * A walk may be telling the others of an error right now. The new
	 * function missed it, so the next error told is a new event for all.
	 */
	mdr_domain_forget_all(domain);
	return domain;
}

void mdr_domain_put(struct mdr_domain *domain)
{
	lockdep_assert_held(&mdr_registry_lock);

	if (--domain->functions)
		return;
	list_del(&domain->item);
	pci_dev_put(domain->port);
	mutex_destroy(&domain->lock);
	kfree(domain);
}

/* A function leaves its domain. */
void mdr_domain_forget(struct mdr_function *function)
{
	guard(mutex)(&function->domain->lock);
	list_del_init(&function->walk.item);
}

/*
 * The port where the current walk started. A walk that froze the link has frozen every
 * bridge on its way down, except that port. Other walks leave no trace: NULL.
 */
static struct pci_dev *mdr_walk_port(struct pci_dev *pdev,
				     pci_channel_state_t state)
{
	struct pci_dev *port = pci_upstream_bridge(pdev), *above;

	if (state != pci_channel_io_frozen)
		return NULL;
	while (port && READ_ONCE(port->error_state) != pci_channel_io_normal &&
	       (above = pci_upstream_bridge(port)))
		port = above;
	return port;
}

/* The record of a function that the same walk told before, or NULL. */
static struct mdr_walk *mdr_walk_find(struct mdr_domain *domain,
				      struct mdr_walk *newest)
{
	struct mdr_walk *walk;

	list_for_each_entry_reverse(walk, &domain->told, item)
		if (walk->walker == newest->walker)
			return walk->port == newest->port &&
			       walk->state == newest->state ? walk : NULL;
	return NULL;
}

/* The current walk has ended or begins its next step: forget it. */
static void mdr_walk_told_all(struct mdr_domain *domain)
{
	struct mdr_walk *walk, *next;

	lockdep_assert_held(&domain->lock);

	list_for_each_entry_safe(walk, next, &domain->told, item)
		if (walk->walker == mdr_walker())
			list_del_init(&walk->item);
}

/*
 * The function was just told of an error by the current task: find the id of
 * the event, never 0.
 */
u64 mdr_walk_error(struct mdr_function *function, pci_channel_state_t state)
{
	struct mdr_domain *domain = function->domain;
	struct mdr_walk *told, walk = {
		.walker = mdr_walker(),
		.port = mdr_walk_port(function->pdev, state),
		.state = state,
	};

	guard(mutex)(&domain->lock);
	told = mdr_walk_find(domain, &walk);
	/* a walk tells each function once */
	if (!told || (!list_empty(&function->walk.item) &&
		      function->walk.walker == walk.walker)) {
		mdr_walk_told_all(domain);
		walk.event = atomic64_inc_return(&mdr_event_ids);
	} else {
		walk.event = told->event;
	}
	list_del_init(&function->walk.item);
	function->walk = walk;
	list_add_tail(&function->walk.item, &domain->told);
	return walk.event;
}

/* A new event id. */
u64 mdr_event_next(void)
{
	return atomic64_inc_return(&mdr_event_ids);
}

/* Give the error that the function was told of a new event id; returns it. */
u64 mdr_walk_renew(struct mdr_function *function)
{
	guard(mutex)(&function->domain->lock);
	function->walk.event = mdr_event_next();
	return function->walk.event;
}

/* The id of the latest walk over @function, 0 before the first. */
u64 mdr_walk_event(struct mdr_function *function)
{
	guard(mutex)(&function->domain->lock);
	return function->walk.event;
}

/* The port of the latest walk, else the root port. Pinned by @function. */
struct pci_dev *mdr_walk_port_of(struct mdr_function *function)
{
	guard(mutex)(&function->domain->lock);
	return function->walk.port ?: function->domain->port;
}

/* The latest walk over @other started at its port, or above, or at an unknown port. */
static bool mdr_walk_may_reach(struct mdr_function *other, struct pci_dev *pdev)
{
	struct pci_dev *port;

	scoped_guard(mutex, &other->domain->lock)
		port = other->walk.port;
	return !port || mdr_pci_is_below(pci_physfn(pdev), port);
}

/*
 * Was the latest walk over @other an earlier one of the current walker? Then it is over, even if
 * @other was not told so: 6.12 does not say that it abandons a walk.
 */
bool mdr_walk_is_older(struct mdr_function *other, u64 event)
{
	guard(mutex)(&other->domain->lock);
	return other->walk.walker == mdr_walker() && other->walk.event != event;
}

/*
 * Does a walk of the host go on that @pdev may be below, and that has told a function of
 * ours? It may have passed @pdev already. False once its time is over: the host may not
 * come back, and @pdev may be what has stopped it.
 */
bool mdr_walk_goes_on_above(struct pci_dev *pdev)
{
	struct pci_dev *root = mdr_pci_root(pdev);
	struct mdr_function *other;
	unsigned long index;

	lockdep_assert_held(&mdr_registry_lock);

	xa_for_each(&mdr_functions, index, other) {
		struct mdr_group *group = other->group;

		if (other->domain->port != root)
			continue;
		guard(mutex)(&group->lock);
		if (other->recovering && mdr_group_is_recovering(group) &&
		    !group->attempt.host_is_done &&
		    mdr_walk_may_reach(other, pdev))
			return true;
	}
	return false;
}

/*
 * An abandoned walk leaves the AER status of its port set, and the kernel may blame the
 * next error on that port. Clear the status as pcie_do_recovery() does at its end, in all
 * ports above: the port of a non-fatal walk is not known. Without such a walk the status
 * belongs to an error that the kernel has yet to see.
 */
static void mdr_walk_clear_status(struct mdr_function *function)
{
	struct pci_dev *bridge = pci_upstream_bridge(function->pdev);

	lockdep_assert_held(&function->group->lock);

	if (!function->recovering && !function->group->attempt.host_is_done)
		return;
	/* refused where the firmware owns AER: it clears the status itself */
	for (; bridge; bridge = pci_upstream_bridge(bridge))
		pci_aer_clear_nonfatal_status(bridge);
}

/* The function is whole again, and no walk comes back to it. */
void mdr_walk_end(struct mdr_function *function)
{
	mdr_walk_clear_status(function);
	mdr_function_settled(function);
}

/* The current walk has told everything, and has come back to @function. */
void mdr_walk_goes_on(struct mdr_function *function)
{
	guard(mutex)(&function->domain->lock);
	mdr_walk_told_all(function->domain);
}
