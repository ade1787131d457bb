/* SPDX-License-Identifier: GPL-2.0-only */
/* What else happens to a group: its timer, a reset from outside, and unplug. */

/* mdr_group_timer() */
proctype timer(byte g)
{
end:	do
	:: atomic { armed[g] && MAY_FIRE -> armed[g] = 0; fired[g] = 1 }
	   atomic {
		fired[g] = 0;
		if
		:: armed[g] || dying[g]
		:: else ->
			if
			:: RECOVERING_NOW(g) && opening[g] -> armed[g] = 1
			:: RECOVERING_NOW(g) && !opening[g] ->
				overdue[g] = 1;
				queued[g] = 1
			:: state[g] == S_FAILED ->
				group_pending(g);
				queued[g] = queued[g] || any_ || late[g];
				overdue[g] = overdue[g] || any_ || late[g]
			:: state[g] == S_HOLDING && opening[g]
			:: state[g] == S_HOLDING && !opening[g] -> GROUP_STEP(g, HOLD_TIMEOUT)
			:: state[g] == S_EVICTING -> armed[g] = 1
			:: else
			fi
		fi
	   }
	od
}

#ifdef OUTSIDE_RESETS
byte outside_resets = OUTSIDE_RESETS;

/* A reset from outside, of one function: by sysfs, or by the driver of a PF. */
proctype outside()
{
	byte f;

	do
	:: atomic {
		outside_resets > 0 ->
		outside_resets--;
		if
		:: f = 0
		:: NF > 1 -> f = NF - 1
		fi
	   }
	   lock_device(f, OUTSIDE);
	   if
	   :: present[f] ->
		/* mdr_reset_prepare() */
		atomic {
			group_reset_begin_by_host(G(f));
			in_host_reset[f] = (act == A_NONE);
			if
			:: !in_host_reset[f] && RECOVERING_NOW(G(f)) && bug != BUG_NOT_TOLD ->
				STOP_OPENING(G(f));
				FUNCTION_TOLD(f, OUTSIDE);
				told_by_reset[f] = 1
			:: else
			fi
		}
		zap(G(f));
		/* config space is not blocked meanwhile: no other function of the group is reset */
		unblocked = (bug != BUG_BLOCKED);
		drain(G(f), OUTSIDE, (unblocked -> 0 : CONFIG));
		unblocked = 0
	   :: else
	   fi;
	   atomic {
		for (i_ : 1 .. TASKS - 1) {
			assert(touches[i_] != 1 + f ||
			       (present[f] && ghost_late[G(f)]) || removing[f] ||
			       !opened[f])
		}
		ghost_used[f] = 1;
		if
		:: phys[f] == WHOLE
		:: phys[f] == WHOLE && SLOW -> phys[f] = SILENT
		:: phys[f] == WHOLE && LOSES -> phys[f] = BLANK
		:: phys[f] != WHOLE
		fi
	   }
	   atomic {
		/* mdr_reset_done() */
		if
		:: bug != BUG_BLANK_UNSEEN && present[f] && phys[f] != WHOLE -> blank[f] = 1
		:: else
		fi;
		if
		:: told_by_reset[f] ->
			told_by_reset[f] = 0;
			FUNCTION_RESUMED(f, OUTSIDE);
			group_pending(G(f));
			if
			:: !any_ -> queued[G(f)] = !dying[G(f)]
			:: else
			fi
		:: else
		fi;
		if
		:: in_host_reset[f] ->
			in_host_reset[f] = 0;
			if
			:: bug != BUG_BLANK_UNSEEN && phys[f] != WHOLE && state[G(f)] == S_RESETTING &&
			   origin[G(f)] != S_FAILED ->
				/* mdr_group_recover_lost() */
				was_blank[f] = 0;
				frozen[f] = 0;
				needs_reset[f] = 0;
				was_reset[f] = 0;
				reset_due[f] = 0;
				ghost_walks++;
				new_id(ghost_walks);
				walk_event[f] = id_;
				new_event(G(f), id_);
				broken[G(f)] = 0;
				GROUP_STEP(G(f), ERROR_FATAL);
				queued[G(f)] = !dying[G(f)]
			:: else
			fi;
			group_reset_end(G(f), 0, OUTSIDE)
		:: else
		fi;
		device_lock[f] = NOBODY;
		f = 0
	   }
	:: atomic { outside_resets == 0 -> break }
	od;
	ended++
}
#endif

#ifdef UNPLUGS
/*
 * Unplug or unbind of function 0. Its user is killed after revoke_timeout_ms and the
 * device lock is held meanwhile, as an unbind does it.
 */
proctype unplug()
{
	lock_device(0, UNPLUG);
	atomic {
		if
		:: phys[0] = GONE	/* pulled out */
		:: skip			/* just unbound */
		fi;
		removing[0] = 1;
		wake_all(Q_STATE(G(0)))
	}
	d_step {
		device_removing[0] = 1;
		killed[0] = 1
	}
	!in_use[0];
	/* mdr_function_unpublish(): mdr_group_remove() */
	atomic {
		present[0] = 0;
		group_pending(G(0));
		known_ = any_;
		whole_ = 0;
		for (j_ : 0 .. NF - 1) {
			if
			:: IN(j_, G(0)) -> whole_ = 1
			:: else
			fi
		}
		if
		:: !whole_ || known_
		:: else ->
			group_has_failed(G(0));
			if
			:: state[G(0)] == S_FAILED && !GIVEN_UP(G(0)) && !any_ ->
				queued[G(0)] = !dying[G(0)]
			:: bug != BUG_SIBLING && state[G(0)] == S_RECOVERING -> queued[G(0)] = !dying[G(0)]
			:: else
			fi
		fi
	}
	d_step {
		walk_forget(0);
		/* mdr_group_put() */
		whole_ = 0;
		for (j_ : 0 .. NF - 1) {
			if
			:: IN(j_, G(0)) -> whole_ = 1
			:: else
			fi
		}
		if
		:: !whole_ ->
			dying[G(0)] = 1;
			opening[G(0)] = 0;
			attempt_task[G(0)] = NOBODY;
			armed[G(0)] = 0;
			queued[G(0)] = 0;
			wake_all(Q_STATE(G(0)))
		:: else
		fi
	}
	/* cancel_work_sync() */
	!dying[G(0)] || !running[G(0)];
	d_step {
		on_bus[0] = 0;
		device_lock[0] = NOBODY;
		ended++
	}
}
#endif
