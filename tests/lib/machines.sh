# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # part and limit are the runner's
#
# What the runners of tests/vm, bench, soak, libvirt and packages share: machines of the
# lab, from their start to a verdict. Sourced by a runner that sets
#
#   part   its name, in messages
#   limit  how many seconds a machine has
#   iommu  that of the machines, as QEMU names it; Intel's unless set
# shellcheck source=tests/lib/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/tap.sh"

complaints=$(dirname "${BASH_SOURCE[0]}")/complaints.h
keep_memory=$PWD/build/keep_memory.so
# what is freed at the end of the heap stays as well
emulator=(env "LD_PRELOAD=$keep_memory"
	GLIBC_TUNABLES=glibc.malloc.trim_threshold=0x40000000:glibc.malloc.mmap_threshold=0x2000000
	qemu-system-x86_64)
started=0
still_after=${still_after:-60}
iommu=${iommu:-intel-iommu,intremap=on}

# find_kernels PREFIX [ROOT]: the versions that begin with PREFIX, oldest first
find_kernels() {
	local v
	for v in "${2:-}"/boot/vmlinuz-*; do
		[ -e "$v" ] || continue
		v=${v##*/vmlinuz-}
		case $v in "$1" | ${1:+"$1"[.+-]}*) echo "$v" ;; esac
	done | sort -V
}

# debug_kernel: the machines have that kernel, which needs more memory. With page tables of 5
# levels KASAN reports the kernel's own boot, and then lockdep is off for good.
# shellcheck disable=SC2034 # the runners use all of these
debug_kernel() {
	root=/mnt memory=4096 cpu=,la57=off
	more_cmdline+=' panic_on_warn=1 mdr.debug=1 mdr.patience=4'
	[ -d /mnt/boot ] || die "there is no debug kernel yet; run: make lab-debug"
}

# host_cpus: the processors of this host that we may use, one a line
host_cpus() {
	local ranges range
	IFS=, read -ra ranges < <(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
	for range in "${ranges[@]}"; do seq "${range%-*}" "${range#*-}"; done
}

# how long this processor has been idle
idle_ticks() { awk -v cpu="cpu$1" '$1 == cpu { print $5 }' /proc/stat; }

# idlest_cpu: of those that we may use, the one that has most to spare right now
idlest_cpu() {
	local cpu idle best=-1 chosen=''
	local -A before
	for cpu in $(host_cpus); do before[$cpu]=$(idle_ticks "$cpu"); done
	sleep 0.5
	for cpu in "${!before[@]}"; do
		idle=$(($(idle_ticks "$cpu") - before[$cpu]))
		[ "$idle" -le "$best" ] || best=$idle chosen=$cpu
	done
	echo "$chosen"
}

# take_cpu: this process, which becomes a machine, stays on one processor: one that no such
# machine has, else the idlest. No other process may hold the lock, or the processor counts
# as taken for longer than the machine runs.
#
# For a machine whose clock counts instructions, the emulator's two threads must not run at
# once. Otherwise the thread that advances the clock when the guest sleeps might do so before
# the other has counted the guest's last instructions.
take_cpu() {
	local cpu lock
	for cpu in $(host_cpus); do
		# of all trees that use this lab; held for as long as the machine runs
		exec {lock}>"/run/lock/mdev-recovery-cpu$cpu"
		! flock -n "$lock" || {
			emulator=(taskset -c "$cpu" "${emulator[@]}")
			return
		}
		exec {lock}>&-
	done
	emulator=(taskset -c "$(idlest_cpu)" "${emulator[@]}")
}

# what all emulators share; it has a name of its own until it is whole
build_keep_memory() {
	local source new=$keep_memory.$BASHPID
	source=$(dirname "${BASH_SOURCE[0]}")/keep_memory.c
	[ ! "$keep_memory" -nt "$source" ] || return 0
	gcc -std=gnu11 -O2 -Wall -Wextra -Werror -shared -fPIC -o "$new" "$source" &&
		mv "$new" "$keep_memory"
}

# begin FOLDER PROGRAMS [TARGET...]: builds the guest's PROGRAMS in FOLDER, and makes
# $work there. When the run ends it ends all machines and removes $work.
begin() {
	local folder=$PWD/$1 programs=$2
	shift 2
	mkdir -p "$folder"
	flock "$folder" make -s -C "$programs" OUT="$folder" "$@" ||
		die "the guest's programs do not build"
	# what a killed run left
	find "$folder" -maxdepth 1 -name "run.*" -mmin +60 -exec rm -rf {} +
	work=$(mktemp -d "$folder/run.XXXXXX")
	trap finish EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

finish() {
	trap - EXIT INT TERM HUP
	# shellcheck disable=SC2046
	kill $(jobs -p) 2>/dev/null || true
	wait
	rm -rf "$work"
}

# queue MOST COMMAND...: runs COMMAND, for one machine, once less than MOST others run
queue() {
	while [ "$(jobs -pr | wc -l)" -ge "$1" ]; do
		wait -n || true
	done
	started=$((started + 1))
	"${@:2}" &
}

# all_ended: waits for all that was queued, and fails if a machine has no verdict
all_ended() {
	local judged
	wait
	judged=$(find "$work" -name trouble | wc -l)
	[ "$judged" = "$started" ] || {
		mkdir "$work/lost"
		echo "not ok - $((started - judged)) of $started machines came to no verdict" |
			tee "$work/lost/tap"
	}
}

# emulate DIR KERNEL INITRD CMDLINE ARGUMENT...: becomes the machine in DIR, with
# more of QEMU's ARGUMENTs. The exit code is timeout's.
#
# Only the guest ends a machine. The watchdog of the chipset is off: a starved emulator
# would not feed it in time. QEMU also ends with 0 if the machine was reset; the trace of
# the request to power off shows the difference.
emulate() {
	local dir=$1 kernel=$2 initrd=$3 cmdline=$4
	shift 4
	build_keep_memory || die "tests/lib/keep_memory.c does not build"
	: >"$dir/tap"
	: >"$dir/console"
	rm -f "$dir/ask.in" "$dir/ask.out"
	mkfifo "$dir/ask.in" "$dir/ask.out"
	exec timeout -k 5 "$limit" "${emulator[@]}" \
		-nodefaults -no-user-config -display none -no-reboot \
		-name debug-threads=on \
		-chardev "pipe,id=ask,path=$dir/ask" -mon chardev=ask,mode=readline \
		-d trace:qemu_system_shutdown_request \
		-M q35,kernel-irqchip=split \
		-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off \
		-global ICH9-LPC.noreboot=on \
		-device "$iommu" "$@" \
		-kernel "$kernel" -initrd "$initrd" \
		-append "$cmdline intel_iommu=on panic=-1 log_buf_len=4M nokaslr mitigations=off random.trust_cpu=on" \
		>"$dir/qemu.log" 2>&1 </dev/null
}

# cpu_ticks PID: how many clock ticks the virtual CPUs have run of the emulator below the
# timeout with this PID; nothing while there are none
cpu_ticks() {
	local qemu
	qemu=$(pgrep -P "$1") || return 0
	cat "/proc/${qemu%%$'\n'*}/task"/*/stat 2>/dev/null |
		awk '/\([^)]*CPU[^)]*\/TCG\)/ { sub(/.*\) /, ""); sum += $12 + $13; n++ } END { if (n) print sum }' || true
}

# ask_monitor DIR COMMAND...: what the monitor of the machine in DIR answers
ask_monitor() {
	printf '%s\n' "${@:2}" | timeout 5 tee "$1/ask.in" >/dev/null || true
	# it echoes each letter of a command as if it were typed
	timeout 5 cat "$1/ask.out" | tr -d '\r\033' | sed 's/^(qemu) .*\[K/(qemu) /' || true
}

# end_if_still PID DIR: ends the machine in DIR once its virtual CPUs have slept for
# still_after seconds, and records their state in DIR/still. A running kernel takes ticks
# even when it is idle. A kernel that does not is rare, and the emulator's fault.
end_if_still() {
	local pid=$1 dir=$2 last='' now slept=0
	while sleep 5 && kill -0 "$pid" 2>/dev/null; do
		now=$(cpu_ticks "$pid")
		if [ -n "$now" ] && [ "$now" = "$last" ]; then
			slept=$((slept + 5))
		else
			last=$now slept=0
		fi
		[ "$slept" -lt "$still_after" ] || {
			ask_monitor "$dir" 'info status' 'info registers -a' 'info lapic' 'info pic' >"$dir/still"
			kill "$pid"
			return
		}
	done
}

# is_asleep DIR: the last that the kernel of the machine in DIR said of a sleep is that it begins
is_asleep() {
	tail -c 4000 "$1/console" | grep -ao 'PM: suspend \(entry (deep)\|exit\)' |
		tail -n 1 | grep -q entry
}

# wake_asleep PID DIR: wakes the machine in DIR whenever it sleeps (S3). Its own clock would
# do that too, but it goes by the time of this host.
wake_asleep() {
	while sleep 1 && kill -0 "$1" 2>/dev/null; do
		if is_asleep "$2" && ask_monitor "$2" 'info status' | grep -q suspended; then
			ask_monitor "$2" system_wakeup
		fi
	done
}

# run_machine NAME DIR COMMAND...: runs COMMAND, which becomes the machine in DIR, to its
# end, and judges it. DIR/tap passes through "show NAME" of the runner as it is written.
# What is wrong with the machine itself is added to it, and is in DIR/trouble.
run_machine() {
	local name=$1 dir=$2 status=0 pid watcher waker line
	: >"$dir/tap"
	rm -f "$dir/still"
	"${@:3}" &
	pid=$!
	end_if_still "$pid" "$dir" >/dev/null 2>&1 &
	watcher=$!
	wake_asleep "$pid" "$dir" >/dev/null 2>&1 &
	waker=$!
	# shellcheck disable=SC2064
	trap "kill $pid $watcher $waker 2>/dev/null; exit 143" TERM INT
	tail -n +1 -s 0.2 -f --pid="$pid" "$dir/tap" 2>/dev/null | show "$name" &
	wait "$pid" || status=$?
	trap - TERM INT
	[ -e "$dir/still" ] || kill "$watcher" 2>/dev/null || true
	wait
	sed -i 's/\r$//' "$dir/tap"
	judge "$dir" "$status" >"$dir/trouble"
	[ -s "$dir/trouble" ] || return 0
	while IFS= read -r line; do
		printf 'not ok - machine # %s\n' "$line" >>"$dir/tap"
		printf '%s: not ok - machine # %s\n' "$name" "$line"
	done <"$dir/trouble"
	echo "$name: last lines of its console:"
	tail -n 25 "$dir/console" | sed "s/^/  /"
}

# judge DIR STATUS: what is wrong with a machine that has ended, one a line
judge() {
	local dir=$1 tap=$1/tap planned got line
	[ ! -e "$dir/still" ] || {
		echo "the machine stood still: its virtual CPUs slept for $still_after s"
		return
	}
	case $2 in
	0) grep -q qemu_system_shutdown_request "$dir/qemu.log" || echo "the machine was reset" ;;
	124 | 137) echo "the machine was still running after $limit s" ;;
	*) echo "QEMU ended with code $2: $(tail -n 1 "$dir/qemu.log")" ;;
	esac
	planned=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$tap" | head -n 1)
	got=$(grep -cE '^(not )?ok ' "$tap" || true)
	if ! grep -m 1 '^Bail out!' "$tap"; then
		case $planned in
		'') echo "the machine never said its plan" ;;
		0) echo "no scenario matches '${only:-}'" ;;
		"$got") ;;
		*) echo "the machine ended after $got of $planned scenarios" ;;
		esac
	fi
	# reported once if a scenario has reported it; the guest of a domain does not count
	line=$(sed -n 's/^"\(.*\)",$/\1/p' "$complaints" |
		grep -aF -f - <(grep -av 'mdr: guest: ' "$dir/console") | head -n 1 || true)
	[ -z "$line" ] || grep -q '^#   kernel log: ' "$tap" || echo "kernel log: $line"
}
