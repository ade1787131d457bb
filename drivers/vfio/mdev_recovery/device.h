/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Devices: functions that are assigned as mdevs.
 */
#ifndef MDR_DEVICE_H
#define MDR_DEVICE_H

#include <linux/bitmap.h>
#include <linux/indirect_call_wrapper.h>

#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/uuid.h>
#include <linux/vfio_pci_core.h>
#include <linux/wait.h>

#include "gate.h"
#include "policy.h"

struct eventfd_ctx;
struct mdev_driver;
struct mdr_mapping;
struct mdr_function;
struct mdr_group;
struct mdr_status;
struct pci_bus;
struct pid;
struct task_struct;
struct virqfd;

/* Also used for a group without an mdev; see Documentation/ABI. */
#define MDR_DEFAULT_RECOVERY_TIMEOUT_MS 90000

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

/*
 * The settings of an mdev; Documentation/ABI/testing/sysfs-bus-mdev-recovery describes
 * them. Each is one word, a number or one of the enums above: sysfs writes it, READ_ONCE()
 * reads it.
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

/* Number of registers in struct mdr_user_registers; the first is COMMAND. */
#define MDR_USER_REGISTERS 8
#define MDR_COMMAND 0

/**
 * struct mdr_user_registers - registers that the user writes through to the device
 * @value: indexed like the table in registers.c
 * @at: their offsets in config space, same index; 0 if there is none
 * @near: one bit per dword of config space: a write of up to eight bytes that
 *	starts there may reach one of them
 * @readrq: Max_Read_Request_Size as the user saw it when Device Control was recorded
 *
 * These are the registers that vfio-pci-core passes through, and that restoring the
 * state saved at open would lose. They are recorded after each write, because the
 * config space of a frozen device cannot be read. Written inside the gate, under
 * registers_lock; read with the gate drained.
 */
struct mdr_user_registers {
	u32 value[MDR_USER_REGISTERS];
	u16 at[MDR_USER_REGISTERS];
	DECLARE_BITMAP(near, PCI_CFG_SPACE_EXP_SIZE / 4);
	u16 readrq;
};

/**
 * struct mdr_intx - the eventfd by which the user unmasks INTx, see intx.c
 * @eventfd: NULL if there is none; group->lock
 * @watch: NULL when the user has closed it; changed by vfio core, under its lock
 * @withheld: vfio-pci-core does not listen to it; group->lock
 * @lent: vfio-pci-core listens for a moment at a closed gate; group->lock
 */
struct mdr_intx {
	struct eventfd_ctx *eventfd;
	struct virqfd *watch;
	bool withheld;
	bool lent;
};

/**
 * struct mdr_irqs_request - what the shim has to know of a SET_IRQS
 * @turns_off: it removes all interrupts of an index
 * @changes: it changes the eventfd that unmasks INTx
 * @fd: the new eventfd, or -1 for none
 */
struct mdr_irqs_request {
	bool turns_off;
	bool changes;
	s32 fd;
};

/* Processes recorded for each device. */
#define MDR_USERS 16

/*
 * Mappings of one device, in all processes. When the gate closes they are removed one by one,
 * about 1 us each; a user needs one for each BAR, or for each page of doorbells.
 */
#define MDR_MAX_VMAS 4096

/*
 * Entries of page tables that map one device, in all processes, beyond those that it takes to
 * map all its BARs once. Removing one takes about 155 instructions.
 */
#define MDR_MORE_ENTRIES 262144

/**
 * struct mdr_users - the processes that use a device, latest first
 * @lock: protects @pids; innermost
 * @pids: their thread groups, referenced; NULL after the last
 */
struct mdr_users {
	spinlock_t lock;
	struct pid *pids[MDR_USERS];
};

/**
 * struct mdr_device - an assigned function
 * @ops: the operations that vfio core calls. A copy for each device, so that they
 *	lead from the vfio device to this structure.
 * @parent: the operations that ours call inside the gate: those of vfio-pci-core,
 *	or of the parent driver
 * @mig_ops: the parent driver's migration operations, wrapped by ours; or NULL
 * @log_ops: the same for the logging of DMA
 * @core: vfio-pci-core's part, at the start of the parent driver's structure and
 *	of this allocation
 * @function: the function; outlives the device
 * @gate: the group's gate; copied here because every access reads it
 * @gate_cpus: copy of &mdr_gate.cpus
 * @uuid: name of the mdev
 * @policy: its type
 * @tunables: its attributes
 * @registers: the user's registers in config space
 * @saved: config space when the user opened the device. vfio-pci-core may free its
 *	own copy while a host callback restores. group->lock
 * @acknowledged: latest event that the user has answered; group->lock
 * @opened: between open_device() and close_device(); group->lock
 * @in_use: from before open_device() touches the function until close_device()
 *	is done with it; group->lock
 * @removing: no more opens; group->lock
 * @pins: tasks that work on the device without group->lock, so that it must stay;
 *	group->lock
 * @released: woken when @in_use becomes false, or @pins 0
 * @users: its processes, from open_device() until close_device() begins
 * @synced: INTx matches since the latest error; group->lock
 * @registers_lock: makes a write to one of @registers and its record atomic; taken
 *	inside the gate
 * @intx: the eventfd that unmasks INTx
 * @core_lock: serializes workers and close_device() in vfio-pci-core. Host
 *	callbacks do not take it.
 * @ones: the page that mappings show while the function does not answer. Each
 *	device has one, because its user can write to it.
 * @substitutes: how often a fault has mapped @ones
 * @substitutes_removed: how many of these a zap has removed since; while they differ, @ones
 *	may be mapped
 * @status_page: the status page, once it was mapped; group->lock
 * @changed: signalled when the status changes, or NULL; group->lock
 * @vmas: number of mappings; more than MDR_MAX_VMAS only after a fork()
 * @max_entries: page table entries that there may be
 * @entries_left: what faults have left of them since the last zap; below 0 the next fault
 *	zaps the device
 * @look: one ioctl at a time looks at what its process has; only tried
 * @core_vm_ops: those of vfio-pci-core, called by ours
 * @mappings: vm_ops of a parent driver with a vfio driver of its own, wrapped
 * @mappings_lock: protects @mappings and writes to @max_entries; innermost
 */
struct mdr_device {
	struct vfio_device_ops ops;
	const struct vfio_device_ops *parent;
	const struct vfio_migration_ops *mig_ops;
	const struct vfio_log_ops *log_ops;
	struct vfio_pci_core_device *core;
	struct mdr_function *function;
	struct mdr_gate *gate;
	struct mdr_gate_cpu __percpu *gate_cpus;
	char uuid[UUID_STRING_LEN + 1];
	enum mdr_policy policy;
	struct mdr_tunables tunables;
	struct mdr_user_registers registers;
	struct pci_saved_state *saved;
	u64 acknowledged;
	bool opened;
	bool in_use;
	bool removing;
	unsigned int pins;
	wait_queue_head_t released;
	struct mdr_users users;
	bool synced;
	struct mutex registers_lock;
	struct mdr_intx intx;
	struct mutex core_lock;
	struct page *ones;
	atomic_long_t substitutes;
	long substitutes_removed;
	struct page *status_page;
	struct eventfd_ctx *changed;
	atomic_t vmas;
	long max_entries;
	atomic_long_t entries_left;
	struct mutex look;
	const struct vm_operations_struct *core_vm_ops;
	struct mdr_mapping *mappings;
	struct mutex mappings_lock;
};

/**
 * struct mdr_plain_device - a device that vfio-pci-core alone drives
 * @core: first, as vfio_alloc_device() requires
 * @device: our part
 *
 * The constant offset between both saves a load on every access.
 */
struct mdr_plain_device {
	struct vfio_pci_core_device core;
	struct mdr_device device;
};

static inline struct mdr_device *to_mdr_plain_device(struct vfio_device *vdev)
{
	return &container_of(vdev, struct mdr_plain_device, core.vdev)->device;
}

/* For any device, once mdr_device_init() has run. */
static inline struct mdr_device *to_mdr_device(struct vfio_device *vdev)
{
	return container_of(vdev->ops, struct mdr_device, ops);
}

static inline void mdr_device_set_gate(struct mdr_device *device,
				       struct mdr_gate *gate)
{
	device->gate = gate;
	device->gate_cpus = gate->cpus;
}

/*
 * Keep a device while group->lock is not held; the caller holds it here, and so does who
 * waits for the last pin before it frees the device.
 */
static inline void mdr_device_pin(struct mdr_device *device)
{
	WRITE_ONCE(device->pins, device->pins + 1);
}

static inline void mdr_device_unpin(struct mdr_device *device)
{
	WRITE_ONCE(device->pins, device->pins - 1);
	if (!device->pins)
		wake_up_all(&device->released);
}

/* The parent's operations, called inside the gate; mostly vfio-pci-core's. */
static inline ssize_t mdr_parent_read(struct mdr_device *device,
				      char __user *buf, size_t count,
				      loff_t *ppos)
{
	return INDIRECT_CALL_1(device->parent->read, vfio_pci_core_read,
			       &device->core->vdev, buf, count, ppos);
}

static inline ssize_t mdr_parent_write(struct mdr_device *device,
				       const char __user *buf, size_t count,
				       loff_t *ppos)
{
	return INDIRECT_CALL_1(device->parent->write, vfio_pci_core_write,
			       &device->core->vdev, buf, count, ppos);
}

static inline long mdr_parent_ioctl(struct mdr_device *device,
				    unsigned int cmd, unsigned long arg)
{
	return INDIRECT_CALL_1(device->parent->ioctl, vfio_pci_core_ioctl,
			       &device->core->vdev, cmd, arg);
}

/*
 * May a write of up to eight bytes to config space reach a tracked register? Runs
 * on every such write, so it may say yes too often.
 */
static inline bool mdr_user_registers_tracked(struct mdr_device *device,
					      loff_t ppos)
{
	/* vfio-pci-core refuses what lies beyond config space */
	u32 dword = (u32)ppos / 4 % (PCI_CFG_SPACE_EXP_SIZE / 4);

	return test_bit(dword, device->registers.near);
}

/* users.c: the processes that use a device */
void mdr_users_note(struct mdr_users *users);
void mdr_users_forget(struct mdr_users *users);
bool mdr_users_have(struct mdr_users *users, struct task_struct *task);
bool mdr_task_has_file(struct task_struct *task, struct address_space *mapping);
bool mdr_mm_has_mapping(struct mm_struct *mm, struct address_space *mapping);
struct task_struct *mdr_users_latest(struct mdr_users *users);

/* entry.c: the user's side of the gate */
int mdr_device_stall(struct mdr_device *device, bool interruptible);
int mdr_device_enter(struct mdr_device *device, enum mdr_entry_kind kind,
		     struct mdr_gate_entry *entry);
int mdr_call_enter(struct mdr_device *device, struct mdr_gate_entry *entry);
bool mdr_device_call_again(unsigned int *retries, const void __user *buf,
			   size_t size, bool write);

/* The value of @call_, evaluated inside the gate, or an error from entering. */
#define mdr_call_inside(device_, call_)					\
({									\
	struct mdr_device *inside_ = (device_);				\
	struct mdr_gate_entry entry_;					\
	long ret_ = mdr_call_enter(inside_, &entry_);			\
									\
	if (!ret_) {							\
		ret_ = (call_);						\
		mdr_gate_exit(&entry_);					\
	}								\
	ret_;								\
})

/* status.c: what users are told */
int mdr_status_may_acknowledge(struct mdr_device *device, u64 event);
void mdr_status_fill(struct mdr_device *device, struct mdr_status *status);
void mdr_status_update(struct mdr_device *device);
void mdr_status_publish(struct mdr_group *group);
void mdr_status_close(struct mdr_device *device);
void mdr_status_set_eventfd(struct mdr_device *device,
			    struct eventfd_ctx *changed);
int mdr_status_mmap(struct mdr_device *device, struct vm_area_struct *vma);
int mdr_status_add_region(struct mdr_device *device);
bool mdr_status_has(struct mdr_device *device, loff_t pos);
ssize_t mdr_status_read(struct mdr_device *device, char __user *buf,
			size_t count, loff_t *ppos);

/* intx.c: the eventfd that unmasks INTx */
void mdr_intx_parse(const void __user *user, struct mdr_irqs_request *request);
void mdr_intx_note(struct mdr_device *device,
		   const struct mdr_irqs_request *request);
void mdr_intx_forget(struct mdr_device *device);
void mdr_intx_withhold(struct mdr_group *group);
bool mdr_intx_lend(struct mdr_device *device);
void mdr_intx_take_back(struct mdr_device *device);
void mdr_intx_release(struct mdr_device *device);

/* fault.c: BAR mappings */
int mdr_device_mmap(struct vfio_device *vdev, struct vm_area_struct *vma);
void mdr_device_limit_entries(struct mdr_device *device);
int mdr_device_add_vma(struct mdr_device *device);
void mdr_device_copy_vma(struct mdr_device *device, struct vm_area_struct *vma);
int mdr_device_may_split_vma(struct mdr_device *device);
void mdr_device_zap(struct mdr_device *device);
bool mdr_device_is_substituted(struct mdr_device *device);
void mdr_device_unsubstitute(struct mdr_device *device);
vm_fault_t mdr_device_fault(struct mdr_device *device,
			    const struct vm_operations_struct *core_vm_ops,
			    struct vm_fault *vmf, unsigned int order);

/* mapping.c: mappings that a parent driver makes itself */
int mdr_mapping_wrap(struct mdr_device *device, struct vm_area_struct *vma);
void mdr_mapping_free(struct mdr_device *device);

/* wait.c */
void mdr_device_enter_recovered(struct mdr_device *device,
				struct mdr_gate_entry *entry);

/* registers.c: the registers that the user writes through to the device */
void mdr_user_registers_init(struct mdr_device *device);
void mdr_user_registers_info(struct mdr_device *device);
bool mdr_user_command_note(struct mdr_device *device, const char __user *buf);
void mdr_user_registers_track(struct mdr_device *device, loff_t pos,
			      size_t count);
bool mdr_user_registers_are_lost(struct mdr_device *device);
void mdr_user_registers_write(struct mdr_device *device);

/* restore.c: INTx */
bool mdr_device_sync_interrupts(struct mdr_device *device);
void mdr_device_sync_soon(struct mdr_device *device);
int mdr_sync_again(struct mdr_group *group, u64 deadline);
void mdr_group_sync_interrupts(struct mdr_group *group);

/* reset.c: resets that the user asks for */
long mdr_device_reset(struct mdr_device *device, unsigned int cmd,
		      unsigned long arg);
bool mdr_group_host_may_work(struct mdr_group *group);
int mdr_reset_enter(struct mdr_device *device, struct mdr_gate_entry *entry);
bool mdr_reset_reaches(struct mdr_device *device);
long mdr_reset_run(struct mdr_device *device, unsigned int cmd,
		   unsigned long arg, struct mdr_gate_entry *entry);
bool mdr_reset_revives(struct mdr_group *group);
unsigned long mdr_reset_deadline(struct mdr_group *group);
bool mdr_reset_may_wait(struct mdr_group *group, struct pci_bus *bus);
int mdr_reset_hand_over(struct mdr_group *group);
int mdr_reset_finish(struct mdr_device *device);
void mdr_reset_fail(struct mdr_group *group, struct mdr_function *only,
		    int ret);
int mdr_reset_hooks(struct mdr_group *group, struct mdr_function *only);
void mdr_reset_settle(struct mdr_group *group, bool failed);
void mdr_reset_end(struct mdr_group *group, struct mdr_function *function,
		   struct pci_bus *bus, bool alive);

/* hot_reset.c */
long mdr_device_hot_reset(struct mdr_device *device, unsigned int cmd,
			  unsigned long arg);

/* feature.c: device features of our own */
int mdr_device_own_feature(struct mdr_device *device, u32 flags,
			   void __user *arg, size_t argsz);

/* ioctl.c */
long mdr_device_ioctl(struct vfio_device *vdev, unsigned int cmd,
		      unsigned long arg);
int mdr_device_feature(struct vfio_device *vdev, u32 flags, void __user *arg,
		       size_t argsz);
int mdr_device_region_info(struct vfio_device *vdev,
			   struct vfio_region_info *info,
			   struct vfio_info_cap *caps);

/* dead.c: accesses to a device that does not answer */
ssize_t mdr_region_count(struct mdr_device *device, loff_t ppos, size_t count,
			 bool write);
ssize_t mdr_dead_access(struct mdr_device *device, char __user *buf,
			size_t count, loff_t ppos, bool write);

/* bar.c: BARs and the ROM */
ssize_t mdr_bar_read(struct mdr_device *device, char __user *buf, size_t count,
		     loff_t *ppos);
ssize_t mdr_bar_write(struct mdr_device *device, const char __user *buf,
		      size_t count, loff_t *ppos);
ssize_t mdr_rom_read(struct mdr_device *device, char __user *buf, size_t count,
		     loff_t *ppos);

/* access.c: read() and write() */
ssize_t mdr_device_read(struct vfio_device *vdev, char __user *buf,
			size_t count, loff_t *ppos);
ssize_t mdr_device_write(struct vfio_device *vdev, const char __user *buf,
			 size_t count, loff_t *ppos);
ssize_t mdr_vendor_read(struct vfio_device *vdev, char __user *buf,
			size_t count, loff_t *ppos);
ssize_t mdr_vendor_write(struct vfio_device *vdev, const char __user *buf,
			 size_t count, loff_t *ppos);

/* vendor.c: parent drivers with a vfio driver of their own */
int mdr_vendor_init(struct mdr_device *device);
int mdr_vendor_mmap(struct vfio_device *vdev, struct vm_area_struct *vma);

/* open.c: opening and closing */
int mdr_device_open(struct vfio_device *vdev);
void mdr_device_close(struct vfio_device *vdev);

/* ioas.c: the address space of an iommufd */
int mdr_device_attach_ioas(struct vfio_device *vdev, u32 *pt_id);
void mdr_device_detach_ioas(struct vfio_device *vdev);
void mdr_device_unbind_iommufd(struct vfio_device *vdev);

/* revoke.c: taking a device away from its user */
bool mdr_device_is_held(struct mdr_device *device);
void mdr_device_revoke(struct mdr_device *device);
void mdr_device_request(struct vfio_device *vdev, unsigned int count);

/* device_sysfs.c */
extern const struct attribute_group *mdr_class_groups[];
extern const struct attribute_group *mdr_device_groups[];
void mdr_tunables_init(struct mdr_tunables *tunables);

/* device.c */
extern struct mdev_driver mdr_mdev_driver;
void mdr_device_unregister(struct mdr_device *device);

#endif
