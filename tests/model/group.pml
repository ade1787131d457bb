/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The objects of the shim, its gate and the steps of a group: gate.c, group.c,
 * zap.c, step.c, wait.c and registry.c.
 *
 * Every section under group->lock is one atomic step here: nothing in one waits.
 * What a task reads without that lock is a step of its own.
 *
 * Variables named ghost_ are not the driver's. They hold what the checks ask for.
 */

#define NOBODY	0
/* Task ids, as in attempt.task and resetter. Users come first: one a function. */
#define USER(f)		(1 + (f))
#define WORKER(g)	(1 + NF + (g))
#define HOST(h)		(1 + NF + NG + (h))
#define ADMIN		(1 + NF + NG + 2)
#define OUTSIDE		(2 + NF + NG + 2)
#define UNPLUG		(3 + NF + NG + 2)
#define TASKS		(4 + NF + NG + 2)

/* Who can sleep on a wait queue. */
#define SLEEPERS	(1 + NF + NG)
#define Q_GATE(g)	(1 + 2 * (g))
#define Q_STATE(g)	(2 + 2 * (g))

/* enum mdr_gate_closed */
#define GATE_OPEN	0
#define GATE_CLOSED	1
#define GATE_UNTOUCHED	2

/* enum mdr_entry_kind, and 0 for a task that is outside. */
#define ACCESS		1
#define CONFIG		2
#define EXCLUSIVE	3

/* What a function really is. */
#define WHOLE	0
#define BLANK	1	/* was reset, and answers */
#define SILENT	2	/* was reset, and does not answer yet */
#define GONE	3	/* will never answer again */

/* What a mapping shows. */
#define MAP_NONE	0
#define MAP_BAR		1
#define MAP_ONES	2

/* struct mdr_group */
byte state[NG], origin[NG];
byte closed[NG];
bit opening[NG];		/* closed, and MDR_GATE_OPENING */
bit dead[NG];
byte event[NG];
byte users[NG];
byte resets[NG];
byte resetter[NG];
bit broken[NG];			/* cause is MDR_CAUSE_BREAKER */
bit drained[NG];
bit untouched[NG];
bit dying[NG];
bit armed[NG], fired[NG];		/* the timer; its work is about to run */
bit queued[NG], running[NG];	/* the worker */
byte attempt_task[NG], attempt_event[NG];
bit host_is_done[NG], overdue[NG], late[NG];
bit visited[NG];			/* attempt.visits is not what the worker read */
bit unblocked;			/* config space, while a reset from outside drains */

/* struct mdr_function */
bit present[NF];		/* in its group, and in the table */
byte device_lock[NF];		/* the task that holds it */
byte walkers[NF];		/* a bit for each task that walks: WALKER() */
bit failed[NF], blank[NF], removing[NF];
bit frozen[NF], needs_reset[NF], was_blank[NF], was_reset[NF], reset_due[NF];
bit in_host_reset[NF], told_by_reset[NF];
byte phys[NF];

/* struct mdr_device: one for each function, until it goes */
bit opened[NF], in_use[NF], device_removing[NF];
byte acknowledged[NF];
byte mapping[NF];
byte ones_mapped[NF], ones_removed[NF];	/* substitutes, substitutes_removed */
bit faulting[NF];		/* its user maps the substitute page, and has not looked yet */
bit killed[NF];			/* the user of this function */

/* domain->told in its order, and struct mdr_walk of each function */
byte told[NF], nr_told;
byte walk_task[NF], walk_port[NF], walk_fatal[NF], walk_event[NF];
byte ids;			/* mdr_event_ids */

/* tasks */
byte inside[TASKS];		/* kind of the entry, of the task's own group */
byte sleeps[SLEEPERS];		/* the queue on which it waits to be woken */
byte touches[TASKS];		/* 1 + the function that the task is touching */
byte group_of[TASKS];		/* constant: the gate that the task uses */

/* the machine that this run is about; constant after init */
bit early;			/* timers fire whenever they like, not at the last */
bit blocked;			/* a function without handlers is below the ports */
bit silent;			/* Linux 6.12: does not say that it gives up */
bit over;			/* everybody is through */

/* checks */
bit ghost_quiet[NG];		/* drained by the host, and not opened since */
bit ghost_late[NG];		/* the latest drain ended by its bound */
bit ghost_alone[NG];		/* drained by the host since the latest error */
bit ghost_behind[NF];		/* its user has not reset since the last event */
bit ghost_used[NF];		/* touched by a user since the host reset it */
bit ghost_told_so[NF];		/* its user saw its own reset fail */
bit ghost_hung[NF];		/* the user stays inside */
byte ghost_walk_of[IDS + 1];	/* which walk an id was made for */
byte ghost_walks;
byte ghost_walking;		/* walks that are not through */
byte ended;			/* processes that are through */

/* scratch: only used within one atomic step */
hidden byte bug;
hidden byte act, from, from_origin_, w_, i_, j_, k_;
hidden byte id_, tell_;
hidden byte any_, known_, elides_, whole_;
hidden byte policy_, type_;

#define RECOVERING_NOW(g) (state[g] == S_CLOSING || state[g] == S_RECOVERING)
#define GIVEN_UP(g)	(broken[g] && (state[g] == S_FAILED || \
				       (state[g] == S_RESETTING && resetter[g] == NOBODY)))
#define STAYS_FAILED(g)	(state[g] == S_FAILED || GIVEN_UP(g))
#define ANSWERS(f)	(phys[f] == WHOLE || phys[f] == BLANK)
#define IN(f, g)	(present[f] && G(f) == (g))

/* A timer may fire now: early, or because nothing else can happen. */
#define MAY_FIRE	(early || timeout)

inline wake_all(queue_)
{
	for (w_ : 0 .. SLEEPERS - 1) {
		if
		:: sleeps[w_] == queue_ -> sleeps[w_] = 0
		:: else
		fi
	}
}

/* gate.c */

inline gate_close(g)
{
	untouched[g] = (closed[g] == GATE_UNTOUCHED || bug == BUG_ELIDES);
	closed[g] = GATE_CLOSED;
	dead[g] = 0
}

inline gate_open(g, pristine_)
{
	dead[g] = 0;
	closed[g] = (pristine_ -> GATE_UNTOUCHED : GATE_OPEN);
	wake_all(Q_GATE(g))
}

/* mdr_gate_is_drained(): nobody else is inside. Only as an expression. */
#if NF == 1
#define USER_INSIDE(g, me, skip) (me != USER(0) && inside[USER(0)] > 0 && inside[USER(0)] != skip)
#elif NF == 2
#define USER_INSIDE(g, me, skip) ( \
	(G(0) == (g) && me != USER(0) && inside[USER(0)] > 0 && inside[USER(0)] != skip) || \
	(G(1) == (g) && me != USER(1) && inside[USER(1)] > 0 && inside[USER(1)] != skip))
#else
#define USER_INSIDE(g, me, skip) ( \
	(G(0) == (g) && me != USER(0) && inside[USER(0)] > 0 && inside[USER(0)] != skip) || \
	(G(1) == (g) && me != USER(1) && inside[USER(1)] > 0 && inside[USER(1)] != skip) || \
	(G(2) == (g) && me != USER(2) && inside[USER(2)] > 0 && inside[USER(2)] != skip))
#endif
#define IS_DRAINED(g, me, skip) (!USER_INSIDE(g, me, skip) && \
	(me == WORKER(g) || !inside[WORKER(g)]) && \
	(me == ADMIN || group_of[ADMIN] != (g) || !inside[ADMIN]))

#if NF == 1
#define HUNG(g) ghost_hung[0]
#elif NF == 2
#define HUNG(g) ((G(0) == (g) && ghost_hung[0]) || (G(1) == (g) && ghost_hung[1]))
#else
#define HUNG(g) ((G(0) == (g) && ghost_hung[0]) || (G(1) == (g) && ghost_hung[1]) || \
	(G(2) == (g) && ghost_hung[2]))
#endif

/* group.c */

/*
 * Who may come back to a function, as mdr_function_told() and mdr_function_resumed()
 * have it. No run has as many of them as MDR_WALKERS.
 */
#define WALKER(me)	((me) == HOST(0) -> 1 : ((me) == HOST(1) -> 2 : 4))
#define RECOVERING(f)	(walkers[f] != 0)
#define FUNCTION_TOLD(f, me) walkers[f] = walkers[f] | WALKER(me)
#define FUNCTION_RESUMED(f, me) \
	walkers[f] = (bug == BUG_WALKERS -> 0 : walkers[f] & (7 - WALKER(me)))
#define FUNCTION_SETTLED(f) walkers[f] = 0

inline group_pending(g)
{
	any_ = 0;
	for (i_ : 0 .. NF - 1) {
		if
		:: IN(i_, g) && RECOVERING(i_) -> any_ = 1
		:: else
		fi
	}
}

/* mdr_group_lacks_reset(), into known_, and mdr_group_pending(), into any_ */
inline group_lacks_reset(g)
{
	group_pending(g);
	known_ = 0;
	for (i_ : 0 .. NF - 1) {
		if
		:: !any_ && RECOVERING_NOW(g) && IN(i_, g) && failed[i_] && !was_reset[i_] ->
			known_ = 1
		:: else
		fi
	}
}

inline group_has_failed(g)
{
	any_ = 0;
	for (i_ : 0 .. NF - 1) {
		if
		:: IN(i_, g) && (failed[i_] || blank[i_]) -> any_ = 1
		:: else
		fi
	}
}

/* into any_ */
inline group_acknowledged(g)
{
	any_ = 1;
	for (i_ : 0 .. NF - 1) {
		if
		:: IN(i_, g) && opened[i_] && TYPE(i_) == P_HOLD &&
		   (bug == BUG_STALE_ACK -> !acknowledged[i_] : acknowledged[i_] != event[g]) -> any_ = 0
		:: else
		fi
	}
}

/* mdr_group_must_evict(), into any_ */
inline group_must_evict(g)
{
	any_ = 0;
	for (i_ : 0 .. NF - 1) {
		if
		:: IN(i_, g) && opened[i_] && TYPE(i_) == P_EVICT &&
		   acknowledged[i_] != event[g] -> any_ = 1
		:: else
		fi
	}
}

/* mdr_group_policy(opened_only), into policy_ */
inline group_policy(g)
{
	policy_ = P_NONE;
	for (i_ : 0 .. NF - 1) {
		if
		:: IN(i_, g) && opened[i_] ->
			type_ = TYPE(i_);
			MDR_STRICTER(policy_, type_)
		:: else
		fi
	}
}

#define ATTEMPT_MAY(g, me) (attempt_task[g] == (me))

/* step.c */

/*
 * No gate opens on a function that is not whole, unless its own user was told that
 * its reset failed; nor for a user of type hold that has not reset since the last
 * event.
 */
inline check_opening(g)
{
	assert(!broken[g]);	/* only an administrator may */
	for (i_ : 0 .. NF - 1) {
		if
		:: IN(i_, g) ->
			/* or it was pulled out after it had come back */
			assert(phys[i_] == WHOLE || phys[i_] == GONE && ghost_told_so[i_] ||
			       phys[i_] == BLANK && ghost_told_so[i_] ||
			       phys[i_] == GONE && removing[i_]);
			assert(!(opened[i_] && TYPE(i_) == P_HOLD && ghost_behind[i_]))
		:: else
		fi
	}
}

inline group_open_gate(g)
{
	check_opening(g);
	ghost_quiet[g] = 0;
	gate_open(g, untouched[g] && ELIDES);
	for (i_ : 0 .. NF - 1) {
		was_reset[i_] = (IN(i_, g) && bug != BUG_ACK_TOUCHED -> 0 : was_reset[i_]);
		assert(!(IN(i_, g) && mapping[i_] == MAP_ONES && !faulting[i_]))
	}
}

inline group_act(g)
{
	if
	:: act == A_CLOSE -> gate_close(g)
	:: act == A_OPEN -> group_open_gate(g)
	:: act == A_LOSE ->
		gate_close(g);
		untouched[g] = 0;
		dead[g] = 1;
		if
		:: bug != BUG_NO_WAKE -> wake_all(Q_GATE(g))
		:: else
		fi
	:: act == A_REQUEST ->
		gate_close(g);
		untouched[g] = 0
	:: act == A_NONE || act == A_REFUSED
	fi
}

/* After the machine has stepped: what mdr_group_step() does, but the recursion. */
inline group_after_step(g)
{
	group_act(g);
	if
	:: act == A_REFUSED || (state[g] == from && act == A_NONE)
	:: else ->
		if
		:: state[g] != S_RESETTING -> resetter[g] = NOBODY
		:: else
		fi;
		/* mdr_group_bound() */
		if
		:: state[g] == S_CLOSING -> ghost_alone[g] = 0
		:: else
		fi;
		if
		:: state[g] == S_CLOSING || state[g] == S_HOLDING ||
		   state[g] == S_EVICTING -> armed[g] = !dying[g]
		:: state[g] == S_RECOVERING
		:: else -> armed[g] = 0
		fi;
		wake_all(Q_STATE(g))
	fi
}

/* mdr_device_is_substituted() */
#define SUBSTITUTED_IN(f, g) (IN(f, g) && opened[f] && ones_mapped[f] != ones_removed[f])
#if !MAPS
#define SUBSTITUTED(g) 0
#elif NF == 1
#define SUBSTITUTED(g) SUBSTITUTED_IN(0, g)
#elif NF == 2
#define SUBSTITUTED(g) (SUBSTITUTED_IN(0, g) || SUBSTITUTED_IN(1, g))
#endif

/* mdr_group_stop_opening() */
#define STOP_OPENING(g) \
	late[g] = late[g] || (opening[g] && (state[g] == S_FAILED || origin[g] == S_FAILED)); \
	overdue[g] = overdue[g] && !(opening[g] && (RECOVERING_NOW(g) || state[g] == S_FAILED)); \
	armed[g] = armed[g] || (opening[g] && !dying[g] && (RECOVERING_NOW(g) || state[g] == S_FAILED)); \
	/* a close may be inside */ \
	ghost_alone[g] = ghost_alone[g] && !opening[g]; \
	opening[g] = 0

/*
 * mdr_group_step(); then act is A_REFUSED if the state refused the event. A step that opens
 * the gate in front of substitute pages is left to opener().
 */
#define GROUP_STEP(g, name) \
	from = state[g]; \
	from_origin_ = origin[g]; \
	MDR_STEP_##name(state[g], origin[g], act); \
	tell_ = act; \
	do \
	:: act == A_REFUSED -> break \
	:: act == A_OPEN && SUBSTITUTED(g) && bug != BUG_OPENS_FIRST -> \
		state[g] = from; \
		origin[g] = from_origin_; \
		opening[g] = 1; \
		wake_all(Q_STATE(g)); \
		break \
	:: else -> \
		/* the driver stops the opening before it makes the step */ \
		late[g] = (late[g] || (opening[g] && act != A_OPEN && (from == S_FAILED || from_origin_ == S_FAILED))) \
			  && act != A_LOSE; \
		armed[g] = armed[g] || (opening[g] && act != A_OPEN && (from == S_RECOVERING || from == S_FAILED)); \
		overdue[g] = overdue[g] && !(opening[g] && act != A_OPEN && from == S_RECOVERING); \
		opening[g] = 0; \
		group_after_step(g); \
		if \
		:: users[g] -> break \
		:: else -> \
			from = state[g]; \
			MDR_STEP_LAST_USER_GONE(state[g], origin[g], act) \
		fi \
	od; \
	act = tell_

/* mdr_group_host_at_work() */
inline host_at_work(g)
{
	visited[g] = running[g];
	attempt_task[g] = (bug == BUG_HOST_LOSES -> attempt_task[g] : NOBODY);
	if
	:: RECOVERING_NOW(g) ->
		STOP_OPENING(g);
		overdue[g] = 0;
		armed[g] = !dying[g]
	:: state[g] == S_FAILED -> STOP_OPENING(g)
	:: else
	fi
}

/* registry.c: one domain, everything is below one root port */

inline walk_told_all(task)
{
	k_ = 0;
	for (i_ : 0 .. NF - 1) {
		if
		:: i_ < nr_told && walk_task[told[i_]] != task ->
			told[k_] = told[i_];
			k_++
		:: else
		fi
	}
	for (i_ : 0 .. NF - 1) {
		if
		:: i_ >= k_ -> told[i_] = 0
		:: else
		fi
	}
	nr_told = k_
}

inline walk_forget(f)
{
	k_ = 0;
	for (i_ : 0 .. NF - 1) {
		if
		:: i_ < nr_told && told[i_] != f ->
			told[k_] = told[i_];
			k_++
		:: else
		fi
	}
	for (i_ : 0 .. NF - 1) {
		if
		:: i_ >= k_ -> told[i_] = 0
		:: else
		fi
	}
	nr_told = k_
}

/* An id must not be made for two walks. */
inline new_id(walk)
{
	ids++;
	assert(ids <= IDS);
	ghost_walk_of[ids] = walk;
	id_ = ids
}

/* mdr_walk_error(), into id_. @port is 0 if mdr_walk_port() cannot tell. */
inline walk_error(f, task, port, fatal, walk)
{
	/* mdr_walk_find(), into j_: 1 + the function that was told last */
	j_ = 0;
	any_ = 0;
	for (i_ : 0 .. NF - 1) {
		if
		:: i_ < nr_told && walk_task[told[i_]] == task -> j_ = 1 + told[i_]
		:: else
		fi;
		if
		:: i_ < nr_told && told[i_] == f && walk_task[f] == task -> any_ = 1
		:: else
		fi
	}
	if
	:: j_ && (walk_port[j_ - 1] != port || walk_fatal[j_ - 1] != fatal) -> j_ = 0
	:: else
	fi;
	any_ = any_ && bug != BUG_TOLD_TWICE;
	if
	:: !j_ || any_ ->
		walk_told_all(task);
		new_id(walk)
	:: else ->
		id_ = walk_event[j_ - 1]
	fi;
	walk_forget(f);
	walk_task[f] = task;
	walk_port[f] = port;
	walk_fatal[f] = fatal;
	walk_event[f] = id_;
	told[nr_told] = f;
	nr_told++
}

/* zap.c */

/* mdr_group_zap_begin() and mdr_group_zap_wait(), which has no bound here */
inline zap(g)
{
	d_step {
		for (i_ : 0 .. NF - 1) {
			if
			:: IN(i_, g) -> mapping[i_] = MAP_NONE
			:: else
			fi
		}
	}
}

/* wait.c */

/*
 * mdr_group_drain(). The bound passes only if a user inside hangs: every other one
 * inside leaves in time, or this blocks for ever and is found.
 */
inline drain(g, me, spared)
{
	if
	:: atomic {
		IS_DRAINED(g, me, spared) ->
		ghost_late[g] = 0;
		/* config accesses that the PCI core holds back are still inside */
		ghost_quiet[g] = (spared == 0 -> 1 : ghost_quiet[g]);
		ghost_alone[g] = 1;
		for (i_ : 0 .. NF - 1) {
			/* nobody can reach the device by a mapping either */
			assert(!(IN(i_, g) && mapping[i_] == MAP_BAR))
		}
	   }
	:: atomic {
		bug != BUG_NO_BOUND && HUNG(g) && !(IS_DRAINED(g, me, spared)) && MAY_FIRE ->
		ghost_late[g] = 1
	   }
	fi;
	atomic {
		drained[g] = !ghost_late[g] && (state[g] == S_CLOSING || drained[g]);
		if
		:: state[g] == S_CLOSING && !ghost_late[g] -> GROUP_STEP(g, DRAINED)
		:: state[g] == S_CLOSING && ghost_late[g] -> GROUP_STEP(g, DRAIN_TIMEOUT)
		:: else
		fi
	}
}
