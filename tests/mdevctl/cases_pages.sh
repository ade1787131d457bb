# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2016,SC2154 # sed has expressions of its own; set by kernel.sh and run
#
# The pages in Documentation agree with the profiles and types.

# The rows of a page's tables whose first cell is `...`, without the quotes.
rows() {
	sed -n 's/^| `\([^`]*\)` | *\(.*\) |$/\1 | \2/p' "$1" | tr -d '`'
}

# The settings of a profile that are not the kernel's default: "name value, ..."
not_default() {
	local name value
	jq -r '.attrs[] | to_entries[] | "\(.key) \(.value)"' "$1" | sed 's|^recovery/||' |
		while read -r name value; do
			[ "$(kernel_settings | sed -n "s/^$name [a-z]* \([^ ]*\) .*/\1/p")" = "$value" ] ||
				echo "$name $value"
		done | paste -sd , | sed 's/,/, /g'
}

declare_case page_profiles "Documentation/profiles.md has every profile, as it is"
page_profiles() {
	local file name expected='' got
	for file in mdevctl-profiles/*.json; do
		name=$(basename "$file" .json)
		expected+="$name | $(jq -r .mdev_type "$file") | $(not_default "$file")"$'\n'
	done
	got=$(rows Documentation/profiles.md | grep '| mdr-pci-' |
		awk -F ' *[|] *' '{ print $1 " | " $2 " | " $3 }' | LC_ALL=C sort)
	diff <(printf '%s' "$expected" | LC_ALL=C sort) <(printf '%s\n' "$got")
}

# names ARRAY: the strings of an array in function.c, one a line
names_in() {
	sed -n "/ $1\[\] = {/,/};/p" drivers/vfio/mdev_recovery/function.c | grep -o '"[^}]*"' |
		sed 's/", "/\n/g' | tr -d '"'
}

declare_case page_kubevirt "Documentation/kubevirt.md has the names of the types, as the kernel has them"
page_kubevirt() {
	local types selector
	types=$(paste -d '|' <(names_in names | sed 's/^/mdr-pci-/') <(names_in pretty_names) |
		sed 's/|/ | /')
	is types "$(wc -l <<<"$types")" 3
	is table "$(rows Documentation/kubevirt.md)" "$types"
	selector=$(sed -n 's/.*mdevNameSelector: "\(.*\)"/\1/p' Documentation/kubevirt.md)
	grep -q " | $selector$" <<<"$types" || fail "no type is called '$selector'"
}

declare_case page_nova "Documentation/nova.md names types that there are, and a section for each"
page_nova() {
	local type list
	list=$(sed -n 's/^enabled_mdev_types = //p' Documentation/nova.md)
	is sections "$(sed -n 's/^\[mdev_\(.*\)\]$/\1/p' Documentation/nova.md | paste -sd , |
		sed 's/,/, /g')" "$list"
	for type in ${list//,/ }; do
		names_in names | sed 's/^/mdr-pci-/' | grep -qx "$type" || fail "no type $type"
	done
}

declare_case page_older_mdevctl "a page that uses what mdevctl 1.2 lacks says what Debian 12 does instead"
page_older_mdevctl() {
	local page
	for page in README.md Documentation/*.md; do
		grep -qE 'mdevctl .*--(live|defined|force)' "$page" || continue
		grep -q 'profiles\.md#debian-12\|(#debian-12)' "$page" || fail "$page does not"
	done
	grep -q '^### Debian 12$' Documentation/profiles.md || fail "no such section"
}

declare_case page_patience "the page argues for the time that the profile nvme sets"
page_patience() {
	local seconds
	seconds=$(jq -r '.attrs[] | ."recovery/stall_timeout_ms" // empty' mdevctl-profiles/nvme.json)
	sed -n '/^- `nvme`:/,/^- `network`/p' Documentation/profiles.md | tr -s '\n ' ' ' |
		grep -q "an access waits $((seconds / 1000)) s" || fail "not $((seconds / 1000)) s"
}

declare_case page_counters "the operators' guide lists every file of stats/, and no other"
page_counters() {
	local source
	source=$(grep -hoE '^MDR_STAT\([a-z_]+' "$kernel_dir"/*.c | sed 's/.*(//' | LC_ALL=C sort)
	is counters "$(sed -n '/^## Counters/,/^## Watching/s,^| `\([a-z_]*\)` |.*,\1,p' Documentation/operators-guide.md)" \
		"$source"
}
