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
	: >"$dir/trace"
}

declare_case timeline "recoveries are cut into phases, with the waits of users"
timeline() {
	host_two
	golden timeline timeline --file "$here/traces/two"
	json timeline timeline --file "$here/traces/two"
	golden timeline-group timeline group9 --file "$here/traces/two"
	ctl timeline "$dev2" --file "$here/traces/two"
	is "by function" "$said" "$(cat "$here/golden/timeline-group")"
	golden timeline-last timeline --last=1 --file "$here/traces/two"
	is "from stdin" "$("$mdrctl" timeline --file - <"$here/traces/two")" \
		"$(cat "$here/golden/timeline")"
}

declare_case timeline_many "resets, errors in a recovery, late ends, and what a trace lacks"
timeline_many() {
	host_two
	golden timeline-many timeline --file "$here/traces/many"
	json timeline timeline-many --file "$here/traces/many"
}

declare_case timeline_early "a clock that begins anew, and what began before its recovery or after it"
timeline_early() {
	host_two
	golden timeline-early timeline --file "$here/traces/early"
	json timeline timeline-early --file "$here/traces/early"
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

declare_case timeline_foreign "what is no trace of ours says nothing, and breaks nothing"
timeline_foreign() {
	local line
	host_two
	ctl timeline --file /dev/null
	is said "$said" "There is no recovery in the trace."
	{
		head -c 4096 "$mdrctl"
		# a line that is read in pieces, the last of which looks like one
		printf '\n'
		printf 'x%.0s' {1..3069}
		printf ' 1.000000: mdr_state: group1 id=1 open --error_fatal--> closing\n'
		while read -r line; do
			printf ' aer-1 [000] %s\n' "$line"
		done <<-'END'
			1.000000: mdr_state: group1 id=1 open --error_fatal--> <svg>
			1.000000: mdr_state: group1<x> id=1 open --error_fatal--> closing
			1.000000: mdr_state: group id=1 open --error_fatal--> closing
			1.000000: mdr_state: group1234567890 id=1 open --error_fatal--> closing
			1.000000: mdr_state: group1 id=18446744073709551615 open --error_fatal--> closing
			1.00: mdr_state: group1 id=1 open --error_fatal--> closing
			-1.000000: mdr_state: group1 id=1 open --error_fatal--> closing
			99999999999999999999.000000: mdr_state: group1 id=1 open --error_fatal--> closing
			1.000000: mdr_state: group1 id=1 open
			1.000000: mdr_stall: group1 ns=1 result=0
			1.000000: mdr_drain: group1 ns=18446744073709551615 drained=1
		END
	} >"$work/foreign"
	ctl timeline --file "$work/foreign"
	is said "$said" "There is no recovery in the trace."
	golden timeline-no-file timeline --file "$host/missing"
	golden timeline-wrong timeline --last=0 --file /dev/null
	golden timeline-no-group timeline "$uuid2" --file /dev/null
	golden timeline-svg-none timeline --file /dev/null --svg "$host/none.svg"
	[ ! -e "$host/none.svg" ] || fail "it drew nothing"
}

declare_case timeline_text "what is read is what the driver writes"
timeline_text() {
	local name
	for name in '"%s id=%llu %s --%s--> %s"' '"%s ns=%llu result=%d"' '"%s ns=%llu drained=%d"' \
		'"%s %s ns=%llu result=%d"'; do
		grep -qF "TP_printk($name" "$kernel_dir/trace.h" || fail "trace.h has no $name"
	done
	while read -r name; do
		grep -q "\"$name\"" "$kernel_dir/machine.c" || fail "the driver has no $name"
	done < <(sed -n '/cause_text(/,/^}/s/^\t\t{ "\([a-z_]*\)", .*/\1/p' tools/mdrctl/phases.c)
	while read -r name; do
		grep -q "^\.It Cm $name$" tools/mdrctl/man/mdrctl-timeline.8 || fail "no $name in its page"
	done < <(sed -n 's/^\t{ "\([a-z]*\)", .*"#.*/\1/p' tools/mdrctl/phases.c | grep -vx other)
}

declare_case timeline_live "what was recorded is shown with the time of day, again and again"
timeline_live() {
	local dir before
	host_recording
	dir=$(tracing)/instances/mdev_recovery
	echo 'local [mono]' >"$dir/trace_clock"
	echo 1 >"$dir/events/mdev_recovery/enable"
	cp "$here/traces/two" "$dir/trace"
	ctl timeline "$uuid" --json
	before=$said
	# 6.884949 s after the machine began
	[ "$(jq ".recoveries[0].time_us / 1e6 - 6.884949 - (now - $(cut -d ' ' -f 1 /proc/uptime)) | fabs < 5" \
		<<<"$said")" = true ] || fail "it is not then: $said"
	ctl timeline "$uuid" --json
	is again "$(jq 'del(.recoveries[].time_us)' <<<"$said")" \
		"$(jq 'del(.recoveries[].time_us)' <<<"$before")"
	ctl timeline "$uuid"
	says "fatal error at $(date +%Y)-"
	echo 0 >"$dir/events/mdev_recovery/enable"
	ctl timeline "$uuid"
	says "new recoveries are not recorded" "--record=on" "open after 160.703 ms"
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
	host_two
	for name in two many; do
		ctl timeline --file "$here/traces/$name" --svg "$work/$name.svg"
		is said "$said" ''
		xmllint --noout "$work/$name.svg"
		geometry "$work/$name.svg"
	done
	if [ "$write" = 1 ]; then
		cp "$work/two.svg" "$here/golden/timeline.svg"
	fi
	diff "$here/golden/timeline.svg" "$work/two.svg"
	# many users wait, some of them for long
	{
		cat "$here/traces/two"
		for name in {1..20}; do
			echo "x-1 [000] 7.04${name}: mdr_stall: group16 ns=1${name}000000 result=0" |
				sed -E 's/7\.04([0-9]*)/&0000/; s/(7\.[0-9]{6})[0-9]*/\1/'
		done
	} >"$work/users"
	ctl timeline group16 --file "$work/users" --svg "$work/users.svg"
	geometry "$work/users.svg"
	grep -q "and 15 more waits of users" "$work/users.svg"
	ctl timeline --file "$here/traces/two" --svg "$work/missing/x.svg"
	says "No such file" "make its directory first" "exit 3"
}

declare_case timeline_geometry "the check of the picture can fail"
timeline_geometry() {
	local change
	"$mdrctl" timeline --file "$here/traces/two" --svg "$work/good.svg"
	geometry "$work/good.svg"
	for change in 's/(viewBox="0 0 960 )[0-9]*/\1300/' 's/ms<\/text>/ms, and more than there is room for<\/text>/' \
		'0,/^<rect x="/s/^<rect x="/&9/' 's/(<text.*font-size=")11"/\140"/' '/^<rect x/d'; do
		sed -E "$change" "$work/good.svg" >"$work/bad.svg"
		! geometry "$work/bad.svg" >/dev/null || fail "not noticed: $change"
	done
}
