# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # set by host.sh and run
#
# What watch shows of uevents, which come from a pipe, see uevents.c.

# uevent LINE...: of the kernel
uevent() { printf '%s\n' "$@" >"$host/uevents"; }

# host_watched: with a pipe for uevents, which keeps what nobody has read
host_watched() {
	host_two
	mkfifo "$host/uevents"
	exec 8<>"$host/uevents"
}

# watching CMD...: for all that libudev would have said
watching() {
	UEVENTS=$host/uevents LD_PRELOAD=$PWD/$build/uevents.so \
		ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 timeout -k 2 20 "$@"
}

# no_times: what is the same each time
no_times() { sed -e 's/^[-0-9]* [0-9:.]*/TIME/' -e 's/"time_us":[0-9]*/"time_us":1/'; }

declare_case watch "watch has a line for each change, as text and as JSON"
watch() {
	local line
	host_watched
	uevent "change group16 closing 4 fatal $dev" 'change group16 open 4 fatal -' 'remove group9'
	said=$(watching "$mdrctl" --root "$host" watch --count 3 | no_times)
	is said "$said" "TIME  group16   closing    event 4  fatal  $dev
TIME  group16   open       event 4  fatal
TIME  group9    remove"
	uevent "change group16 closing 4 fatal $dev" 'add group7'
	said=$(watching "$mdrctl" --root "$host" watch --json --count 2 | no_times)
	is said "$said" '{"version":1,"time_us":1,"action":"change","group":"group16","state":"closing","event":4,"cause":"fatal","function":"'"$dev"'"}
{"version":1,"time_us":1,"action":"add","group":"group7","state":null,"event":0,"cause":null,"function":null}'
	while read -r line; do
		accepted jsonschema -i <(echo "$line") tools/mdrctl/schema/watch.json
	done <<<"$said"
	ctl watch --count 0
	is said "$said" $'mdrctl: 0: is not a number of changes\nexit 2'
}

declare_case watch_lost "that changes were lost is a line, too, and no change"
watch_lost() {
	host_watched
	uevent 'change group16 closing 4 fatal -' lost 'change group16 open 9 fatal -'
	said=$(watching "$mdrctl" --root "$host" watch --count 2 | no_times)
	is said "$said" "TIME  group16   closing    event 4  fatal
TIME  some changes were lost; mdrctl list shows what all groups are now
TIME  group16   open       event 9  fatal"
	uevent lost 'change group16 open 9 fatal -'
	said=$(watching "$mdrctl" --root "$host" watch --json --count 1 | no_times | head -n 1)
	is said "$said" '{"version":1,"time_us":1,"action":"lost","group":null,"state":null,"event":0,"cause":null,"function":null}'
	accepted jsonschema -i <(echo "$said") tools/mdrctl/schema/watch.json
}

declare_case watch_full "watch ends when nobody reads it, or nothing can be written"
watch_full() {
	local status=0
	host_watched
	uevent 'change group16 closing 4 fatal -'
	watching "$mdrctl" --root "$host" watch >/dev/full 2>"$work/err" || status=$?
	is "exit code" "$status" 1
	is said "$(cat "$work/err")" "mdrctl: mdrctl: cannot write what it has found"
	# a service has no SIGPIPE
	uevent 'change group16 closing 4 fatal -'
	{
		trap '' PIPE
		status=0
		watching "$mdrctl" --root "$host" watch --json 2>"$work/err" || status=$?
		echo "$status" >"$work/status"
	} | true
	is "exit code" "$(cat "$work/status")" 1
}

declare_case watch_screen "a terminal shows the table and the latest changes, and says if there is no module"
watch_screen() {
	host_watched
	uevent lost 'change group16 holding 4 fatal -'
	said=$(TERM=xterm watching script -qec "$mdrctl --root $host watch --count 1" /dev/null </dev/null)
	says "group16   " "$uuid" "event 4" "some changes were lost"
	rm -r "$sys/class/mdev_recovery"
	uevent 'change group16 holding 4 fatal -'
	said=$(TERM=xterm watching script -qec "$mdrctl --root $host watch --count 1" /dev/null </dev/null)
	says "The module mdev_recovery is not loaded."
}

# host_crowded: with groups 30 to 59, too
host_crowded() {
	local n dir
	host_watched
	for n in {30..59}; do
		dir=$sys/class/mdev_recovery/group$n
		mkdir "$dir"
		echo open >"$dir/state"
		echo "0000:$n:00.0" >"$dir/functions"
	done
}

# on_screen ROWS COLUMNS COMMAND: what it writes to a terminal of that size. said: the last
# screen, without colours; frames: how often it was drawn
on_screen() {
	local all
	all=$(TERM=xterm watching script -qec "stty rows $1 cols $2; $3" /dev/null </dev/null | tr -d '\r')
	frames=$(grep -c $'^\e\\[H\e\\[J' <<<"$all" || true)
	said=$(awk 'BEGIN { RS = "\033\\[H\033\\[J" } { last = $0 } END { printf "%s", last }' <<<"$all" |
		sed 's/\x1b\[[0-9;]*m//g; s/^[0-9]*-[-0-9]* [0-9:.]*/TIME/')
}

declare_case watch_fits "no line and no table is larger than the terminal"
watch_fits() {
	local line rows columns
	host_crowded
	while read -r rows columns; do
		uevent "change group16 holding 4 fatal $dev" lost "change group9 closing 5 fatal $dev2"
		on_screen "$rows" "$columns" "$mdrctl --root $host watch --count 2"
		[ "$(wc -l <<<"$said")" -lt "$rows" ] || [ "$rows" -lt 3 ] || fail "too high:" "$said"
		while IFS= read -r line; do
			[ "${#line}" -le "$columns" ] || fail "too wide for $columns: $line"
		done <<<"$said"
	done <<<"10 40
24 80
3 20
1 1"
	uevent "change group16 holding 4 fatal $dev"
	on_screen 10 100 "$mdrctl --root $host watch --count 1"
	# shellcheck disable=SC2001 # of each line
	is said "$(sed 's/ *$//' <<<"$said")" "GROUP     STATE      TYPE     EVENT CAUSE      FUNCTION      MDEV
group9    open       none         0 none       0000:06:00.0  -
group16   open       hold         3 fatal      0000:05:00.0  $uuid
group30   open       unknown      0 unknown    0000:30:00.0  -
group31   open       unknown      0 unknown    0000:31:00.0  -
group32   open       unknown      0 unknown    0000:32:00.0  -
27 more; make the terminal higher or name a group

TIME  group16   holding    event 4  fatal  0000:05:00.0"
	uevent "change group16 holding 4 fatal $dev"
	on_screen 10 40 "$mdrctl --root $host watch --count 1"
	says "27 more; name a group" "group16   holding"
}

declare_case watch_resized "the table is drawn anew when the terminal changes its size"
watch_resized() {
	host_crowded
	on_screen 10 100 "$mdrctl --root $host watch --count 1 & sleep 1; stty rows 50; sleep 1;
		echo 'change group16 holding 4 fatal -' >$host/uevents; wait"
	is frames "$frames" 3
	says "group59"
}

declare_case watch_group "watch shows only the group that is named"
watch_group() {
	host_crowded
	uevent "change group16 closing 4 fatal $dev" 'change group9 closing 5 fatal -' 'remove group9'
	said=$(watching "$mdrctl" --root "$host" watch --count 2 9 | no_times)
	is said "$said" "TIME  group9    closing    event 5  fatal
TIME  group9    remove"
	uevent 'change group9 closing 5 fatal -' "change group16 closing 4 fatal $dev"
	on_screen 24 100 "$mdrctl --root $host watch --count 1 $uuid"
	says "group16   open" "TIME  group16   closing"
	case $said in *group9* | *group30*) fail "another group:" "$said" ;; esac
	ctl watch groups
	says "mdrctl: groups: is no name of a group" "exit 2"
}
