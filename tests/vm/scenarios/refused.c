// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls that a user may not make: they would bypass the gate, or vfio-pci refuses them.
 * A refused call changes nothing.
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hot_reset.h"
#include "klog.h"
#include "nic_user.h"
#include "scenario.h"
#include "shim.h"
#include "strike.h"
#include "uevent.h"
#include "vfio_status.h"

#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define PORT "rp_igb2"
#define HOT_RESET_MS 1500
#define SILENCE_MS 100
#define UNKNOWN_IOCTL _IO(VFIO_TYPE, VFIO_BASE + 99)
#define FEATURE_DMA_BUF 11
#define FEATURE_UNKNOWN 0xfff0
/* in config space */
#define CAP_LIST 0x34
#define CAP_MSIX 0x11
#define MSIX_CONTROL 2
#define MSIX_TABLE 4
#define MSIX_ENTRY 16

static struct vfio_user user, other;

static int call(struct vfio_user *u, unsigned long cmd, void *arg)
{
	return ioctl(u->device, cmd, arg) < 0 ? -errno : 0;
}

static int call_feature(struct vfio_user *u, uint32_t flags)
{
	struct {
		struct vfio_device_feature head;
		uint64_t payload[8];
	} arg = { .head = { .argsz = sizeof(arg), .flags = flags } };

	return call(u, VFIO_DEVICE_FEATURE, &arg);
}

static int call_ioeventfd(struct vfio_user *u)
{
	struct vfio_device_ioeventfd arg = {
		.argsz = sizeof(arg), .flags = VFIO_DEVICE_IOEVENTFD_32,
		.offset = u->regions[BAR0].offset + NIC_SCRATCH, .fd = -1,
	};

	return call(u, VFIO_DEVICE_IOEVENTFD, &arg);
}

static unsigned int complaints(void)
{
	return klog_count("refused: it would bypass the access gate");
}

static void check_unchanged(const struct shim *s, uint32_t status)
{
	CHECK(shim_is(s->group, "open"), "not open any more");
	CHECK(shim_number(s->group, "stats/user_resets") == 0, "a reset was run");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

SCENARIO(refused_bypasses,
	 "IOEVENTFD, dma-buf and what is unknown give ENOTTY and a line each, but no flood")
{
	uint32_t status;
	struct shim s;

	REQUIRE_OK(shim_make(&s, PORT, 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	status = nic_status(&user);
	CHECK_ERRNO(call_ioeventfd(&user), ENOTTY);
	CHECK(complaints() == 1, "%u lines", complaints());
	CHECK_ERRNO(call(&user, UNKNOWN_IOCTL, NULL), ENOTTY);
	CHECK(complaints() == 2, "%u lines", complaints());
	CHECK_ERRNO(call_feature(&user, VFIO_DEVICE_FEATURE_GET | FEATURE_DMA_BUF), ENOTTY);
	CHECK(complaints() == 3, "%u lines", complaints());
	CHECK_ERRNO(call_feature(&user, VFIO_DEVICE_FEATURE_SET | FEATURE_UNKNOWN), ENOTTY);
	CHECK(complaints() == 4, "%u lines", complaints());
	/* asking what exists is allowed */
	CHECK_ERRNO(call_feature(&user, VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET |
				 FEATURE_DMA_BUF), ENOTTY);
	CHECK(complaints() == 4, "%u lines", complaints());

	for (int i = 0; i < 1000; i++)
		CHECK_ERRNO(call(&user, UNKNOWN_IOCTL, NULL), ENOTTY);
	CHECK(complaints() < 30, "%u lines for 1000 calls", complaints());
	check_unchanged(&s, status);
	MEASURE("lines", "%u", complaints());
}

/* Arguments that are too short or make no sense. */
static int short_call(struct vfio_user *u, unsigned int n)
{
	union {
		uint32_t argsz;
		struct vfio_device_info info;
		struct vfio_region_info region;
		struct vfio_irq_info irq;
		struct vfio_irq_set set;
		struct vfio_pci_hot_reset_info hot;
		struct vfio_pci_hot_reset reset;
		struct vfio_device_feature feature;
		char room[64];
	} arg = { .room = { 0 } };

	arg.argsz = 4;
	switch (n) {
	case 0:
		return call(u, VFIO_DEVICE_GET_INFO, &arg);
	case 1:
		return call(u, VFIO_DEVICE_GET_REGION_INFO, &arg);
	case 2:
		return call(u, VFIO_DEVICE_GET_IRQ_INFO, &arg);
	case 3:
		return call(u, VFIO_DEVICE_SET_IRQS, &arg);
	case 4:
		return call(u, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, &arg);
	case 5:
		return call(u, VFIO_DEVICE_PCI_HOT_RESET, &arg);
	case 6:
		return call(u, VFIO_DEVICE_FEATURE, &arg);
	case 7:
		arg.region = (struct vfio_region_info){ .argsz = sizeof(arg.region), .index = 77 };
		return call(u, VFIO_DEVICE_GET_REGION_INFO, &arg);
	case 8:
		arg.irq = (struct vfio_irq_info){ .argsz = sizeof(arg.irq), .index = 77 };
		return call(u, VFIO_DEVICE_GET_IRQ_INFO, &arg);
	case 9:
		arg.set = (struct vfio_irq_set){
			.argsz = sizeof(arg.set), .index = VFIO_PCI_MSIX_IRQ_INDEX,
			.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
			.start = 5000, .count = 1,
		};
		return call(u, VFIO_DEVICE_SET_IRQS, &arg);
	case 10:
		return call(u, VFIO_DEVICE_GET_INFO, NULL);
	default:
		return 1;
	}
}

/* One igb bound to our driver, and one bound to vfio-pci for comparison. */
static void open_beside_vfio_pci(struct shim *s)
{
	char addr[PCI_ADDR_LEN];

	REQUIRE_OK(shim_make(s, "rp_igb", 0, "hold"));
	REQUIRE_OK(pci_below("rp_igb", 1, addr));
	REQUIRE_OK(pci_bind(addr, "vfio-pci"));
	REQUIRE_OK(vfio_user_open(&user, s->uuid));
	REQUIRE_OK(vfio_user_open(&other, addr));
}

SCENARIO(refused_as_vfio_pci, "arguments that are short or senseless give the errno of vfio-pci")
{
	unsigned int n;
	uint32_t status;
	struct shim s;
	int want, got;

	open_beside_vfio_pci(&s);
	status = nic_status(&user);
	for (n = 0; (want = short_call(&other, n)) <= 0; n++) {
		got = short_call(&user, n);
		CHECK(want < 0, "call %u succeeds with vfio-pci", n);
		CHECK(got == want, "call %u: %d, vfio-pci %d", n, got, want);
	}
	check_unchanged(&s, status);
	MEASURE("calls", "%u", n);
}

/* Beyond the end of a region, and across it; writes where none are allowed. */
static const struct {
	unsigned int region;
	long from_end;
	size_t len;
	bool write;
} outside[] = {
	{ BAR0, 0, 4, false },
	{ BAR0, 4096, 4, false },
	{ BAR0, -4, 8, false },
	{ BAR0, 0, 4, true },
	{ VFIO_CONFIG, 0, 4, false },
	{ VFIO_CONFIG, 4096, 4, true },
	{ VFIO_CONFIG, -4, 8, false },
	{ VFIO_CONFIG, -16, 48, false },
	{ VFIO_CONFIG, -16, 48, true },
	{ VFIO_PCI_BAR1_REGION_INDEX, 0, 4, false },
	{ VFIO_PCI_ROM_REGION_INDEX, 0, 4, false },
	{ VFIO_PCI_ROM_REGION_INDEX, -4, 4, true },
	{ VFIO_PCI_VGA_REGION_INDEX, 0x3c0, 4, false },
	/* the first region whose number ends like that of config space */
	{ VFIO_CONFIG, (1l << 48) - 4096, 4, false },
	{ VFIO_CONFIG, (1l << 48) - 4096, 16, true },
};

#define NR_OUTSIDE (sizeof(outside) / sizeof(outside[0]))

static void access_outside(struct vfio_user *u, long results[NR_OUTSIDE])
{
	uint32_t buf[12] = { 0 };

	for (unsigned int i = 0; i < NR_OUTSIDE; i++) {
		uint64_t off = u->regions[outside[i].region].size + outside[i].from_end;

		/* a missing region has no offset either */
		u->regions[outside[i].region].offset = (uint64_t)outside[i].region << 40;
		if (outside[i].write)
			results[i] = vfio_user_pwrite(u, outside[i].region, buf,
						      outside[i].len, off);
		else
			results[i] = vfio_user_pread(u, outside[i].region, buf,
						     outside[i].len, off);
	}
}

SCENARIO(refused_beyond_region,
	 "accesses beyond the end of a region end as with vfio-pci, at a closed gate too")
{
	long want[NR_OUTSIDE], open[NR_OUTSIDE], closed[NR_OUTSIDE];
	struct shim s;

	open_beside_vfio_pci(&s);
	REQUIRE_OK(shim_set(&s, "stall_timeout_ms", "0"));
	access_outside(&other, want);
	access_outside(&user, open);
	REQUIRE_OK(strike(&s, "rp_igb", "DLP", "holding"));
	access_outside(&user, closed);
	for (unsigned int i = 0; i < NR_OUTSIDE; i++) {
		CHECK(open[i] == want[i], "access %u: %ld, vfio-pci %ld", i, open[i], want[i]);
		CHECK(closed[i] == want[i], "access %u at a closed gate: %ld, vfio-pci %ld",
		      i, closed[i], want[i]);
	}
	MEASURE("accesses", "%zu", NR_OUTSIDE);
}

/* The table of MSI-X: where it is, and how long. */
static unsigned int msix_table(const char *addr, uint64_t *at, uint64_t *size)
{
	unsigned int cap = pci_config_read(addr, CAP_LIST, 1);
	uint32_t table;

	while (cap && pci_config_read(addr, cap, 1) != CAP_MSIX)
		cap = pci_config_read(addr, cap + 1, 1);
	REQUIRE(cap, "no MSI-X");
	table = pci_config_read(addr, cap + MSIX_TABLE, 4);
	*at = table & ~7u;
	*size = ((pci_config_read(addr, cap + MSIX_CONTROL, 2) & 0x7ff) + 1) * MSIX_ENTRY;
	return table & 7;
}

SCENARIO(refused_msix_table,
	 "reads of the MSI-X table give all-ones and writes go nowhere; next to it is the device")
{
	uint64_t at, size, touched = 0;
	volatile uint32_t *map;
	unsigned int bar;
	struct shim s;

	open_beside_vfio_pci(&s);
	bar = msix_table(s.addr, &at, &size);
	map = vfio_user_map(&user, bar);
	REQUIRE(map, "the BAR cannot be mapped");
	for (uint64_t off = 0; off < user.regions[bar].size; off += 4) {
		bool table = off >= at && off < at + size;
		uint32_t before = map[off / 4], mine, theirs;

		REQUIRE_OK(vfio_user_pread(&other, bar, &theirs, 4, off));
		REQUIRE_OK(vfio_user_pread(&user, bar, &mine, 4, off));
		CHECK(mine == (table ? ~0u : before), "%#jx reads as %#x, and is %#x",
		      (uintmax_t)off, mine, before);
		CHECK(mine == theirs, "%#jx reads as %#x, with vfio-pci as %#x", (uintmax_t)off,
		      mine, theirs);
		if (!table)
			continue;
		mine = ~before;
		REQUIRE_OK(vfio_user_pwrite(&user, bar, &mine, 4, off));
		CHECK(map[off / 4] == before, "%#jx has become %#x", (uintmax_t)off,
		      map[off / 4]);
		touched++;
	}
	MEASURE("written", "%ju", (uintmax_t)touched);
}

static void run_hot_reset(void)
{
	uint64_t begin = now_ns();

	CHECK_OK(hot_reset(&user));
	MEASURE_BOUND("hot_reset_ms", (now_ns() - begin) / NS_PER_MS, HOT_RESET_MS);
}

SCENARIO(refused_hot_reset,
	 "a hot reset that would hit another group in use is EPERM, and resets nothing")
{
	static const char text[] = "hot reset refused";
	uint32_t status;
	struct shim s[2];

	for (int i = 0; i < 2; i++)
		REQUIRE_OK(shim_make(&s[i], "rp_igb", i, "resume"));
	REQUIRE_OK(vfio_user_open(&user, s[0].uuid));
	REQUIRE_OK(vfio_user_open(&other, s[1].uuid));
	status = nic_status(&user);
	REQUIRE_OK(vfio_user_write(&other, BAR0, NIC_SCRATCH, 4, 0x55));
	CHECK_ERRNO(hot_reset(&user), EPERM);
	CHECK(klog_count(text) == 1, "%u lines", klog_count(text));
	check_unchanged(&s[0], status);
	CHECK(shim_is(s[1].group, "open"), "the other group is not open any more");
	CHECK(vfio_user_read(&other, BAR0, NIC_SCRATCH, 4) == 0x55, "the other was reset");

	/* a caller that shows that it owns the other group too may do it */
	vfio_user_close(&other);
	REQUIRE_OK(vfio_user_open_in(&other, s[1].uuid, user.space));
	REQUIRE_OK(vfio_user_write(&other, BAR0, NIC_SCRATCH, 4, 0x55));
	CHECK_OK(hot_reset(&user));
	CHECK(shim_is(s[1].group, "open"), "the other group is not open after the hot reset");
	CHECK(!vfio_user_read(&other, BAR0, NIC_SCRATCH, 4), "the other was not reset");

	/* and without any user */
	vfio_user_close(&other);
	run_hot_reset();
	CHECK(shim_is(s[0].group, "open"), "not open after the hot reset");
	CHECK(vfio_user_read(&user, BAR0, NIC_STATUS, 4) == status, "STATUS changed");
}

/* Hot resets with malformed arguments. */
static int malformed_hot_reset(struct vfio_user *u, unsigned int n)
{
	struct {
		struct vfio_pci_hot_reset head;
		int32_t fds[2];
	} arg = { .head = { .argsz = sizeof(arg), .count = 1 } };

	arg.fds[0] = u->space->groups[0].fd;
	switch (n) {
	case 0:
		arg.head.flags = 1;
		break;
	case 1:
		arg.head.count = 0;
		break;
	case 2:
		arg.fds[0] = -1;
		break;
	case 3:
		arg.fds[0] = u->device;
		break;
	case 4:
		arg.head.count = 2;
		arg.fds[1] = u->device;
		break;
	case 5:
		arg.head.argsz = sizeof(arg.head) - 1;
		break;
	case 6:
		return call(u, VFIO_DEVICE_PCI_HOT_RESET, NULL);
	default:
		return 1;
	}
	return call(u, VFIO_DEVICE_PCI_HOT_RESET, &arg);
}

SCENARIO(refused_hot_reset_malformed,
	 "a malformed hot reset gives the errno of vfio-pci, and closes no gate")
{
	struct mdr_status before, after;
	struct uevent event;
	unsigned int n;
	uint32_t status;
	struct shim s;
	int want, got, uevents;

	open_beside_vfio_pci(&s);
	status = nic_status(&user);
	REQUIRE_OK(vfio_status(&user, &before));
	uevents = uevent_listen();
	REQUIRE_OK(uevents);
	for (n = 0; (want = malformed_hot_reset(&other, n)) <= 0; n++) {
		got = malformed_hot_reset(&user, n);
		CHECK(want < 0, "call %u succeeds with vfio-pci", n);
		CHECK(got == want, "call %u: %d, vfio-pci %d", n, got, want);
	}
	CHECK(!uevent_wait(uevents, "MDR_STATE", NULL, SILENCE_MS, &event), "%s",
	      uevent_get(&event, "MDR_STATE"));
	close(uevents);
	REQUIRE_OK(vfio_status(&user, &after));
	CHECK(after.closed_ns == before.closed_ns, "a gate was closed");
	check_unchanged(&s, status);
	MEASURE("calls", "%u", n);
}
