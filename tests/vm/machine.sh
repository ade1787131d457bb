# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The machine that scenarios run in. Sourced by run.
#
# Every device sits below a port of its own, named after what it is for. Root ports
# have fixed slots; a port of a switch is found by its path from there, since the
# firmware numbers the buses. The guest is told all of them on its command line and finds
# the functions below. An error injected into a port hits all below it.

# 00:1c.0 is free, for a port of the bench.
#
# port id = its way in the guest, as the kernel writes it: BUS:DEVICE.FUNCTION of the
# root port, then /DEVICE.FUNCTION for each bridge below
machine_ports=(
	rp_igb=00:10.0       # two igb functions, an IOMMU group each
	rp_e1000e=00:11.0    # two e1000e functions in one IOMMU group
	rp_nvme=00:12.0      # an nvme controller
	rp_igb2=00:13.0      # one igb, to be plugged and unplugged
	rp_empty=00:15.0     # nothing, to plug something in
	rp_shm=00:16.0       # ivshmem: a BAR of 64 MiB that is plain memory
	rp_watch=00:17.0     # ivshmem: the same memory seen from another port
	rp_noiommu=40:00.0   # a function that no IOMMU translates
	rp_switch=00:18.0    # a switch with three ports, a function each
	rp_deep=00:19.0      # a switch with a pair of ports and a switch
	rp_bridge=00:1a.0    # a bridge to conventional PCI
	rp_ats=00:1b.0       # a function that keeps the IOMMU's translations (ATS)
)

# Bridges with the type of each; a port of a switch has a slot, as a root port does.
machine_bridges=(
	sw_up=00:18.0/00.0=x3130-upstream
	sw_a=00:18.0/00.0/00.0=xio3130-downstream      # igb
	sw_b=00:18.0/00.0/01.0=xio3130-downstream      # igb
	sw_c=00:18.0/00.0/02.0=xio3130-downstream      # e1000e
	# two functions of one device, without ACS: all below is one IOMMU group
	deep_up=00:19.0/00.0=x3130-upstream
	deep_a=00:19.0/00.0/00.0=xio3130-downstream    # e1000e
	deep_b=00:19.0/00.0/00.1=xio3130-downstream    # e1000e
	deep_c=00:19.0/00.0/01.0=xio3130-downstream    # the second switch
	deeper_up=00:19.0/00.0/01.0/00.0=x3130-upstream
	deeper_a=00:19.0/00.0/01.0/00.0/00.0=xio3130-downstream # igb
	pci_bridge=00:1a.0/00.0=pcie-pci-bridge        # e1000
)

# machine_args WORKDIR ACCEL [MEMORY [CPU]]: prints QEMU's arguments, one a line.
# MEMORY is in MiB, CPU is added to the CPU model.
machine_args() {
	local dir=$1 accel=$2 memory=${3:-1024} cpu=${4:-} port id addr chassis=0 bus type
	local -A at

	printf '%s\n' -accel "$accel" -m "$memory" -smp 2 \
		-device pxb-pcie,id=pxb,bus=pcie.0,bus_nr=0x40,addr=0x1e,bypass_iommu=on
	[ "$accel" = kvm ] && printf '%s\n' -cpu "host$cpu" || printf '%s\n' -cpu "max$cpu"

	for port in "${machine_ports[@]}"; do
		id=${port%%=*} addr=${port#*=}
		at[$addr]=$id
		chassis=$((chassis + 1))
		bus=pcie.0
		[ "${addr%%:*}" = 00 ] || bus=pxb
		addr=${addr#*:}
		printf '%s\n' -device "pcie-root-port,id=$id,bus=$bus,chassis=$chassis,slot=$chassis,addr=0x${addr%.*}"
	done

	for port in "${machine_bridges[@]}"; do
		id=${port%%=*} type=${port##*=} addr=${port#*=}
		addr=${addr%=*}
		at[$addr]=$id
		chassis=$((chassis + 1))
		bus=${at[${addr%/*}]} addr=${addr##*/}
		case $type in
		*-downstream) type+=,chassis=$chassis,slot=$chassis,multifunction=on ;;
		esac
		printf '%s\n' -device "$type,id=$id,bus=$bus,addr=0x$addr"
	done

	printf '%s\n' \
		-device igb,id=igb0,bus=rp_igb,addr=0.0,multifunction=on,x-pcie-ari-nextfn-1=on,mac=52:54:00:00:01:00 \
		-device igb,id=igb1,bus=rp_igb,addr=0.1,multifunction=on,mac=52:54:00:00:01:01 \
		-device e1000e,id=e1000e0,bus=rp_e1000e,addr=0.0,multifunction=on,mac=52:54:00:00:02:00 \
		-device e1000e,id=e1000e1,bus=rp_e1000e,addr=0.1,multifunction=on,mac=52:54:00:00:02:01 \
		-blockdev "driver=file,node-name=disk,filename=$dir/nvme.img" \
		-device nvme,id=nvme0,bus=rp_nvme,drive=disk,serial=mdr-nvme-0 \
		-device igb,id=igb2,bus=rp_igb2,mac=52:54:00:00:03:00 \
		-object "memory-backend-file,id=shm0,mem-path=$dir/shm.img,size=64M,share=on" \
		-object "memory-backend-file,id=shm1,mem-path=$dir/shm.img,size=64M,share=on" \
		-device ivshmem-plain,id=ivshmem0,bus=rp_shm,memdev=shm0 \
		-device ivshmem-plain,id=ivshmem1,bus=rp_watch,memdev=shm1 \
		-device e1000e,id=noiommu0,bus=rp_noiommu,mac=52:54:00:00:04:00 \
		-device igb,id=sw_igb0,bus=sw_a,mac=52:54:00:00:05:00 \
		-device igb,id=sw_igb1,bus=sw_b,mac=52:54:00:00:05:01 \
		-device e1000e,id=sw_e1000e,bus=sw_c,mac=52:54:00:00:05:02 \
		-device e1000e,id=deep_e1000e0,bus=deep_a,mac=52:54:00:00:06:00 \
		-device e1000e,id=deep_e1000e1,bus=deep_b,mac=52:54:00:00:06:01 \
		-device igb,id=deeper_igb,bus=deeper_a,mac=52:54:00:00:06:02 \
		-device e1000,id=bridge_e1000,bus=pci_bridge,addr=0x1,mac=52:54:00:00:07:00 \
		-device virtio-rng-pci,id=ats0,bus=rp_ats,ats=on,aer=on,disable-legacy=on,iommu_platform=on

	# ttyS0: kernel log. ttyS1: this QEMU's own monitor, for the guest to
	# inject errors and plug devices. Port 0xe9: the test results.
	printf '%s\n' \
		-chardev "file,id=console,path=$dir/console" \
		-device isa-serial,chardev=console,index=0 \
		-chardev "socket,id=monitor,path=$dir/qmp,server=on,wait=off" \
		-mon chardev=monitor,mode=control \
		-chardev "socket,id=guestmon,path=$dir/qmp" \
		-device isa-serial,chardev=guestmon,index=1 \
		-chardev "file,id=tap,path=$dir/tap" \
		-device isa-debugcon,iobase=0xe9,chardev=tap
}

# AMD's IOMMU remaps interrupts only if the I/O APIC is in the southbridge, which QEMU says to
# be at 00:14.0. Linux 7.3 looks there for an SMBus or an ISA bridge. This one is a disk by
# all but its class.
machine_amd_args() {
	printf '%s\n' -blockdev driver=null-co,node-name=southbridge,size=1048576 \
		-device virtio-blk-pci,bus=pcie.0,addr=0x14,drive=southbridge,class=0x0c05
}

# What the guest's kernel is told of the ports.
machine_cmdline() {
	local IFS=,
	printf 'mdr.ports=%s' "${machine_ports[*]},${machine_bridges[*]%=*}"
}
