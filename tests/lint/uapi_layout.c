// SPDX-License-Identifier: GPL-2.0-only
/*
 * The layout of the user API. Compiled for programs of 32 and of 64 bits: what a
 * program was built with once stays so.
 */
#include <linux/mdev_recovery.h>

#define AT(type_, field_, offset_)					\
	_Static_assert(__builtin_offsetof(struct type_, field_) == (offset_), \
		       #type_ "." #field_)
#define SIZE(type_, size_) \
	_Static_assert(sizeof(struct type_) == (size_), #type_)

SIZE(mdr_status, 104);
AT(mdr_status, event, 0);
AT(mdr_status, error_ns, 8);
AT(mdr_status, closed_ns, 16);
AT(mdr_status, reset_ns, 24);
AT(mdr_status, opened_ns, 32);
AT(mdr_status, recoveries, 40);
AT(mdr_status, failures, 48);
AT(mdr_status, stalls, 56);
AT(mdr_status, dead_accesses, 64);
AT(mdr_status, state, 72);
AT(mdr_status, policy, 76);
AT(mdr_status, cause, 80);
AT(mdr_status, channel, 84);
AT(mdr_status, next, 88);
AT(mdr_status, flags, 92);
AT(mdr_status, segment, 96);
AT(mdr_status, function, 100);
AT(mdr_status, port, 102);

SIZE(mdr_status_page, 120);
AT(mdr_status_page, sequence, 0);
AT(mdr_status_page, alive, 8);
AT(mdr_status_page, status, 16);

SIZE(mdr_device_feature_eventfd, 8);
AT(mdr_device_feature_eventfd, fd, 0);
AT(mdr_device_feature_eventfd, flags, 4);

SIZE(mdr_device_feature_acknowledge, 16);
AT(mdr_device_feature_acknowledge, event, 0);
AT(mdr_device_feature_acknowledge, flags, 8);
AT(mdr_device_feature_acknowledge, reserved, 12);
