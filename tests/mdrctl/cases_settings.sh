# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # set by host.sh and run
#
# What an mdev has to set, which the module says, and how it is set.

# setting NAME: of the mdev
setting() {
	cat "$sys/bus/mdev/devices/$uuid/recovery/$1"
}

declare_case settings "settings shows the module's table, and the values of an mdev"
settings() {
	host_two
	golden settings settings
	json settings settings
	echo 10000 >"$sys/bus/mdev/devices/$uuid/recovery/stall_timeout_ms"
	golden settings-mdev settings "$uuid"
	json settings settings-mdev "$uuid"
	golden settings-wrong settings group16
	golden settings-no-mdev settings "$uuid2"
}

declare_case settings_newer "what a newer module has is shown, whatever its kind"
settings_newer() {
	host_two
	printf '%s\n' 'foresight number 7 1 9 days' 'mood word calm calm bad worse' \
		'shape colour red' >"$sys/class/mdev_recovery/settings"
	golden settings-newer settings
	json settings settings-newer
	echo red >"$sys/bus/mdev/devices/$uuid/recovery/shape"
	ctl set "$uuid" shape=blue
	is said "$said" "$uuid: shape is blue"
	ctl set "$uuid" shape=
	says "mdrctl: shape=: Invalid argument" "exit 1"
	is shape "$(setting shape)" blue
}

declare_case settings_none "an old module, and none, say nothing"
settings_none() {
	host_two
	rm "$sys/class/mdev_recovery/settings"
	golden settings-old-module settings
	golden set-old-module set "$uuid" stall_timeout_ms=1
	rm -r "$sys/class/mdev_recovery"
	golden settings-no-module settings
}

declare_case set_ "set changes a running mdev; one wrong word, and nothing is changed"
set_() {
	host_two
	golden set set "$uuid" stall_timeout_ms=10000 dead_access=fault
	is stall_timeout_ms "$(setting stall_timeout_ms)" 10000
	is dead_access "$(setting dead_access)" fault
	golden set-value set "$uuid" stall_timeout_ms=1 breaker_max=64
	golden set-name set "$uuid" stall_timeout_ms=1 ../remove=1
	golden set-no-value set "$uuid" stall_timeout_ms=1 dead_access
	golden set-no-mdev set "$uuid2" stall_timeout_ms=1
	golden set-wrong set group16 stall_timeout_ms=1
	is stall_timeout_ms "$(setting stall_timeout_ms)" 10000
}
