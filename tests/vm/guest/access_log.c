// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "access_log.h"
#include "clock.h"

#define FIRST_MS 5000

static bool is_read(const struct access_log *log)
{
	return log->kind == ACCESS_MAP_READ || log->kind == ACCESS_PREAD;
}

static void record(struct access_log *log, const struct access_stall *a)
{
	uint64_t took = a->end_ns - a->start_ns;

	log->count++;
	if (a->error == EFAULT && access_is_mapped(log->kind)) {
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

	while (!atomic_load_explicit(&log->stop, memory_order_relaxed)) {
		struct access_stall a = { .start_ns = now_ns(), .value = log->value };

		a.error = access_once(log->u, log->kind, log->region, log->off, &a.value);
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
	int ret = access_prepare(log->u, log->kind, log->region);

	if (ret)
		return ret;
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

uint64_t access_count(struct access_log *log)
{
	return atomic_load_explicit(&log->live_count, memory_order_acquire);
}
