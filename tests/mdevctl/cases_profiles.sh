# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # set by host.sh and run
#
# The profiles, the schema, and the settings that they and the callout know.

schema=mdevctl-profiles/schema/profile.schema.json

# validate FILE...: with the schema, says what is not valid
validate() {
	local file arguments=()
	for file; do
		arguments+=(-i "$file")
	done
	PYTHONWARNINGS=ignore jsonschema --output pretty "${arguments[@]}" "$schema"
}

# invalid FILE...: the schema refuses each of them
invalid() {
	local file
	refused validate "$@"
	for file; do
		case $said in *"$file"*) ;; *) fail "valid: $(jq -c . "$file")" ;; esac
	done
}

declare_case settings_are_read "the kernel's sources are read: ten settings, each with a default and bounds or words"
settings_are_read() {
	is settings "$(kernel_settings | wc -l)" 10
	is wrong "$(kernel_settings | grep -vE \
		'^[a-z_]+ (number [0-9]+ [0-9]+ [0-9]+ (ms|errors)|word ([a-z]+)( [a-z]+)* \3( [a-z]+)*)$' || true)" ''
}

# One attribute's entry, on one line.
described() {
	sed -n "/^What:.*\/recovery\/$1$/,/^What:.*\/recovery\//p" \
		Documentation/ABI/testing/sysfs-bus-mdev-recovery | tr '\n\t' '  ' | tr -s ' '
}

declare_case settings_are_documented "bounds and defaults are those of Documentation/ABI"
settings_are_documented() {
	local name kind default low high text
	while read -r name kind default low high _; do
		text=$(described "$name")
		case $text in *"Default: $default"[.,]*) ;; *) fail "$name: default $default: $text" ;; esac
		[ "$kind" = number ] || continue
		case $text in *"Range: $low to $high."*) ;; *) fail "$name: $low to $high: $text" ;; esac
	done < <(kernel_settings)
}

declare_case profiles_are_valid "every profile is as the schema wants it, and there are eight"
profiles_are_valid() {
	accepted validate mdevctl-profiles/*.json
	is profiles "$(find mdevctl-profiles -maxdepth 1 -name '*.json' | wc -l)" 8
}

declare_case schema_borders "the schema's borders are the kernel's"
schema_borders() {
	local name kind low high good=() bad=() value
	while read -r name kind _ low high _; do
		if [ "$kind" = word ]; then
			good+=("$(profile mdr-pci-hold "$name=$low" "$name=$high")")
			bad+=("$(profile mdr-pci-hold "$name=both")")
			continue
		fi
		good+=("$(profile mdr-pci-hold "$name=$low" "$name=$high" "$name=$((high - 1))" \
			"$name=$((low + 1))" "$name=$((high / 2))" "$name=$((high / 10))")")
		for value in $((low - 1)) $((high + 1)) $((high * 10)) '' "$low.5" "0x$low" " $low"; do
			bad+=("$(profile mdr-pci-hold "$name=$value")")
		done
	done < <(kernel_settings)
	accepted validate "${good[@]}"
	invalid "${bad[@]}"
}

declare_case schema_shape "the schema refuses what mdevctl would misread or the shim does not have"
schema_shape() {
	local bad=() file text
	for text in '{}' '[]' '{"mdev_type":"mdr-pci-resume","attrs":[]}' \
		'{"mdev_type":"mdr-pci-resume","start":"auto"}' \
		'{"mdev_type":"mdr-pci-forget","start":"auto","attrs":[]}' \
		'{"mdev_type":"mdr-pci-resume","start":"yes","attrs":[]}' \
		'{"mdev_type":"mdr-pci-resume","start":true,"attrs":[]}' \
		'{"mdev_type":"mdr-pci-resume","start":"auto","attrs":{}}' \
		'{"mdev_type":"mdr-pci-resume","start":"auto","attrs":[{}]}' \
		'{"mdev_type":"mdr-pci-resume","start":"auto","attrs":[],"parent":"0000:05:00.0"}' \
		'{"mdev_type":"mdr-pci-resume","start":"auto","attrs":[{"stall_timeout_ms":"1"}]}' \
		'{"mdev_type":"mdr-pci-resume","start":"auto","attrs":[{"recovery/patience":"1"}]}' \
		'{"mdev_type":"mdr-pci-resume","start":"auto","attrs":[{"recovery/breaker_max":1}]}' \
		'{"mdev_type":"mdr-pci-resume","start":"auto","attrs":[{"recovery/breaker_max":"1","recovery/revoke":"kill"}]}'; do
		file=$(mktemp -p "$work" --suffix .json)
		printf '%s\n' "$text" >"$file"
		bad+=("$file")
	done
	invalid "${bad[@]}"
}

declare_case profiles_are_taken "mdevctl defines every profile without a word, and has it as it was"
profiles_are_taken() {
	local file
	for file in mdevctl-profiles/*.json; do
		host_usual
		quietly define "$file"
		is "$file" "$(mdevctl list -d --dumpjson -u "$uuid" | jq -cS .)" "$(jq -cS . "$file")"
	done
}
