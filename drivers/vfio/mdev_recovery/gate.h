/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The gate of a group keeps user access and host recovery apart.
 *
 * A task enters the gate to use a device and leaves it when it is done. A task
 * that needs the device for itself closes the gate and then drains it: it
 * waits, with a bound, until everyone inside has left.
 *
 * A per-CPU slot records each task inside: its gate and its purpose. Entering
 * writes the slot and then reads @closed; closing writes @closed and then reads
 * all slots. Both put a full barrier in between, so at least one side sees the
 * other. The fast path takes no lock and shares no written cache line.
 *
 * The slot names its task because the user buffer of a read() may itself lie in
 * a BAR mapping: a task inside a gate can fault on a closed one. That fault
 * must not wait, or a drain would wait for it (mdr_gate_current_inside()).
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

/* Slots per CPU; entries beyond them go to a list under a lock. */
#define MDR_GATE_SLOTS 8

/**
 * enum mdr_entry_kind - purpose of an entry, in the low bits of a task pointer
 * @MDR_ENTRY_ACCESS: use of the device: registers, interrupts and so on
 * @MDR_ENTRY_CONFIG: config space, which the PCI core blocks by itself while it
 *	resets the function (pci_cfg_access_lock())
 * @MDR_ENTRY_EXCLUSIVE: reset, open or close of the device by the task that
 *	closed the gate; PCI reset callbacks in that task are its own
 */
enum mdr_entry_kind {
	MDR_ENTRY_ACCESS = 0,
	MDR_ENTRY_CONFIG,
	MDR_ENTRY_EXCLUSIVE,
};

#define MDR_ENTRY_KIND_MASK 3UL

/*
 * An untouched gate is open, and no task has entered since the host reset the
 * device; the first to enter sets MDR_GATE_OPEN.
 */
enum mdr_gate_closed {
	MDR_GATE_OPEN = 0,
	MDR_GATE_CLOSED,
	MDR_GATE_UNTOUCHED,
};

/**
 * struct mdr_gate - the gate of a group
 * @closed: an enum mdr_gate_closed; read on every access
 * @dead: nonzero if the device is lost and waiting is pointless
 * @closed_at: ktime_get_ns() when the gate closed. Stall timeouts count from
 *	here: a user suffers one per recovery, not one per access.
 * @wait: tasks that wait for the gate to open or to die
 *
 * Written under the group's lock, except by mdr_gate_touch(); read without.
 */
struct mdr_gate {
	u32 closed;
	u32 dead;
	u64 closed_at;
	wait_queue_head_t wait;
} ____cacheline_aligned_in_smp;

/*
 * One task inside a gate. A slot is claimed on its own CPU with preemption
 * disabled, and freed from any CPU.
 */
struct mdr_gate_slot {
	struct mdr_gate *gate;		/* NULL if the slot is free */
	unsigned long owner;		/* task | enum mdr_entry_kind */
};

struct mdr_gate_slots {
	struct mdr_gate_slot slot[MDR_GATE_SLOTS];
};

/* One CPU's slots share no cache line with anything else. */
static_assert(sizeof(struct mdr_gate_slots) % SMP_CACHE_BYTES == 0);

DECLARE_PER_CPU_ALIGNED(struct mdr_gate_slots, mdr_gate_slots);

/* An entry, on the stack of its task. */
struct mdr_gate_entry {
	struct mdr_gate_slot *slot;	/* &overflow if the CPU has none free */
	struct mdr_gate_slot overflow;
	struct list_head item;		/* in the overflow list */
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

/* Leave the gate, in the task that entered. */
static inline void mdr_gate_exit(struct mdr_gate_entry *entry)
{
	if (likely(entry->slot != &entry->overflow))
		/* a drain that sees the slot free sees what was done inside */
		smp_store_release(&entry->slot->gate, NULL);
	else
		mdr_gate_exit_overflow(entry);
}

/**
 * mdr_gate_enter - enter an open gate
 * @gate: the gate
 * @kind: purpose
 * @entry: on the caller's stack, for mdr_gate_exit()
 *
 * Context: may be nested. Inside, the caller may sleep and take memory_lock and
 * igate, but must not wait for any gate.
 * Return: true if inside; false if the gate is closed, with nothing to leave.
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

/*
 * The fast path of mdr_gate_enter(): succeeds if the gate is MDR_GATE_OPEN and
 * the first slot of this CPU is free. @inside is for mdr_gate_leave(). Without
 * a struct mdr_gate_entry the stack needs no zeroing and no protector, which are
 * two thirds of the cost of the gate.
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
	 * Only this CPU claims the slot, so if it reads as free it stays free
	 * until the store below; if it reads as taken, another CPU may just have
	 * freed it. A marked read would be one more load instruction.
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

/* Leave the gate after mdr_gate_try_enter(), in the same task. */
static __always_inline void mdr_gate_leave(struct mdr_gate_slot *slot)
{
	/* as in mdr_gate_exit() */
	smp_store_release(&slot->gate, NULL);
}

/*
 * Enter a gate even if it is closed. The caller checks the state of the group
 * afterwards: either it sees the error that took the gate away, or the drain of
 * that error sees the caller.
 */
static inline void mdr_gate_enter_exclusive(struct mdr_gate *gate,
					    struct mdr_gate_entry *entry)
{
	mdr_gate_claim(gate, MDR_ENTRY_EXCLUSIVE, entry);
	smp_mb(); /* slot before the state of the group */
}

/*
 * True if the gate is closed, for work that must be undone if it came too late:
 * either the task that closes the gate sees what the caller wrote before, or
 * the caller sees the closed gate.
 */
static inline bool mdr_gate_closed(struct mdr_gate *gate)
{
	smp_mb(); /* pairs with mdr_gate_close() and mdr_gate_open() */
	return READ_ONCE(gate->closed) == MDR_GATE_CLOSED;
}

#endif
