// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which functions and domains exist, and the ids of errors.
 *
 * The host tells the functions of a domain about an error one after the other.
 * They all get the same event id. A function that is told again while it already
 * has that id, or any function that is told after the host has gone on to another
 * phase, has met a new error: two errors never share an id.
 */
#include <linux/delay.h>
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

/**
 * mdr_domain_get - find or make the domain of a function
 * @pdev: the function
 *
 * Context: process context, mdr_registry_lock held, may sleep.
 * Return: the domain, to be released with mdr_domain_put(), or an ERR_PTR().
 */
struct mdr_domain *mdr_domain_get(struct pci_dev *pdev)
{
	struct pci_dev *port = pci_upstream_bridge(pdev) ?: pdev;
	struct mdr_domain *domain;

	lockdep_assert_held(&mdr_registry_lock);

	list_for_each_entry(domain, &mdr_domains, item)
		if (domain->port == port)
			goto out;

	domain = kzalloc(sizeof(*domain), GFP_KERNEL);
	if (!domain)
		return ERR_PTR(-ENOMEM);
	domain->port = pci_dev_get(port);
	mutex_init(&domain->lock);
	list_add_tail(&domain->item, &mdr_domains);
out:
	domain->functions++;
	/*
	 * The newcomer has not heard of an error that others may be told of
	 * right now. What it is told first is a new one for all of them.
	 */
	mdr_domain_detected(domain);
	return domain;
}

/**
 * mdr_domain_put - release a domain
 * @domain: from mdr_domain_get()
 *
 * Context: process context, mdr_registry_lock held.
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
 * mdr_domain_error - a function was told of an error: which event is it?
 * @function: the function
 *
 * Context: process context; a host callback.
 * Return: the id of the event, never 0.
 */
u64 mdr_domain_error(struct mdr_function *function)
{
	struct mdr_domain *domain = function->domain;

	guard(mutex)(&domain->lock);
	if (!domain->detecting || function->event == domain->event) {
		domain->event = atomic64_inc_return(&mdr_event_ids);
		domain->detecting = true;
	}
	function->event = domain->event;
	return function->event;
}

/**
 * mdr_domain_detected - the host has told everybody and goes on
 * @domain: the domain
 *
 * Context: process context; a host callback.
 */
void mdr_domain_detected(struct mdr_domain *domain)
{
	guard(mutex)(&domain->lock);
	domain->detecting = false;
}
