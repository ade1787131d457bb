// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which functions and domains exist, and the ids of errors.
 *
 * An error has a walk: the host tells everything below a port of it, in one task.
 * All functions that one walk tells get the same event id, in whatever group and
 * below whatever port. Two walks never share one: another task, another port or
 * another severity is another walk; so is one that tells a function again, or
 * anybody after it has gone on to its next step.
 */
#include <linux/delay.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "function.h"

/* Protects which groups and domains exist. */
DEFINE_MUTEX(mdr_registry_lock);

/*
 * struct pci_dev * -> struct mdr_function *. An entry changes with the device
 * lock of its function and mdr_registry_lock held: host callbacks look theirs up
 * below the former, whoever wants all of them holds the latter.
 */
DEFINE_XARRAY(mdr_functions);

/**
 * mdr_function_find - the function behind a PCI device
 * @pdev: the PCI device
 *
 * Context: the device lock of @pdev or mdr_registry_lock is held, or an RCU read
 * section is entered; it keeps what is returned.
 * Return: the function, or NULL if it is not registered (yet, or any more).
 */
struct mdr_function *mdr_function_find(struct pci_dev *pdev)
{
	RCU_LOCKDEP_WARN(!rcu_read_lock_held() &&
			 !lockdep_is_held(&pdev->dev.mutex) &&
			 !lockdep_is_held(&mdr_registry_lock),
			 "nothing keeps the function that is looked up");
	return xa_load(&mdr_functions, (unsigned long)pdev);
}

/**
 * mdr_trylock_until - take the device lock of a function from below it
 * @pdev: the function
 * @stop: looked at while the lock is not to be had: 0 to go on, or -errno
 * @context: passed to @stop
 *
 * For tasks that hold locks which the parent driver's remove takes below the
 * device lock. They could wait for ever, so they only try.
 *
 * Context: process context, may sleep.
 * Return: 0 with the device lock held, or what @stop said.
 */
int mdr_trylock_until(struct pci_dev *pdev, int (*stop)(void *context),
		      void *context)
{
	int ret;

	while (!device_trylock(&pdev->dev)) {
		ret = stop(context);
		if (ret)
			return ret;
		usleep_range(500, 1000);
	}
	return 0;
}

static int mdr_function_removing(void *context)
{
	struct mdr_function *function = context;

	return READ_ONCE(function->removing) ? -ENODEV : 0;
}

/**
 * mdr_function_lock - take the device lock of a function from below it
 * @function: the function
 *
 * For mdev create and remove, which run below mdev core's locks.
 *
 * Context: process context, may sleep.
 * Return: 0 with the device lock held, -ENODEV if the function is going away.
 */
int mdr_function_lock(struct mdr_function *function)
{
	int ret;

	ret = mdr_trylock_until(function->pdev, mdr_function_removing, function);
	if (ret)
		return ret;
	ret = mdr_function_removing(function);
	if (ret)
		device_unlock(&function->pdev->dev);
	return ret;
}

/**
 * mdr_function_unlock - release the device lock of a function
 * @function: the function
 *
 * Context: after mdr_function_lock() returned 0.
 */
void mdr_function_unlock(struct mdr_function *function)
{
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

/**
 * mdr_domain_get - find or make the domain of a function
 * @pdev: the function
 *
 * Context: process context, may sleep.
 * Return: the domain, to be released with mdr_domain_put(), or an ERR_PTR().
 */
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
	 * The newcomer has not heard of an error that others may be told of
	 * right now. What it is told first is a new one for all of them.
	 */
	mdr_domain_forget_all(domain);
	return domain;
}

/**
 * mdr_domain_put - release a domain
 * @domain: from mdr_domain_get()
 *
 * Context: process context.
 */
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

/**
 * mdr_domain_forget - a function leaves its domain
 * @function: the function
 *
 * Context: process context.
 */
void mdr_domain_forget(struct mdr_function *function)
{
	guard(mutex)(&function->domain->lock);
	list_del_init(&function->walk.item);
}

/*
 * The port below which a walk goes that has just told a function. A walk that
 * froze the link has frozen every bridge on its way down, but not the port where
 * it started. One that did not leaves no trace: NULL.
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

/* A function that the same walk told before this one, or NULL. */
static struct mdr_walk *mdr_walk_find(struct mdr_domain *domain,
				      struct mdr_walk *newest)
{
	struct mdr_walk *walk;

	list_for_each_entry_reverse(walk, &domain->told, item)
		if (walk->task == newest->task)
			return walk->port == newest->port &&
			       walk->state == newest->state ? walk : NULL;
	return NULL;
}

/* The walk of @task is over or goes on to its next step: it tells nobody more. */
static void mdr_walk_told_all(struct mdr_domain *domain,
			      struct task_struct *task)
{
	struct mdr_walk *walk, *next;

	lockdep_assert_held(&domain->lock);

	list_for_each_entry_safe(walk, next, &domain->told, item)
		if (walk->task == task)
			list_del_init(&walk->item);
}

/**
 * mdr_walk_error - a function was told of an error: which event is it?
 * @function: the function
 * @state: what it was told
 *
 * Context: process context; a host callback.
 * Return: the id of the event, never 0.
 */
u64 mdr_walk_error(struct mdr_function *function, pci_channel_state_t state)
{
	struct mdr_domain *domain = function->domain;
	struct mdr_walk *told, walk = {
		.task = current,
		.port = mdr_walk_port(function->pdev, state),
		.state = state,
	};

	guard(mutex)(&domain->lock);
	told = mdr_walk_find(domain, &walk);
	/* nobody is told twice in one walk */
	if (!told || (!list_empty(&function->walk.item) &&
		      function->walk.task == current)) {
		mdr_walk_told_all(domain, current);
		walk.event = atomic64_inc_return(&mdr_event_ids);
	} else {
		walk.event = told->event;
	}
	list_del_init(&function->walk.item);
	function->walk = walk;
	list_add_tail(&function->walk.item, &domain->told);
	return walk.event;
}

/**
 * mdr_walk_renew - what the function was told is an event of its own
 * @function: the function
 *
 * Context: process context; group->lock may be held.
 * Return: the id of the event, never 0.
 */
u64 mdr_walk_renew(struct mdr_function *function)
{
	guard(mutex)(&function->domain->lock);
	function->walk.event = atomic64_inc_return(&mdr_event_ids);
	return function->walk.event;
}

/**
 * mdr_walk_port_of - the port of the latest walk that told a function
 * @function: the function
 *
 * Return: the port, which the function keeps; its root port if that cannot be
 * known.
 */
struct pci_dev *mdr_walk_port_of(struct mdr_function *function)
{
	guard(mutex)(&function->domain->lock);
	return function->walk.port ?: function->domain->port;
}

/**
 * mdr_walk_goes_on - the host has told everybody, and goes on
 * @function: a function that it has come back to
 *
 * Context: process context; a host callback.
 */
void mdr_walk_goes_on(struct mdr_function *function)
{
	guard(mutex)(&function->domain->lock);
	mdr_walk_told_all(function->domain, current);
}
