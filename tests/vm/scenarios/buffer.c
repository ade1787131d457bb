// SPDX-License-Identifier: GPL-2.0-only
/*
 * A system call whose buffer is trouble: it is in a BAR mapping of a closed group, or
 * its page does not arrive, or is shared since a fork. None of it may hang the call, fail
 * it, or hold the host up.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "shm.h"
#include "slow_page.h"
#include "strike.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define NIC_PORT "rp_igb2"
#define SETTLE_MS 3000
#define PAGE 4096
/* the host's own time, on a busy machine */
#define HOST_MS 1500

static struct vfio_user nic, shm;

/* Repeats a call: from or to a buffer, for one register or many. */
struct caller {
	struct vfio_user *u;
	unsigned int region;
	uint64_t off;
	void *buf;
	size_t len;
	bool write;

	pthread_t thread;
	atomic_bool stop;
	atomic_uint_least64_t whole;
	uint64_t efault;
	uint64_t others;
	long last_other;
	uint64_t longest_ns;
};

static long call_once(struct caller *c)
{
	uint64_t start = now_ns();
	long ret;

	if (c->write)
		ret = vfio_user_pwrite(c->u, c->region, c->buf, c->len, c->off);
	else
		ret = vfio_user_pread(c->u, c->region, c->buf, c->len, c->off);
	start = now_ns() - start;
	if (start > c->longest_ns)
		c->longest_ns = start;
	return ret;
}

static void *call_on(void *arg)
{
	struct caller *c = arg;
	long ret;

	while (!atomic_load(&c->stop)) {
		ret = call_once(c);
		if (ret == (long)c->len) {
			c->whole++;
		} else if (ret == -EFAULT) {
			c->efault++;
		} else {
			c->others++;
			c->last_other = ret;
		}
	}
	return NULL;
}

/* Returns when each of them has made its call once. */
static void callers_start(struct caller *c, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		REQUIRE(!pthread_create(&c[i].thread, NULL, call_on, &c[i]), "no thread");
	for (unsigned int i = 0; i < count; i++)
		REQUIRE(WAIT_FOR(atomic_load(&c[i].whole), SETTLE_MS), "call %u never succeeded",
			i);
}

static void callers_stop(struct caller *c, unsigned int count)
{
	struct timespec end;

	for (unsigned int i = 0; i < count; i++)
		atomic_store(&c[i].stop, true);
	for (unsigned int i = 0; i < count; i++) {
		clock_gettime(CLOCK_REALTIME, &end);
		end.tv_sec += 5;
		REQUIRE(!pthread_timedjoin_np(c[i].thread, NULL, &end), "call %u hangs", i);
		CHECK(!c[i].others, "call %u: %ju ended with %ld", i, c[i].others,
		      c[i].last_other);
		CHECK(c[i].whole, "call %u never succeeded", i);
	}
}

static void check_not_delayed(const struct shim *s)
{
	uint64_t ms = shim_number(s->group, "stats/recovery_ns_last") / 1000000;

	CHECK(shim_number(s->group, "stats/drain_timeouts") == 0, "%s: the drain timed out",
	      s->addr);
	MEASURE_BOUND("recovery_ms", ms, HOST_MS);
}

SCENARIO(buffer_ends_in_an_access,
	 "a write whose buffer ends within eight bytes of the device: these are not cut in two")
{
	volatile uint32_t *watch;
	struct shim s;
	char *map;

	REQUIRE_OK(shim_make(&s, SHM_PORT, 0, "resume"));
	REQUIRE_OK(vfio_user_open(&shm, s.uuid));
	watch = shm_watch();
	REQUIRE(watch, "no second view of the memory");
	map = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(map != MAP_FAILED, "no memory");
	memset(map, 0xa5, 2 * PAGE);
	REQUIRE(!mprotect(map + PAGE, PAGE, PROT_NONE), "mprotect");
	for (int i = 0; i < 4; i++)
		watch[i] = 0;
	CHECK_ERRNO(vfio_user_pwrite(&shm, SHM_REGION, map + PAGE - 12, 16, 0), EFAULT);
	for (int i = 0; i < 4; i++)
		CHECK(watch[i] == (i < 2 ? 0xa5a5a5a5 : 0), "word %d is %#x", i, watch[i]);
}

SCENARIO(buffer_in_own_bar,
	 "pread and pwrite with a buffer in a BAR of the group that closes: no hang, no delay")
{
	struct shim s;
	char *map;

	REQUIRE_OK(shim_make(&s, SHM_PORT, 0, "resume"));
	REQUIRE_OK(vfio_user_open(&shm, s.uuid));
	map = vfio_user_map(&shm, SHM_REGION);
	REQUIRE(map, "mmap");

	struct caller c[] = {
		{ .u = &shm, .region = SHM_REGION, .buf = map + 0x10000, .len = 4 },
		{ .u = &shm, .region = SHM_REGION, .buf = map + 0x20000, .len = 64 },
		{ .u = &shm, .region = SHM_REGION, .buf = map + 0x30000, .len = 64, .write = true },
	};

	callers_start(c, 3);
	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(strike(&s, SHM_PORT, "DLP", "open"));
		check_not_delayed(&s);
		sleep_ms(20);
	}
	callers_stop(c, 3);
	MEASURE("calls", "%ju", c[0].whole + c[1].whole + c[2].whole);
	MEASURE("efault", "%ju", c[0].efault + c[1].efault + c[2].efault);
}

SCENARIO(buffer_in_other_bar,
	 "calls with a buffer in a BAR of another group that is closed wait outside their own gate")
{
	struct shim open, closed;
	char *map;

	REQUIRE_OK(shim_make(&closed, SHM_PORT, 0, "hold"));
	REQUIRE_OK(shim_make(&open, NIC_PORT, 0, "resume"));
	REQUIRE_OK(shim_set(&closed, "stall_timeout_ms", "20000"));
	REQUIRE_OK(vfio_user_open(&shm, closed.uuid));
	REQUIRE_OK(vfio_user_open(&nic, open.uuid));
	map = vfio_user_map(&shm, SHM_REGION);
	REQUIRE(map, "mmap");

	struct caller c[] = {
		{ .u = &nic, .off = NIC_STATUS, .buf = map + 0x10000, .len = 4 },
		{ .u = &nic, .off = 0, .buf = map + 0x20000, .len = 64 },
		{ .u = &nic, .off = NIC_SCRATCH, .buf = map + 0x30000, .len = 4, .write = true },
		{ .u = &nic, .region = VFIO_CONFIG, .buf = map + 0x40000, .len = 64 },
	};

	/*
	 * The first access of a BAR maps it for vfio-pci-core, which takes no lock for that:
	 * of two at once one may end with -EBUSY.
	 */
	nic_status(&nic);
	callers_start(c, 4);
	REQUIRE_OK(strike(&closed, SHM_PORT, "DLP", "holding"));
	check_not_delayed(&closed);
	/* then the group of the calls themselves, whose buffers are gone now */
	REQUIRE_OK(strike(&open, NIC_PORT, "DLP", "open"));
	check_not_delayed(&open);
	REQUIRE_OK(vfio_user_reset(&nic));
	REQUIRE_OK(vfio_user_reset(&shm));
	sleep_ms(20);
	callers_stop(c, 4);
	for (int i = 0; i < 4; i++)
		CHECK(!c[i].efault, "call %d: %ju failed", i, c[i].efault);
	MEASURE("calls", "%ju", c[0].whole + c[1].whole + c[2].whole + c[3].whole);
}

SCENARIO(buffer_never_comes,
	 "a pread whose page does not come holds up neither the host nor a reset by its user")
{
	struct caller c = { .u = &nic, .off = NIC_STATUS, .len = 4 };
	struct slow_page slow;
	uint32_t status;
	struct shim s;

	REQUIRE_OK(shim_make(&s, NIC_PORT, 0, "resume"));
	REQUIRE_OK(vfio_user_open(&nic, s.uuid));
	status = nic_status(&nic);
	REQUIRE_OK(slow_page_init(&slow));
	c.buf = slow.page;
	/* one round only */
	pthread_create(&c.thread, NULL, call_on, &c);
	REQUIRE(slow_page_touched(&slow, SETTLE_MS), "the pread does not fault");
	atomic_store(&c.stop, true);

	REQUIRE_OK(strike(&s, NIC_PORT, "DLP", "open"));
	check_not_delayed(&s);
	CHECK(vfio_user_read(&nic, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
	CHECK_OK(vfio_user_reset(&nic));
	CHECK(shim_number(s.group, "stats/user_resets") == 1, "no reset was run");

	REQUIRE_OK(slow_page_release(&slow));
	callers_stop(&c, 1);
	CHECK(*(uint32_t *)c.buf == status, "the pread gave %#x", *(uint32_t *)c.buf);
}

/*
 * Calls whose argument is in a page that a child shares since a fork: it is there and can
 * be read, but the kernel must copy it before anything is written to it.
 */
struct shared_call {
	const char *name;
	unsigned long cmd;	/* or a read of a region */
	uint32_t argsz;
	uint32_t index;
	unsigned int result;	/* where in the page, in bytes */
	uint64_t off;
	size_t len;
};

static long make_shared_call(const struct shared_call *c, void *page)
{
	if (!c->cmd)
		return vfio_user_pread(&nic, c->index, page, c->len, c->off);
	return ioctl(nic.device, c->cmd, page) ? -errno : 0;
}

static void prepare_shared_call(const struct shared_call *c, char *page)
{
	memset(page, 0, PAGE);
	if (!c->cmd)
		return;
	memcpy(page, &c->argsz, sizeof(c->argsz));
	if (c->cmd != VFIO_DEVICE_GET_PCI_HOT_RESET_INFO)
		memcpy(page + offsetof(struct vfio_irq_info, index), &c->index,
		       sizeof(c->index));
}

static const struct shared_call shared_calls[] = {
	{ "GET_INFO", VFIO_DEVICE_GET_INFO, sizeof(struct vfio_device_info),
	  .result = offsetof(struct vfio_device_info, num_regions) },
	{ "GET_REGION_INFO", VFIO_DEVICE_GET_REGION_INFO, sizeof(struct vfio_region_info), BAR0,
	  .result = offsetof(struct vfio_region_info, size) },
	{ "GET_IRQ_INFO", VFIO_DEVICE_GET_IRQ_INFO, sizeof(struct vfio_irq_info),
	  VFIO_PCI_MSIX_IRQ_INDEX, .result = offsetof(struct vfio_irq_info, count) },
	{ "GET_PCI_HOT_RESET_INFO", VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, PAGE,
	  .result = offsetof(struct vfio_pci_hot_reset_info, count) },
	{ "pread of 4 bytes of config space", .index = VFIO_CONFIG, .len = 4 },
	{ "pread of 64 bytes of config space", .index = VFIO_CONFIG, .len = 64 },
	{ "pread of 4 bytes of a BAR", .index = BAR0, .off = NIC_STATUS, .len = 4 },
	{ "pread of 64 bytes of a BAR", .index = BAR0, .off = NIC_STATUS, .len = 64 },
};

#define NR_SHARED_CALLS (sizeof(shared_calls) / sizeof(shared_calls[0]))

SCENARIO(buffer_shared_by_fork,
	 "a page that a child shares is copied for the result of a call: no EFAULT, no loss")
{
	static char want[PAGE];
	struct shim s;
	char *pages;
	pid_t child;
	long ret;

	REQUIRE_OK(shim_make(&s, NIC_PORT, 0, "resume"));
	REQUIRE_OK(vfio_user_open(&nic, s.uuid));
	pages = mmap(NULL, NR_SHARED_CALLS * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(pages != MAP_FAILED, "mmap");
	for (unsigned int i = 0; i < NR_SHARED_CALLS; i++)
		prepare_shared_call(&shared_calls[i], pages + i * PAGE);
	child = fork();
	if (!child) {
		pause();
		_exit(0);
	}
	REQUIRE(child > 0, "fork");
	for (unsigned int i = 0; i < NR_SHARED_CALLS; i++) {
		const struct shared_call *c = &shared_calls[i];
		char *page = pages + i * PAGE;

		ret = make_shared_call(c, page);
		CHECK(ret == (long)c->len, "%s: %ld", c->name, ret);
		CHECK(*(uint32_t *)(page + c->result), "%s: no result", c->name);
		/* in a page of its own the result is the same */
		prepare_shared_call(c, want);
		CHECK(make_shared_call(c, want) == (long)c->len, "%s", c->name);
		CHECK(!memcmp(page, want, PAGE), "%s: not the same result", c->name);
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	MEASURE("calls", "%zu", NR_SHARED_CALLS);
}
