/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Objects of the shim, and what its files offer each other.
 *
 * function	one PCI function bound to a parent driver; the mdev parent
 * device	the function while it is assigned: from mdev create to remove
 * group	one IOMMU group with at least one function: owns gate and state
 * domain	the functions below one port: one error, one event id
 *
 * Locks, outermost first; the whole table is Documentation/locking.rst:
 *
 * device_lock(function)	taken by the PCI core around every callback
 * mdr_registry_lock		which functions, groups and domains exist
 * group->lock			state of a group, and what hangs off it
 * domain->lock			event ids
 */
#ifndef MDR_H
#define MDR_H

#include <linux/device.h>
#include <linux/mdev.h>
#include <linux/mdev_recovery.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/vfio_pci_core.h>
#include <linux/workqueue.h>

#include "breaker.h"
#include "gate.h"
#include "machine.h"
#include "policy.h"

/* How long a host callback waits for users to leave the gate: 1 s. */
#define MDR_DRAIN_TIMEOUT_MS 1000
/* how long the end of a callback is waited for: less, as a drain may wait for it */
#define MDR_LET_GO_MS 500

/* Without an mdev there is nobody to ask; see Documentation/ABI. */
#define MDR_DEFAULT_STALL_TIMEOUT_MS 2000
#define MDR_DEFAULT_HOLD_TIMEOUT_MS 10000
#define MDR_DEFAULT_RECOVERY_TIMEOUT_MS 90000
#define MDR_DEFAULT_BREAKER_MAX 5
#define MDR_DEFAULT_BREAKER_WINDOW_MS 60000
#define MDR_DEFAULT_REVOKE_TIMEOUT_MS 10000

/* One hour: longer is a typing mistake, and keeps sums of times in range. */
#define MDR_MAX_TIMEOUT_MS 3600000

/**
 * enum mdr_cause - why a group left the state open the last time
 * @MDR_CAUSE_NONE: it never did, or an administrator took it back
 * @MDR_CAUSE_NONFATAL: error_detected(normal)
 * @MDR_CAUSE_FATAL: error_detected(frozen)
 * @MDR_CAUSE_PERMANENT: error_detected(perm_failure)
 * @MDR_CAUSE_USER_RESET: a reset that a user asked for
 * @MDR_CAUSE_HOST_RESET: a reset from outside
 * @MDR_CAUSE_WATCHDOG: the host's recovery did not end
 * @MDR_CAUSE_BREAKER: errors came too often
 * @MDR_CAUSE_COUNT: number of values
 */
enum mdr_cause {
	MDR_CAUSE_NONE = 0,
	MDR_CAUSE_NONFATAL,
	MDR_CAUSE_FATAL,
	MDR_CAUSE_PERMANENT,
	MDR_CAUSE_USER_RESET,
	MDR_CAUSE_HOST_RESET,
	MDR_CAUSE_WATCHDOG,
	MDR_CAUSE_BREAKER,
	MDR_CAUSE_COUNT,
};

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
 * struct mdr_stats - counters of a group, since the group exists
 * @recoveries: ended with the group open, holding or evicting
 * @failures: times the state failed was entered
 * @drain_timeouts: drains whose bound passed
 * @own_resets: recoveries that the kernel abandoned and the shim's own attempt
 *	saved
 * @elided_resets: resets of users left out, see reset_elision
 * @user_resets: resets that users asked for and that were run
 * @host_resets: resets from outside that the shim was told of
 * @hold_timeouts: users of type hold that did not react in time
 * @correctable_errors: reported by the kernel
 * @stalls: accesses that waited at the closed gate
 * @dead_accesses: accesses answered with all-ones, an error or a signal
 * @stall_ns_total: sum of the waits, in nanoseconds
 * @stall_ns_max: the longest wait, in nanoseconds
 * @recovery_ns_last: from the first error_detected() to the gate's opening, of
 *	the latest recovery, in nanoseconds
 *
 * The atomic ones are written by users, the others under the group's lock.
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
	u64 correctable_errors;
	u64 recovery_ns_last;
	atomic64_t stalls;
	atomic64_t dead_accesses;
	atomic64_t stall_ns_total;
	atomic64_t stall_ns_max;
};

/**
 * struct mdr_group - an IOMMU group with functions of ours
 * @gate: the gate of all its functions; first, for its alignment
 * @dev: in class mdev_recovery
 * @iommu_group: the group; referenced
 * @item: in the registry; mdr_registry_lock
 * @registered: how many functions hold this group; mdr_registry_lock
 * @lock: protects all below but @stats, where that says so. Held for short:
 *	never across a drain, a reset, or a wait for user space. Host callbacks
 *	take it.
 * @machine: the state
 * @state_changed: woken with every step of @machine
 * @event: id of the latest event, 0 before the first
 * @cause: of the latest departure from open
 * @functions: &mdr_function.group_item
 * @users: how many devices are open
 * @resets: resets by users, administrators or from outside that run now
 * @error_at: ktime_get_ns() of the first error_detected() of @event
 * @held_at: ktime_get_ns() of the latest entry into holding by a recovery
 * @breaker: times of the latest errors
 * @drained: nobody was inside the gate at the end of the latest drain
 * @untouched: the host reset all functions, and nobody has been inside since; as
 *	of when the gate was last opened or closed
 * @requests: how often the users were asked to leave in this state
 * @resetter: the task that runs the reset of state resetting; compared, never
 *	dereferenced
 * @dying: the last function left; no timer is armed any more
 * @timer: the bound of the present state; arms itself in mdr_group_step()
 * @abandoned: the host is provably done with @event without having resumed
 * @fallback_id: the latest event for which the shim's own attempt was decided
 * @fallback_event: what follows if that does not help
 * @recoverer: the task that may reset functions on the shim's own account, until
 *	the host is at work again; compared, never dereferenced
 * @fallback: the shim's own attempt
 * @finish: opens the gate after the last resume
 * @rcu: for freeing
 * @state_node: the attribute state, for poll()
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
	u64 error_at;
	u64 held_at;
	struct mdr_breaker breaker;
	bool drained;
	bool untouched;
	unsigned int requests;
	struct task_struct *resetter;
	bool dying;
	struct delayed_work timer;
	u64 fallback_id;
	enum mdr_event fallback_event;
	bool abandoned;
	struct task_struct *recoverer;
	struct work_struct fallback;
	struct work_struct finish;
	struct rcu_head rcu;
	struct kernfs_node *state_node;
	struct mdr_stats stats;
};

/**
 * struct mdr_function - a PCI function bound to a parent driver
 * @pdev: the function; the parent driver's binding keeps it
 * @ops: the parent driver's hooks, never NULL
 * @group: its group; constant
 * @group_item: in @group; group->lock
 * @domain: its domain; constant
 * @device: the mdev, or NULL. Written with both the device lock of @pdev and
 *	group->lock held, so either one allows to read it.
 * @pristine: config space as it was when the parent driver was bound
 * @event: latest event this function was told of; domain->lock
 * @recovering: told of an error, not yet of the end; group->lock
 * @failed: could not be restored; group->lock
 * @frozen: this event froze the link; device lock
 * @blank: a reset was coming or came, and no restore has succeeded since. Set
 *	under the device lock, cleared by mdr_restore() only
 * @needs_reset: this event wants a reset (nonfatal_action); device lock
 * @was_reset: the host reset it for the latest event; group->lock
 * @reset_due: it wants a reset and the host made none: the end of the recovery
 *	does; group->lock
 * @marked: still to be recovered in this round; group->lock
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
	bool recovering;
	bool failed;
	bool frozen;
	bool blank;
	bool needs_reset;
	bool was_reset;
	bool reset_due;
	bool marked;
	bool in_host_reset;
	bool removing;
	struct rcu_head rcu;
	struct mdev_parent parent;
	struct mdev_type types[MDR_POLICY_COUNT - 1];
	struct mdev_type *type_pointers[MDR_POLICY_COUNT - 1];
};

enum mdr_dead_access {
	MDR_DEAD_ACCESS_ONES = 0,
	MDR_DEAD_ACCESS_FAULT,
};

enum mdr_nonfatal_action {
	MDR_NONFATAL_CONTINUE = 0,
	MDR_NONFATAL_RESET,
};

enum mdr_reset_elision {
	MDR_RESET_ELISION_NEVER = 0,
	MDR_RESET_ELISION_PRISTINE,
};

enum mdr_revoke {
	MDR_REVOKE_WAIT = 0,
	MDR_REVOKE_KILL,
};

/**
 * struct mdr_tunables - attributes of an mdev, see Documentation/ABI
 * @stall_timeout_ms: how long an access waits at the closed gate, milliseconds
 * @hold_timeout_ms: how long holding waits for the user, milliseconds
 * @recovery_timeout_ms: how long the host may take, milliseconds
 * @dead_access: what an access meets afterwards (enum mdr_dead_access)
 * @nonfatal_action: whether a non-fatal error asks for a reset
 *	(enum mdr_nonfatal_action)
 * @reset_elision: whether a user's reset may be left out where the device is
 *	provably as the host's reset left it (enum mdr_reset_elision)
 * @breaker_max: how many errors within @breaker_window_ms are recovered; 0 for
 *	any number
 * @breaker_window_ms: milliseconds
 * @revoke: what to do with a user who does not release a function that goes
 *	away (enum mdr_revoke)
 * @revoke_timeout_ms: when to do it, milliseconds after the first request
 *
 * Single words, written by sysfs, read with READ_ONCE().
 */
struct mdr_tunables {
	unsigned int stall_timeout_ms;
	unsigned int hold_timeout_ms;
	unsigned int recovery_timeout_ms;
	unsigned int dead_access;
	unsigned int nonfatal_action;
	unsigned int reset_elision;
	unsigned int breaker_max;
	unsigned int breaker_window_ms;
	unsigned int revoke;
	unsigned int revoke_timeout_ms;
};

/* How many registers of struct mdr_user_registers there are. */
#define MDR_USER_REGISTERS 8

/**
 * struct mdr_user_registers - what the user wrote to config space for real
 * @value: by index into the table in restore.c
 * @at: by the same index, their offset in config space; 0 if there is none
 * @near: a bit for each four bytes of config space: a write of up to eight bytes
 *	that begins there may reach one of them
 *
 * Of all registers that vfio-pci-core lets a user write through to the device,
 * those that a restore of the state saved at open would lose. Kept by reading
 * back after the user's write, since the config space of a frozen device cannot
 * be read. Written inside the gate, read with the gate drained.
 */
struct mdr_user_registers {
	u32 value[MDR_USER_REGISTERS];
	u16 at[MDR_USER_REGISTERS];
	DECLARE_BITMAP(near, PCI_CFG_SPACE_EXP_SIZE / 4);
};

/**
 * struct mdr_device - an assigned function
 * @core: vfio-pci-core's part; first, vfio_alloc_device() wants that
 * @function: the function, outlives the device
 * @gate: that of the function's group; here, since every access reads it
 * @uuid: name of the mdev
 * @policy: its type
 * @tunables: its attributes
 * @registers: config space of the user
 * @acknowledged: latest event that the user's reset acknowledged; group->lock
 * @opened: between open_device() and close_device(); group->lock
 * @in_use: from before open_device() touches the function until close_device()
 *	is done with it; group->lock
 * @removing: no more opens; group->lock
 * @released: woken when @in_use becomes false
 * @synced: INTx was brought in line since the latest error; group->lock
 * @core_lock: keeps mdr_finish() and close_device() apart in vfio-pci-core.
 *	Not taken by host callbacks.
 * @ones: the page that mappings show while the function does not answer.
 *	Private to this device, since its user can write to it.
 * @substituted: @ones may be mapped
 * @core_vm_ops: vfio-pci-core's, behind ours
 */
struct mdr_device {
	struct vfio_pci_core_device core;
	struct mdr_function *function;
	struct mdr_gate *gate;
	char uuid[UUID_STRING_LEN + 1];
	enum mdr_policy policy;
	struct mdr_tunables tunables;
	struct mdr_user_registers registers;
	u64 acknowledged;
	bool opened;
	bool in_use;
	bool removing;
	wait_queue_head_t released;
	bool synced;
	struct mutex core_lock;
	struct page *ones;
	bool substituted;
	const struct vm_operations_struct *core_vm_ops;
};

static inline struct mdr_group *to_mdr_group(struct device *dev)
{
	return container_of(dev, struct mdr_group, dev);
}

static inline struct mdr_device *to_mdr_device(struct vfio_device *vdev)
{
	return container_of(vdev, struct mdr_device, core.vdev);
}

/*
 * May a write to config space reach a register that is kept track of? On the way
 * of every such write, so it may say yes too often.
 */
static inline bool mdr_user_registers_tracked(struct mdr_device *device,
					      loff_t ppos, size_t count)
{
	/* what lies beyond config space is refused anyway */
	u32 dword = (u32)ppos / 4 % (PCI_CFG_SPACE_EXP_SIZE / 4);

	return count > 8 || test_bit(dword, device->registers.near);
}

/* main.c */
extern struct workqueue_struct *mdr_workqueue;

/* function.c */
extern struct mutex mdr_registry_lock;
extern struct xarray mdr_functions;
struct mdr_function *mdr_function_find(struct pci_dev *pdev);
int mdr_function_lock(struct mdr_function *function);
void mdr_function_unlock(struct mdr_function *function);

/* domain.c */
struct mdr_domain *mdr_domain_get(struct pci_dev *pdev);
void mdr_domain_put(struct mdr_domain *domain);
u64 mdr_domain_error(struct mdr_function *function);
void mdr_domain_detected(struct mdr_domain *domain);

/* group.c */
struct mdr_group *mdr_group_get(struct pci_dev *pdev);
void mdr_group_put(struct mdr_group *group);
void mdr_group_add(struct mdr_group *group, struct mdr_function *function);
void mdr_group_remove(struct mdr_group *group, struct mdr_function *function);
struct pci_dev *mdr_group_port(struct mdr_group *group, unsigned int index);
bool mdr_group_pending(struct mdr_group *group);
bool mdr_group_has_failed(struct mdr_group *group);
enum mdr_policy mdr_group_policy(struct mdr_group *group, bool opened_only);
bool mdr_group_acknowledged(struct mdr_group *group);
unsigned int mdr_group_recovery_timeout(struct mdr_group *group);

/* step.c */
bool mdr_group_step(struct mdr_group *group, enum mdr_event event,
		    struct mdr_function *function);
bool mdr_group_reset_begin(struct mdr_group *group, enum mdr_event event,
			   struct mdr_function *function);
void mdr_group_reset_end(struct mdr_group *group, enum mdr_event event,
			 struct mdr_function *function);
void mdr_group_timer(struct work_struct *work);

/* wait.c */
void mdr_group_drain(struct mdr_group *group, bool config_is_blocked);
void mdr_group_zap(struct mdr_group *group);
bool mdr_group_is_recovering(struct mdr_group *group);
int mdr_group_wait_recovered(struct mdr_group *group, unsigned int timeout_ms);
int mdr_group_wait_settled(struct mdr_group *group, unsigned int timeout_ms);
void mdr_group_wait_close(struct mdr_function *function);
bool mdr_wait_host_lets_go(unsigned long deadline);
void mdr_group_account_stall(struct mdr_group *group, u64 ns);

/* finish.c */
void mdr_group_finish(struct work_struct *work);

/* group_sysfs.c */
extern const struct class mdr_class;
int mdr_group_link(struct mdr_group *group, struct device *dev);
void mdr_group_unlink(struct mdr_group *group, struct device *dev);
const char *mdr_cause_name(enum mdr_cause cause);

/* device.c */
extern struct mdev_driver mdr_mdev_driver;
void mdr_device_unregister(struct mdr_device *device);
int mdr_device_stall(struct mdr_device *device, bool interruptible);

/* device_sysfs.c */
extern const struct attribute_group *mdr_device_groups[];
void mdr_tunables_init(struct mdr_tunables *tunables);

/* access.c */
int mdr_device_enter(struct mdr_device *device, enum mdr_entry_kind kind,
		     struct mdr_gate_entry *entry);
ssize_t mdr_device_read(struct vfio_device *vdev, char __user *buf,
			size_t count, loff_t *ppos);
ssize_t mdr_device_write(struct vfio_device *vdev, const char __user *buf,
			 size_t count, loff_t *ppos);

/* ioctl.c */
long mdr_device_ioctl(struct vfio_device *vdev, unsigned int cmd,
		      unsigned long arg);
int mdr_device_feature(struct vfio_device *vdev, u32 flags, void __user *arg,
		       size_t argsz);
int mdr_device_region_info(struct vfio_device *vdev,
			   struct vfio_region_info *info,
			   struct vfio_info_cap *caps);

/* reset.c */
long mdr_device_reset(struct mdr_device *device, unsigned int cmd,
		      unsigned long arg);
int mdr_reset_enter(struct mdr_device *device, struct mdr_gate_entry *entry);
long mdr_reset_run(struct mdr_device *device, unsigned int cmd,
		   unsigned long arg);
void mdr_reset_leave(struct mdr_device *device, struct mdr_gate_entry *entry,
		     bool alive);

/* recover.c */
int mdr_group_reset_due(struct mdr_group *group);
void mdr_recover_stop(struct mdr_group *group);
int mdr_group_recover(struct mdr_group *group);
void mdr_group_abandon(struct mdr_group *group, enum mdr_event event,
		       bool proven);
void mdr_group_fallback(struct work_struct *work);

/* hot_reset.c */
long mdr_device_hot_reset(struct mdr_device *device, unsigned int cmd,
			  unsigned long arg);

/* revoke.c */
void mdr_device_revoke(struct mdr_device *device);
void mdr_device_request(struct vfio_device *vdev, unsigned int count);

/* fault.c */
int mdr_device_mmap(struct vfio_device *vdev, struct vm_area_struct *vma);
void mdr_device_zap(struct mdr_device *device);
void mdr_device_unsubstitute(struct mdr_device *device);

/* restore.c */
bool mdr_function_answers(struct pci_dev *pdev);
int mdr_restore(struct mdr_function *function);
void mdr_restore_interrupts(struct mdr_device *device);
void mdr_user_registers_init(struct mdr_device *device);
void mdr_user_registers_track(struct mdr_device *device, loff_t pos,
			      size_t count);

/* blockers.c */
ssize_t mdr_blockers_show(struct pci_dev *port, char *buf, ssize_t at);
bool mdr_has_blockers(struct pci_dev *port);
void mdr_blockers_warn(struct mdr_function *function);

#endif
