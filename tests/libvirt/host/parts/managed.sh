# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
#
# With the packages installed, libvirt binds a managed <hostdev type='pci'> to
# the driver that it would bind it to without: vfio-pci. libvirt takes the best
# "vfio_pci:" alias of modules.alias, so there are two cases: vfio-pci is a module
# and has one there, or it is built in and nobody has. mdr-pci gets what its
# driver_override says, and its module is found by that name.

igb=0000:02:00.0
aliases=/lib/modules/$(uname -r)/modules.alias
any='vfio_pci:v*d*sv*sd*bc*sc*i*'

driver_of() { basename "$(readlink "/sys/bus/pci/devices/$igb/driver")"; }
driver_is() { [ "$(driver_of)" = "$1" ] || { echo "it is $(driver_of)"; false; }; }

# detached WHAT DRIVER: what nodedev-detach binds the function to
detached() {
	check "managed, $1: libvirt detaches a function from its driver" \
		virsh -q nodedev-detach pci_0000_02_00_0
	check "managed, $1: and binds it to $2" driver_is "$2"
	check "managed, $1: it gives the function back" \
		virsh -q nodedev-reattach pci_0000_02_00_0
	check "managed, $1: to igb" driver_is igb
}

# domain WHAT: a domain with the function has it through vfio-pci
domain() {
	check "managed, $1: a domain with a managed hostdev starts" \
		virsh -q start guest --paused
	check "managed, $1: its function is bound to vfio-pci" driver_is vfio-pci
	check "managed, $1: the domain ends" virsh -q destroy guest
	check "managed, $1: the function is bound to igb again" wait_for 20 driver_is igb
}

modprobe igb
domain_define 64
managed_hostdev 2
check "managed: the module of mdr-pci is loaded" loaded
check "managed: modules.alias does not name it" eval '! grep mdev_recovery "$aliases"'

check "managed, a module: vfio-pci is one, with an alias" grep -xF "alias $any vfio_pci" "$aliases"
detached "a module" vfio-pci
domain "a module"

cp "$aliases" /run/modules.alias
grep -v '^alias vfio_pci:' /run/modules.alias >"$aliases"
check "managed, built in: vfio-pci is there, without an alias" \
	eval '[ -d /sys/bus/pci/drivers/vfio-pci ] && ! grep "^alias vfio_pci:" "$aliases"'
detached "built in" vfio-pci
domain "built in"

# the checks above would see it: what libvirt makes of such an alias
echo "alias $any mdev_recovery_pci" >>"$aliases"
detached "an alias, planted" mdr-pci
cp /run/modules.alias "$aliases"
virsh -q undefine guest

check "managed: the module is unloaded" modprobe -r mdev_recovery_pci
check "managed: it is found by its driver's name" modprobe mdr-pci
check "managed: a driver_override alone binds the function to it" bind_to mdr-pci $igb
bind_to "" $igb
check "managed: without one it is igb's again" driver_is igb
