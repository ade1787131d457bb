// SPDX-License-Identifier: GPL-2.0-only
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access_log.h"
#include "clock.h"

#define FIRST_MS 5000

static __thread sigjmp_buf on_sigbus;
static __thread volatile sig_atomic_t sigbus_expected;

static void catch_sigbus(int sig)
{
	if (sigbus_expected)
		siglongjmp(on_sigbus, 1);
	signal(sig, SIG_DFL);
}

/* One access. *value: what a read gave. 0 or errno, EFAULT for a SIGBUS. */
static int access_once(struct access_log *log, uint32_t *value)
{
	volatile uint32_t *reg = (void *)((char *)log->u->regions[log->region].map +
					  log->off);
	ssize_t ret;

	switch (log->kind) {
	case ACCESS_MAP_READ:
		if (sigsetjmp(on_sigbus, 1))
			return EFAULT;
		sigbus_expected = 1;
		*value = *reg;
		sigbus_expected = 0;
		return 0;
	case ACCESS_MAP_WRITE:
		if (sigsetjmp(on_sigbus, 1))
			return EFAULT;
		sigbus_expected = 1;
		*reg = log->value;
		sigbus_expected = 0;
		return 0;
	case ACCESS_PREAD:
		ret = vfio_user_pread(log->u, log->region, value, 4, log->off);
		return ret < 0 ? -ret : ret == 4 ? 0 : EIO;
	case ACCESS_PWRITE:
		ret = vfio_user_pwrite(log->u, log->region, &log->value, 4, log->off);
		return ret < 0 ? -ret : ret == 4 ? 0 : EIO;
	}
	return EINVAL;
}

static bool is_read(const struct access_log *log)
{
	return log->kind == ACCESS_MAP_READ || log->kind == ACCESS_PREAD;
}

static void record(struct access_log *log, const struct access_stall *a)
{
	uint64_t ms = (a->end_ns - log->start_ns) / NS_PER_MS;
	uint64_t took = a->end_ns - a->start_ns;

	log->count++;
	if (ms < ACCESS_MAX_MS)
		log->ended_in_ms[ms]++;
	if (a->error == EFAULT && log->kind <= ACCESS_MAP_WRITE) {
		log->faults++;
	} else if (a->error) {
		log->errors++;
	} else if (is_read(log) && a->value == ~0u) {
		log->ones++;
	} else if (is_read(log) && ((a->value ^ log->value) & ~log->ignore)) {
		log->wrong++;
		log->last_wrong = a->value;
	}
	if (a->error)
		log->last_errno = a->error;
	if (took > log->longest_ns)
		log->longest_ns = took;
	if (took > ACCESS_STALL_NS && log->nr_stalls < ACCESS_MAX_STALLS)
		log->stalls[log->nr_stalls++] = *a;
}

static void *access_thread(void *arg)
{
	struct access_log *log = arg;

	log->start_ns = now_ns();
	while (!atomic_load_explicit(&log->stop, memory_order_relaxed)) {
		struct access_stall a = { .start_ns = now_ns() };

		a.error = access_once(log, &a.value);
		a.end_ns = now_ns();
		record(log, &a);
		atomic_store_explicit(&log->live_count, log->count,
				      memory_order_release);
		if (log->pause_us)
			usleep(log->pause_us);
	}
	return NULL;
}

int access_start(struct access_log *log)
{
	struct sigaction sa = { .sa_handler = catch_sigbus };
	int ret;

	if (log->kind <= ACCESS_MAP_WRITE && !vfio_user_map(log->u, log->region))
		return -errno;
	log->ended_in_ms = calloc(ACCESS_MAX_MS, sizeof(*log->ended_in_ms));
	if (!log->ended_in_ms)
		return -ENOMEM;
	sigaction(SIGBUS, &sa, NULL);
	atomic_store(&log->stop, false);
	ret = pthread_create(&log->thread, NULL, access_thread, log);
	if (ret)
		return -ret;
	return WAIT_FOR(access_count(log), FIRST_MS) ? 0 : -ETIMEDOUT;
}

void access_stop(struct access_log *log)
{
	atomic_store(&log->stop, true);
	pthread_join(log->thread, NULL);
}

bool access_try_stop(struct access_log *log, unsigned int ms)
{
	struct timespec end;

	atomic_store(&log->stop, true);
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += ms / 1000;
	end.tv_nsec += (ms % 1000) * 1000000l;
	if (end.tv_nsec >= 1000000000l) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000l;
	}
	return !pthread_timedjoin_np(log->thread, NULL, &end);
}

uint64_t access_count(struct access_log *log)
{
	return atomic_load_explicit(&log->live_count, memory_order_acquire);
}

uint64_t access_between(const struct access_log *log, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t from, to, sum = 0;

	if (to_ns <= log->start_ns)
		return 0;
	from = from_ns <= log->start_ns ? 0 :
	       (from_ns - log->start_ns + NS_PER_MS - 1) / NS_PER_MS;
	to = (to_ns - log->start_ns) / NS_PER_MS;
	for (uint64_t ms = from; ms < to && ms < ACCESS_MAX_MS; ms++)
		sum += log->ended_in_ms[ms];
	return sum;
}
