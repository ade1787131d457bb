/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A soak: users, an administrator and errors, all drawn from one seed, and what must
 * hold whatever they do.
 *
 * Each actor is a process with random numbers of its own. What they share is in memory
 * that all of them map; one of them writes each field, unless it is atomic.
 *
 * From time to time all of them come to rest: users answer what they are asked, and do
 * nothing else. Then every group must become open, and every device must be whole.
 */
#ifndef MDR_SOAK_H
#define MDR_SOAK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shim.h"

#define SOAK_MAX_FUNCTIONS 8
#define SOAK_MAX_ACTORS 12
#define SOAK_MAX_OPERATIONS 64
/* no user waits longer in one call than this */
#define SOAK_STALL_MS 1500
#define SOAK_RECOVERY_MS 8000

struct soak_random {
	uint64_t state;
};

/**
 * struct soak_function - a function, and its mdev
 * @s: its address, group and mdev; the operator writes it
 * @port: below this one, the @n th
 * @below: an error at one of these hits it, from the root port down
 * @test: bound to the tests' own parent driver, whose recoveries may go wrong
 * @vf: a virtual function; it comes and goes with its PF
 * @there: it is bound and has an mdev
 * @reference: what its STATUS reads, once known
 * @event: the latest id that was seen
 */
struct soak_function {
	struct shim s;
	const char *port;
	unsigned int n;
	const char *below[4];
	bool test;
	bool vf;
	const char *type;
	atomic_bool there;
	atomic_ullong reference;
	atomic_ullong event;
};

/**
 * struct soak_actor - a process of the soak
 * @doing: the name of the operation, for the watcher; 0 between two
 * @since: when it began
 * @bound_ms: when it must be over
 * @counts: how often it did each of its operations
 * @parked: it is at rest
 */
struct soak_actor {
	char name[16];
	struct soak_random random;
	pid_t pid;
	unsigned int drawn;
	atomic_uintptr_t doing;
	atomic_ullong since;
	atomic_uint bound_ms;
	atomic_bool parked;
	unsigned int counts[SOAK_MAX_OPERATIONS];
	/* the functions are those of a user */
	void (*run)(struct soak_actor *a);
	struct soak_function *functions[2];
};

struct soak {
	uint64_t seed;
	unsigned int count;
	struct soak_function functions[SOAK_MAX_FUNCTIONS];
	unsigned int nr_functions;
	struct soak_actor actors[SOAK_MAX_ACTORS];
	unsigned int nr_actors;
	/* the step that is done, and the one at which the first check failed */
	atomic_uint step, failed_step;
	/* all come to rest; all end */
	atomic_bool rest, stop;
	/* this round ends with this step */
	unsigned int round_end;
	/* held while errors are injected, and while there must be none */
	pthread_mutex_t strike_lock;
	char why[256];
	/* errors that were injected; accesses that were tried with the gate closed */
	atomic_uint strikes, tries;
	/* what the observer in the kernel saw and did */
	uint64_t accesses, shuts, delays;
	/* of the state machine: for each state, a bit for each event */
	unsigned int arcs[8];
	atomic_ullong recoveries, failures;
};

extern struct soak *soak;

/* random.c */
void random_seed(struct soak_random *r, uint64_t seed, uint64_t stream);
uint64_t random_next(struct soak_random *r);
/* 0 to n - 1 */
unsigned int random_below(struct soak_random *r, unsigned int n);

static inline bool random_one_in(struct soak_random *r, unsigned int n)
{
	return !random_below(r, n);
}

/* Sleeps: mostly for a moment, sometimes for as long as max_us. */
void random_sleep(struct soak_random *r, unsigned int max_us);

/* One of an actor's operations. weight: how often it is drawn, among all of them. */
struct soak_operation {
	const char *name;
	unsigned int weight;
	unsigned int bound_ms;
	void (*run)(struct soak_actor *a);
};

/* actor.c */
void actor_add(const char *name, void (*run)(struct soak_actor *a));
void actor_start(struct soak_actor *a);
/* Draws one of the operations and does it. */
void actor_draw(struct soak_actor *a, const struct soak_operation *ops, unsigned int nr_ops);
/* What is not drawn, but is bounded and counts nowhere. */
void actor_begin(struct soak_actor *a, const char *name, unsigned int bound_ms);
void actor_end(struct soak_actor *a);
void actor_report(const struct soak_actor *a, const struct soak_operation *ops,
		  unsigned int nr_ops);
/* A check did not hold. */
void soak_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* For the kernel's log, so that a run can be read. */
#define soak_say(fmt, ...) \
	klog_say("soak: %u " fmt, atomic_load(&soak->step), ##__VA_ARGS__)

/* world.c */
void world_make(struct soak_random *r);
int world_bind(struct soak_function *f);
int world_create(struct soak_function *f, const char *type, struct soak_random *r);
int world_remove(struct soak_function *f);
int world_unbind(struct soak_function *f);
/* VFs of the PF, which stays with its driver: their functions are bound to ours. */
int world_give_vfs(struct soak_random *r);
int world_take_vfs(void);
/* Everything away, and nothing left. */
void world_end(void);
void world_count_recoveries(struct soak_function *f);
const char *world_type(struct soak_random *r);

/* The actors. */
void user_run(struct soak_actor *a);
void striker_run(struct soak_actor *a);
void operator_run(struct soak_actor *a);
void user_report(void);
void striker_report(const struct soak_actor *a);
void operator_report(const struct soak_actor *a);
/* striker.c; 0 or -errno */
int striker_inject(const char *addr, uint32_t uncorrectable, uint32_t correctable);
/* operator.c: the tests' driver behaves */
void operator_behave(void);

/* observer.c */
void observer_start(struct soak_random *r);
void observer_check(void);
void observer_end(void);

/* arcs.c: those that the observer saw, and all of them */
void arcs_add(const char *numbers);
void arcs_report(void);

/* rest.c: all come to rest, and what must hold then */
void rest_and_check(void);

#endif
