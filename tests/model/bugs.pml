/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bugs that run plants, one at a time, to see that the model finds them: the name; in
 * the comment the configuration that finds it, and what is wrong.
 */
#define BUG_NO_WAKE		1	/* dies: a gate that is closed for good wakes nobody */
#define BUG_LATE_ACK		3	/* one: a reset that an error overtook acknowledges it */
#define BUG_DRAIN_FIRST		6	/* maps: mappings are removed after the drain */
#define BUG_NO_BOUND		7	/* hang: the drain waits as long as it takes */
#define BUG_BLANK_UNSEEN	8	/* outside: a reset from outside may lose config space */
#define BUG_FAILED_OPENS	10	/* dies: a reset in a failed group opens it, whole or not */
#define BUG_NO_UNDO		13	/* maps: a fault that is late leaves its entry */
#define BUG_CLOSE_EARLY		14	/* one: close does not wait for the recovery */
#define BUG_ELIDES		15	/* elide: a reset is left out although the gate was open */
#define BUG_BREAKER		16	/* dies: a user revives what the breaker gave up on */
#define BUG_WALKERS		19	/* two: the end of one walk is taken for the end of all */
#define BUG_NO_LOOK		20	/* one: a task looks whether the gate is open, and then counts itself */
#define BUG_ACK_ID		21	/* ack: any id acknowledges the latest event */
#define BUG_BLOCKED		24	/* outside: config space stays blocked while a reset from outside drains */
#define BUG_FORGETS		25	/* late: an error forgets a walk that is late */
#define BUG_OPENS_FIRST		27	/* ones: the gate opens before the substitute pages are gone */
#define BUG_ONES_STAY		28	/* ones: a fault that is late leaves a substitute page */
#define BUG_NOT_TOLD		23	/* outside: a recovery does not wait for a reset from outside */

/* Not seen to be found yet, so run does not plant them: no claim is made of these. */
#define BUG_STALE_ACK		2	/* an acknowledgement of any event counts */
#define BUG_HOST_LOSES		4	/* a host callback leaves the shim's own attempt its permission */
#define BUG_TOLD_TWICE		5	/* a function that is told twice does not end a walk */
#define BUG_SIBLING		9	/* a function that leaves starts no worker */
#define BUG_HOST_WAITS		11	/* the shim's own attempt waits for a device lock and nothing else */
#define BUG_PENDING		12	/* the end of a recovery waits for no other function */
#define BUG_OLD_LOOK		18	/* what the worker saw of an earlier event counts */
#define BUG_ACK_TOUCHED		22	/* what the host reset stays so when the gate opens */
#define BUG_ONE_PROOF		26	/* the reset of one walk proves that another is abandoned */
