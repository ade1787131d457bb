/* SPDX-License-Identifier: GPL-2.0-only */
/* As much of the kernel as gate.c needs, for one thread that plays all CPUs and tasks. */
#ifndef MDR_UNIT_KERNEL_H
#define MDR_UNIT_KERNEL_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

typedef uint32_t u32;
typedef uint64_t u64;

#define __user
#define __percpu
#define likely(x) (x)
#define unlikely(x) (x)
#define ____cacheline_aligned_in_smp
#define READ_ONCE(x) (*(volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile typeof(x) *)&(x) = (value))
/* one thread needs no order */
static inline void nothing(void)
{
}

#define smp_mb nothing /* see above */
#define smp_mb__before_atomic nothing /* see above */
#define smp_load_acquire(p) READ_ONCE(*(p)) /* see above */
#define smp_store_release(p, value) WRITE_ONCE(*(p), value) /* see above */
#define might_sleep nothing
#define WARN_ON_ONCE(x) ((void)(x))
#define lockdep_assert_held(lock) ((void)(lock))

#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
struct list_head {
	struct list_head *next, *prev;
};

static inline void INIT_LIST_HEAD(struct list_head *head)
{
	head->next = head;
	head->prev = head;
}

static inline void list_add(struct list_head *item, struct list_head *head)
{
	*item = (struct list_head){ .next = head->next, .prev = head };
	head->next->prev = item;
	head->next = item;
}

static inline void list_del(struct list_head *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
}

#define list_for_each_entry(at, head, member)					\
	for (at = container_of((head)->next, typeof(*at), member);		\
	     &at->member != (head);						\
	     at = container_of(at->member.next, typeof(*at), member))

/* CPUs, and the users on them who are about to fail */
#define FAKE_CPUS 4u
#define nr_cpu_ids FAKE_CPUS
static int cpu_possible_mask;
static inline unsigned int cpumask_first(int mask)
{
	return mask;
}

static inline unsigned int cpumask_next(unsigned int cpu, int mask)
{
	return mask + cpu + 1;
}

#define for_each_possible_cpu(cpu) for (cpu = 0; cpu < (int)FAKE_CPUS; cpu++)
static unsigned int fake_cpu;
static bool (*fake_trying)(unsigned int cpu);
#define alloc_percpu(x) calloc(FAKE_CPUS, sizeof(x))
#define free_percpu(p) free(p)
#define per_cpu_ptr(p, cpu) (fake_looks_at = (cpu), &(p)[cpu])
#define raw_cpu_ptr(p) (&(p)[fake_cpu])
static unsigned int fake_looks_at;

struct fake_atomic {
	int counter;
};

#define atomic_t struct fake_atomic
#define atomic_set(v, value) ((v)->counter = (value))
#define atomic_add(n, v) ((v)->counter += (n))
#define atomic_dec(v) ((v)->counter--)
#define atomic_inc_return(v) (++(v)->counter)
#define atomic_inc_and_test(v) (!++(v)->counter)
static inline int atomic_read_acquire(atomic_t *v)
{
	return v->counter + (fake_trying && fake_trying(fake_looks_at));
}

#define raw_spinlock_t int
#define raw_spin_lock_init(lock) (*(lock) = 0)
static inline bool take_raw_spinlock(int *lock)
{
	*lock = 1;
	return true;
}

#define guard(kind) take_##kind
#define scoped_guard(kind, lock) \
	for (bool once = take_##kind(lock); once; once = false)

/* time, which goes on while a drain sleeps */
#define NSEC_PER_MSEC 1000000ull
static u64 fake_ns = 1;
static unsigned int fake_sleeps;
void fake_sleep(void);
#define ktime_get_ns() (++fake_ns)
static inline void fake_sleep_us(unsigned int us)
{
	fake_ns += us * 1000ull;
	fake_sleeps++;
	fake_sleep();
}

static inline void usleep_range(unsigned int from, unsigned int to)
{
	fake_sleep_us((from + to) / 2);
}

#define nsecs_to_jiffies(ns) ((ns) / NSEC_PER_MSEC)

struct task_struct;
static uintptr_t fake_task = 1;
#define current ((struct task_struct *)fake_task)
#define pagefault_disable nothing
#define pagefault_enable nothing
#define pagefault_disabled() false

/*
 * A waiter looks at its condition at first, after each wake-up, and when its time is over,
 * as in the kernel. A jiffy is a millisecond.
 */
#define wait_queue_head_t int
#define init_waitqueue_head(wq) (*(wq) = 0)
static unsigned int fake_wakes;
#define wake_up_all(wq) ((void)(wq), fake_wakes++)
static inline long fake_wait(long left)
{
	unsigned int before = fake_wakes;

	for (; left > 0 && fake_wakes == before; left--)
		fake_sleep_us(1000);
	return left;
}

#define wait_event_killable_timeout(wq, condition, left)		\
({									\
	long rest = (left);						\
	bool ends;							\
									\
	(void)(wq);							\
	while (!(ends = (condition)) && rest > 0)			\
		rest = fake_wait(rest);					\
	ends && rest < 1 ? 1 : rest;					\
})
#define wait_event_interruptible_timeout wait_event_killable_timeout

#endif
