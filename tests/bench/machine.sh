# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The machine that counts. Sourced by run.
#
# Two runs of it are identical, from the first instruction of the firmware on: its clock
# is the number of instructions, and nothing depends on the timing of the host. So it
# has no monitor and no disk, since the timing of their answers does (already the
# firmware reads disks). It has only the devices that are measured, at the addresses of
# the test machine.

# counting_args DIR: prints QEMU's arguments, one a line.
counting_args() {
	local dir=$1

	printf '%s\n' -accel tcg,thread=single -cpu max -m 1024 \
		-global igb.romfile= \
		-device pcie-root-port,id=rp_igb,bus=pcie.0,chassis=1,slot=1,addr=0x10 \
		-device pcie-root-port,id=rp_igb2,bus=pcie.0,chassis=5,slot=5,addr=0x14 \
		-device pcie-root-port,id=rp_shm,bus=pcie.0,chassis=7,slot=7,addr=0x16 \
		-device igb,id=igb0,bus=rp_igb,addr=0.0,multifunction=on,x-pcie-ari-nextfn-1=on,mac=52:54:00:00:01:00 \
		-device igb,id=igb1,bus=rp_igb,addr=0.1,multifunction=on,mac=52:54:00:00:01:01 \
		-device igb,id=igb2,bus=rp_igb2,mac=52:54:00:00:03:00 \
		-object memory-backend-ram,id=shm0,size=64M \
		-device ivshmem-plain,id=ivshmem0,bus=rp_shm,memdev=shm0 \
		-chardev "file,id=console,path=$dir/console" \
		-device isa-serial,chardev=console,index=0 \
		-chardev "file,id=tap,path=$dir/tap" \
		-device isa-debugcon,iobase=0xe9,chardev=tap
}

# The arguments of the guest's kernel: the ports, no monitor, and no accounting of memory
# by control group. That would take eight instructions less of a page fault while its
# statistics wait to be added up, every other second.
counting_cmdline() {
	echo "mdr.ports=rp_igb=00:10.0,rp_igb2=00:14.0,rp_shm=00:16.0" \
		"mdr.monitor=0 cgroup_disable=memory"
}
