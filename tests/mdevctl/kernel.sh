# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The settings of an mdev, read from the kernel's sources, in the form of
# /sys/class/mdev_recovery/settings, one a line: name, "number", default, minimum,
# maximum, unit; or name, "word", default, and the words. The machines of tests/vm show
# that the kernel says the same.

kernel_dir=drivers/vfio/mdev_recovery
kernel_table=$kernel_dir/device_sysfs.c

# number_of EXPRESSION: a number, or one made of the sources' #defines
number_of() {
	local name value expression=$1
	while read -r name value; do
		expression=${expression//$name/$value}
	done < <(sed -nE 's/^#define (MDR_[A-Z_]+)[ \t]+([0-9]+)$/\1 \2/p' \
		"$kernel_dir"/{group,device,breaker}.h)
	echo $((expression))
}

# words_of ARRAY: "CONSTANT word" a line
words_of() {
	sed -nE "/ $1\[\] = /,/^}/s/^[ \t]*\[([A-Z_]+)\][ \t]*= \"([a-z]+)\",/\1 \2/p" \
		"$kernel_table"
}

kernel_settings() {
	[ -n "${kernel_cache:-}" ] || kernel_cache=$(read_kernel)
	printf '%s\n' "$kernel_cache"
}

# In the order in which they are published.
read_kernel() {
	local name what initial a b unit
	sed -nE 's/^\t&dev_attr_([a-z_]+)\.dev\.attr,/\1/p' "$kernel_table" |
		while read -r name; do
			# a macro's arguments, which may be on two lines
			what=$(sed -nE "/^MDR_(NUMBER|WORD)\($name,/{:a;/;\$/!{N;ba};s/\n[ \t]*/ /;s/^MDR_([A-Z]+)\([a-z_]*, (.*)\);/\1, \2/p}" \
				"$kernel_table")
			IFS=, read -r what initial a b unit <<<"${what//, /,}"
			case $what in
			NUMBER)
				echo "$name number $(number_of "$initial") $(number_of "$a")" \
					"$(number_of "$b") ${unit//\"/}"
				;;
			WORD)
				echo "$name word" \
					"$(words_of "$a" | sed -n "s/^$initial //p")" \
					"$(words_of "$a" | cut -d ' ' -f 2 | xargs)"
				;;
			*) echo "$name ?" ;;
			esac
		done
}
