/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The gate of a group: keeps user access and host recovery apart.
 *
 * Who wants to touch a device enters its group's gate and leaves it afterwards.
 * Who wants the device for himself closes the gate and waits, with a bound,
 * until everybody inside has left (the drain).
 *
 * Inside is written down in a per-CPU slot: which gate, which task, what for.
 * Entering writes the slot, then reads @closed; closing writes @closed, then
 * reads all slots. A full barrier sits between the two on either side, so at
 * least one of them sees the other. The fast path writes no cache line that
 * another CPU writes, and takes no lock.
 *
 * The slot names its task because of one hazard: the user buffer of a read()
 * may itself lie in a BAR mapping, so a task can fault on a closed gate while
 * it is inside this or another one. Such a fault must not wait, or a drain
 * would wait for it (mdr_gate_current_inside()).
 */
#ifndef MDR_GATE_H
#define MDR_GATE_H

#include <linux/build_bug.h>
#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/types.h>
#include <linux/wait.h>

/* Tasks inside any gate that one CPU remembers without taking a lock. */
#define MDR_GATE_SLOTS 8

/**
 * enum mdr_entry_kind - what somebody is inside a gate for
 * @MDR_ENTRY_ACCESS: reads or writes the device, sets up its interrupts, ...
 * @MDR_ENTRY_CONFIG: reads or writes config space. The PCI core itself blocks
 *	that while it holds the function for a reset (pci_cfg_access_lock()).
 * @MDR_ENTRY_EXCLUSIVE: owns the closed gate: resets, opens or closes the
 *	device. PCI reset callbacks that it runs into are its own.
 *
 * Stored in the low bits of a task pointer.
 */
enum mdr_entry_kind {
	MDR_ENTRY_ACCESS = 0,
	MDR_ENTRY_CONFIG,
	MDR_ENTRY_EXCLUSIVE,
};

#define MDR_ENTRY_KIND_MASK 3UL

/**
 * enum mdr_gate_closed - values of &mdr_gate.closed
 * @MDR_GATE_OPEN: come in
 * @MDR_GATE_CLOSED: wait
 * @MDR_GATE_UNTOUCHED: come in, but leave word: nobody has been inside since the
 *	host reset the device. The first one turns this to MDR_GATE_OPEN.
 */
enum mdr_gate_closed {
	MDR_GATE_OPEN = 0,
	MDR_GATE_CLOSED,
	MDR_GATE_UNTOUCHED,
};

/**
 * struct mdr_gate - the gate of a group
 * @closed: 0, or why a user may not simply enter; read on every access
 * @dead: nonzero while waiting is pointless, since the device is lost
 * @closed_at: ktime_get_ns() when @closed became nonzero. Stall time-outs count
 *	from here, so that a user meets one of them a recovery and not one per
 *	access.
 * @wait: tasks that wait for the gate to open or to die
 *
 * Written under the group's lock; read without.
 */
struct mdr_gate {
	u32 closed;
	u32 dead;
	u64 closed_at;
	wait_queue_head_t wait;
} ____cacheline_aligned_in_smp;

/**
 * struct mdr_gate_slot - one task inside a gate
 * @gate: the gate, NULL if the slot is free. Claimed on the slot's own CPU with
 *	preemption disabled, freed from anywhere.
 * @owner: the task and, in its low bits, the enum mdr_entry_kind
 */
struct mdr_gate_slot {
	struct mdr_gate *gate;
	unsigned long owner;
};

struct mdr_gate_slots {
	struct mdr_gate_slot slot[MDR_GATE_SLOTS];
};

/* No CPU's slots share a cache line with anything else. */
static_assert(sizeof(struct mdr_gate_slots) % SMP_CACHE_BYTES == 0);

DECLARE_PER_CPU_ALIGNED(struct mdr_gate_slots, mdr_gate_slots);

/**
 * struct mdr_gate_entry - proof of having entered, on the stack of the task
 * @slot: the slot in use
 * @overflow: stands in for a per-CPU slot if all of those are taken
 * @item: in the overflow list
 */
struct mdr_gate_entry {
	struct mdr_gate_slot *slot;
	struct mdr_gate_slot overflow;
	struct list_head item;
};

void mdr_gate_init(struct mdr_gate *gate);
bool mdr_gate_close(struct mdr_gate *gate);
void mdr_gate_open(struct mdr_gate *gate, bool untouched);
void mdr_gate_die(struct mdr_gate *gate);
bool mdr_gate_drain(struct mdr_gate *gate, unsigned int timeout_ms,
		    bool config_is_blocked);
bool mdr_gate_expired(struct mdr_gate *gate, unsigned int stall_timeout_ms);
int mdr_gate_wait(struct mdr_gate *gate, unsigned int stall_timeout_ms,
		  bool interruptible);
bool mdr_gate_current_inside(void);
bool mdr_gate_current_exclusive(const struct mdr_gate *gate);
bool mdr_gate_touch(struct mdr_gate *gate);
void mdr_gate_claim_contended(struct mdr_gate *gate, unsigned long owner,
			      struct mdr_gate_entry *entry);
void mdr_gate_exit_overflow(struct mdr_gate_entry *entry);

static inline void mdr_gate_claim(struct mdr_gate *gate,
				  enum mdr_entry_kind kind,
				  struct mdr_gate_entry *entry)
{
	unsigned long owner = (unsigned long)current | kind;
	struct mdr_gate_slot *slot;

	preempt_disable();
	slot = this_cpu_ptr(mdr_gate_slots.slot);
	if (likely(!READ_ONCE(slot->gate))) {
		WRITE_ONCE(slot->owner, owner);
		/* a reader that sees the gate sees the owner */
		smp_store_release(&slot->gate, gate);
		entry->slot = slot;
	} else {
		mdr_gate_claim_contended(gate, owner, entry);
	}
	preempt_enable();
}

/**
 * mdr_gate_exit - leave the gate
 * @entry: filled in by mdr_gate_enter() or mdr_gate_enter_exclusive()
 *
 * Context: process context, the task that entered.
 */
static inline void mdr_gate_exit(struct mdr_gate_entry *entry)
{
	if (likely(entry->slot != &entry->overflow))
		/* a drain that sees it free sees what was done inside */
		smp_store_release(&entry->slot->gate, NULL);
	else
		mdr_gate_exit_overflow(entry);
}

/**
 * mdr_gate_enter - enter an open gate
 * @gate: the gate
 * @kind: what for
 * @entry: on the caller's stack, for mdr_gate_exit()
 *
 * Context: process context; may be nested. Inside, the caller may sleep, and
 * may take memory_lock and igate; it must not wait for any gate.
 * Return: true if inside; false if the gate is closed, and then there is
 * nothing to leave.
 */
static inline bool mdr_gate_enter(struct mdr_gate *gate,
				  enum mdr_entry_kind kind,
				  struct mdr_gate_entry *entry)
{
	mdr_gate_claim(gate, kind, entry);
	/* pairs with mdr_gate_close(): slot before closed */
	smp_mb();
	if (likely(!READ_ONCE(gate->closed)) || mdr_gate_touch(gate))
		return true;
	mdr_gate_exit(entry);
	return false;
}

/**
 * mdr_gate_try_enter - enter an open gate, if that is simple
 * @gate: the gate
 * @kind: what for
 * @inside: on success, the slot, for mdr_gate_leave()
 *
 * The same as mdr_gate_enter() for the usual case: the gate is plainly open and
 * the first slot of this CPU is free. No entry is needed on the stack then, and
 * with it no zeroing of it and no stack protector: that is two thirds of what
 * the way through the gate costs. On failure mdr_gate_enter() knows more.
 *
 * Context: as mdr_gate_enter().
 * Return: true if inside.
 */
static __always_inline bool mdr_gate_try_enter(struct mdr_gate *gate,
					       enum mdr_entry_kind kind,
					       struct mdr_gate_slot **inside)
{
	unsigned long owner = (unsigned long)current | kind;
	struct mdr_gate_slot *slot;

	preempt_disable();
	slot = this_cpu_ptr(mdr_gate_slots.slot);
	/*
	 * Other CPUs only ever free this slot, and only this CPU claims it: read
	 * as free it stays so until the store below, read as taken it may have
	 * been freed since. A plain read, since a marked one is a load by itself.
	 */
	if (unlikely(data_race(__this_cpu_read(mdr_gate_slots.slot[0].gate)))) {
		preempt_enable();
		return false;
	}
	__this_cpu_write(mdr_gate_slots.slot[0].owner, owner);
	/* as in mdr_gate_claim() */
	smp_store_release(&slot->gate, gate);
	preempt_enable();
	smp_mb(); /* as in mdr_gate_enter() */
	if (unlikely(READ_ONCE(gate->closed))) {
		/* as in mdr_gate_exit() */
		smp_store_release(&slot->gate, NULL);
		return false;
	}
	*inside = slot;
	return true;
}

/**
 * mdr_gate_leave - leave the gate
 * @slot: from mdr_gate_try_enter()
 *
 * Context: process context, the task that entered.
 */
static __always_inline void mdr_gate_leave(struct mdr_gate_slot *slot)
{
	/* as in mdr_gate_exit() */
	smp_store_release(&slot->gate, NULL);
}

/**
 * mdr_gate_enter_exclusive - be seen inside a gate regardless of its being
 *	closed
 * @gate: the gate
 * @entry: on the caller's stack, for mdr_gate_exit()
 *
 * The caller checks the state of the group afterwards: either it sees the error
 * that took the gate away from it, or that error's drain sees it.
 *
 * Context: process context.
 */
static inline void mdr_gate_enter_exclusive(struct mdr_gate *gate,
					    struct mdr_gate_entry *entry)
{
	mdr_gate_claim(gate, MDR_ENTRY_EXCLUSIVE, entry);
	smp_mb(); /* slot before the state of the group */
}

/**
 * mdr_gate_closed - did the gate close behind something just done inside?
 * @gate: the gate
 *
 * For work that must be undone if it was late: orders what the caller wrote
 * before the read of the flag, so that either the closer sees the former or the
 * caller sees the latter.
 *
 * Context: any.
 * Return: true if the gate is closed now.
 */
static inline bool mdr_gate_closed(struct mdr_gate *gate)
{
	smp_mb(); /* pairs with mdr_gate_close() and mdr_gate_open() */
	return READ_ONCE(gate->closed) == MDR_GATE_CLOSED;
}

#endif
