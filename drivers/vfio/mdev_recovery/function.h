/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions, and the domains that they belong to.
 */
#ifndef MDR_FUNCTION_H
#define MDR_FUNCTION_H

#include <linux/list.h>
#include <linux/mdev.h>
#include <linux/mdev_recovery.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "policy.h"

struct mdr_device;
struct mdr_group;

/**
 * struct mdr_domain - functions below one root port
 * @item: in the registry; mdr_registry_lock
 * @port: the root port, or the function itself if it is on a root bus.
 *	Referenced.
 * @functions: functions that hold this domain; mdr_registry_lock
 * @lock: protects @told, and &mdr_function.walk of the functions in here
 * @told: &mdr_walk.item of the functions that a walk has told of an error, and
 *	to which it has not come back yet
 */
struct mdr_domain {
	struct list_head item;
	struct pci_dev *port;
	unsigned int functions;
	struct mutex lock;
	struct list_head told;
};

/**
 * struct mdr_walk - a walk, as one function has seen it
 * @item: in &mdr_domain.told, or empty
 * @walker: mdr_walker() of the walk; compared, never dereferenced
 * @port: where the walk started, if mdr_walk_port() could tell. Pinned by the
 *	function below it.
 * @state: the channel state it reported
 * @event: the id of its error; 0 before the first
 *
 * One task makes the whole walk: it reports the error to everything below the
 * port, then visits all of it again for each further step.
 */
struct mdr_walk {
	struct list_head item;
	const void *walker;
	struct pci_dev *port;
	pci_channel_state_t state;
	u64 event;
};

/**
 * struct mdr_function_error - what a function has learnt since the latest error_detected()
 * @frozen: the link was frozen
 * @needs_reset: the function voted for a reset
 * @was_blank: blank before the error, so a reset would not show
 * @was_reset: the host provably reset the function; group->lock
 * @reset_due: the function voted for a reset and the host made none, so the
 *	worker has to make it; group->lock
 * @past_reset: mdr_walker() of the latest walk that has come to slot_reset, after which it
 *	resets nothing; compared, never dereferenced
 *
 * All but was_reset and reset_due are written with both the device lock and group->lock held,
 * so either one allows reading them. A reset from outside that lost the function zeroes all of
 * them.
 */
struct mdr_function_error {
	bool frozen;
	bool needs_reset;
	bool was_blank;
	bool was_reset;
	bool reset_due;
	const void *past_reset;
};

/*
 * The most walks that can reach one function at a time: from the root port, and from
 * each port below it that detects errors itself (DPC).
 */
#define MDR_WALKERS 4

/**
 * struct mdr_function_restore - what a function still needs
 * @blank: a reset was coming or came, and no restore has succeeded since
 * @configured: config space and the parent driver's part are restored, but the
 *	device is not ready yet; device lock
 * @hooks_due: the function was reset outside of a recovery, and the parent
 *	driver's hooks have not succeeded since. Device lock; close sets it without.
 * @was_master: bus mastering was on when that reset ended. Device lock; close clears it
 *	without.
 * @was_silent: it did not answer when its user's latest reset began; device lock
 * @unchecked: a user's reset has ended, but its task has not verified the function. With
 *	@blank: it never will, and the function may be whole.
 *
 * @blank and @unchecked are written with the device lock; by mdr_function_leave_reset() with
 * group->lock, not always with the device lock; and by a hot reset with neither, while it
 * holds the gate exclusively. Only a holder of the device lock clears @blank.
 *
 * Readers without the lock use READ_ONCE(); a stale value only costs them another
 * look.
 */
struct mdr_function_restore {
	bool blank;
	bool configured;
	bool hooks_due;
	bool was_master;
	bool was_silent;
	bool unchecked;
};

/**
 * struct mdr_function_host_reset - a reset that the PCI core makes
 * @inside: made by a task that holds the gate exclusively; otherwise it is one from outside.
 *	Device lock
 * @by_user: such a reset, requested by a user
 * @counted: mdr_group_reset_begin() accepted it, so it has to be ended
 * @waits: it began in a recovery, which waits for it
 *
 * Set by reset_prepare(); reset_done() clears the latter three. These are written with both
 * the device lock and group->lock held, and read with group->lock; @counted also without a
 * lock by a hot reset, for which a stale value only costs another look.
 */
struct mdr_function_host_reset {
	bool inside;
	bool by_user;
	bool counted;
	bool waits;
};

/**
 * struct mdr_function - a PCI function bound to a parent driver
 * @pdev: the function; pinned by the binding
 * @ops: the parent driver's hooks, never NULL
 * @group: its group; constant
 * @group_item: in @group; group->lock
 * @domain: its domain; constant
 * @device: the mdev, or NULL. Written with both the device lock of @pdev and
 *	group->lock held, so either one allows reading it.
 * @pristine: config space when the parent driver was bound
 * @keeps_serr: SERR# Enable can be set in COMMAND; constant
 * @walk: the latest walk that told this function of an error; domain->lock
 * @error: the latest error
 * @recovering: a walk has told it of an error, but not yet of the end; group->lock
 * @walkers: mdr_walker() of these walks, without gaps; compared, never
 *	dereferenced; group->lock
 * @failed: the host, or a user's reset, has left it lost; group->lock
 * @restore: what it still needs
 * @host_reset: a reset by the PCI core
 * @removing: the parent driver is being unbound
 * @rcu: for freeing
 * @parent: mdev core's part
 * @types: our mdev types
 * @type_pointers: @types, in the form mdev core wants
 */
struct mdr_function {
	struct pci_dev *pdev;
	const struct mdr_parent_ops *ops;
	struct mdr_group *group;
	struct list_head group_item;
	struct mdr_domain *domain;
	struct mdr_device *device;
	struct pci_saved_state *pristine;
	bool keeps_serr;
	struct mdr_walk walk;
	struct mdr_function_error error;
	bool recovering;
	const void *walkers[MDR_WALKERS];
	bool failed;
	struct mdr_function_restore restore;
	struct mdr_function_host_reset host_reset;
	bool removing;
	struct rcu_head rcu;
	struct mdev_parent parent;
	struct mdev_type types[MDR_POLICY_COUNT - 1];
	struct mdev_type *type_pointers[MDR_POLICY_COUNT - 1];
};

/* A walk does this itself. After a reset outside of a walk, we have to do it. */
static inline void mdr_pci_unfreeze(struct pci_dev *pdev)
{
	/* perm_failure stays: that device is gone */
	cmpxchg(&pdev->error_state, pci_channel_io_frozen,
		pci_channel_io_normal);
}

/* bridge.c: bridges between a root port and a function */
struct pci_dev *mdr_pci_above(struct pci_dev *pdev);
bool mdr_pci_is_below(struct pci_dev *pdev, struct pci_dev *bridge);
struct pci_dev *mdr_pci_root(struct pci_dev *pdev);
bool mdr_bridges_are_blank(struct pci_dev *pdev);
bool mdr_bridges_are_stale(struct pci_dev *pdev);
int mdr_bridges_keep(struct pci_dev *pdev);
void mdr_bridges_drop(struct pci_dev *pdev);
int mdr_bridges_restore(struct pci_dev *pdev);
int mdr_bridges_restore_awake(struct pci_dev *pdev);
bool mdr_bridge_trylock(struct pci_dev *bridge);
void mdr_bridge_unlock(struct pci_dev *bridge);

/* restore.c: from a blank function to what its user had */
void mdr_function_set_blank(struct mdr_function *function);
void mdr_function_leave_reset(struct mdr_function *function);
bool mdr_function_was_blank(struct mdr_function *function);
bool mdr_function_answers(struct pci_dev *pdev);
bool mdr_function_is_blank(struct mdr_function *function);
bool mdr_function_is_misplaced(struct pci_dev *pdev);
bool mdr_function_is_lost(struct mdr_function *function);
bool mdr_restore_claim(struct mdr_function *function);
void mdr_restore_unclaim(struct mdr_function *function);
int mdr_restore(struct mdr_function *function);
int mdr_restore_if_blank(struct pci_dev *pdev);
int mdr_restore_again(struct mdr_function *function);
int mdr_hook_error(int ret);

/* hooks.c */
void mdr_hooks_note(struct mdr_function *function);
void mdr_hooks_note_close(struct mdr_function *function);
int mdr_hooks_run(struct mdr_function *function);

/*
 * Who walks: a task; or a work item, where the kernel recovers in a workqueue: that of GHES has
 * another worker the next time. Either one makes its walks one after the other.
 */
static inline const void *mdr_walker(void)
{
	struct work_struct *work = current_work();

	return work ? (void *)work : current;
}

/* blockers.c: functions that make the kernel abandon a recovery */
ssize_t mdr_blockers_show(struct mdr_group *group, char *buf);
void mdr_blockers_warn(struct mdr_function *function);
bool mdr_host_has_abandoned(struct mdr_group *group);

/* pci_reset.c: what the PCI core tells of a reset */
void mdr_reset_prepare(struct pci_dev *pdev);
void mdr_reset_done(struct pci_dev *pdev);

/* registry.c: which functions and domains exist */
extern struct mutex mdr_registry_lock;
extern struct xarray mdr_functions;
struct mdr_function *mdr_function_find(struct pci_dev *pdev);
void mdr_closes_hurry_begin(void);
void mdr_closes_hurry_end(void);
int mdr_unbind_must_pass(struct pci_bus *bus);
int mdr_unbind_must_pass_call(struct mdr_device *device, struct pci_bus *bus);
int mdr_function_lock(struct mdr_function *function);
void mdr_function_unlock(struct mdr_function *function);
struct mdr_domain *mdr_domain_get(struct pci_dev *pdev);
void mdr_domain_put(struct mdr_domain *domain);
void mdr_domain_forget(struct mdr_function *function);
u64 mdr_walk_error(struct mdr_function *function, pci_channel_state_t state);
u64 mdr_event_next(void);
u64 mdr_walk_renew(struct mdr_function *function);
u64 mdr_walk_event(struct mdr_function *function);
struct pci_dev *mdr_walk_port_of(struct mdr_function *function);
bool mdr_walk_is_older(struct mdr_function *other, u64 event);
bool mdr_walk_goes_on_above(struct pci_dev *pdev);
void mdr_walk_end(struct mdr_function *function);
void mdr_walk_goes_on(struct mdr_function *function);

#endif
