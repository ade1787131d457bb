# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The settings of an mdev as the kernel's sources have them, one a line:
# name, "number", minimum, maximum, default; or name, "word", the two words,
# default.

kernel_dir=drivers/vfio/mdev_recovery

# number_of EXPRESSION: a number, or one made of the sources' #defines
number_of() {
	local name value expression=$1
	while read -r name value; do
		expression=${expression//$name/$value}
	done < <(sed -nE 's/^#define (MDR_[A-Z_]+)[ \t]+([0-9]+)$/\1 \2/p' \
		"$kernel_dir"/{group,device,breaker}.h "$kernel_dir/device_sysfs.c")
	echo $((expression))
}

# default_of NAME: what mdr_tunables_init() sets
default_of() {
	sed -nE "s/^[ \t]+\.$1[ \t]*= ([A-Z_0-9]+),/\1/p" "$kernel_dir/device_sysfs.c"
}

# words_of ARRAY: "CONSTANT word" a line
words_of() {
	sed -nE "/ $1\[\] = /,/^}/s/^[ \t]*\[([A-Z_]+)\][ \t]*= \"([a-z]+)\",/\1 \2/p" \
		"$kernel_dir/device_sysfs.c"
}

kernel_settings() {
	[ -n "${kernel_cache:-}" ] || kernel_cache=$(read_kernel)
	printf '%s\n' "$kernel_cache"
}

# In the order in which they are published.
read_kernel() {
	local name what rest
	sed -nE 's/^\t&dev_attr_([a-z_]+)\.attr,/\1/p' "$kernel_dir/device_sysfs.c" |
		while read -r name; do
			what=$(sed -nE "s/^MDR_TUNABLE_(NUMBER|WORD)\($name, (.*)\);/\1 \2/p" \
				"$kernel_dir/device_sysfs.c")
			rest=${what#* }
			case $what in
			NUMBER*)
				echo "$name number $(number_of "${rest%%, *}")" \
					"$(number_of "${rest##*, }")" \
					"$(number_of "$(default_of "$name")")"
				;;
			WORD*)
				echo "$name word" \
					"$(words_of "$rest" | cut -d ' ' -f 2 | xargs)" \
					"$(words_of "$rest" | sed -n "s/^$(default_of "$name") //p")"
				;;
			*) echo "$name ?" ;;
			esac
		done
}
