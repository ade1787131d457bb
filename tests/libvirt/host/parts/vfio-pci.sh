# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
#
# What happens today: the same disk, the same error, with vfio-pci. The domain
# is stopped, and the function has lost its configuration.

nvme=0000:01:00.0

# COMMAND in the function's config space, as two bytes
command_register() { od -An -tx1 -j4 -N2 "/sys/bus/pci/devices/$nvme/config" | tr -d ' '; }

domain_define 320
check "vfio-pci: a domain with the disk starts" \
	eval 'managed_hostdev 1 && virsh -q start guest'
check "vfio-pci: its QEMU is confined" is_confined qemu-system-x86_64 libvirt-
check "vfio-pci: its guest writes" wait_for 300 written 32
before=$(command_register)
check "vfio-pci: an error strikes" inject rp_nvme
check "vfio-pci: the host says that the recovery was successful" \
	wait_for 30 eval 'dmesg | grep -q "device recovery successful"'
check "vfio-pci: all the same the domain is paused" wait_for 60 state_is paused
check "vfio-pci: QEMU gives up" eval \
	'grep "Unrecoverable error" /var/log/libvirt/qemu/guest.log && virsh qemu-monitor-command guest --hmp "info status" | grep internal-error'
check "vfio-pci: COMMAND of the disk was $before, is 0000" \
	test "$(command_register)" = 0000 -a "$before" != 0000
check "vfio-pci: libvirt cannot make the domain go on" eval '! virsh resume guest' &&
	verdict "any, with vfio-pci" none "QEMU stops the domain; the function has lost its configuration"
note "vfio-pci: the domain is $(virsh -q domstate guest --reason)"
domain_end
