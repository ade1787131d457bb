# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154,SC2016
#
# The network drivers with guest-aer: igb and e1000e recover by themselves. virtio_net,
# which has no error handlers, and an igb below a port that cannot report an active link
# end one rung lower, with the reason in the journal.

igb=0000:02:00.0 igb_uuid=11111111-0000-4000-8000-000000000002
virtio=0000:03:00.0 virtio_uuid=11111111-0000-4000-8000-000000000003
e1000e=0000:04:00.0 e1000e_uuid=11111111-0000-4000-8000-000000000004

agent_follow
domain_define 64 fast
check "guest-aer-net: a domain starts" virsh -q start guest
check "guest-aer-net: its guest boots" wait_for 300 said 'guest ready' || bail "no guest"

for driver in igb e1000e; do
	device=${!driver} uuid=${driver}_uuid
	told_give $driver "$device" "${!uuid}" 2
	told=0
	for n in 1 2; do
		had=$(last messages "net $driver messages")
		tells "$driver: error $n" "$device" "${!uuid}" rp_$driver
		check "$driver: error $n: the connection goes on" \
			wait_for 60 exchanged $driver $((had + 20)) && told=$((told + 1))
		check "$driver: error $n: it is the same one" eval "! said 'net $driver failed'"
		gap $driver guest-aer stall_ms "net $driver messages"
	done
	check "$driver: not a word was wrong" test "$(last wrong "net $driver messages")" = 0
	[ $told = 2 ] && verdict $driver guest-aer "its error handlers run: resets the adapter at once, connections go on"
	told_take $driver "${!uuid}"
done

# one rung down: virtio_net has no error handlers
told_give virtio_net $virtio $virtio_uuid 2
agent_mark
check "virtio_net: an error strikes" strike rp_virtio $virtio
check "virtio_net: the agent tells the guest" wait_for 60 agent_said "$telling"
check "virtio_net: the guest's reset of the link ends the event" \
	wait_for 30 agent_said 'the guest of domain guest has reset the device'
check "virtio_net: its driver does not use it, so it is detached" \
	wait_for 60 agent_said 'does not use the device again .* detaching'
check "virtio_net: the domain lets go of it" wait_for 90 agent_said 'detached from domain guest'
check "virtio_net: the agent attaches it again" wait_for 90 agent_said 're-attached to domain guest'
mark
check "virtio_net: the guest uses it again" wait_for 120 at_work virtio_net &&
	verdict virtio_net guest-aer "has no error handlers: leaves by hot-unplug, works again once re-attached"
told_take virtio_net $virtio_uuid

# below a port that cannot report an active link the guest is not told
told_give igb $igb $igb_uuid 3
check "igb, port as libvirt makes it: the doctor says so before" \
	eval 'mdrctl doctor guest >/run/doctor; grep -q "^FAIL  $igb_uuid:.* cannot report an active link" /run/doctor'
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
domain_end
mdevctl stop --uuid $igb_uuid
