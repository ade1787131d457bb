# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
#
# Results, waiting, and the monitor of the QEMU that this machine runs in.

# the self test has others
tap=${tap:-/dev/ttyS0}
check_out=${check_out:-/run/check.out}
tests=0

# A write to the kernel's log is one line of at most some hundred characters.
log() { printf 'mdr: %.900s\n' "$*" >/dev/kmsg; }
log_file() { while IFS= read -r line; do log "$line"; done <"$1"; }
note() { echo "# $*" >"$tap"; }

bail() {
	echo "Bail out! $*" >"$tap"
	dmesg | tail -n 60 | sed 's/^/# /' >"$tap"
	sync
	echo o >/proc/sysrq-trigger
	while :; do :; done
}

# argument NAME: its value on the kernel's command line
argument() { sed -n "s/.*mdr\\.$1=\\([^ ]*\\).*/\\1/p" /proc/cmdline; }

seconds() { cut -d. -f1 /proc/uptime; }

# check WHAT CONDITION...: one result. The condition is a command, and runs in this
# shell: what it marks or sets stays so.
check() {
	local check_what=$1
	shift
	tests=$((tests + 1))
	if "$@" >"$check_out" 2>&1; then
		echo "ok $tests - $check_what" >>"$tap"
	else
		echo "not ok $tests - $check_what" >>"$tap"
		{
			echo "should hold: $*"
			cat "$check_out"
			[ ! -e "$guest_log" ] || tail -n "+$marked" "$guest_log" | tail -n 25
		} | sed 's/^/#   /' >>"$tap"
		return 1
	fi
}

# wait_for SECONDS COMMAND...: until it succeeds
wait_for() {
	local end=$(($(seconds) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(seconds)" -lt "$end" ] || return 1
		sleep 0.5
	done
}

monitor_open() {
	local i
	stty -F "$tap" raw -echo
	stty -F /dev/ttyS1 raw -echo 115200
	exec 5<>/dev/ttyS1
	for i in 1 2 3 4 5; do
		printf '\xff\n{"execute": "qmp_capabilities", "id": %s}\n' "$i" >&5
		monitor_answer "$i" 2 || continue
		log "monitor open"
		return 0
	done
	return 1
}

# monitor_answer ID SECONDS: prints the line that answers
monitor_answer() {
	local line
	while IFS= read -r -t "$2" -u 5 line; do
		case $line in *"\"id\": $1}"*)
			echo "$line"
			return 0
			;;
		esac
	done
	return 1
}

# inject ID: a fatal error (Data Link Protocol) at a root port
inject() {
	local answer
	log "fatal error at $1"
	printf '{"execute": "human-monitor-command", "id": 77, "arguments": {"command-line": "pcie_aer_inject_error %s DLP"}}\n' "$1" >&5
	answer=$(monitor_answer 77 20) || return 1
	case $answer in *'OK id: '*) return 0 ;; esac
	log "monitor: $answer"
	return 1
}

# verdict DRIVER TYPE WHAT: a line of the table of drivers and types
verdict() { note "table: $1 | $2 | $3"; }
