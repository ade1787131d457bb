/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The model of recoveries: run, beside this file, says how to use it; its settings are
 * in configurations. README.md says what is modelled and what is not.
 */

/* ids of errors that a run can need */
#ifndef IDS
#define IDS 7
#endif

#include "defaults.pml"
#include "arcs.pml"
#include "bugs.pml"
#include "group.pml"
#include "shim.pml"
#include "host.pml"
#include "others.pml"
#include "user.pml"

byte started;

/* Everybody is through: what is left of it all. */
proctype last()
{
	byte f, g, set, ret, worst;

end:	atomic {
		ended == started && IDLE;
		over = 1;
		early = 0;
		for (g : 0 .. NG - 1) {
			if
			:: !dying[g] ->
				assert(!resets[g] && !users[g]);
				assert(state[g] == S_OPEN || state[g] == S_FAILED);
				assert((state[g] == S_OPEN) == (closed[g] != GATE_CLOSED))
			:: else
			fi
		}
		for (f : 0 .. NF - 1) {
			phys[f] = (phys[f] == GONE -> BLANK : phys[f])
		}
		f = 0;
		g = 0
	}
	/* every state can be left: with its functions back, a failed group recovers */
	do
	:: g < NG && !dying[g] && state[g] == S_FAILED ->
		atomic { group_of[ADMIN] = g }
		group_recover(g, ADMIN);
		assert(ret == OK && state[g] == S_OPEN);
		g++
	:: g < NG && (dying[g] || state[g] != S_FAILED) -> g++
	:: g == NG -> break
	od
}

c_decl {
	extern char *getenv(const char *);
	extern int atoi(const char *);
}

init {
	atomic {
		/* constant, so it need not be in the state */
		c_code { bug = getenv("BUG") ? atoi(getenv("BUG")) : 0; };
		for (i_ : 0 .. NF - 1) {
			present[i_] = 1;
			on_bus[i_] = 1;
			group_of[USER(i_)] = G(i_);
			if
			:: USED(i_) ->
				opened[i_] = 1;
				in_use[i_] = 1;
				users[G(i_)]++
			:: else
			fi
		}
		for (i_ : 0 .. NG - 1) {
			state[i_] = S_OPEN;
			group_of[WORKER(i_)] = i_
		}
		if
		:: early = 0
		:: EARLY -> early = 1
		fi;
		if
		:: blocked = 0
		:: BLOCKED -> blocked = 1
		fi;
		if
		:: silent = 0
		:: SILENT_KERNEL -> silent = 1
		fi;
		for (i_ : 0 .. NG - 1) {
			run timer(i_);
#if MAPS
			run opener(i_);
#endif
			run worker(i_)
		}
		for (i_ : 0 .. NF - 1) {
			if
			:: SLOW -> run device(i_)
			:: else
			fi;
			if
			:: USED(i_) ->
				run user(i_);
				started++
			:: else
			fi
		}
		for (i_ : 0 .. HOSTS - 1) {
			run host(i_);
			started++
		}
#ifdef OUTSIDE_RESETS
		run outside();
		started++;
#endif
#ifdef UNPLUGS
		run unplug();
		started++;
#endif
#ifdef RECOVERS
		run admin();
		started++;
#endif
		run last()
	}
}
