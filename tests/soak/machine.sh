# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The machine that is soaked. Sourced by run.
#
# Two runs of it are identical, as with the machine of tests/bench/machine.sh: it has
# neither a monitor nor a disk, and its clock is the number of instructions. It has four
# virtual CPUs, which run in turns.

# port id = its way in the guest; see tests/vm/machine.sh
soak_ports=(
	rp_igb=00:10.0                           # two igb functions, an IOMMU group each
	rp_e1000e=00:11.0                        # two e1000e functions in one IOMMU group
	rp_vf=00:12.0                            # an igb whose VFs are given to users
	rp_switch=00:18.0                        # a switch
	sw_a=00:18.0/00.0/00.0                   # its first port: an igb
	sw_b=00:18.0/00.0/01.0                   # its second port: a switch
	sw_deep=00:18.0/00.0/01.0/00.0/00.0      # whose port has an igb
)

# soak_args DIR MEMORY CPU: prints QEMU's arguments, one a line. MEMORY is in MiB, CPU is
# added to the CPU model.
soak_args() {
	local dir=$1
	printf '%s\n' -accel tcg,thread=single -cpu "max$3" -m "$2" -smp 4 \
		-icount shift=0,sleep=off -seed 1 -rtc base=2026-01-01,clock=vm \
		-global igb.romfile= -global e1000e.romfile= \
		-device pcie-root-port,id=rp_igb,bus=pcie.0,chassis=1,slot=1,addr=0x10 \
		-device pcie-root-port,id=rp_e1000e,bus=pcie.0,chassis=2,slot=2,addr=0x11 \
		-device pcie-root-port,id=rp_vf,bus=pcie.0,chassis=3,slot=3,addr=0x12 \
		-device pcie-root-port,id=rp_switch,bus=pcie.0,chassis=4,slot=4,addr=0x18 \
		-device x3130-upstream,id=sw_up,bus=rp_switch \
		-device xio3130-downstream,id=sw_a,bus=sw_up,chassis=5,slot=5,addr=0x0 \
		-device xio3130-downstream,id=sw_b,bus=sw_up,chassis=6,slot=6,addr=0x1 \
		-device x3130-upstream,id=sw_below,bus=sw_b \
		-device xio3130-downstream,id=sw_deep,bus=sw_below,chassis=7,slot=7,addr=0x0 \
		-device igb,id=igb0,bus=rp_igb,addr=0.0,multifunction=on,x-pcie-ari-nextfn-1=on,mac=52:54:00:00:01:00 \
		-device igb,id=igb1,bus=rp_igb,addr=0.1,multifunction=on,mac=52:54:00:00:01:01 \
		-device e1000e,id=e1000e0,bus=rp_e1000e,addr=0.0,multifunction=on,mac=52:54:00:00:02:00 \
		-device e1000e,id=e1000e1,bus=rp_e1000e,addr=0.1,multifunction=on,mac=52:54:00:00:02:01 \
		-device igb,id=pf,bus=rp_vf,mac=52:54:00:00:03:00 \
		-device igb,id=sw_igb,bus=sw_a,mac=52:54:00:00:04:00 \
		-device igb,id=deep_igb,bus=sw_deep,mac=52:54:00:00:05:00 \
		-chardev "file,id=console,path=$dir/console" \
		-device isa-serial,chardev=console,index=0 \
		-chardev "file,id=tap,path=$dir/tap" \
		-device isa-debugcon,iobase=0xe9,chardev=tap
}

soak_cmdline() {
	local IFS=,
	echo "mdr.ports=${soak_ports[*]} mdr.monitor=0 cgroup_disable=memory"
}
