# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # set by host.sh and run
#
# Profiles that are refused before they become a definition or an mdev, and others.

# not_defined [TEXT...]: define was refused with these texts, and left nothing
not_defined() {
	says "$@"
	[ ! -e "$(definition)" ] || fail "defined all the same: $(cat "$(definition)")"
}

declare_case define_bad_settings "settings that no kernel takes are all named, with their bounds"
define_bad_settings() {
	refused define "$(profile mdr-pci-resume patience=1 stall_timeout_ms=3600001 \
		recovery_timeout_ms=99 breaker_max=64 breaker_window_ms=0 revoke=ask \
		hold_timeout_ms=5000 dead_access=)"
	not_defined "recovery/patience: no such attribute" \
		"recovery/stall_timeout_ms: '3600001' is not a number from 0 to 3600000" \
		"recovery/recovery_timeout_ms: '99' is not a number from 100 to 3600000" \
		"recovery/breaker_max: '64' is not a number from 0 to 63" \
		"recovery/breaker_window_ms: '0' is not a number from 1 to 3600000" \
		"recovery/revoke: 'ask' is not 'wait' or 'kill'" \
		"recovery/dead_access: '' is not 'ones' or 'fault'" \
		"nothing was changed" "recovery/revoke_timeout_ms"
	case $said in *hold_timeout_ms:*) fail "hold_timeout_ms was right" "$said" ;; esac
}

declare_case define_borders "the bounds themselves are taken, one beyond is not"
define_borders() {
	local name kind low high value
	while read -r name kind _ low high _; do
		host_usual
		quietly define "$(profile mdr-pci-hold "$name=$low")"
		host_usual
		quietly define "$(profile mdr-pci-hold "$name=$high")"
		[ "$kind" = number ] || continue
		host_usual
		for value in $((low - 1)) $((high + 1)); do
			refused define "$(profile mdr-pci-hold "$name=$value")"
			not_defined "$name: '$value' is not"
		done
	done < <(kernel_settings)
}

declare_case define_hostile "no text in a profile is more than text"
define_hostile() {
	local value
	# shellcheck disable=SC2016
	for value in '$(touch gotcha)' '`touch gotcha`' '5; touch gotcha' '5 ' ' 5' '5"' "5'" \
		'5\n' '5 #' '-1' '+5' '1e3' '0x10' $'5\n' $'5\n6' $'5\t' '*' '99999999999999999999' \
		$'5"},{"recovery/breaker_max":"1'; do
		refused define "$(profile mdr-pci-resume "stall_timeout_ms=$value")"
		not_defined "recovery/stall_timeout_ms: '" "is not a number"
		refused define "$(profile mdr-pci-resume "stall_timeout_ms $value=1")"
		not_defined "no such attribute"
	done
	refused define "$(profile mdr-pci-resume ../remove=1)"
	not_defined "recovery/../remove: no such attribute"
	[ ! -e gotcha ] || fail "it was run"
	# what a terminal would obey, as ASCII and as UTF-8 has it
	for value in $'\e[2J' $'\u009b2J' $'5\u85'; do
		refused define "$(profile mdr-pci-resume "stall_timeout_ms=$value")"
		not_defined "recovery/stall_timeout_ms: '" "is not a number"
		case $said in *[$'\e\u9b\u85']*) fail "it is not text: $(cat -v <<<"$said")" ;; esac
	done
	refused define "$(profile mdr-pci-resume stall_timeout_ms=$'5\u00e4')"
	not_defined $'\'5\u00e4\''
	quietly define "$(profile mdr-pci-resume stall_timeout_ms=0005000)"
}

declare_case define_twice_the_same "of a setting given twice the last one counts, and one is told"
define_twice_the_same() {
	accepted define "$(profile mdr-pci-resume breaker_max=1 breaker_max=2)"
	says "warning: recovery/breaker_max is given more than once"
}

declare_case define_type "a type that is none is refused, with those that are"
define_type() {
	refused define "$(profile mdr-pci-forget)"
	not_defined "no such type: mdr-pci-forget; there are mdr-pci-resume"
}

declare_case define_no_function "an address that is none, or nobody's, is refused"
define_no_function() {
	for dev in matrix 0000:05:00.8 05:00.0 ../0000:05:00.0; do
		refused define "$(profile mdr-pci-resume)"
		not_defined "parent '$dev' is not the address of a PCI function"
	done
	dev=0000:99:00.0
	refused define "$(profile mdr-pci-resume)"
	not_defined "0000:99:00.0: this host has no such PCI function"
}

declare_case define_no_iommu "a function in no IOMMU group is refused, with what to do"
define_no_iommu() {
	dev=0000:06:00.0
	host_function $dev "$port/$dev" ''
	refused define "$(profile mdr-pci-resume)"
	not_defined "0000:06:00.0 is in no IOMMU group" "intel_iommu=on"
}

declare_case define_not_bound "a function bound elsewhere, or to nothing, is refused, with what to do"
define_not_bound() {
	host_bind "$dev" igb
	refused define "$(profile mdr-pci-resume)"
	not_defined "$dev is bound to igb, and not to mdr-pci" \
		"mdrctl bind --driver=mdr-pci $dev"
	host_bind "$dev" ''
	refused define "$(profile mdr-pci-resume)"
	not_defined "$dev is bound to no driver"
	accepted define "$(profile mdr-pci-resume)" --force
	[ -e "$(definition)" ] || fail "--force does not define"
}

declare_case define_no_such_type "a parent that does not offer the type is refused"
define_no_such_type() {
	rm -r "$sys/bus/pci/devices/$dev/mdev_supported_types/mdr-pci-hold"
	refused define "$(profile mdr-pci-hold)"
	not_defined "its driver mdr-pci offers no type mdr-pci-hold"
}

declare_case define_warns "blockers, missing AER and a failed group are told, and stop nobody"
define_warns() {
	printf '0000:05:00.1 0000:00:11.0\n0000:05:00.2 0000:02:01.0\n' >"$sys/class/mdev_recovery/group16/blockers"
	accepted define "$(profile mdr-pci-resume)"
	says "abandons recoveries of $dev while these have no error handler" "mdr-pci: 0000:05:00.1 (from port 0000:00:11.0 on) 0000:05:00.2 (from port 0000:02:01.0 on)"

	host_usual
	echo failed >"$sys/class/mdev_recovery/group16/state"
	echo watchdog >"$sys/class/mdev_recovery/group16/cause"
	accepted define "$(profile mdr-pci-resume)"
	says "group16 is failed (cause watchdog)" "mdrctl recover group16"

	host_usual
	mv "$sys/bus/pci_express/drivers/aer" "$sys/bus/pci_express/drivers/gone"
	accepted define "$(profile mdr-pci-resume)"
	says "root port $port has no AER service"
	mkdir "$sys/bus/pci_express/drivers/dpc"
	touch "$sys/bus/pci_express/drivers/dpc/$port:pcie010"
	rm "$(definition)"
	quietly define "$(profile mdr-pci-resume)"

	dev=0000:00:1f.0
	host_function $dev $dev 17
	host_bind $dev mdr-pci
	accepted define "$(profile mdr-pci-resume)"
	says "$dev sits below no port"
}

declare_case define_version "a module that is loaded and of another version than what is installed is told"
define_version() {
	mkdir -p "$host/usr/share/mdev-recovery" "$sys/module/mdev_recovery"
	echo 0.2.0 >"$host/usr/share/mdev-recovery/version"
	echo 0.2.0 >"$sys/module/mdev_recovery/version"
	quietly define "$(profile mdr-pci-resume)"
	rm "$(definition)"
	echo 0.1.0 >"$sys/module/mdev_recovery/version"
	accepted define "$(profile mdr-pci-resume)"
	says "the loaded module mdev_recovery has version 0.1.0, the installed one 0.2.0"
	rm "$(definition)" "$sys/module/mdev_recovery/version"
	accepted define "$(profile mdr-pci-resume)"
	says "has version unknown, the installed one 0.2.0"
}

declare_case define_below_a_switch "AER is looked for at the root port, below switches and VMD too"
define_below_a_switch() {
	dev=0000:08:00.0
	host_function $dev "$port/0000:06:00.0/0000:07:01.0/$dev" 18
	host_bind $dev mdr-pci
	quietly define "$(profile mdr-pci-resume)"
	dev=10000:e1:00.0
	host_function $dev "$port/pci10000:e0/10000:e0:06.0/$dev" 19
	host_bind $dev mdr-pci
	accepted define "$(profile mdr-pci-resume)"
	says "root port 10000:e0:06.0 has no AER service"
}

declare_case define_autostart "two definitions of a function that start by themselves are told"
define_autostart() {
	quietly define mdevctl-profiles/resume.json
	accepted mdevctl define -u "$uuid2" -p "$dev" --jsonfile mdevctl-profiles/hold.json
	says "mdev $uuid of $dev starts by itself too"
	quietly mdevctl define -p "$dev" --jsonfile "$(profile mdr-pci-evict)"
}

declare_case modify_definition "a bad change of a definition leaves it; a good one needs no parent"
modify_definition() {
	local before
	quietly define mdevctl-profiles/nvme.json
	before=$(cat "$(definition)")
	refused mdevctl modify -u "$uuid" --addattr recovery/revoke --value shoot
	says "recovery/revoke: 'shoot' is not 'wait' or 'kill'"
	is definition "$(cat "$(definition)")" "$before"
	host_bind "$dev" ''
	quietly mdevctl modify -u "$uuid" --addattr recovery/revoke --value kill
	quietly mdevctl modify -u "$uuid" --manual
	quietly mdevctl modify -u "$uuid" -p "$dev" --jsonfile mdevctl-profiles/network.json
	is definition "$(jq -cS . "$(definition)")" "$(jq -cS . mdevctl-profiles/network.json)"
	quietly mdevctl undefine -u "$uuid"
}

declare_case other_types "types of others are left to them, whatever they are called"
other_types() {
	for type in i915-GVTg_V4_1 acme-resume; do
		quietly mdevctl define -u "$uuid" -p 0000:00:02.0 \
			--jsonfile "$(profile "$type" patience=1)"
		quietly mdevctl undefine -u "$uuid"
	done
	is "exit code" "$(echo '{}' | "$scripts/callouts/mdev-recovery" -t acme-resume \
		-e get -a capabilities -s none -u "$uuid" -p 0000:00:02.0; echo $?)" 2
}

declare_case vendor_types "the types of another parent driver of the shim are ours"
vendor_types() {
	host_bind "$dev" acme
	quietly define "$(profile acme-hold stall_timeout_ms=5)"
	quietly mdevctl undefine -u "$uuid"
	refused define "$(profile acme-hold patience=1)"
	not_defined "recovery/patience: no such attribute"
	refused define "$(profile mdr-pci-hold)"
	not_defined "$dev is bound to acme, and not to mdr-pci"
}

declare_case modify_not_loaded "without the module a definition can change; its values are looked at later"
modify_not_loaded() {
	quietly define mdevctl-profiles/nvme.json
	rm -r "$sys/class/mdev_recovery"
	host_bind "$dev" ''
	accepted mdevctl modify -u "$uuid" --addattr recovery/patience --value 9
	says "the module mdev_recovery is not loaded: the kernel checks the settings later"
	refused mdevctl modify -u "$uuid" --addattr ../remove --value 1
	says "../remove: no such attribute" "nothing was changed; see"
	refused mdevctl modify -u "$uuid" --addattr recovery/../remove --value 1
	says "recovery/../remove: no such attribute"
	refused mdevctl start -u "$uuid"
	says "$dev is bound to no driver"
	accepted mdevctl modify -u "$uuid" --delattr --index 2
	quietly mdevctl undefine -u "$uuid"
}

declare_case define_null "a null character does not hide what follows it"
define_null() {
	local file
	host_usual
	file=$(mktemp -p "$work" --suffix .json)
	printf '%s' '{"mdev_type":"mdr-pci-resume","start":"manual","attrs":[{"recovery/breaker_max":"5\u0000x"}]}' >"$file"
	refused define "$file"
	not_defined "the list of attributes is not one of pairs of strings"
}
