/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions and the domains they are in.
 */
#ifndef MDR_FUNCTION_H
#define MDR_FUNCTION_H

#include <linux/list.h>
#include <linux/mdev.h>
#include <linux/mdev_recovery.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/xarray.h>

#include "policy.h"

struct mdr_device;
struct mdr_group;

/**
 * struct mdr_domain - functions below one port
 * @item: in the registry; mdr_registry_lock
 * @port: the port; a function on a root bus is a domain of its own, then it is
 *	that function. Referenced.
 * @functions: how many functions hold this domain; mdr_registry_lock
 * @lock: protects @event and @detecting, and &mdr_function.event of the
 *	functions in here
 * @event: id of the latest event, unique across all domains; 0 before the first
 * @detecting: the host still tells functions about @event
 */
struct mdr_domain {
	struct list_head item;
	struct pci_dev *port;
	unsigned int functions;
	struct mutex lock;
	u64 event;
	bool detecting;
};

/**
 * struct mdr_function_error - what one error means to a function
 * @frozen: it froze the link; device lock
 * @needs_reset: the function voted for a reset; device lock
 * @was_reset: the host reset the function for it; group->lock
 * @reset_due: the function voted for a reset and the host made none: the end of
 *	the recovery makes it; group->lock
 *
 * Zeroed by every error_detected(), with both locks held.
 */
struct mdr_function_error {
	bool frozen;
	bool needs_reset;
	bool was_reset;
	bool reset_due;
};

/**
 * struct mdr_function - a PCI function bound to a parent driver
 * @pdev: the function; the binding to the parent driver keeps it
 * @ops: the parent driver's hooks, never NULL
 * @group: its group; constant
 * @group_item: in @group; group->lock
 * @domain: its domain; constant
 * @device: the mdev, or NULL. Written with the device lock of @pdev and
 *	group->lock held, so either one allows reading it.
 * @pristine: config space when the parent driver was bound
 * @event: latest event this function was told of; domain->lock
 * @error: what that event means here
 * @recovering: told of an error, not yet of its end; group->lock
 * @failed: could not be restored; group->lock
 * @blank: a reset was coming or came, and no restore has succeeded since. Set
 *	under the device lock, cleared by mdr_restore() only
 * @in_host_reset: between reset_prepare() and reset_done(); device lock
 * @removing: the parent driver is being unbound
 * @rcu: for freeing
 * @parent: mdev core's part
 * @types: our mdev types
 * @type_pointers: the same as mdev core wants them
 */
struct mdr_function {
	struct pci_dev *pdev;
	const struct mdr_parent_ops *ops;
	struct mdr_group *group;
	struct list_head group_item;
	struct mdr_domain *domain;
	struct mdr_device *device;
	struct pci_saved_state *pristine;
	u64 event;
	struct mdr_function_error error;
	bool recovering;
	bool failed;
	bool blank;
	bool in_host_reset;
	bool removing;
	struct rcu_head rcu;
	struct mdev_parent parent;
	struct mdev_type types[MDR_POLICY_COUNT - 1];
	struct mdev_type *type_pointers[MDR_POLICY_COUNT - 1];
};

/* restore.c: from a blank function to what its user had */
bool mdr_function_answers(struct pci_dev *pdev);
int mdr_restore(struct mdr_function *function);

/* blockers.c: functions that make the kernel abandon a recovery */
ssize_t mdr_blockers_show(struct pci_dev *port, char *buf, ssize_t at);
bool mdr_has_blockers(struct pci_dev *port);
void mdr_blockers_warn(struct mdr_function *function);

/* registry.c: which functions and domains exist */
extern struct mutex mdr_registry_lock;
extern struct xarray mdr_functions;
struct mdr_function *mdr_function_find(struct pci_dev *pdev);
int mdr_trylock_until(struct pci_dev *pdev, int (*stop)(void *context),
		      void *context);
int mdr_function_lock(struct mdr_function *function);
void mdr_function_unlock(struct mdr_function *function);
struct mdr_domain *mdr_domain_get(struct pci_dev *pdev);
void mdr_domain_put(struct mdr_domain *domain);
u64 mdr_domain_error(struct mdr_function *function);
void mdr_domain_detected(struct mdr_domain *domain);

#endif
