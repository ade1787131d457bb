// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sysfs.h"
#include "trace.h"

#define TRACING "/sys/kernel/tracing"
#define PROBES "mdr_calls"
#define RING_KB "8192"

int trace_probe(const char *probe)
{
	int fd, ret = 0;

	fd = open(TRACING "/kprobe_events", O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, probe, strlen(probe)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/*
 * One probe per function. The function tracer would do too, but each time its filter
 * is set it walks over all functions of the kernel.
 */
static int trace_functions(const char * const *functions)
{
	char probe[128];
	int ret = 0;

	if (!functions)
		return 0;
	for (; *functions && !ret; functions++) {
		snprintf(probe, sizeof(probe), "p:" PROBES "/%s %s", *functions, *functions);
		ret = trace_probe(probe);
	}
	return ret ? ret : sysfs_write("1", TRACE_INSTANCE "/events/" PROBES "/enable");
}

int trace_start(const char * const *functions)
{
	int ret;

	trace_end();
	if (mkdir(TRACE_INSTANCE, 0755))
		return -errno;
	/* one clock for all CPUs, and no flags before the time */
	ret = sysfs_write("mono", TRACE_INSTANCE "/trace_clock");
	if (!ret)
		ret = sysfs_write("0", TRACE_INSTANCE "/options/irq-info");
	if (!ret)
		ret = sysfs_write(RING_KB, TRACE_INSTANCE "/buffer_size_kb");
	if (!ret)
		ret = trace_functions(functions);
	if (!ret)
		ret = sysfs_write("1", TRACE_INSTANCE "/events/mdev_recovery/enable");
	return ret;
}

int trace_task(int pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return sysfs_write(text, TRACE_INSTANCE "/set_event_pid");
}

void trace_stop(void)
{
	sysfs_write("0", TRACE_INSTANCE "/tracing_on");
}

/* "  comm-123  [001]  1234.567890: entry" */
static const char *entry_of(const char *line)
{
	const char *p;

	if (line[0] == '#')
		return NULL;
	p = strstr(line, "] ");
	if (p)
		p = strstr(p, ": ");
	return p ? p + 2 : NULL;
}

int trace_each(void (*see)(const char *entry, void *arg), void *arg)
{
	const char *entry;
	char line[512];
	FILE *file;

	file = fopen(TRACE_INSTANCE "/trace", "re");
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = 0;
		entry = entry_of(line);
		if (entry)
			see(entry, arg);
	}
	fclose(file);
	return 0;
}

static void see_drain(const char *entry, void *arg)
{
	const char *ns = strstr(entry, "ns=");
	int64_t took = ns ? strtoll(ns + 3, NULL, 10) : 0, *longest = arg;

	if (!strncmp(entry, "mdr_drain: ", 11) && took > *longest)
		*longest = took;
}

int64_t trace_longest_drain(void)
{
	int64_t longest = 0;
	int ret = trace_each(see_drain, &longest);

	return ret < 0 ? ret : longest;
}

double trace_us(const char *entry)
{
	const char *p = entry - strlen(": ");

	while (p[-1] != ' ')
		p--;
	return strtod(p, NULL) * 1e6;
}

long trace_lost(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF), lost = 0;
	char stats[1024];
	const char *p;

	for (long cpu = 0; cpu < cpus; cpu++) {
		sysfs_read(stats, sizeof(stats), TRACE_INSTANCE "/per_cpu/cpu%ld/stats", cpu);
		p = strstr(stats, "\noverrun: ");
		lost += p ? atol(p + 10) : 1;
	}
	return lost;
}

void trace_end(void)
{
	if (sysfs_exists(TRACE_INSTANCE)) {
		trace_stop();
		sysfs_write("0", TRACE_INSTANCE "/events/enable");
		rmdir(TRACE_INSTANCE);
	}
	if (sysfs_exists(TRACING "/events/" PROBES))
		sysfs_write("-:" PROBES "/", TRACING "/kprobe_events");
}
