#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Notifier of mdevctl for the types of mdev-recovery: writes one line to the system log
# for each action on an mdev, whether it succeeded or not. mdevctl runs it as
#
#   mdev-recovery.sh -t TYPE -e notify -a ACTION -s STATE -u UUID -p PARENT
#
# STATE is success, failure, or none: refused before it began. For a modification
# none can also mean a live change, so the callout writes that line.
# Like mdevctl, it works below $MDEVCTL_ENV_ROOT if that is set.
set -eu

root=${MDEVCTL_ENV_ROOT:-}
root=${root%/}

type='' action='' state='' uuid='' parent=''
while [ $# -ge 2 ]; do
	case $1 in
	-t) type=$2 ;;
	-a) action=$2 ;;
	-s) state=$2 ;;
	-u) uuid=$2 ;;
	-p) parent=$2 ;;
	esac
	shift 2
done

number=$(readlink "$root/sys/bus/pci/devices/$parent/iommu_group" 2>/dev/null) || number=''
group=$root/sys/class/mdev_recovery/group${number##*/}

case $type in
mdr-pci-*) ;;
*-resume | *-hold | *-evict) [ -n "$number" ] && [ -e "$group/$parent" ] || exit 0 ;;
*) exit 0 ;;
esac

case $state-$action in
success-*) priority=info outcome='done' ;;
none-modify) exit 0 ;;
none-*) priority=warning outcome=refused ;;
*) priority=warning outcome=failed ;;
esac

now=''
if [ -n "$number" ] && [ -e "$group/state" ]; then
	now="; ${group##*/} is $(cat "$group/state"), policy $(cat "$group/policy")"
fi

logger -t mdev-recovery -p "daemon.$priority" \
	"$action of mdev $uuid ($type on $parent): $outcome$now"
