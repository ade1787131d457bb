# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154,SC2016
#
# The guest recovers by itself: mdr-agent tells it of the host's error at its own root
# port, its driver's error handlers run, and its reset of the link ends the event. A
# guest that cannot do that ends on a lower rung, with the reason in the journal.

nvme=0000:01:00.0 nvme_uuid=b2b0d1d4-6f2a-4d8e-9a30-0c4f5a1f7e11
igb=0000:02:00.0 igb_uuid=11111111-0000-4000-8000-000000000002
virtio=0000:03:00.0 virtio_uuid=11111111-0000-4000-8000-000000000003
e1000e=0000:04:00.0 e1000e_uuid=11111111-0000-4000-8000-000000000004
profile=/usr/share/mdev-recovery/profiles/guest-aer.json

at_work() {
	case $1 in
	nvme) written 16 && [ "$(last wrong 'disk mib')" = 0 ] ;;
	*) exchanged "$1" 5 && [ "$(last wrong "net $1 messages")" = 0 ] ;;
	esac
}

# give DRIVER DEVICE UUID PORT: attach to the running domain, below that guest port
give() {
	bind_to mdr-pci "$2"
	mdevctl start --uuid "$3" --parent "$2" --jsonfile $profile
	mark
	check "$1: attached to the running domain" hostdev_below "$3" "$4"
	check "$1: the guest uses it" wait_for 120 at_work "$1"
}

take() {
	check "$1: detach-device is accepted" hostdev detach-device "$2"
	check "$1: the domain has let go of it" wait_for 90 no_hostdev "$2"
	mdevctl stop --uuid "$2"
}

milliseconds() { awk '{ printf "%d", $1 * 1000 }' /proc/uptime; }

# gap: how long ago the error struck, in ms
gap() { echo $(($(milliseconds) - struck_ms)); }

# tells DRIVER DEVICE UUID PORT N: one error, up to the guest's success
tells() {
	local what="$1: error $5"
	agent_mark
	mark
	check "$what strikes" strike "$4" "$2"
	struck_ms=$(milliseconds)
	check "$what: the agent tells the guest" \
		wait_for 60 agent_said "$3: group.* telling the guest of domain guest at its port pci"
	check "$what: the guest's own error handlers run, and it has recovered" \
		wait_for 60 said 'device recovery successful'
	note "$1: the guest had recovered $(gap) ms after the error"
	check "$what: the agent sees that" wait_for 30 agent_said "$3: the guest of domain guest has reset"
	check "$what: the group is open again" wait_for 10 recovered "$2"
	check "$what: the domain is running" state_is running
	check "$what: told once" eval \
		"[ \"\$(agent_said '$3: .* telling the guest' | wc -l)\" = 1 ]"
}

agent_follow
domain_define 320 fast
check "guest-aer: a domain starts" virsh -q start guest
check "guest-aer: its guest boots" wait_for 300 said 'guest ready' || bail "no guest"

# as the guide has it
bind_to mdr-pci $nvme
mark
check "nvme: the guide's commands run as they are written" walk libvirt 60-define.sh 70-attach.sh
check "nvme: the guest uses it" wait_for 120 at_work nvme
told=0
for n in 1 2 3 4 5; do
	had=$(last mib 'disk mib')
	tells nvme $nvme $nvme_uuid rp_nvme $n
	check "nvme: error $n: the guest writes on" wait_for 60 written $((had + 8)) && told=$((told + 1))
	note "nvme: guest-aer: the guest wrote on $(gap) ms after error $n"
done
check "nvme: all 320 MiB are written, and the disk is unmounted" wait_for 300 said 'disk done'
check "nvme: not a word was wrong" eval '[ "$(last wrong "disk mib")" = 0 ] && ! said "disk failed"'
[ $told = 5 ] && verdict nvme guest-aer "its error handlers run: resets its controller, all I/O completes"
take nvme $nvme_uuid
mdevctl undefine --uuid $nvme_uuid

for driver in igb e1000e; do
	device=${!driver} uuid=${driver}_uuid
	give $driver "$device" "${!uuid}" 2
	told=0
	for n in 1 2; do
		had=$(last messages "net $driver messages")
		tells $driver "$device" "${!uuid}" rp_$driver $n
		check "$driver: error $n: the connection goes on" \
			wait_for 60 exchanged $driver $((had + 5)) && told=$((told + 1))
		note "$driver: guest-aer: messages went on $(gap) ms after error $n"
	done
	check "$driver: it is the same connection" eval "! grep -a 'net $driver failed' $guest_log"
	check "$driver: not a word was wrong" test "$(last wrong "net $driver messages")" = 0
	[ $told = 2 ] && verdict $driver guest-aer "its error handlers run: resets the adapter at once, connections go on"
	take $driver "${!uuid}"
done

# one rung down: virtio_net has no error handlers
give virtio_net $virtio $virtio_uuid 2
agent_mark
check "virtio_net: an error strikes" strike rp_virtio $virtio
check "virtio_net: the agent tells the guest" wait_for 60 agent_said 'telling the guest'
check "virtio_net: in vain, so the guest is asked to release it" \
	wait_for 90 agent_said 'has not reset it in time, domain guest is asked'
check "virtio_net: the domain lets go of it" wait_for 90 agent_said 'detached from domain guest'
check "virtio_net: the agent attaches it again" wait_for 90 agent_said 're-attached to domain guest'
mark
check "virtio_net: the guest uses it again" wait_for 120 at_work virtio_net &&
	verdict virtio_net guest-aer "has no error handlers: leaves by hot-unplug, works again once re-attached"
take virtio_net $virtio_uuid

# below a port that cannot report an active link the guest is not told
give igb $igb $igb_uuid 3
agent_mark
check "igb, port as libvirt makes it: an error strikes" strike rp_igb $igb
check "igb, port as libvirt makes it: the journal says what to change" \
	wait_for 60 agent_said 'is not told .*cannot report an active link; set its x-speed to 5'
check "igb, port as libvirt makes it: so it is evicted" \
	wait_for 90 agent_said 'detached from domain guest'
check "igb, port as libvirt makes it: and attached again" \
	wait_for 90 agent_said 're-attached to domain guest'
check "guest-aer: the journal's fields find all about the device" eval \
	"journalctl -q MDR_UUID=$igb_uuid -o cat | grep -q re-attached"
take igb $igb_uuid

agent_mark
check "guest-aer: virsh save is refused with a hostdev" eval \
	"mdevctl start --uuid $igb_uuid --parent $igb --jsonfile $profile && hostdev_below $igb_uuid 2 &&
	! virsh save guest /run/save.img"
domain_end
mdevctl stop --uuid $igb_uuid
