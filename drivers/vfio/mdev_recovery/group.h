/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The objects of the shim, from the outside in:
 *
 * group	an IOMMU group with at least one function; owns gate and state
 * function	a PCI function bound to a parent driver; the mdev parent
 * device	an assigned function, from mdev create to remove
 * domain	the functions below one root port; knows which of them report the
 *		same error
 *
 * Lock order, outermost first; Documentation/locking.rst has the whole table:
 *
 * device_lock(function)	the PCI core holds it around every callback
 * mdr_registry_lock		which functions, groups and domains exist
 * group->lock			state of a group, and what hangs off it
 * domain->lock			event ids
 */
#ifndef MDR_GROUP_H
#define MDR_GROUP_H

#include <linux/cleanup.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/mutex.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "breaker.h"
#include "gate.h"
#include "machine.h"
#include "policy.h"

struct mdr_function;
struct pci_dev;

/* A host callback waits this long for users to leave the gate. */
#define MDR_DRAIN_TIMEOUT_MS 1000
/* How long to wait for a host callback: less than its drain waits for us. */
#define MDR_LET_GO_MS 500

/* How long a worker or a reset waits for a device lock: its holder may be hung. */
#define MDR_DEVICE_LOCK_MS 5000

/* The interval between looks at a slow function; doubles up to the maximum. */
#define MDR_POLL_MS 10
#define MDR_POLL_MAX_MS 200

/* Wait for the next look, *@poll_ms or until @ends, which a step of the group may change. */
#define mdr_group_poll(group, ends, poll_ms)				\
do {									\
	wait_event_timeout((group)->state_changed, ends,		\
			   msecs_to_jiffies(*(poll_ms)));		\
	*(poll_ms) = min(2 * *(poll_ms), MDR_POLL_MAX_MS);		\
} while (0)

/* How often a user is asked to leave; the same as in vfio core. */
#define MDR_REQUEST_PERIOD_MS 10000

/* One hour: more is a typo, and sums of timeouts must not overflow. */
#define MDR_MAX_TIMEOUT_MS 3600000

/* enum mdr_cause is part of the user API. */
#define MDR_CAUSE_COUNT (MDR_CAUSE_BREAKER + 1)

/*
 * Counters since the group was created; Documentation/ABI/testing/sysfs-class-mdev_recovery
 * describes them. Atomic counters are updated without a lock, the others under group->lock.
 */
struct mdr_stats {
	u64 recoveries;
	u64 failures;
	u64 drain_timeouts;
	u64 own_resets;
	u64 elided_resets;
	u64 user_resets;
	u64 host_resets;
	u64 hold_timeouts;
	u64 harmless_errors;
	u64 acknowledgements;
	u64 recovery_ns_last;
	atomic64_t correctable_errors;
	atomic64_t stalls;
	atomic64_t dead_accesses;
	atomic64_t stall_ns_total;
	atomic64_t stall_ns_max;
};

/**
 * struct mdr_told - how the host reported the latest event, for the status
 * @channel: an enum mdr_channel
 * @segment: PCI segment
 * @function: bus and devfn of the group's first function in the walk
 * @port: bus and devfn of the port where the walk started
 */
struct mdr_told {
	u32 channel;
	u32 segment;
	u16 function;
	u16 port;
};

/* How many walks a group remembers: one of each port that finds errors by itself, and more. */
#define MDR_GROUP_WALKS 8

/**
 * struct mdr_group_walk - a walk that has told the group of an error
 * @event: the id of its error; 0 for none
 * @counted: the breaker has counted it
 * @harmless: no function of the group has needed a reset so far
 */
struct mdr_group_walk {
	u64 event;
	bool counted;
	bool harmless;
};

/**
 * struct mdr_attempt - the shim's own attempt; group->lock
 * @event: id of the last event with an own reset; there is at most one for each
 * @host_is_done: the host is provably done with the latest event, but did not
 *	call resume
 * @overdue: recovery_timeout_ms has passed
 * @late: the host is done with all functions of a failed group, but the worker has not
 *	come to an end with them yet: a reset may stop it, or outlast it
 * @undrained: tasks may have entered since the latest drain, so the worker drains again
 * @visits: number of the host's callbacks in the group
 * @task: the task that may reset and restore functions; NULL once the host is at
 *	work again. Compared, never dereferenced.
 */
struct mdr_attempt {
	u64 event;
	bool host_is_done;
	bool overdue;
	bool late;
	bool undrained;
	unsigned int visits;
	struct task_struct *task;
};

/**
 * struct mdr_zap - the zaps that host callbacks have begun
 * @work: makes them
 * @asked: how many were begun; written under group->lock
 * @done: how many of them have ended; written by @work
 * @closing: a number for each time that the gate has closed, from 1; written under
 *	group->lock when it opens
 * @gone: the @closing that left no mapping of the device
 */
struct mdr_zap {
	struct work_struct work;
	unsigned long asked;
	unsigned long done;
	unsigned long closing;
	unsigned long gone;
};

/**
 * enum mdr_snapshot_of - which functions of a group to take, but for those that are gone
 * @MDR_SNAPSHOT_ALL: all of them
 * @MDR_SNAPSHOT_LOST: those that are not whole
 * @MDR_SNAPSHOT_DUE: those that wait for a reset
 * @MDR_SNAPSHOT_HOOKS: those that were reset and wait for the parent driver's hooks
 */
enum mdr_snapshot_of {
	MDR_SNAPSHOT_ALL,
	MDR_SNAPSHOT_LOST,
	MDR_SNAPSHOT_DUE,
	MDR_SNAPSHOT_HOOKS,
};

/**
 * struct mdr_snapshot - functions that were in a group at one moment
 * @pdevs: referenced, and so are the PFs of VFs. To work on a function one takes its
 *	device lock, which cannot be taken under group->lock, which protects the
 *	group's own list.
 * @count: number of @pdevs
 * @awake: they, and the ports above, stay awake until mdr_snapshot_put()
 * @few: room for those of a usual group, which so need no allocation
 */
struct mdr_snapshot {
	struct pci_dev **pdevs;
	unsigned int count;
	bool awake;
	struct pci_dev *few[8];
};

/**
 * struct mdr_group - an IOMMU group with functions bound to a parent driver
 * @gate: shared by all functions; first, for its alignment
 * @dev: in class mdev_recovery
 * @iommu_group: the group; referenced
 * @item: in the registry; mdr_registry_lock
 * @registered: functions that hold this group; mdr_registry_lock
 * @lock: protects everything below except @stats. Host callbacks take it, so it
 *	is never held across a drain, a reset, or a wait for user space.
 * @machine: the state
 * @state_changed: woken at every step of @machine
 * @event: id of the latest event, 0 before the first
 * @cause: why the group last left open
 * @functions: &mdr_function.group_item
 * @users: number of open devices
 * @resets: resets in progress, by users, administrators or from outside
 * @walks: the latest walks that have told the group of an error
 * @walk_count: how many there were
 * @error_at: ktime_get_ns() of the first error_detected() of @event
 * @told: how the host reported it
 * @reset_at: ktime_get_ns() when a function was last found reset and restored
 * @opened_at: ktime_get_ns() when the gate last opened
 * @held_at: ktime_get_ns() when a recovery last ended in holding
 * @breaker: times of the latest errors with a reset
 * @harmless: times of the latest errors without a reset
 * @warned_at: ktime_get_ns() of the latest warning about @harmless, 0 before
 *	the first
 * @drained: the gate was empty at the end of the latest drain
 * @untouched: no user has been inside since the host reset all functions;
 *	updated when the gate opens or closes
 * @resetting_read: the file state was read since the state became resetting
 * @requests: how often the users were asked to release, in this state
 * @resetter: task that runs the reset of state resetting; compared, never
 *	dereferenced
 * @by_admin: that is a write to recover
 * @sleeping: the system is going to sleep, or sleeps; counted in @resets
 * @dying: the last function has left; there are no more timers and uevents
 * @timer: bounds the present state; armed by mdr_group_step()
 * @attempt: the shim's own attempt
 * @zap: the zaps that host callbacks have begun
 * @opening: the gate is about to open: @open removes the substitute pages first
 * @opening_event: what opens it
 * @opening_function: to which this happened, or NULL; compared, never dereferenced
 * @open: the rest of such a step
 * @finish: the end of a recovery, once the host is done or late
 * @rcu: for freeing
 * @state_node: sysfs node of the state attribute, for poll(); only while not
 *	@dying
 * @stats: counters
 */
struct mdr_group {
	struct mdr_gate gate;
	struct device dev;
	struct iommu_group *iommu_group;
	struct list_head item;
	unsigned int registered;
	struct mutex lock;
	struct mdr_machine machine;
	wait_queue_head_t state_changed;
	u64 event;
	enum mdr_cause cause;
	struct list_head functions;
	unsigned int users;
	unsigned int resets;
	struct mdr_group_walk walks[MDR_GROUP_WALKS];
	unsigned int walk_count;
	u64 error_at;
	struct mdr_told told;
	u64 reset_at;
	u64 opened_at;
	u64 held_at;
	struct mdr_breaker breaker;
	struct mdr_breaker harmless;
	u64 warned_at;
	bool drained;
	bool untouched;
	bool resetting_read;
	unsigned int requests;
	struct task_struct *resetter;
	bool by_admin;
	bool sleeping;
	bool dying;
	struct delayed_work timer;
	struct mdr_attempt attempt;
	struct mdr_zap zap;
	bool opening;
	enum mdr_event opening_event;
	struct mdr_function *opening_function;
	struct work_struct open;
	struct work_struct finish;
	struct rcu_head rcu;
	struct kernfs_node *state_node;
	struct mdr_stats stats;
};

static inline struct mdr_group *to_mdr_group(struct device *dev)
{
	return container_of(dev, struct mdr_group, dev);
}

/* group.c: queries about a group */
void mdr_group_lock_briefly(struct mdr_group *group);
void mdr_group_unlock_briefly(struct mdr_group *group);
DEFINE_GUARD(mdr_group_briefly, struct mdr_group *, mdr_group_lock_briefly(_T),
	     mdr_group_unlock_briefly(_T))
bool mdr_function_is_gone(struct mdr_function *function);
void mdr_function_told(struct mdr_function *function);
void mdr_function_resumed(struct mdr_function *function);
void mdr_function_settled(struct mdr_function *function);
bool mdr_group_pending(struct mdr_group *group);
bool mdr_group_has_failed(struct mdr_group *group);
bool mdr_group_lacks_reset(struct mdr_group *group);
bool mdr_function_awaits_hooks(struct mdr_function *function);
bool mdr_group_has_given_up(struct mdr_group *group);
bool mdr_group_is_resumed_late(struct mdr_group *group);
bool mdr_group_awaits_reset(struct mdr_group *group);
bool mdr_group_stays_failed(struct mdr_group *group);
bool mdr_group_acknowledged(struct mdr_group *group, enum mdr_policy policy);
bool mdr_group_is_recovering(struct mdr_group *group);
bool mdr_group_is_resetting(struct mdr_group *group);
bool mdr_group_is_pristine(struct mdr_group *group);
bool mdr_group_in_reset(struct mdr_group *group);
bool mdr_group_has_resumed(struct mdr_group *group);
bool mdr_group_is_synced(struct mdr_group *group);
bool mdr_group_elides(struct mdr_group *group);
enum mdr_policy mdr_group_policy(struct mdr_group *group, bool opened_only);
unsigned int mdr_group_recovery_timeout(struct mdr_group *group);
unsigned int mdr_group_hold_timeout(struct mdr_group *group);
struct pci_dev *mdr_group_port(struct mdr_group *group, unsigned int index);
int mdr_snapshot_take(struct mdr_group *group, enum mdr_snapshot_of of,
		      struct mdr_snapshot *snapshot);
int mdr_snapshot_take_awake(struct mdr_group *group, enum mdr_snapshot_of of,
			    struct mdr_snapshot *snapshot);
int mdr_snapshot_take_briefly(struct mdr_group *group,
			      struct mdr_snapshot *snapshot);
void mdr_snapshot_put(struct mdr_snapshot *snapshot);
const char *mdr_cause_name(enum mdr_cause cause);
void mdr_attempt_start(struct mdr_group *group);
bool mdr_attempt_may(struct mdr_group *group);
void mdr_attempt_stop(struct mdr_group *group);

/* zap.c: taking the BAR mappings away */
extern struct workqueue_struct *mdr_zap_workqueue;
bool mdr_group_is_substituted(struct mdr_group *group);
void mdr_group_unsubstitute(struct mdr_group *group);
void mdr_group_zap_work(struct work_struct *work);
void mdr_group_zap_begin(struct mdr_group *group);
void mdr_zap_patience_reset(void);
bool mdr_group_zap_wait_since(struct mdr_group *group, unsigned long start);
bool mdr_group_zap_wait(struct mdr_group *group);
void mdr_group_wait_opened(struct mdr_group *group);
void mdr_group_wait_opened_briefly(struct mdr_group *group);

/* step.c: the only way to change a group's state and gate */
extern struct workqueue_struct *mdr_workqueue;
bool mdr_group_step(struct mdr_group *group, enum mdr_event event,
		    struct mdr_function *function);
bool mdr_group_reset_begin(struct mdr_group *group, enum mdr_event event,
			   struct mdr_function *function);
void mdr_group_reset_end(struct mdr_group *group, enum mdr_event event,
			 struct mdr_function *function);
void mdr_group_came_back(struct mdr_group *group);
void mdr_group_reset_is_over(struct mdr_group *group);
void mdr_group_host_at_work(struct mdr_group *group);
void mdr_group_stop_opening(struct mdr_group *group);
void mdr_group_open_work(struct work_struct *work);
void mdr_group_timer(struct work_struct *work);
void mdr_group_hold_timeout_changed(struct mdr_group *group);

/* wait.c: the host waits for users, users wait for the host */
void mdr_group_drain(struct mdr_group *group, bool config_is_blocked);
bool mdr_group_drain_or_fail(struct mdr_group *group);
int mdr_group_wait_recovered(struct mdr_group *group, unsigned int timeout_ms);
int mdr_group_wait_settled(struct mdr_group *group, unsigned int timeout_ms);
void mdr_closes_hurry_count(int more);
bool mdr_closes_must_hurry(void);
bool mdr_wait_is_over(unsigned long deadline);
bool mdr_wait_host_lets_go(unsigned long deadline);

/*
 * Take the device lock of a function or a bridge, without waiting for it: the holder may
 * wait for this task. Evaluates @stop_ between two tries; false if that came true.
 */
#define mdr_trylock_until(pdev_, stop_)					\
({									\
	struct device *trylock_ = &(pdev_)->dev;			\
	bool locked_;							\
									\
	while (!(locked_ = device_trylock(trylock_)) && !(stop_))	\
		usleep_range(500, 1000);				\
	locked_;							\
})

/* attempt.c: the shim's own attempt */
int mdr_group_restore(struct mdr_group *group, u64 deadline_ns,
		      bool reset_is_sure);
int mdr_group_reset_due(struct mdr_group *group);
int mdr_group_reset_and_restore(struct mdr_group *group);
int mdr_group_recover(struct mdr_group *group);
bool mdr_restore_may_come(int error, bool link_down_for_long);

/* hooks.c: the parent driver's hooks after a reset outside of a recovery */
int mdr_hooks_call(struct mdr_group *group, struct pci_dev *pdev,
		   unsigned long deadline);
int mdr_hooks_call_all(struct mdr_group *group, struct mdr_function *only);
void mdr_hooks_try_all(struct mdr_group *group);

/* event.c: what begins an event, and the breaker that counts them */
bool mdr_group_knows(struct mdr_group *group, u64 event);
void mdr_group_note_harmless(struct mdr_function *function);
void mdr_group_count_harmless(struct mdr_group *group);
void mdr_group_count_reset(struct mdr_group *group,
			   struct mdr_function *function);
void mdr_group_new_event(struct mdr_function *function, u64 event,
			 enum mdr_channel channel);
void mdr_group_end_older_walk(struct mdr_group *group, u64 event);
void mdr_group_begin_again(struct mdr_function *function);
bool mdr_group_recover_lost(struct mdr_function *function);

/* recovery.c: one recovery by the host */
void mdr_group_finish(struct work_struct *work);

/* sleep.c: system sleep and hibernation */
extern const struct dev_pm_ops mdr_sleep_pm_ops;

/* group_sysfs.c */
extern const struct class mdr_class;

/* groups.c: which groups exist */
struct mdr_group *mdr_group_get(struct pci_dev *pdev);
void mdr_group_put(struct mdr_group *group);
void mdr_group_add(struct mdr_group *group, struct mdr_function *function);
void mdr_group_leave(struct mdr_group *group, struct mdr_function *function);
void mdr_group_remove(struct mdr_group *group, struct mdr_function *function);
int mdr_group_link(struct mdr_group *group, struct device *dev);
void mdr_group_unlink(struct mdr_group *group, struct device *dev);

#endif
