# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
#
# mdr-reattachd, the package's service, and what it tells the journal.

agent_log=/run/reattachd.log
agent_marked=1

# What the service logs from now on, also in the machine's log.
agent_follow() {
	: >"$agent_log"
	journalctl -q -f -n 0 -o cat -u mdr-reattachd >>"$agent_log" 2>&1 &
	tail -F -n +1 -s 0.5 "$agent_log" 2>/dev/null | while IFS= read -r line; do
		log "agent: $line"
	done &
}

# What the agent says from now on is what agent_said looks at.
agent_mark() { agent_marked=$(($(wc -l <"$agent_log") + 1)); }

# agent_said PATTERN
agent_said() { tail -n "+$agent_marked" "$agent_log" | grep -aE "$1"; }

# agent_keeps UUID: it is in the file that outlives the agent
agent_keeps() { grep -q "$1" /var/lib/mdr-reattachd/evicted.json; }
