// SPDX-License-Identifier: GPL-2.0-only
/*
 * The registers in config space that vfio-pci-core lets a user write through to the
 * device. A restore brings them back, so what the user writes is noted.
 */
#include "device.h"
#include "function.h"

enum mdr_register_base {
	MDR_BASE_HEADER,
	MDR_BASE_EXPRESS,
	MDR_BASE_AER,
};

/*
 * Index of struct mdr_user_registers.value. Documentation/design.md says why the
 * other registers that a user can write are left out. @fixed: bits that vfio-pci-core
 * keeps as they are on the device, whatever the user writes.
 */
static const struct mdr_user_register {
	u8 base;
	u8 offset;
	u8 width;
	u16 fixed;
} mdr_user_register_table[MDR_USER_REGISTERS] = {
	{ MDR_BASE_HEADER, PCI_COMMAND, 2 },	/* first; see MDR_COMMAND */
	{ MDR_BASE_HEADER, PCI_CACHE_LINE_SIZE, 2 },	/* and latency timer */
	{ MDR_BASE_EXPRESS, PCI_EXP_DEVCTL, 2,	/* see MDR_DEVCTL */
	  PCI_EXP_DEVCTL_PAYLOAD | PCI_EXP_DEVCTL_PHANTOM },
	{ MDR_BASE_EXPRESS, PCI_EXP_DEVCTL2, 2,	/* see MDR_DEVCTL2 */
	  PCI_EXP_DEVCTL2_ARI },
	{ MDR_BASE_AER, PCI_ERR_UNCOR_MASK, 4 },
	{ MDR_BASE_AER, PCI_ERR_UNCOR_SEVER, 4 },
	{ MDR_BASE_AER, PCI_ERR_COR_MASK, 4 },
	{ MDR_BASE_AER, PCI_ERR_CAP, 4 },	/* last; see MDR_ERR_CAP */
};

#define MDR_DEVCTL 2
#define MDR_DEVCTL2 3
#define MDR_ERR_CAP 7	/* it changes by itself */

/* Offset in config space; 0 if the device has no such register. */
static u16 mdr_user_register_find(struct pci_dev *pdev, unsigned int i)
{
	const struct mdr_user_register *reg = &mdr_user_register_table[i];
	u16 base;

	switch (reg->base) {
	case MDR_BASE_HEADER:
		return reg->offset;
	case MDR_BASE_EXPRESS:
		base = pci_is_pcie(pdev) ? pdev->pcie_cap : 0;
		break;
	default:
		base = pci_find_ext_capability(pdev, PCI_EXT_CAP_ID_ERR);
		break;
	}
	return base ? base + reg->offset : 0;
}

static void mdr_user_register_read(struct mdr_device *device, unsigned int i)
{
	struct pci_dev *pdev = device->core->pdev;
	u16 at = device->registers.at[i];
	u32 value;
	u16 word;

	if (!at)
		return;
	if (mdr_user_register_table[i].width == 2) {
		if (pci_read_config_word(pdev, at, &word) ||
		    PCI_POSSIBLE_ERROR(word))
			return;
		value = word;
	} else if (pci_read_config_dword(pdev, at, &value) ||
		   PCI_POSSIBLE_ERROR(value)) {
		return;
	}
	device->registers.value[i] = value;
}

static void mdr_user_register_write(struct mdr_device *device, unsigned int i)
{
	struct pci_dev *pdev = device->core->pdev;
	u32 value = device->registers.value[i];
	u16 at = device->registers.at[i];

	if (!at)
		return;
	if (mdr_user_register_table[i].width == 2)
		pci_write_config_word(pdev, at, value);
	else
		pci_write_config_dword(pdev, at, value);
}

/* Max_Read_Request_Size as the user sees it. */
static u16 mdr_user_readrq(struct mdr_device *device)
{
	u16 at = device->registers.at[MDR_DEVCTL];
	const __le16 *seen = (const __le16 *)(device->core->vconfig + at);

	return at ? le16_to_cpu(*seen) & PCI_EXP_DEVCTL_READRQ : 0;
}

/*
 * The bits of a register that a write of @count bytes at @pos has set as the user wants
 * them. vfio-pci-core writes Max_Read_Request_Size only when the user changes it.
 */
static u32 mdr_user_register_written(struct mdr_device *device, unsigned int i,
				     loff_t pos, size_t count)
{
	const struct mdr_user_register *reg = &mdr_user_register_table[i];
	struct mdr_user_registers *registers = &device->registers;
	u32 at = registers->at[i], written, readrq;
	u32 from = max_t(loff_t, pos, at);
	u32 to = min_t(loff_t, pos + count, at + reg->width);

	if (!at || from >= to)
		return 0;
	written = GENMASK(8 * (to - at) - 1, 8 * (from - at)) & ~reg->fixed;
	if (i != MDR_DEVCTL)
		return written;
	readrq = mdr_user_readrq(device);
	if (readrq == registers->readrq)
		written &= ~PCI_EXP_DEVCTL_READRQ;
	registers->readrq = readrq;
	return written;
}

/* Record the user's registers of a device just enabled; inside the gate. */
void mdr_user_registers_init(struct mdr_device *device)
{
	struct mdr_user_registers *registers = &device->registers;
	unsigned int i, dword;

	memset(registers, 0, sizeof(*registers));
	for (i = 0; i < MDR_USER_REGISTERS; i++) {
		registers->at[i] = mdr_user_register_find(device->core->pdev, i);
		if (!registers->at[i])
			continue;
		mdr_user_register_read(device, i);
		/* a write of eight bytes may start up to two dwords before */
		dword = registers->at[i] / 4;
		bitmap_set(registers->near, dword - min(dword, 2u),
			   min(dword, 2u) + 1);
	}
	registers->readrq = mdr_user_readrq(device);
}

/*
 * The user wrote @count bytes of config space at @pos; called inside the gate.
 * A device that does not answer keeps the values recorded before. The device may have
 * been reset without an error, so only what was written is taken from it.
 */
void mdr_user_registers_track(struct mdr_device *device, loff_t pos,
			      size_t count)
{
	unsigned int i;

	lockdep_assert_held(&device->registers_lock);

	for (i = 0; i < MDR_USER_REGISTERS; i++) {
		u32 *value = &device->registers.value[i], noted = *value;
		u32 written = mdr_user_register_written(device, i, pos, count);

		if (!written)
			continue;
		mdr_user_register_read(device, i);
		*value = (noted & ~written) | (*value & written);
	}
}

/*
 * The user wrote all of COMMAND, from @buf; called inside the gate, with page faults
 * off. Drivers write COMMAND often, and reading it back from the device would cost as
 * much as the write. vfio-pci-core passes every bit except INTx Disable, which a
 * restore does not take from here. If the user changes the buffer meanwhile, a
 * restore brings back that other value. False if the page is absent.
 */
bool mdr_user_command_note(struct mdr_device *device, const char __user *buf)
{
	struct vfio_pci_core_device *core = device->core;
	__le16 command, seen;

	lockdep_assert_held(&device->registers_lock);

	if (get_user(command, (const __le16 __user *)buf))
		return false;
	/* vfio-pci-core acts on the value it read: decoding must not be turned off unnoticed */
	seen = *(__le16 *)(core->vconfig + PCI_COMMAND);
	if ((command ^ seen) & cpu_to_le16(PCI_COMMAND_MEMORY | PCI_COMMAND_IO))
		return false;
	device->registers.value[MDR_COMMAND] = le16_to_cpu(command);
	return true;
}

/*
 * GET_INFO may have set AtomicOp Requester Enable, and clears nothing: a bit that is
 * missing was lost by the device. Called inside the gate.
 */
void mdr_user_registers_info(struct mdr_device *device)
{
	u32 *value = &device->registers.value[MDR_DEVCTL2], noted;

	guard(mutex)(&device->registers_lock);
	noted = *value;
	mdr_user_register_read(device, MDR_DEVCTL2);
	*value |= noted;
}

/*
 * Does the device lack SERR? The rest of COMMAND cannot be missed: it is in the byte whose
 * write makes vfio-pci-core put back the BARs.
 */
static bool mdr_user_serr_is_lost(struct mdr_device *device)
{
	u16 command;

	if (!(device->registers.value[MDR_COMMAND] & PCI_COMMAND_SERR) ||
	    !device->function->keeps_serr)
		return false;
	return !pci_read_config_word(device->core->pdev, PCI_COMMAND, &command) &&
	       !(command & PCI_COMMAND_SERR);
}

/*
 * Does the device lack what is noted? A write to COMMAND makes vfio-pci-core put back the
 * BARs of a device that was reset, and nothing else. False in the middle of a write that
 * is to be noted: it may be what resets the device.
 */
bool mdr_user_registers_are_lost(struct mdr_device *device)
{
	unsigned int i;
	u32 noted;
	bool lost;

	if (!mutex_trylock(&device->registers_lock))
		return false;
	lost = mdr_user_serr_is_lost(device);
	for (i = MDR_COMMAND + 1; i < MDR_ERR_CAP; i++) {
		noted = device->registers.value[i];
		if (!noted) /* most likely so after a reset, too */
			continue;
		mdr_user_register_read(device, i);
		lost |= device->registers.value[i] != noted;
		device->registers.value[i] = noted;
	}
	mutex_unlock(&device->registers_lock);
	return lost;
}

/* Write all of them but COMMAND to a device that was reset. */
void mdr_user_registers_write(struct mdr_device *device)
{
	unsigned int i;

	for (i = MDR_COMMAND + 1; i < MDR_USER_REGISTERS; i++)
		mdr_user_register_write(device, i);
}
