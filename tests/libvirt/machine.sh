# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154
#
# The machine that libvirtd runs in. Sourced by run and reboot.
#
# Four functions to assign, each below its own root port. The first ports of the bus
# get the first bus numbers, so these are 0000:01:00.0 and so on, the addresses in the
# examples of Documentation/libvirt.md. Each network function has a peer: another one
# of this machine, on the same wire.
#
# Each machine runs on one CPU of this host (take_cpu). When a guest of the emulated CPU
# exits, QEMU clears one of the CPU's interrupt requests with an instruction that is not
# atomic (do_vmexit(), until QEMU 10.2), while another thread may set another request. That
# request is lost. If it is the timer's, the CPU sleeps for good. On one CPU the two
# instructions cannot overlap.
#
# Its clock is the host's. One that counts instructions was tried: at each PAUSE the emulator
# leaves its inner loop, which takes 2 us, and a guest's kernel that waits busily for 0.1 s
# executes millions of them.

# machine_args DIR DISK IMAGE INSTALLED: prints QEMU's arguments, one a line. DISK is that of
# the nvme.
machine_args() {
	local dir=$1 disk=$2 image=$3 installed=$4 n=0 port

	# One CPU: see accel in tests/vm/run. Another thread would not be faster
	# either, the time goes into the one CPU of the domain.
	printf '%s\n' -accel tcg,thread=single,tb-size=1024 -cpu max -m 2560 -smp 1

	for port in rp_nvme rp_igb rp_virtio rp_e1000e; do
		n=$((n + 1))
		printf '%s\n' -device "pcie-root-port,id=$port,bus=pcie.0,chassis=$n,slot=$n,addr=0x1$((n - 1))"
	done
	printf '%s\n' \
		-blockdev "driver=file,node-name=disk,filename=$disk,cache.no-flush=on" \
		-device nvme,id=nvme0,bus=rp_nvme,drive=disk,serial=mdr-nvme-0 \
		-netdev hubport,id=g1,hubid=1 -netdev hubport,id=p1,hubid=1 \
		-netdev hubport,id=g2,hubid=2 -netdev hubport,id=p2,hubid=2 \
		-netdev hubport,id=g3,hubid=3 -netdev hubport,id=p3,hubid=3 \
		-device igb,id=igb0,bus=rp_igb,netdev=g1,mac=52:54:00:00:01:02 \
		-device virtio-net-pci,id=virtio0,bus=rp_virtio,netdev=g2,mac=52:54:00:00:02:02,aer=on,disable-legacy=on,iommu_platform=on \
		-device e1000e,id=e1000e0,bus=rp_e1000e,netdev=g3,mac=52:54:00:00:03:02 \
		-device virtio-net-pci,bus=pcie.0,addr=0x8,netdev=p1,mac=52:54:00:00:01:01 \
		-device virtio-net-pci,bus=pcie.0,addr=0x9,netdev=p2,mac=52:54:00:00:02:01 \
		-device virtio-net-pci,bus=pcie.0,addr=0xc,netdev=p3,mac=52:54:00:00:03:01 \
		-blockdev "driver=file,node-name=root,filename=$image,read-only=on" \
		-device virtio-blk-pci,bus=pcie.0,addr=0xa,drive=root \
		-blockdev "driver=file,node-name=installed,filename=$installed,read-only=on" \
		-device virtio-blk-pci,bus=pcie.0,addr=0xb,drive=installed

	# ttyS0: the results. ttyS1: this QEMU's own monitor, for the machine to
	# inject errors. ttyS2: the kernel's log.
	printf '%s\n' \
		-chardev "file,id=tap,path=$dir/tap" \
		-device isa-serial,chardev=tap,index=0 \
		-chardev "socket,id=monitor,path=$dir/qmp,server=on,wait=off" \
		-mon chardev=monitor,mode=control \
		-chardev "socket,id=guestmon,path=$dir/qmp" \
		-device isa-serial,chardev=guestmon,index=1 \
		-chardev "file,id=console,path=$dir/console" \
		-device isa-serial,chardev=console,index=2
}

# What the machine's kernel and systemd are told.
machine_cmdline() {
	# KVM drops all its page tables of a guest whenever a BAR moves, and a reset moves
	# them: with small pages the guest then has 100,000 to fault in, at a device's reset.
	# khugepaged, the least of all tasks, starves beside a guest, in the middle of what RCU waits for
	printf %s "console=ttyS2 ipv6.disable=1 printk.devkmsg=on transparent_hugepage=never hugepages=264"
	# a slow machine, and nobody at its terminals
	printf %s " systemd.default_timeout_start_sec=300 systemd.mask=getty.target systemd.mask=timers.target"
	printf %s " systemd.condition_needs_update=no systemd.show_status=no"
}
