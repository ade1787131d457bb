# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2016
#
# mdr-agent, as the service of the package: it re-attaches an evicted device to
# its domain, also if the agent is killed or stopped in the middle, or if libvirtd is
# restarted. A device that an administrator detaches stays detached. (policies.sh has
# the eviction of each guest driver.)

igb=0000:02:00.0 igb_uuid=11111111-0000-4000-8000-000000000002

guest_uses() { exchanged igb 5 && [ "$(last wrong 'net igb messages')" = 0 ]; }

# the place of the device in the guest
place() { virsh -q dumpxml guest | sed -n '/<hostdev/,/<\/hostdev/p' | grep 'address type'; }

as_placed() {
	local now
	now=$(place)
	[ "$now" = "$placed" ] || {
		printf 'it was at: %s\nit is at: %s\n' "$placed" "$now"
		return 1
	}
}

# evicts WHAT: an error strikes, and the agent sees the eviction
evicts() {
	agent_mark
	check "$1: an error strikes" strike rp_igb $igb
	check "$1: the agent sees the eviction" wait_for 60 agent_said 'is evicting'
}

# back WHAT: the domain has the device again, at the same place, and the guest uses it
back() {
	check "$1: the agent attaches it again" wait_for 120 agent_said 're-attached to domain guest'
	check "$1: the domain has it where it was" as_placed
	mark
	check "$1: the guest uses it again" wait_for 120 guest_uses
	check "$1: the agent has nothing to remember" \
		wait_for 10 eval "! agent_keeps $igb_uuid"
}

agent_follow
check "reattach: the service runs since the machine's start" systemctl -q is-active mdr-agent
domain_define 64
check "reattach: a domain starts" virsh -q start guest
check "reattach: its guest boots" wait_for 300 said 'guest ready' || bail "no guest"
bind_to mdr-pci $igb
mdevctl start --uuid $igb_uuid --parent $igb --type mdr-pci-evict
mark
check "reattach: a device is attached" hostdev attach-device $igb_uuid
check "reattach: the guest uses it" wait_for 120 guest_uses
placed=$(place)
doctor_sees() {
	mdrctl doctor guest >/run/doctor
	cat /run/doctor
	grep -qE "^PASS  guest: its QEMU \([0-9]+\) runs as user libvirt-qemu" /run/doctor &&
		grep -qE '^PASS  guest: its QEMU may lock [0-9]+ MiB, and its VM has' /run/doctor &&
		grep -q "^PASS  $igb_uuid: the QEMU of guest has it open" /run/doctor
}
check "reattach: the doctor sees that QEMU has it open, and may lock the memory" doctor_sees

evicts "reattach"
check "reattach: and the device leave the domain" wait_for 90 agent_said 'detached from domain guest'
back reattach

evicts "reattach, killed"
killed=$(systemctl show -P MainPID mdr-agent)
check "reattach, killed: it is killed" kill -9 "$killed"
check "reattach, killed: systemd starts another, which knows" \
	wait_for 60 agent_said 'known from an earlier run'
back "reattach, killed"

evicts "reattach, away"
check "reattach, away: it is stopped" systemctl stop mdr-agent
check "reattach, away: the device leaves the domain" wait_for 90 no_hostdev $igb_uuid
check "reattach, away: the group is open" wait_for 60 group_is $igb open
sleep 3
check "reattach, away: nobody has attached it" no_hostdev $igb_uuid
agent_mark
check "reattach, away: it is started" systemctl start mdr-agent
check "reattach, away: it knows" wait_for 60 agent_said 'known from an earlier run'
back "reattach, away"

# What it cannot attach it tries twenty times, in a quarter of an hour, and gives up. The
# file by which QEMU opens the device is not there meanwhile.
node=/dev/vfio/$(basename "$(readlink /sys/bus/pci/devices/$igb/iommu_group)")
gives_up() {
	local state=/var/lib/mdr-agent/state.json
	systemctl stop mdr-agent &&
		jq --arg mdev "$igb_uuid" \
			'(.devices[] | select(.mdev == $mdev)).phase = "given up"' $state >$state.new &&
		mv $state.new $state && systemctl start mdr-agent
}
evicts "reattach, given up"
check "reattach, given up: it is stopped" systemctl stop mdr-agent
check "reattach, given up: the device leaves the domain" wait_for 90 no_hostdev $igb_uuid
check "reattach, given up: the group is open" wait_for 60 group_is $igb open
mv "$node" "$node.away"
agent_mark
check "reattach, given up: it is started" systemctl start mdr-agent
check "reattach, given up: it cannot attach the device, and says when it tries again" \
	wait_for 60 agent_said 'cannot attach to domain guest: .*; next try in'
check "reattach, given up: it gives up" gives_up
check "reattach, given up: and knows" wait_for 60 agent_said 'known from an earlier run, .*: given up'
mv "$node.away" "$node"
agent_mark
sleep 5
check "reattach, given up: it leaves the device alone" \
	eval "no_hostdev $igb_uuid && ! agent_said attach"
check "reattach, given up: mdrctl retry is accepted" \
	eval 'mdrctl retry >/run/retry && grep -qF "tries again to attach" /run/retry'
back "reattach, given up"

evicts "reattach, libvirtd"
check "reattach, libvirtd: libvirtd is restarted" systemctl restart libvirtd
check "reattach, libvirtd: the agent has noticed" wait_for 60 agent_said 'closed the connection'
back "reattach, libvirtd"

agent_mark
check "reattach: an administrator's detach is accepted" hostdev detach-device $igb_uuid
check "reattach: the device has left" wait_for 90 no_hostdev $igb_uuid
sleep 5
check "reattach: the agent leaves it so" eval "no_hostdev $igb_uuid && ! agent_said attach"
check "reattach: the agent was never at a loss, but for the file" \
	eval '! grep -aE "cannot |is damaged" "$agent_log" | grep -av "cannot attach .*vfio"'

# how often the agent's main thread has gone to sleep so far
sleeps() {
	sed -n 's/^voluntary_ctxt_switches:[^0-9]*//p' "/proc/$(systemctl show -P MainPID mdr-agent)/status"
}

foreign_uevents() {
	local n before after
	before=$(sleeps)
	for ((n = 0; n < 1000; n++)); do
		echo change >/sys/class/mem/null/uevent
	done
	after=$(sleeps)
	echo "it went to sleep $((after - before)) times"
	# once in ten seconds it looks at the groups
	[ $((after - before)) -lt 20 ]
}
check "reattach: 1000 foreign uevents do not wake the agent" foreign_uevents

agent_mark
check "reattach: libvirtd is stopped, and answers nobody" systemctl kill -s STOP libvirtd
check "reattach: the agent, which is connected to it, ends at once" timeout 5 systemctl stop mdr-agent
check "reattach: and so with success" test "$(systemctl show -P Result mdr-agent)" = success
check "reattach: a new agent is ready all the same" timeout 30 systemctl start mdr-agent
check "reattach: and says that libvirt does not answer" \
	wait_for 60 agent_said 'libvirt has not answered for'
check "reattach: it ends all the same" timeout 5 systemctl stop mdr-agent
check "reattach: with success" test "$(systemctl show -P Result mdr-agent)" = success
systemctl start mdr-agent
check "reattach: libvirtd goes on" systemctl kill -s CONT libvirtd
check "reattach: and the agent with it" wait_for 60 agent_said 'connected to'

check "reattach: the service ends at once" timeout 20 systemctl stop mdr-agent
check "reattach: and with success" test "$(systemctl show -P Result mdr-agent)" = success
systemctl start mdr-agent
mdevctl stop --uuid $igb_uuid
domain_end
