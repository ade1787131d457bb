// SPDX-License-Identifier: GPL-2.0-only
/*
 * The restore: from a blank function to what its user had.
 *
 * Nothing here relies on reading a frozen device. What goes back is the state
 * that vfio-pci-core saved when the user opened the device (or, without a user,
 * that the parent driver found), MSI and MSI-X as the kernel knows them, and the
 * few registers that a user writes through vfio-pci-core to the real thing.
 */
#include <linux/delay.h>

#include "device.h"
#include "function.h"
#include "group.h"

enum mdr_register_base {
	MDR_BASE_HEADER,
	MDR_BASE_EXPRESS,
	MDR_BASE_AER,
};

/*
 * struct mdr_user_registers.value. What other registers a user reaches is
 * undone by a reset (power state), the kernel's own (MSI mask bits), or known to
 * its vendor only.
 */
static const struct mdr_user_register {
	u8 base;
	u8 offset;
	u8 width;
} mdr_user_register_table[MDR_USER_REGISTERS] = {
	{ MDR_BASE_HEADER, PCI_COMMAND, 2 },	/* first; see MDR_COMMAND */
	{ MDR_BASE_HEADER, PCI_CACHE_LINE_SIZE, 2 },	/* and latency timer */
	{ MDR_BASE_EXPRESS, PCI_EXP_DEVCTL, 2 },
	{ MDR_BASE_EXPRESS, PCI_EXP_DEVCTL2, 2 },
	{ MDR_BASE_AER, PCI_ERR_UNCOR_MASK, 4 },
	{ MDR_BASE_AER, PCI_ERR_UNCOR_SEVER, 4 },
	{ MDR_BASE_AER, PCI_ERR_COR_MASK, 4 },
	{ MDR_BASE_AER, PCI_ERR_CAP, 4 },
};

#define MDR_COMMAND 0

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
	struct pci_dev *pdev = device->core.pdev;
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
	struct pci_dev *pdev = device->core.pdev;
	u32 value = device->registers.value[i];
	u16 at = device->registers.at[i];

	if (!at)
		return;
	if (mdr_user_register_table[i].width == 2)
		pci_write_config_word(pdev, at, value);
	else
		pci_write_config_dword(pdev, at, value);
}

/**
 * mdr_user_registers_init - note what all of the user's registers hold
 * @device: the device, just enabled
 *
 * Context: process context, inside the gate.
 */
void mdr_user_registers_init(struct mdr_device *device)
{
	struct mdr_user_registers *registers = &device->registers;
	unsigned int i, dword;

	memset(registers, 0, sizeof(*registers));
	for (i = 0; i < MDR_USER_REGISTERS; i++) {
		registers->at[i] = mdr_user_register_find(device->core.pdev, i);
		if (!registers->at[i])
			continue;
		mdr_user_register_read(device, i);
		/* eight bytes from up to two dwords before reach it */
		dword = registers->at[i] / 4;
		bitmap_set(registers->near, dword - min(dword, 2u),
			   min(dword, 2u) + 1);
	}
}

/**
 * mdr_user_registers_track - the user wrote to config space
 * @device: the device
 * @pos: offset in config space
 * @count: how many bytes
 *
 * A device that does not answer keeps what was noted before.
 *
 * Context: process context, inside the gate.
 */
void mdr_user_registers_track(struct mdr_device *device, loff_t pos,
			      size_t count)
{
	unsigned int i;

	for (i = 0; i < MDR_USER_REGISTERS; i++) {
		u16 at = device->registers.at[i];

		if (at && pos < at + mdr_user_register_table[i].width &&
		    pos + count > at)
			mdr_user_register_read(device, i);
	}
}

/*
 * COMMAND is the user's, with two exceptions. Bus mastering stays off until the
 * parent driver has seen the device, see mdr_restore_master(). And INTx stays off
 * for now: only vfio-pci-core knows whether it is masked, see
 * mdr_device_sync_interrupts().
 */
static void mdr_restore_command(struct mdr_device *device)
{
	struct vfio_pci_core_device *core = &device->core;
	u16 command = device->registers.value[MDR_COMMAND];
	u16 restored = 0;

	pci_read_config_word(core->pdev, PCI_COMMAND, &restored);
	command &= ~(PCI_COMMAND_INTX_DISABLE | PCI_COMMAND_MASTER);
	command |= restored & PCI_COMMAND_INTX_DISABLE;
	if (core->nointx || (core->pci_2_3 &&
			     core->irq_type == VFIO_PCI_INTX_IRQ_INDEX))
		command |= PCI_COMMAND_INTX_DISABLE;
	pci_write_config_word(core->pdev, PCI_COMMAND, command);
}

static void mdr_restore_user_registers(struct mdr_device *device)
{
	unsigned int i;

	for (i = MDR_COMMAND + 1; i < MDR_USER_REGISTERS; i++)
		mdr_user_register_write(device, i);
	mdr_restore_command(device);
}

/*
 * Last, once the device is known to be well. With the types hold and evict
 * somebody looks at it first.
 */
static void mdr_restore_master(struct mdr_device *device)
{
	struct pci_dev *pdev = device->core.pdev;
	u16 command;

	if (device->policy != MDR_POLICY_RESUME ||
	    !(device->registers.value[MDR_COMMAND] & PCI_COMMAND_MASTER))
		return;
	pci_read_config_word(pdev, PCI_COMMAND, &command);
	pci_write_config_word(pdev, PCI_COMMAND, command | PCI_COMMAND_MASTER);
}

/**
 * mdr_function_answers - is there a live function behind this device?
 * @pdev: the function
 *
 * A VF has no IDs of its own (SR-IOV 1.1, 3.4.1.1), and the PCI core looks at its
 * PF in place of it. But what the PF has lost, a VF loses with it: without VF
 * Enable nothing answers, and the class code, which every VF has, reads as ones.
 *
 * Context: process context.
 * Return: true if its config space is that of the function.
 */
bool mdr_function_answers(struct pci_dev *pdev)
{
	u32 value;

	if (!pci_device_is_present(pdev))
		return false;
	if (pdev->is_virtfn)
		return !pci_read_config_dword(pdev, PCI_CLASS_REVISION, &value) &&
		       !PCI_POSSIBLE_ERROR(value);
	if (pci_read_config_dword(pdev, PCI_VENDOR_ID, &value))
		return false;
	return value == ((u32)pdev->device << 16 | pdev->vendor);
}

/*
 * Is this BAR 0 although the kernel gave it an address? A reset clears BARs (PCI
 * Express 6.0, 7.5.1.2.1), and vfio-pci-core keeps users from the real ones.
 */
static bool mdr_bar_is_blank(struct pci_dev *pdev, unsigned int bar)
{
	const unsigned long fixed = IORESOURCE_UNSET | IORESOURCE_PCI_FIXED |
				    IORESOURCE_PCI_EA_BEI;
	struct resource *res = &pdev->resource[bar];
	struct pci_bus_region region;
	u32 low, high = 0;

	if (!pci_resource_len(pdev, bar) || (res->flags & fixed) ||
	    !(res->flags & (IORESOURCE_MEM | IORESOURCE_IO)))
		return false;
	pcibios_resource_to_bus(pdev->bus, &region, res);
	if (!region.start)
		return false;
	pci_read_config_dword(pdev, PCI_BASE_ADDRESS_0 + 4 * bar, &low);
	low &= res->flags & IORESOURCE_IO ? PCI_BASE_ADDRESS_IO_MASK :
					    PCI_BASE_ADDRESS_MEM_MASK;
	if (res->flags & IORESOURCE_MEM_64)
		pci_read_config_dword(pdev, PCI_BASE_ADDRESS_0 + 4 * bar + 4,
				      &high);
	return !low && !high;
}

/*
 * A VF has no BARs of its own (SR-IOV 1.1, 3.4.1.11), and of COMMAND only bus
 * mastering. Its MSI-X enable bit is lost in a reset as well.
 */
static bool mdr_vf_is_blank(struct mdr_function *function)
{
	struct mdr_device *device = function->device;
	struct pci_dev *pdev = function->pdev;
	u16 word;

	if (pdev->msix_enabled) {
		pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS,
				     &word);
		return !(word & PCI_MSIX_FLAGS_ENABLE);
	}
	if (!device || !READ_ONCE(device->opened) ||
	    !(device->registers.value[MDR_COMMAND] & PCI_COMMAND_MASTER))
		return false;
	pci_read_config_word(pdev, PCI_COMMAND, &word);
	return !(word & PCI_COMMAND_MASTER);
}

/**
 * mdr_function_is_blank - has the function visibly lost its config space?
 * @function: the function, which answers
 *
 * A reset or a loss of power did that. A function without BARs, and a VF in
 * which nothing was set up, show nothing: they count as not blank.
 *
 * Context: process context, device lock of the function held.
 * Return: true if the function has to be restored.
 */
bool mdr_function_is_blank(struct mdr_function *function)
{
	struct pci_dev *pdev = function->pdev;
	unsigned int bar;

	device_lock_assert(&pdev->dev);

	if (pdev->is_virtfn)
		return mdr_vf_is_blank(function);
	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++)
		if (mdr_bar_is_blank(pdev, bar))
			return true;
	return false;
}

/*
 * Whatever power state the user put the function into, a reset ended it (PCI
 * Power Management 1.2, 5.4); write it all the same, for a function that was not
 * reset. Not by pci_set_power_state(): that takes pci_bus_sem, which a host
 * callback holds already.
 */
static void mdr_restore_power(struct pci_dev *pdev)
{
	u16 control;

	if (pdev->pm_cap && pdev->current_state != PCI_D0 &&
	    !pci_read_config_word(pdev, pdev->pm_cap + PCI_PM_CTRL, &control) &&
	    (control & PCI_PM_CTRL_STATE_MASK)) {
		pci_write_config_word(pdev, pdev->pm_cap + PCI_PM_CTRL,
				      control & ~PCI_PM_CTRL_STATE_MASK);
		/* from D3hot 10 ms (PCI Power Management 1.2, 5.6.1) */
		usleep_range(10000, 11000);
	}
	pdev->current_state = PCI_D0;
}

/*
 * The user's config space, or without a user that of the parent driver's probe.
 * Under the group's lock, since the user may be closing the device.
 */
static int mdr_restore_load(struct mdr_function *function)
{
	struct mdr_device *device = function->device;
	struct pci_saved_state *state = function->pristine;

	guard(mutex)(&function->group->lock);
	if (device && device->opened && device->saved)
		state = device->saved;
	return pci_load_saved_state(function->pdev, state);
}

/* Config space, and what the parent driver knows besides. */
static int mdr_restore_configure(struct mdr_function *function)
{
	struct mdr_device *device = function->device;
	struct pci_dev *pdev = function->pdev;
	u32 *command;
	int ret;

	mdr_restore_power(pdev);
	ret = mdr_restore_load(function);
	if (ret)
		return ret;
	command = &pdev->saved_config_space[PCI_COMMAND / 4];
	*command &= ~PCI_COMMAND_MASTER;
	/* the MSI-X table is in a BAR: decode before it is written */
	if (pdev->msix_enabled)
		*command |= PCI_COMMAND_MEMORY;
	pci_restore_state(pdev);
	if (device && READ_ONCE(device->opened))
		mdr_restore_user_registers(device);

	return function->ops->restore ? function->ops->restore(pdev) : 0;
}

/**
 * mdr_restore_again - go on with a restore that met a device not ready yet
 * @function: the function
 *
 * Looks once, and waits for nothing: mdr_group_finish() comes back to a device that
 * takes its time. What a parent driver's restore hook has begun is not begun anew
 * while healthy() still says no.
 *
 * Context: process context, gate closed, may sleep. Takes group->lock.
 * Return: as mdr_restore().
 */
int mdr_restore_again(struct mdr_function *function)
{
	struct mdr_device *device = function->device;
	struct pci_dev *pdev = function->pdev;
	int ret;

	device_lock_assert(&pdev->dev);

	if (!mdr_function_answers(pdev))
		return -ENODEV;
	if (!function->configured) {
		ret = mdr_restore_configure(function);
		if (ret)
			return ret;
		function->configured = true;
		if (!mdr_function_answers(pdev))
			return -ENODEV;
	}
	if (function->ops->healthy && !function->ops->healthy(pdev))
		return -ENODEV;

	if (device && READ_ONCE(device->opened))
		mdr_restore_master(device);
	mdr_pci_unfreeze(pdev);
	function->configured = false;
	WRITE_ONCE(function->blank, false);
	return 0;
}

/**
 * mdr_restore - bring config space, BARs and MSI-X of a reset function back
 * @function: the function
 *
 * Context: process context, gate closed, may sleep. Takes group->lock.
 * Return: 0; -ENODEV if the function does not answer or is not healthy; -EINVAL;
 * or what the parent driver's hooks say.
 */
int mdr_restore(struct mdr_function *function)
{
	device_lock_assert(&function->pdev->dev);

	function->configured = false;
	return mdr_restore_again(function);
}

/**
 * mdr_restore_if_blank - restore a function that has lost its config space
 * @function: the function
 *
 * A device that lost power and came back tells nobody. Its user's reset and the
 * next open notice it here.
 *
 * Context: process context, inside the gate, may sleep. Only tries to take the
 * device lock.
 * Return: 0 if it was not blank, 1 if it was and is not any more; -EAGAIN if somebody holds the
 * device lock; otherwise as mdr_restore().
 */
int mdr_restore_if_blank(struct mdr_function *function)
{
	struct pci_dev *pdev = function->pdev;
	int ret = 0;

	if (!device_trylock(&pdev->dev))
		return -EAGAIN;
	if (mdr_function_answers(pdev) && mdr_function_is_blank(function)) {
		pci_notice(pdev, "has lost its config space without an error, restoring it\n");
		ret = mdr_restore(function) ?: 1;
	}
	device_unlock(&pdev->dev);
	return ret;
}

/**
 * mdr_device_sync_interrupts - bring INTx in line with what vfio-pci-core thinks
 * @device: a device just restored, with INTx disabled in COMMAND
 *
 * vfio-pci-core masks INTx in COMMAND with every interrupt until its user
 * unmasks it, and keeps a private note of that. COMMAND and note must agree: an
 * unmasked line with a masked note is an interrupt storm, the reverse is silence.
 * Its runtime PM callbacks do what is needed: the first one masks if the note
 * says unmasked, the second one unmasks if the first one masked.
 *
 * Context: process context, gate closed, may sleep. Takes core_lock, memory_lock
 * and igate of the device: not for host callbacks.
 */
void mdr_device_sync_interrupts(struct mdr_device *device)
{
	const struct dev_pm_ops *pm;
	struct device *dev;

	guard(mutex)(&device->core_lock);

	/* seen open under core_lock, it keeps close waiting, and so the unbind */
	if (!READ_ONCE(device->opened) ||
	    device->core.irq_type != VFIO_PCI_INTX_IRQ_INDEX)
		return;
	dev = &device->core.pdev->dev;
	pm = dev->driver->pm;
	if (!pm || !pm->runtime_suspend || !pm->runtime_resume)
		return;
	pm->runtime_suspend(dev);
	pm->runtime_resume(dev);
}
