# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
#
# detach-device and destroy in the middle of a recovery. The tests' own parent
# driver, mdr-test, makes it last for 8 s.

igb=0000:02:00.0 igb_uuid=11111111-0000-4000-8000-000000000002
long_ms=8000

insmod mdev_recovery_test.ko slot_reset_ms=$long_ms
bind_to mdr-test $igb
mdevctl start --uuid $igb_uuid --parent $igb --type mdr-test-resume
domain_define 64
check "recovery: a domain starts" virsh -q start guest
check "recovery: its guest boots" wait_for 300 said 'guest ready' || bail "no guest"

check "recovery: attach-device" hostdev attach-device $igb_uuid
check "recovery: its QEMU is confined" is_confined qemu-system-x86_64 libvirt-
check "recovery: the guest talks to its peer" wait_for 120 exchanged igb 5
check "recovery: a long one is under way" strike_into recovering rp_igb $igb
start=$(seconds)
check "detach-device during it is accepted" hostdev detach-device $igb_uuid
note "detach-device took $(($(seconds) - start)) s, the group was $(group $igb state) then"
check "recovery: the monitor says that the error struck" wait "$striker"
check "detach-device during it: the domain lets go" wait_for 90 no_hostdev $igb_uuid
check "detach-device during it: the domain is running" state_is running
check "detach-device during it: the group is open again" wait_for 30 recovered $igb

mark
check "attach-device afterwards" hostdev attach-device $igb_uuid
check "attach-device afterwards: the guest talks to its peer" wait_for 120 exchanged igb 5
check "recovery: the next long one is under way" strike_into recovering rp_igb $igb
start=$(seconds)
check "destroy during it" virsh -q destroy guest
note "destroy took $(($(seconds) - start)) s, the group was $(group $igb state) then"
check "recovery: the monitor says that another error struck" wait "$striker"
check "destroy during it: the domain is gone" state_is 'shut off'
check "destroy during it: the group is open again" wait_for 60 recovered $igb
# the pattern is not in grep's own command line
check "destroy during it: no process of it is left" \
	wait_for 30 eval '[ -z "$(grep -ls "guest=[g]uest" /proc/[0-9]*/cmdline)" ]'
check "destroy during it: the next domain opens the function" eval \
	'hostdev attach-device $igb_uuid --config && virsh -q start guest --paused'
domain_end
check "destroy during it: mdevctl stop" timeout 60 mdevctl stop --uuid $igb_uuid
