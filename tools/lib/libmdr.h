/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libmdr: the IOMMU groups, PCI functions and mdevs of mdev_recovery, and what an
 * administrator or the user of a device can do with them. See libmdr(3).
 *
 * A group, a function or an mdev is a snapshot: it holds what was true when it was
 * read. Each object has a function that frees it. A function that can fail returns 0
 * or a negative errno.
 */
#ifndef LIBMDR_H
#define LIBMDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MDR_UUID_SIZE 37	/* with the null byte */
#define MDR_DRIVER "mdr-pci"	/* the generic parent driver */

/* The root of the file system below which the library looks: tests have their own. */
struct mdr;

/* root: "" or NULL for the real one. Returns NULL if there is no memory. */
struct mdr *mdr_new(const char *root);
void mdr_free(struct mdr *mdr);
const char *mdr_root(const struct mdr *mdr);

/* The version of this library. */
const char *mdr_version(void);

/*
 * The version of the loaded module mdev_recovery, or "unknown" if it has none.
 * -ENOENT if the module is not loaded.
 */
int mdr_module_version(struct mdr *mdr, char *version, size_t size);

/* Is it a valid UUID, or address of a PCI function, as sysfs writes it? */
bool mdr_uuid_valid(const char *text);
bool mdr_address_valid(const char *text);

/* Groups */

enum mdr_group_state {
	MDR_GROUP_UNKNOWN,	/* a state that this library does not know */
	MDR_GROUP_OPEN,
	MDR_GROUP_CLOSING,
	MDR_GROUP_RECOVERING,
	MDR_GROUP_HOLDING,
	MDR_GROUP_EVICTING,
	MDR_GROUP_FAILED,
	MDR_GROUP_RESETTING,
};

/* What an administrator should do about a group. */
enum mdr_advice {
	MDR_ADVICE_NONE,
	MDR_ADVICE_WAIT,	/* the group continues by itself */
	MDR_ADVICE_RELEASE,	/* the user has to release the device */
	MDR_ADVICE_RECOVER,	/* find the reason, then recover the group */
	MDR_ADVICE_REPLACE,	/* the host has given the device up */
};

struct mdr_group;

enum mdr_group_state mdr_group_state_parse(const char *name);
const char *mdr_advice_name(enum mdr_advice advice);

/*
 * Finds a group by its name ("group16" or "16"), by an mdev's UUID, or by a function's
 * address. -EINVAL: name is none of these. -ENOENT: there is no such object, or it is
 * not in a group of mdev_recovery. -EUNATCH: the module is not loaded.
 */
int mdr_group_get(struct mdr *mdr, const char *name, struct mdr_group **group);

/*
 * Calls each() for every group, in the order of their numbers, until it returns
 * nonzero, and frees each group afterwards. Returns that value, 0, -ENOMEM, or
 * -EUNATCH as above.
 */
int mdr_group_each(struct mdr *mdr, int (*each)(const struct mdr_group *group, void *arg),
		   void *arg);
void mdr_group_free(struct mdr_group *group);

unsigned int mdr_group_number(const struct mdr_group *group);
const char *mdr_group_name(const struct mdr_group *group);
enum mdr_group_state mdr_group_state(const struct mdr_group *group);
const char *mdr_group_state_name(const struct mdr_group *group);	/* the kernel's word */
enum mdr_advice mdr_group_advice(const struct mdr_group *group);
uint64_t mdr_group_event(const struct mdr_group *group);
const char *mdr_group_cause(const struct mdr_group *group);
const char *mdr_group_type(const struct mdr_group *group);

/* The entry at index, counted from 0; NULL after the last entry. */
const char *mdr_group_function(const struct mdr_group *group, size_t index);
const char *mdr_group_port(const struct mdr_group *group, size_t index);
const char *mdr_group_mdev(const struct mdr_group *group, size_t index);
/* A function that blocks the kernel's recovery, and the lowest port at which it does. */
const char *mdr_group_blocker(const struct mdr_group *group, size_t index, const char **port);
/* The name of a counter, and its value. */
const char *mdr_group_counter(const struct mdr_group *group, size_t index, uint64_t *value);

/* Resets and restores a group that has failed; waits for the result. */
int mdr_group_recover(struct mdr *mdr, const struct mdr_group *group);

/* PCI functions */

struct mdr_function;

/* address: as in sysfs, or without the domain 0000. -EINVAL, -ENOENT. */
int mdr_function_get(struct mdr *mdr, const char *address, struct mdr_function **function);
void mdr_function_free(struct mdr_function *function);

const char *mdr_function_address(const struct mdr_function *function);
const char *mdr_function_driver(const struct mdr_function *function);	/* NULL: none */
const char *mdr_function_override(const struct mdr_function *function);	/* NULL: none */
int mdr_function_group(const struct mdr_function *function);		/* -1: none */
const char *mdr_function_port(const struct mdr_function *function);	/* root port, or NULL */
unsigned int mdr_function_class(const struct mdr_function *function);
unsigned int mdr_function_vendor(const struct mdr_function *function);
unsigned int mdr_function_device(const struct mdr_function *function);

/*
 * Unbinds the function from its driver, which may take a while, and binds it to this
 * one. If that fails, the function goes back to its old driver. -ENODEV: the driver did
 * not take it; the kernel log says why.
 */
int mdr_function_bind(struct mdr *mdr, const char *address, const char *driver);

/* Unbinds the function, and gives it back to its usual driver. */
int mdr_function_unbind(struct mdr *mdr, const char *address);

/* Resets the function through sysfs; the gate, if it has one, is closed meanwhile. */
int mdr_function_reset(struct mdr *mdr, const char *address);

/* mdevs */

struct mdr_mdev;

int mdr_mdev_get(struct mdr *mdr, const char *uuid, struct mdr_mdev **mdev);
void mdr_mdev_free(struct mdr_mdev *mdev);

const char *mdr_mdev_uuid(const struct mdr_mdev *mdev);
const char *mdr_mdev_type(const struct mdr_mdev *mdev);
const char *mdr_mdev_function(const struct mdr_mdev *mdev);
/* The name of the setting at index and its value; NULL after the last. */
const char *mdr_mdev_setting(const struct mdr_mdev *mdev, size_t index, const char **value);

/* -ENOENT: no such mdev or setting; -EINVAL: the kernel refuses the value. */
int mdr_mdev_set(struct mdr *mdr, const char *uuid, const char *setting, const char *value);

/* An open device, for the program that drives it; see linux/mdev_recovery.h */

struct mdr_device;
struct mdr_status;

/*
 * Opens an mdev: through its group, with a new container, or through its character
 * device, with a new iommufd. -ENOENT: there is no such mdev, or it has another driver.
 * -EOPNOTSUPP: no character devices, because the kernel, or the headers that this library
 * was built with, do not have them. Other errors come from VFIO.
 */
int mdr_device_open(struct mdr *mdr, const char *uuid, struct mdr_device **device);
int mdr_device_open_cdev(struct mdr *mdr, const char *uuid, struct mdr_device **device);
void mdr_device_close(struct mdr_device *device);

/* For VFIO's own calls; -1: the device was opened the other way. ioas may be NULL. */
int mdr_device_fd(const struct mdr_device *device);
int mdr_device_container(const struct mdr_device *device);
int mdr_device_iommufd(const struct mdr_device *device, uint32_t *ioas);

/*
 * Lets the device read and write memory: at this address, from its point of view. All of
 * memory, size and iova are multiples of the page size. -ENOENT: nothing is mapped there.
 */
int mdr_device_map(const struct mdr_device *device, void *memory, size_t size, uint64_t iova);
int mdr_device_unmap(const struct mdr_device *device, uint64_t iova, size_t size);

/* An eventfd, readable after a change of state. mdr_device_wait() reads it. */
int mdr_device_changes(const struct mdr_device *device);

/* Is this the latest event, and does the user have access? Costs one load. */
bool mdr_device_alive(const struct mdr_device *device, uint64_t event);

int mdr_device_status(const struct mdr_device *device, struct mdr_status *status);

/*
 * Waits until the status no longer says MDR_NEXT_WAIT, and returns it. -ETIMEDOUT: there
 * was no change for timeout_ms; -1 waits for ever. -EINTR: a signal came.
 */
int mdr_device_wait(const struct mdr_device *device, int timeout_ms, struct mdr_status *status);

/* Errors: see MDR_DEVICE_FEATURE_ACKNOWLEDGE. */
int mdr_device_acknowledge(const struct mdr_device *device, uint64_t event);

/* The settings that mdevs of the loaded module have */

struct mdr_settings;
struct mdr_setting;

/*
 * -EUNATCH: the module is not loaded. -ENOENT: the module is too old to list them. A
 * setting is valid until its table is freed.
 */
int mdr_settings_get(struct mdr *mdr, struct mdr_settings **settings);
void mdr_settings_free(struct mdr_settings *settings);
const struct mdr_setting *mdr_settings_at(const struct mdr_settings *settings, size_t index);
const struct mdr_setting *mdr_settings_find(const struct mdr_settings *settings,
					    const char *name);	/* NULL: there is none */

const char *mdr_setting_name(const struct mdr_setting *setting);
const char *mdr_setting_default(const struct mdr_setting *setting);

/* A setting is a number with bounds and a unit, one of several words, or of a newer kind. */
bool mdr_setting_range(const struct mdr_setting *setting, uint64_t *low, uint64_t *high);
const char *mdr_setting_unit(const struct mdr_setting *setting);	/* or NULL */
const char *mdr_setting_word(const struct mdr_setting *setting, size_t index);

/* Does the module accept this value? True for a newer kind: only the module knows. */
bool mdr_setting_allows(const struct mdr_setting *setting, const char *value);

/* Changes of groups, as the kernel reports them */

struct mdr_monitor;
struct mdr_change;

int mdr_monitor_new(struct mdr *mdr, struct mdr_monitor **monitor);
void mdr_monitor_free(struct mdr_monitor *monitor);

/* Readable while a change is pending. */
int mdr_monitor_fd(const struct mdr_monitor *monitor);

/*
 * The next pending change, valid until the next call, or NULL. Does not wait. Changes
 * can get lost if there are too many at once: read the groups again to be sure.
 */
const struct mdr_change *mdr_monitor_next(struct mdr_monitor *monitor);

/* After NULL: were changes lost since the last call? Others may be pending still. */
bool mdr_monitor_lost(struct mdr_monitor *monitor);

const char *mdr_change_action(const struct mdr_change *change);	/* add, change, remove */
const char *mdr_change_group(const struct mdr_change *change);
const char *mdr_change_state(const struct mdr_change *change);	/* NULL: add or remove */
uint64_t mdr_change_event(const struct mdr_change *change);
const char *mdr_change_cause(const struct mdr_change *change);	/* or NULL */
const char *mdr_change_function(const struct mdr_change *change);	/* or NULL */

#ifdef __cplusplus
}
#endif

#endif
