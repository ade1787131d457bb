# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # set by host.sh and run
#
# What a trace tells of recoveries.

tracing() { printf '%s' "$host/sys/kernel/tracing"; }

# host_tracing: host_two with a tracefs that knows the module's tracepoints
host_tracing() {
	host_two
	mkdir -p "$(tracing)"/{instances,events/mdev_recovery}
}

# host_recording: and records them, by a clock of the machine; nothing is on yet
host_recording() {
	local dir
	host_tracing
	dir=$(tracing)/instances/mdev_recovery
	mkdir -p "$dir/events/mdev_recovery"
	echo '[local] global counter mono' >"$dir/trace_clock"
	echo 1408 >"$dir/buffer_size_kb"
	echo 0 >"$dir/events/mdev_recovery/enable"
	echo 0 >"$dir/tracing_on"
}

# host_traced FILE: and has recorded what is in FILE
host_traced() {
	host_recording
	echo 1 >"$(tracing)/instances/mdev_recovery/events/mdev_recovery/enable"
	"$build/rings" "$(tracing)" <"$1"
}

declare_case timeline "recoveries are cut into phases, with the waits of users"
timeline() {
	host_traced "$here/traces/two"
	golden timeline timeline
	json timeline timeline
	golden timeline-group timeline group9
	ctl timeline "$dev2"
	is "by function" "$said" "$(cat "$here/golden/timeline-group")"
	golden timeline-last timeline --last=1
}

declare_case timeline_many "resets, errors in a recovery, late ends, and what a trace lacks"
timeline_many() {
	host_traced "$here/traces/many"
	golden timeline-many timeline
	json timeline timeline-many
}

declare_case timeline_early "what began before its recovery or after it"
timeline_early() {
	host_traced "$here/traces/early"
	golden timeline-early timeline
	json timeline timeline-early
}

declare_case timeline_phases "phases have no gaps, and together they are the whole"
timeline_phases() {
	local file
	host_two
	for file in "$here"/golden/timeline{,-many,-early}.json; do
		jq -e '.recoveries | length > 1 and all(
			.took_us as $took | .phases as $p |
			if ($p | length) == 0 then $took == 0 else
				$p[0].after_us == 0 and
				($p[-1].after_us + $p[-1].took_us == $took) and
				([range(1; $p | length) |
					$p[. - 1].after_us + $p[. - 1].took_us == $p[.].after_us] | all)
			end)' "$file" >/dev/null || fail "$file has gaps"
	done
}

declare_case timeline_file "what was printed as JSON is shown and drawn elsewhere"
timeline_file() {
	host_two
	ctl timeline --file "$here/golden/timeline.json"
	is said "$said" "$(cat "$here/golden/timeline")"
	ctl timeline --file "$here/golden/timeline.json" --json
	is again "$said" "$(cat "$here/golden/timeline.json")"
	ctl timeline group9 --file "$here/golden/timeline.json"
	is "one group" "$said" "$(cat "$here/golden/timeline-group")"
	is "from stdin" "$("$mdrctl" timeline --file - <"$here/golden/timeline.json")" \
		"$(cat "$here/golden/timeline")"
	golden timeline-no-file timeline --file "$host/missing"
	golden timeline-no-group timeline "$uuid2" --file "$here/golden/timeline.json"
	ctl timeline --file "$here/golden/timeline.json" --svg "$work/file.svg"
	diff "$here/golden/timeline.svg" "$work/file.svg"
}

declare_case timeline_foreign "what is no recovery is refused as a whole"
timeline_foreign() {
	local change n=0
	host_two
	while read -r change; do
		n=$((n + 1))
		jq "$change" "$here/golden/timeline.json" >"$work/foreign"
		ctl timeline --file "$work/foreign"
		says "foreign: has no recoveries" "mdrctl timeline --json, on the host" "exit 1"
		case $said in *group16*) fail "$change: $said" ;; esac
	done <<-'END'
		[]
		del(.version)
		.version = 2
		.recoveries = {}
		.recoveries += [1]
		.recoveries[1].group = "group1<svg>"
		.recoveries[1].group = "group"
		.recoveries[1].group = 16
		.recoveries[1].cause = "a<svg>"
		.recoveries[1].cause = null
		.recoveries[1].cause = "\("a" * 32)"
		.recoveries[1].end = ""
		.recoveries[1].took_us = -1
		.recoveries[1].took_us = 9223372036854775807
		.recoveries[1].took_us = "1"
		.recoveries[1].start_us = 1.5
		.recoveries[1].whole = 1
		.recoveries[1].events = null
		.recoveries[1].events[0] = "3"
		del(.recoveries[1].stalls)
		.recoveries[1].phases[0] = []
		del(.recoveries[1].phases[0].name)
		.recoveries[1].steps[0].to = "A"
		.recoveries[1].stalls[0].after_us = -9223372036854775807
	END
	[ "$n" = 24 ] || fail "only $n changes"
	for change in /dev/null "$mdrctl" "$here/traces/two"; do
		ctl timeline --file "$change"
		says "has no recoveries"
	done
	golden timeline-wrong timeline --last=0 --file "$here/golden/timeline.json"
}

declare_case timeline_format "what is read is what the driver writes, or it is said that it is not"
timeline_format() {
	local dir name field
	while read -r name; do
		grep -q "\"$name\"" "$kernel_dir/machine.c" || fail "the driver has no $name"
	done < <(sed -n '/cause_text(/,/^}/s/^\t\t{ "\([a-z_]*\)", .*/\1/p' tools/mdrctl/phases.c)
	while read -r name; do
		grep -q "^\.It Cm $name$" tools/mdrctl/man/mdrctl-timeline.8 || fail "no $name in its page"
	done < <(sed -n 's/^\t{ "\([a-z]*\)", .*"#.*/\1/p' tools/mdrctl/phases.c | grep -vx other)
	host_traced "$here/traces/two"
	dir=$(tracing)/events/mdev_recovery
	for name in mdr_state mdr_drain mdr_restore mdr_stall; do
		sed -n "/^TRACE_EVENT($name,/,/^);/p" "$kernel_dir/trace.h" >"$work/event"
		grep -q . "$work/event" || fail "trace.h has no $name"
		while read -r field; do
			grep -qE "__(string\($field,|field\([a-z0-9]+, $field\))" "$work/event" ||
				fail "trace.h has no $field in $name"
			# every field is needed
			cp "$dir/$name/format" "$work/format"
			sed -i "s/ $field;/ x$field;/" "$dir/$name/format"
			ctl timeline
			case $field in
			function) says "group9  event 3" ;;
			*) says "has other tracepoints than this mdrctl knows" "mdrctl doctor" "exit 1" ;;
			esac
			cp "$work/format" "$dir/$name/format"
		done < <(sed -n '/common_/d; s/^\tfield:.* \([a-z]*\);.*/\1/p' "$dir/$name/format")
	done
	# a state by its number, as older modules have it
	sed -i 's/__data_loc char\[\] from/unsigned int from/' "$dir/mdr_state/format"
	ctl timeline
	says "has other tracepoints"
	rm "$dir/mdr_state/format"
	ctl timeline
	says "has other tracepoints"
}

declare_case timeline_live "what was recorded is shown with the time of day, again and again"
timeline_live() {
	local dir before rings
	host_traced "$here/traces/two"
	dir=$(tracing)/instances/mdev_recovery
	echo 'local [mono]' >"$dir/trace_clock"
	rings=$(cat "$dir"/per_cpu/*/trace_pipe_raw | cksum)
	ctl timeline "$uuid" --json
	before=$said
	# 6.884949 s after the machine began
	[ "$(jq ".recoveries[0].time_us / 1e6 - 6.884949 - (now - $(cut -d ' ' -f 1 /proc/uptime)) | fabs < 5" \
		<<<"$said")" = true ] || fail "it is not then: $said"
	ctl timeline "$uuid" --json
	is again "$(jq 'del(.recoveries[].time_us)' <<<"$said")" \
		"$(jq 'del(.recoveries[].time_us)' <<<"$before")"
	is rings "$(cat "$dir"/per_cpu/*/trace_pipe_raw | cksum)" "$rings"
	ctl timeline "$uuid"
	says "fatal error at $(date +%Y)-"
	echo 0 >"$dir/events/mdev_recovery/enable"
	ctl timeline "$uuid"
	says "new recoveries are not recorded" "--record=on" "open after 160.703 ms"
}

declare_case timeline_lost "what overwritten entries may have told of is said, and nothing else"
timeline_lost() {
	local whole
	host_traced <(
		cat "$here/traces/two"
		echo "CPU:2 [LOST 12 EVENTS]"
		echo " x-1 [002] ..... 10.000000: mdr_stall: group16 ns=1 result=0"
	)
	ctl timeline --json
	whole=$(jq -c '[.recoveries[] | [.group, .whole]]' <<<"$said")
	is "the first one" "$whole" '[["group16",false],["group9",true]]'
	ctl timeline
	says "a part of it may be missing in the trace"
	# another reader took them
	host_traced <(cat "$here/traces/two" && echo "CPU:0 [TAKEN 1 EVENTS]")
	ctl timeline --json
	whole=$(jq -c '[.recoveries[] | .whole]' <<<"$said")
	is "with a reader" "$whole" '[false,true]'
	golden timeline-svg-none timeline group77 --svg "$host/none.svg"
	[ ! -e "$host/none.svg" ] || fail "it drew nothing"
	# a CPU without an entry
	host_traced /dev/null
	ctl timeline
	is nothing "$said" "There is no recovery in the trace."
}

declare_case timeline_off "what is not recorded is said, with the way to it"
timeline_off() {
	host_tracing
	golden timeline-off timeline
	rmdir "$(tracing)/events/mdev_recovery"
	golden timeline-no-module timeline
	golden timeline-no-module timeline --record=on
	rmdir "$(tracing)/instances"
	golden timeline-no-tracefs timeline
}

declare_case timeline_record "recording has a ring of its own, of bounded size, and ends without a trace"
timeline_record() {
	local dir
	host_recording
	dir=$(tracing)/instances/mdev_recovery
	ctl timeline --record=on
	is said "$said" ''
	is clock "$(cat "$dir/trace_clock")" mono
	is size "$(cat "$dir/buffer_size_kb")" 64
	is events "$(cat "$dir/events/mdev_recovery/enable")" 1
	is tracing "$(cat "$dir/tracing_on")" 1
	# the same clock again would empty the ring
	echo 'local [mono]' >"$dir/trace_clock"
	ctl timeline --record on
	is clock "$(cat "$dir/trace_clock")" 'local [mono]'
	rm "$dir/tracing_on"
	ctl timeline --record=on
	says "tracing_on: No such file"
	# as tracefs has it: with the directory all in it goes
	rm -r "${dir:?}"
	mkdir "$dir"
	ctl timeline --record=off
	is said "$said" ''
	[ ! -e "$dir" ] || fail "it is there still"
	ctl timeline --record=off
	is said "$said" ''
	golden timeline-record-wrong timeline --record=yes
	golden timeline-record-more timeline --record=on --last=3
}

# geometry FILE: every text and box is inside the picture, no two texts meet, and a
# text in a box fits it. Letters are taken for wide ones.
geometry() {
	awk '
	function attr(name) {
		return match($0, " " name "=\"[^\"]*\"") ? \
			substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4) : ""
	}
	function bad(why) { print FILENAME ": " NR ": " why ": " $0; wrong = 1 }
	/^<svg/ { split(attr("viewBox"), box, " "); next }
	/^<text/ {
		n++
		size = attr("font-size")
		text = $0
		gsub(/<[^>]*>/, "", text)
		width = length(text) * size * 0.62
		anchor = attr("text-anchor")
		x[n] = attr("x") - (anchor == "end" ? width : anchor == "middle" ? width / 2 : 0)
		right[n] = x[n] + width
		y[n] = attr("y") - size
		bottom[n] = attr("y") + size / 4
		if (x[n] < 0 || right[n] > box[3] || y[n] < 0 || bottom[n] > box[4]) bad("outside")
		for (i = 1; i < n; i++)
			if (x[n] < right[i] && x[i] < right[n] && y[n] < bottom[i] && y[i] < bottom[n])
				bad("meets text " i)
		if (attr("fill") == "#ffffff" && (x[n] < bx || right[n] > bx + bw)) bad("wider than its box")
	}
	/^<rect x/ {
		boxes++
		bx = attr("x"); bw = attr("width")
		if (bx < 0 || bx + bw > box[3] || bw <= 0) bad("outside")
		if (attr("y") < 0 || attr("y") + attr("height") > box[4]) bad("outside")
	}
	END { exit wrong || n < 8 || boxes < 5 }' "$1"
}

declare_case timeline_svg "the picture is whole, and nothing in it covers another thing"
timeline_svg() {
	local name
	for name in two many; do
		host_traced "$here/traces/$name"
		ctl timeline --svg "$work/$name.svg"
		is said "$said" ''
		xmllint --noout "$work/$name.svg"
		geometry "$work/$name.svg"
	done
	if [ "$write" = 1 ]; then
		cp "$work/two.svg" "$here/golden/timeline.svg"
	fi
	diff "$here/golden/timeline.svg" "$work/two.svg"
	# many users wait, some of them for long
	jq '.recoveries[0].stalls += [range(1; 21) | {
		after_us: (13000 + 100 * .), took_us: (100000 + 1000 * .), result: 0 }]' \
		"$here/golden/timeline.json" >"$work/users"
	ctl timeline group16 --file "$work/users" --svg "$work/users.svg"
	geometry "$work/users.svg"
	grep -q "and 15 more waits of users" "$work/users.svg"
	ctl timeline --file "$work/users" --svg "$work/missing/x.svg"
	says "No such file" "make its directory first" "exit 3"
}

declare_case timeline_geometry "the check of the picture can fail"
timeline_geometry() {
	local change
	"$mdrctl" timeline --file "$here/golden/timeline.json" --svg "$work/good.svg"
	geometry "$work/good.svg"
	for change in 's/(viewBox="0 0 960 )[0-9]*/\1300/' 's/ms<\/text>/ms, and more than there is room for<\/text>/' \
		'0,/^<rect x="/s/^<rect x="/&9/' 's/(<text.*font-size=")11"/\140"/' '/^<rect x/d'; do
		sed -E "$change" "$work/good.svg" >"$work/bad.svg"
		! geometry "$work/bad.svg" >/dev/null || fail "not noticed: $change"
	done
}
