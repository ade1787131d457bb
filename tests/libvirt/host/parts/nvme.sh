# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
#
# The walk-through of Documentation/libvirt.md as it is written, then two
# fatal errors while the guest writes to its disk.

nvme=0000:01:00.0

domain_define 256
check "the guide's commands run as they are written" walk libvirt 10-bind.sh 20-list.sh 30-define.sh 40-start.sh 50-look.sh || bail "no domain"
check "its QEMU is confined" is_confined qemu-system-x86_64 libvirt-
check "libvirt lists the mdev as active" eval 'virsh -q nodedev-list --cap mdev | grep -q mdev_b2b0d1d4'
check "the domain is running" state_is running
check "its guest boots" wait_for 300 said 'guest ready' || bail "no guest"
check "the guest mounts its disk" wait_for 60 said 'disk mounted: Success'
survived=0
for n in 1 2; do
	check "nvme, resume: $((n * 72)) MiB written, read back and compared" \
		wait_for 120 written $((n * 72))
	mark
	check "nvme, resume: error $n strikes" strike rp_nvme $nvme
	struck
	check "nvme, resume: error $n: the group is open again" wait_for 30 recovered $nvme
	check "nvme, resume: error $n: the domain is running" state_is running
	check "nvme, resume: error $n: the guest's driver resets its controller" \
		wait_for 120 said 'nvme.*(reset controller|disable controller)'
	check "nvme, resume: error $n: the guest goes on" \
		wait_for 180 written $((n * 72 + 16)) && survived=$((survived + 1))
	gap nvme resume '(write|read)_ms' 'disk mib'
done
check "nvme, resume: all 256 MiB are written, and the disk is unmounted" \
	wait_for 120 said 'disk done'
check "nvme, resume: not a word was wrong" eval '[ "$(last wrong "disk mib")" = 0 ] && ! said "disk failed"'
check "nvme, resume: QEMU was told of no error" \
	eval '! grep -q "Unrecoverable error" /var/log/libvirt/qemu/guest.log'
[ "$survived" = 2 ] && verdict nvme resume "resets its controller, all I/O completes"
virsh -q destroy guest
check "the guide's commands that undo it" walk libvirt 90-undo.sh
check "no mdev is left" test -z "$(ls -A /sys/bus/mdev/devices)" -a -z "$(virsh -q nodedev-list --cap mdev)"
virsh -q undefine guest
