/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bugs that run plants, one at a time, to see that the model finds them: the name; in
 * the comment the configuration that finds it, and what is wrong.
 */
#define BUG_NO_WAKE		1	/* pair: a gate that is closed for good wakes nobody */
#define BUG_STALE_ACK		2	/* one: an acknowledgement of any event counts */
#define BUG_LATE_ACK		3	/* one: a reset that an error overtook acknowledges it */
#define BUG_HOST_LOSES		4	/* early: a host callback leaves the own attempt its permission */
#define BUG_TOLD_TWICE		5	/* levels: a function that is told twice does not end a walk */
#define BUG_DRAIN_FIRST		6	/* maps: mappings are removed after the drain */
#define BUG_NO_BOUND		7	/* hang: the drain waits as long as it takes */
#define BUG_BLANK_UNSEEN	8	/* outside: a reset from outside may lose config space */
#define BUG_SIBLING		9	/* unplug: a function that leaves starts no worker */
#define BUG_FAILED_OPENS	10	/* slow: a reset in a failed group opens it, whole or not */
#define BUG_HOST_WAITS		11	/* pair: the own attempt waits for a device lock and nothing else */
#define BUG_PENDING		12	/* pair: the end of a recovery waits for no other function */
#define BUG_NO_UNDO		13	/* maps: a fault that is late leaves its entry */
#define BUG_CLOSE_EARLY		14	/* one: close does not wait for the recovery */
#define BUG_ELIDES		15	/* elide: a reset is left out although the gate was open */
#define BUG_BREAKER		16	/* slow: a user revives what the breaker gave up on */
#define BUG_REVIVED		17	/* one: any reset in a failed group opens it for its users of type hold */
#define BUG_OLD_LOOK		18	/* early: what the worker saw of an earlier event counts */
