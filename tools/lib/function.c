// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI functions and their drivers.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "private.h"

#define ADDRESS_SIZE 24
#define DEVICES MDR_PCI "/devices"

struct mdr_function {
	char address[ADDRESS_SIZE];
	char *driver, *override, *port;
	int group;
	unsigned int class, vendor, device;
};

/* The address as sysfs writes it. */
static int full_address(const char *address, char full[ADDRESS_SIZE])
{
	size_t len = strlen(address);

	if (len >= ADDRESS_SIZE - 5)
		return -EINVAL;
	snprintf(full, ADDRESS_SIZE, "%s%s", len == 7 ? "0000:" : "", address);
	return mdr_address_valid(full) ? 0 : -EINVAL;
}

/*
 * The root port is what follows the root bus in the path of the device:
 * .../pci0000:00/0000:00:14.0/0000:05:00.0. Below VMD there is a second pciNNNN:NN, so
 * the last one counts.
 */
char *mdr_find_port(const struct mdr *mdr, const char *address)
{
	char path[PATH_MAX], real[PATH_MAX], *at, *bus = NULL;

	if (mdr_path(mdr, path, DEVICES "/%s", address) || !realpath(path, real))
		return NULL;
	for (at = real; (at = strstr(at, "/pci")); at += 4)
		bus = at;
	at = bus ? strchr(bus + 1, '/') : NULL;
	if (!at)
		return NULL;
	at++;
	at[strcspn(at, "/")] = 0;
	return strcmp(at, address) ? strdup(at) : NULL;
}

static unsigned int read_number(struct mdr *mdr, const char *address, const char *file)
{
	char *text = mdr_read(mdr, DEVICES "/%s/%s", address, file);
	unsigned int number = text ? strtoul(text, NULL, 16) : 0;

	free(text);
	return number;
}

static int read_group(struct mdr *mdr, const char *address)
{
	char *name = mdr_read_link(mdr, DEVICES "/%s/iommu_group", address);
	int group = name ? atoi(name) : -1;

	free(name);
	return group;
}

int mdr_function_get(struct mdr *mdr, const char *address, struct mdr_function **result)
{
	struct mdr_function *function;
	char full[ADDRESS_SIZE];
	int ret;

	ret = full_address(address, full);
	if (ret)
		return ret;
	if (!mdr_exists(mdr, DEVICES "/%s", full))
		return -ENOENT;
	function = calloc(1, sizeof(*function));
	if (!function)
		return -ENOMEM;
	memcpy(function->address, full, sizeof(full));
	function->driver = mdr_read_link(mdr, DEVICES "/%s/driver", full);
	function->override = mdr_read(mdr, DEVICES "/%s/driver_override", full);
	/* the kernel prints an empty line or (null) for none */
	if (function->override && (!*function->override ||
				   !strcmp(function->override, "(null)"))) {
		free(function->override);
		function->override = NULL;
	}
	function->port = mdr_find_port(mdr, full);
	function->group = read_group(mdr, full);
	function->class = read_number(mdr, full, "class");
	function->vendor = read_number(mdr, full, "vendor");
	function->device = read_number(mdr, full, "device");
	*result = function;
	return 0;
}

void mdr_function_free(struct mdr_function *function)
{
	if (!function)
		return;
	free(function->driver);
	free(function->override);
	free(function->port);
	free(function);
}

const char *mdr_function_address(const struct mdr_function *function)
{
	return function->address;
}

const char *mdr_function_driver(const struct mdr_function *function)
{
	return function->driver;
}

const char *mdr_function_override(const struct mdr_function *function)
{
	return function->override;
}

int mdr_function_group(const struct mdr_function *function)
{
	return function->group;
}

const char *mdr_function_port(const struct mdr_function *function)
{
	return function->port;
}

unsigned int mdr_function_class(const struct mdr_function *function)
{
	return function->class;
}

unsigned int mdr_function_vendor(const struct mdr_function *function)
{
	return function->vendor;
}

unsigned int mdr_function_device(const struct mdr_function *function)
{
	return function->device;
}

/* Sets the only driver that may bind the function; NULL: any. */
static int set_override(struct mdr *mdr, const char *address, const char *driver)
{
	char line[NAME_MAX + 2];

	if (snprintf(line, sizeof(line), "%s\n", driver ? driver : "") >= (int)sizeof(line))
		return -ENAMETOOLONG;
	return mdr_write(mdr, line, DEVICES "/%s/driver_override", address);
}

/*
 * From the driver that it had when it was read. At boot udev and a service bind the same
 * function: what one has just bound, the other one must leave alone.
 */
static int detach(struct mdr *mdr, const struct mdr_function *function)
{
	int ret;

	if (!function->driver)
		return 0;
	ret = mdr_write(mdr, function->address, MDR_PCI "/drivers/%s/unbind", function->driver);
	/* it lost its driver meanwhile */
	return ret == -ENOENT || ret == -ENODEV ? 0 : ret;
}

static bool bound_to(struct mdr *mdr, const char *address, const char *driver)
{
	char *bound = mdr_read_link(mdr, DEVICES "/%s/driver", address);
	bool same = bound && !strcmp(bound, driver);

	free(bound);
	return same;
}

static int probe(struct mdr *mdr, const char *address)
{
	return mdr_write(mdr, address, MDR_PCI "/drivers_probe");
}

static int rebind(struct mdr *mdr, const struct mdr_function *function, const char *driver)
{
	const char *address = function->address;
	int ret;

	ret = set_override(mdr, address, driver);
	if (!ret)
		ret = detach(mdr, function);
	if (!ret)
		ret = probe(mdr, address);
	if (!ret && !bound_to(mdr, address, driver))
		ret = -ENODEV;
	if (ret) {
		set_override(mdr, address, function->override);
		if (function->driver && !bound_to(mdr, address, function->driver))
			probe(mdr, address);
	}
	return ret;
}

int mdr_function_bind(struct mdr *mdr, const char *address, const char *driver)
{
	struct mdr_function *function;
	int ret;

	ret = mdr_function_get(mdr, address, &function);
	if (ret)
		return ret;
	if (function->driver && !strcmp(function->driver, driver))
		ret = set_override(mdr, function->address, driver);
	else
		ret = rebind(mdr, function, driver);
	mdr_function_free(function);
	return ret;
}

int mdr_function_unbind(struct mdr *mdr, const char *address)
{
	struct mdr_function *function;
	int ret;

	ret = mdr_function_get(mdr, address, &function);
	if (ret)
		return ret;
	ret = set_override(mdr, function->address, NULL);
	if (!ret)
		ret = detach(mdr, function);
	/* not an error if no driver takes it */
	if (!ret)
		probe(mdr, function->address);
	mdr_function_free(function);
	return ret;
}

int mdr_function_reset(struct mdr *mdr, const char *address)
{
	char full[ADDRESS_SIZE];
	int ret = full_address(address, full);

	return ret ? ret : mdr_write(mdr, "1", DEVICES "/%s/reset", full);
}
