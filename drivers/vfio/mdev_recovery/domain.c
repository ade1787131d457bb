// SPDX-License-Identifier: GPL-2.0-only
/*
 * Domains: the functions below one port, and the ids of their errors.
 *
 * The host tells the functions of a domain about an error one after the other.
 * They all get the same event id. A function that is told again while it
 * already has that id, or any function that is told after the host has gone on
 * to another phase, has met a new error: two errors never share an id.
 */
#include <linux/slab.h>

#include "mdr.h"

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
