// SPDX-License-Identifier: GPL-2.0-only
/*
 * The restore: from a blank function to what its user had.
 *
 * Nothing here relies on reading a frozen device. What goes back is the state
 * that vfio-pci-core saved when the user opened the device (or, without a user,
 * that the parent driver found), MSI and MSI-X as the kernel knows them, and the
 * few registers that a user writes through vfio-pci-core to the real thing.
 */
#include "mdr.h"

/**
 * mdr_user_registers_read - note what the user's registers hold
 * @device: the device
 *
 * A device that does not answer keeps what was noted before.
 *
 * Context: process context, inside the gate.
 */
void mdr_user_registers_read(struct mdr_device *device)
{
	struct mdr_user_registers *registers = &device->registers;
	struct pci_dev *pdev = device->core.pdev;
	u16 word;
	u32 dword;

	if (!pci_read_config_word(pdev, PCI_COMMAND, &word) &&
	    !PCI_POSSIBLE_ERROR(word))
		registers->command = word;
	if (!pci_read_config_dword(pdev, PCI_CACHE_LINE_SIZE, &dword) &&
	    !PCI_POSSIBLE_ERROR(dword))
		registers->cache_line = dword;
	if (pci_is_pcie(pdev) &&
	    !pcie_capability_read_word(pdev, PCI_EXP_DEVCTL, &word) &&
	    !PCI_POSSIBLE_ERROR(word))
		registers->device_control = word;
}

static bool mdr_overlaps(loff_t pos, size_t count, unsigned int start,
			 unsigned int size)
{
	return pos < start + size && pos + count > start;
}

/**
 * mdr_user_registers_track - the user wrote to config space
 * @device: the device
 * @pos: offset in config space
 * @count: how many bytes
 *
 * Context: process context, inside the gate.
 */
void mdr_user_registers_track(struct mdr_device *device, loff_t pos,
			      size_t count)
{
	struct pci_dev *pdev = device->core.pdev;

	if (mdr_overlaps(pos, count, PCI_COMMAND, 2) ||
	    mdr_overlaps(pos, count, PCI_CACHE_LINE_SIZE, 4) ||
	    (pci_is_pcie(pdev) &&
	     mdr_overlaps(pos, count, pdev->pcie_cap + PCI_EXP_DEVCTL, 2)))
		mdr_user_registers_read(device);
}

/*
 * COMMAND is the user's, with two exceptions. Bus mastering comes back only
 * where nobody has to look at the device first. And INTx stays off for now: only
 * vfio-pci-core knows whether it is masked, see mdr_restore_interrupts().
 */
static void mdr_restore_command(struct mdr_device *device)
{
	struct vfio_pci_core_device *core = &device->core;
	u16 command = device->registers.command;
	u16 restored = 0;

	pci_read_config_word(core->pdev, PCI_COMMAND, &restored);
	command &= ~PCI_COMMAND_INTX_DISABLE;
	command |= restored & PCI_COMMAND_INTX_DISABLE;
	if (core->nointx || (core->pci_2_3 &&
			     core->irq_type == VFIO_PCI_INTX_IRQ_INDEX))
		command |= PCI_COMMAND_INTX_DISABLE;
	if (device->policy != MDR_POLICY_RESUME)
		command &= ~PCI_COMMAND_MASTER;
	pci_write_config_word(core->pdev, PCI_COMMAND, command);
}

static void mdr_restore_user_registers(struct mdr_device *device)
{
	struct pci_dev *pdev = device->core.pdev;

	pci_write_config_dword(pdev, PCI_CACHE_LINE_SIZE,
			       device->registers.cache_line);
	if (pci_is_pcie(pdev))
		pcie_capability_write_word(pdev, PCI_EXP_DEVCTL,
					   device->registers.device_control);
	mdr_restore_command(device);
}

static bool mdr_answers(struct pci_dev *pdev)
{
	u32 id;

	if (!pci_device_is_present(pdev))
		return false;
	/* a VF has no IDs of its own (SR-IOV 1.1, 3.4.1.1) */
	if (pdev->is_virtfn)
		return true;
	if (pci_read_config_dword(pdev, PCI_VENDOR_ID, &id))
		return false;
	return id == ((u32)pdev->device << 16 | pdev->vendor);
}

/**
 * mdr_restore - bring config space, BARs and MSI-X of a reset function back
 * @function: the function
 *
 * Context: process context, device lock of the function held, gate closed and
 * drained, may sleep.
 * Return: 0, -ENODEV if the function does not answer, -ENOMEM, -EINVAL, or what
 * the parent driver's hooks say.
 */
int mdr_restore(struct mdr_function *function)
{
	struct mdr_device *device = function->device;
	struct pci_dev *pdev = function->pdev;
	struct pci_saved_state *state = function->pristine;
	bool opened = device && READ_ONCE(device->opened);
	int ret;

	device_lock_assert(&pdev->dev);

	if (!mdr_answers(pdev))
		return -ENODEV;

	if (opened && device->core.pci_saved_state)
		state = device->core.pci_saved_state;

	/* whatever it was put into, the reset ended it (PCI PM 1.2, 5.4) */
	pci_set_power_state(pdev, PCI_D0);
	ret = pci_load_saved_state(pdev, state);
	if (ret)
		return ret;
	/* the MSI-X table is in a BAR: decode before it is written */
	if (pdev->msix_enabled)
		pdev->saved_config_space[PCI_COMMAND / 4] |= PCI_COMMAND_MEMORY;
	pci_restore_state(pdev);
	if (opened)
		mdr_restore_user_registers(device);

	if (function->ops->restore) {
		ret = function->ops->restore(pdev);
		if (ret)
			return ret;
	}
	if (!mdr_answers(pdev))
		return -ENODEV;
	return function->ops->healthy && !function->ops->healthy(pdev) ?
	       -ENODEV : 0;
}

/**
 * mdr_restore_interrupts - bring INTx in line with what vfio-pci-core thinks
 * @device: an open device, just restored, with INTx disabled in COMMAND
 *
 * vfio-pci-core masks INTx in COMMAND with every interrupt until its user
 * unmasks it, and keeps a note of that to itself. COMMAND and note must agree:
 * an unmasked line with a masked note is an interrupt storm, the reverse is
 * silence. Its runtime PM callbacks do what is needed: the first one masks if the
 * note says unmasked, the second one unmasks if the first one masked.
 *
 * Context: process context, gate closed, &mdr_device.core_lock held, may sleep.
 * Takes memory_lock and igate of the device: not for host callbacks.
 */
void mdr_restore_interrupts(struct mdr_device *device)
{
	struct device *dev = &device->core.pdev->dev;
	const struct dev_pm_ops *pm = dev->driver->pm;

	lockdep_assert_held(&device->core_lock);

	if (device->core.irq_type != VFIO_PCI_INTX_IRQ_INDEX)
		return;
	if (!pm || !pm->runtime_suspend || !pm->runtime_resume)
		return;
	pm->runtime_suspend(dev);
	pm->runtime_resume(dev);
}
