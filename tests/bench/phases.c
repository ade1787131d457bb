// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "klog.h"
#include "monitor.h"
#include "phases.h"
#include "scenario.h"
#include "sysfs.h"
#include "trace.h"

/* By enum phase. The host makes them one after the other, in one task. */
static const char * const callbacks[NR_PHASES] = {
	"mdr_error_detected", "mdr_mmio_enabled", "mdr_slot_reset", "mdr_resume",
};

static int probe_both(const char *function)
{
	char line[160];
	int ret;

	snprintf(line, sizeof(line), "p:mdr_calls/in_%s %s", function, function);
	ret = trace_probe(line);
	snprintf(line, sizeof(line), "r:mdr_calls/out_%s %s", function, function);
	return ret ? ret : trace_probe(line);
}

static void start(void)
{
	REQUIRE_OK(trace_start(NULL));
	REQUIRE_OK(trace_probe("p:mdr_calls/in_aer_irq aer_irq"));
	REQUIRE_OK(probe_both("pcie_do_recovery"));
	for (size_t i = 0; i < sizeof(callbacks) / sizeof(callbacks[0]); i++)
		REQUIRE_OK(probe_both(callbacks[i]));
	REQUIRE_OK(sysfs_write("1", TRACE_INSTANCE "/events/mdr_calls/enable"));
}

void phases_strike(const char *port, unsigned int ms)
{
	start();
	klog_mark();
	REQUIRE_OK(aer_inject(port, "DLP"));
	CHECK(klog_wait("device recovery successful", ms, NULL, 0), "not recovered");
}

static void see_callback(struct phases *ph, const char *entry, double us)
{
	static double start;

	for (unsigned int i = 0; i < NR_PHASES; i++) {
		const char *name = strchr(entry, '_') + 1;

		if (strncmp(name, callbacks[i], strlen(callbacks[i])))
			continue;
		if (!strncmp(entry, "in_", 3)) {
			start = us;
			if (!ph->first[i])
				ph->first[i] = us;
		} else if (!strncmp(entry, "out_", 4)) {
			ph->last[i] = us;
			ph->took[i] += us - start;
		}
	}
}

static void see(const char *entry, void *arg)
{
	double us = trace_us(entry);
	struct phases *ph = arg;
	const char *ns;

	if (!strncmp(entry, "in_aer_irq", 10) && !ph->interrupt) {
		ph->interrupt = us;
	} else if (!strncmp(entry, "in_pcie_do_recovery", 19)) {
		ph->kernel_start = us;
	} else if (!strncmp(entry, "out_pcie_do_recovery", 20)) {
		ph->kernel = us - ph->kernel_start;
	} else if (!strncmp(entry, "mdr_state:", 10) && strstr(entry, "--> open")) {
		ph->open = us;
		ph->opened++;
	} else if (!strncmp(entry, "mdr_drain:", 10)) {
		ns = strstr(entry, "ns=");
		ph->drain += ns ? atoll(ns + 3) / 1000.0 : 0;
	} else if (strchr(entry, '_')) {
		see_callback(ph, entry, us);
	}
}

struct phases phases_read(void)
{
	struct phases ph = { 0 };

	trace_stop();
	CHECK(!trace_lost(), "a part of the trace is lost");
	REQUIRE_OK(trace_each(see, &ph));
	trace_end();
	return ph;
}

double phases_callbacks(const struct phases *ph)
{
	double sum = 0;

	for (unsigned int i = 0; i < NR_PHASES; i++)
		sum += ph->took[i];
	return sum;
}
