# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # set by host.sh and run
#
# What each verb refuses: it has an exit code that says why, and the host is as before.

# snapshot: all of the host, but what its programs were asked
snapshot() {
	find "$host" -not -type f -not -path "$host/asked*" -printf '%P %y %m %l\n' | LC_ALL=C sort
	find "$host" -type f -not -path "$host/asked*" -exec sha256sum {} + | LC_ALL=C sort
}

# refuses CODES ARGUMENT...: with one of these, and changes nothing
refuses() {
	local code=$1
	shift
	ctl "$@"
	case $said in
	mdrctl*"exit "[$code]) ;;
	*) fail "mdrctl $*" "has no reason, or another code than one of $code: $said" ;;
	esac
	diff "$work/before" <(snapshot) || fail "mdrctl $* has changed something"
}

# host_failed: a host with a group that has failed, and all that the verbs write to
host_failed() {
	host_well
	group_files 16 failed 4 fatal hold
	: >"$sys/bus/pci/devices/$dev/reset"
	: >"$sys/bus/pci/drivers/mdr-pci/unbind"
	has_systemctl 0 0
	program mdr-agent 'exit 3'
	snapshot >"$work/before"
}

declare_case refused_words "of each verb: an option that it does not have, and too many or too few words"
refused_words() {
	local verb
	host_failed
	for verb in $("$mdrctl" words verb) record words; do
		refuses 2 "$verb" --no-such-option
		refuses 2 "$verb" -Z
	done
	for verb in list retry metrics record; do
		refuses 2 "$verb" 16
	done
	for verb in settings watch history timeline completion create words; do
		refuses 2 "$verb" 16 17
	done
	for verb in unbind create remove set recover reset completion words; do
		refuses 2 "$verb"
	done
	refuses 2 set "$uuid"
	refuses 2 doctor --user
	refuses 2 list --json=yes
}

declare_case refused_names "of each verb: a name that is none, and one of nothing"
refused_names() {
	local name verb
	host_failed
	for name in 'group16;x' ../group16 '' 0000:99:00.0 "$uuid2" "$(printf '%5000s' 16)"; do
		for verb in status bind unbind create remove settings recover reset watch doctor \
			history timeline; do
			refuses 23 "$verb" "$name"
		done
		refuses 23 set "$name" stall_timeout_ms=1
	done
	# what exists is done, and the rest is said
	ctl recover nothing 16
	says "mdrctl: nothing: " "group16: recovered" "exit 2"
}
