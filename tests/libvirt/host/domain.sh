# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The domain "guest", its console, and the functions that it gets.

guest_log=/run/guest.log
marked=1

# domain_define MIB [fast]: its disk worker writes that much; fast: below its first two
# ports a reset of the link does not wait for a link that is never reported
domain_define() {
	: >"$guest_log"
	marked=1
	cp -n "/boot/vmlinuz-$(uname -r)" vmlinuz
	sed "s/MIB<\/cmdline/$1<\/cmdline/" guest.xml >/run/guest.xml
	[ "${2:-}" != fast ] || speed_override /run/guest.xml
	virsh -q define /run/guest.xml
}

# as the guide has it, for two ports; and the guest says all once it is up
speed_override() {
	local port
	sed -i -e "s/<domain type='kvm'>/<domain type='kvm' xmlns:qemu='http:\/\/libvirt.org\/schemas\/domain\/qemu\/1.0'>/" \
		-e "s/mdr\.mib=/mdr.verbose &/" \
		-e '/<\/domain>/d' "$1"
	for port in pci.1 pci.2; do
		sed "s/pci\.1/$port/" doc/libvirt/override.xml
	done | sed -e '1!{/<qemu:override>/d}' -e '$!{/<\/qemu:override>/d}' >>"$1"
	echo '</domain>' >>"$1"
}

domain_end() {
	virsh -q destroy guest
	virsh -q undefine guest
}

state_is() { [[ $(virsh -q domstate guest --reason) == "$1"* ]]; }

# The guest's console in the machine's log.
guest_follow() {
	tail -F -n +1 -s 0.5 "$guest_log" 2>/dev/null | while IFS= read -r line; do
		log "guest: $line"
	done
}

# said and last look only at console lines after this.
mark() { marked=$(($(wc -l <"$guest_log") + 1)); }
lines() { tail -n "+$marked" "$guest_log"; }

# said PATTERN: there is a line that matches
said() { lines | grep -aE "$1"; }

# last NAME PATTERN: the last value of NAME= in lines that match PATTERN, or 0
last() {
	lines | grep -aE "$2" | grep -aoE "\b$1=[0-9]+" | tail -n 1 | cut -d= -f2 | grep . || echo 0
}

# written MIB, exchanged DRIVER MESSAGES: at least so much
written() { [ "$(last mib 'disk mib')" -ge "$1" ]; }
exchanged() { [ "$(last messages "net $1 messages")" -ge "$2" ]; }

# at_work DRIVER: the guest uses the function, and all data is right
at_work() {
	case $1 in
	nvme) written 16 && [ "$(last wrong 'disk mib')" = 0 ] ;;
	*) exchanged "$1" 5 && [ "$(last wrong "net $1 messages")" = 0 ] ;;
	esac
}

# bind_to DRIVER DEVICE
bind_to() {
	local dir=/sys/bus/pci/devices/$2
	[ ! -e "$dir/driver" ] || echo "$2" >"$dir/driver/unbind"
	echo "$1" >"$dir/driver_override"
	echo "$2" >/sys/bus/pci/drivers_probe
	[ "$(basename "$(readlink "$dir/driver")")" = "$1" ]
}

# hostdev_below UUID N: attaches it to the running domain, below the guest's port N
hostdev_below() {
	cat >"/run/$1.xml" <<-EOF
		<hostdev mode='subsystem' type='mdev' model='vfio-pci'>
		  <source><address uuid='$1'/></source>
		  <address type='pci' domain='0x0000' bus='0x0$2' slot='0x00' function='0x0'/>
		</hostdev>
	EOF
	virsh -q attach-device guest "/run/$1.xml" --live
}

# hostdev attach-device|detach-device UUID [--config]: to or from the running domain,
# or its definition
hostdev() {
	cat >"/run/$2.xml" <<-EOF
		<hostdev mode='subsystem' type='mdev' model='vfio-pci'>
		  <source><address uuid='$2'/></source>
		</hostdev>
	EOF
	virsh -q "$1" guest "/run/$2.xml" "${3:---live}"
}

# managed_hostdev BUS: the domain's definition gets the function through vfio-pci
managed_hostdev() {
	cat >/run/pci.xml <<-EOF
		<hostdev mode='subsystem' type='pci' managed='yes'>
		  <source><address domain='0' bus='$1' slot='0' function='0'/></source>
		</hostdev>
	EOF
	virsh -q attach-device guest /run/pci.xml --config
}

has_hostdev() { virsh -q dumpxml guest | grep -q "$1"; }
# its domain is there, without it
no_hostdev() {
	local xml
	xml=$(virsh -q dumpxml guest) && ! grep -q "$1" <<<"$xml"
}

# group DEVICE FILE: of the status of the group
group() {
	cat "/sys/class/mdev_recovery/group$(basename "$(readlink "/sys/bus/pci/devices/$1/iommu_group")")/$2"
}
group_is() { [ "$(group "$1" state)" = "$2" ]; }

# strike PORT DEVICE: a fatal error; recovered DEVICE: it is over
strike() {
	event=$(group "$2" event) && inject "$1"
}
recovered() { [ "$(group "$1" event)" -gt "$event" ] && group_is "$1" open; }

# strike_into STATE PORT DEVICE: a fatal error, and its group is seen in STATE. The state may
# be over before the monitor answers: $striker is a job that ends with the answer.
strike_into() {
	event=$(group "$3" event) || return 1
	inject "$2" &
	# shellcheck disable=SC2034 # the part waits for it
	striker=$!
	wait_for 30 group_is "$3" "$1"
}

milliseconds() { awk '{ printf "%d", $1 * 1000 }' /proc/uptime; }

# struck: an error has, just now; since_struck: how long ago, in ms
struck() {
	struck_ms=$(milliseconds)
	struck_line=$(($(wc -l <"$guest_log") + 1))
}
since_struck() { echo $(($(milliseconds) - struck_ms)); }

# gap DRIVER TYPE NAME PATTERN: since then the guest's work stood still for so long, by
# its own clock: the highest value of NAME=, a pattern too, in lines that match PATTERN
gap() {
	local ms
	ms=$(tail -n "+$struck_line" "$guest_log" | grep -aE "$4" | grep -aoE "\b$3=[0-9]+" |
		cut -d= -f2 | sort -n | tail -n 1)
	[ -z "$ms" ] || note "gap: $1 | $2 | $ms"
}
