// SPDX-License-Identifier: GPL-2.0-only
/*
 * Config space across a fatal error: every double word, as the user sees it and as the
 * host sees it, including what the user wrote to the real device.
 */
#include "scenario.h"
#include "strike.h"
#include "took.h"
#include "vfio_irq.h"

#define CONFIG_MAX 4096

#define COMMAND 0x04
#define COMMAND_MEMORY 0x002
#define COMMAND_MASTER 0x004
#define COMMAND_INTX_DISABLE 0x400
#define CACHE_LINE_SIZE 0x0c
#define BAR 0x10
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

static struct vfio_user user;
static struct shim shim;
static int vectors[1];
static bool message_signalled;

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
	c->size = user.regions[VFIO_CONFIG].size;
	for (unsigned int at = 0; at < c->size; at += 4)
		c->dword[at / 4] = pci_config_read(shim.addr, at, 4);
	REQUIRE(c->dword[0] != ~0u, "the host cannot read config space");
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
	}
}

/*
 * Bits of a double word that an error and a reset may change: status bits. Also, the
 * kernel disables INTx while MSI or MSI-X is enabled, and vfio-pci-core undoes that by
 * accident (it writes back the COMMAND that it found before).
 */
static uint32_t status_bits(unsigned int at, unsigned int express, unsigned int aer)
{
	if (at == COMMAND)
		return 0xffff0000 | (message_signalled ? COMMAND_INTX_DISABLE : 0);
	if (express && at == express + EXP_DEVCTL)
		return 0xffff0000;
	if (aer && (at == aer + AER_UNCOR_STATUS || at == aer + AER_COR_STATUS))
		return ~0u;
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

	REQUIRE_OK(shim_make(&shim, port, 0, "resume"));
	/* without a driver it would make the kernel abandon the recovery */
	if (!pci_below(port, 1, addr))
		REQUIRE_OK(pci_bind(addr, "mdr-pci"));
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
