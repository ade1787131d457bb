# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # set by host.sh and run
#
# What was, and what is counted.

# change GROUP STATE EVENT CAUSE [FUNCTION]: as udevd tells of it
change() {
	DEVPATH=/devices/virtual/mdev_recovery/$1 MDR_STATE=$2 MDR_EVENT=$3 MDR_CAUSE=$4 \
		MDR_DEVICE=${5:-} "$mdrctl" --root "$host" record
}

history_file() { printf '%s' "$host/var/lib/mdev-recovery/history.jsonl"; }

# at SECONDS.MICROSECONDS: the last line was written then, by a mdrctl that knew only that time
at() {
	sed -i '$s/,"up_us":[0-9]*//' "$(history_file)"
	sed -i "\$s/\"time_us\": *[0-9]*/\"time_us\":17640000${1/./}/" "$(history_file)"
}

# host_past: group 16 recovered and its user released it late; meanwhile group 9 failed
host_past() {
	host_two
	change group16 closing 1 fatal "$dev" && at 00.000000
	change group9 closing 1 fatal "$dev2" && at 00.000100
	change group16 recovering 1 fatal && at 00.000350
	change group16 evicting 1 fatal && at 00.187000
	change group9 failed 1 watchdog && at 90.000100
	change group16 open 1 fatal && at 95.500000
	change group16 resetting 1 user_reset "$dev" && at 97.000000
	change group16 open 1 user_reset && at 97.120000
}

declare_case history "events are shown with what became of them and how long they took"
history() {
	host_past
	golden history history
	json history history
	golden history-group history group9
	is mdev "$("$mdrctl" --root "$host" history "$uuid" | wc -l)" 3
	golden history-last history --last=1
	rm -r "$sys/class/mdev_recovery/group9"
	golden history-group history group9
}

declare_case history_none "no history is no failure, a wrong word is"
history_none() {
	host_two
	ctl history
	is said "$said" ''
	json history history-none
	golden history-wrong history --last=0
	golden history-no-group history "$uuid2"
	golden record-wrong record
}

declare_case history_unloaded "a group has a history by its number, too, when it is gone"
history_unloaded() {
	host_past
	ctl history group9
	is "a group has a history" "${said:0:4}" TIME
	rm -r "$sys/class/mdev_recovery"
	golden history-group history 9
	golden history-group history group009
	ctl history groups
	says "groups: is no name of a group" "exit 2"
}

declare_case history_damaged "a line that a crash cut short is left out"
history_damaged() {
	local before
	host_past
	ctl history
	before=$said
	printf '{"time_us": 17640000, "gro\n[]\n{}\nnull\n' >>"$(history_file)"
	for number in 9223372036854775807 -5; do
		printf '{"time_us": %s, "up_us": -9223372036854775807, "group": "group7", "state": "closing", "event": 1}\n' \
			"$number" 1764000000000000 >>"$(history_file)"
	done
	ctl history
	is said "$said" "$before"
}

declare_case history_moved "a file that is moved while history opens both is read once"
history_moved() {
	host_past
	ln "$(history_file)" "$(history_file).1"
	golden history history
}

declare_case history_full "a file that is full becomes the one before, and both are read"
history_full() {
	local i
	host_past
	for ((i = 0; i < 12000; i++)); do
		printf '{"time_us":17640000%09d,"group":"group1","state":"open","event":%d,"cause":"nonfatal","function":null}\n' "$i" "$i"
	done >>"$(history_file)"
	change group16 closing 9 fatal "$dev"
	[ -e "$(history_file).1" ] || fail "it is not moved"
	change group16 open 9 fatal "$dev"
	ctl history --last 1
	says "group16" "     9 fatal"
	ctl history group9
	says "failed"
}

declare_case history_cut "a line that was cut short takes no other line with it"
history_cut() {
	host_two
	change group9 closing 1 fatal "$dev2" && at 00.000000
	printf '{"time_us": 17640000, "gro' >>"$(history_file)"
	change group9 open 1 fatal && at 00.100000
	ctl history
	says "open           0.100 s"
}

declare_case history_disk_full "with a full disk nothing is written, and the next change is whole"
history_disk_full() {
	local dir size status=0
	host_two
	change group9 closing 1 fatal "$dev2"
	dir=$(dirname "$(history_file)")
	mount -t tmpfs -o size=4k none "$dir"
	printf '%4000s\n' '' >"$(history_file)"
	change group9 open 1 fatal 2>"$work/err" || status=$?
	size=$(stat -c %s "$(history_file)")
	mount -o remount,size=16k "$dir"
	change group9 failed 7 fatal
	ctl history
	umount "$dir"
	is "exit code" "$status" 1
	is err "$(head -n 1 "$work/err")" "mdrctl: /var/lib/mdev-recovery/history.jsonl: No space left on device"
	is size "$size" 4001
	says "     7 fatal"
	case $said in *"     1 fatal"*) fail "$said" ;; esac
}

declare_case history_locked "a reader's lock delays nothing, and nothing gets lost when the file is renamed"
history_locked() {
	local file lock
	host_two
	file=$(history_file)
	change group9 closing 1 fatal "$dev2"
	printf '%1048600s\n' '' >>"$file"
	flock "$file" sleep 3 &
	lock=$!
	sleep 0.2
	change group9 recovering 1 fatal &
	sleep 0.5
	[ -e "$file.1" ] || mv "$file" "$file.1"
	change group16 closing 2 fatal "$dev" &
	sleep 0.5
	! kill -0 "$lock" 2>/dev/null || kill "$lock"
	wait
	is changes "$(cat "$file" "$file.1" | grep -c time_us)" 3
	is mode "$(stat -c %a "$(dirname "$file")/lock")" 600
}

declare_case history_boots "events of two boots are two, and a clock that is set does not count"
history_boots() {
	local boot
	host_two
	boot=$host/proc/sys/kernel/random
	mkdir -p "$boot"
	echo 11111111-2222-4333-8444-555555555555 >"$boot/boot_id"
	change group9 closing 1 fatal "$dev2"
	change group9 recovering 1 fatal
	echo 66666666-2222-4333-8444-555555555555 >"$boot/boot_id"
	change group9 closing 1 fatal "$dev2"
	change group9 open 1 fatal
	sed -i '$s/"time_us":[0-9]*/"time_us":1764000000000000/' "$(history_file)"
	is ends "$("$mdrctl" --root "$host" history --json | jq -c '[.events[] | .end, (.took_us >= 0 and .took_us < 9000000)]')" \
		'["recovering",true,"open",true]'
	accepted jsonschema -i <("$mdrctl" --root "$host" history --json) tools/mdrctl/schema/history.json
}

# strict FILE: the form that Prometheus reads, and its rules for names and order
# shellcheck disable=SC2016 # awk's own
strict() {
	awk '
	function bad(why) { print FILENAME ": " NR ": " why ": " $0; wrong = 1 }
	/^# HELP / {
		if ($3 in helped) bad("helped twice")
		helped[$3] = 1
		if (NF < 4 || $0 !~ /\.$/) bad("no text")
		next
	}
	/^# TYPE / {
		if (!($3 in helped) || $3 in type) bad("no help, or twice")
		type[name = $3] = $4
		if ($4 != "counter" && $4 != "gauge") bad("kind")
		if (($4 == "counter") != ($3 ~ /_total$/)) bad("only counters end so")
		if ($3 !~ /^mdev_recovery_[a-z_]+$/ || $3 ~ /_(ns|ms|us|count|sum)(_|$)/) bad("name")
		next
	}
	/^#/ || /^$/ { bad("neither") ; next }
	{
		if ($0 !~ /^[a-z_]+({[a-z]+="[^"\\]*"(,[a-z]+="[^"\\]*")*})? [0-9]+(\.[0-9]+)?$/) bad("form")
		series = $1
		sub(/{.*/, "", series)
		if (series != name) bad("out of its place")
		if ($1 in seen) bad("twice")
		seen[$1] = 1
	}
	END { exit wrong || !NR }' "$1"
}

declare_case metrics "metrics have the form that Prometheus reads, and all counters of the kernel"
metrics() {
	local name
	host_two
	echo 18446744073 >"$sys/class/mdev_recovery/group16/stats/stall_ns_total"
	golden metrics metrics
	strict "$here/golden/metrics"
	json metrics metrics
	grep -q ".value.:18.446744073" "$here/golden/metrics.json"
	while read -r name; do
		grep -q "{ \"$name\", \"" tools/mdrctl/metrics.c || fail "$name is left out"
	done < <(sed -n 's/^MDR_STAT(\([a-z_]*\),.*/\1/p' "$kernel_dir/group_sysfs.c")
}

declare_case metrics_strict "the check of the form can fail"
# shellcheck disable=SC2016 # sed's own
metrics_strict() {
	local change
	host_two
	"$mdrctl" --root "$host" metrics >"$work/good"
	strict "$work/good"
	for change in 's/ gauge$/ summary/' 's/^mdev_recovery_group_event{.*/& x/' '2p' \
		's/recoveries_total/recoveries/' 's/_seconds_total/_ns_total/' '/^# HELP/d' \
		's/ 0$/ NaN/' 's/="group9"/=group9/' '$p'; do
		sed "$change" "$work/good" >"$work/bad"
		! strict "$work/bad" >/dev/null || fail "not noticed: $change"
	done
}

declare_case metrics_file "metrics go to a file at once, or not at all"
metrics_file() {
	host_two
	ctl metrics --output "$host/x.prom"
	is said "$said" ''
	cmp "$host/x.prom" <("$mdrctl" --root "$host" metrics)
	is files "$(find "$host" -name 'x.prom*' | wc -l)" 1
	ctl metrics --json --output "$host/x.json"
	is said "$said" ''
	cmp "$host/x.json" <("$mdrctl" --root "$host" metrics --json)
	ctl metrics --output "$host/missing/x.prom"
	is said "$said" "mdrctl: ROOT/missing/x.prom: No such file or directory
  next: make its directory first
exit 3"
}

declare_case metrics_file_safe "a file of metrics takes no link of others, and no device's place"
metrics_file_safe() {
	local type
	host_two
	echo precious >"$host/precious"
	ln -s precious "$host/x.prom.new"
	ctl metrics --output "$host/x.prom"
	is precious "$(cat "$host/precious")" precious
	is mode "$(stat -c %a "$host/x.prom")" 644
	(umask 077 && ctl metrics --output "$host/y.prom")
	is mode "$(stat -c %a "$host/y.prom")" 600
	mkfifo "$host/pipe"
	ln -s /dev/null "$host/link"
	ln -s x.prom "$host/stdout"
	ctl metrics --output "$(printf 'a%.0s' {1..5000})"
	says "File name too long" "exit 1"
	for type in pipe link stdout; do
		ctl metrics --output "$host/$type"
		is said "$said" "mdrctl: ROOT/$type: is no regular file, and would be replaced by one
  next: name a regular file
exit 1"
	done
	[ -p "$host/pipe" ] || fail "the pipe is replaced"
	[ -L "$host/link" ] || fail "the link is replaced"
	ctl metrics --output "$host"
	is said "$said" "mdrctl: ROOT: Is a directory
exit 1"
	is files "$(find "$host" -name '*.prom.*' | wc -l)" 1
}

declare_case metrics_no_module "that the module is not loaded is a metric"
metrics_no_module() {
	host_two
	rm -r "$sys/module/mdev_recovery" "$sys/class/mdev_recovery"
	golden metrics-no-module metrics
}

# prometheus METRICS DIR: promtool accepts these metrics, and the alerts and the dashboard
# in DIR; every alert does as alerts.test.yml says
prometheus() {
	local query
	promtool check metrics <"$1" || return 1
	promtool check rules --lint=all --lint-fatal "$2/alerts.yml" || return 1
	sed "s|\.\./\.\./tools/mdrctl/monitoring|$2|" "$here/alerts.test.yml" >"$work/alerts.test.yml"
	promtool test rules "$work/alerts.test.yml" || return 1
	while read -r query; do
		promtool --experimental promql format "$query" || return 1
	done < <(jq -r '.. | .expr? // empty' "$2/dashboard.json")
}

declare_case metrics_promtool "promtool accepts metrics, alerts and queries; every alert fires, and only when it shall"
metrics_promtool() {
	local name
	prometheus "$here/golden/metrics" "$PWD/tools/mdrctl/monitoring"
	while read -r name; do
		grep -A 2 "alertname: $name$" "$here/alerts.test.yml" | grep -q 'exp_alerts: \[\]' ||
			fail "$name is never silent"
		grep -A 3 "alertname: $name$" "$here/alerts.test.yml" | grep -q 'exp_labels' ||
			fail "$name never fires"
	done < <(sed -n 's/.* alert: //p' tools/mdrctl/monitoring/alerts.yml)
}

declare_case metrics_promtool_strict "the check with promtool can fail"
# shellcheck disable=SC2016 # sed's own
metrics_promtool_strict() {
	local change good=tools/mdrctl/monitoring bad=$work/monitoring
	mkdir -p "$bad"
	for change in 's/ == 1$/ == 2/' 's/evicting|holding/holding/' 's/\[1h\]) > 5/[1h]) > 50/' \
		's/\[1h\]) > 5/[1h]) > 1/' 's/> 0\.1/> 0.01/' 's/> 300/> 600/' 's/for: 5m/for: 1m/' \
		's/for: 10m/for: 20m/' 's/critical/info/' 's/group }} on/grup }} on/' 's/rate(/rat(/' \
		's/_loaded == 0/_loaded == 1/' 's/mdev-recovery.prom/.*.prom/' '2a x: 1'; do
		cp "$good"/* "$bad"
		sed -i "$change" "$bad/alerts.yml"
		! cmp -s "$good/alerts.yml" "$bad/alerts.yml" || fail "changes nothing: $change"
		! prometheus "$here/golden/metrics" "$bad" >/dev/null 2>&1 || fail "not noticed: $change"
	done
	cp "$good"/* "$bad"
	prometheus "$here/golden/metrics" "$bad"
	sed -i 's/sum by (state) (/sum by (state) ((/' "$bad/dashboard.json"
	! prometheus "$here/golden/metrics" "$bad" >/dev/null 2>&1 || fail "the dashboard is not read"
	sed '/^# HELP mdev_recovery_recoveries_total/d' "$here/golden/metrics" >"$work/metrics"
	! prometheus "$work/metrics" "$PWD/$good" >/dev/null 2>&1 || fail "the metrics are not read"
}

declare_case monitoring "alerts and dashboard name metrics that there are"
monitoring() {
	local name
	host_two
	while read -r name; do
		grep -q "^# TYPE $name " "$here/golden/metrics" || fail "no metric $name"
	done < <(grep -ohE 'mdev_recovery_[a-z_]+' tools/mdrctl/monitoring/*)
	jq -e '.panels | length == 6' tools/mdrctl/monitoring/dashboard.json >/dev/null
	grep -q "mdrctl doctor" tools/mdrctl/monitoring/alerts.yml
}
