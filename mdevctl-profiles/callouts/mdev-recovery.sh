#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Callout of mdevctl for the types of mdev-recovery. mdevctl runs it as
#
#   mdev-recovery.sh -t TYPE -e EVENT -a ACTION -s STATE -u UUID -p PARENT
#
# with the configuration, or mdevctl's own capabilities, as JSON on stdin.
#
#   get capabilities   version 2, and live changes
#   get attributes     the settings of a running mdev, as JSON
#   pre define         refuses a profile that this host cannot honour
#   pre start          the same, at the last moment
#   pre modify         refuses settings that no host can honour
#   live modify        applies the profile to a running mdev
#
# Exit codes: 0 done, 2 not our type, else refused; the reason is on stderr,
# which mdevctl shows. Like mdevctl, it works below $MDEVCTL_ENV_ROOT if that is set.
set -eu

# The settings of an mdev: name, kind, minimum and maximum or the words, default.
# As the kernel module has them; all may change live.
settings='
stall_timeout_ms number 0 3600000 2000
hold_timeout_ms number 0 3600000 10000
recovery_timeout_ms number 100 3600000 90000
dead_access word ones fault ones
nonfatal_action word continue reset continue
reset_elision word never pristine never
breaker_max number 0 63 5
breaker_window_ms number 1 3600000 60000
revoke word wait kill wait
revoke_timeout_ms number 0 3600000 10000
'

root=${MDEVCTL_ENV_ROOT:-}
root=${root%/}
sys=$root/sys

type='' event='' action='' uuid='' parent=''
while [ $# -ge 2 ]; do
	case $1 in
	-t) type=$2 ;;
	-e) event=$2 ;;
	-a) action=$2 ;;
	-u) uuid=$2 ;;
	-p) parent=$2 ;;
	esac
	shift 2
done

say() {
	printf '%s\n' "$*" >&2
}

refuse() {
	say "$*"
	[ "$action" != modify ] || log_modify warning refused
	exit 1
}

warn() {
	say "warning: $*"
}

is_pci_address() {
	case $1 in
	*[!0-9a-f:.]*) return 1 ;;
	????*:??:??.[0-7]) return 0 ;;
	*) return 1 ;;
	esac
}

# base_of LINK: the last part of where it points to; nothing if there is none
base_of() {
	link=$(readlink "$1" 2>/dev/null) || return 0
	printf '%s' "${link##*/}"
}

# value_of FILE: its first line; nothing if there is none
value_of() {
	value=''
	{ read -r value <"$1"; } 2>/dev/null || :
	printf '%s' "$value"
}

# The directory of the IOMMU group in the class, if the group has one.
group_dir() {
	number=$(base_of "$sys/bus/pci/devices/$parent/iommu_group")
	[ -z "$number" ] || printf '%s' "$sys/class/mdev_recovery/group$number"
}

# log_modify PRIORITY OUTCOME: a line in the system log. All others are written by
# the notifier; mdevctl tells it the same of a live change that was done, of one
# that was refused, and of a definition that was refused.
log_modify() {
	what=modify now='' group=$(group_dir)
	[ "$event" = pre ] || what='live modify'
	[ -z "$group" ] || now="; ${group##*/} is $(value_of "$group/state"), policy $(value_of "$group/policy")"
	logger -t mdev-recovery -p "daemon.$1" \
		"$what of mdev $uuid ($type on $parent): $2$now" || :
}

# Ours are those of mdr-pci, and of any function that the shim knows.
is_our_type() {
	case $type in
	mdr-pci-*) return 0 ;;
	*-resume | *-hold | *-evict) is_pci_address "$parent" && [ -e "$(group_dir)/$parent" ] ;;
	*) return 1 ;;
	esac
}

# Prints the attributes of the JSON on stdin, "NAME VALUE" each, in their order.
# mdevctl writes strings only, on one line; an escaped character is in no name
# and in no value of ours, so it stays as it is and is refused as such.
read_profile() {
	awk '
	{ text = text $0 " " }
	END {
		string = "\"([^\"\\\\]|\\\\.)*\""
		if (!match(text, /"attrs"[ \t]*:[ \t]*/))
			exit 0
		text = substr(text, RSTART + RLENGTH)
		if (text ~ /^null/)
			exit 0
		if (!sub(/^\[/, "", text))
			exit 1
		pair = "^[ \t,]*[{][ \t]*" string "[ \t]*:[ \t]*" string "[ \t]*[}]"
		while (match(text, pair)) {
			one = substr(text, 1, RLENGTH)
			text = substr(text, RLENGTH + 1)
			match(one, string)
			name = substr(one, RSTART + 1, RLENGTH - 2)
			one = substr(one, RSTART + RLENGTH)
			match(one, string)
			value = substr(one, RSTART + 1, RLENGTH - 2)
			if (name == "")
				name = "\"\""
			gsub(/[ \t]/, "%20", name)
			gsub(/[ \t]/, "%20", value)
			print name, value
		}
		if (text !~ /^[ \t]*\]/)
			exit 1
	}'
}

# setting NAME: sets kind, low, high and default; false if there is none.
setting() {
	while read -r known kind low high default; do
		[ -z "$known" ] || [ "$known" != "$1" ] || return 0
	done <<-EOT
		$settings
	EOT
	return 1
}

is_number() {
	case $1 in
	'' | *[!0-9]*) return 1 ;;
	esac
	number=$1
	while [ "${number#0}" != "$number" ] && [ -n "${number#0}" ]; do
		number=${number#0}
	done
	[ ${#number} -le 9 ] && [ "$number" -ge "$2" ] && [ "$number" -le "$3" ]
}

names() {
	while read -r known _; do
		[ -z "$known" ] || printf ' %s' "recovery/$known"
	done <<-EOT
		$settings
	EOT
}

# complaint NAME VALUE: what is wrong with it; nothing if it can be set
complaint() {
	case $1 in
	recovery/*) name=${1#recovery/} ;;
	*) name='' ;;
	esac
	if ! setting "$name"; then
		echo "$1: no such attribute"
	elif [ "$kind" = number ]; then
		is_number "$2" "$low" "$high" || echo "$1: '$2' is not a number from $low to $high"
	elif [ "$2" != "$low" ] && [ "$2" != "$high" ]; then
		echo "$1: '$2' is neither '$low' nor '$high'"
	fi
}

# Reports every wrong setting, not just the first.
check_settings() {
	wrong=0 seen=' '
	while read -r attr value; do
		[ -n "$attr" ] || continue
		found=$(complaint "$attr" "$value")
		if [ -n "$found" ]; then
			say "$found"
			wrong=1
		fi
		case $seen in
		*" $attr "*) warn "$attr is given more than once: the last value counts" ;;
		esac
		seen="$seen$attr "
	done <<-EOT
		$profile
	EOT
	[ "$wrong" = 0 ] || refuse "nothing was changed; there are:$(names); see /usr/share/doc/mdev-recovery/Documentation/ABI/testing/sysfs-bus-mdev-recovery"
}

check_type() {
	case $type in
	*-resume | *-hold | *-evict) ;;
	*) refuse "no such type: $type; there are mdr-pci-resume, mdr-pci-hold, mdr-pci-evict" ;;
	esac
}

# Can the parent have an mdev of this type, now?
check_parent() {
	function=$sys/bus/pci/devices/$parent
	driver=${type%-*}
	[ -e "$function" ] ||
		refuse "$parent: this host has no such PCI function; lspci -D lists them"
	[ -e "$function/iommu_group" ] ||
		refuse "$parent is in no IOMMU group: enable the IOMMU (for example intel_iommu=on)"
	bound=$(base_of "$function/driver")
	if [ "$bound" != "$driver" ]; then
		say "$parent is bound to ${bound:-no driver}, and not to $driver; to bind it:"
		[ -z "$bound" ] || say "  echo $parent > /sys/bus/pci/devices/$parent/driver/unbind"
		say "  echo $driver > /sys/bus/pci/devices/$parent/driver_override"
		say "  echo $parent > /sys/bus/pci/drivers_probe"
		exit 1
	fi
	[ -e "$function/mdev_supported_types/$type" ] ||
		refuse "$parent: its driver $bound offers no type $type; see mdevctl types"
}

# An error must reach the kernel at the root port, through AER or DPC.
check_reports() {
	path=$(readlink -f "$sys/bus/pci/devices/$parent") || return 0
	path=${path##*/pci}
	path=${path#*/}
	port=${path%%/*}
	if [ "$port" = "$parent" ]; then
		warn "$parent sits below no port: the kernel may hear of none of its errors"
		return 0
	fi
	drivers=$sys/bus/pci_express/drivers
	for service in "$drivers/aer/$port:"* "$drivers/dpc/$port:"*; do
		[ ! -e "$service" ] || return 0
	done
	warn "root port $port has no AER service: of errors of $parent the kernel hears only what the firmware reports, if anything (see dmesg, and the operators' guide)"
}

# A line of the list is a function, and the port from which on it blocks.
blockers_of() {
	while read -r function from; do
		printf " %s (from port %s on)" "$function" "$from"
	done <"$1" 2>/dev/null || :
}

check_group() {
	group=$(group_dir)
	[ -r "$group/blockers" ] || return 0
	blockers=$(blockers_of "$group/blockers")
	if [ -n "$blockers" ]; then
		warn "the kernel abandons recoveries of $parent while these have no error handler; bind them to mdr-pci:$blockers"
	fi
	if [ "$(value_of "$group/state")" = failed ]; then
		warn "${group##*/} is failed (cause $(value_of "$group/cause")): it cannot be used before: echo 1 > /sys/class/mdev_recovery/${group##*/}/recover"
	fi
}

# After an upgrade the old modules stay loaded.
check_version() {
	ours=$(value_of "$root/usr/share/mdev-recovery/version")
	loaded=$(value_of "$sys/module/mdev_recovery/version")
	[ -n "$ours" ] && [ "$ours" != "$loaded" ] || return 0
	warn "the loaded module mdev_recovery has version ${loaded:-unknown}, the installed one $ours: reboot, or unload it and load it again"
}

# A function has at most one mdev: of two that start automatically, one cannot.
check_autostart() {
	case $json in *\"start\":\"auto\"*) ;; *) return 0 ;; esac
	for other in "$root/etc/mdevctl.d/$parent"/*; do
		[ -f "$other" ] || continue
		[ "${other##*/}" != "$uuid" ] || continue
		if grep -q "\"start\": *\"auto\"" "$other"; then
			warn "mdev ${other##*/} of $parent starts by itself too, and a function has only one mdev"
		fi
	done
}

check_host() {
	is_pci_address "$parent" || refuse "parent '$parent' is not the address of a PCI function, like 0000:05:00.0"
	check_parent
	check_version
	check_reports
	check_group
}

capabilities() {
	printf '{"supports":{"version":2,'
	printf '"actions":["start","stop","define","undefine","modify","attributes","capabilities"],'
	printf '"events":["pre","post","notify","get","live"]}}\n'
}

read_back() {
	dir=$sys/bus/mdev/devices/$uuid/recovery comma=""
	printf "["
	while read -r name _; do
		[ -n "$name" ] || continue
		[ -e "$dir/$name" ] || continue
		printf "%s{\"recovery/%s\":\"%s\"}" "$comma" "$name" "$(value_of "$dir/$name")"
		comma=,
	done <<-EOT
		$settings
	EOT
	echo "]"
}

# value_wanted NAME: what the profile says (its last word), or the default
value_wanted() {
	wanted=$default
	while read -r attr value; do
		[ "$attr" != "recovery/$1" ] || wanted=$value
	done <<-EOT
		$profile
	EOT
	printf '%s' "$wanted"
}

# set_value NAME VALUE: the kernel decides
set_value() {
	{ printf '%s' "$2" >"$dir/$1"; } 2>/dev/null
}

# The result is that of a stop and a start: settings that the profile does not name get
# their defaults. All or nothing: if the kernel refuses one, the others are restored.
change_live() {
	dir=$sys/bus/mdev/devices/$uuid/recovery changed=''
	[ -d "$dir" ] || refuse "mdev $uuid is not there any more"
	while read -r name kind low high default; do
		[ -n "$name" ] || continue
		was=$(value_of "$dir/$name") wanted=$(value_wanted "$name")
		# the kernel does not have this setting, and the profile does not name it
		[ -e "$dir/$name" ] || [ "$wanted" != "$default" ] || continue
		[ "$was" != "$wanted" ] || continue
		if ! set_value "$name" "$wanted"; then
			for old in $changed; do
				set_value "${old%%=*}" "${old#*=}" || say "recovery/${old%%=*} could not be put back"
			done
			refuse "the kernel refuses recovery/$name=$wanted (see dmesg); nothing was changed"
		fi
		changed="$name=$was $changed"
	done <<-EOT
		$settings
	EOT
}

is_our_type || exit 2

case $event-$action in
get-capabilities)
	capabilities
	;;
get-attributes)
	read_back
	;;
pre-define | pre-start | pre-modify | live-modify)
	json=$(cat)
	profile=$(printf "%s\n" "$json" | read_profile) || refuse "the list of attributes is not one of pairs of strings"
	check_type
	check_settings
	case $event-$action in
	pre-define)
		check_host
		check_autostart
		;;
	pre-start) check_host ;;
	live-modify)
		change_live
		log_modify info 'done'
		;;
	esac
	;;
esac
