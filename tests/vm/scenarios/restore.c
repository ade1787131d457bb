// SPDX-License-Identifier: GPL-2.0-only
/*
 * Config space across a fatal error: every double word, as the user sees it and as the
 * host sees it, including what the user wrote to the real device.
 */
#include <fcntl.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "scenario.h"
#include "strike.h"
#include "took.h"
#include "sysfs.h"
#include "vfio_irq.h"

#define CONFIG_MAX 4096

#define COMMAND 0x04
#define COMMAND_MEMORY 0x002
#define COMMAND_MASTER 0x004
#define COMMAND_SERR 0x100
#define COMMAND_INTX_DISABLE 0x400
#define CACHE_LINE_SIZE 0x0c
#define BAR 0x10
#define INTERRUPT_LINE 0x3c
#define CAP_LIST 0x34
#define CAP_EXPRESS 0x10
#define EXP_DEVCTL 0x08
#define EXP_DEVCTL_ERRORS 0x000f
#define EXP_DEVCTL_RELAXED 0x0010
#define EXP_DEVCTL_NOSNOOP 0x0800
#define EXP_DEVCTL_READRQ_4K 0x5000
#define EXP_DEVCTL2 0x28
#define EXP_DEVCTL2_PREFIX 0x8000
#define ECAP_AER 0x0001
#define AER_UNCOR_STATUS 0x04
#define AER_UNCOR_MASK 0x08
#define AER_COR_STATUS 0x10
#define AER_COR_MASK 0x14
#define AER_UNSUPPORTED 0x00100000
#define AER_REPLAY 0x00001000
#define AER_CAP 0x18
#define AER_CAP_FIRST 0x0000001f
#define AER_CAP_ECRC 0x00000140
#define CAP_PM 0x01
#define CAP_MSI 0x05
#define MSI_MASK_64 0x10
#define ECAP_SRIOV 0x0010
#define SRIOV_SIZE 0x40
#define PM_CTRL 0x04
#define PM_STATE 0x3
#define EXP_DEVCTL_FLR 0x8000

static struct vfio_user user;
static struct shim shim;
static int vectors[1];
static bool message_signalled, no_interrupts;

struct config {
	uint32_t dword[CONFIG_MAX / 4];
	unsigned int size;
};

/* The capability's offset; 0 if there is none. */
static unsigned int find_cap(unsigned int id)
{
	unsigned int at = vfio_user_read(&user, VFIO_CONFIG, CAP_LIST, 1);

	while (at && vfio_user_read(&user, VFIO_CONFIG, at, 1) != id)
		at = vfio_user_read(&user, VFIO_CONFIG, at + 1, 1);
	return at;
}

static unsigned int find_ecap(unsigned int id)
{
	unsigned int at = 0x100;
	uint32_t head;

	while (at && user.regions[VFIO_CONFIG].size > at) {
		head = vfio_user_read(&user, VFIO_CONFIG, at, 4);
		if ((head & 0xffff) == id)
			return at;
		at = head >> 20;
	}
	return 0;
}

static void read_user(struct config *c)
{
	c->size = user.regions[VFIO_CONFIG].size;
	for (unsigned int at = 0; at < c->size; at += 4)
		c->dword[at / 4] = vfio_user_read(&user, VFIO_CONFIG, at, 4);
	REQUIRE(c->size && c->dword[0] != ~0u, "the user cannot read config space");
}

static void read_host(struct config *c)
{
	int fd = pci_config_open(shim.addr, O_RDONLY);
	ssize_t len;

	/* at once: an open takes much longer than a register */
	c->size = user.regions[VFIO_CONFIG].size;
	len = pread(fd, c->dword, c->size, 0);
	close(fd);
	REQUIRE(len == (ssize_t)c->size && c->dword[0] != ~0u,
		"the host cannot read config space");
}

static void set_word(unsigned int at, uint16_t clear, uint16_t set)
{
	uint16_t value = vfio_user_read(&user, VFIO_CONFIG, at, 2);

	REQUIRE_OK(vfio_user_write(&user, VFIO_CONFIG, at, 2, (value & ~clear) | set));
}

/* Writes what a driver would write; all of it reaches the real device. */
static void write_registers(bool is_express)
{
	unsigned int express = find_cap(CAP_EXPRESS), aer = find_ecap(ECAP_AER);

	REQUIRE(!!express == is_express, "the PCI Express capability is at %#x", express);
	set_word(COMMAND, 0, COMMAND_MASTER);
	REQUIRE_OK(vfio_user_write(&user, VFIO_CONFIG, CACHE_LINE_SIZE, 1, 0x10));
	if (express) {
		set_word(express + EXP_DEVCTL,
			 EXP_DEVCTL_RELAXED | EXP_DEVCTL_NOSNOOP | 0x7000,
			 EXP_DEVCTL_ERRORS | EXP_DEVCTL_READRQ_4K);
		set_word(express + EXP_DEVCTL2, 0, EXP_DEVCTL2_PREFIX);
	}
	if (aer) {
		REQUIRE_OK(vfio_user_write(&user, VFIO_CONFIG, aer + AER_UNCOR_MASK, 4,
					   AER_UNSUPPORTED));
		REQUIRE_OK(vfio_user_write(&user, VFIO_CONFIG, aer + AER_COR_MASK, 4,
					   AER_REPLAY));
		REQUIRE_OK(vfio_user_write(&user, VFIO_CONFIG, aer + AER_CAP, 4, AER_CAP_ECRC));
		CHECK((pci_config_read(shim.addr, aer + AER_CAP, 4) & AER_CAP_ECRC) ==
		      AER_CAP_ECRC, "ECRC cannot be enabled");
	}
}

/*
 * Bits of a double word that an error and a reset may change: status bits, and what is
 * the kernel's. The kernel disables INTx while MSI or MSI-X is enabled, and
 * vfio-pci-core undoes that by accident (it writes back the COMMAND that it found
 * before), with MSI and after it. The mask bits of MSI that a user writes
 * have no meaning without MSI, and the kernel sets them when it enables MSI.
 */
static uint32_t status_bits(unsigned int at, unsigned int express, unsigned int aer)
{
	unsigned int msi = find_cap(CAP_MSI);

	if (at == COMMAND)
		return 0xffff0000 |
		       (message_signalled || no_interrupts ? COMMAND_INTX_DISABLE : 0);
	if (msi && at == msi + MSI_MASK_64 && !message_signalled)
		return ~0u;
	if (express && at == express + EXP_DEVCTL)
		return 0xffff0000;
	if (aer && (at == aer + AER_UNCOR_STATUS || at == aer + AER_COR_STATUS))
		return ~0u;
	if (aer && at == aer + AER_CAP)
		return AER_CAP_FIRST;
	return 0;
}

/* The number of double words that differ. */
static unsigned int compare(const char *who, const struct config *before,
			    const struct config *after)
{
	unsigned int express = find_cap(CAP_EXPRESS), aer = find_ecap(ECAP_AER);
	unsigned int differ = 0;
	uint32_t bits;

	for (unsigned int at = 0; at < before->size; at += 4) {
		bits = before->dword[at / 4] ^ after->dword[at / 4];
		if (!bits)
			continue;
		differ++;
		bits &= ~status_bits(at, express, aer);
		CHECK(!bits, "%s: config %#x is %#x, was %#x", who, at,
		      after->dword[at / 4], before->dword[at / 4]);
	}
	return differ;
}

static void config_comes_back(const char *port, int irq_index)
{
	static struct config user_before, user_after, host_before, host_after;
	unsigned int bars = 0, zero = 0;
	char addr[PCI_ADDR_LEN];
	uint32_t line;

	REQUIRE_OK(shim_make(&shim, port, 0, "resume"));
	/* without a driver it would make the kernel abandon the recovery */
	if (!pci_below(port, 1, addr))
		REQUIRE_OK(pci_bind(addr, "mdr-pci"));
	/* what is in use is as the open found it, not as the bind did */
	line = pci_config_read(shim.addr, INTERRUPT_LINE, 1);
	REQUIRE_OK(pci_config_write(shim.addr, INTERRUPT_LINE, 1, line ^ 1));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	if (irq_index >= 0)
		REQUIRE_OK(vfio_irq_enable(&user, irq_index, 1, vectors));
	message_signalled = irq_index == VFIO_PCI_MSI_IRQ_INDEX ||
			    irq_index == VFIO_PCI_MSIX_IRQ_INDEX;
	/* the conventional function is the one without interrupts */
	write_registers(irq_index >= 0);

	read_user(&user_before);
	read_host(&host_before);
	REQUIRE_OK(strike(&shim, port, "DLP", "open"));
	read_user(&user_after);
	read_host(&host_after);

	MEASURE_RECOVERY("recovery_ms", &shim);
	MEASURE("dwords", "%u", user_before.size / 4);
	for (unsigned int at = 0; at < user_before.size; at += 4)
		zero += !host_before.dword[at / 4];
	MEASURE("nonzero", "%u", user_before.size / 4 - zero);
	MEASURE("user_status_differs", "%u", compare("user", &user_before, &user_after));
	MEASURE("host_status_differs", "%u", compare("host", &host_before, &host_after));
	CHECK((host_after.dword[1] & COMMAND_MASTER) && (host_after.dword[1] & COMMAND_MEMORY),
	      "the host's COMMAND is %#x", host_after.dword[1] & 0xffff);
	for (unsigned int i = 0; i < 6; i++)
		bars += host_after.dword[(BAR + 4 * i) / 4] != 0;
	CHECK(bars, "no BAR is set");
	MEASURE("bars", "%u", bars);
	MEASURE("command", "%#x", host_after.dword[1] & 0xffff);
	CHECK_OK(pci_config_write(shim.addr, INTERRUPT_LINE, 1, line));
}

SCENARIO(restore_config_igb,
	 "config space of igb with MSI-X is as before a fatal error, for its user and the host")
{
	config_comes_back("rp_igb2", VFIO_PCI_MSIX_IRQ_INDEX);
}

SCENARIO(restore_config_igb_msi, "config space of igb with MSI is as before a fatal error")
{
	config_comes_back("rp_igb2", VFIO_PCI_MSI_IRQ_INDEX);
}

SCENARIO(restore_config_e1000e, "config space of e1000e with INTx is as before a fatal error")
{
	config_comes_back("rp_e1000e", VFIO_PCI_INTX_IRQ_INDEX);
}

SCENARIO(restore_config_nvme, "config space of nvme with MSI-X is as before a fatal error")
{
	config_comes_back("rp_nvme", VFIO_PCI_MSIX_IRQ_INDEX);
}

SCENARIO(restore_config_shm,
	 "config space of a conventional function without interrupts is as before a fatal error")
{
	config_comes_back("rp_shm", -1);
}

/*
 * The policy: what a restore writes is what was there, whatever call of the user put
 * it there. So each kind of call that may change config space is made, and then an
 * error strikes.
 */
struct call {
	const char *name;
	void (*make)(void);
};

static void make_none(void)
{
}

static void make_get_info(void)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	REQUIRE(!ioctl(user.device, VFIO_DEVICE_GET_INFO, &info), "GET_INFO");
}

static void make_region_info(void)
{
	struct vfio_region_info info = { .argsz = sizeof(info) };

	for (info.index = 0; info.index < VFIO_USER_REGIONS; info.index++)
		ioctl(user.device, VFIO_DEVICE_GET_REGION_INFO, &info);
}

static void make_irq_info(void)
{
	for (unsigned int index = 0; index < VFIO_PCI_NUM_IRQS; index++)
		vfio_irq_count(&user, index);
}

static void make_rom(void)
{
	char rom[256];

	vfio_user_pread(&user, VFIO_PCI_ROM_REGION_INDEX, rom, sizeof(rom), 0);
}

static void make_map(void)
{
	REQUIRE(vfio_user_map(&user, VFIO_PCI_BAR0_REGION_INDEX), "mmap");
}

static void enable_irq(unsigned int index)
{
	REQUIRE_OK(vfio_irq_enable(&user, index, 1, vectors));
	no_interrupts = false;
	message_signalled = index != VFIO_PCI_INTX_IRQ_INDEX;
}

static void make_intx(void)
{
	enable_irq(VFIO_PCI_INTX_IRQ_INDEX);
}

static void make_intx_unmask(void)
{
	REQUIRE_OK(vfio_irq_unmask_intx(&user));
}

static void disable_irq(unsigned int index)
{
	REQUIRE_OK(vfio_irq_disable(&user, index));
	no_interrupts = true;
	message_signalled = false;
}

static void make_intx_off(void)
{
	disable_irq(VFIO_PCI_INTX_IRQ_INDEX);
}

static void make_msi(void)
{
	enable_irq(VFIO_PCI_MSI_IRQ_INDEX);
}

static void make_msi_off(void)
{
	disable_irq(VFIO_PCI_MSI_IRQ_INDEX);
}

static void make_msix(void)
{
	enable_irq(VFIO_PCI_MSIX_IRQ_INDEX);
}

static void make_msix_off(void)
{
	disable_irq(VFIO_PCI_MSIX_IRQ_INDEX);
}

static void make_reset(void)
{
	REQUIRE_OK(vfio_user_reset(&user));
}

/* Writes all of config space, but for COMMAND's enables, the power state and FLR. */
static void write_all(uint32_t value)
{
	unsigned int express = find_cap(CAP_EXPRESS), power = find_cap(CAP_PM);
	/* what lies behind the last capability is no register */
	unsigned int end = find_ecap(ECAP_SRIOV) + SRIOV_SIZE;
	uint32_t clear;

	for (unsigned int at = 8; at < end; at += 4) {
		clear = 0;
		if (express && at == express + EXP_DEVCTL)
			clear = EXP_DEVCTL_FLR;
		if (power && at == power + PM_CTRL)
			clear = PM_STATE;
		REQUIRE_OK(vfio_user_write(&user, VFIO_CONFIG, at, 4, value & ~clear));
	}
}

static void make_write_ones(void)
{
	write_all(~0u);
}

static void make_write_zeros(void)
{
	write_all(0);
}

static void make_command_ones(void)
{
	REQUIRE_OK(vfio_user_write(&user, VFIO_CONFIG, COMMAND, 2, 0xffff));
}

static void make_command_zero(void)
{
	REQUIRE_OK(vfio_user_write(&user, VFIO_CONFIG, COMMAND, 2, 0));
}

static void make_command(void)
{
	REQUIRE_OK(vfio_user_write(&user, VFIO_CONFIG, COMMAND, 2,
				   COMMAND_MEMORY | COMMAND_MASTER));
}

static void make_sleep(void)
{
	unsigned int power = find_cap(CAP_PM);

	REQUIRE(power, "no power management");
	set_word(power + PM_CTRL, PM_STATE, PM_STATE);
	set_word(power + PM_CTRL, PM_STATE, 0);
}

static const struct call calls[] = {
	{ "open", make_none },
	{ "GET_INFO", make_get_info },
	{ "GET_REGION_INFO", make_region_info },
	{ "GET_IRQ_INFO", make_irq_info },
	{ "read of the ROM", make_rom },
	{ "mmap", make_map },
	{ "SET_IRQS INTx", make_intx },
	{ "SET_IRQS unmask", make_intx_unmask },
	{ "SET_IRQS no INTx", make_intx_off },
	{ "SET_IRQS MSI", make_msi },
	{ "SET_IRQS no MSI", make_msi_off },
	{ "SET_IRQS MSI-X", make_msix },
	{ "ones to COMMAND", make_command_ones },
	{ "0 to COMMAND", make_command_zero },
	{ "SET_IRQS no MSI-X", make_msix_off },
	{ "COMMAND", make_command },
	{ "ones to all registers", make_write_ones },
	{ "RESET", make_reset },
	{ "0 to all registers", make_write_zeros },
	{ "D3hot and back", make_sleep },
};

SCENARIO(restore_after_each_call,
	 "after each call of the user: a fatal error leaves every register as the call left it",
	 .limit_s = 150)
{
	static struct config before, after;
	unsigned int status = 0;

	REQUIRE_OK(shim_make(&shim, "rp_igb2", 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	REQUIRE_OK(shim_test_load());
	REQUIRE_OK(sysfs_write(shim.addr, "/sys/module/mdev_recovery_test/parameters/atomics"));
	for (unsigned int i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		calls[i].make();
		read_host(&before);
		REQUIRE_OK(strike(&shim, "rp_igb2", "DLP", "open"));
		read_host(&after);
		status += compare(calls[i].name, &before, &after);
	}
	CHECK_OK(sysfs_write("none", "/sys/module/mdev_recovery_test/parameters/atomics"));
	MEASURE("calls", "%zu", sizeof(calls) / sizeof(calls[0]));
	MEASURE("status_differs", "%u", status);
}

/*
 * Writes that COMMAND is a part of, or that are a part of COMMAND, or of registers near
 * it. What lies beside the written bytes in the user's memory is all-ones, and LOW stands
 * for what the user has in the first byte of COMMAND.
 */
#define LOW 0xee

static const struct {
	unsigned int at;
	unsigned int len;
	uint8_t bytes[8];
} parts[] = {
	{ COMMAND, 1, { LOW } },
	{ COMMAND + 1, 1, { COMMAND_SERR >> 8 } },
	{ COMMAND, 1, { LOW } },
	{ COMMAND + 1, 1, { 0 } },
	/* with SERR off, which the byte behind it would turn on */
	{ COMMAND, 1, { LOW } },
	{ COMMAND, 4, { LOW, 0, 0xff, 0xff } },
	{ COMMAND, 4, { LOW, COMMAND_SERR >> 8, 0xff, 0xff } },
	{ COMMAND + 1, 2, { 0, 0xff } },
	{ COMMAND - 1, 2, { 0xff, LOW } },
	{ COMMAND - 4, 8, { 0xff, 0xff, 0xff, 0xff, LOW, 0, 0xff, 0xff } },
	{ CACHE_LINE_SIZE, 2, { LOW, 0xff } },
	{ COMMAND, 2, { LOW, 0 } },
};

SCENARIO(restore_command_in_part,
	 "COMMAND written in part or among others is restored as written, not as lies beside it",
	 .limit_s = 150)
{
	uint8_t bytes[16] __attribute__((aligned(16)));
	unsigned int before, after, len;
	uint8_t low, *data;

	REQUIRE_OK(shim_make(&shim, "rp_igb2", 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	set_word(COMMAND, 0, COMMAND_MASTER | COMMAND_MEMORY);
	low = vfio_user_read(&user, VFIO_CONFIG, COMMAND, 1);
	for (unsigned int i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		len = parts[i].len;
		/* all of it in one double word pair, as the fast path wants it */
		data = bytes + (len == 8 ? 0 : 2);
		memset(bytes, 0xff, sizeof(bytes));
		for (unsigned int n = 0; n < len; n++)
			data[n] = parts[i].bytes[n] == LOW ? low : parts[i].bytes[n];
		CHECK(vfio_user_pwrite(&user, VFIO_CONFIG, data, len, parts[i].at) == len,
		      "write %u fails", i);
		before = pci_command(shim.addr);
		REQUIRE_OK(strike(&shim, "rp_igb2", "DLP", "open"));
		after = pci_command(shim.addr);
		CHECK(!((before ^ after) & ~COMMAND_INTX_DISABLE),
		      "write %u: COMMAND is %#x, was %#x", i, after, before);
	}
	MEASURE("writes", "%zu", sizeof(parts) / sizeof(parts[0]));
}

SCENARIO(restore_written_from_before,
	 "a register that a write of eight bytes ends in is restored as written")
{
	uint8_t bytes[8] __attribute__((aligned(8)));
	unsigned int at, before;

	REQUIRE_OK(shim_make(&shim, "rp_igb2", 0, "resume"));
	REQUIRE_OK(vfio_user_open(&user, shim.uuid));
	/* its second byte is the last that is written */
	at = find_cap(CAP_EXPRESS) + EXP_DEVCTL2 + 1;
	for (unsigned int i = 0; i < 2; i++) {
		for (unsigned int n = 0; n < 8; n++)
			bytes[n] = vfio_user_read(&user, VFIO_CONFIG, at - 7 + n, 1);
		bytes[7] ^= EXP_DEVCTL2_PREFIX >> 8;
		REQUIRE(vfio_user_pwrite(&user, VFIO_CONFIG, bytes, 8, at - 7) == 8, "pwrite: %m");
		before = pci_config_read(shim.addr, at, 1);
		REQUIRE(before == bytes[7], "the host reads %#x, written was %#x", before,
			bytes[7]);
		REQUIRE_OK(strike(&shim, "rp_igb2", "DLP", "open"));
		CHECK(pci_config_read(shim.addr, at, 1) == before, "it is %#x, was %#x",
		      pci_config_read(shim.addr, at, 1), before);
	}
}
