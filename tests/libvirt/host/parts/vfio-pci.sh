# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
#
# A domain with its disk through vfio-pci: removing and installing the packages changes
# nothing for it. Then what happens today: the same error, with vfio-pci. The domain is
# stopped, and the function has lost its configuration.

nvme=0000:01:00.0

# COMMAND in the function's config space, as two bytes
command_register() { od -An -tx1 -j4 -N2 "/sys/bus/pci/devices/$nvme/config" | tr -d ' '; }

# What the domain stands on: each function's driver and what it is told, and QEMU.
stands_on() {
	local function
	for function in /sys/bus/pci/devices/*; do
		echo "${function##*/} $(basename "$(readlink "$function/driver")") $(cat "$function/driver_override") $(cat "$function/iommu_group/type" 2>/dev/null)"
	done
	echo "command $(command_register) pid $(cat /run/libvirt/qemu/guest.pid) $(virsh -q domstate guest)"
}

unchanged() { diff /run/stands_on <(stands_on); }

# The kernel's headers and a compiler are not here: what DKMS has built is put back by hand.
dkms_built=/lib/modules/$(uname -r)/updates/dkms

remove_packages() {
	cp -r "$dkms_built" /run/dkms
	dpkg --purge mdev-recovery-agent mdev-recovery-tools mdev-recovery-dkms || return 1
	[ ! -e "$dkms_built/mdev_recovery.ko.xz" ] && [ ! -e /usr/sbin/mdrctl ]
}

install_packages() {
	dpkg -i deb/mdev-recovery-{dkms,tools,agent}_*.deb || return 1
	mkdir -p "${dkms_built%/*}" && cp -r /run/dkms "${dkms_built%/*}" && depmod
}

# goes_on WHAT: what stood is as it was, and the guest works
goes_on() {
	check "vfio-pci: $1: nothing changed for the running domain" unchanged
	mark
	check "vfio-pci: $1: its guest goes on" wait_for 120 said 'disk mib'
	check "vfio-pci: $1: not a word was wrong" test "$(last wrong 'disk mib')" = 0
}

domain_define 4000
check "vfio-pci: a domain with the disk starts" \
	eval 'managed_hostdev 1 && virsh -q start guest'
check "vfio-pci: its guest writes" wait_for 300 written 32
stands_on >/run/stands_on
log_file /run/stands_on
check "vfio-pci: the packages are purged" remove_packages
goes_on "packages purged"
check "vfio-pci: the modules are unloaded" modprobe -r mdev_recovery_pci
check "vfio-pci: the packages are installed" install_packages
check "vfio-pci: the modules are loaded, and the service runs" eval \
	'modprobe mdev_recovery_pci && systemctl is-active mdr-agent'
goes_on "packages installed"
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
