# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034,SC2154,SC2016
#
# Guests that mdr-agent tells of errors: mdevs of the profile guest-aer, and how long a
# guest was without its device.

profile=/usr/share/mdev-recovery/profiles/guest-aer.json

# told_give DRIVER DEVICE UUID PORT: attach to the running domain, below that guest port
told_give() {
	bind_to mdr-pci "$2"
	mdevctl start --uuid "$3" --parent "$2" --jsonfile $profile
	mark
	check "$1: attached to the running domain" hostdev_below "$3" "$4"
	check "$1: the guest uses it" wait_for 120 at_work "$1"
}

# told_take DRIVER UUID
told_take() {
	check "$1: detach-device is accepted" hostdev detach-device "$2"
	check "$1: the domain has let go of it" wait_for 90 no_hostdev "$2"
	mdevctl stop --uuid "$2"
}

telling="telling the guest of domain guest at its port pci"

# tells_once UUID: the agent has told the guest, of this event only, and only once
tells_once() { [ "$(agent_said "$1: .*$telling" | wc -l)" = 1 ]; }

# tells WHAT DEVICE UUID PORT: one error, up to the guest's success
tells() {
	agent_mark
	mark
	check "$1 strikes" strike "$4" "$2"
	struck
	check "$1: the agent tells the guest" wait_for 60 agent_said "$3: .*$telling"
	check "$1: the guest's own error handlers run, and it has recovered" \
		wait_for 60 said 'device recovery successful'
	note "$1: the guest said so $(since_struck) ms after the error"
	recovers "$1" "$2" "$3"
}

# recovers WHAT DEVICE UUID: the rest of it
recovers() {
	check "$1: the agent sees that" wait_for 30 agent_said "$3: the guest of domain guest has reset"
	check "$1: the group is open again" wait_for 10 recovered "$2"
	check "$1: the domain is running" state_is running
	check "$1: the guest was told once" tells_once "$3"
	check "$1: the agent has nothing to remember" wait_for 10 eval "! agent_keeps $3"
}
