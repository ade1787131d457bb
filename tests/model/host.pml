/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the host does in a recovery: walks, with the callbacks of recovery.c.
 */

/* An uninterrupted section under group->lock or domain->lock is one d_step. */

inline lock_device(f, me)
{
	atomic { device_lock[f] == NOBODY -> device_lock[f] = me }
}

inline unlock_device(f)
{
	device_lock[f] = NOBODY
}

/* mdr_group_new_event() */
inline new_event(g, id)
{
	event[g] = id;
	for (i_ : 0 .. NF - 1) {
		if
		:: IN(i_, g) ->
			was_reset[i_] = 0;
			if
			:: host_is_done[g] || (bug == BUG_FORGETS && overdue[g]) -> FUNCTION_SETTLED(i_)
			:: else
			fi
		:: else
		fi;
		if
		:: IN(i_, g) && opened[i_] -> ghost_behind[i_] = 1
		:: else
		fi;
		if
		:: IN(i_, g) -> ghost_told_so[i_] = 0
		:: else
		fi
	}
	host_is_done[g] = 0;
	late[g] = 0;
	overdue[g] = 0
}

/* mdr_group_count_reset(): how often errors came, nobody can tell beforehand */
#ifdef BREAKER
#define COUNT_RESET(g) \
	if \
	:: breakers > 0 -> \
		breakers--; \
		broken[g] = 1; \
		GROUP_STEP(g, BREAKER) \
	:: skip \
	fi
byte breakers = 1;
#else
#define COUNT_RESET(g) skip
#endif

/* mdr_group_error(), with the id of the walk in id_ */
inline group_error(f, me, fatal, walk)
{
	frozen[f] = fatal;
	was_reset[f] = 0;
	reset_due[f] = 0;
	host_at_work(G(f));
	known_ = (event[G(f)] == id_);
	if
	:: known_ && !RECOVERING_NOW(G(f)) && !STAYS_FAILED(G(f)) ->
		new_id(walk);
		walk_event[f] = id_;
		known_ = 0
	:: else
	fi;
	if
	:: !known_ -> new_event(G(f), id_)
	:: else
	fi;
	FUNCTION_TOLD(f, me);
	if
	:: !STAYS_FAILED(G(f)) ->
		if
		:: !known_ && fatal ->
			broken[G(f)] = 0;
			GROUP_STEP(G(f), ERROR_FATAL)
		:: !known_ && !fatal ->
			broken[G(f)] = 0;
			GROUP_STEP(G(f), ERROR_NONFATAL)
		:: else
		fi;
		if
		:: needs_reset[f] -> COUNT_RESET(G(f))
		:: else
		fi
	:: else
	fi
}

/* mdr_error_detected(): under the device lock */
inline error_detected(f, me, port, fatal, walk)
{
	atomic {
		if
		:: fatal -> blank[f] = 1; was_blank[f] = 0
		:: !fatal && phys[f] == BLANK -> blank[f] = 1; was_blank[f] = 1
		:: else -> was_blank[f] = 0
		fi;
		needs_reset[f] = blank[f] || NONFATAL_RESET;
		any_need = any_need || needs_reset[f];
		walk_error(f, me, port, fatal, walk);
		/*
		 * One walk, one id; and no id for two walks, but after one that
		 * ended without a word (see Documentation/design.md).
		 */
		assert(ghost_walk_of[id_] == walk || (silent && !fatal && blocked));
		id = id_
	}
	atomic {
		id_ = id;
		group_error(f, me, fatal, walk);
		id = 0
	}
	if
	:: bug != BUG_DRAIN_FIRST -> zap(G(f))
	:: else
	fi;
	drain(G(f), me, 0);
	if
	:: bug == BUG_DRAIN_FIRST -> zap(G(f))
	:: else
	fi
}

/* mdr_group_close_again(), into touched: were users in? */
inline close_again(f, me)
{
	atomic {
		touched = RECOVERING_NOW(G(f)) && opening[G(f)];
		host_at_work(G(f));
		if
		:: touched -> FUNCTION_TOLD(f, me)
		:: !touched && (STAYS_FAILED(G(f)) || RECOVERING_NOW(G(f)))
		:: else ->
			id_ = event[G(f)];
			new_event(G(f), id_);
			FUNCTION_TOLD(f, me);
			attempt_event[G(f)] = 0;
			GROUP_STEP(G(f), ERROR_FATAL);
			touched = 1
		fi
	}
	if
	:: touched ->
		zap(G(f));
		drain(G(f), me, 0)
	:: else
	fi
}

/* mdr_permanent_failure() and its caller */
inline permanent_failure(f, me, walk)
{
	/* looks at the state without group->lock */
	atomic {
		if
		:: RECOVERING_NOW(G(f)) ->
			walk_told_all(me);
			id = 0
		:: else ->
			walk_error(f, me, 0, 2, walk);
			id = id_
		fi;
		touched = 0
	}
	atomic {
		failed[f] = (id == 0 && was_reset[f] && !blank[f] -> failed[f] : 1);
		FUNCTION_RESUMED(f, me);
		group_pending(G(f));
		if
		:: GIVEN_UP(G(f))
		:: else ->
			if
			:: RECOVERING_NOW(G(f)) || STAYS_FAILED(G(f)) ->
				if
				:: any_
				:: else ->
					host_is_done[G(f)] = 1;
					queued[G(f)] = !dying[G(f)]
				fi
			:: else ->
				if
				:: id && id != event[G(f)] -> new_event(G(f), id)
				:: else
				fi;
				broken[G(f)] = 0;
				GROUP_STEP(G(f), ERROR_PERMANENT);
				touched = 1
			fi
		fi;
		id = 0
	}
	if
	:: touched ->
		zap(G(f));
		drain(G(f), me, 0)
	:: else
	fi
}

/* mdr_slot_reset() */
inline slot_reset(f, me)
{
	d_step {
		walk_told_all(me)
	}
	atomic {
		answers = ANSWERS(f);
		reset_seen = (frozen[f] || (answers && !was_blank[f] && phys[f] == BLANK))
	}
	close_again(f, me);
	atomic {
		if
		:: reset_seen || !answers ->
			blank[f] = 1;
			/* mdr_restore() */
			if
			:: ANSWERS(f) ->
				phys[f] = WHOLE;
				blank[f] = 0
			:: else
			fi
		:: else
		fi
	}
	atomic {
		failed[f] = 0;
		was_reset[f] = reset_seen && !touched;
		reset_due[f] = answers && needs_reset[f] && !reset_seen;
		if
		:: (reset_seen || !answers) && RECOVERING_NOW(G(f)) -> COUNT_RESET(G(f))
		:: else
		fi;
		if
		:: !blank[f] || (answers && !reset_seen) -> GROUP_STEP(G(f), SLOT_RESET_OK)
		:: else
		fi;
		reset_seen = 0;
		answers = 0;
		touched = 0
	}
}

/* mdr_resume() */
inline resume(f, me)
{
	d_step {
		walk_told_all(me);
		FUNCTION_RESUMED(f, me);
		group_pending(G(f));
		if
		:: !any_ ->
			late[G(f)] = !RECOVERING_NOW(G(f));
			queued[G(f)] = !dying[G(f)]
		:: else
		fi
	}
}

/*
 * Close does not wait in state failed, where the host may still be at work: it may have
 * been given up on for good. See README.md.
 */
#define CLOSED_IN_FAILED(f) (state[G(f)] == S_FAILED && !opened[f])

/* A bus reset: everybody below the port is locked, and nobody touches anything. */
inline reset_below(port, me)
{
	f = 0;
	do
	:: f < NF ->
		if
		:: BELOW(f, port) && on_bus[f] -> lock_device(f, me)
		:: else
		fi;
		f++
	:: else -> break
	od;
	atomic {
		for (f : 0 .. NF - 1) {
			if
			:: device_lock[f] == me ->
				for (i_ : 1 .. TASKS - 1) {
					/* unless the drain gave up, and said so */
					assert(touches[i_] != 1 + f ||
					       (present[f] && ghost_late[G(f)]) || removing[f] ||
					       CLOSED_IN_FAILED(f))
				}
				assert(!present[f] || ghost_late[G(f)] || mapping[f] != MAP_BAR);
				ghost_used[f] = 0;
				if
				:: phys[f] != GONE -> phys[f] = BLANK
				:: phys[f] != GONE && SLOW -> phys[f] = SILENT
				:: phys[f] == GONE
				fi;
				device_lock[f] = NOBODY
			:: else
			fi
		}
		f = 0
	}
}

bit on_bus[NF];

/* Calls CALLBACK for each function below the port, under its device lock. */
#define WALK(port, me, callback) \
	f = 0; \
	do \
	:: f < NF -> \
		if \
		:: BELOW(f, port) && on_bus[f] -> \
			lock_device(f, me); \
			if \
			:: present[f] -> callback \
			:: else \
			fi; \
			unlock_device(f) \
		:: else \
		fi; \
		f++ \
	:: else -> break \
	od; \
	f = 0

byte walks = WALKS;

/*
 * pcie_do_recovery(), of the AER thread of the root port (0) or of a port below it
 * that has a task of its own (1: DPC).
 */
proctype host(byte h)
{
	byte f, port, id, walk;
	bit fatal, any_need, touched, reset_seen, answers, gives_up;

	do
	:: atomic {
		walks > 0 ->
		walks--;
		ghost_walks++;
		ghost_walking++;
		walk = ghost_walks;
		gives_up = blocked;
		if
		:: h == 0 -> port = 0
		:: PORTS > 1 && (h == 1 || HOSTS == 1) -> port = 1
		fi;
		if
		:: FATAL_ERRORS -> fatal = 1
		:: NONFATAL_ERRORS && h == 0 -> fatal = 0
		fi
	   }
	   WALK(port, HOST(h), error_detected(f, HOST(h), (fatal -> 1 + port : 0), fatal, walk));
	   if
	   :: fatal ->
		reset_below(port, HOST(h));
		/* the link may not come back */
		if
		:: LINK_FAILS -> gives_up = 1
		:: skip
		fi
	   :: else
	   fi;
	   if
	   :: !fatal && !gives_up ->
		if
		:: !any_need ->
			WALK(port, HOST(h), atomic { walk_told_all(HOST(h)) }; close_again(f, HOST(h)); touched = 0)
		:: any_need && !silent -> reset_below(port, HOST(h))
		:: any_need && silent
		fi
	   :: else
	   fi;
	   if
	   :: gives_up && silent
	   :: gives_up && !silent ->
		WALK(port, HOST(h), permanent_failure(f, HOST(h), walk))
	   :: else ->
		if
		:: any_need -> WALK(port, HOST(h), slot_reset(f, HOST(h)))
		:: else
		fi;
		WALK(port, HOST(h), resume(f, HOST(h)))
	   fi;
	   d_step {
		port = 0;
		walk = 0;
		id = 0;
		fatal = 0;
		any_need = 0;
		touched = 0;
		gives_up = 0;
		ghost_walking--
	   }
	:: atomic { walks == 0 -> break }
	od;
	ended++
}
