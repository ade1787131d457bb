/* SPDX-License-Identifier: GPL-2.0-only */
/* What a configuration does not set. */

#ifndef NF			/* functions */
#define NF 1
#endif
#ifndef NG			/* groups */
#define NG 1
#endif
#ifndef G			/* the group of a function */
#define G(f) 0
#endif
#ifndef TYPE			/* the type of its mdev */
#define TYPE(f) P_RESUME
#endif
#ifndef USED			/* a user has it open when the run begins */
#define USED(f) 1
#endif
#ifndef OPS			/* what each user does before it leaves */
#define OPS 2
#endif
#ifndef MAPS
#define MAPS 0
#endif
#ifndef RESETS
#define RESETS 0
#endif
#ifndef ACKS			/* may users acknowledge without a reset? */
#define ACKS 0
#endif
#ifndef CONFIG_ACCESS
#define CONFIG_ACCESS 0
#endif
#ifndef HANGS
#define HANGS 0
#endif
#ifndef ELIDES
#define ELIDES 0
#endif
#ifndef HOSTS			/* tasks that walk */
#define HOSTS 1
#endif
#ifndef PORTS			/* 2: function 0 is below the first port only */
#define PORTS 1
#endif
#ifndef BELOW
#define BELOW(f, port) ((port) == 0 || (f) > 0)
#endif
#ifndef WALKS			/* errors */
#define WALKS 1
#endif
#ifndef FATAL_ERRORS
#define FATAL_ERRORS 1
#endif
#ifndef NONFATAL_ERRORS
#define NONFATAL_ERRORS 0
#endif
#ifndef NONFATAL_RESET		/* nonfatal_action=reset */
#define NONFATAL_RESET 0
#endif
#ifndef BLOCKED			/* may a function without handlers be there? */
#define BLOCKED 0
#endif
#ifndef SILENT_KERNEL		/* may the kernel give up without a word? */
#define SILENT_KERNEL 0
#endif
#ifndef LINK_FAILS
#define LINK_FAILS 0
#endif
#ifndef EARLY			/* may timers fire at any time? */
#define EARLY 0
#endif
#ifndef SLOW			/* functions that answer late after a reset */
#define SLOW 0
#endif
#ifndef DIES			/* or never again */
#define DIES 0
#endif
#ifndef LOSES			/* a reset may lose config space */
#define LOSES 0
#endif

#define GROUP_IDLE(g) (dying[g] || (!armed[g] && !fired[g] && !queued[g] && !running[g] && \
	!opening[g]))
#if NG == 1
#define GROUPS_IDLE GROUP_IDLE(0)
#else
#define GROUPS_IDLE (GROUP_IDLE(0) && GROUP_IDLE(1))
#endif
#if NF == 1
#define IDLE (GROUPS_IDLE && phys[0] != SILENT)
#elif NF == 2
#define IDLE (GROUPS_IDLE && phys[0] != SILENT && phys[1] != SILENT)
#else
#define IDLE (GROUPS_IDLE && phys[0] != SILENT && phys[1] != SILENT && phys[2] != SILENT)
#endif
