// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the user API refuses by the state of the group, or because of the form of a mapping:
 * each with its documented errno, and nothing has changed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "background.h"
#include "clock.h"
#include "klog.h"
#include "pci.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "vfio_status.h"
#include "waiter.h"

#define PORT "rp_igb2"
#define SETTLE_MS 5000
/* a reset that is long enough to look at its middle */
#define SLOW "1500"
#define PAGE 4096

static struct vfio_user user;

static void start(struct shim *s, const char *policy)
{
	REQUIRE_OK(shim_bind_test(s, PORT, 0));
	REQUIRE_OK(shim_create(s, policy));
	REQUIRE_OK(shim_set(s, "stall_timeout_ms", "20000"));
	REQUIRE_OK(shim_set(s, "hold_timeout_ms", "60000"));
	REQUIRE_OK(vfio_user_open(&user, s->uuid));
}

/* In the middle of a reset of the holding group; the event is its latest. */
static void check_again(const struct shim *s, uint64_t event)
{
	struct mdr_status status;
	char line[64];

	CHECK_ERRNO(vfio_acknowledge(&user, event), EAGAIN);
	/* another id is no matter of time */
	CHECK_ERRNO(vfio_acknowledge(&user, event - 1), ESTALE);
	CHECK_ERRNO(vfio_acknowledge(&user, event + 1), ESTALE);
	REQUIRE_OK(vfio_status(&user, &status));
	CHECK(status.state == MDR_STATE_RESETTING && status.event == event &&
	      status.next == MDR_NEXT_WAIT && !(status.flags & MDR_STATUS_MAY_ACKNOWLEDGE),
	      "state %u, event %llu, next %u, flags %#x", status.state, status.event, status.next,
	      status.flags);
	CHECK_NUMBER(s->group, "stats/acknowledgements", 0);
	snprintf(line, sizeof(line), "event %ju refused: -%d", event, EAGAIN);
	CHECK(klog_count(line) == 1, "%u lines", klog_count(line));
}

/* Returns the event that the user has to answer. */
static uint64_t start_holding(struct shim *s)
{
	start(s, "hold");
	REQUIRE_OK(strike(s, PORT, "DLP", "holding"));
	return shim_number(s->group, "event");
}

SCENARIO(api_acknowledge_in_user_reset,
	 "hold: an acknowledgement while the user's own reset runs is EAGAIN, and the reset counts")
{
	struct waiter reset = { .u = &user, .kind = WAITER_RESET };
	struct shim s;
	uint64_t event = start_holding(&s);

	REQUIRE_OK(shim_test_set("restore_ms", SLOW));
	REQUIRE_OK(waiter_start(&reset));
	REQUIRE(shim_wait(s.group, "resetting", SETTLE_MS), "no reset");
	check_again(&s, event);
	REQUIRE(!atomic_load(&reset.done), "the reset was faster: nothing is shown");
	REQUIRE(waiter_ended(&reset, SETTLE_MS), "the reset does not end");
	CHECK(!reset.error, "error %d", reset.error);
	CHECK(shim_is(s.group, "open"), "not open");
	/* it has answered by then */
	CHECK_ERRNO(vfio_acknowledge(&user, event), EINVAL);
	CHECK_NUMBER(s.group, "stats/user_resets", 1);
	CHECK_NUMBER(s.group, "stats/acknowledgements", 0);
}

SCENARIO(api_acknowledge_in_host_reset,
	 "hold: an acknowledgement while a reset from outside runs is EAGAIN; it works afterwards")
{
	struct background reset = { .call = pci_reset };
	struct shim s;
	uint64_t event = start_holding(&s);

	REQUIRE_OK(shim_test_set("reset_done_ms", SLOW));
	reset.name = s.addr;
	background_start(&reset);
	REQUIRE(shim_wait(s.group, "resetting", SETTLE_MS), "no reset");
	check_again(&s, event);
	REQUIRE(!atomic_load(&reset.done), "the reset was faster: nothing is shown");
	background_ms(&reset, SETTLE_MS);
	CHECK_OK(reset.ret);
	/* nobody but the user answers for the user */
	REQUIRE(shim_wait(s.group, "holding", SETTLE_MS), "not holding");
	CHECK_OK(vfio_acknowledge(&user, event));
	CHECK(shim_is(s.group, "open"), "not open");
	CHECK_NUMBER(s.group, "stats/acknowledgements", 1);
}

/* Mappings of the device's file, from the beginning of the region of the status page. */
static const struct {
	const char *what;
	size_t size;
	int prot, flags;
	off_t offset;
	int error;
} mappings[] = {
	{ "writable", PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0, EPERM },
	{ "only writable", PAGE, PROT_WRITE, MAP_SHARED, 0, EPERM },
	{ "private", PAGE, PROT_READ, MAP_PRIVATE, 0, EINVAL },
	{ "private, writable", PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0, EINVAL },
	{ "two pages", 2 * PAGE, PROT_READ, MAP_SHARED, 0, EINVAL },
	{ "a byte more than a page", PAGE + 1, PROT_READ, MAP_SHARED, 0, EINVAL },
	{ "two pages, writable", 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0, EINVAL },
	{ "the second page", PAGE, PROT_READ, MAP_SHARED, PAGE, EINVAL },
	{ "the page before", PAGE, PROT_READ, MAP_SHARED, -PAGE, EINVAL },
	{ "not aligned", PAGE, PROT_READ, MAP_SHARED, 8, EINVAL },
	{ "the next region", PAGE, PROT_READ, MAP_SHARED,
	  1L << 40 /* VFIO_PCI_OFFSET_SHIFT */, EINVAL },
	{ "nothing", 0, PROT_READ, MAP_SHARED, 0, EINVAL },
};

/* The mappings that this process has. */
static unsigned int maps(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	unsigned int count = 0;
	int c;

	REQUIRE(file, "no maps");
	while ((c = getc(file)) != EOF)
		count += c == '\n';
	fclose(file);
	return count;
}

static void check_mappings(off_t begin)
{
	unsigned int before = maps();
	void *page;

	for (size_t i = 0; i < sizeof(mappings) / sizeof(*mappings); i++) {
		errno = 0;
		page = mmap(NULL, mappings[i].size, mappings[i].prot, mappings[i].flags,
			    user.device, begin + mappings[i].offset);
		CHECK(page == MAP_FAILED && errno == mappings[i].error, "%s: %s",
		      mappings[i].what, page == MAP_FAILED ? strerror(errno) : "mapped");
		if (page != MAP_FAILED)
			munmap(page, mappings[i].size);
	}
	CHECK(maps() == before, "%u mappings, were %u", maps(), before);
}

/* What would make more of a mapping that is right. */
static void check_changes(void *page, off_t begin)
{
	char text[16] = "";

	CHECK(mprotect(page, PAGE, PROT_READ | PROT_WRITE) && errno == EACCES, "mprotect: %s",
	      strerror(errno));
	CHECK(mprotect(page, PAGE, PROT_WRITE) && errno == EACCES, "mprotect: %s",
	      strerror(errno));
	CHECK(mremap(page, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT,
	      "mremap: %s", strerror(errno));
	CHECK(pwrite(user.device, text, 8, begin) < 0 && errno == EINVAL, "pwrite: %s",
	      strerror(errno));
	CHECK(pread(user.device, text, 8, begin + PAGE) < 0 && errno == EINVAL, "pread: %s",
	      strerror(errno));
	CHECK(pread(user.device, text, sizeof(text), begin + PAGE - 8) == 8,
	      "read beyond the page");
}

SCENARIO(api_page_refused,
	 "the status page: mappings that are not of the one page for reading are refused")
{
	uint8_t before[PAGE];
	struct mdr_status status;
	uint64_t offset;
	struct shim s;
	void *page;

	start(&s, "resume");
	REQUIRE_OK(vfio_status_region(&user, NULL, &offset));
	/* also before there is a page at all */
	check_mappings(offset);
	page = (void *)vfio_status_map(&user);
	REQUIRE(page, "%s", strerror(errno));
	memcpy(before, page, PAGE);
	check_mappings(offset);
	check_changes(page, offset);
	CHECK(!memcmp(before, page, PAGE), "the page has changed");
	REQUIRE_OK(vfio_status(&user, &status));
	CHECK(status.state == MDR_STATE_OPEN && !status.event, "state %u, event %llu",
	      status.state, status.event);

	/* the right one is still that page */
	REQUIRE_OK(strike(&s, PORT, "DLP", "open"));
	CHECK(((struct mdr_status_page *)page)->alive == shim_number(s.group, "event"),
	      "alive %#llx", ((struct mdr_status_page *)page)->alive);
}
