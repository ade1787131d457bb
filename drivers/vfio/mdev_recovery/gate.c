// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gate of a group, all but its fast path. See gate.h for how it works.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/spinlock.h>

#include "gate.h"

/*
 * How long a drain sleeps between two looks, in microseconds. What it waits for
 * is one register access of another CPU, or a fault on a page of its buffer.
 */
#define MDR_GATE_POLL_US 50

DEFINE_PER_CPU_ALIGNED(struct mdr_gate_slots, mdr_gate_slots);

/* Protects mdr_gate_overflow: entries that found no free slot on their CPU. */
static DEFINE_RAW_SPINLOCK(mdr_gate_overflow_lock);
static LIST_HEAD(mdr_gate_overflow);

/**
 * mdr_gate_init - prepare a gate, open
 * @gate: the gate
 *
 * Context: any; nobody else knows @gate yet.
 */
void mdr_gate_init(struct mdr_gate *gate)
{
	gate->closed = 0;
	gate->dead = 0;
	gate->closed_at = 0;
	init_waitqueue_head(&gate->wait);
}

/**
 * mdr_gate_close - let nobody in any more
 * @gate: the gate
 *
 * Who is inside stays inside: see mdr_gate_drain(). Closing a closed gate again
 * does not restart the stall time-outs.
 *
 * Context: process context; the caller holds the group's lock.
 * Return: true if the gate was open, but nobody has been inside.
 */
bool mdr_gate_close(struct mdr_gate *gate)
{
	u32 before;

	if (gate->closed != MDR_GATE_CLOSED)
		WRITE_ONCE(gate->closed_at, ktime_get_ns());
	WRITE_ONCE(gate->dead, 0);
	/*
	 * Fully ordered: the time before the flag, since a waiter computes with
	 * it, and the flag before the slots; pairs with mdr_gate_enter().
	 */
	before = xchg(&gate->closed, MDR_GATE_CLOSED);
	return before == MDR_GATE_UNTOUCHED;
}

/**
 * mdr_gate_open - let everybody in
 * @gate: the gate
 * @untouched: the host has reset the device and nobody has been inside since;
 *	the next mdr_gate_close() will tell whether that is still so
 *
 * Context: process context; the caller holds the group's lock.
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

/**
 * mdr_gate_die - close for good: whoever waits is released, nobody waits again
 * @gate: the gate
 *
 * Context: process context; the caller holds the group's lock.
 */
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

	/* pairs with mdr_gate_claim(), and with the release in an exit */
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
 * mdr_gate_drain - wait until nobody else is inside
 * @gate: a closed gate
 * @timeout_ms: the bound, in milliseconds
 * @config_is_blocked: the caller runs below pci_cfg_access_lock() of the
 *	function: who is inside for config space cannot leave before the caller
 *	is done, and cannot reach the device either; do not wait for them
 *
 * Context: process context, may sleep. Must not be called with memory_lock,
 * igate or mmap_lock held: who is inside may want them.
 * Return: true if nobody is inside any more, false if the bound passed.
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

/**
 * mdr_gate_touch - somebody wants in and the gate is not simply open
 * @gate: the gate
 *
 * Context: process context, the slot is claimed.
 * Return: true if the gate is open; then it is not untouched any more.
 */
bool mdr_gate_touch(struct mdr_gate *gate)
{
	u32 before = cmpxchg(&gate->closed, MDR_GATE_UNTOUCHED, MDR_GATE_OPEN);

	return before != MDR_GATE_CLOSED;
}

/**
 * mdr_gate_expired - is waiting over?
 * @gate: a closed gate
 * @stall_timeout_ms: how long its user wants to wait, in milliseconds
 *
 * Context: any.
 * Return: true if the device is lost, or the gate has been closed for longer.
 */
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
 * Context: process context, may sleep. The caller is not inside any gate and
 * holds no lock that a host callback or a task inside wants.
 * Return: 0 if the gate is open again, -ETIMEDOUT if the bound passed or the
 * device is lost, -ERESTARTSYS if a signal came.
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

/* @exclusive: inside this gate, and exclusively; NULL: inside any, anyhow */
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

/**
 * mdr_gate_current_inside - is the current task inside any gate?
 *
 * Looks at every slot: for slow paths.
 *
 * Context: process context.
 * Return: true if so; then it must not wait for a gate.
 */
bool mdr_gate_current_inside(void)
{
	return mdr_gate_find_mine(NULL);
}

/**
 * mdr_gate_current_exclusive - does the current task reset, open or close a
 *	device behind this gate?
 * @gate: the gate
 *
 * Looks at every slot: for slow paths.
 *
 * Context: process context.
 * Return: true if so; PCI reset callbacks that it meets are its own.
 */
bool mdr_gate_current_exclusive(const struct mdr_gate *gate)
{
	return mdr_gate_find_mine(gate);
}

/**
 * mdr_gate_claim_contended - claim a slot when the first one is taken
 * @gate: the gate
 * @owner: task and kind
 * @entry: filled in
 *
 * Context: preemption disabled by the caller.
 */
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

/**
 * mdr_gate_exit_overflow - leave the gate with an entry that has no slot
 * @entry: the entry
 *
 * Context: process context.
 */
void mdr_gate_exit_overflow(struct mdr_gate_entry *entry)
{
	guard(raw_spinlock)(&mdr_gate_overflow_lock);
	list_del(&entry->item);
}
