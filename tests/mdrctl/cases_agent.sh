# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # set by host.sh and run
#
# What mdrctl has mdr-agent do and say. The program is one of the case, as systemctl is;
# tests/tools shows that the real one says what is true.

# program NAME LINE...: a script of that name, first in the path
program() {
	local file=$host/bin/$1
	shift
	mkdir -p "$host/bin"
	printf '%s\n' '#!/bin/sh' "$@" >"$file"
	chmod +x "$file"
	PATH=$host/bin:$PATH
}

# has_systemctl ACTIVE RELOAD: exit codes; what it was asked for is in the file asked
has_systemctl() {
	# shellcheck disable=SC2016 # for sh
	program systemctl 'echo "$*" >>'"$host/asked" \
		'case $1 in is-active) exit '"$1;; reload) exit $2;; esac"
}

# has_agent CODE [FINDING...]: what mdr-agent --check says, and of QEMU what is in $qemu
has_agent() {
	local code=$1
	shift
	# shellcheck disable=SC2016 # for sh
	program mdr-agent 'echo "$*" >'"$host/asked_agent" \
		"[ $code = 0 ] || echo mdr-agent: it says why >&2" \
		"[ $code != 0 ] || echo '{\"findings\":[$(printf '%s\n' "$@" | paste -sd ,)]${qemu:-}}'" \
		"exit $code"
}

port_good='{"level":"PASS","check":"guest-port","object":"UUID","text":"can be told of 100%s at pci.1","next":null}'
port_bad='{"level":"FAIL","check":"guest-port","object":"UUID","text":"no port","next":"give it one"}'

declare_case retry "retry reloads the agent, if it runs"
retry() {
	host_two
	has_systemctl 0 0
	golden retry retry
	is asked "$(cat "$host/asked")" "is-active --quiet mdr-agent
reload mdr-agent"
	has_systemctl 3 0
	golden retry-not-running retry
	has_systemctl 0 1
	golden retry-refused retry
}

declare_case retry_denied "a user who may not reload the agent is told so"
retry_denied() {
	local status=0
	host_two
	has_systemctl 0 4
	golden retry-denied retry
	# as systemctl ends if it could ask for a password, but nobody is there to answer
	has_systemctl 0 1
	chmod -R go+rwX "$work"
	said=$(setpriv --reuid 65534 --clear-groups "$mdrctl" --root "$host" retry 2>&1) || status=$?
	diff "$here/golden/retry-denied" <(printf '%s\nexit %s\n' "$said" "$status")
}

declare_case doctor_domain "of a domain, what the agent finds, and whether the agent runs"
doctor_domain() {
	host_well
	has_systemctl 0 0
	has_agent 0 "$port_good"
	golden doctor-domain doctor vm
	json doctor doctor-domain vm
	is asked "$(cat "$host/asked_agent")" "--check=vm --sysfs=$sys"
	has_systemctl 3 0
	has_agent 0 "$port_good" "$port_bad"
	ctl doctor vm
	says "FAIL  UUID: no port" "next: give it one" \
		"FAIL  mdr-agent: does not run: nobody tells guests of errors" \
		"next: systemctl enable --now mdr-agent" "exit 5"
}

declare_case doctor_domain_none "no such domain, no libvirt, no agent, and one that says nonsense"
doctor_domain_none() {
	host_well
	has_systemctl 0 0
	has_agent 3
	golden doctor-no-domain doctor vm
	has_agent 1
	golden doctor-no-libvirt doctor vm
	program mdr-agent 'echo hello'
	golden doctor-strange-agent doctor vm
	program mdr-agent 'exit 127'
	golden doctor-no-agent doctor vm
	rm -f "$host/asked_agent"
	# a group's name is never a domain's
	has_agent 0 "$port_good"
	ctl doctor 16
	[ ! -e "$host/asked_agent" ] || fail "it asked the agent"
}
