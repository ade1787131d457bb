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

/* A function bound to our driver, and its mdev if it has one. */
struct shim {
	char addr[PCI_ADDR_LEN];
	char uuid[SHIM_UUID_LEN];
	/* the parent driver: "mdr-pci", or the tests' own "mdr-test" */
	const char *driver;
	int group;
};

int shim_load(void);

/* Loads the modules and binds the nth function below a port to mdr-pci. */
int shim_bind(struct shim *s, const char *port, unsigned int n);

/*
 * The same with the tests' own parent driver. Its parameters make recoveries go wrong
 * (module/mdev_recovery_test.c); all of them are off after either call.
 */
int shim_bind_test(struct shim *s, const char *port, unsigned int n);
int shim_test_load(void);
int shim_test_set(const char *parameter, const char *value);
/* One of its counters, or -errno. */
long shim_test_count(const char *parameter);

/* With the tests' parent driver that has a vfio driver of its own, for igb. */
int shim_bind_vendor(struct shim *s, const char *port, unsigned int n);
int shim_vendor_set(const char *parameter, const char *value);
long shim_vendor_count(const char *parameter);
/*
 * Starts the kernel's own recovery of a port, with a reset function of the test
 * module; does not wait for its end. -EOPNOTSUPP if nothing finds it.
 */
int shim_test_recover(const char *port, const char *state, const char *reset,
		      unsigned int ms);
/* Does this kernel say that it gives a recovery up, with reset "fail"? (6.12 does not.) */
bool shim_test_gives_up(void);

/* The firmware tells the kernel of an error: severity is "fatal" or "nonfatal". */
int shim_test_firmware(const struct shim *s, const char *severity);

/*
 * policy: "resume", "hold" or "evict". Turns off the mdev's breaker, since scenarios
 * strike more often than any breaker would allow.
 */
int shim_create(struct shim *s, const char *policy);

/* Both of the above. */
int shim_make(struct shim *s, const char *port, unsigned int n, const char *policy);

/* Writes an attribute in the mdev's recovery/. */
int shim_set(const struct shim *s, const char *attr, const char *value);

/* The number of groups. */
int shim_groups(void);

/* Reads a status file of the group. */
int shim_status(int group, const char *file, char *buf, unsigned int size);
/* Ends the scenario if there is no such file, or no number in it. */
uint64_t shim_number(int group, const char *file);
/* It is value; says what it is if not. */
#define CHECK_NUMBER(group, file, value) ({			\
	uint64_t number_ = shim_number(group, file);		\
								\
	CHECK(number_ == (value), file " is %ju", number_);	\
})

/* The time that the host took for the last recovery; there must have been one. */
uint64_t shim_recovery_ms(int group);
bool shim_is(int group, const char *state);
/* Polls the state file as a program would; false if the state is not reached within ms. */
bool shim_wait(int group, const char *state, unsigned int ms);

#endif
