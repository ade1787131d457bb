/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mdev_recovery as its administrator sees it: functions bound to mdr-pci, mdevs
 * of its types, and the status of groups. Return 0 or more, or -errno.
 */
#ifndef MDR_SHIM_H
#define MDR_SHIM_H

#include <stdbool.h>
#include <stdint.h>

#include "pci.h"

#define SHIM_CLASS "/sys/class/mdev_recovery"
#define SHIM_UUID_LEN 37

/* A function of ours, and its mdev once there is one. */
struct shim {
	char addr[PCI_ADDR_LEN];
	char uuid[SHIM_UUID_LEN];
	/* the parent driver: "mdr-pci", or the tests' own "mdr-test" */
	const char *driver;
	int group;
};

int shim_load(void);

/* Loads the modules, binds the nth function below a port to mdr-pci. */
int shim_bind(struct shim *s, const char *port, unsigned int n);

/*
 * The same with the tests' own parent driver, whose recoveries go wrong as its
 * parameters say (module/mdev_recovery_test.c). All of them are off at first.
 */
int shim_bind_test(struct shim *s, const char *port, unsigned int n);
int shim_test_set(const char *parameter, const char *value);
/*
 * The kernel's own recovery of a port with a reset of the test module's; returns
 * while it runs. -EOPNOTSUPP if this kernel does not export it.
 */
int shim_test_recover(const char *port, const char *state, const char *reset,
		      unsigned int ms);

/*
 * policy: "resume", "hold" or "evict". The mdev's breaker is off: scenarios strike
 * more often than any would stand.
 */
int shim_create(struct shim *s, const char *policy);

/* Both of the above. */
int shim_make(struct shim *s, const char *port, unsigned int n, const char *policy);

/* An attribute in the mdev's recovery/. */
int shim_set(const struct shim *s, const char *attr, const char *value);

/* How many groups there are. */
int shim_groups(void);

/* A file of the group's status. */
int shim_status(int group, const char *file, char *buf, unsigned int size);
uint64_t shim_number(int group, const char *file);
/* How long the host took for the last recovery. */
uint64_t shim_recovery_ms(int group);
bool shim_is(int group, const char *state);
/* Polls the file as a program would; false if it is not so within ms. */
bool shim_wait(int group, const char *state, unsigned int ms);

/*
 * A fatal error at a port; returns while the group is still closed for it. The
 * host may be faster than its observer, then another one follows: the value is
 * how many there were.
 */
int shim_catch_closed(const struct shim *s, const char *port);

#endif
