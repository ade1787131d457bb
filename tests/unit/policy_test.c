// SPDX-License-Identifier: GPL-2.0-only
/* What a group does after a recovery, as a function of its mdevs' types. */
#include "policy.h"
#include "test.h"

static void stricter_is_a_maximum(void **unused)
{
	/* The order of a group's mdevs does not matter. */
	unsigned int a, b, c;

	for (a = 0; a < MDR_POLICY_COUNT; a++) {
		assert_int_equal(mdr_policy_stricter(a, a), a);
		assert_int_equal(mdr_policy_stricter(a, MDR_POLICY_NONE), a);
		for (b = 0; b < MDR_POLICY_COUNT; b++) {
			unsigned int both = mdr_policy_stricter(a, b);

			assert_int_equal(both, mdr_policy_stricter(b, a));
			assert_true(both == a || both == b);
			for (c = 0; c < MDR_POLICY_COUNT; c++)
				assert_int_equal(mdr_policy_stricter(both, c),
						 mdr_policy_stricter(a, mdr_policy_stricter(b, c)));
		}
	}
}

static void strictness_has_the_order_of_the_design(void **unused)
{
	/* Evict beats hold, hold beats resume, resume beats none. */
	assert_int_equal(mdr_policy_stricter(MDR_POLICY_EVICT, MDR_POLICY_HOLD),
			 MDR_POLICY_EVICT);
	assert_int_equal(mdr_policy_stricter(MDR_POLICY_HOLD, MDR_POLICY_RESUME),
			 MDR_POLICY_HOLD);
	assert_int_equal(mdr_policy_stricter(MDR_POLICY_RESUME, MDR_POLICY_NONE),
			 MDR_POLICY_RESUME);
}

static void resume_event_of_each_policy(void **unused)
{
	/* The recovery ends as the type says; without an mdev: open. */
	assert_int_equal(mdr_policy_resume_event(MDR_POLICY_NONE),
			 MDR_EVENT_RESUME_OPEN);
	assert_int_equal(mdr_policy_resume_event(MDR_POLICY_RESUME),
			 MDR_EVENT_RESUME_OPEN);
	assert_int_equal(mdr_policy_resume_event(MDR_POLICY_HOLD),
			 MDR_EVENT_RESUME_HOLD);
	assert_int_equal(mdr_policy_resume_event(MDR_POLICY_EVICT),
			 MDR_EVENT_RESUME_EVICT);
}

static void resume_event_ends_a_recovery(void **unused)
{
	/* Whatever the policy, a recovering group accepts the event. */
	unsigned int policy;

	for (policy = 0; policy < MDR_POLICY_COUNT; policy++) {
		struct mdr_machine machine = { .state = MDR_STATE_RECOVERING };
		enum mdr_action action;

		assert_true(mdr_machine_step(&machine,
					     mdr_policy_resume_event(policy),
					     &action));
		assert_int_not_equal(machine.state, MDR_STATE_RECOVERING);
	}
}

static void policy_names(void **unused)
{
	/* Every policy has the name of its mdev type; others are safe. */
	static const char * const names[MDR_POLICY_COUNT] = {
		"none", "resume", "hold", "evict",
	};
	unsigned int policy;

	for (policy = 0; policy < MDR_POLICY_COUNT; policy++)
		assert_string_equal(mdr_policy_name(policy), names[policy]);
	assert_string_equal(mdr_policy_name(MDR_POLICY_COUNT), "none");
	assert_string_equal(mdr_policy_name((enum mdr_policy)UINT32_MAX), "none");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(stricter_is_a_maximum),
		cmocka_unit_test(strictness_has_the_order_of_the_design),
		cmocka_unit_test(resume_event_of_each_policy),
		cmocka_unit_test(resume_event_ends_a_recovery),
		cmocka_unit_test(policy_names),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
