# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The checks of tests/lint/run: check_NAME prints a line for each finding, and
# nothing if there is none. They look at ${files[@]}, names below the directory
# that they run in.
#
# shellcheck disable=SC2034,SC2154 # run uses ${says[@]}, and sets ${files[@]}
# shellcheck disable=SC2016 # what is in quotes is for awk and sed

kernel_scripts=/usr/local/lib/kernel-scripts

# What each of them means, in the words of its result line.
declare -A says
all_checks=()
declare_check() {
	all_checks+=("$1")
	says[$1]=$2
}

# match PATTERN...: the files whose names match one of the shell patterns
match() {
	local f p
	for f in "${files[@]}"; do
		for p; do
			# shellcheck disable=SC2254
			case $f in $p)
				printf '%s\n' "$f"
				break
				;;
			esac
		done
	done
}

# search GREP-ARGUMENT... -- PATTERN...: grep in these files; none is no finding
search() {
	local args=()
	while [ "$1" != -- ]; do
		args+=("$1")
		shift
	done
	shift
	match "$@" | tr '\n' '\0' | xargs -0 -r grep -H "${args[@]}" || true
}

# lines_of COMMAND...: what COMMAND says of the files whose names are on stdin. One process for
# all of them: on a slow host one for each takes minutes.
lines_of() { tr '\n' '\0' | LC_ALL=C xargs -0 -r "$@"; }

# has PROGRAM: or the check that asks is skipped
has() {
	command -v "$1" >/dev/null || {
		echo "SKIP no ${1##*/}"
		return 1
	}
}

shell_scripts() {
	local f first
	for f in "${files[@]}"; do
		read -r first <"$f" 2>/dev/null || first=''
		case $f:$first in
		*:'#!'*/bash* | *:'#!'*/sh* | *'#!'*'env bash'* | *.sh:* | *.bash:*)
			printf '%s\n' "$f"
			;;
		esac
	done
}

declare_check checkpatch "checkpatch --strict has nothing to say"

# Not asked of kernel code:
# ALLOC_WITH_SIZEOF		kzalloc_obj() is not in 6.12
# MACRO_ARG_REUSE, MACRO_ARG_PRECEDENCE
#				macros here make attributes out of names, or take
#				the size of an array
# STATIC_CONST_CHAR_ARRAY	takes the array of strings to a uevent, which are
#				buffers on the stack, for constant
# CONST_STRUCT			a copy of vm_operations_struct with the gate in it
# UNCOMMENTED_DEFINITION	what a lock protects is said in the kernel-doc of
#				its struct, or above it
kernel_ignore=ALLOC_WITH_SIZEOF,MACRO_ARG_REUSE,MACRO_ARG_PRECEDENCE
kernel_ignore+=,STATIC_CONST_CHAR_ARRAY,UNCOMMENTED_DEFINITION,CONST_STRUCT

# A trace event is laid out in a way of its own, in the kernel as here.
trace_ignore=PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE

# Not asked of programs, which have C's library in place of the kernel's:
# PREFER_KERNEL_TYPES, ARRAY_SIZE, PREFER_DEFINED_ATTRIBUTE_MACRO, CONST_STRUCT
#				are the kernel's
# CAMELCASE			cmocka's
# VOLATILE			registers, mapped from user space
# USE_NEGATIVE_ERRNO		errno is positive there
# EMBEDDED_FUNCTION_NAME	a command may be called like its function
# AVOID_EXTERNS			symbols that the linker makes
# FUNCTION_ARGUMENTS		does not understand attributes between arguments
program_ignore=PREFER_KERNEL_TYPES,ARRAY_SIZE,PREFER_DEFINED_ATTRIBUTE_MACRO
program_ignore+=,CONST_STRUCT,CAMELCASE,VOLATILE,USE_NEGATIVE_ERRNO
program_ignore+=,EMBEDDED_FUNCTION_NAME,AVOID_EXTERNS,FUNCTION_ARGUMENTS
program_ignore+=,MACRO_ARG_REUSE,MACRO_ARG_PRECEDENCE

# checkpatch_some IGNORE: checks the files whose names are on stdin. checkpatch keeps a
# cache in the current directory, so it runs in another one. It warns that there is no
# kernel tree, which is true, and takes "acknowledgement" for a mistake.
#
# It takes longer than all else here, and knows nothing but the file: what it has found
# clean is not looked at again, for the same program, options and contents.
checkpatch_some() {
	local noise found clean=$top/build/lint/checkpatch rules sum file
	local -A sums=()
	mkdir -p "$clean"
	rules=$(echo "$1" | sha256sum - "$kernel_scripts"/{checkpatch.pl,spelling.txt} | sha256sum)
	while read -r sum file; do
		sum=$clean/${rules:0:16}-$sum
		[ -e "$sum" ] || sums[$file]=$sum
	done < <(tr '\n' '\0' | xargs -0 -r sha256sum --)
	[ "${#sums[@]}" -gt 0 ] || return 0

	noise="'acknowledgement' may be misspelled"
	# shellcheck disable=SC2016
	noise+='|uninitialized value \$root in|^find: ./include.: No such'
	found=$(printf "$PWD/%s\0" "${!sums[@]}" |
		xargs -0 -r -n 8 -P "$(nproc)" env -C /tmp perl "$kernel_scripts/checkpatch.pl" \
			--no-tree --strict --terse --show-types --no-summary \
			--ignore "$1" -f 2>&1 |
		sed "s|^$PWD/||" | grep -vE "$noise" || true)
	[ -z "$found" ] || { LC_ALL=C sort <<<"$found" && return; }
	for file in "${!sums[@]}"; do
		: >"${sums[$file]}"
	done
}

check_checkpatch() {
	has "$kernel_scripts/checkpatch.pl" || return 0
	match 'drivers/*.[ch]' 'include/*.[ch]' 'tests/vm/module/*.[ch]' |
		grep -v '/trace\.h$' | checkpatch_some "$kernel_ignore"
	match 'drivers/*/trace.h' | checkpatch_some "$kernel_ignore,$trace_ignore"
	match 'tests/*.[ch]' 'tools/*.[ch]' 'Documentation/*.[ch]' |
		grep -v '^tests/vm/module/' | checkpatch_some "$program_ignore"
}

declare_check kernel_doc "kernel-doc -none has nothing to say"

check_kernel_doc() {
	has "$kernel_scripts/kernel-doc" || return 0
	match 'drivers/*.[ch]' 'include/*.h' | tr '\n' '\0' |
		xargs -0 -r perl "$kernel_scripts/kernel-doc" -none -Wall 2>&1 || true
}

declare_check shellcheck "shellcheck has nothing to say on any script"

check_shellcheck() {
	has shellcheck || return 0
	shell_scripts | tr '\n' '\0' |
		xargs -0 -r -n 6 -P "$(nproc)" shellcheck -x -f gcc || true
}

declare_check shell_options "every script that is run sets -eu and is executable"

check_shell_options() {
	local f first run=()
	while read -r f; do
		read -r first <"$f" || true
		[ "${first:0:2}" = '#!' ] || continue
		run+=("$f")
		[ -x "$f" ] || echo "$f: not executable"
	done < <(shell_scripts)
	printf '%s\n' "${run[@]}" | { lines_of grep -LE '^set -(eu|euo)\b' || true; } |
		sed 's/$/: no set -eu/'
}

declare_check spdx "every file names GPL-2.0-only in its first lines"

# COPYING is the licence itself. JSON, ABI descriptions, and what a program shall say or is
# given, have no comments.
check_spdx() {
	local f
	for f in "${files[@]}"; do
		case $f in COPYING | *.json | Documentation/ABI/* | tests/*/golden/* | tests/fuzz/corpus/*) continue ;; esac
		printf '%s\n' "$f"
	done | lines_of awk '
		BEGIN { for (i = 1; i < ARGC; i++) left[ARGV[i]] }
		# a licence line, in a comment of the kind that the file wants
		FNR == 1 {
			style = FILENAME ~ /\.c$/ ? "^// " : FILENAME ~ /\.h$/ ? "^/[*] " : ""
			line = style ".*SPDX-License-Identifier: GPL-2.0-only"
		}
		FNR > 3 { nextfile }
		$0 ~ line { delete left[FILENAME] }
		END { for (f in left) print f ": no SPDX line" }' | sort
}

declare_check versions "no test of a kernel version outside compat/"

check_versions() {
	search -nE 'LINUX_VERSION_CODE|KERNEL_VERSION\(|MDR_HAVE_' -- \
		'drivers/*.[ch]' 'include/*.h' | grep -v '^[^:]*/compat/' || true
}

declare_check probes "every compat probe is asked and used, and names its kernel"

# Those that begin with must_ check the others or refuse a kernel, and stay. The first comment of
# every other one says "in N.N": when that kernel is the oldest supported one, the probe can go.
check_probes() {
	local f name kbuild used
	while read -r f; do
		name=$(basename "$f" .c)
		case $name in must_*) continue ;; esac
		grep -m 1 '^/\*\|^ \* [A-Za-z]' "$f" | grep -qE '(in|with) [0-9]+\.[0-9]+' ||
			echo "$f: the first comment names no kernel at which it can go"
		kbuild=$(dirname "$f")/../Kbuild
		grep -qw "$name" "$kbuild" 2>/dev/null || echo "$f: compat/Kbuild does not ask it"
		used=$(search -lw "MDR_HAVE_$name" -- 'drivers/*/compat/*.[ch]')
		[ -n "$used" ] || echo "$f: nothing uses MDR_HAVE_$name"
	done < <(match 'drivers/*/compat/probe/*.c')
	while IFS=: read -r f name; do
		[ -n "$(match "drivers/*/compat/probe/${name#MDR_HAVE_}.c")" ] ||
			echo "$f: $name has no probe"
	done < <(search -hoE 'MDR_HAVE_[a-z_0-9]+' -- 'drivers/*/compat/*.[ch]' |
		sort -u | sed 's/^/compat:/')
}

declare_check attributes "every sysfs attribute is described in Documentation/ABI"

# Taken from the arrays that publish them: macros may have made the attributes.
check_attributes() {
	local f attribute
	while IFS=: read -r f attribute; do
		attribute=${attribute#*dev_attr_}
		search -hE "^What:.*/$attribute$" -- 'Documentation/ABI/testing/*' | grep -q . ||
			echo "$f: attribute $attribute is not described in Documentation/ABI/testing"
	done < <(search -oE '&(dev|mdev_type|class|bin)_attr_[a-z_0-9]+' -- 'drivers/*.c' |
		sed -E 's/&(mdev_type|class|bin)_attr_/\&dev_attr_/' | sort -u)
}

declare_check messages "the operators' guide has every message of the driver"

# By the beginning of the longest part of its format that is the same in each message.
check_messages() {
	local format part
	while read -r format; do
		part=$(sed -E 's/%[-#0-9.]*(ll|l|z)?[a-zA-Z]+/\n/g' <<<"$format" |
			awk '{ sub(/^[ :(]+/, "") } length > length(most) { most = $0 }
				END { print most }')
		grep -qsF -- "$part" Documentation/operators-guide.md ||
			echo "Documentation/operators-guide.md: no '$format'"
	done < <(match 'drivers/*.c' | tr '\n' '\0' | xargs -0 -r cat | tr '\n\t' '  ' |
		grep -oE '\b(pci|dev)_(err|warn|notice|info)(_ratelimited|_once)?\([^"]*("[^"]*" *)+' |
		sed -E 's/" +"//g; s/^[^"]*"([^"]*)(\\n)".*/\1/')
}

declare_check length "no source is longer than 600 lines"

check_length() {
	match '*.[ch]' '*.sh' 'tests/*' 'tools/*' | lines_of wc -l |
		awk '$1 > 600 && $2 != "total" { print $2 ": " $1 " lines" }'
}

declare_check ascii "code is ASCII"

check_ascii() {
	LC_ALL=C search -nP '[^\x00-\x7f]' -- '*.[ch]' '*.sh' '*Makefile' '*Kbuild' 'tests/*' 'tools/*'
}

declare_check whitespace "no space before the end of a line, no CR, a newline at the end"

# The licence stays exactly as it is.
check_whitespace() {
	local f i=0 checked=() ends=()
	for f in "${files[@]}"; do
		if [ "$f" != COPYING ] && [ -s "$f" ]; then
			checked+=("$f")
		fi
	done
	printf '%s\n' "${checked[@]}" | lines_of grep -HnP '[ \t\r]+$' || true
	mapfile -t ends < <(printf '%s\n' "${checked[@]}" | lines_of tail -qc 1 | od -An -v -tx1 -w1)
	for f in "${checked[@]}"; do
		[ "${ends[i]}" = ' 0a' ] || echo "$f: no newline at the end"
		i=$((i + 1))
	done
}

declare_check languages "nothing but C, shell and make"

check_languages() {
	{
		match '*.py' '*.pl' '*.rb'
		printf '%s\n' "${files[@]}" |
			lines_of awk '/^#!.*(python|perl|ruby)/ { print FILENAME } { nextfile }'
	} | sed 's/$/: not C, shell or make/'
}

declare_check manual "mandoc has nothing to say on any manual page"

check_manual() {
	has mandoc || return 0
	match '*.[1-8]' | tr '\n' '\0' |
		xargs -0 -r mandoc -T lint -W warning 2>&1 || true
}

# made_by SCRIPT: the page that it makes is current
made_by() {
	local said
	said=$("$1" --check 2>&1) || echo "${said:-${1##*/} fails}"
}

declare_check units "systemd finds the agent's service safe, knows all that is in its unit, and starts it always again"

check_units() {
	command -v systemd-analyze >/dev/null || {
		echo "SKIP no systemd-analyze"
		return 0
	}
	local unit out
	while read -r unit; do
		# an exposure of 2.0 at most; unknown settings are only said on the way
		out=$(systemd-analyze security --offline=true --no-pager --threshold=20 "$unit" 2>&1) ||
			echo "$unit: $(grep 'exposure level' <<<"$out")"
		grep -E "^($PWD/)?$unit:[0-9]+: " <<<"$out" || true
		grep -qx 'StartLimitIntervalSec=0' "$unit" ||
			echo "$unit: systemd gives it up if it fails five times in ten seconds"
	done < <(match 'tools/agent/*.service')
}

declare_check rules "systemd knows all that is in the other units, and udevadm accepts the rules"

check_rules() {
	has systemd-analyze && has udevadm || return 0
	match 'tools/mdrctl/system/*.service' 'tools/mdrctl/system/*.timer' | tr '\n' '\0' |
		xargs -0 -r systemd-analyze verify --man=no 2>&1 |
		grep -v 'Command /usr/sbin/mdrctl is not executable' || true
	match '*.rules' | tr '\n' '\0' | xargs -0 -r udevadm verify --no-summary 2>&1 || true
}

declare_check operators "the pages for operators have a command for all that is in sysfs"

# What one would have to write there is a verb of mdrctl that is missing. demo.md is the
# output of a test machine, and what is for developers is free.
check_operators() {
	search -nE '(>|tee) *"?(\$[a-z]+)?/sys/' -- README.md \
		Documentation/{boot,confinement,dpdk,operators-guide,first-steps,installation,libvirt,profiles,kubevirt,nova}.md
}

declare_check links "the links of a page lead to a file of the tree, and to a heading that is there"

# headings PAGE: the anchors that GitHub makes of them; in .rst a line below marks them
headings() {
	# shellcheck disable=SC2016
	sed -n -e '/^```/,/^```/d; s/^##* //p' -e 'N; s/\n\([-=~^]\)\1*$//p; D' "$1" | tr 'A-Z ' 'a-z-' | sed 's/[^a-z0-9_-]//g'
}

check_links() {
	local page target file
	match '*.md' '*.rst' | while read -r page; do
		{ grep -oE '\]\([^()]+\)' "$page" || true; } | sed -E 's/^\]\(//; s/\)$//' | sort -u |
			while read -r target; do
				case $target in *://* | mailto:*) continue ;; esac
				file=$page
				[ -z "${target%%#*}" ] || file=$(dirname "$page")/${target%%#*}
				if [ ! -e "$file" ]; then
					echo "$page: there is no $target"
				elif [[ $target == *#* ]] && ! grep -qxF "${target#*#}" <(headings "$file"); then
					echo "$page: $target is no heading"
				fi
			done
	done
}

declare_check states "Documentation/states.md says what machine.c does"

check_states() { made_by Documentation/states.sh; }

declare_check scenarios "Documentation/scenarios.md says what each scenario shows, and its bounds"

check_scenarios() { made_by Documentation/scenarios.sh; }

declare_check uapi "the user API has its layout, for programs of 32 and of 64 bits"

check_uapi() {
	local bits asm
	# one set of headers serves both
	asm=/usr/include/$(gcc -print-multiarch)
	for bits in 32 64; do
		gcc "-m$bits" -Wall -Wextra -Werror -Wpadded -fsyntax-only -Iinclude/uapi \
			-isystem "$asm" tests/lint/uapi_layout.c 2>&1 || true
	done
}

declare_check planted "each bug that the lists of tests/mutants plant changes the driver"

check_planted() {
	[ ! -e tests/mutants/run ] || { tests/mutants/run --list >/dev/null || true; } 2>&1
}
