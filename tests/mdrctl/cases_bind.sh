# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # set by host.sh and run
#
# Functions that come and go, and their mdevs.

# host_igb: a function that is igb's, and the driver mdr-pci without one
host_igb() {
	host_new "$(mktemp -d -p "$work")"
	host_function "$dev" "$port/$dev" 16
	pci_files "$dev" 0x020000 0x8086 0x10c9
	host_bind "$dev" igb
	mkdir -p "$sys/bus/pci/drivers/mdr-pci"
	: >"$sys/bus/pci/drivers/igb/unbind"
	: >"$sys/bus/pci/drivers/mdr-pci/unbind"
	: >"$sys/bus/pci/drivers_probe"
}

saved() { cat "$host/etc/mdev-recovery/bind.d/$dev" 2>/dev/null || echo none; }

declare_case bind "bind gives a function to the shim"
bind() {
	host_igb
	kernel_probes "$dev" mdr-pci
	ctl bind "${dev#0000:}"
	wait
	is said "$said" "$dev: bound to mdr-pci, was bound to igb; group16"
	is override "$(cat "$sys/bus/pci/devices/$dev/driver_override")" mdr-pci
	is unbound "$(cat "$sys/bus/pci/drivers/igb/unbind")" "$dev"
	is probed "$(cat "$host/probed")" "$dev"
	is saved "$(saved)" none
	ctl bind "$dev"
	is said "$said" "$dev: is bound to mdr-pci already"
}

# signalled SIGNAL ARGUMENT...: sends it to mdrctl when "reached" succeeds; what mdrctl said
# and its exit code are in $said
signalled() {
	local signal=$1 out=$host/out pid watchdog children status=0 i
	shift
	# a shell has them ignored in the background
	env --default-signal=INT,HUP "$mdrctl" --root "$host" "$@" >"$out" 2>&1 </dev/null &
	pid=$!
	# shellcheck disable=SC2046
	(sleep 20 && kill -KILL $(pgrep -P "$pid") "$pid") >/dev/null 2>&1 &
	watchdog=$!
	for ((i = 0; i < 2000; i++)); do
		! reached || break
		sleep 0.01
	done
	children=$(pgrep -P "$pid" || true)
	kill -s "$signal" "$pid"
	[ -z "${after:-}" ] || "$after"
	wait "$pid" || status=$?
	kill "$watchdog"
	# if it did not end them
	# shellcheck disable=SC2086
	[ -z "$children" ] || kill -KILL $children 2>/dev/null || true
	said=$(cat "$out")
	said=${said//"$host"/ROOT}$'\n'"exit $status"
}

declare_case bind_interrupted "a signal waits until a function has its driver"
# shellcheck disable=SC2317 # signalled calls its functions
bind_interrupted() {
	local after=probes
	host_igb
	reached() { [ "$(cat "$sys/bus/pci/drivers/igb/unbind")" = "$dev" ]; }
	rm "$sys/bus/pci/drivers_probe"
	mkfifo "$sys/bus/pci/drivers_probe"
	probes() {
		host_bind "$dev" mdr-pci
		timeout 5 cat "$sys/bus/pci/drivers_probe" >"$host/probed" || true
	}
	signalled TERM bind "$dev"
	is said "$said" "$dev: bound to mdr-pci, was bound to igb; group16
exit 143"
	is probed "$(cat "$host/probed")" "$dev"
}

declare_case bind_persistent "a persistent one is bound again at boot, another card in its place is not"
bind_persistent() {
	host_igb
	kernel_probes "$dev" mdr-pci
	ctl bind --persistent "$dev"
	wait
	says "$dev: bound to mdr-pci" "$dev: will be bound at each boot"
	# the next boot
	host_bind "$dev" igb
	echo '(null)' >"$sys/bus/pci/devices/$dev/driver_override"
	kernel_probes "$dev" mdr-pci
	ctl bind --saved
	wait
	is said "$said" "$dev: bound to mdr-pci, was bound to igb; group16"
	ctl bind --saved "${dev#0000:}"
	is said "$said" "$dev: is bound to mdr-pci already"
	host_bind "$dev" igb
	echo 0x1521 >"$sys/bus/pci/devices/$dev/device"
	golden bind-other-card bind --saved
	is driver "$(driver_of "$dev")" igb
	echo '{' >"$host/etc/mdev-recovery/bind.d/$dev"
	golden bind-damaged bind --saved "$dev"
	# not an option of modprobe's
	echo '{"driver":"-r","vendor":32902,"device":5409}' >"$host/etc/mdev-recovery/bind.d/$dev"
	golden bind-damaged bind --saved "$dev"
	golden bind-not-saved bind --saved "$dev2"
	echo '{"driver":"mdr-pci","vendor":32902,"device":4297}' >"$host/etc/mdev-recovery/bind.d/0000:09:00.0"
	golden bind-missing bind --saved 0000:09:00.0
}

# override_has ADDRESS PATTERN: waits for it, 10 s at most
override_has() {
	local i
	for ((i = 0; i < 1000; i++)); do
		! grep -q "$2" "$sys/bus/pci/devices/$1/driver_override" || return 0
		sleep 0.01
	done
	return 1
}

declare_case bind_saved_new "a saved function that no driver can take yet is bound when one can"
bind_saved_new() {
	host_igb
	local probe=$sys/bus/pci/drivers_probe
	kernel_probes "$dev" mdr-pci
	ctl bind --persistent "$dev"
	wait
	rm "$sys/bus/pci/devices/$dev/driver"
	echo '(null)' >"$sys/bus/pci/devices/$dev/driver_override"
	{
		# the first time nothing comes of it
		timeout 10 cat "$probe" >"$host/probed" && override_has "$dev" '^$' &&
			override_has "$dev" mdr-pci && host_bind "$dev" mdr-pci &&
			timeout 10 cat "$probe" >>"$host/probed"
	} &
	ctl bind --saved "$dev"
	wait
	is said "$said" "$dev: bound to mdr-pci, was bound to nothing; group16"
	is probed "$(cat "$host/probed")" "$dev$dev"
}

declare_case bind_lost "a function that no driver takes any more is not said to be where it was"
bind_lost() {
	host_igb
	local probe=$sys/bus/pci/drivers_probe
	rm "$probe"
	mkfifo "$probe"
	{
		# the write to unbind is next
		override_has "$dev" mdr-pci && sleep 0.1 && host_bind "$dev" '' &&
			timeout 10 cat "$probe" >"$host/probed" && timeout 10 cat "$probe" >>"$host/probed"
	} &
	ctl bind "$dev"
	wait
	is said "$said" "mdrctl: $dev: mdr-pci did not take it, and igb did not take it back: it has no driver now
  next: the kernel log says why; if it answers again: mdrctl bind $dev
exit 1"
	is probed "$(cat "$host/probed")" "$dev$dev"
}

# as_service UNIT: runs its commands as systemd does; the first that fails is the last,
# unless it has a dash
as_service() {
	local line status
	while read -r line; do
		line=${line//'$$'/'$'} status=0
		(eval "${line#-}") || status=$?
		[ "$status" = 0 ] || [ "${line::1}" = - ] || return "$status"
	done < <(sed -n 's,^ExecStart=,,p' "$1" | sed 's,/usr/sbin/,,')
}

declare_case bind_service "the service waits for the mdevs of what is there, and fails for what is not"
bind_service() {
	local end status=0
	host_two
	for end in 0 3; do
		program mdrctl 'echo "mdrctl $*" >>'"$host/ran" "exit $end"
		program udevadm 'echo "udevadm $*" >>'"$host/ran" 'exit 1'
		rm -f "$host/ran"
		as_service tools/mdrctl/system/mdev-recovery-bind.service || status=$?
		is "exit code" "$status" "$end"
		is ran "$(cat "$host/ran")" "mdrctl bind --saved
udevadm settle --timeout=120"
	done
}

declare_case bind_saved_none "a boot with nothing to bind is a good one"
bind_saved_none() {
	host_igb
	ctl bind --saved
	is said "$said" ''
	# and one that cannot tell what there is to bind is not
	mkdir -p "$host/etc/mdev-recovery"
	: >"$host/etc/mdev-recovery/bind.d"
	ctl bind --saved
	is said "$said" "mdrctl: /etc/mdev-recovery/bind.d: Not a directory"$'\n'"exit 1"
}

declare_case bind_refused "what cannot be bound is refused, and stays as it is"
bind_refused() {
	local file
	host_igb
	golden bind-none bind
	golden bind-name bind eth0
	golden bind-no-function bind 0000:99:00.0
	golden bind-driver bind --driver=../x "$dev"
	# modprobe would take it for an option
	ctl bind --driver=-r "$dev"
	is said "$said" "mdrctl: -r: is not the name of a driver"$'\n'"exit 2"
	golden bind-no-driver bind --driver=acme "$dev"
	echo 0x060400 >"$sys/bus/pci/devices/$dev/class"
	golden bind-bridge bind "$dev"
	echo 0x020000 >"$sys/bus/pci/devices/$dev/class"
	file=$(readlink "$sys/bus/pci/devices/$dev/iommu_group")
	rm "$sys/bus/pci/devices/$dev/iommu_group"
	golden bind-no-iommu bind "$dev"
	ln -s "$file" "$sys/bus/pci/devices/$dev/iommu_group"
	is override "$(cat "$sys/bus/pci/devices/$dev/driver_override")" '(null)'
	is unbound "$(cat "$sys/bus/pci/drivers/igb/unbind")" ''
	# and one that the driver does not take: it goes back
	golden bind-not-taken bind --persistent "$dev"
	is override "$(cat "$sys/bus/pci/devices/$dev/driver_override")" ''
	is driver "$(driver_of "$dev")" igb
	is saved "$(saved)" none
}

declare_case bind_service_off "a service that does not start at boot is named, with the command, also by the doctor"
bind_service_off() {
	local units=usr/lib/systemd/system at
	host_igb
	mkdir -p "$host/etc/mdev-recovery/bind.d" "$host/$units/multi-user.target.wants"
	touch "$host/$units/multi-user.target.wants/udev.service"
	host_bind "$dev" mdr-pci
	group_files 16 open 0 none none
	# no systemd
	ctl bind --persistent "$dev"
	is said "$said" "$dev: is bound to mdr-pci already
$dev: will be bound at each boot"
	ctl doctor
	case $said in *mdev-recovery-bind*) fail "$said" ;; esac
	touch "$host/$units/mdev-recovery-bind.service"
	golden bind-service-off bind --persistent "$dev" "$dev"
	ctl bind "$dev"
	is said "$said" "$dev: is bound to mdr-pci already"
	ctl doctor
	says "WARN  mdev-recovery-bind.service: is not enabled: libvirt may start a domain before its mdev is there
      next: systemctl enable mdev-recovery-bind.service"
	for at in "$units/multi-user.target.wants" etc/systemd/system/libvirtd.service.requires; do
		mkdir -p "$host/$at"
		ln -s /nowhere "$host/$at/mdev-recovery-bind.service"
		ctl bind --persistent "$dev"
		case $said in *enable*) fail "$said" ;; esac
		ctl doctor
		says "PASS  mdev-recovery-bind.service: binds what is saved before libvirt starts"
		rm "$host/$at/mdev-recovery-bind.service"
	done
	rm "$host/etc/mdev-recovery/bind.d/$dev"
	ctl doctor
	case $said in *mdev-recovery-bind*) fail "$said" ;; esac
}

declare_case bind_other_driver "a function that has an mdev does not change its parent driver"
bind_other_driver() {
	host_two
	mkdir -p "$sys/bus/pci/drivers/acme"
	: >"$sys/bus/pci/drivers/mdr-pci/unbind"
	golden bind-mdev bind --driver=acme "$dev"
	is unbound "$(cat "$sys/bus/pci/drivers/mdr-pci/unbind")" ''
}

declare_case bind_interface "a network interface that is up is named before it disappears"
bind_interface() {
	local dir
	host_igb
	dir=$sys/bus/pci/devices/$dev
	mkdir -p "$dir/net/eth0" "$dir/virtio0/net/eth1" "$dir/net/eth2"
	echo 0x1003 >"$dir/net/eth0/flags"
	echo 0x1003 >"$dir/virtio0/net/eth1/flags"
	echo 0x1002 >"$dir/net/eth2/flags"
	kernel_probes "$dev" mdr-pci
	golden bind-interface bind "$dev"
	wait
	ctl bind "$dev"
	is said "$said" "$dev: is bound to mdr-pci already"
}

declare_case bind_denied "a user who may not load the module is told so"
bind_denied() {
	host_igb
	rm -r "$sys/bus/pci/drivers/mdr-pci"
	chmod -R go+rX "$work"
	said=$(setpriv --reuid 65534 --clear-groups "$mdrctl" --root "$host" bind "$dev" 2>&1) &&
		fail "not refused"
	says "mdrctl: mdr-pci: there is no such PCI driver, and this user may not load its module" \
		"next: run it as root"
}

declare_case unbind "unbind gives a function back, and --persistent forgets it"
unbind() {
	host_igb
	kernel_probes "$dev" mdr-pci
	ctl bind --persistent "$dev"
	wait
	kernel_probes "$dev" igb
	ctl unbind "$dev"
	wait
	says "$dev: unbound, now bound to igb" "$dev: is bound again at the next boot"
	kernel_probes "$dev" mdr-pci
	ctl bind "$dev"
	wait
	kernel_probes "$dev" igb
	ctl unbind --persistent "$dev"
	wait
	is said "$said" "$dev: unbound, now bound to igb"
	is saved "$(saved)" none

	# what is saved cannot be removed, as in an /etc that nobody can write to
	kernel_probes "$dev" mdr-pci
	ctl bind "$dev"
	wait
	mkdir "$host/etc/mdev-recovery/bind.d/$dev"
	kernel_probes "$dev" igb
	ctl unbind --persistent "$dev"
	wait
	is said "$said" "$dev: unbound, now bound to igb
mdrctl: /etc/mdev-recovery/bind.d: Is a directory
  next: $dev is unbound, but will be bound again at the next boot
exit 1"
}

declare_case unbind_forgets "--persistent forgets a function that is away or another's, not one that stays bound"
unbind_forgets() {
	local dir
	host_two
	dir=$host/etc/mdev-recovery/bind.d
	mkdir -p "$dir"
	for one in "$dev" 0000:09:00.0; do
		echo '{"driver":"mdr-pci","vendor":32902,"device":4297}' >"$dir/$one"
	done
	ctl unbind --persistent "$dev"
	says "has the mdev $uuid: nothing was done" "exit 1"
	[ -e "$dir/$dev" ] || fail "forgotten all the same"
	ctl unbind --persistent 09:00.0
	is said "$said" "0000:09:00.0: is not bound at boot any more"
	host_bind "$dev" igb
	ctl unbind --persistent "$dev"
	is said "$said" "$dev: is not bound at boot any more"
	is saved "$(ls "$dir")" ''
	golden unbind-no-function unbind --persistent 0000:99:00.0
}

declare_case unbind_refused "what is another's, or has an mdev, is not unbound"
unbind_refused() {
	host_two
	golden unbind-mdev unbind "$dev"
	host_igb
	golden unbind-other unbind "$dev"
	golden unbind-no-function unbind 0000:99:00.0
	is unbound "$(cat "$sys/bus/pci/drivers/igb/unbind")" ''
}

# kernel_makes TYPE ADDRESS: the kernel's part of one "mdevctl start". mdevctl reads the
# instances and then writes to create; both wait for this function.
kernel_makes() {
	local type
	type=$sys/bus/pci/devices/$2/mdev_supported_types/$1
	rm "$type/available_instances" "$type/create"
	mkfifo "$type/available_instances" "$type/create"
	{
		echo 1 >"$type/available_instances"
		host_mdev "$uuid2" "$2" "$1"
		cat "$type/create" >"$host/created"
	} &
}

definition_of() { printf '%s' "$host/etc/mdevctl.d/$1/$uuid2"; }

declare_case create "create defines and starts, with the profile that suits the device"
create() {
	host_two
	kernel_makes mdr-pci-resume "$dev2"
	ctl create --uuid "$uuid2" "$dev2"
	wait
	is said "$said" "$uuid2: created on $dev2 with profile nvme"
	is created "$(cat "$host/created")" "$uuid2"
	is definition "$(jq -cS . "$(definition_of "$dev2")")" "$(jq -cS . mdevctl-profiles/nvme.json)"
	is setting "$(cat "$sys/bus/mdev/devices/$uuid2/recovery/stall_timeout_ms")" 10000
}

declare_case create_as_told "create takes a profile by name and by file, and --manual"
create_as_told() {
	host_two
	kernel_makes mdr-pci-hold "$dev2"
	ctl create -u "$uuid2" --profile hold --manual "$dev2"
	wait
	is said "$said" "$uuid2: created on $dev2 with profile hold"
	is start "$(jq -r .start "$(definition_of "$dev2")")" manual
	host_two
	kernel_makes mdr-pci-evict "$dev2"
	ctl create -u "$uuid2" -p mdevctl-profiles/./evict.json "$dev2"
	wait
	says "created on $dev2 with profile mdevctl-profiles/./evict.json"
}

declare_case create_refused "what cannot be created leaves no definition"
create_refused() {
	host_two
	golden create-has-mdev create "$dev"
	golden create-profile create --profile fast "$dev2"
	golden create-uuid create --uuid 123 "$dev2"
	golden create-no-function create 0000:99:00.0
	host_bind "$dev2" nvme
	golden create-not-bound create "$dev2"
	host_two
	# the write to create fails: it is a directory
	rm "$sys/bus/pci/devices/$dev2/mdev_supported_types/mdr-pci-resume/create"
	mkdir "$sys/bus/pci/devices/$dev2/mdev_supported_types/mdr-pci-resume/create"
	ctl create --uuid "$uuid2" "$dev2"
	says "the mdev does not start; its definition is gone again" "exit 1"
	[ -z "$(ls "$host/etc/mdevctl.d")" ] || [ -z "$(ls "$host/etc/mdevctl.d/$dev2")" ] ||
		fail "it is defined"
}

# kernel_waits TYPE ADDRESS: "mdevctl start" waits for the kernel
kernel_waits() {
	local instances
	instances=$sys/bus/pci/devices/$2/mdev_supported_types/$1/available_instances
	rm "$instances"
	mkfifo "$instances"
}

declare_case create_interrupted "a signal while create works leaves nothing, and ends it as usual"
create_interrupted() {
	local signal number
	while read -r signal number; do
		host_two
		kernel_waits mdr-pci-resume "$dev2"
		reached() { [ -s "$(definition_of "$dev2")" ] && pgrep -P "$pid" -f "mdevctl start" >/dev/null; }
		signalled "$signal" create --uuid "$uuid2" "$dev2"
		is said "$said" "mdrctl: $dev2: interrupted; its definition is gone again
exit $number"
		[ ! -e "$(definition_of "$dev2")" ] || fail "it is defined"
	done <<<"TERM 143
INT 130
HUP 129"
}

declare_case create_again "create leaves definitions of other functions alone"
create_again() {
	host_two
	mkdir -p "$host/etc/mdevctl.d/$dev3"
	echo '{"mdev_type":"mdr-pci-hold","start":"auto","attrs":[]}' >"$(definition_of "$dev3")"
	rm "$sys/bus/pci/devices/$dev2/mdev_supported_types/mdr-pci-resume/create"
	mkdir "$sys/bus/pci/devices/$dev2/mdev_supported_types/mdr-pci-resume/create"
	ctl create --uuid "$uuid2" "$dev2"
	says "the mdev does not start; its definition is gone again" "exit 1"
	[ ! -e "$(definition_of "$dev2")" ] || fail "it is defined"
	[ -e "$(definition_of "$dev3")" ] || fail "the other definition is gone"
	host_two
	mkdir -p "$host/etc/mdevctl.d/$dev3"
	echo '{"mdev_type":"mdr-pci-hold","start":"auto","attrs":[]}' >"$(definition_of "$dev3")"
	kernel_makes mdr-pci-resume "$dev2"
	ctl create --manual --uuid "$uuid2" "$dev2"
	wait
	is said "$said" "$uuid2: created on $dev2 with profile nvme"
	is start "$(jq -r .start "$(definition_of "$dev2")")" manual
	is other "$(jq -r .start "$(definition_of "$dev3")")" auto
}

declare_case create_stays "what create cannot take back, it says"
create_stays() {
	host_two
	# shellcheck disable=SC2016 # for sh
	program mdevctl 'case $1 in define) mkdir -p '"$host/etc/mdevctl.d/$dev2"' && : >'"$(definition_of "$dev2")"' ;; *) exit 1 ;; esac'
	ctl create --uuid "$uuid2" "$dev2"
	is said "$said" "mdrctl: $dev2: the mdev does not start; its definition stays
  next: mdevctl undefine --uuid $uuid2 --parent $dev2
exit 1"
}

declare_case create_no_mdevctl "without mdevctl, that is what is said"
create_no_mdevctl() {
	host_two
	said=$(PATH=/nowhere "$mdrctl" --root "$host" create "$dev2" 2>&1) && fail "not refused"
	says "mdrctl: mdevctl: there is no such program" "next: install the package mdevctl"
}

# kernel_removes ADDRESS UUID: the kernel's part of one "mdevctl stop"
kernel_removes() {
	local dir
	dir=$(readlink "$sys/bus/mdev/devices/$2")
	mkfifo "$dir/remove"
	{
		cat "$dir/remove" >"$host/removed"
		rm -rf "$dir" "$sys/bus/mdev/devices/$2"
	} &
}

declare_case remove "remove stops an mdev and forgets its definition, or keeps it"
remove() {
	host_two
	accepted mdevctl define -u "$uuid"
	kernel_removes "$dev" "$uuid"
	ctl remove "$uuid"
	wait
	is said "$said" "$uuid: removed"
	[ ! -e "$host/etc/mdevctl.d/$dev/$uuid" ] || fail "it is defined"
	is removed "$(cat "$host/removed")" 1
	host_two
	accepted mdevctl define -u "$uuid"
	kernel_removes "$dev" "$uuid"
	ctl remove --keep "$uuid"
	wait
	is said "$said" "$uuid: stopped"
	[ -e "$host/etc/mdevctl.d/$dev/$uuid" ] || fail "it is not defined"
	ctl remove "$uuid"
	is said "$said" "$uuid: removed"
}

declare_case remove_partly "remove says which definition stays, because it is another driver's"
remove_partly() {
	host_two
	accepted mdevctl define -u "$uuid"
	mkdir -p "$host/etc/mdevctl.d/$dev2"
	echo '{"mdev_type":"nvidia-222","start":"auto","attrs":[]}' >"$host/etc/mdevctl.d/$dev2/$uuid"
	kernel_removes "$dev" "$uuid"
	golden remove-partly remove "$uuid"
	wait
	[ ! -e "$host/etc/mdevctl.d/$dev/$uuid" ] || fail "it is defined"
	[ -e "$host/etc/mdevctl.d/$dev2/$uuid" ] || fail "the other definition is gone"
}

declare_case remove_refused "what is not an mdev of mdev_recovery is not removed"
remove_refused() {
	host_two
	golden remove-name remove group16
	golden remove-no-mdev remove "$uuid2"
	# defined for another driver, which stays, running or not
	mkdir -p "$host/etc/mdevctl.d/$dev2"
	echo '{"mdev_type":"nvidia-222","start":"auto","attrs":[]}' >"$(definition_of "$dev2")"
	golden remove-no-mdev remove "$uuid2"
	echo '{"mdev_type":"acme-hold","start":"auto","attrs":[]}' >"$(definition_of "$dev2")"
	mkdir -p "$sys/bus/mdev/devices/$uuid2"
	golden remove-no-mdev remove "$uuid2"
	[ -e "$(definition_of "$dev2")" ] || fail "the definition is gone"
}
