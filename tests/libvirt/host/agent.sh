# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
#
# mdr-agent, as the service of the package, and its messages in the journal.

agent_log=/run/agent.log
agent_marked=1

# Copies what the service logs from now on to the machine's log; once is enough.
agent_follow() {
	[ ! -e "$agent_log" ] || return 0
	: >"$agent_log"
	journalctl -q -f -n 0 -o cat -u mdr-agent >>"$agent_log" 2>&1 &
	tail -F -n +1 -s 0.5 "$agent_log" 2>/dev/null | while IFS= read -r line; do
		log "agent: $line"
	done &
}

# agent_said looks only at messages after this.
agent_mark() { agent_marked=$(($(wc -l <"$agent_log") + 1)); }

# agent_said PATTERN
agent_said() { tail -n "+$agent_marked" "$agent_log" | grep -aE "$1"; }

# agent_keeps UUID: it has something to do for the mdev, which outlives it
agent_keeps() {
	jq -e --arg mdev "$1" '.devices[] | select(.mdev == $mdev and .phase != "attached")' \
		/var/lib/mdr-agent/state.json
}
