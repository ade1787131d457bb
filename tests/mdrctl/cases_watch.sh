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
		ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 timeout 20 "$@"
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
