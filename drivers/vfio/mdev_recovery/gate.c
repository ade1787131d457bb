// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gate of a group, except for its fast path. gate.h explains how it works.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/spinlock.h>

#include "gate.h"

/*
 * Sleep between two looks of a drain, in microseconds. A drain waits for a
 * register access on another CPU, or for a page fault on the user's buffer.
 */
#define MDR_GATE_POLL_US 50

DEFINE_PER_CPU_ALIGNED(struct mdr_gate_slots, mdr_gate_slots);

/* Protects mdr_gate_overflow: entries that found no free slot on their CPU. */
static DEFINE_RAW_SPINLOCK(mdr_gate_overflow_lock);
static LIST_HEAD(mdr_gate_overflow);

void mdr_gate_init(struct mdr_gate *gate)
{
	gate->closed = 0;
	gate->dead = 0;
	gate->closed_at = 0;
	init_waitqueue_head(&gate->wait);
}

/*
 * Close the gate. Tasks that are inside stay inside: see mdr_gate_drain().
 * Closing a closed gate again does not restart the stall timeouts. Returns true
 * if the gate was MDR_GATE_UNTOUCHED. The caller holds the group's lock.
 */
bool mdr_gate_close(struct mdr_gate *gate)
{
	u32 before;

	if (gate->closed != MDR_GATE_CLOSED)
		WRITE_ONCE(gate->closed_at, ktime_get_ns());
	WRITE_ONCE(gate->dead, 0);
	/*
	 * Fully ordered: closed_at before the flag, since waiters use it, and
	 * the flag before the slots, which pairs with mdr_gate_enter().
	 */
	before = xchg(&gate->closed, MDR_GATE_CLOSED);
	return before == MDR_GATE_UNTOUCHED;
}

/*
 * Open the gate. @untouched: the host has reset the device and no task has been
 * inside since; the next mdr_gate_close() tells whether that still holds. The
 * caller holds the group's lock.
 */
void mdr_gate_open(struct mdr_gate *gate, bool untouched)
{
	WRITE_ONCE(gate->dead, 0);
	/* what the recovery did to the device before the flag */
	smp_store_release(&gate->closed, untouched ? MDR_GATE_UNTOUCHED :
						     MDR_GATE_OPEN);
	smp_mb(); /* pairs with mdr_gate_closed() */
	wake_up_all(&gate->wait);
}

/* Close for good and release all waiters. The caller holds the group's lock. */
void mdr_gate_die(struct mdr_gate *gate)
{
	mdr_gate_close(gate);
	WRITE_ONCE(gate->dead, 1);
	wake_up_all(&gate->wait);
}

static bool mdr_gate_slot_counts(const struct mdr_gate_slot *slot,
				 const struct mdr_gate *gate,
				 bool config_is_blocked)
{
	unsigned long owner;

	/* pairs with the stores in mdr_gate_claim() and mdr_gate_exit() */
	if (smp_load_acquire(&slot->gate) != gate)
		return false;
	owner = READ_ONCE(slot->owner);
	if ((owner & ~MDR_ENTRY_KIND_MASK) == (unsigned long)current)
		return false;
	return !(config_is_blocked &&
		 (owner & MDR_ENTRY_KIND_MASK) == MDR_ENTRY_CONFIG);
}

static bool mdr_gate_is_drained(struct mdr_gate *gate, bool config_is_blocked)
{
	struct mdr_gate_entry *entry;
	int cpu, i;

	for_each_possible_cpu(cpu) {
		struct mdr_gate_slots *slots = per_cpu_ptr(&mdr_gate_slots, cpu);

		for (i = 0; i < MDR_GATE_SLOTS; i++)
			if (mdr_gate_slot_counts(&slots->slot[i], gate,
						 config_is_blocked))
				return false;
	}

	guard(raw_spinlock)(&mdr_gate_overflow_lock);
	list_for_each_entry(entry, &mdr_gate_overflow, item)
		if (mdr_gate_slot_counts(&entry->overflow, gate,
					 config_is_blocked))
			return false;
	return true;
}

/**
 * mdr_gate_drain - wait until no other task is inside
 * @gate: a closed gate
 * @timeout_ms: the bound, in milliseconds
 * @config_is_blocked: the caller runs under pci_cfg_access_lock() of the
 *	function, so a task inside for config space cannot reach the device and
 *	cannot leave before the caller is done; do not wait for it
 *
 * Context: memory_lock, igate and mmap_lock must not be held, since tasks
 * inside may need them.
 * Return: true if no other task is inside, false if the bound passed.
 */
bool mdr_gate_drain(struct mdr_gate *gate, unsigned int timeout_ms,
		    bool config_is_blocked)
{
	u64 deadline = ktime_get_ns() + (u64)timeout_ms * NSEC_PER_MSEC;

	might_sleep();
	while (!mdr_gate_is_drained(gate, config_is_blocked)) {
		if (ktime_get_ns() >= deadline)
			return false;
		usleep_range(MDR_GATE_POLL_US, 2 * MDR_GATE_POLL_US);
	}
	return true;
}

/*
 * The slow path of mdr_gate_enter(), with the slot claimed. Returns true if the
 * gate is open; it is not untouched any more then.
 */
bool mdr_gate_touch(struct mdr_gate *gate)
{
	u32 before = cmpxchg(&gate->closed, MDR_GATE_UNTOUCHED, MDR_GATE_OPEN);

	return before != MDR_GATE_CLOSED;
}

/* True if the device is lost or a closed gate has been closed for too long. */
bool mdr_gate_expired(struct mdr_gate *gate, unsigned int stall_timeout_ms)
{
	u64 stalled = ktime_get_ns() - READ_ONCE(gate->closed_at);

	return READ_ONCE(gate->dead) ||
	       stalled >= (u64)stall_timeout_ms * NSEC_PER_MSEC;
}

static bool mdr_gate_wait_ends(struct mdr_gate *gate)
{
	return READ_ONCE(gate->closed) != MDR_GATE_CLOSED ||
	       READ_ONCE(gate->dead);
}

/**
 * mdr_gate_wait - wait for a closed gate
 * @gate: the gate
 * @stall_timeout_ms: the bound, in milliseconds since the gate closed
 * @interruptible: any signal ends the wait, not just a fatal one
 *
 * Context: not inside any gate, and no lock held that a host callback or a task
 * inside needs.
 * Return: 0 if the gate is open again, -ETIMEDOUT if the bound passed or the
 * device is lost, -ERESTARTSYS on a signal.
 */
int mdr_gate_wait(struct mdr_gate *gate, unsigned int stall_timeout_ms,
		  bool interruptible)
{
	u64 deadline, now;
	long left;

	might_sleep();
	WARN_ON_ONCE(mdr_gate_current_inside());

	deadline = READ_ONCE(gate->closed_at) +
		   (u64)stall_timeout_ms * NSEC_PER_MSEC;
	now = ktime_get_ns();
	left = now < deadline ? nsecs_to_jiffies(deadline - now) + 1 : 0;
	if (interruptible)
		left = wait_event_interruptible_timeout(gate->wait,
							mdr_gate_wait_ends(gate),
							left);
	else
		left = wait_event_killable_timeout(gate->wait,
						   mdr_gate_wait_ends(gate),
						   left);
	if (READ_ONCE(gate->closed) != MDR_GATE_CLOSED)
		return 0;
	return left < 0 ? left : -ETIMEDOUT;
}

/* With @exclusive: inside that gate as its MDR_ENTRY_EXCLUSIVE. */
static bool mdr_gate_slot_is_mine(const struct mdr_gate_slot *slot,
				  const struct mdr_gate *exclusive)
{
	/* pairs with mdr_gate_claim() */
	const struct mdr_gate *gate = smp_load_acquire(&slot->gate);
	unsigned long owner;

	if (!gate)
		return false;
	owner = READ_ONCE(slot->owner);
	if ((owner & ~MDR_ENTRY_KIND_MASK) != (unsigned long)current)
		return false;
	return !exclusive ||
	       (gate == exclusive &&
		(owner & MDR_ENTRY_KIND_MASK) == MDR_ENTRY_EXCLUSIVE);
}

static bool mdr_gate_find_mine(const struct mdr_gate *exclusive)
{
	struct mdr_gate_entry *entry;
	int cpu, i;

	for_each_possible_cpu(cpu) {
		struct mdr_gate_slots *slots = per_cpu_ptr(&mdr_gate_slots, cpu);

		for (i = 0; i < MDR_GATE_SLOTS; i++)
			if (mdr_gate_slot_is_mine(&slots->slot[i], exclusive))
				return true;
	}

	guard(raw_spinlock)(&mdr_gate_overflow_lock);
	list_for_each_entry(entry, &mdr_gate_overflow, item)
		if (mdr_gate_slot_is_mine(&entry->overflow, exclusive))
			return true;
	return false;
}

/* True inside any gate, where the task must not wait for one. Slow. */
bool mdr_gate_current_inside(void)
{
	return mdr_gate_find_mine(NULL);
}

/* True while this task resets, opens or closes a device of the gate. Slow. */
bool mdr_gate_current_exclusive(const struct mdr_gate *gate)
{
	return mdr_gate_find_mine(gate);
}

/* Called with preemption disabled, when the first slot is taken. */
void mdr_gate_claim_contended(struct mdr_gate *gate, unsigned long owner,
			      struct mdr_gate_entry *entry)
{
	struct mdr_gate_slot *slot = this_cpu_ptr(mdr_gate_slots.slot);
	int i;

	for (i = 1; i < MDR_GATE_SLOTS; i++) {
		if (READ_ONCE(slot[i].gate))
			continue;
		WRITE_ONCE(slot[i].owner, owner);
		/* as in mdr_gate_claim() */
		smp_store_release(&slot[i].gate, gate);
		entry->slot = &slot[i];
		return;
	}

	entry->slot = &entry->overflow;
	entry->overflow.owner = owner;
	entry->overflow.gate = gate;
	guard(raw_spinlock)(&mdr_gate_overflow_lock);
	list_add(&entry->item, &mdr_gate_overflow);
}

void mdr_gate_exit_overflow(struct mdr_gate_entry *entry)
{
	guard(raw_spinlock)(&mdr_gate_overflow_lock);
	list_del(&entry->item);
}
