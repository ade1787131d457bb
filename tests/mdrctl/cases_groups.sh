# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # set by host.sh and run
#
# What mdrctl says of groups, and recovers.

declare_case list "list has a line for each function, as text and as JSON"
list() {
	host_two
	golden list list
	json list list
}

declare_case list_shared "a group of two functions has two lines"
list_shared() {
	host_two
	host_function "$dev3" "$port/$dev3" 16
	pci_files "$dev3" 0x020000 0x8086 0x10c9
	ln -s "$(readlink "$sys/bus/pci/devices/$dev3")" "$sys/class/mdev_recovery/group16"
	group_files 16 recovering 3 fatal hold
	golden list-shared list
}

declare_case list_nothing "without a group, and without the module, the next step is said"
list_nothing() {
	host_new "$(mktemp -d -p "$work")"
	golden list-empty list
	json list list-empty
	rm -r "$sys/class/mdev_recovery"
	golden list-no-module list
	golden status-no-module status group1
}

declare_case status_all "status shows all of every group"
status_all() {
	host_two
	golden status status
	json status status
}

declare_case status_names "a group is named by number, name, mdev and function; twice is once"
status_names() {
	local name first
	host_two
	ctl status group16
	first=$said
	for name in 16 "$uuid" "$dev" "${dev#0000:}"; do
		ctl status "$name"
		is "$name" "$said" "$first"
	done
	ctl status 16 "$uuid"
	is both "$said" "$first"
}

declare_case status_states "each state has its next step; failed is the exit code"
status_states() {
	local state
	host_two
	for state in closing recovering holding evicting resetting failed dreaming; do
		group_files 16 "$state" 4 nonfatal evict
		golden "status-$state" status 16
	done
	group_files 16 failed 4 watchdog hold
	json status status-failed 16
	group_files 16 failed 4 permanent hold
	golden status-given-up status 16
	json status status-given-up 16
}

declare_case status_blockers "a blocker is shown with its port and driver, and what to do"
status_blockers() {
	host_two
	host_function "$dev3" "$port/$dev3" 17
	pci_files "$dev3" 0x020000 0x8086 0x10c9
	host_bind "$dev3" igb
	printf '%s %s\n' "$dev3" "$port" >"$sys/class/mdev_recovery/group16/blockers"
	golden status-blockers status 16
	json status status-blockers 16
}

declare_case status_wrong "what is no group is refused, by what it is"
status_wrong() {
	host_two
	golden status-wrong-name status 'group16;x'
	golden status-no-group status 17
	golden status-no-mdev status "$uuid2"
	golden status-no-function status 0000:99:00.0
	golden status-one-wrong status 16 17
}

declare_case recover "recover writes to a group that has failed, and says how it went"
recover() {
	host_two
	group_files 16 failed 4 fatal hold
	ctl recover "$uuid"
	# a file does not change the state
	is said "$said" "group16: recovered, failed"
	is written "$(cat "$sys/class/mdev_recovery/group16/recover")" 1
}

declare_case recover_refused "a group that has not failed is left alone; all others are tried"
recover_refused() {
	host_two
	golden recover-open recover 16
	is written "$(cat "$sys/class/mdev_recovery/group16/recover")" ''
	group_files 9 failed 1 fatal none
	golden recover-two recover 16 9
	is written "$(cat "$sys/class/mdev_recovery/group9/recover")" 1
}

declare_case recover_denied "without the right to write, that is what is said"
recover_denied() {
	local file
	host_two
	group_files 16 failed 4 fatal hold
	file=$sys/class/mdev_recovery/group16/recover
	mount --bind -o ro "$file" "$file"
	mount -o remount,bind,ro "$file"
	ctl recover 16
	umount "$file"
	says "mdrctl: group16: " "Read-only file system" "exit 1"
	chmod -R go+rX "$work"
	said=$(setpriv --reuid 65534 --clear-groups "$mdrctl" --root "$host" recover 16 2>&1) &&
		fail "not refused"
	says "group16: Permission denied" "next: run it as root"
}

declare_case usage "a wrong word is refused, and --help is where to look"
usage() {
	local verb
	host_two
	golden usage-none
	golden usage-verb lst
	golden usage-option list --all
	golden usage-argument list 16
	golden usage-missing recover
	golden help --help
	ctl --version
	is version "$said" "mdrctl $version"
	for verb in $("$mdrctl" words verb); do
		golden "help-$verb" "$verb" --help
	done
}

declare_case colours "colour is for a terminal, without NO_COLOR"
colours() {
	host_two
	group_files 16 failed 4 fatal hold
	ctl status
	case $said in *$'\033'*) fail "colour in a pipe" ;; esac
	said=$(TERM=xterm script -qec "$mdrctl --root $host status" /dev/null </dev/null || true)
	case $said in *$'\033[1;31mfailed\033[0m'*) ;; *) fail "no colour: $said" ;; esac
	said=$(TERM=xterm NO_COLOR=1 script -qec "$mdrctl --root $host status" /dev/null </dev/null || true)
	case $said in *$'\033'*) fail "colour in spite of NO_COLOR" ;; esac
	said=$(TERM=dumb script -qec "$mdrctl --root $host status" /dev/null </dev/null || true)
	case $said in *$'\033'*) fail "colour on a terminal that has none" ;; esac
}

declare_case output_full "what cannot be written is no success"
output_full() {
	local status=0
	host_two
	"$mdrctl" --root "$host" list >/dev/full 2>"$work/err" || status=$?
	is "exit code" "$status" 1
	is said "$(cat "$work/err")" "mdrctl: mdrctl: cannot write what it has found"
	for option in --version --help 'list --help'; do
		status=0
		# shellcheck disable=SC2086
		"$mdrctl" $option >/dev/full 2>"$work/err" || status=$?
		is "exit code of $option" "$status" 1
	done
}

declare_case output_closed "what mdrctl says never goes to a file that it has opened"
output_closed() {
	local status=0
	host_watched
	uevent "change group16 closing 4 fatal $dev"
	watching "$mdrctl" --root "$host" watch --count 1 >&- 2>"$work/err" || status=$?
	is "exit code" "$status" 1
	is said "$(cat "$work/err")" "mdrctl: mdrctl: cannot write what it has found"
	is "in the pipe" "$(timeout 1 cat <&8)" ''
}

declare_case upper_case "UUIDs and addresses may be in upper case, names of domains stay as they are"
upper_case() {
	host_two
	host_function 0000:0a:00.0 "$port/0000:0a:00.0" 10
	pci_files 0000:0a:00.0 0x020000 0x8086 0x10c9
	host_bind 0000:0a:00.0 mdr-pci
	group_files 10 open 0 none none
	ctl status "${uuid^^}"
	says "group16: open"
	ctl status 0A:00.0
	says "group10: open"
	ctl status 0000:0A:00.0
	says "group10: open"
	ctl settings "${uuid^^}"
	says NAME
	has_systemctl 0 0
	has_agent 0
	ctl doctor DEADBEEF
	is asked "$(cat "$host/asked_agent")" "--check=DEADBEEF --sysfs=$sys"
}

declare_case reset "reset has the kernel reset a function of ours, and no other"
reset() {
	host_two
	golden reset-no-method reset "$dev"
	: >"$sys/bus/pci/devices/$dev/reset"
	ctl reset "$dev"
	is said "$said" "$dev: reset; it is in group16"
	is written "$(cat "$sys/bus/pci/devices/$dev/reset")" 1
	ctl reset "${dev#0000:}"
	is said "$said" "$dev: reset; it is in group16"
	golden reset-name reset group16
	golden reset-no-function reset 0000:99:00.0
}
