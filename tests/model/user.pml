/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The user of a function: access.c and entry.c, fault.c, reset.c, and open and close of
 * device.c.
 */

#define ME	USER(f)

/*
 * Whoever lets a user touch a function: nobody but the host may, between its drain and
 * the opening of the gate; and what is touched is whole.
 */
inline touch(f, kind)
{
	atomic {
		/* the PCI core holds config accesses back in a reset from outside, once the gate is drained */
		kind != CONFIG || device_lock[f] != OUTSIDE || unblocked;
		touches[ME] = 1 + f;
		assert(!ghost_quiet[G(f)]);
		assert(phys[f] == WHOLE || phys[f] == GONE || ghost_told_so[f] ||
		       ghost_late[G(f)]);
		ghost_used[f] = 1
	}
	touches[ME] = 0
}

/* The same for open, close and reset, which may run with the gate closed. */
inline touch_exclusively(f)
{
	atomic {
		touches[ME] = 1 + f;
		assert(!(ghost_alone[G(f)] && RECOVERING_NOW(G(f)) && !opening[G(f)]) || removing[f]);
		ghost_used[f] = 1
	}
	touches[ME] = 0
}

/*
 * wait_event_killable_timeout(): waited is 0 if the bound passed or a kill came. A bound
 * that passes although the condition holds is a wake-up that was forgotten.
 */
#define WAIT_FOR(queue, condition, may_fire) \
	waited = 1; \
	do \
	:: atomic { \
		if \
		:: condition -> sleeps[ME] = 0 \
		:: else -> sleeps[ME] = queue \
		fi } \
	   if \
	   :: atomic { sleeps[ME] == 0 && (condition) -> break } \
	   :: atomic { sleeps[ME] == 0 && !(condition) } \
	   :: atomic { sleeps[ME] != 0 && killed[f] -> sleeps[ME] = 0; waited = 0; break } \
	   :: atomic { sleeps[ME] != 0 && (may_fire) -> \
		assert(!(condition)); sleeps[ME] = 0; waited = 0; break } \
	   fi \
	od

/* mdr_restore_if_blank(), into result */
#define FINE	0
#define AGAIN	1
#define ERROR	2
inline restore_if_blank(f)
{
	atomic {
		if
		:: device_lock[f] != NOBODY -> result = AGAIN
		:: else ->
			result = FINE;
			if
			:: phys[f] == BLANK ->
				phys[f] = WHOLE;
				blank[f] = 0
			:: else
			fi
		fi
	}
}

proctype user(byte f)
{
	byte ops = OPS;
	byte result, kind, seen;
	bit waited;

	if
	:: opened[f] -> goto busy
	:: else
	fi;

idle:	if
	:: atomic {
		ops > 0 && !killed[f] ->
		ops--;
		if
		:: device_removing[f] -> goto through
		:: else -> in_use[f] = 1
		fi
	   }
	:: atomic { skip -> goto through }
	fi;

	/* mdr_device_enable(): mdr_device_open_gate() */
open_again:
	inside[ME] = EXCLUSIVE;
	if
	:: atomic { closed[G(f)] != GATE_CLOSED -> closed[G(f)] = GATE_OPEN }
	:: atomic { closed[G(f)] == GATE_CLOSED -> inside[ME] = 0 }
	   if
	   :: RECOVERING_NOW(G(f)) ->
		WAIT_FOR(Q_STATE(G(f)), !RECOVERING_NOW(G(f)), MAY_FIRE);
		if
		:: waited -> goto open_again
		:: else -> goto not_open
		fi
	   :: state[G(f)] == S_OPEN -> goto open_again
	   :: else -> goto not_open
	   fi
	fi;
	do
	:: restore_if_blank(f);
	   if
	   :: atomic { result == AGAIN && closed[G(f)] == GATE_CLOSED -> break }
	   :: atomic { result == AGAIN && closed[G(f)] != GATE_CLOSED && device_lock[f] == NOBODY }
	   :: atomic { result == AGAIN && closed[G(f)] != GATE_CLOSED && MAY_FIRE -> break }
	   :: atomic { result == FINE ->
		result = (ANSWERS(f) -> FINE : ERROR);
		break }
	   fi
	od;
	if
	:: result == FINE -> touch_exclusively(f)
	:: else
	fi;
	atomic {
		if
		:: result == FINE && closed[G(f)] != GATE_CLOSED ->
			opened[f] = 1;
			acknowledged[f] = event[G(f)];
			users[G(f)]++;
			ghost_behind[f] = 0;
			ghost_told_so[f] = 0
		:: result != FINE && closed[G(f)] != GATE_CLOSED
		:: closed[G(f)] == GATE_CLOSED -> result = AGAIN
		fi
	}
	if
	:: result == FINE -> inside[ME] = 0
	:: result == ERROR -> atomic { inside[ME] = 0; goto not_open }
	:: result == AGAIN ->
		/* vfio_pci_core_disable() */
		inside[ME] = 0;
		if
		:: RECOVERING_NOW(G(f)) ->
			WAIT_FOR(Q_STATE(G(f)), !RECOVERING_NOW(G(f)), MAY_FIRE);
			if
			:: waited -> goto open_again
			:: else
			fi
		:: else
		fi;
		goto not_open
	fi;

busy:	if
	:: atomic { ops > 0 && !killed[f] -> ops--; kind = ACCESS; goto enter }
	:: atomic { CONFIG_ACCESS && ops > 0 && !killed[f] -> ops--; kind = CONFIG; goto enter }
	:: atomic { MAPS && ops > 0 && !killed[f] -> ops--; goto fault }
	:: atomic { RESETS && ops > 0 && !killed[f] -> ops--; goto reset }
	:: atomic { ACKS && ops > 0 && !killed[f] -> ops--; seen = event[G(f)]; goto acknowledge }
	:: atomic { skip -> goto close }
	fi;

	/* mdr_acknowledge(), of the event that the user has seen; never enters the gate */
acknowledge:
	atomic {
		/* mdr_status_may_acknowledge() */
		if
		:: (seen == event[G(f)] || bug == BUG_ACK_ID) && TYPE(f) == P_HOLD &&
		   state[G(f)] == S_HOLDING && acknowledged[f] != event[G(f)] &&
		   drained[G(f)] && was_reset[f] ->
			assert(!ghost_used[f] && phys[f] == WHOLE);
			acknowledged[f] = event[G(f)];
			ghost_behind[f] = (seen == event[G(f)] -> 0 : ghost_behind[f]);
			group_acknowledged(G(f));
			if
			:: any_ -> GROUP_STEP(G(f), ACKNOWLEDGED)
			:: else
			fi
		:: else
		fi;
		seen = 0;
		goto busy
	}

	/* mdr_device_enter() and what it lets in */
enter:	if
	:: atomic { closed[G(f)] != GATE_CLOSED && bug != BUG_NO_LOOK ->
		/* the count shows whether the gate is shut, in the operation that counts */
		closed[G(f)] = GATE_OPEN;
		inside[ME] = kind }
	:: atomic { closed[G(f)] != GATE_CLOSED && bug == BUG_NO_LOOK }
	   inside[ME] = kind
	:: atomic { closed[G(f)] == GATE_CLOSED -> inside[ME] = kind }
	   inside[ME] = 0;
	   WAIT_FOR(Q_GATE(G(f)), closed[G(f)] != GATE_CLOSED || dead[G(f)], MAY_FIRE);
	   if
	   :: atomic { closed[G(f)] != GATE_CLOSED -> goto enter }
	   :: atomic { else -> kind = 0; goto busy }
	   fi
	fi;
	if
	:: HANGS -> goto hang
	:: skip
	fi;
leave:	touch(f, kind);
	atomic { inside[ME] = 0; kind = 0; goto busy }

hang:	ghost_hung[f] = 1;
end:	if
	:: atomic { HANGS == 1 && killed[f] -> ghost_hung[f] = 0; goto leave }
	:: atomic { HANGS == 1 -> ghost_hung[f] = 0; goto leave }
	fi;

	/* mdr_fault_any() */
fault:	if
	:: atomic { closed[G(f)] != GATE_CLOSED ->
		closed[G(f)] = GATE_OPEN;
		inside[ME] = ACCESS }
		/* mdr_fault_inside() */
		atomic {
			assert(!ghost_quiet[G(f)]);
			ghost_used[f] = 1;
			mapping[f] = MAP_BAR
		}
		if
		:: bug != BUG_NO_UNDO && closed[G(f)] == GATE_CLOSED -> mapping[f] = MAP_NONE
		:: bug == BUG_NO_UNDO || closed[G(f)] != GATE_CLOSED
		fi;
		inside[ME] = 0
	:: atomic { closed[G(f)] == GATE_CLOSED -> inside[ME] = ACCESS }
		inside[ME] = 0;
		WAIT_FOR(Q_GATE(G(f)), closed[G(f)] != GATE_CLOSED || dead[G(f)], MAY_FIRE);
		if
		:: closed[G(f)] != GATE_CLOSED || opening[G(f)]
		:: else ->
			/* mdr_fault_substitute() */
			atomic { mapping[f] = MAP_ONES; faulting[f] = 1 }
			ones_mapped[f]++;
			atomic {
				mapping[f] = ((closed[G(f)] != GATE_CLOSED || opening[G(f)]) &&
					      bug != BUG_ONES_STAY -> MAP_NONE : mapping[f]);
				assert(mapping[f] != MAP_ONES || closed[G(f)] == GATE_CLOSED);
				faulting[f] = 0
			}
		fi
	fi;
	goto busy;

	/* mdr_device_reset(): mdr_reset_begin_wait() */
reset:	atomic {
		group_pending(G(f));
		if
		:: state[G(f)] == S_EVICTING || (GIVEN_UP(G(f)) && bug != BUG_BREAKER) ||
		   (state[G(f)] == S_FAILED && any_ && !host_is_done[G(f)]) -> result = ERROR
		:: else ->
			GROUP_RESET_BEGIN(G(f), USER_RESET_BEGIN, ME);
			result = (act == A_NONE -> FINE : AGAIN)
		fi
	}
	if
	:: atomic { result == ERROR -> result = 0; goto busy }
	:: result == AGAIN ->
		WAIT_FOR(Q_STATE(G(f)), !RECOVERING_NOW(G(f)) && state[G(f)] != S_RESETTING, MAY_FIRE);
		result = 0;
		if
		:: waited -> goto reset
		:: else -> goto busy
		fi
	:: else
	fi;
	if
	:: IS_DRAINED(G(f), ME, 0)
	:: HUNG(G(f)) && !(IS_DRAINED(G(f), ME, 0)) && MAY_FIRE -> result = ERROR; goto reset_end
	fi;
	inside[ME] = EXCLUSIVE;
	if
	:: atomic { resetter[G(f)] != ME -> result = ERROR; goto reset_leave }
	:: atomic { resetter[G(f)] == ME }
	fi;
	if
	:: atomic { !ANSWERS(f) -> result = ERROR; goto reset_leave }
	:: atomic { ANSWERS(f) }
	fi;
	/* mdr_reset_is_elided() */
	atomic {
		if
		:: untouched[G(f)] && ELIDES ->
			for (i_ : 0 .. NF - 1) {
				assert(!IN(i_, G(f)) || !ghost_used[i_])
			}
			ghost_behind[f] = 0;
			goto reset_leave
		:: else -> untouched[G(f)] = 0
		fi
	}
	/* mdr_reset_core() */
	if
	:: atomic {
		device_lock[f] == NOBODY ->
		device_lock[f] = ME;
		touches[ME] = 1 + f;
		assert(!(ghost_alone[G(f)] && RECOVERING_NOW(G(f)) && !ghost_late[G(f)]))
	   }
	:: atomic { device_lock[f] != NOBODY &&
		(resetter[G(f)] != ME || resets[G(f)] != 1) -> result = ERROR; goto reset_leave }
	:: atomic { device_lock[f] != NOBODY && early -> result = ERROR; goto reset_leave }
	fi;
	atomic {
		ghost_used[f] = 1;
		if
		:: phys[f] != GONE ->
			ghost_behind[f] = 0
		:: phys[f] == WHOLE && LOSES -> phys[f] = BLANK
		:: phys[f] != GONE && SLOW && LOSES ->
			phys[f] = SILENT
		:: phys[f] == GONE
		fi;
		touches[ME] = 0;
		device_lock[f] = NOBODY
	}
	/* mdr_reset_run(): mdr_reset_revive() or mdr_restore_if_blank() */
	atomic {
		kind = (origin[G(f)] == S_FAILED)
	}
	atomic {
		if
		:: device_lock[f] != NOBODY -> result = (kind -> ERROR : FINE)
		:: device_lock[f] == NOBODY && !kind ->
			if
			:: phys[f] == BLANK ->
				phys[f] = WHOLE;
				blank[f] = 0;
				ghost_behind[f] = 0
			:: else
			fi;
			result = (ANSWERS(f) -> FINE : ERROR)
		:: else ->
			if
			:: ANSWERS(f) ->
				phys[f] = WHOLE;
				blank[f] = 0;
				ghost_behind[f] = 0;
				result = FINE
			:: else -> result = ERROR
			fi
		fi;
		kind = 0;
		ghost_told_so[f] = (result == ERROR -> 1 : ghost_told_so[f])
	}
reset_leave:
	inside[ME] = 0;
reset_end:
	/* mdr_reset_end() */
	atomic {
		if
		:: result == FINE && (resetter[G(f)] == ME || bug == BUG_LATE_ACK) ->
			acknowledged[f] = event[G(f)];
			FUNCTION_SETTLED(f);
			failed[f] = 0
		:: else
		fi;
		group_reset_end(G(f), 1, ME);
		result = 0;
		goto busy
	}

	/* mdr_device_close(): the last file is closed, so no mapping is left */
close:	mapping[f] = MAP_NONE;
close_gate:
	WAIT_FOR(Q_STATE(G(f)), !RECOVERING_NOW(G(f)) || opening[G(f)] || bug == BUG_CLOSE_EARLY || removing[f], early);
	inside[ME] = EXCLUSIVE;
	if
	:: atomic { bug != BUG_CLOSE_EARLY && RECOVERING_NOW(G(f)) && !opening[G(f)] && !removing[f] -> inside[ME] = 0; goto close_gate }
	:: atomic { bug == BUG_CLOSE_EARLY || !RECOVERING_NOW(G(f)) || opening[G(f)] || removing[f] }
	fi;
	opened[f] = 0;
	touch_exclusively(f);
	inside[ME] = 0;
	atomic {
		users[G(f)]--;
		if
		:: !users[G(f)] -> GROUP_STEP(G(f), LAST_USER_GONE)
		:: else
		fi
	}
not_open:
	atomic {
		in_use[f] = 0;
		result = 0;
		waited = 0;
		goto idle
	}
through:
	ended++
}
