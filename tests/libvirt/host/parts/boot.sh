# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2016
#
# One boot of a host that comes up by itself; mdr.boot= says which:
#
#   once     everything is set up, by the commands of Documentation/boot.md
#   first    the host does the rest, and an error strikes its domain
#   early    again; the function's usual driver was in the initramfs
#   moved    another card is at the function's address, the function elsewhere
#   missing  the function is where it was moved to; another one is not there at all
#
# "igb" is a second function, which no domain uses.

boot=$(argument boot)
nvme=0000:01:00.0 port=rp_nvme
igb=0000:02:00.0
moved=0000:04:00.0
uuid=b2b0d1d4-6f2a-4d8e-9a30-0c4f5a1f7e11
igb_uuid=b2b0d1d4-6f2a-4d8e-9a30-0c4f5a1f7e22

# driver_is ADDRESS DRIVER
driver_is() {
	local is
	is=$(basename "$(readlink "/sys/bus/pci/devices/$1/driver")")
	[ "$is" = "$2" ] || { echo "$1 is bound to '$is'"; false; }
}

# The usual drivers say that they have a function. The console of the domain's guest is in
# this log, too.
usual_driver() { dmesg | grep -v 'mdr: ' | grep -E "(nvme nvme[0-9]+: pci function|igb) $1"; }
no_usual_driver() { ! usual_driver "$1"; }

# nothing hangs: no job of systemd is left
up() { case $(systemctl is-system-running) in running | degraded) ;; *) false ;; esac; }

# The mdev was there when libvirtd began, see once_setup.
before_libvirtd() { cat /run/mdevs-then && grep -qx "$1" /run/mdevs-then; }

journal_says() {
	journalctl -b --no-pager -u mdev-recovery-bind
	journalctl -b --no-pager -u mdev-recovery-bind | grep -qF "$1"
}

service_is() {
	systemctl status --no-pager mdev-recovery-bind
	systemctl "is-$1" mdev-recovery-bind
}

autostart_said() {
	journalctl -b --no-pager -u libvirtd
	journalctl -b --no-pager -u libvirtd | grep -q "$1"
}

# has_mdev ADDRESS UUID
has_mdev() { [ -e "/sys/bus/pci/devices/$1/$2" ]; }

# What the domain's guest does, and nobody has started it.
domain_works() {
	check "$boot: the domain runs" wait_for 120 state_is running || virsh -q domstate guest
	check "$boot: its guest boots" wait_for 300 said 'guest ready' || bail "no guest"
	check "$boot: the guest works with its disk" wait_for 180 at_work nvme
}

# The host came up with the function at an address, before libvirtd began.
function_is_at() {
	check "$boot: $1 is bound to mdr-pci" driver_is "$1" mdr-pci
	check "$boot: its mdev was there when libvirtd began" before_libvirtd $uuid
}

once_setup() {
	mkdir -p /etc/systemd/system/libvirtd.service.d
	cat >/etc/systemd/system/libvirtd.service.d/mdr-test.conf <<-END
		[Service]
		ExecStartPre=/bin/sh -c '[ -e /run/mdevs-then ] || ls /sys/bus/mdev/devices >/run/mdevs-then'
	END
	check "once: the usual driver has the function" wait_for 60 usual_driver $nvme
	check "once: and that of the second one has it" wait_for 60 usual_driver $igb
	# libvirt asks QEMU what it can do, and on a busy host does not wait for the answer
	wait_for 300 domain_define 4000 || bail "no domain"
	check "once: the commands of the page run as they are written" walk boot 10-once.sh
	check "once: a second function" eval \
		"mdrctl bind --persistent $igb && mdrctl create --profile=resume --uuid=$igb_uuid $igb"
	check "once: the domain gets the mdev" hostdev attach-device $uuid --config
	check "once: it is not running" state_is 'shut off'
}

an_error_strikes() {
	mark
	check "$boot: an error strikes" strike "$port" "$nvme"
	check "$boot: the group is open again" wait_for 30 recovered "$nvme"
	check "$boot: the guest's driver resets its controller" \
		wait_for 120 said 'nvme.*(reset controller|disable controller)'
	mark
	check "$boot: the guest works with its disk again" wait_for 180 at_work nvme
	check "$boot: the domain is running" state_is running
}

boot_once() { once_setup; }

boot_first() {
	function_is_at $nvme
	check "first: its usual driver never had it" no_usual_driver $nvme
	check "first: nor the second function" no_usual_driver $igb
	check "first: the second function has its mdev" has_mdev $igb $igb_uuid
	check "first: the service did its work" service_is active
	domain_works
	an_error_strikes
}

boot_early() {
	check "early: its usual driver had it first" usual_driver $nvme
	function_is_at $nvme
	check "early: the service did its work" service_is active
	domain_works
}

boot_moved() {
	check "moved: the service says so, and fails" service_is failed
	check "moved: the journal says that another card is there" journal_says \
		"$nvme: is another device (8086:10d3) than the one that was saved (1b36:0010)"
	check "moved: that card is left to its usual driver" wait_for 30 driver_is $nvme e1000e
	check "moved: the second function is bound, with its mdev" eval \
		"driver_is $igb mdr-pci && has_mdev $igb $igb_uuid"
	check "moved: libvirt's log says which mdev is missing" wait_for 120 autostart_said $uuid ||
		autostart_said $uuid
	check "moved: the domain is not running" state_is 'shut off'
	check "moved: the commands of the page run as they are written" walk boot 20-moved.sh
	check "moved: the mdev starts by itself" wait_for 30 has_mdev $moved $uuid
}

boot_missing() {
	nvme=$moved
	function_is_at $nvme
	check "missing: its usual driver never had it" no_usual_driver $nvme
	check "missing: the service says so, and fails" service_is failed
	check "missing: the journal says which function is not there" journal_says \
		"$igb: this host has no such PCI function"
	domain_works
}

check "$boot: the host is up, nothing hangs" wait_for 180 up || systemctl list-jobs
"boot_$boot"
note "$boot: $(systemd-analyze time 2>&1 | head -n 1)"
virsh -q destroy guest
