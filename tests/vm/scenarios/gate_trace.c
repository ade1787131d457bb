// SPDX-License-Identifier: GPL-2.0-only
/*
 * No call reaches vfio-pci-core while the gate is closed. One trace ring has both the
 * calls and the transitions of the group's state; these are traced after the drain and
 * before the gate opens.
 */
#include <stdio.h>

#include "access_log.h"
#include "clock.h"
#include "kernel.h"
#include "nic_user.h"
#include "scenario.h"
#include "strike.h"
#include "trace.h"

#define PORT "rp_igb2"
#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define CLASS_REVISION 0x08
#define CACHE_LINE_SIZE 0x0c
#define MORE_MS 30
#define CLOSED_MS 1500

/* The ways into vfio-pci-core, and from there to the device. */
static const char * const functions[] = {
	"vfio_pci_mmap_huge_fault",
	"vfio_pci_core_read", "vfio_pci_core_write", "vfio_pci_mmap_page_fault",
	"vfio_pci_bar_rw", "pci_user_read_config_dword", "pci_user_write_config_dword",
	NULL,
};

static const struct {
	const char *status;
	const char *nonfatal_action;
} errors[] = {
	{ "DLP", "continue" }, { "POISON_TLP", "continue" }, { "POISON_TLP", "reset" },
};

#define NR_ERRORS (sizeof(errors) / sizeof(errors[0]))

static struct vfio_user user;
static struct shim shim;

enum phase { OPEN, CLOSING, CLOSED, NR_PHASES };

struct calls {
	enum phase phase;
	unsigned int of[NR_PHASES];
	unsigned int faults[NR_PHASES];
	unsigned int closings;
	unsigned int openings;
	unsigned int drains;
	unsigned int undrained;
	char first[128];
};

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && !strcmp(text + len - end_len, end);
}

static void see(const char *entry, void *arg)
{
	struct calls *calls = arg;

	if (!strncmp(entry, "mdr_state: ", 11)) {
		if (ends_with(entry, "--> closing"))
			calls->phase = CLOSING;
		else if (ends_with(entry, "closing --drained--> recovering"))
			calls->phase = CLOSED;
		else if (ends_with(entry, "--> open"))
			calls->phase = OPEN;
		calls->closings += ends_with(entry, "--drained--> recovering");
		calls->openings += ends_with(entry, "--> open");
		return;
	}
	if (!strncmp(entry, "mdr_drain: ", 11)) {
		calls->drains++;
		calls->undrained += !ends_with(entry, " drained=1");
	}
	if (!strncmp(entry, "mdr_", 4))
		return;
	calls->of[calls->phase]++;
	calls->faults[calls->phase] += !strncmp(entry, "vfio_pci_mmap_", 14);
	if (calls->phase == CLOSED && !calls->first[0])
		snprintf(calls->first, sizeof(calls->first), "%s", entry);
}

/* Faults all the time: each round maps the BAR again. */
static void *fault_again(void *arg)
{
	struct vfio_user *u = arg;

	for (;;) {
		vfio_user_unmap(u, BAR0);
		*((volatile uint32_t *)vfio_user_map(u, BAR0) + NIC_STATUS / 4);
		sleep_ms(1);
	}
	return NULL;
}

static void start_threads(struct access_log *logs, unsigned int nr)
{
	static struct vfio_user other;
	pthread_t thread;

	/* regions of its own, so that it can unmap what it maps */
	other = user;
	other.regions[BAR0].map = NULL;
	pthread_create(&thread, NULL, fault_again, &other);
	for (unsigned int i = 0; i < nr; i++) {
		logs[i].u = &user;
		/* the ring must hold all calls */
		logs[i].pause_us = 100;
		REQUIRE_OK(access_start(&logs[i]));
	}
}

SCENARIO(gate_trace,
	 "no call reaches vfio-pci-core from recovering to open, whatever the error")
{
	static struct access_log logs[] = {
		{ .kind = ACCESS_MAP_READ, .region = BAR0, .off = NIC_STATUS },
		{ .kind = ACCESS_PREAD, .region = BAR0, .off = NIC_STATUS },
		{ .kind = ACCESS_PWRITE, .region = BAR0, .off = NIC_SCRATCH },
		{ .kind = ACCESS_PREAD, .region = VFIO_CONFIG, .off = CLASS_REVISION },
		{ .kind = ACCESS_PWRITE, .region = VFIO_CONFIG, .off = CACHE_LINE_SIZE },
	};
	struct calls calls = { 0 };
	uint64_t closed_ns = 0;

	REQUIRE_OK(shim_make(&shim, PORT, 0, "resume"));
	REQUIRE_OK(shim_set(&shim, "stall_timeout_ms", "30000"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	/* without the first where there are no huge pages */
	REQUIRE_OK(trace_start(functions + kernel_is_realtime()));
	start_threads(logs, sizeof(logs) / sizeof(logs[0]));

	for (unsigned int i = 0; i < NR_ERRORS; i++) {
		REQUIRE_OK(shim_set(&shim, "nonfatal_action", errors[i].nonfatal_action));
		sleep_ms(MORE_MS);
		CHECK_OK(strike(&shim, PORT, errors[i].status, "open"));
		closed_ns += shim_number(shim.group, "stats/recovery_ns_last");
	}
	sleep_ms(MORE_MS);
	trace_stop();
	REQUIRE_OK(trace_each(see, &calls));

	CHECK(!calls.of[CLOSED], "%u calls (%u of them faults) reached vfio-pci-core, first %s",
	      calls.of[CLOSED], calls.faults[CLOSED], calls.first);
	CHECK(calls.closings == NR_ERRORS && calls.openings == NR_ERRORS,
	      "closed %u times, opened %u times", calls.closings, calls.openings);
	CHECK(calls.drains >= NR_ERRORS && !calls.undrained, "%u drains, %u of them in vain",
	      calls.drains, calls.undrained);
	/* otherwise nothing was counted */
	CHECK(calls.of[OPEN] > calls.faults[OPEN] && calls.faults[OPEN],
	      "%u calls while open, %u of them faults", calls.of[OPEN], calls.faults[OPEN]);
	CHECK(!trace_lost(), "%ld entries lost", trace_lost());
	MEASURE("while_open", "%u", calls.of[OPEN]);
	MEASURE("while_closing", "%u", calls.of[CLOSING]);
	MEASURE("while_closed", "%u", calls.of[CLOSED]);
	MEASURE("faults_while_open", "%u", calls.faults[OPEN]);
	MEASURE("faults_while_closed", "%u", calls.faults[CLOSED]);
	MEASURE_BOUND("closed_ms", closed_ns / NS_PER_MS, NR_ERRORS * CLOSED_MS);
	trace_end();
}
