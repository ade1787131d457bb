# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # set by host.sh and run
#
# Running mdevs: reading back, changing live, starting, and the log.

# host_running: the host has a running mdev of type resume
host_running() {
	host_mdev "$uuid" "$dev" mdr-pci-resume
}

# running: all settings of the mdev, as "name=value ..."
running() {
	(cd "$sys/bus/mdev/devices/$uuid/recovery" && grep . -- * | tr ':\n' '= ')
}

declare_case read_back "mdevctl shows all settings of a running mdev, as they are"
read_back() {
	local name default
	host_running
	echo 777 >"$sys/bus/mdev/devices/$uuid/recovery/stall_timeout_ms"
	accepted mdevctl list -v
	while read -r name _ default _; do
		[ "$name" != stall_timeout_ms ] || default=777
		says "{\"recovery/$name\":\"$default\"}"
	done < <(kernel_settings)
	is number "$(grep -c '@{' <<<"$said")" 10
}

declare_case define_running "an mdev that runs becomes a definition with its settings"
define_running() {
	host_running
	echo 777 >"$sys/bus/mdev/devices/$uuid/recovery/stall_timeout_ms"
	quietly mdevctl define -u "$uuid"
	is setting "$(jq -r '.attrs[] | ."recovery/stall_timeout_ms" // empty' "$(definition)")" 777
	is type "$(jq -r .mdev_type "$(definition)")" mdr-pci-resume
	is settings "$(jq '.attrs | length' "$(definition)")" 10
}

declare_case modify_live "a live change sets what the profile names, and the rest to its default"
modify_live() {
	host_running
	echo kill >"$sys/bus/mdev/devices/$uuid/recovery/revoke"
	quietly mdevctl modify -u "$uuid" --live --jsonfile mdevctl-profiles/nvme.json
	is settings "$(running)" "breaker_max=5 breaker_window_ms=600000 dead_access=ones \
hold_timeout_ms=10000 nonfatal_action=continue recovery_timeout_ms=90000 \
reset_elision=never revoke=wait revoke_timeout_ms=10000 stall_timeout_ms=10000 "
	[ ! -e "$(definition)" ] || fail "it is defined now"
	accepted mdevctl modify -u "$uuid" --live \
		--jsonfile "$(profile mdr-pci-resume breaker_max=1 breaker_max=7)"
	is breaker_max "$(recovery breaker_max)" 7
}

declare_case modify_live_defined "a live change with --defined changes the definition too"
modify_live_defined() {
	host_running
	quietly define mdevctl-profiles/resume.json
	quietly mdevctl modify -u "$uuid" --live --defined --jsonfile mdevctl-profiles/nvme.json
	is stall_timeout_ms "$(recovery stall_timeout_ms)" 10000
	is definition "$(jq -cS . "$(definition)")" "$(jq -cS . mdevctl-profiles/nvme.json)"
}

declare_case modify_live_stdin "a live change as libvirt asks for it, from stdin"
modify_live_stdin() {
	host_running
	quietly define mdevctl-profiles/resume.json
	quietly mdevctl modify -p "$dev" -u "$uuid" --jsonfile /dev/stdin --defined --live \
		<mdevctl-profiles/nvme.json
	is stall_timeout_ms "$(recovery stall_timeout_ms)" 10000
}

declare_case modify_live_refused "a live change with one bad value changes nothing"
modify_live_refused() {
	local before
	host_running
	before=$(running)
	refused mdevctl modify -u "$uuid" --live \
		--jsonfile "$(profile mdr-pci-resume stall_timeout_ms=1 breaker_max=64)"
	says "recovery/breaker_max: '64' is not a number from 0 to 63" "nothing was changed"
	is settings "$(running)" "$before"
	refused mdevctl modify -u "$uuid" --live --jsonfile mdevctl-profiles/hold.json
	is settings "$(running)" "$before"
}

declare_case modify_live_put_back "a value that the kernel refuses undoes those set before it"
modify_live_put_back() {
	local before file
	host_running
	before=$(running)
	file=$sys/bus/mdev/devices/$uuid/recovery/breaker_max
	mount --bind -o ro "$file" "$file"
	mount -o remount,bind,ro "$file"
	refused mdevctl modify -u "$uuid" --live --jsonfile \
		"$(profile mdr-pci-resume breaker_max=1 stall_timeout_ms=1 dead_access=fault)"
	umount "$file"
	says "the kernel refuses recovery/breaker_max=1"
	is settings "$(running)" "$before"
}

declare_case modify_live_older "a setting that an older kernel lacks is refused where it is asked for"
modify_live_older() {
	host_running
	rm "$sys/bus/mdev/devices/$uuid/recovery/reset_elision"
	sed -i /^reset_elision/d "$sys/class/mdev_recovery/settings"
	quietly mdevctl modify -u "$uuid" --live --jsonfile mdevctl-profiles/nvme.json
	refused mdevctl modify -u "$uuid" --live --jsonfile \
		"$(profile mdr-pci-resume reset_elision=pristine stall_timeout_ms=1)"
	says "recovery/reset_elision: no such attribute" "nothing was changed"
	is stall_timeout_ms "$(recovery stall_timeout_ms)" 10000
	accepted mdevctl list -v
	is number "$(grep -c '@{' <<<"$said")" 9
}

declare_case modify_live_silent "without the module's table only what is named changes, and is the kernel's to judge"
modify_live_silent() {
	host_running
	mkdir -p "$sys/module/mdev_recovery"
	rm "$sys/class/mdev_recovery/settings"
	echo kill >"$sys/bus/mdev/devices/$uuid/recovery/revoke"
	accepted mdevctl modify -u "$uuid" --live --jsonfile mdevctl-profiles/nvme.json
	says "the module mdev_recovery is old and does not say what can be set"
	is stall_timeout_ms "$(recovery stall_timeout_ms)" 10000
	is revoke "$(recovery revoke)" kill
	refused mdevctl modify -u "$uuid" --live --jsonfile "$(profile mdr-pci-resume patience=9)"
	says "recovery/patience: no such attribute"
	accepted mdevctl list -v
	is number "$(grep -c '@{' <<<"$said")" 10
}

# kernel_creates TYPE: the kernel's part of one "mdevctl start". mdevctl reads the
# instances and then writes to create; both wait for this function.
kernel_creates() {
	local type
	type=$sys/bus/pci/devices/$dev/mdev_supported_types/$1
	rm "$type/available_instances" "$type/create"
	mkfifo "$type/available_instances" "$type/create"
	{
		echo 1 >"$type/available_instances"
		host_mdev "$uuid" "$dev" "$1"
		cat "$type/create" >"$host/created"
	} &
}

declare_case start "a definition starts with its settings"
start() {
	quietly define mdevctl-profiles/recovery-aware.json
	kernel_creates mdr-pci-hold
	quietly timeout 20 mdevctl start -u "$uuid"
	wait
	is created "$(cat "$host/created")" "$uuid"
	is settings "$(running)" "breaker_max=5 breaker_window_ms=60000 dead_access=ones \
hold_timeout_ms=30000 nonfatal_action=reset recovery_timeout_ms=90000 \
reset_elision=pristine revoke=kill revoke_timeout_ms=30000 stall_timeout_ms=100 "
}

declare_case start_refused "what the host cannot honour any more does not start"
start_refused() {
	quietly define mdevctl-profiles/resume.json
	host_bind "$dev" igb
	refused mdevctl start -u "$uuid"
	says "$dev is bound to igb, and not to mdr-pci"
	refused mdevctl start -u "$uuid2" -p "$dev" --jsonfile "$(profile mdr-pci-resume patience=1)"
	says "no such attribute"
}

declare_case autostart_refused "of those that start by themselves a bad one is told, the next one starts"
autostart_refused() {
	local type
	quietly define mdevctl-profiles/resume.json
	sed -i 's/"attrs": \[\]/"attrs": [{"recovery\/patience": "1"}]/' "$(definition)"
	accepted mdevctl start-parent-mdevs "$dev"
	says "recovery/patience: no such attribute"
	type=$sys/class/mdev_bus/$dev/mdev_supported_types/mdr-pci-resume
	is create "$(cat "$type/create")" ''
	accepted mdevctl define -u "$uuid2" -p "$dev" --jsonfile mdevctl-profiles/hold.json
	type=$sys/class/mdev_bus/$dev/mdev_supported_types/mdr-pci-hold
	accepted mdevctl start-parent-mdevs "$dev"
	is create "$(cat "$type/create")" "$uuid2"
}

# logged: what the notifier wrote to the system log
logged() {
	cat "$host/log" 2>/dev/null || true
}

declare_case notified "the system log has a line for what was done, refused, or failed"
notified() {
	mkdir "$host/bin"
	# the shell's own words, as logger was given them
	printf '#!/bin/sh\nprintf "%%s\\n" "$*" >>"%s/log"\n' "$host" >"$host/bin/logger"
	chmod +x "$host/bin/logger"
	PATH=$host/bin:$PATH
	quietly define mdevctl-profiles/resume.json
	refused mdevctl modify -u "$uuid" --addattr recovery/revoke --value shoot
	host_mdev "$uuid" "$dev" mdr-pci-resume
	quietly mdevctl modify -u "$uuid" --live --jsonfile mdevctl-profiles/nvme.json
	refused mdevctl modify -u "$uuid" --live --jsonfile "$(profile mdr-pci-resume breaker_max=64)"
	quietly mdevctl modify -u "$uuid" --live --defined --jsonfile mdevctl-profiles/nvme.json
	rm "$sys/bus/mdev/devices/$uuid"
	host_bind "$dev" igb
	refused mdevctl start -u "$uuid"
	host_bind "$dev" mdr-pci
	rm "$sys/bus/pci/devices/$dev/mdev_supported_types/mdr-pci-resume/create"
	mkdir "$sys/bus/pci/devices/$dev/mdev_supported_types/mdr-pci-resume/create"
	refused mdevctl start -u "$uuid"
	quietly mdevctl define -u "$uuid2" -p 0000:00:02.0 --jsonfile "$(profile i915-GVTg_V4_1)"
	is log "$(logged)" "\
-t mdev-recovery -p daemon.info define of mdev $uuid (mdr-pci-resume on $dev): done; group16 is open, type resume
-t mdev-recovery -p daemon.warning modify of mdev $uuid (mdr-pci-resume on $dev): refused; group16 is open, type resume
-t mdev-recovery -p daemon.info live modify of mdev $uuid (mdr-pci-resume on $dev): done; group16 is open, type resume
-t mdev-recovery -p daemon.warning live modify of mdev $uuid (mdr-pci-resume on $dev): refused; group16 is open, type resume
-t mdev-recovery -p daemon.info live modify of mdev $uuid (mdr-pci-resume on $dev): done; group16 is open, type resume
-t mdev-recovery -p daemon.info modify of mdev $uuid (mdr-pci-resume on $dev): done; group16 is open, type resume
-t mdev-recovery -p daemon.warning start of mdev $uuid (mdr-pci-resume on $dev): refused
-t mdev-recovery -p daemon.warning start of mdev $uuid (mdr-pci-resume on $dev): failed; group16 is open, type resume"
}

declare_case modify_live_newer "a setting of a newer kernel is shown, checked and set, whatever its kind"
modify_live_newer() {
	host_running
	printf "%s\n" "foresight number 7 1 9 days" "mood word calm calm bad worse" "shape colour red" \
		>>"$sys/class/mdev_recovery/settings"
	for setting in foresight=7 mood=calm shape=red; do
		echo "${setting#*=}" >"$sys/bus/mdev/devices/$uuid/recovery/${setting%%=*}"
	done
	accepted mdevctl list -v
	says '{"recovery/foresight":"7"}'
	quietly mdevctl modify -u "$uuid" --live \
		--jsonfile "$(profile mdr-pci-resume foresight=9 mood=worse shape=blue)"
	is foresight "$(recovery foresight)" 9
	is mood "$(recovery mood)" worse
	is shape "$(recovery shape)" blue
	refused mdevctl modify -u "$uuid" --live \
		--jsonfile "$(profile mdr-pci-resume foresight=10 mood=good patience=9)"
	says "recovery/foresight: '10' is not a number from 1 to 9 days" \
		"recovery/mood: 'good' is not 'calm', 'bad' or 'worse'" \
		"recovery/patience: no such attribute" "recovery/shape;"
	quietly mdevctl modify -u "$uuid" --live --jsonfile "$(profile mdr-pci-resume)"
	is foresight "$(recovery foresight)" 7
}
