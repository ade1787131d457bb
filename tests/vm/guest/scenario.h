/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A scenario shows one thing to be true. It runs in its own process, with its own
 * time limit.
 *
 *	SCENARIO(vfio_pci_loses_bar, "after a fatal error the user reads 0")
 *	{
 *		REQUIRE_OK(vfio_user_open(&u, addr));
 *		CHECK(value == 0, "BAR reads %#x", value);
 *		MEASURE("stall_ms", "%u", stall);
 *	}
 *
 * CHECK records a failure and continues; REQUIRE records it and ends the scenario.
 * Both may be used in any thread and in forked children. At the end the scenario's
 * processes are killed and the machine is cleaned (clean.h), so a scenario need not
 * undo anything.
 */
#ifndef MDR_SCENARIO_H
#define MDR_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "clock.h"

struct scenario {
	const char *name;
	const char *proves;
	void (*run)(void);
	/* seconds; 0 = 30 */
	unsigned int limit_s;
	/* only for "make demo" */
	bool demo;
	/* runs only if named: it fails on purpose */
	bool selftest;
	/* leaves a PF with VFs (sriov.h) to the next scenario, if that sets this too */
	bool vfs;
	/* runs on the debug kernel only, since it needs features of that kernel */
	bool debug;
	/*
	 * looks back at the others, or spoils the machine for them: runs after them, in
	 * each machine that shares them
	 */
	bool last;
};

/* Further fields of struct scenario may follow: SCENARIO(x, "...", .limit_s = 60) */
#define SCENARIO(name_, proves_, ...)					\
	static void name_(void);					\
	static const struct scenario scenario_##name_			\
	__attribute__((used, section("scenarios"), aligned(8))) = {	\
		.name = #name_, .proves = proves_, .run = name_,	\
		##__VA_ARGS__						\
	};								\
	static void name_(void)

/* Reports of a running scenario to the harness. */
void scenario_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void scenario_end(void) __attribute__((noreturn));
void scenario_skip(const char *fmt, ...)
	__attribute__((noreturn, format(printf, 1, 2)));
void scenario_measure(const char *name, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Prints a comment among the results, at once. */
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define CHECK(cond, fmt, ...) ({					\
	bool check_ok_ = !!(cond);					\
									\
	if (!check_ok_)							\
		scenario_fail(__FILE__, __LINE__, "%s: " fmt, #cond,	\
			      ##__VA_ARGS__);				\
	check_ok_;							\
})

#define REQUIRE(cond, fmt, ...)						\
	do {								\
		if (!CHECK(cond, fmt, ##__VA_ARGS__))			\
			scenario_end();					\
	} while (0)

/* For calls that return -errno. */
#define CHECK_OK(call) ({						\
	long check_ret_ = (call);					\
									\
	if (check_ret_ < 0)						\
		scenario_fail(__FILE__, __LINE__, "%s: %s", #call,	\
			      strerror(-check_ret_));			\
	check_ret_ >= 0;						\
})

#define REQUIRE_OK(call)						\
	do {								\
		if (!CHECK_OK(call))					\
			scenario_end();					\
	} while (0)

/* The call must fail with this errno (given positive). */
#define CHECK_ERRNO(call, err) ({					\
	long check_ret_ = (call);					\
									\
	if (check_ret_ != -(err))					\
		scenario_fail(__FILE__, __LINE__, "%s: got %ld, not -%s", #call, \
			      check_ret_, #err);			\
	check_ret_ == -(err);						\
})

#define MEASURE(name, fmt, ...) scenario_measure(name, fmt, ##__VA_ARGS__)

/*
 * Prints a whole number and its bound, and checks that it does not exceed the bound.
 * The bound is multiplied by patience (clock.h).
 */
#define MEASURE_BOUND(name, value, bound) ({				\
	uintmax_t measured_ = (value);					\
	uintmax_t bound_ = (uintmax_t)(bound) * patience;		\
									\
	scenario_measure(name, "%ju<=%ju", measured_, bound_);		\
	if (measured_ > bound_)						\
		scenario_fail(__FILE__, __LINE__, "%s is %ju, its bound %ju", name, \
			      measured_, bound_);			\
	measured_ <= bound_;						\
})
#define SKIP(fmt, ...) scenario_skip(fmt, ##__VA_ARGS__)

#endif
