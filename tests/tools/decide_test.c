// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of the ladder, over all that can come together: what may happen only under
 * certain conditions never happens under others, and every wait has an end or a reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "decide.h"

#define ALL_PHASES	7
#define ALL_PRESENCES	4
#define ALL_STATES	8
#define ALL_CONDITIONS	10

/* Calls check() with every situation, and what is decided in it. */
static void every_situation(void (*check)(const struct situation *s, enum verdict verdict))
{
	struct situation s;

	for (int phase = 0; phase < ALL_PHASES; phase++)
		for (int presence = 0; presence < ALL_PRESENCES; presence++)
			for (int group = 0; group < ALL_STATES; group++)
				for (unsigned int c = 0; c < 1 << ALL_CONDITIONS; c++) {
					s.phase = 1 << phase;
					s.presence = 1 << presence;
					s.state = 1 << group;
					s.conditions = c;
					check(&s, decide(&s));
				}
}

static enum verdict in(enum phase in_phase, enum presence presence, enum group_state group,
		       unsigned int conditions)
{
	struct situation s = { in_phase, presence, group, conditions };

	return decide(&s);
}

/* What must hold for each verdict. */
static void check_verdict(const struct situation *s, enum verdict verdict)
{
	unsigned int c = s->conditions;

	switch (verdict) {
	case VERDICT_TELL:
		assert_int_equal(s->phase, PHASE_ERROR);
		assert_int_equal(s->presence, PRESENCE_ATTACHED);
		assert_int_equal(s->state, GROUP_HOLDING);
		assert_true(c & IF_HOLD && c & IF_ROUTE);
		assert_false(c & (IF_TOLD | IF_NEW | IF_BUSY));
		break;
	case VERDICT_CANNOT_TELL:
		assert_int_equal(s->state, GROUP_HOLDING);
		assert_false(c & IF_SAID);
		break;
	case VERDICT_ATTACH:
		assert_int_equal(s->phase, PHASE_DETACHED);
		assert_int_equal(s->presence, PRESENCE_ABSENT);
		assert_int_equal(s->state, GROUP_OPEN);
		assert_true(c & IF_RETRY && !(c & IF_BUSY));
		break;
	case VERDICT_DETACHED:
		assert_int_equal(s->presence, PRESENCE_ABSENT);
		assert_false(s->phase & (PHASE_DETACHED | PHASE_GIVEN_UP));
		/* not without an eviction, seen or sure */
		assert_true(s->phase == PHASE_EVICTING || c & (IF_EVICT | IF_HELD_OUT));
		assert_true(s->phase != PHASE_ATTACHED || c & IF_NEW);
		break;
	case VERDICT_EVICT:
		assert_int_equal(s->state, GROUP_EVICTING);
		assert_false(s->phase & (PHASE_EVICTING | PHASE_DETACHED | PHASE_GIVEN_UP));
		break;
	case VERDICT_FAILED:
	case VERDICT_SLOW:
		assert_false(c & IF_SAID);
		break;
	case VERDICT_NOTE:
		assert_true(c & IF_NEW);
		break;
	case VERDICT_RESET:
		assert_int_equal(s->phase, PHASE_TOLD);
		assert_int_equal(s->state, GROUP_OPEN);
		break;
	case VERDICT_ASK_USED:
		assert_int_equal(s->phase, PHASE_RESET);
		assert_int_equal(s->presence, PRESENCE_ATTACHED);
		assert_int_equal(s->state, GROUP_OPEN);
		assert_true(c & IF_LATE && !(c & IF_BUSY));
		break;
	case VERDICT_STAYED:
	case VERDICT_RETURNED:
		assert_int_equal(s->presence, PRESENCE_ATTACHED);
		break;
	case VERDICT_GONE:
		assert_int_equal(s->state, GROUP_GONE);
		assert_false(s->presence & (PRESENCE_UNKNOWN | PRESENCE_ATTACHED));
		break;
	case VERDICT_STOPPED:
		assert_int_equal(s->presence, PRESENCE_STOPPED);
		break;
	case VERDICT_FORGET:
		/* never what was evicted */
		assert_false(s->phase & (PHASE_EVICTING | PHASE_DETACHED | PHASE_GIVEN_UP));
		break;
	case VERDICT_WAIT:
	case VERDICT_SETTLE:
	case VERDICT_PASS:
		break;
	}
}

static void verdicts(void **state)
{
	(void)state;
	every_situation(check_verdict);
}

/* While libvirt does not answer it is asked for nothing, and nothing ends by it. */
static void check_unknown(const struct situation *s, enum verdict verdict)
{
	if (s->presence != PRESENCE_UNKNOWN)
		return;
	assert_int_not_equal(verdict, VERDICT_ATTACH);
	assert_int_not_equal(verdict, VERDICT_TELL);
	assert_int_not_equal(verdict, VERDICT_ASK_USED);
	assert_int_not_equal(verdict, VERDICT_DETACHED);
	assert_int_not_equal(verdict, VERDICT_STOPPED);
	assert_int_not_equal(verdict, VERDICT_GONE);
	if (s->phase & (PHASE_DETACHED | PHASE_GIVEN_UP))
		assert_true(verdict == VERDICT_WAIT || verdict == VERDICT_FAILED);
}

static void unknown(void **state)
{
	(void)state;
	every_situation(check_unknown);
}

/* If the domain stops or is restarted, all is over, in any phase. */
static void check_stopped(const struct situation *s, enum verdict verdict)
{
	if (s->presence == PRESENCE_STOPPED)
		assert_int_equal(verdict, VERDICT_STOPPED);
}

static void stopped(void **state)
{
	(void)state;
	every_situation(check_stopped);
}

/* Nothing new is begun while an answer is on its way. */
static void check_busy(const struct situation *s, enum verdict verdict)
{
	if (s->conditions & IF_BUSY && s->presence != PRESENCE_STOPPED)
		assert_int_equal(verdict, VERDICT_WAIT);
}

static void busy(void **state)
{
	(void)state;
	every_situation(check_busy);
}

/*
 * What is said is said once: after it, and after a deadline, nothing is said, and
 * nothing repeats for ever.
 */
static void check_once(const struct situation *s, enum verdict verdict)
{
	if (s->conditions & IF_SAID) {
		assert_int_not_equal(verdict, VERDICT_FAILED);
		assert_int_not_equal(verdict, VERDICT_SLOW);
		assert_int_not_equal(verdict, VERDICT_CANNOT_TELL);
	}
	/* a new event is taken note of, and then it is not new */
	if (verdict == VERDICT_NOTE || verdict == VERDICT_EVICT || verdict == VERDICT_PASS) {
		struct situation next = *s;
		enum verdict then;

		next.conditions &= ~(IF_NEW | IF_LATE);
		next.phase = verdict == VERDICT_NOTE ? PHASE_ERROR :
			     verdict == VERDICT_PASS ? PHASE_ATTACHED : PHASE_EVICTING;
		then = decide(&next);
		assert_int_not_equal(then, verdict == VERDICT_PASS ? VERDICT_NOTE : verdict);
	}
}

static void once(void **state)
{
	(void)state;
	every_situation(check_once);
}

/* An mdev without an event is left alone, also when it is detached. */
static void left_alone(void **state)
{
	(void)state;
	assert_int_equal(in(PHASE_ATTACHED, PRESENCE_ATTACHED, GROUP_OPEN, IF_EVICT), VERDICT_WAIT);
	assert_int_equal(in(PHASE_ATTACHED, PRESENCE_ABSENT, GROUP_OPEN, IF_EVICT), VERDICT_FORGET);
	assert_int_equal(in(PHASE_ATTACHED, PRESENCE_ABSENT, GROUP_CLOSING, IF_NEW),
			 VERDICT_FORGET);
	assert_int_equal(in(PHASE_ATTACHED, PRESENCE_ATTACHED, GROUP_CLOSING, IF_NEW),
			 VERDICT_PASS);
	assert_int_equal(in(PHASE_ERROR, PRESENCE_UNKNOWN, GROUP_GONE, 0), VERDICT_FORGET);
}

/* An eviction that nobody saw: the event's type, or a timeout, tells of it. */
static void unseen(void **state)
{
	(void)state;
	assert_int_equal(in(PHASE_ATTACHED, PRESENCE_ABSENT, GROUP_OPEN, IF_NEW | IF_EVICT),
			 VERDICT_DETACHED);
	assert_int_equal(in(PHASE_ATTACHED, PRESENCE_ABSENT, GROUP_OPEN, IF_NEW | IF_HELD_OUT),
			 VERDICT_DETACHED);
	assert_int_equal(in(PHASE_ERROR, PRESENCE_ABSENT, GROUP_OPEN, IF_EVICT), VERDICT_DETACHED);
	assert_int_equal(in(PHASE_TOLD, PRESENCE_ABSENT, GROUP_OPEN, IF_HOLD | IF_HELD_OUT),
			 VERDICT_DETACHED);
	assert_int_equal(in(PHASE_TOLD, PRESENCE_ABSENT, GROUP_OPEN, IF_HOLD), VERDICT_FORGET);
}

/* What an event of each type leads to, first. */
static void noted(void **state)
{
	(void)state;
	assert_int_equal(in(PHASE_ATTACHED, PRESENCE_ATTACHED, GROUP_CLOSING, IF_NEW | IF_HOLD),
			 VERDICT_NOTE);
	assert_int_equal(in(PHASE_ATTACHED, PRESENCE_UNKNOWN, GROUP_CLOSING, IF_NEW | IF_EVICT),
			 VERDICT_NOTE);
	assert_int_equal(in(PHASE_TOLD, PRESENCE_ATTACHED, GROUP_CLOSING, IF_NEW | IF_HOLD),
			 VERDICT_NOTE);
	assert_int_equal(in(PHASE_ERROR, PRESENCE_ATTACHED, GROUP_OPEN, IF_HOLD), VERDICT_PASS);
}

/* A failed device that an administrator detaches stays so. */
static void failed_and_detached(void **state)
{
	(void)state;
	assert_int_equal(in(PHASE_ERROR, PRESENCE_ABSENT, GROUP_FAILED, IF_EVICT), VERDICT_FORGET);
	assert_int_equal(in(PHASE_EVICTING, PRESENCE_ABSENT, GROUP_FAILED, IF_EVICT),
			 VERDICT_DETACHED);
}

/* First rung, and why not. */
static void tells(void **state)
{
	(void)state;
	assert_int_equal(in(PHASE_ERROR, PRESENCE_ATTACHED, GROUP_CLOSING, IF_HOLD | IF_ROUTE),
			 VERDICT_WAIT);
	assert_int_equal(in(PHASE_ERROR, PRESENCE_ATTACHED, GROUP_HOLDING, IF_HOLD | IF_ROUTE),
			 VERDICT_TELL);
	/* what is in the way may go, so the last word is at the end of the host's part */
	assert_int_equal(in(PHASE_ERROR, PRESENCE_ATTACHED, GROUP_RECOVERING, IF_HOLD),
			 VERDICT_WAIT);
	assert_int_equal(in(PHASE_ERROR, PRESENCE_ATTACHED, GROUP_HOLDING, IF_HOLD),
			 VERDICT_CANNOT_TELL);
	assert_int_equal(in(PHASE_ERROR, PRESENCE_ATTACHED, GROUP_CLOSING, IF_EVICT | IF_ROUTE),
			 VERDICT_WAIT);
	assert_int_equal(in(PHASE_TOLD, PRESENCE_ATTACHED, GROUP_HOLDING, IF_HOLD | IF_TOLD),
			 VERDICT_WAIT);
	assert_int_equal(in(PHASE_TOLD, PRESENCE_ATTACHED, GROUP_EVICTING, IF_HOLD | IF_TOLD),
			 VERDICT_EVICT);
}

/* A reset alone is no recovery: the driver has to use the device again. */
static void used(void **state)
{
	(void)state;
	assert_int_equal(in(PHASE_TOLD, PRESENCE_ATTACHED, GROUP_OPEN, IF_HOLD | IF_TOLD),
			 VERDICT_RESET);
	assert_int_equal(in(PHASE_RESET, PRESENCE_ATTACHED, GROUP_OPEN, IF_HOLD | IF_TOLD),
			 VERDICT_SETTLE);
	assert_int_equal(in(PHASE_RESET, PRESENCE_ATTACHED, GROUP_OPEN, IF_LATE),
			 VERDICT_ASK_USED);
	assert_int_equal(in(PHASE_RESET, PRESENCE_UNKNOWN, GROUP_OPEN, IF_LATE),
			 VERDICT_SETTLE);
	assert_int_equal(in(PHASE_RESET, PRESENCE_ABSENT, GROUP_OPEN, IF_LATE),
			 VERDICT_FORGET);
	assert_int_equal(in(PHASE_RESET, PRESENCE_ATTACHED, GROUP_CLOSING,
			    IF_NEW | IF_HOLD | IF_LATE), VERDICT_NOTE);
}

/* The group may be open before libvirt notices; the wait for that has an end. */
static void open_before_absent(void **state)
{
	(void)state;
	assert_int_equal(in(PHASE_EVICTING, PRESENCE_ATTACHED, GROUP_OPEN, 0), VERDICT_SETTLE);
	assert_int_equal(in(PHASE_EVICTING, PRESENCE_ATTACHED, GROUP_OPEN, IF_LATE),
			 VERDICT_STAYED);
	assert_int_equal(in(PHASE_ERROR, PRESENCE_ATTACHED, GROUP_OPEN, IF_EVICT), VERDICT_SETTLE);
	assert_int_equal(in(PHASE_ERROR, PRESENCE_ATTACHED, GROUP_OPEN, IF_EVICT | IF_LATE),
			 VERDICT_PASS);
}

/* The guest may take as long as it likes to release the device, but that is said. */
static void slow_guest(void **state)
{
	(void)state;
	assert_int_equal(in(PHASE_EVICTING, PRESENCE_ATTACHED, GROUP_EVICTING, 0), VERDICT_SETTLE);
	assert_int_equal(in(PHASE_EVICTING, PRESENCE_ATTACHED, GROUP_EVICTING, IF_LATE),
			 VERDICT_SLOW);
	assert_int_equal(in(PHASE_EVICTING, PRESENCE_ATTACHED, GROUP_EVICTING, IF_LATE | IF_SAID),
			 VERDICT_SETTLE);
}

static void detached(void **state)
{
	(void)state;
	assert_int_equal(in(PHASE_DETACHED, PRESENCE_ABSENT, GROUP_OPEN, IF_RETRY), VERDICT_ATTACH);
	assert_int_equal(in(PHASE_DETACHED, PRESENCE_ABSENT, GROUP_OPEN, 0), VERDICT_WAIT);
	assert_int_equal(in(PHASE_DETACHED, PRESENCE_ABSENT, GROUP_EVICTING, IF_RETRY),
			 VERDICT_WAIT);
	assert_int_equal(in(PHASE_DETACHED, PRESENCE_ABSENT, GROUP_FAILED, IF_RETRY),
			 VERDICT_FAILED);
	assert_int_equal(in(PHASE_DETACHED, PRESENCE_ABSENT, GROUP_GONE, IF_RETRY), VERDICT_GONE);
	assert_int_equal(in(PHASE_DETACHED, PRESENCE_ATTACHED, GROUP_OPEN, IF_RETRY),
			 VERDICT_RETURNED);
	assert_int_equal(in(PHASE_GIVEN_UP, PRESENCE_ABSENT, GROUP_OPEN, IF_RETRY), VERDICT_WAIT);
	assert_int_equal(in(PHASE_GIVEN_UP, PRESENCE_ATTACHED, GROUP_OPEN, 0), VERDICT_RETURNED);
}

/* The time between tries grows, never shrinks, and the tries end. */
static void retries(void **state)
{
	struct record record = { .phase = PHASE_DETACHED };
	int64_t now = 1000, wait, before = 0;
	int tries = 0;

	(void)state;
	for (; tries < 1000; tries++) {
		wait = decide_retry(&record, now);
		if (wait < 0)
			break;
		assert_true(wait >= RETRY_FIRST_MS && wait <= RETRY_MOST_MS && wait >= before);
		assert_int_equal(record.retry_ms, now + wait);
		now += wait;
		before = wait;
	}
	assert_int_equal(tries + 1, ATTEMPTS_MOST);
	assert_int_equal(before, RETRY_MOST_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts),
		cmocka_unit_test(unknown),
		cmocka_unit_test(stopped),
		cmocka_unit_test(busy),
		cmocka_unit_test(once),
		cmocka_unit_test(left_alone),
		cmocka_unit_test(unseen),
		cmocka_unit_test(noted),
		cmocka_unit_test(failed_and_detached),
		cmocka_unit_test(tells),
		cmocka_unit_test(used),
		cmocka_unit_test(open_before_absent),
		cmocka_unit_test(slow_guest),
		cmocka_unit_test(detached),
		cmocka_unit_test(retries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
