/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * User API of mdev_recovery: what it adds to VFIO's own calls.
 */
#ifndef _UAPI_LINUX_MDEV_RECOVERY_H
#define _UAPI_LINUX_MDEV_RECOVERY_H

#include <linux/types.h>

/**
 * DOC: user API of mdev_recovery
 *
 * A device of mdev_recovery is a vfio-pci device. In addition to VFIO's calls it has
 *
 * - three features for the ioctl VFIO_DEVICE_FEATURE: to get the status, to be
 *   notified of changes, and to answer an error by its id;
 * - a device-specific region of one page, to check the status without a system call.
 *
 * The features are numbered from %MDR_DEVICE_FEATURE_BASE, far above those of VFIO,
 * and follow its rules: VFIO_DEVICE_FEATURE_PROBE with GET or SET tells whether the
 * call exists; argsz is at least the size of struct vfio_device_feature and of the
 * data, and the rest is ignored. None of them touches the device, so they return at
 * once, also while the gate is closed. But VFIO resumes a device in low power before each
 * ioctl, and returns EIO if that fails; the page and the eventfd do not need that.
 *
 * Errors of all features:
 *
 * ======== ===================================================================
 * EINVAL   argsz is too small; a flag is unknown; a reserved field is not 0; GET of
 *          a feature that has only SET, or the other way round; without PROBE not
 *          exactly one of the two
 * EFAULT   the data cannot be read or written
 * ENOTTY   no such feature
 * ======== ===================================================================
 *
 * All structures have the same layout for 32-bit and 64-bit programs. Times are in
 * nanoseconds of CLOCK_MONOTONIC; 0 means never.
 */

/**
 * enum mdr_state - state of a group, as in its attribute state
 * @MDR_STATE_INVALID: never reported
 * @MDR_STATE_OPEN: users have access
 * @MDR_STATE_CLOSING: an error was detected; accesses in flight end
 * @MDR_STATE_RECOVERING: the host resets and restores the device
 * @MDR_STATE_HOLDING: the host is done; a user has to answer
 * @MDR_STATE_EVICTING: the host is done; the users have to release the device
 * @MDR_STATE_FAILED: the device is lost, unless an administrator recovers it
 * @MDR_STATE_RESETTING: a reset that no error asked for is running
 */
enum mdr_state {
	MDR_STATE_INVALID = 0,
	MDR_STATE_OPEN = 1,
	MDR_STATE_CLOSING = 2,
	MDR_STATE_RECOVERING = 3,
	MDR_STATE_HOLDING = 4,
	MDR_STATE_EVICTING = 5,
	MDR_STATE_FAILED = 6,
	MDR_STATE_RESETTING = 7,
};

/**
 * enum mdr_policy - type of an mdev: what follows the host's recovery
 * @MDR_POLICY_NONE: never reported
 * @MDR_POLICY_RESUME: the user has access again
 * @MDR_POLICY_HOLD: the user has access again when it has reset the device, or
 *	acknowledged the event
 * @MDR_POLICY_EVICT: the user is asked to release the device
 *
 * Ordered by strictness: a group with several mdevs follows the strictest.
 */
enum mdr_policy {
	MDR_POLICY_NONE = 0,
	MDR_POLICY_RESUME = 1,
	MDR_POLICY_HOLD = 2,
	MDR_POLICY_EVICT = 3,
};

/**
 * enum mdr_cause - why a group last left state open
 * @MDR_CAUSE_NONE: it never has, or an administrator has recovered it
 * @MDR_CAUSE_NONFATAL: a non-fatal error
 * @MDR_CAUSE_FATAL: a fatal error
 * @MDR_CAUSE_PERMANENT: the host has given the device up
 * @MDR_CAUSE_USER_RESET: a user asked for a reset
 * @MDR_CAUSE_HOST_RESET: a reset from outside, or a sleep of the system
 * @MDR_CAUSE_WATCHDOG: the recovery did not end in time
 * @MDR_CAUSE_BREAKER: too many errors in too short a time
 */
enum mdr_cause {
	MDR_CAUSE_NONE = 0,
	MDR_CAUSE_NONFATAL = 1,
	MDR_CAUSE_FATAL = 2,
	MDR_CAUSE_PERMANENT = 3,
	MDR_CAUSE_USER_RESET = 4,
	MDR_CAUSE_HOST_RESET = 5,
	MDR_CAUSE_WATCHDOG = 6,
	MDR_CAUSE_BREAKER = 7,
};

/**
 * enum mdr_channel - the link, as the host reported it with the latest error
 * @MDR_CHANNEL_NONE: no error yet
 * @MDR_CHANNEL_NORMAL: the link works (pci_channel_io_normal)
 * @MDR_CHANNEL_FROZEN: the link is blocked (pci_channel_io_frozen)
 * @MDR_CHANNEL_PERM_FAILURE: the device is gone (pci_channel_io_perm_failure)
 */
enum mdr_channel {
	MDR_CHANNEL_NONE = 0,
	MDR_CHANNEL_NORMAL = 1,
	MDR_CHANNEL_FROZEN = 2,
	MDR_CHANNEL_PERM_FAILURE = 3,
};

/**
 * enum mdr_next - what the user of a device should do next
 * @MDR_NEXT_NOTHING: continue
 * @MDR_NEXT_WAIT: wait for the host, or for another user
 * @MDR_NEXT_RESET: reset the device (VFIO_DEVICE_RESET), or acknowledge the event
 *	if %MDR_STATUS_MAY_ACKNOWLEDGE is set
 * @MDR_NEXT_RELEASE: close the device; it can be opened again afterwards
 * @MDR_NEXT_GIVE_UP: the device is lost, close it
 */
enum mdr_next {
	MDR_NEXT_NOTHING = 0,
	MDR_NEXT_WAIT = 1,
	MDR_NEXT_RESET = 2,
	MDR_NEXT_RELEASE = 3,
	MDR_NEXT_GIVE_UP = 4,
};

/* The host has reset the device in this event, and no user has had access since. */
#define MDR_STATUS_PRISTINE		0x1
/* MDR_DEVICE_FEATURE_ACKNOWLEDGE of this event would be accepted. */
#define MDR_STATUS_MAY_ACKNOWLEDGE	0x2
/* The device is being taken away from its user. */
#define MDR_STATUS_REMOVING		0x4
/* The device was closed; this status does not change any more. */
#define MDR_STATUS_CLOSED		0x8

/**
 * struct mdr_status - status of a device and of its group
 * @event: id of the group's latest event; 0 before the first
 * @error_ns: when the host first reported the event, or a reset failed
 * @closed_ns: when the users last lost access
 * @reset_ns: when a function of the group was last found reset and restored
 * @opened_ns: when the users last got access again
 * @recoveries: number of successful recoveries of the group
 * @failures: number of times the group became failed
 * @stalls: number of accesses that waited
 * @dead_accesses: number of accesses that were answered without the device
 * @state: enum mdr_state
 * @policy: the device's type, enum mdr_policy
 * @cause: enum mdr_cause
 * @channel: enum mdr_channel
 * @next: enum mdr_next
 * @flags: MDR_STATUS_*
 * @segment: PCI segment of @function and @port
 * @function: bus << 8 | device << 3 | function of the first function of the group
 *	that the host told of the event. Only the host's log tells which function
 *	sent the error message. 0 before the first event.
 * @port: the same for the port where the host's recovery starts; 0 if unknown
 */
struct mdr_status {
	__aligned_u64 event;
	__aligned_u64 error_ns;
	__aligned_u64 closed_ns;
	__aligned_u64 reset_ns;
	__aligned_u64 opened_ns;
	__aligned_u64 recoveries;
	__aligned_u64 failures;
	__aligned_u64 stalls;
	__aligned_u64 dead_accesses;
	__u32 state;
	__u32 policy;
	__u32 cause;
	__u32 channel;
	__u32 next;
	__u32 flags;
	__u32 segment;
	__u16 function;
	__u16 port;
};

#define MDR_DEVICE_FEATURE_BASE		0xfe00

/*
 * GET: struct mdr_status.
 */
#define MDR_DEVICE_FEATURE_STATUS	(MDR_DEVICE_FEATURE_BASE + 0)

/**
 * struct mdr_device_feature_eventfd - data of MDR_DEVICE_FEATURE_EVENTFD
 * @fd: an eventfd, or -1
 * @flags: 0
 *
 * SET: signal the eventfd whenever the state of the group changes: an error, its end,
 * the loss of the device, a reset. It replaces the previous eventfd; -1 removes it, and
 * so does closing the device. One signal may stand for several changes, so read the
 * status afterwards.
 *
 * EBADF if @fd is not an open file, EINVAL if it is not an eventfd or below -1.
 */
struct mdr_device_feature_eventfd {
	__s32 fd;
	__u32 flags;
};

#define MDR_DEVICE_FEATURE_EVENTFD	(MDR_DEVICE_FEATURE_BASE + 1)

/**
 * struct mdr_device_feature_acknowledge - data of MDR_DEVICE_FEATURE_ACKNOWLEDGE
 * @event: id of the event, from the status
 * @flags: 0
 * @reserved: 0
 *
 * SET, for type hold in state holding: the user knows of this event, and is ready for
 * a device that was reset. Like VFIO_DEVICE_RESET, but without another reset of the
 * device. If several users have to answer, the last answer opens the gate for all.
 *
 * ======== ===================================================================
 * ESTALE   this is not the latest event: read the status
 * EINVAL   the type is not hold, or the group is not holding
 * EAGAIN   a reset of the holding group is running: try again when the state has
 *          changed
 * EALREADY this device has already answered the event; another one has not
 * EPERM    there is no proof that the host has reset the device in this event and
 *          that nothing has touched it since: use VFIO_DEVICE_RESET
 * ======== ===================================================================
 */
struct mdr_device_feature_acknowledge {
	__aligned_u64 event;
	__u32 flags;
	__u32 reserved;
};

#define MDR_DEVICE_FEATURE_ACKNOWLEDGE	(MDR_DEVICE_FEATURE_BASE + 2)

/*
 * The status page is a region with the capability VFIO_REGION_INFO_CAP_TYPE of this
 * type and subtype. It can be read, and mapped for reading. The mapping stays valid
 * after the device is closed.
 *
 * mmap() gives EINVAL if it is not for the whole page or with MAP_PRIVATE, and EPERM
 * with PROT_WRITE.
 */
#define MDR_REGION_TYPE			0x6d6472
#define MDR_REGION_SUBTYPE_STATUS	1

/* No event has this id. */
#define MDR_NOT_ALIVE			(~0ULL)

/**
 * struct mdr_status_page - the status page
 * @sequence: odd while @status changes; read it before and after
 * @reserved: 0
 * @alive: the latest event while the users have access, otherwise %MDR_NOT_ALIVE. A
 *	program compares it with the last id that it has seen: if they are equal,
 *	there was no error since, and the program has access.
 * @status: as MDR_DEVICE_FEATURE_STATUS, at the latest change of the state; the
 *	counters are as of then, too
 */
struct mdr_status_page {
	__u32 sequence;
	__u32 reserved;
	__aligned_u64 alive;
	struct mdr_status status;
};

#endif
