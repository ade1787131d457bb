/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The gate of a group keeps user access and host recovery apart.
 *
 * A task enters the gate to use a device and leaves it when it is done. A task
 * that needs the device for itself closes the gate and then drains it: it
 * waits, with a bound, until all tasks inside have left.
 *
 * Each CPU counts the tasks that entered on it, for each gate. To close a gate is
 * to add a large number to these counts. A task that enters later sees it, in the
 * same atomic operation that counts the task; a task that entered before is
 * counted, and the drain waits for it. The fast path takes no lock and shares no
 * written cache line.
 *
 * No task waits for user memory inside a gate. User data is copied outside, or
 * with page faults off (mdr_gate_faults_off()): the copy then fails at once, and
 * the task leaves the gate, faults the page in, and tries again. So a drain waits
 * for the device only, or for a task that is kept from running, for 1 s at most.
 */
#ifndef MDR_GATE_H
#define MDR_GATE_H

#include <linux/atomic.h>
#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

struct task_struct;
struct vfio_device;

/**
 * enum mdr_entry_kind - purpose of an entry
 * @MDR_ENTRY_ACCESS: use of the device: registers, interrupts and so on
 * @MDR_ENTRY_CONFIG: config space, which the PCI core blocks by itself while it
 *	resets the function (pci_cfg_access_lock())
 * @MDR_ENTRY_EXCLUSIVE: reset, open or close of the device by the task that
 *	closed the gate, and the end of a held device's interrupts; PCI reset
 *	callbacks in that task are its own
 */
enum mdr_entry_kind {
	MDR_ENTRY_ACCESS = 0,
	MDR_ENTRY_CONFIG,
	MDR_ENTRY_EXCLUSIVE,
};

/* The kinds that are counted; exclusive entries are in a list, with their tasks. */
#define MDR_ENTRY_COUNTED MDR_ENTRY_EXCLUSIVE

/*
 * An untouched gate is open, and no task has entered since the host reset the
 * device; the first to enter sets MDR_GATE_OPEN. An opening gate is still closed, but no
 * stall timeout passes at it any more, and no new mapping shows a substitute page.
 */
enum mdr_gate_closed {
	MDR_GATE_OPEN = 0,
	MDR_GATE_CLOSED = 1,
	MDR_GATE_UNTOUCHED = 2,
	MDR_GATE_OPENING = 3,
};

/* Is @closed, an enum mdr_gate_closed, one of the two that keep users out? */
static inline bool mdr_gate_keeps_out(u32 closed)
{
	return closed & MDR_GATE_CLOSED;
}

/* @inside of an open gate that is empty: the first to enter makes it 0. */
#define MDR_GATE_EMPTY (-1)

/* Above any number of entries; added to @inside unless the gate is MDR_GATE_OPEN. */
#define MDR_GATE_SHUT 0x40000000

/**
 * struct mdr_gate_call - the arguments of a read() or write() inside
 * @vdev: the device
 * @buf: the user's buffer
 * @count: its size
 * @ppos: where
 *
 * A call that meets an absent page is repeated, so its arguments have to outlive it.
 * Keeping them in registers would cost twice as much.
 */
struct mdr_gate_call {
	struct vfio_device *vdev;
	char __user *buf;
	size_t count;
	loff_t *ppos;
};

/**
 * struct mdr_gate_cpu - one CPU's part of a gate
 * @inside: MDR_GATE_EMPTY, plus the entries that were made on this CPU, plus
 *	MDR_GATE_SHUT; by kind
 * @call: owned by the task that entered by the fast path for config space
 */
struct mdr_gate_cpu {
	atomic_t inside[MDR_ENTRY_COUNTED];
	struct mdr_gate_call call;
} ____cacheline_aligned_in_smp;

/**
 * struct mdr_gate - the gate of a group
 * @closed: an enum mdr_gate_closed
 * @dead: nonzero if the device is lost and waiting is pointless
 * @closed_at: ktime_get_ns() when the gate closed, or when the system woke up
 *	with the gate closed. Stall timeouts count from here: a user suffers one per
 *	recovery, not one per access. Written before @closed, read after it.
 * @wait: tasks that wait for the gate to open or to die
 * @cpus: the tasks inside, counted
 * @lock: protects @exclusive, and keeps @closed and @cpus in step; innermost
 * @exclusive: entries of MDR_ENTRY_EXCLUSIVE
 *
 * @closed, @dead and @closed_at are written under the group's lock as well, except
 * by mdr_gate_touch(); read without.
 */
struct mdr_gate {
	u32 closed;
	u32 dead;
	u64 closed_at;
	wait_queue_head_t wait;
	struct mdr_gate_cpu __percpu *cpus;
	raw_spinlock_t lock;
	struct list_head exclusive;
} ____cacheline_aligned_in_smp;

/* An entry, on the stack of the task. */
struct mdr_gate_entry {
	atomic_t *inside;		/* NULL: exclusive; only then the rest is used */
	struct mdr_gate *gate;
	struct task_struct *owner;
	struct list_head item;		/* in mdr_gate.exclusive */
	bool user_reset;		/* by mdr_reset_enter(), or a hot reset */
	bool was_reset;			/* the owner has reset a function; only it looks */
};

int mdr_gate_init(struct mdr_gate *gate);
void mdr_gate_destroy(struct mdr_gate *gate);
bool mdr_gate_close(struct mdr_gate *gate);
void mdr_gate_restart(struct mdr_gate *gate);
void mdr_gate_open_soon(struct mdr_gate *gate, bool soon);
void mdr_gate_open(struct mdr_gate *gate, bool untouched);
void mdr_gate_die(struct mdr_gate *gate);
bool mdr_gate_drain(struct mdr_gate *gate, unsigned int timeout_ms,
		    bool config_is_blocked);
bool mdr_gate_expired(struct mdr_gate *gate, unsigned int stall_timeout_ms);
long mdr_gate_left(struct mdr_gate *gate, unsigned int stall_timeout_ms);
int mdr_gate_wait(struct mdr_gate *gate, unsigned int stall_timeout_ms,
		  bool interruptible);
struct mdr_gate_entry *mdr_gate_current_exclusive(struct mdr_gate *gate);
bool mdr_gate_enter_slowly(struct mdr_gate *gate, enum mdr_entry_kind kind,
			   struct mdr_gate_entry *entry);
void mdr_gate_enter_exclusive(struct mdr_gate *gate,
			      struct mdr_gate_entry *entry);
void mdr_gate_exit_exclusive(struct mdr_gate_entry *entry);

/*
 * Enter an open gate; false if it is closed. @entry is on the caller's stack. May be
 * nested. Inside, a task may sleep and take memory_lock and igate, but must not wait for
 * any gate, nor for user memory.
 */
static inline bool mdr_gate_enter(struct mdr_gate *gate,
				  enum mdr_entry_kind kind,
				  struct mdr_gate_entry *entry)
{
	if (kind == MDR_ENTRY_EXCLUSIVE)
		return mdr_gate_enter_slowly(gate, kind, entry);
	entry->inside = &raw_cpu_ptr(gate->cpus)->inside[kind];
	/* fully ordered: behind what the recovery did, before the access */
	if (likely(atomic_inc_return(entry->inside) < MDR_GATE_SHUT / 2))
		return true;
	atomic_dec(entry->inside);
	return mdr_gate_enter_slowly(gate, kind, entry);
}

/* Leave the gate, in the task that entered. */
static inline void mdr_gate_exit(struct mdr_gate_entry *entry)
{
	if (unlikely(!entry->inside)) {
		mdr_gate_exit_exclusive(entry);
		return;
	}
	/* a drain that sees the count sees what was done inside */
	smp_mb__before_atomic();
	atomic_dec(entry->inside);
}

/*
 * The fast path of mdr_gate_enter(), for a counted @kind: succeeds if the gate is
 * MDR_GATE_OPEN and no other task that entered on this CPU is inside for that purpose.
 */
static __always_inline bool
mdr_gate_try_enter(struct mdr_gate_cpu __percpu *cpus, enum mdr_entry_kind kind,
		   struct mdr_gate_cpu **inside)
{
	/* after a migration this CPU's count is still valid */
	struct mdr_gate_cpu *cpu = raw_cpu_ptr(cpus);

	/* fully ordered, as in mdr_gate_enter() */
	if (unlikely(!atomic_inc_and_test(&cpu->inside[kind]))) {
		atomic_dec(&cpu->inside[kind]);
		return false;
	}
	*inside = cpu;
	return true;
}

/* Leave the gate after mdr_gate_try_enter(). */
static __always_inline void mdr_gate_leave(struct mdr_gate_cpu *cpu,
					   enum mdr_entry_kind kind)
{
	smp_mb__before_atomic(); /* as in mdr_gate_exit() */
	atomic_dec(&cpu->inside[kind]);
}

/*
 * For a call inside the gate that copies from or to user memory: the copy fails
 * with -EFAULT at an absent page instead of waiting for it.
 */
static __always_inline void mdr_gate_faults_off(void)
{
	pagefault_disable();
}

static __always_inline void mdr_gate_faults_on(void)
{
	pagefault_enable();
}

/* Is this task inside a gate, with page faults off? */
static inline bool mdr_gate_current_calls(void)
{
	return pagefault_disabled();
}

/*
 * True if the gate is closed, for work that must be undone if it came too late:
 * either the task that closes the gate sees what the caller wrote before, or
 * the caller sees the closed gate.
 */
static inline bool mdr_gate_closed(struct mdr_gate *gate)
{
	smp_mb(); /* pairs with mdr_gate_set() */
	/* orders the flag before closed_at and what the recovery did */
	return mdr_gate_keeps_out(smp_load_acquire(&gate->closed));
}

/*
 * True if the gate is closed and not about to open, for a substitute page: either the task
 * that opens the gate sees what the caller wrote before, or the caller gets false.
 */
static inline bool mdr_gate_stays_closed(struct mdr_gate *gate)
{
	smp_mb(); /* pairs with mdr_gate_set() */
	return smp_load_acquire(&gate->closed) == MDR_GATE_CLOSED;
}

/*
 * Should a task inside leave before its next access to the device? Only a hint,
 * so it needs no ordering.
 */
static inline bool mdr_gate_is_wanted(struct mdr_gate *gate)
{
	return unlikely(mdr_gate_keeps_out(READ_ONCE(gate->closed)));
}

#endif
