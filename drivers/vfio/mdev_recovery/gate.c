// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gate of a group, except for its fast path. gate.h explains how it works.
 */
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/sched.h>

#include "gate.h"

/*
 * Sleep between two looks of a drain, in microseconds. A drain waits for an access
 * to the device on another CPU.
 */
#define MDR_GATE_POLL_US 50

/* Pause between two looks of those that wait at a gate that is about to open. */
#define MDR_GATE_OPENING_MS 1000

int mdr_gate_init(struct mdr_gate *gate)
{
	int cpu, kind;

	gate->cpus = alloc_percpu(struct mdr_gate_cpu);
	if (!gate->cpus)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		for (kind = 0; kind < MDR_ENTRY_COUNTED; kind++)
			atomic_set(&per_cpu_ptr(gate->cpus, cpu)->inside[kind],
				   MDR_GATE_EMPTY);
	gate->closed = MDR_GATE_OPEN;
	gate->dead = 0;
	gate->closed_at = 0;
	init_waitqueue_head(&gate->wait);
	raw_spin_lock_init(&gate->lock);
	INIT_LIST_HEAD(&gate->exclusive);
	return 0;
}

/* Also after mdr_gate_init() failed. */
void mdr_gate_destroy(struct mdr_gate *gate)
{
	free_percpu(gate->cpus);
}

/* Set @closed and adjust the counts to it. Fully ordered. */
static void mdr_gate_set(struct mdr_gate *gate, enum mdr_gate_closed closed)
{
	bool was_shut = gate->closed != MDR_GATE_OPEN;
	bool shut = closed != MDR_GATE_OPEN;
	int cpu, kind;

	lockdep_assert_held(&gate->lock);

	/* orders closed_at, and accesses to the device, before the flag */
	smp_store_release(&gate->closed, closed);
	smp_mb(); /* for the counts too; pairs with mdr_gate_closed() */
	if (shut == was_shut)
		return;
	for_each_possible_cpu(cpu)
		for (kind = 0; kind < MDR_ENTRY_COUNTED; kind++)
			atomic_add(shut ? MDR_GATE_SHUT : -MDR_GATE_SHUT,
				   &per_cpu_ptr(gate->cpus, cpu)->inside[kind]);
	smp_mb(); /* the counts before the drain */
}

/*
 * Close the gate. Tasks inside stay inside: see mdr_gate_drain(). Closing it again does
 * not restart the stall timeouts. True if it was MDR_GATE_UNTOUCHED. The caller holds
 * the group's lock.
 */
bool mdr_gate_close(struct mdr_gate *gate)
{
	bool untouched;

	guard(raw_spinlock)(&gate->lock);
	untouched = gate->closed == MDR_GATE_UNTOUCHED;
	if (!mdr_gate_keeps_out(gate->closed))
		WRITE_ONCE(gate->closed_at, ktime_get_ns());
	WRITE_ONCE(gate->dead, 0);
	mdr_gate_set(gate, MDR_GATE_CLOSED);
	return untouched;
}

/* Let the stall timeouts of a closed gate begin now. The caller holds the group's lock. */
void mdr_gate_restart(struct mdr_gate *gate)
{
	guard(raw_spinlock)(&gate->lock);
	WRITE_ONCE(gate->closed_at, ktime_get_ns());
}

/*
 * Is a closed gate about to open? What its users have mapped in place of the device can be
 * removed then. The caller holds the group's lock.
 */
void mdr_gate_open_soon(struct mdr_gate *gate, bool soon)
{
	scoped_guard(raw_spinlock, &gate->lock)
		mdr_gate_set(gate, soon ? MDR_GATE_OPENING : MDR_GATE_CLOSED);
	/* at one that is dead nobody waits on */
	if (!soon)
		wake_up_all(&gate->wait);
}

/*
 * Open the gate, with the group's lock held. @untouched: the host has reset the device
 * and no task has been inside since; the next mdr_gate_close() tells if that still holds.
 */
void mdr_gate_open(struct mdr_gate *gate, bool untouched)
{
	scoped_guard(raw_spinlock, &gate->lock) {
		WRITE_ONCE(gate->dead, 0);
		mdr_gate_set(gate, untouched ? MDR_GATE_UNTOUCHED :
					       MDR_GATE_OPEN);
	}
	wake_up_all(&gate->wait);
}

/* Close for good and release all waiters. The caller holds the group's lock. */
void mdr_gate_die(struct mdr_gate *gate)
{
	mdr_gate_close(gate);
	WRITE_ONCE(gate->dead, 1);
	wake_up_all(&gate->wait);
}

/* True if the gate is open. Ends MDR_GATE_UNTOUCHED. */
static bool mdr_gate_touch(struct mdr_gate *gate)
{
	/* orders the flag before what the recovery did to the device */
	u32 closed = smp_load_acquire(&gate->closed);

	if (closed != MDR_GATE_UNTOUCHED)
		return closed == MDR_GATE_OPEN;

	guard(raw_spinlock)(&gate->lock);
	if (gate->closed == MDR_GATE_UNTOUCHED)
		mdr_gate_set(gate, MDR_GATE_OPEN);
	return gate->closed == MDR_GATE_OPEN;
}

/*
 * Enter a gate even if it is closed. The caller checks the state of the group
 * afterwards: either it sees the error that took the gate away, or the drain of
 * that error sees the caller.
 */
void mdr_gate_enter_exclusive(struct mdr_gate *gate,
			      struct mdr_gate_entry *entry)
{
	entry->gate = gate;
	entry->inside = NULL;
	entry->owner = current;
	entry->user_reset = false;
	entry->was_reset = false;
	scoped_guard(raw_spinlock, &gate->lock)
		list_add(&entry->item, &gate->exclusive);
	smp_mb(); /* the entry before the state of the group */
}

/* The slow path of mdr_gate_enter(): the gate is not open, or @kind is exclusive. */
bool mdr_gate_enter_slowly(struct mdr_gate *gate, enum mdr_entry_kind kind,
			   struct mdr_gate_entry *entry)
{
	if (kind == MDR_ENTRY_EXCLUSIVE) {
		mdr_gate_enter_exclusive(gate, entry);
		if (mdr_gate_touch(gate))
			return true;
		mdr_gate_exit(entry);
		return false;
	}

	while (mdr_gate_touch(gate)) {
		entry->inside = &raw_cpu_ptr(gate->cpus)->inside[kind];
		/* as in mdr_gate_enter() */
		if (atomic_inc_return(entry->inside) < MDR_GATE_SHUT / 2)
			return true;
		atomic_dec(entry->inside);
	}
	return false;
}

void mdr_gate_exit_exclusive(struct mdr_gate_entry *entry)
{
	guard(raw_spinlock)(&entry->gate->lock);
	list_del(&entry->item);
}

/**
 * struct mdr_gate_look - how far a drain has come
 * @closed_at: when the gate closed
 * @cpu: the first CPU on which somebody may be inside, by kind
 *
 * A closed gate lets nobody in, so a count that was empty once stays empty. Failed entries
 * raise it for a moment. If all counts had to be empty in the same round, many such entries
 * would look like a user that stays inside.
 */
struct mdr_gate_look {
	u64 closed_at;
	unsigned int cpu[MDR_ENTRY_COUNTED];
};

static void mdr_gate_look_begin(struct mdr_gate *gate, struct mdr_gate_look *look)
{
	int kind;

	look->closed_at = READ_ONCE(gate->closed_at);
	for (kind = 0; kind < MDR_ENTRY_COUNTED; kind++)
		look->cpu[kind] = cpumask_first(cpu_possible_mask);
}

/* Ignores MDR_GATE_SHUT: the gate may have opened since the drain began. */
static bool mdr_gate_is_empty(struct mdr_gate *gate, enum mdr_entry_kind kind,
			      struct mdr_gate_look *look)
{
	const int entries = MDR_GATE_SHUT - 1;
	unsigned int *cpu = &look->cpu[kind];
	int inside;

	for (; *cpu < nr_cpu_ids; *cpu = cpumask_next(*cpu, cpu_possible_mask)) {
		/* pairs with mdr_gate_exit() and mdr_gate_leave() */
		inside = atomic_read_acquire(&per_cpu_ptr(gate->cpus, *cpu)->inside[kind]);
		if ((inside & entries) != (MDR_GATE_EMPTY & entries))
			return false;
	}
	return true;
}

static bool mdr_gate_is_drained(struct mdr_gate *gate, bool config_is_blocked,
				struct mdr_gate_look *look)
{
	struct mdr_gate_entry *entry;

	/* it has opened and closed since, so there may be others */
	if (READ_ONCE(gate->closed_at) != look->closed_at)
		mdr_gate_look_begin(gate, look);
	if (!mdr_gate_is_empty(gate, MDR_ENTRY_ACCESS, look) ||
	    (!config_is_blocked && !mdr_gate_is_empty(gate, MDR_ENTRY_CONFIG, look)))
		return false;

	guard(raw_spinlock)(&gate->lock);
	list_for_each_entry(entry, &gate->exclusive, item)
		if (entry->owner != current)
			return false;
	return true;
}

/*
 * Wait until no other task is inside a closed gate, for @timeout_ms at most; false if
 * one still is. The caller's own exclusive entries do not count. Tasks inside may need
 * memory_lock, igate and mmap_lock, so the caller holds none of them.
 *
 * @config_is_blocked: the caller runs under pci_cfg_access_lock() of the function. Tasks
 * inside for config space may wait for that lock, so they are not waited for.
 */
bool mdr_gate_drain(struct mdr_gate *gate, unsigned int timeout_ms,
		    bool config_is_blocked)
{
	u64 deadline = ktime_get_ns() + (u64)timeout_ms * NSEC_PER_MSEC;
	struct mdr_gate_look look;

	might_sleep();
	mdr_gate_look_begin(gate, &look);
	while (!mdr_gate_is_drained(gate, config_is_blocked, &look)) {
		if (ktime_get_ns() >= deadline)
			return false;
		usleep_range(MDR_GATE_POLL_US, 2 * MDR_GATE_POLL_US);
	}
	return true;
}

/*
 * True if the device is lost or a closed gate has been closed for too long, unless it is
 * about to open. The caller has seen it closed, by mdr_gate_closed().
 */
bool mdr_gate_expired(struct mdr_gate *gate, unsigned int stall_timeout_ms)
{
	u64 closed_at = READ_ONCE(gate->closed_at);

	if (READ_ONCE(gate->closed) == MDR_GATE_OPENING)
		return false;
	return READ_ONCE(gate->dead) ||
	       ktime_get_ns() - closed_at >=
	       (u64)stall_timeout_ms * NSEC_PER_MSEC;
}

static bool mdr_gate_wait_ends(struct mdr_gate *gate)
{
	u32 closed = READ_ONCE(gate->closed);

	return !mdr_gate_keeps_out(closed) ||
	       (closed == MDR_GATE_CLOSED && READ_ONCE(gate->dead));
}

/*
 * How long the bound still is for those that wait at a closed gate, in jiffies. At one that
 * is about to open they look again after a while.
 */
long mdr_gate_left(struct mdr_gate *gate, unsigned int stall_timeout_ms)
{
	u64 deadline = READ_ONCE(gate->closed_at) +
		       (u64)stall_timeout_ms * NSEC_PER_MSEC;
	u64 now = ktime_get_ns();

	if (READ_ONCE(gate->closed) == MDR_GATE_OPENING)
		return nsecs_to_jiffies((u64)MDR_GATE_OPENING_MS * NSEC_PER_MSEC);
	return now < deadline ? nsecs_to_jiffies(deadline - now) + 1 : 0;
}

/*
 * Wait for a closed gate to open, for @stall_timeout_ms since it closed. If
 * @interruptible, any signal ends the wait, not just a fatal one. The caller is inside no
 * gate, and holds no lock that a host callback or a task inside needs.
 *
 * Returns 0, -ETIMEDOUT if the bound passed or the device is lost, or -ERESTARTSYS.
 */
int mdr_gate_wait(struct mdr_gate *gate, unsigned int stall_timeout_ms,
		  bool interruptible)
{
	long left;

	might_sleep();
	WARN_ON_ONCE(mdr_gate_current_calls());

	if (!mdr_gate_closed(gate))
		return 0;
	left = mdr_gate_left(gate, stall_timeout_ms);
	if (interruptible)
		left = wait_event_interruptible_timeout(gate->wait,
							mdr_gate_wait_ends(gate),
							left);
	else
		left = wait_event_killable_timeout(gate->wait,
						   mdr_gate_wait_ends(gate),
						   left);
	if (!mdr_gate_closed(gate))
		return 0;
	/* the gate opened and closed again: the caller checks it once more */
	if (left > 0 && !READ_ONCE(gate->dead))
		return 0;
	if (left < 0)
		return left;
	/* or it did so after the bound, before this task ran */
	return mdr_gate_expired(gate, stall_timeout_ms) ? -ETIMEDOUT : 0;
}

/* The entry of this task while it resets, opens or closes a device of the gate, or NULL. */
struct mdr_gate_entry *mdr_gate_current_exclusive(struct mdr_gate *gate)
{
	struct mdr_gate_entry *entry;

	guard(raw_spinlock)(&gate->lock);
	list_for_each_entry(entry, &gate->exclusive, item)
		if (entry->owner == current)
			return entry;
	return NULL;
}
