# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # set by host.sh and run
#
# What the doctor finds about the opener of a device: a named user, or the QEMU of a
# domain. The files of each case alone decide what the opener may do.

# node FILE MODE: a file below /dev, and in the /dev of QEMU
node() {
	local file
	for file in "$host/dev/$1" "$host/proc/4711/root/dev/$1"; do
		mkdir -p "$(dirname "$file")"
		touch "$file"
		chmod "$2" "$file"
	done
}

# host_opener: a well host whose group 16 has an mdev that only root may open
host_opener() {
	host_well
	# shellcheck disable=SC2016 # for sh
	program runuser 'echo "$*" >'"$host/asked_runuser" 'echo 8192'
	node vfio/16 600
	chmod -R go+rX "$work"
	chmod 600 "$host/dev/vfio/16" "$host/proc/4711/root/dev/vfio/16"
}

# has_qemu RUNNING [MDEV]: what the agent says of the QEMU of the domain "vm"
has_qemu() {
	has_systemctl 0 0
	qemu=",\"qemu\":{\"domain\":\"vm\",\"running\":$1,\"memory_kib\":1048576,\"user\":\"+65534:+65534\",\"mdevs\":[${2:+\"$2\"}]}"
	has_agent 0 "$port_good"
}

# qemu_runs LIMIT [CAPABILITIES]: its process, which nobody owns
qemu_runs() {
	mkdir -p "$host/run/libvirt/qemu" "$host/proc/4711/fd"
	echo 4711 >"$host/run/libvirt/qemu/vm.pid"
	printf '%s\n' 'Name:	qemu-system-x86' 'Uid:	0	65534	65534	65534' \
		'Gid:	0	65534	65534	65534' "Groups:	65534 ${groups_too:-}" \
		"CapEff:	${2:-0000000000000000}" >"$host/proc/4711/status"
	printf '%s\n' 'Limit                     Soft Limit           Hard Limit           Units     ' \
		"Max locked memory         $(printf %-20s "$1") 99999999999          bytes     " \
		>"$host/proc/4711/limits"
}

declare_case doctor_user "a user is told whether it may open a group and lock memory"
doctor_user() {
	host_opener
	golden doctor-user doctor --user=nobody "$dev"
	json doctor doctor-user "$dev" --user=nobody
	is asked "$(cat "$host/asked_runuser")" "-u nobody -- sh -c ulimit -l"
	# of the other function's group all may
	chmod 666 "$host/dev/vfio/9"
	ctl doctor -u nobody "$dev2"
	says "PASS  $dev2: user nobody may open /dev/vfio/9" "WARN  host: user nobody may lock 8 MiB"
	case $said in *FAIL*) fail "$said" ;; esac
	program runuser 'echo unlimited'
	ctl doctor -u nobody "$dev2"
	says "PASS  host: user nobody may lock any memory"
	program runuser 'exit 1'
	ctl doctor -u nobody "$dev2"
	says "WARN  host: how much memory user nobody may lock is not known"
	# an owner and a group count
	node vfio/16 660
	ctl doctor -u nobody "$dev"
	says "FAIL  $dev: user nobody may not open /dev/vfio/16"
	chown 65534 "$host/dev/vfio/16"
	ctl doctor -u nobody "$dev"
	says "PASS  $dev: user nobody may open /dev/vfio/16"
	chown 0:65534 "$host/dev/vfio/16"
	ctl doctor -u nobody "$dev"
	says "PASS  $dev: user nobody may open /dev/vfio/16"
	# and the way to it
	chmod 700 "$host/dev/vfio"
	ctl doctor -u nobody "$dev"
	says "FAIL  $dev: user nobody may not open /dev/vfio/16"
}

declare_case doctor_user_device "a user may open the character device instead, with an iommufd"
doctor_user_device() {
	local vfio_dev
	host_opener
	vfio_dev=$sys/bus/pci/devices/$dev/vfio-dev/vfio3
	mkdir -p "$vfio_dev"
	node vfio/devices/vfio3 666
	node iommu 666
	# a kernel without character devices
	ctl doctor -u nobody "$dev"
	says "FAIL  $dev: user nobody may not open /dev/vfio/16"
	echo 511:3 >"$vfio_dev/dev"
	ctl doctor -u nobody "$dev"
	says "PASS  $dev: user nobody may open /dev/vfio/devices/vfio3 and /dev/iommu"
	node iommu 600
	ctl doctor -u nobody "$dev"
	says "FAIL  $dev: user nobody may not open /dev/vfio/16"
	node iommu 666
	node vfio/devices/vfio3 640
	ctl doctor -u nobody "$dev"
	says "FAIL  $dev: user nobody may not open /dev/vfio/16"
	# and one without the groups' files
	rm "$host/dev/vfio/16"
	ctl doctor -u nobody "$dev"
	says "FAIL  $dev: user nobody may not open /dev/vfio/devices/vfio3 and /dev/iommu"
	ctl doctor "$dev"
	says "PASS  $dev: /dev/vfio/devices/vfio3 and /dev/iommu are there"
}

declare_case doctor_user_wrong "no such user, and a user who is not root"
doctor_user_wrong() {
	local status=0
	host_opener
	golden doctor-user-none doctor --user=no-such-user
	ctl doctor --user=+12x
	says "+12x: is no user" "exit 3"
	# one that has a number only
	ctl doctor --user=+4242
	says "how much memory user 4242 may lock is not known" "user 4242 may not open"
	chmod -R go+rX "$work"
	said=$(setpriv --reuid 65534 --clear-groups "$mdrctl" --root "$host" doctor --user root 2>&1) ||
		status=$?
	is said "$said" "mdrctl: root: only root can look at what another user may do
  next: run it as root"
	is status "$status" 4
}

declare_case doctor_qemu "of a running domain: the user of its QEMU, what it may lock, and open"
doctor_qemu() {
	host_opener
	has_qemu true "$uuid"
	qemu_runs 2147483648
	ln -s /dev/vfio/16 "$host/proc/4711/fd/27"
	golden doctor-qemu doctor vm
	json doctor doctor-qemu vm
	# not the file of another group
	ln -sfn /dev/vfio/116 "$host/proc/4711/fd/27"
	ctl doctor vm
	says "FAIL  $uuid: user nobody may not open /dev/vfio/16" \
		"next: detach it and attach it again: libvirt gives the file to QEMU" "exit 5"
	# the /dev that counts is QEMU's
	chmod 666 "$host/dev/vfio/16"
	ctl doctor vm
	says "FAIL  $uuid: user nobody may not open /dev/vfio/16"
	chmod 600 "$host/dev/vfio/16"
	chmod 666 "$host/proc/4711/root/dev/vfio/16"
	ctl doctor vm
	says "PASS  $uuid: user nobody may open /dev/vfio/16"
	chmod 660 "$host/proc/4711/root/dev/vfio/16"
	chown 0:4242 "$host/proc/4711/root/dev/vfio/16"
	ctl doctor vm
	says "FAIL  $uuid: user nobody may not open /dev/vfio/16"
	groups_too='5 4242' qemu_runs 2147483648
	ctl doctor vm
	says "PASS  $uuid: user nobody may open /dev/vfio/16"
}

declare_case doctor_qemu_memlock "a QEMU that may lock less memory than its domain has"
doctor_qemu_memlock() {
	host_opener
	has_qemu true "$uuid"
	qemu_runs 1073741823
	ctl doctor vm
	says "FAIL  vm: its QEMU may lock 1023 MiB, and its VM has 1024 MiB" \
		"next: set <hard_limit> in <memtune> to more than its memory, and restart it"
	qemu_runs 1073741824
	ctl doctor vm
	says "PASS  vm: its QEMU may lock 1024 MiB, and its VM has 1024 MiB"
	qemu_runs unlimited
	ctl doctor vm
	says "PASS  vm: its QEMU may lock any memory"
	qemu_runs nonsense
	ctl doctor vm
	says "WARN  vm: how much memory its QEMU may lock is not known"
	qemu_runs 8388608 0000000000004000
	ctl doctor vm
	says "PASS  vm: its QEMU may lock any memory"
	qemu_runs 8388608
	rm "$host/proc/4711/limits"
	ctl doctor vm
	says "WARN  vm: how much memory its QEMU may lock is not known"
	# libvirt raises the limit when it attaches the first
	has_qemu true
	qemu_runs 8388608
	ctl doctor vm
	case $said in *lock*) fail "$said" ;; esac
	says "PASS  vm: its QEMU (4711) runs as user nobody"
}

declare_case doctor_qemu_none "a QEMU whose process is not known, and an agent that says nothing of it"
doctor_qemu_none() {
	host_opener
	has_qemu true "$uuid"
	golden doctor-qemu-none doctor vm
	qemu_runs 1
	rm "$host/proc/4711/status"
	ctl doctor vm
	says "WARN  vm: the process of its QEMU is not found by /run/libvirt/qemu/vm.pid"
	echo ../../etc >"$host/run/libvirt/qemu/vm.pid"
	ctl doctor vm
	says "WARN  vm: the process of its QEMU is not found"
	for qemu in '' ',"qemu":null' ',"qemu":{"domain":"vm"}' ',"qemu":[1]' \
		',"qemu":{"domain":"vm","mdevs":{},"running":true}'; do
		has_agent 0 "$port_good"
		ctl doctor vm
		case $said in *QEMU*) fail "$said" ;; esac
		says "PASS  UUID: can be told" "PASS  mdr-agent: runs"
	done
}

declare_case doctor_qemu_stopped "of a domain that does not run: the user that libvirt will give its QEMU"
doctor_qemu_stopped() {
	host_opener
	has_qemu false "$uuid"
	golden doctor-qemu-stopped doctor vm
	mkdir -p "$host/etc/libvirt"
	printf '%s\n' '#dynamic_ownership = 0' 'user = "qemu"' >"$host/etc/libvirt/qemu.conf"
	ctl doctor vm
	says "PASS  vm: its QEMU will run as user nobody, and libvirt will give it the files of its devices"
	# else they have to be given by somebody else
	echo ' dynamic_ownership=0' >>"$host/etc/libvirt/qemu.conf"
	ctl doctor vm
	says "PASS  vm: its QEMU will run as user nobody" "FAIL  $uuid: user nobody may not open /dev/vfio/16" \
		"next: give it to the user of QEMU with a udev rule"
	chmod 666 "$host/dev/vfio/16"
	ctl doctor vm
	says "PASS  $uuid: user nobody may open /dev/vfio/16"
	qemu=${qemu/+65534:+65534/root:root}
	has_agent 0 "$port_good"
	ctl doctor vm
	says "PASS  vm: its QEMU will run as user root"
	qemu=${qemu/\"root:root\"/null}
	has_agent 0 "$port_good"
	ctl doctor vm
	says "WARN  vm: the user of its QEMU is not known" "next: see the user in /etc/libvirt/qemu.conf"
}
