# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
#
# The guest recovers by itself: mdr-agent tells it of the host's error at its own root
# port, its driver's error handlers run, and its reset of the link ends the event. A
# disk with a file system, and an igb whose guest, agent or administrator does something
# else in the middle. (guest-aer-net.sh has the network drivers one by one.)

nvme=0000:01:00.0 nvme_uuid=b2b0d1d4-6f2a-4d8e-9a30-0c4f5a1f7e11
igb=0000:02:00.0 igb_uuid=11111111-0000-4000-8000-000000000002

agent_follow
domain_define 384 fast
check "guest-aer: a domain starts" virsh -q start guest
check "guest-aer: its guest boots" wait_for 300 said 'guest ready' || bail "no guest"

# as the guide has it
bind_to mdr-pci $nvme
mark
check "nvme: the guide's commands run as they are written" walk libvirt 60-define.sh 70-attach.sh
check "nvme: the guest uses it" wait_for 120 at_work nvme
check "nvme: the doctor finds that the guest can be told" \
	eval 'mdrctl doctor guest >/run/doctor; grep -q "^PASS  $nvme_uuid: its errors can be reported at .* pci.1" /run/doctor'
told=0
for n in 1 2 3 4 5; do
	had=$(last mib 'disk mib')
	tells "nvme: error $n" $nvme $nvme_uuid rp_nvme
	check "nvme: error $n: the guest writes on" wait_for 60 written $((had + 8)) && told=$((told + 1))
	gap nvme guest-aer '(write|read)_ms' 'disk mib'
done
check "nvme: all 384 MiB are written, and the disk is unmounted" wait_for 300 said 'disk done'
check "nvme: not a word was wrong" eval '[ "$(last wrong "disk mib")" = 0 ] && ! said "disk failed"'
[ $told = 5 ] && verdict nvme guest-aer "its error handlers run: resets its controller, all I/O completes"
told_take nvme $nvme_uuid
mdevctl undefine --uuid $nvme_uuid

told_give igb $igb $igb_uuid 2

agent_mark
mark
check "igb, agent killed: an error strikes" strike rp_igb $igb
check "igb, agent killed: the agent tells the guest" wait_for 60 agent_said "$telling"
check "igb, agent killed: it is killed" systemctl kill -s KILL mdr-agent
check "igb, agent killed: the guest recovers all the same" \
	wait_for 60 said 'device recovery successful'
check "igb, agent killed: another agent is there" wait_for 60 systemctl -q is-active mdr-agent
check "igb, agent killed: the group is open again" wait_for 10 recovered $igb
check "igb, agent killed: the guest was told once" tells_once $igb_uuid
check "igb, agent killed: the agent has nothing to remember" \
	wait_for 30 eval "! agent_keeps $igb_uuid"

agent_mark
mark
check "igb, paused: the domain is suspended" virsh -q suspend guest
check "igb, paused: an error strikes" strike rp_igb $igb
check "igb, paused: the journal says what to do" \
	wait_for 60 agent_said 'not told .* the domain is paused; resume it'
check "igb, paused: the domain is resumed" virsh -q resume guest
check "igb, paused: then the agent tells the guest" wait_for 15 agent_said "$telling"
check "igb, paused: and it recovers" wait_for 60 said 'device recovery successful'
recovers "igb, paused" $igb $igb_uuid
check "igb: it is the same connection" eval "! said 'net igb failed'"

check "guest-aer: virsh save is refused with a hostdev" eval '! virsh save guest /run/save.img'
check "guest-aer: and the domain is running" state_is running

# a reset of the guest's machine is a reset of its devices
agent_mark
check "igb, reset: the domain is suspended" virsh -q suspend guest
check "igb, reset: an error strikes" strike rp_igb $igb
check "igb, reset: the group waits" wait_for 30 group_is $igb holding
check "igb, reset: the machine of the guest is reset" virsh -q reset guest
check "igb, reset: that ends it" wait_for 30 recovered $igb
check "igb, reset: the agent has nothing to remember" \
	wait_for 30 eval "! agent_keeps $igb_uuid"
check "igb, reset: the device is in the domain" has_hostdev $igb_uuid

# nor does a guest that is no more
check "igb, destroyed: an error strikes" strike rp_igb $igb
check "igb, destroyed: the group waits" wait_for 30 group_is $igb holding
domain_end
check "igb, destroyed: the group is open again" wait_for 30 recovered $igb
check "igb, destroyed: the agent has nothing to remember" \
	wait_for 30 eval "! agent_keeps $igb_uuid"
mdevctl stop --uuid $igb_uuid
