/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the shim does on its own account: resets that are asked for (step.c), the own
 * attempt (attempt.c), the worker (recovery.c), and recover.
 */

/* mdr_group_reset_begin(): act is A_NONE if the reset may go on, else A_REFUSED */
inline group_reset_begin_by_host(g)
{
	if
	:: state[g] == S_OPEN -> broken[g] = 0
	:: else
	fi;
	if
	:: dying[g] -> act = A_REFUSED
	:: !dying[g] && state[g] == S_RESETTING -> act = A_NONE
	:: else -> GROUP_STEP(g, HOST_RESET_BEGIN)
	fi;
	if
	:: act != A_REFUSED ->
		attempt_task[g] = NOBODY;
		STOP_OPENING(g);
		resets[g]++;
		act = A_NONE
	:: else
	fi
}

#define GROUP_RESET_BEGIN(g, name, me) \
	if \
	:: dying[g] -> act = A_REFUSED \
	:: else -> GROUP_STEP(g, name) \
	fi; \
	if \
	:: act != A_REFUSED -> \
		attempt_task[g] = NOBODY; \
		STOP_OPENING(g); \
		resetter[g] = me; \
		resets[g]++; \
		act = A_NONE \
	:: else \
	fi

/* mdr_group_reset_end() */
inline group_reset_end(g, by_user, me)
{
	assert(resets[g] > 0);
	resetter[g] = (resetter[g] == me -> NOBODY : resetter[g]);
	resets[g]--;
	if
	:: resets[g] || state[g] != S_RESETTING || opening[g]
	:: else ->
		group_acknowledged(g);
		known_ = (origin[g] == S_HOLDING && any_);
		group_pending(g);
		whole_ = !any_;
		group_has_failed(g);
		whole_ = whole_ && !any_;
		whole_ = whole_ || bug == BUG_FAILED_OPENS;
		if
		:: known_ -> GROUP_STEP(g, USER_RESET_OK)
		:: !known_ && origin[g] == S_FAILED && (!broken[g] || bug == BUG_BREAKER) && whole_ ->
			/* mdr_group_revived() */
			group_must_evict(g);
			known_ = (!by_user && any_);
			group_acknowledged(g);
			if
			:: known_ -> GROUP_STEP(g, RESUME_EVICT)
			:: !known_ && any_ -> GROUP_STEP(g, USER_RESET_OK)
			:: !known_ && !any_ -> GROUP_STEP(g, RESUME_HOLD)
			fi
		:: else ->
			if
			:: by_user -> GROUP_STEP(g, USER_RESET_FAILED)
			:: else -> GROUP_STEP(g, HOST_RESET_DONE)
			fi
		fi;
		queued[g] = queued[g] || (late[g] && state[g] == S_FAILED && !dying[g])
	fi
}

/* Results of the parts of an attempt. */
#define OK		0
#define NOT_YET		1	/* worth another look */
#define FAILS		2
#define CANCELED	3

#define HAS(set, f)	((set >> (f)) & 1)

/* mdr_trylock_until() of mdr_attempt_lock(), into ret: NOT_YET if the function goes */
inline attempt_lock(g, f, me)
{
	ret = OK;
	if
	:: atomic {
		device_lock[f] == NOBODY ->
		device_lock[f] = me
	   }
	   if
	   :: atomic { !ATTEMPT_MAY(g, me) -> device_lock[f] = NOBODY; ret = CANCELED }
	   :: atomic { ATTEMPT_MAY(g, me) }
	   fi
	:: atomic { device_lock[f] != NOBODY && (!IN(f, g) || removing[f]) -> ret = NOT_YET }
	:: atomic { bug != BUG_HOST_WAITS && device_lock[f] != NOBODY && !ATTEMPT_MAY(g, me) -> ret = CANCELED }
	:: atomic { device_lock[f] != NOBODY && early -> ret = FAILS }
	fi
}

/* mdr_attempt_reset_one(), into ret */
inline attempt_reset_one(g, f, me)
{
	attempt_lock(g, f, me);
	if
	:: ret == OK ->
		atomic {
			if
			:: !present[f] -> ret = NOT_YET
			:: present[f] && !ANSWERS(f) -> ret = FAILS
			:: else -> blank[f] = 1
			fi;
			device_lock[f] = NOBODY
		}
		/* mdr_reset_by_pci_core() */
		if
		:: ret == OK ->
			if
			:: atomic { !ATTEMPT_MAY(g, me) -> ret = CANCELED }
			:: atomic {
				ATTEMPT_MAY(g, me) && device_lock[f] == NOBODY ->
				device_lock[f] = me;
				touches[me] = 1 + f
			   }
			   atomic {
				assert(device_lock[f] == me);
				/* the worker resets nothing that the host still has */
				assert(me != WORKER(g) || !RECOVERING(f) || host_is_done[g]);
				if
				:: skip
				:: SLOW && phys[f] != GONE -> phys[f] = SILENT
				fi;
				touches[me] = 0;
				device_lock[f] = NOBODY
			   }
			:: atomic { device_lock[f] != NOBODY && (removing[f] || !IN(f, g)) -> ret = NOT_YET }
			:: atomic { device_lock[f] != NOBODY && early -> ret = FAILS }
			fi
		:: else
		fi
	:: else
	fi;
	if
	:: ret == NOT_YET -> ret = OK	/* is leaving the group */
	:: else
	fi
}

/* mdr_attempt_reset_each(), into ret */
inline attempt_reset_each(g, me, due)
{
	inside[me] = EXCLUSIVE;
	atomic {
		set = 0;
		for (i_ : 0 .. NF - 1) {
			if
			:: IN(i_, g) && (!due || reset_due[i_]) ->
				set = set | (1 << i_);
				reset_due[i_] = (due -> 0 : reset_due[i_])
			:: else
			fi
		}
		worst = OK;
		f = 0
	}
	do
	:: atomic { f < NF && HAS(set, f) && worst != CANCELED ->
		skip }
		attempt_reset_one(g, f, me);
		atomic {
			worst = (ret == OK -> worst : ret);
			f++
		}
	:: atomic { f < NF && !(HAS(set, f) && worst != CANCELED) -> f++ }
	:: atomic { f == NF ->
		inside[me] = 0;
		ret = worst;
		f = 0;
		set = 0;
		worst = 0;
		break }
	od
}

/* one look of mdr_restore_round(), with the device lock; into ret */
inline restore_look(g, f, sure)
{
	ret = OK;
	if
	:: !present[f] || (!blank[f] && !failed[f])
	:: else ->
		if
		:: !ANSWERS(f) -> ret = NOT_YET
		:: ANSWERS(f) && !sure && phys[f] == WHOLE -> ret = FAILS
		:: else ->
			phys[f] = WHOLE;
			blank[f] = 0;
			FUNCTION_SETTLED(f);
			failed[f] = 0
		fi
	fi
}

/* A function that is not whole, and may be by now. */
#define READY(f, g) (IN(f, g) && (blank[f] || failed[f]) && ANSWERS(f) && \
	device_lock[f] == NOBODY)
#if NF == 1
#define ANY_READY(g) READY(0, g)
#elif NF == 2
#define ANY_READY(g) (READY(0, g) || READY(1, g))
#else
#define ANY_READY(g) (READY(0, g) || READY(1, g) || READY(2, g))
#endif
#define LOST(f, g) (IN(f, g) && (blank[f] || failed[f]))
#if NF == 1
#define ANY_LOST(g) LOST(0, g)
#elif NF == 2
#define ANY_LOST(g) (LOST(0, g) || LOST(1, g))
#else
#define ANY_LOST(g) (LOST(0, g) || LOST(1, g) || LOST(2, g))
#endif

/* mdr_group_restore(), into ret. Between two rounds it is not inside the gate. */
inline group_restore(g, me, sure)
{
	do
	:: inside[me] = EXCLUSIVE;
	   atomic {
		set = 0;
		for (i_ : 0 .. NF - 1) {
			if
			:: IN(i_, g) && (failed[i_] || blank[i_]) -> set = set | (1 << i_)
			:: else
			fi
		}
		worst = OK;
		f = 0
	   }
	   do
	   :: atomic {
		f < NF && HAS(set, f) && ATTEMPT_MAY(g, me) ->
		if
		:: device_lock[f] != NOBODY ->
			ret = ((IN(f, g) && !removing[f]) -> NOT_YET : OK)
		:: else -> restore_look(g, f, sure)
		fi;
		worst = ((ret != OK && worst != FAILS) -> ret : worst);
		f++
	      }
	   :: atomic { f < NF && !(HAS(set, f) && ATTEMPT_MAY(g, me)) -> f++ }
	   :: atomic { f == NF ->
		inside[me] = 0;
		ret = (ATTEMPT_MAY(g, me) -> worst : CANCELED);
		f = 0;
		set = 0;
		worst = 0;
		break }
	   od;
	   if
	   :: atomic { ret != NOT_YET -> break }
	   :: atomic { ret == NOT_YET && state[g] == S_FAILED && me == WORKER(g) -> ret = FAILS; break }
	   :: else ->
		if
		:: atomic { !ATTEMPT_MAY(g, me) -> ret = CANCELED; break }
		:: atomic { ATTEMPT_MAY(g, me) && (ANY_READY(g) || !ANY_LOST(g)) }
		:: atomic { ATTEMPT_MAY(g, me) && !ANY_READY(g) && MAY_FIRE -> ret = FAILS; break }
		fi
	   fi
	od
}

/* mdr_group_reset_and_restore(), without its second part, the reset of buses */
inline reset_and_restore(g, me)
{
	attempt_reset_each(g, me, 0);
	if
	:: ret == OK -> group_restore(g, me, 1)
	:: else
	fi
}

/* mdr_group_is_pristine(), into whole_ */
inline group_is_pristine(g)
{
	whole_ = drained[g];
	for (i_ : 0 .. NF - 1) {
		if
		:: IN(i_, g) && !was_reset[i_] -> whole_ = 0
		:: else
		fi
	}
}

/*
 * With timers that fire only when nothing else can happen, a group may fail only if
 * something is wrong: a function does not come back, or the host gave up.
 */
inline check_failure(g)
{
	for (i_ : 0 .. NF - 1) {
		known_ = (i_ == 0 -> 0 : known_) || (IN(i_, g) && !ANSWERS(i_))
	}
	assert(early || known_ || blocked || LINK_FAILS || HANGS)
}

/* mdr_group_finish() */
proctype worker(byte g)
{
	byte f, set, ret, worst, began_event;
	bit abandoned, host_works, was_overdue;
	bit gone_on;

end:	do
	:: atomic {
		queued[g] && !dying[g] ->
		queued[g] = 0;
		running[g] = 1;
		abandoned = 0;
		visited[g] = 0;
		f = 0
	   }
	   /* mdr_host_has_abandoned() */
	   if
	   :: overdue[g] ->
		abandoned = 1;
		do
		:: atomic { f < NF ->
			if
			:: IN(f, g) && device_lock[f] != NOBODY -> abandoned = 0
			:: IN(f, g) && device_lock[f] == NOBODY && RECOVERING(f) ->
				abandoned = abandoned && blocked && phys[f] == BLANK &&
					    (!(walkers[f] & (walkers[f] - 1)) || bug == BUG_ONE_PROOF)
			:: else
			fi;
			f++ }
		:: atomic { f == NF -> f = 0; break }
		od
	   :: else
	   fi;
	   /* mdr_finish_begin() */
	   atomic {
		if
		:: dying[g] || opening[g] || GIVEN_UP(g) ||
		   (!RECOVERING_NOW(g) && state[g] != S_FAILED) -> gone_on = 0
		:: else ->
			abandoned = abandoned && (!visited[g] || bug == BUG_OLD_LOOK);
			began_event = event[g];
			was_overdue = overdue[g];
			group_lacks_reset(g);
			host_is_done[g] = host_is_done[g] || known_ || (abandoned && was_overdue);
			abandoned = host_is_done[g];
			host_works = any_ && !abandoned;
			gone_on = (host_works -> was_overdue : 1);
			if
			:: !host_works -> attempt_task[g] = WORKER(g)
			:: else
			fi
		fi
	   }
	   if
	   :: gone_on ->
		/* mdr_finish_run() */
		if
		:: host_works -> ret = FAILS
		:: else ->
			if
			:: state[g] == S_CLOSING -> drain(g, WORKER(g), 0)
			:: else
			fi;
			attempt_reset_each(g, WORKER(g), 1);
			if
			:: ret == OK ->
				group_restore(g, WORKER(g), !abandoned)
			:: else
			fi;
			if
			:: ret == OK || ret == CANCELED
			:: else ->
				/* mdr_finish_may_reset() */
				atomic {
					gone_on = !(attempt_event[g] == began_event ||
						    !ATTEMPT_MAY(g, WORKER(g)));
					attempt_event[g] = (gone_on -> began_event : attempt_event[g])
				}
				if
				:: gone_on -> reset_and_restore(g, WORKER(g))
				:: else
				fi
			fi
		fi;
		/* mdr_finish_end() */
		inside[WORKER(g)] = EXCLUSIVE;
		atomic {
			if
			:: ret == CANCELED || began_event != event[g] ||
			   !(host_works || ATTEMPT_MAY(g, WORKER(g)))
			:: else ->
				if
				:: ret == OK ->
					for (j_ : 0 .. NF - 1) {
						if
						:: IN(j_, g) ->
							walkers[j_] = (abandoned && !told_by_reset[j_] -> 0 : walkers[j_]);
							walk_forget(j_)
						:: else
						fi
					}
				:: else
				fi;
				/* mdr_group_has_resumed() */
				group_pending(g);
				whole_ = !any_;
				group_has_failed(g);
				whole_ = whole_ && !any_ && (state[g] == S_RECOVERING ||
					(state[g] == S_FAILED && !GIVEN_UP(g)));
				whole_ = whole_ || (bug == BUG_PENDING && state[g] == S_RECOVERING);
				if
				:: ret == OK && whole_ ->
					group_is_pristine(g);
					untouched[g] = whole_;
					group_policy(g);
					MDR_RESUME(g, policy_)
				:: !(ret == OK && whole_) && (ret != OK || was_overdue) ->
					/* mdr_finish_failed() */
					if
					:: RECOVERING_NOW(g) ->
						check_failure(g);
						broken[g] = 0;
						if
						:: host_works -> GROUP_STEP(g, WATCHDOG)
						:: !host_works && abandoned -> GROUP_STEP(g, ERROR_PERMANENT)
						:: else -> GROUP_STEP(g, SLOT_RESET_FAILED)
						fi
					:: else
					fi;
					queued[g] = (host_works -> queued[g] : 0)
				:: else
				fi;
				late[g] = 0;
				attempt_task[g] = NOBODY
			fi;
			inside[WORKER(g)] = 0
		}
	   :: else
	   fi;
	   d_step {
		ret = 0;
		began_event = 0;
		abandoned = 0;
		host_works = 0;
		was_overdue = 0;
		gone_on = 0;
		visited[g] = 0;
		running[g] = 0
	   }
	od
}

#if MAPS
/* mdr_group_open_work() */
proctype opener(byte g)
{
	byte seen[NF];

end:	do
	:: d_step {
		opening[g] ->
		for (i_ : 0 .. NF - 1) {
			seen[i_] = ones_mapped[i_]
		}
	   }
	   zap(g);
	   atomic {
		for (i_ : 0 .. NF - 1) {
			ones_removed[i_] = (IN(i_, g) -> seen[i_] : ones_removed[i_]);
			seen[i_] = 0
		}
		/* mdr_group_may_open() */
		group_pending(g);
		whole_ = !any_;
		group_has_failed(g);
		whole_ = whole_ && !any_ && !GIVEN_UP(g);
		if
		:: !opening[g] || SUBSTITUTED(g)
		:: opening[g] && !SUBSTITUTED(g) ->
			if
			:: (state[g] == S_RESETTING && resets[g]) ||
			   ((state[g] == S_RECOVERING || state[g] == S_FAILED) && !whole_) ->
				STOP_OPENING(g);
				group_pending(g);
				queued[g] = queued[g] || (!any_ && !dying[g])
			:: else ->
				opening[g] = 0;
				from = state[g];
				state[g] = S_OPEN;
				origin[g] = S_INVALID;
				act = A_OPEN;
				group_after_step(g)
			fi
		fi
	   }
	od
}
#endif

/* mdr_group_recover(), into ret */
inline group_recover(g, me)
{
	atomic {
		GROUP_RESET_BEGIN(g, ADMIN_RECOVER, me);
		ret = (act == A_NONE -> OK : FAILS);
		if
		:: ret == OK -> attempt_task[g] = me
		:: else
		fi
	}
	if
	:: ret == OK ->
		if
		:: IS_DRAINED(g, me, 0)
		:: HUNG(g) && MAY_FIRE -> ret = FAILS
		fi;
		if
		:: ret == OK -> reset_and_restore(g, me)
		:: else
		fi;
		atomic {
			ret = (resetter[g] == me -> ret : FAILS);
			if
			:: ret == OK ->
				broken[g] = 0;
				for (j_ : 0 .. NF - 1) {
					if
					:: IN(j_, g) ->
						FUNCTION_SETTLED(j_);
						walk_forget(j_)
					:: else
					fi
				}
				if
				:: resets[g] == 1 ->
					group_policy(g);
					MDR_RESUME(g, policy_)
				:: else
				fi
			:: else
			fi;
			attempt_task[g] = (attempt_task[g] == me -> NOBODY : attempt_task[g]);
			group_reset_end(g, 0, me)
		}
	:: else
	fi
}

#ifdef RECOVERS
byte recovers = RECOVERS;

/* Not while a walk is under way: see README.md. One may begin at any moment. */
proctype admin()
{
	byte f, set, ret, worst;

	do
	:: atomic { recovers > 0 && state[0] == S_FAILED && !ghost_walking -> recovers-- }
	   group_recover(0, ADMIN);
	   ret = 0
	:: atomic { recovers > 0 -> recovers-- }
	:: atomic { recovers == 0 -> break }
	od;
	ended++
}
#endif

/* A device that takes its time comes back whenever it likes, or never. */
proctype device(byte f)
{
end:	do
	:: atomic { phys[f] == SILENT -> phys[f] = BLANK }
	:: atomic { phys[f] == SILENT && DIES && !over -> phys[f] = GONE }
	od
}
