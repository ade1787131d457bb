/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The barriers of the gate, on x86 and on arm64: gate.c, gate.h, and what fault.c and
 * device.c build on them.
 *
 * Memory is one for all (both architectures are other-multi-copy atomic). What makes
 * them weak is that a CPU performs its own accesses out of order: an access may be
 * performed as soon as everything has been that it is ordered after. Which that is:
 *
 *	x86	a load may overtake a store before it (the store buffer), nothing else
 *	arm64	anything may overtake anything, but for barriers, acquire, release,
 *		and stores that depend on a load
 *
 * A test is two CPUs and what must not be seen. An access reads
 * "not done, and all it waits for is done -> perform it". WW(x) and the like ask
 * whether the access must wait for x: always with a barrier, else as the CPU is.
 *
 * -DX86 or -DARM64, -DTEST_<name>, and -DNO_<name> to leave a barrier out.
 */

#ifdef X86
#define WR(x) 1			/* a load after a store */
#define WW(x) (x)
#define RR(x) (x)
#define RW(x) (x)
#else
#define WR(x) 1
#define WW(x) 1
#define RR(x) 1
#define RW(x) 1
#endif

/* smp_mb() in mdr_gate_enter(), mdr_gate_enter_exclusive() and mdr_gate_closed() */
#ifndef NO_MB
#define MB(x) (x)
#else
#define MB(x) WR(x)
#endif
/* xchg() in mdr_gate_close(); without it, a plain store */
#ifndef NO_XCHG
#define XCHG(x) (x)
#else
#define XCHG(x) WR(x)
#endif
/* smp_mb() in mdr_gate_open() */
#ifndef NO_OPEN_MB
#define OPEN_MB(x) (x)
#else
#define OPEN_MB(x) WR(x)
#endif
/* smp_store_release() of a slot, or of the flag; without it, a plain store */
#ifndef NO_RELEASE
#define RELEASE(x) (x)
#else
#define RELEASE(x) WW(x)
#endif
/* smp_load_acquire() of a slot */
#ifndef NO_ACQUIRE
#define ACQUIRE(x) (x)
#define ACQUIRE_W(x) (x)
#else
#define ACQUIRE(x) RR(x)
#define ACQUIRE_W(x) (x)	/* a store that depends on the load */
#endif

bit closed, entry, flag, device;
bit owner;
#ifdef TEST_LEAVE
bit slot = 1;
#else
bit slot;
#endif
byte state;
bit user_in, host_in;
byte through;

#ifdef TEST_ENTER
/*
 * Enter against close and drain: user and host are never both at the device. The user's
 * access depends on what it read; so does the host's reset.
 */
active proctype user()
{
	bit set, looked, see, in, out;

	do
	:: atomic { !set -> slot = 1; set = 1 }
	:: atomic { !looked && MB(set) -> see = closed; looked = 1 }
	:: atomic { looked && !see && !in && MB(set) -> assert(!host_in); user_in = 1; in = 1 }
	:: atomic { in && user_in -> user_in = 0 }
	   atomic { slot = 0; out = 1 }
	:: atomic { looked && see && set -> slot = 0; break }
	:: atomic { out -> break }
	od
}

active proctype host()
{
	bit set, looked, see;

	do
	:: atomic { !set -> closed = 1; set = 1 }
	:: atomic { !looked && XCHG(set) -> see = slot; looked = 1 }
	:: atomic { looked && see -> looked = 0 }	/* the drain looks again */
	:: atomic { looked && !see && set ->
		assert(!user_in);
		host_in = 1;
		break }
	od
}
#endif

#ifdef TEST_EXCLUSIVE
/*
 * mdr_gate_enter_exclusive() against an error: whoever closes either sees the error, or
 * the drain of the error sees the closing task. state: 1 is closing.
 */
active proctype closing()
{
	bit set, looked;
	byte see;

	do
	:: atomic { !set -> slot = 1; set = 1 }
	:: atomic { !looked && MB(set) -> see = state; looked = 1 }
	:: atomic { set && looked -> break }
	od;
	if
	:: !see -> atomic { assert(!host_in); user_in = 1 }
	   atomic { user_in = 0; slot = 0 }
	:: else -> slot = 0
	fi
}

active proctype host()
{
	bit told, set, looked, see;

	do
	:: atomic { !told -> state = 1; told = 1 }
	:: atomic { !set && XCHG(told) -> closed = 1; set = 1 }
	:: atomic { !looked && XCHG(told) && XCHG(set) -> see = slot; looked = 1 }
	:: atomic { looked && see -> looked = 0 }
	:: atomic { told && set && looked && !see ->
		assert(!user_in);
		host_in = 1;
		break }
	od
}
#endif

#ifdef TEST_LEAVE
/* What was done inside is done when a drain sees the slot free. */
active proctype user()
{
	bit did, left;

	do
	:: atomic { !did -> device = 1; did = 1 }
	:: atomic { !left && RELEASE(did) -> slot = 0; left = 1 }
	:: atomic { did && left -> break }
	od
}

active proctype host()
{
	bit looked, see, checked, saw;

	do
	:: atomic { !looked -> see = slot; looked = 1 }
	:: atomic { !checked && ACQUIRE(looked) -> saw = device; checked = 1 }
	:: atomic { looked && checked -> break }
	od;
	assert(see || saw)
}
#endif

#ifdef TEST_OWNER
/* A drain that sees the gate in a slot sees the owner of this entry. */
active proctype user()
{
	bit named, set;

	do
	:: atomic { !named -> owner = 1; named = 1 }
	:: atomic { !set && RELEASE(named) -> slot = 1; set = 1 }
	:: atomic { named && set -> break }
	od
}

active proctype host()
{
	bit looked, see, asked, who;

	do
	:: atomic { !looked -> see = slot; looked = 1 }
	:: atomic { !asked && ACQUIRE(looked) -> who = owner; asked = 1 }
	:: atomic { looked && asked -> break }
	od;
	assert(!see || who)
}
#endif

#ifdef TEST_OPEN
/* A user that finds the gate open finds the device as the recovery left it. */
active proctype host()
{
	bit restored, set;

	do
	:: atomic { !restored -> device = 1; restored = 1 }
	:: atomic { !set && RELEASE(restored) -> flag = 1; set = 1 }	/* open */
	:: atomic { restored && set -> break }
	od
}

/* the access of a device is not made ahead of time: it depends on the flag */
active proctype user()
{
	bit see;

	see = flag;
	if
	:: see -> assert(device)
	:: else
	fi
}
#endif

#ifdef TEST_MAP
/* A fault inserts its entry and looks; closing sets the flag and zaps. */
active proctype fault()
{
	bit set, looked, see;

	do
	:: atomic { !set -> entry = 1; set = 1 }
	:: atomic { !looked && MB(set) -> see = closed; looked = 1 }
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
	:: atomic { !looked && XCHG(set) -> see = entry; looked = 1 }
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
 * The substitute page: a fault sets the mark, inserts, and looks; opening clears the
 * flag and looks at the mark. closed is 1 at first, so here 0 means closed.
 */
active proctype fault()
{
	bit marked, set, looked, see;

	do
	:: atomic { !marked -> flag = 1; marked = 1 }
	/* the page table lock orders nothing before it */
	:: atomic { !set && WW(marked) -> entry = 1; set = 1 }
	:: atomic { !looked && MB(set) && MB(marked) -> see = closed; looked = 1 }
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
	:: atomic { !looked && OPEN_MB(set) -> see = flag; looked = 1 }
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
