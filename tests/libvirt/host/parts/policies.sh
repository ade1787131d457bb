# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
#
# One guest, and functions that are attached and detached while it runs: which of
# its drivers copes with which type. (nvme with resume is in nvme.sh.)

nvme=0000:01:00.0 nvme_uuid=11111111-0000-4000-8000-000000000001
igb=0000:02:00.0 igb_uuid=11111111-0000-4000-8000-000000000002
virtio=0000:03:00.0 virtio_uuid=11111111-0000-4000-8000-000000000003
e1000e=0000:04:00.0 e1000e_uuid=11111111-0000-4000-8000-000000000004

# give DRIVER DEVICE UUID TYPE: attach to the running domain; wait until its guest
# uses it
give() {
	local what="$1, $4"
	bind_to mdr-pci "$2"
	mdevctl start --uuid "$3" --parent "$2" --type "mdr-pci-$4"
	mark
	check "$what: attached to the running domain" hostdev attach-device "$3"
	check "$what: the guest uses it" wait_for 120 at_work "$1"
}

# take DRIVER DEVICE UUID TYPE: detach again, with the guest's consent
take() {
	local what="$1, $4"
	check "$what: detach-device is accepted" hostdev detach-device "$3"
	check "$what: the domain has let go of it" wait_for 90 no_hostdev "$3"
	check "$what: the domain is running" state_is running
	mdevctl stop --uuid "$3"
}

# resumes DRIVER DEVICE PORT N: the domain keeps running across an error
resumes() {
	check "$1, resume: error $4 strikes" strike "$3" "$2"
	struck
	check "$1, resume: error $4: the group is open again" wait_for 30 recovered "$2"
	check "$1, resume: error $4: the domain is running" state_is running
}

# resumes_when_sending DRIVER DEVICE UUID PORT: the guest's driver notices that
# nothing it sends leaves, and its connection survives two errors
resumes_when_sending() {
	local survived=0 n had
	give "$1" "$2" "$3" resume
	for n in 1 2; do
		resumes "$1" "$2" "$4" "$n"
		had=$(last messages "net $1 messages")
		check "$1, resume: error $n: the connection goes on" \
			wait_for 120 exchanged "$1" $((had + 30)) && survived=$((survived + 1))
		gap "$1" resume stall_ms "net $1 messages"
	done
	check "$1, resume: its driver reset the adapter" said "$1.*Reset adapter"
	check "$1, resume: it is the same connection" eval "! said 'net $1 failed'"
	check "$1, resume: not a word was wrong" test "$(last wrong "net $1 messages")" = 0
	[ "$survived" = 2 ] && verdict "$1" resume \
		"resets the adapter when its transmit queue is full and does not move for 5 s; connections go on"
	take "$1" "$2" "$3" resume
}

# evicted DRIVER DEVICE UUID PORT: an error evicts the function from the domain,
# and the agent re-attaches it
evicted() {
	give "$1" "$2" "$3" evict
	agent_mark
	check "$1, evict: an error strikes" strike "$4" "$2"
	check "$1, evict: the domain lets go of it" wait_for 90 agent_said "$3: detached from domain guest"
	check "$1, evict: the agent attaches it again" wait_for 90 agent_said "$3: re-attached to domain guest"
	mark
	check "$1, evict: the group is open again" recovered "$2"
	check "$1, evict: the domain is running" state_is running
	check "$1, evict: the guest uses it again" wait_for 120 at_work "$1" &&
		verdict "$1" evict "leaves by hot-unplug, works again once re-attached"
	take "$1" "$2" "$3" evict
}

agent_follow
domain_define 400
check "a domain without the functions starts" virsh -q start guest
check "its guest boots" wait_for 300 said 'guest ready' || bail "no guest"

resumes_when_sending igb $igb $igb_uuid rp_igb
resumes_when_sending e1000e $e1000e $e1000e_uuid rp_e1000e

# The virtio_net driver never checks whether the device was reset.
give virtio_net $virtio $virtio_uuid resume
resumes virtio_net $virtio rp_virtio 1
sleep 5
had=$(last messages 'net virtio_net messages')
check "virtio_net, resume: the driver does not notice, nothing goes on" \
	eval '! wait_for 40 exchanged virtio_net $((had + 5))' &&
	verdict virtio_net resume "does not notice: sends nothing until the driver is bound again"
take virtio_net $virtio $virtio_uuid resume

evicted virtio_net $virtio $virtio_uuid rp_virtio
evicted igb $igb $igb_uuid rp_igb
evicted e1000e $e1000e $e1000e_uuid rp_e1000e
evicted nvme $nvme $nvme_uuid rp_nvme

domain_end
