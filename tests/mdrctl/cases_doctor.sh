# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # set by host.sh and run
#
# What the doctor finds. Each case is a well host with one thing that is wrong.

# has_mdevctl VERSION: a program of that name, first in the path
has_mdevctl() {
	mkdir -p "$host/bin"
	printf '#!/bin/sh\necho "mdevctl %s"\n' "$1" >"$host/bin/mdevctl"
	chmod +x "$host/bin/mdevctl"
	PATH=$host/bin:$PATH
}

# module_for KERNEL FILE...: that kernel runs, and these are all modules that it has
module_for() {
	local file modules=$host/lib/modules/$1
	mkdir -p "$host/proc/sys/kernel" "$modules"
	echo "$1" >"$host/proc/sys/kernel/osrelease"
	rm -r "$modules"
	for file in "${@:2}"; do
		mkdir -p "$(dirname "$modules/$file")"
		: >"$modules/$file"
	done
}

# host_well: nothing is wrong with it
host_well() {
	host_two
	mkdir -p "$sys/class/iommu/dmar0" "$host/proc" "$host/dev/vfio"
	touch "$host/dev/vfio/16" "$host/dev/vfio/9"
	module_for 6.12.48-test updates/dkms/mdev_recovery.ko.xz
	echo 'BOOT_IMAGE=/vmlinuz root=/dev/sda1 quiet intel_iommu=on' >"$host/proc/cmdline"
	has_mdevctl 1.4.0
}

# finds LEVEL OBJECT TEXT [NEXT]: and it is all that the doctor finds beside PASS
finds() {
	local want="$1  $2: $3"
	[ -z "${4:-}" ] || want+=$'\n'"      next: $4"
	ctl doctor
	is findings "$(grep -vE '^(PASS  |exit )' <<<"$said")" "$want"
	case $1:$said in
	FAIL:*"exit 5" | WARN:*PASS*) ;;
	*) fail "the exit code is wrong: $said" ;;
	esac
}

declare_case doctor_well "a well host has nothing but PASS"
doctor_well() {
	host_well
	golden doctor doctor
	json doctor doctor
	case $said in *WARN* | *FAIL*) fail "$said" ;; esac
}

declare_case doctor_one "of a group, an mdev, a function, and one that is not ours yet"
doctor_one() {
	host_well
	golden doctor-group doctor group16
	is mdev "$("$mdrctl" --root "$host" doctor "$uuid")" "$("$mdrctl" --root "$host" doctor 16)"
	host_function "$dev3" "$port/$dev3" 17
	pci_files "$dev3" 0x020000 0x8086 0x10c9
	host_bind "$dev3" igb
	golden doctor-not-bound doctor "$dev3"
	golden doctor-no-function doctor 0000:99:00.0
	golden doctor-name doctor mail
}

declare_case doctor_blind "groups that cannot be read are not well"
doctor_blind() {
	host_well
	rm -r "$sys/class/mdev_recovery"
	touch "$sys/class/mdev_recovery"
	ctl doctor
	is said "$said" "mdrctl: doctor: Not a directory
exit 1"
}

declare_case doctor_iommu "no IOMMU"
doctor_iommu() {
	host_well
	rmdir "$sys/class/iommu/dmar0"
	finds FAIL host "there is no IOMMU, or it is off" \
		"turn VT-d or AMD-Vi on in the firmware; for Intel's boot with intel_iommu=on"
}

declare_case doctor_options "options of the kernel that stand in the way, whole words only"
doctor_options() {
	host_well
	echo 'quiet pci=noaer' >"$host/proc/cmdline"
	finds FAIL host "pci=noaer: the kernel was told to leave errors alone" \
		"boot without it, or ask the vendor of the machine"
	echo 'pcie_ports=native quiet' >"$host/proc/cmdline"
	finds WARN host "pcie_ports=native: the kernel took AER without the firmware's consent; some firmware handles errors too" \
		"boot without it, or ask the vendor of the machine"
	for said in pci=nocrs,noaer pci=noaer,nocrs 'pci=,noaer,'; do
		echo "pci=nocrs $said quiet" >"$host/proc/cmdline"
		finds FAIL host "pci=noaer: the kernel was told to leave errors alone" \
			"boot without it, or ask the vendor of the machine"
	done
	echo 'amd_iommu=off' >"$host/proc/cmdline"
	finds FAIL host "amd_iommu=off: the IOMMU was turned off" \
		"boot without it, or ask the vendor of the machine"
	echo 'quiet pci=noaers xpci=noaer x=pci=noaer pci=nocrs noaer pci= noaer' >"$host/proc/cmdline"
	ctl doctor
	case $said in *noaer*) fail "$said" ;; esac
}

declare_case doctor_module "no module, one of another version, and one without a signature"
doctor_module() {
	host_well
	echo 0.0.9 >"$sys/module/mdev_recovery/version"
	finds WARN host "the loaded module has version 0.0.9, the installed one $version" \
		"reboot, or unload it and load it again: modprobe -r mdev_recovery_pci; modprobe mdr-pci"
	echo "$version" >"$sys/module/mdev_recovery/version"
	echo OE >"$sys/module/mdev_recovery/taint"
	finds WARN host "the module has no signature; it would not load under Secure Boot" \
		"sign it, if the machine is to have Secure Boot one day"
	mkdir -p "$sys/firmware/efi/efivars"
	printf '\6\1\1\1\1' >"$sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
	echo O >"$sys/module/mdev_recovery/taint"
	ctl doctor
	says "PASS  host: Secure Boot is on, and the module was let in"
	rm -r "$sys/module/mdev_recovery" "$sys/class/mdev_recovery"
	golden doctor-no-module doctor
}

declare_case doctor_built "a module that was not built for the running kernel, or not when the tools were upgraded"
doctor_built() {
	local file kernel=6.12.48-test next
	next="dkms status -m mdev-recovery; install the headers of kernel $kernel, or boot another one"
	host_well
	# shellcheck disable=SC2016 # for sh
	program modinfo 'echo "$3" >'"$host/asked" "echo $version"
	for file in extra/mdev_recovery.ko extra/mdev-recovery/mdev_recovery.ko.zst \
		updates/drivers/vfio/mdev_recovery/mdev_recovery.ko.gz; do
		module_for "$kernel" "$file"
		ctl doctor
		case $said in *WARN* | *FAIL*) fail "$said" ;; esac
		is asked "$(cat "$host/asked")" "$host/lib/modules/$kernel/$file"
	done
	# the next boot has another one
	echo 0.0.9 >"$sys/module/mdev_recovery/version"
	finds WARN host "the loaded module has version 0.0.9, the installed one $version" \
		"reboot, or unload it and load it again: modprobe -r mdev_recovery_pci; modprobe mdr-pci"
	# and has not: a reboot does not help
	program modinfo 'echo 0.0.9'
	finds WARN host "the module for kernel $kernel has version 0.0.9, the tools have $version" "$next"
	module_for "$kernel" updates/dkms/mdev_recovery_pci.ko kernel/xmdev_recovery.ko
	finds WARN host "the module of version 0.0.9 is loaded, but there is none for kernel $kernel on disk any more" "$next"
	rm -r "$sys/module/mdev_recovery" "$sys/class/mdev_recovery"
	finds FAIL host "the module mdev_recovery is not loaded, and there is none for kernel $kernel" "$next"
	# for another kernel
	module_for 6.12.47-test extra/mdev_recovery.ko
	echo "$kernel" >"$host/proc/sys/kernel/osrelease"
	finds FAIL host "the module mdev_recovery is not loaded, and there is none for kernel $kernel" "$next"
}

declare_case doctor_mdevctl "an mdevctl that is old, or not there; and no callout"
doctor_mdevctl() {
	host_well
	has_mdevctl 1.2.0
	finds WARN host "mdevctl 1.2 changes no settings of a running mdev" \
		"use mdrctl set; see /usr/share/doc/mdev-recovery/Documentation/profiles.md, Debian 12"
	printf '#!/bin/sh\nexit 127\n' >"$host/bin/mdevctl"
	finds FAIL host "there is no mdevctl, which defines and starts mdevs" \
		"install the package mdevctl"
	has_mdevctl 1.10.1
	rm -r "$host/usr/lib/mdevctl"
	finds WARN host "mdevctl does not have our callout: settings are not checked" \
		"install the package mdev-recovery-tools"
}

declare_case doctor_path "mdevctl is found where a user's path does not lead"
doctor_path() {
	host_well
	# shellcheck disable=SC2016 # for sh
	printf '#!/bin/sh\necho "$PATH" >%s/path\necho "mdevctl 1.4.0"\n' "$host" >"$host/bin/mdevctl"
	PATH=$host/bin:/usr/bin:/bin ctl doctor
	says "PASS  host: mdevctl has version 1.4"
	is path "$(cat "$host/path")" "$host/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
}

declare_case doctor_state "a group that has failed, or waits for its user"
doctor_state() {
	host_well
	group_files 16 failed 4 permanent hold
	finds FAIL group16 "is failed: the host has given the device up" \
		"mdrctl recover group16, or replace the device"
	group_files 16 failed 4 watchdog hold
	finds FAIL group16 "is failed (cause watchdog)" \
		"mdrctl recover group16, when the cause is found"
	group_files 16 evicting 4 fatal evict
	finds WARN group16 "is evicting: its user has to release it" \
		"detach it from the VM, or stop the VM"
	group_files 16 holding 4 fatal hold
	finds WARN group16 "is holding" "mdrctl watch"
}

declare_case doctor_blockers "what blocks, and from which port on"
doctor_blockers() {
	host_well
	printf '0000:05:00.1 0000:02:01.0\n' >"$sys/class/mdev_recovery/group16/blockers"
	finds WARN group16 "the kernel abandons recoveries at port 0000:02:01.0 and above: 0000:05:00.1 has no error handler" \
		"mdrctl bind 0000:05:00.1"
}

declare_case doctor_counters "counters that should be 0, and a user that sees each recovery"
doctor_counters() {
	host_well
	echo 2 >"$sys/class/mdev_recovery/group16/stats/own_resets"
	finds WARN group16 "own_resets is 2: the kernel abandoned recoveries, and the shim saved the group" \
		"see its blockers"
	host_well
	echo 2500000000 >"$sys/class/mdev_recovery/group16/stats/recovery_ns_last"
	finds WARN "$uuid" "the last recovery took 2500 ms, stall_timeout_ms is 2000: its user saw a dead device" \
		"raise it, if the guest copes with a longer wait: mdevctl modify"
}

declare_case doctor_shape "others in the IOMMU group, whose drivers keep users out"
doctor_shape() {
	host_well
	host_function "$dev3" "$port/$dev3" 16
	pci_files "$dev3" 0x020000 0x8086 0x10c9
	rm -f "$sys/bus/pci/devices/$dev3/driver"
	mkdir -p "$sys/bus/pci/drivers/vfio-pci" "$sys/bus/pci/drivers/igb"
	ln -s "$sys/bus/pci/drivers/vfio-pci" "$sys/bus/pci/devices/$dev3/driver"
	ctl doctor
	says "PASS  $dev: shares IOMMU group 16 with 1 more, which have the same user"
	ln -sfn "$sys/bus/pci/drivers/igb" "$sys/bus/pci/devices/$dev3/driver"
	finds FAIL "$dev" "shares its IOMMU group with $dev3, which igb has: no user can open the group" \
		"mdrctl bind $dev3"
	# a bridge has no user
	echo 0x060400 >"$sys/bus/pci/devices/$dev3/class"
	ctl doctor
	case $said in *FAIL*) fail "$said" ;; esac
	# it goes while doctor looks
	rm -r "$sys/kernel/iommu_groups/16/devices"
	ctl doctor "$dev"
	says "WARN  $dev: what else is in IOMMU group 16 cannot be seen"
	case $said in *"is alone"*) fail "$said" ;; esac
}

declare_case doctor_function "errors that nobody hears, no reset, and no file to open"
doctor_function() {
	host_well
	rm "$sys/bus/pci_express/drivers/aer/$port2:pcie002"
	finds WARN "$dev2" "root port $port2 has no AER: the kernel learns only of errors that the firmware reports" \
		"see /usr/share/doc/mdev-recovery/Documentation/operators-guide.md, If the firmware keeps AER"
	mkdir "$sys/bus/pci_express/drivers/dpc"
	touch "$sys/bus/pci_express/drivers/dpc/$port2:pcie010"
	ctl doctor
	says "PASS  $dev2: the kernel has DPC at root port $port2"
	host_well
	: >"$sys/bus/pci/devices/$dev/reset_method"
	finds WARN "$dev" "cannot be reset by itself: recover restores it without a reset" \
		"cat /sys/bus/pci/devices/$dev/reset_method"
	host_well
	rm "$host/dev/vfio/9"
	finds WARN "$dev2" "there is no /dev/vfio/9, by which a user opens it" \
		"it comes with an mdev: mdrctl create"
}

declare_case doctor_node "a plain user that may not open the group is told so"
doctor_node() {
	host_well
	chmod -R go+rX "$work"
	chmod 600 "$host/dev/vfio/16"
	chmod 666 "$host/dev/vfio/9"
	said=$(setpriv --reuid 65534 --clear-groups "$mdrctl" --root "$host" doctor 2>&1) || fail "$said"
	grep -qF "WARN  $dev: this user may not open /dev/vfio/16" <<<"$said" || fail "$said"
	grep -qF "PASS  $dev2: /dev/vfio/9 is there" <<<"$said" || fail "$said"
}

declare_case doctor_memlock "a plain user that may lock little memory is told so"
doctor_memlock() {
	host_well
	chmod -R go+rX "$work"
	said=$(setpriv --reuid 65534 --clear-groups prlimit --memlock=8388608 "$mdrctl" --root "$host" doctor 2>&1) || fail "$said"
	says "WARN  host: this user may lock 8 MiB; a QEMU of its own needs all memory of its VM"
}
