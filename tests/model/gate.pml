/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The gate: its counts, and its barriers on x86 and on arm64. gate.c, gate.h, and what
 * fault.c and device.c build on them.
 *
 * Memory is one for all (both architectures are other-multi-copy atomic). What makes
 * them weak is that a CPU performs its own accesses out of order: an access may be
 * performed as soon as everything has been that it is ordered after. Which that is:
 *
 *	x86	a load may overtake a store before it (the store buffer), nothing else;
 *		every atomic operation is a full barrier
 *	arm64	anything may overtake anything, but for barriers, acquire, release,
 *		atomic operations that return a value, and what depends on a load
 *
 * A test is two CPUs and what must not be seen. An access reads
 * "not done, and all it waits for is done -> perform it". WR(x) and the like ask
 * whether a load (R) or store (W) must wait for x without a barrier.
 *
 * -DX86 or -DARM64, -DTEST_<name>, and -DNO_<name> to leave something out. TEST_COUNTS
 * has several CPUs in order, and no barriers: it is about the counts.
 */

#ifdef X86
#define WR(x) 1			/* a load after a store */
#define WW(x) (x)
#define RR(x) (x)
#define RMW(x) (x)		/* an atomic operation without a result */
#else
#define WR(x) 1
#define WW(x) 1
#define RR(x) 1
#define RMW(x) 1
#endif

/* smp_mb() in mdr_gate_closed() */
#ifndef NO_CLOSED_MB
#define CLOSED_MB(x) (x)
#else
#define CLOSED_MB(x) WR(x)
#endif
/* the first smp_mb() in mdr_gate_set(), for readers of @closed */
#ifndef NO_SET_MB
#define SET_MB(x) (x)
#else
#define SET_MB(x) WR(x)
#endif
/* the same, before the counts, and the release before it */
#ifndef NO_COUNT_MB
#define COUNT_MB(x) (x)
#else
#define COUNT_MB(x) RMW(x)
#endif
/* smp_mb__before_atomic() in mdr_gate_exit() */
#ifndef NO_EXIT_MB
#define EXIT_MB(x) (x)
#else
#define EXIT_MB(x) RMW(x)
#endif
/* atomic_read_acquire() in mdr_gate_is_empty() */
#ifndef NO_ACQUIRE
#define ACQUIRE(x) (x)
#else
#define ACQUIRE(x) RR(x)
#endif
/* smp_mb() in mdr_gate_enter_exclusive() */
#ifndef NO_EXCLUSIVE_MB
#define EXCLUSIVE_MB(x) (x)
#else
#define EXCLUSIVE_MB(x) WR(x)
#endif

#define SHUT 16			/* MDR_GATE_SHUT; counts begin with 0 here */

bit closed, entry, flag, device;
bit user_in, host_in, lock;
#if defined(TEST_LEAVE)
byte count = 1;
#elif defined(TEST_OPEN)
byte count = SHUT;
#else
byte count;
#endif
byte state, through;

#ifdef TEST_ENTER
/*
 * Enter against close and drain: user and host are never both at the device. All is in
 * one count, so this needs no barrier; what it needs is that the operation which counts
 * a task also shows it whether the gate is shut.
 */
active proctype user()
{
	byte see;

#ifndef NO_RESULT
	atomic { count++; see = count }
#else
	see = count;
	count++;
#endif
	if
	:: see < SHUT -> atomic { assert(!host_in); user_in = 1 }
	   user_in = 0
	:: else
	fi;
	count--
}

active proctype host()
{
	count = count + SHUT;
	/* the drain */
	atomic { count == SHUT -> assert(!user_in); host_in = 1 }
}
#endif

#ifdef TEST_EXCLUSIVE
/*
 * mdr_gate_enter_exclusive() against an error: the closing task either sees the error, or
 * the drain of the error sees the closing task. state: 1 is closing. The list is behind
 * a lock, and that alone orders it: what is before an unlock is done at the unlock, and
 * what is after a lock is done after it.
 */
active proctype closing()
{
	bit locked, set, unlocked, looked;
	byte see;

	do
	:: atomic { !locked && !lock -> lock = 1; locked = 1 }
	:: atomic { locked && !set -> entry = 1; set = 1 }
	:: atomic { set && !unlocked -> lock = 0; unlocked = 1 }
	:: atomic { locked && !looked && EXCLUSIVE_MB(unlocked) -> see = state; looked = 1 }
	:: atomic { unlocked && looked -> break }
	od;
	if
	:: !see -> atomic { assert(!host_in); user_in = 1 }
	   atomic { user_in = 0; entry = 0 }
	:: else -> entry = 0
	fi
}

active proctype host()
{
	bit told, locked, looked, see;

	do
	:: atomic { !told -> state = 1; told = 1 }
#ifndef NO_LIST_LOCK
	:: atomic { !locked && !lock -> lock = 1; locked = 1 }
	:: atomic { locked && !looked -> see = entry; looked = 1 }
	:: atomic { looked && told -> lock = 0; break }
#else
	:: atomic { !looked && WR(told) -> see = entry; looked = 1 }
	:: atomic { looked && told -> break }
#endif
	od;
	if
	:: see -> !entry
	:: else
	fi;
	atomic { assert(!user_in); host_in = 1 }
}
#endif

#ifdef TEST_LEAVE
/* What was done inside is done when a drain sees that nobody is inside. */
active proctype user()
{
	bit did, left;

	do
	:: atomic { !did -> device = 1; did = 1 }
	:: atomic { !left && EXIT_MB(did) -> count = 0; left = 1 }
	:: atomic { did && left -> break }
	od
}

active proctype host()
{
	bit looked, checked, saw;
	byte see;

	do
	:: atomic { !looked -> see = count; looked = 1 }
	:: atomic { !checked && ACQUIRE(looked) -> saw = device; checked = 1 }
	:: atomic { looked && checked -> break }
	od;
	assert(see || saw)
}

#endif

#ifdef TEST_OPEN
/* A user that the count lets in finds the device as the recovery left it. */
active proctype host()
{
	bit restored, set;

	do
	:: atomic { !restored -> device = 1; restored = 1 }
	:: atomic { !set && COUNT_MB(restored) -> count = count - SHUT; set = 1 }
	:: atomic { restored && set -> break }
	od
}

/* The access is not made ahead of the branch that it depends on. */
active proctype user()
{
	byte see;

	atomic { count++; see = count }
	if
	:: see < SHUT -> assert(device)
	:: else
	fi
}
#endif

#ifdef TEST_MAP
/*
 * A fault inserts its entry and looks; closing sets the flag and zaps. A gate that was
 * untouched is shut already, so no count lies between the two.
 */
active proctype fault()
{
	bit set, looked, see;

	do
	:: atomic { !set -> entry = 1; set = 1 }
	:: atomic { !looked && CLOSED_MB(set) -> see = closed; looked = 1 }
	:: atomic { set && looked -> break }
	od;
	if
	:: see -> entry = 0
	:: else
	fi;
	through++
}

active proctype host()
{
	bit set, looked, see;

	do
	:: atomic { !set -> closed = 1; set = 1 }
	:: atomic { !looked && SET_MB(set) -> see = entry; looked = 1 }
	:: atomic { set && looked -> break }
	od;
	if
	:: see -> entry = 0
	:: else
	fi;
	through++
}

active proctype check()
{
	atomic { through == 2 -> assert(!entry) }
}
#endif

#ifdef TEST_ONES
/*
 * The substitute page: a fault inserts, counts, and looks; opening says that it is about
 * to, and looks at the count. Here closed is 1 when the gate is about to open.
 */
active proctype fault()
{
	bit marked, set, looked, see;

	do
	:: atomic { !marked -> flag = 1; marked = 1 }
	/* the page table lock orders nothing before it */
	:: atomic { !set && WW(marked) -> entry = 1; set = 1 }
	:: atomic { !looked && CLOSED_MB(set) && CLOSED_MB(marked) -> see = closed; looked = 1 }
	:: atomic { marked && set && looked -> break }
	od;
	if
	:: see -> entry = 0
	:: else
	fi;
	through++
}

active proctype host()
{
	bit set, looked, see;

	do
	:: atomic { !set -> closed = 1; set = 1 }
	:: atomic { !looked && SET_MB(set) -> see = flag; looked = 1 }
	:: atomic { set && looked -> break }
	od;
	if
	:: see -> entry = 0
	:: else
	fi;
	through++
}

active proctype check()
{
	atomic { through == 2 -> assert(!entry) }
}
#endif

#ifdef TEST_COUNTS
/*
 * The counts of two CPUs and the flag, step by step: two users, and a host that closes,
 * drains and opens twice. OPEN, CLOSED and UNTOUCHED as in gate.h.
 */
#define OPEN 0
#define CLOSED 1
#define UNTOUCHED 2

short inside[2];		/* the counts; MDR_GATE_EMPTY is 0 here */
byte gate = UNTOUCHED, holder;
byte at_device;			/* users inside */
bit quiet;			/* drained, and not opened since */

inline gate_lock() { atomic { !holder -> holder = 1 } }
inline gate_unlock() { holder = 0 }

/* mdr_gate_set() */
inline gate_set(to)
{
	was = gate;
	gate = to;
#ifndef NO_STEP
	if
	:: (was == OPEN) == (to == OPEN)
	:: else ->
#endif
		cpu = 0;
		do
		:: cpu < 2 -> inside[cpu] = inside[cpu] + (to == OPEN -> -SHUT : SHUT); cpu++
		:: else -> break
		od
#ifndef NO_STEP
	fi
#endif
	;
	cpu = 0
}

proctype user(byte on)
{
	short see;
	byte was, cpu, times = 2;

	do
	:: times > 0 ->
		times--;
		/* mdr_gate_try_enter(), mdr_gate_enter() */
		atomic { inside[on]++; see = inside[on] }
		if
		:: see < SHUT / 2 -> goto in
		:: else
#ifndef NO_TAKE_BACK
			-> inside[on]--
#endif
		fi;
		/* mdr_gate_enter_slowly(), mdr_gate_touch() */
again:		if
		:: gate == CLOSED -> goto out
		:: gate == OPEN
		:: gate == UNTOUCHED ->
			gate_lock();
			if
			:: gate == UNTOUCHED -> gate_set(OPEN)
			:: else
			fi;
			if
			:: gate == OPEN -> gate_unlock()
			:: else -> gate_unlock(); goto out
			fi
		fi;
#ifndef NO_LOOK
		atomic { inside[on]++; see = inside[on] }
#else
		inside[on]++;
		see = 0;
#endif
		if
		:: see < SHUT / 2
		:: else -> inside[on]--; goto again
		fi;
in:		atomic { assert(!quiet); at_device++ }
		at_device--;
		inside[on]--;
out:		see = 0;
		was = 0
	:: else -> break
	od
}

#define ENTRIES(n) ((n) & (SHUT - 1))

proctype host()
{
	byte was, cpu, times = 2;

	do
	:: times > 0 ->
		times--;
		gate_lock();
		if
		:: gate != CLOSED -> gate_set(CLOSED)
		:: else
		fi;
		gate_unlock();
		/* mdr_gate_drain() */
		ENTRIES(inside[0]) == 0;
#ifndef NO_CPU
		ENTRIES(inside[1]) == 0;
#endif
		atomic { assert(!at_device); quiet = 1 }
		gate_lock();
		quiet = 0;
		if
		:: gate_set(OPEN)
		:: gate_set(UNTOUCHED)
		fi;
		gate_unlock();
		was = 0
	:: else -> break
	od
}

init {
	atomic {
		inside[0] = SHUT;
		inside[1] = SHUT;
		run user(0);
		run user(1);
		run host()
	}
	/* at the end the counts are in step with the flag, and nobody is inside */
	_nr_pr == 1;
	assert(inside[0] == (gate == OPEN -> 0 : SHUT) && inside[1] == inside[0])
}
#endif
