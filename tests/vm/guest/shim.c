// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "clock.h"
#include "mdev.h"
#include "module.h"
#include "scenario.h"
#include "shim.h"
#include "sysfs.h"

int shim_load(void)
{
	return module_load("mdev_recovery_pci");
}

static int bind_to(struct shim *s, const char *driver, const char *port,
		   unsigned int n)
{
	int ret;

	memset(s, 0, sizeof(*s));
	s->group = -1;
	s->driver = driver;
	ret = pci_below(port, n, s->addr);
	if (ret)
		return ret;
	ret = pci_bind(s->addr, driver);
	if (ret)
		return ret;
	s->group = pci_iommu_group(s->addr);
	return s->group < 0 ? s->group : 0;
}

int shim_bind(struct shim *s, const char *port, unsigned int n)
{
	int ret = shim_load();

	return ret ? ret : bind_to(s, "mdr-pci", port, n);
}

int shim_test_set(const char *parameter, const char *value)
{
	return sysfs_write(value, "/sys/module/mdev_recovery_test/parameters/%s",
			   parameter);
}

long shim_test_count(const char *parameter)
{
	return sysfs_read_number("/sys/module/mdev_recovery_test/parameters/%s", parameter);
}

int shim_test_recover(const char *port, const char *state, const char *reset,
		      unsigned int ms)
{
	char text[64];

	if (!sysfs_exists("/sys/module/mdev_recovery_test/parameters/recover"))
		return -EOPNOTSUPP;
	snprintf(text, sizeof(text), "%s %s %s %u", pci_port_addr(port), state, reset, ms);
	return shim_test_set("recover", text);
}

bool shim_test_gives_up(void)
{
	struct utsname uts;

	uname(&uts);
	return strtoul(uts.release, NULL, 10) >= 7;
}

int shim_test_firmware(const struct shim *s, const char *severity)
{
	char text[PCI_ADDR_LEN + 16];

	snprintf(text, sizeof(text), "%s %s", s->addr, severity);
	return shim_test_set("firmware", text);
}

int shim_test_load(void)
{
	static const char * const parameters[] = {
		"restore_error", "restore_ms", "unhealthy", "prepare_ms",
		"slot_reset_ms", "resume_ms", "linger_ms", "drop_resume",
		"restore_fails", "reset_done_ms", "ill_resets", "hooks",
		"reset_prepare_ms", "reset_error",
	};
	int ret = module_load("mdev_recovery_test");

	/* a scenario before this one may have loaded it */
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]) && !ret; i++)
		ret = shim_test_set(parameters[i], "0");
	return ret;
}

int shim_bind_test(struct shim *s, const char *port, unsigned int n)
{
	int ret = shim_test_load();

	return ret ? ret : bind_to(s, "mdr-test", port, n);
}

int shim_vendor_set(const char *parameter, const char *value)
{
	return sysfs_write(value, "/sys/module/mdev_recovery_vendor/parameters/%s",
			   parameter);
}

long shim_vendor_count(const char *parameter)
{
	return sysfs_read_number("/sys/module/mdev_recovery_vendor/parameters/%s", parameter);
}

int shim_bind_vendor(struct shim *s, const char *port, unsigned int n)
{
	static const char * const off[] = {
		"trespasses", "restores", "opens", "restore_error", "restore_ms", "unhealthy",
		"close_ms", "fault_ms", "fault_fails", "fault_unlock_ms", "fault_completes",
	};
	int ret = module_load("mdev_recovery_vendor");

	for (size_t i = 0; i < sizeof(off) / sizeof(off[0]) && !ret; i++)
		ret = shim_vendor_set(off[i], "0");
	if (!ret)
		ret = shim_vendor_set("migration", "1");
	return ret ? ret : bind_to(s, "mdr-vendor", port, n);
}

int shim_create(struct shim *s, const char *policy)
{
	static unsigned int serial;
	char type[32];
	int ret;

	snprintf(type, sizeof(type), "%s-%s", s->driver, policy);
	snprintf(s->uuid, sizeof(s->uuid), "%08x-6d64-4672-8000-%012x",
		 (unsigned int)getpid(), ++serial);
	ret = mdev_create(s->addr, type, s->uuid);
	return ret ? ret : shim_set(s, "breaker_max", "0");
}

int shim_make(struct shim *s, const char *port, unsigned int n, const char *policy)
{
	int ret = shim_bind(s, port, n);

	return ret ? ret : shim_create(s, policy);
}

int shim_set(const struct shim *s, const char *attr, const char *value)
{
	return sysfs_write(value, MDEV_DIR "/%s/recovery/%s", s->uuid, attr);
}

int shim_groups(void)
{
	DIR *dir = opendir(SHIM_CLASS);
	struct dirent *e;
	int count = 0;

	while (dir && (e = readdir(dir)))
		count += !strncmp(e->d_name, "group", 5);
	if (dir)
		closedir(dir);
	return count;
}

int shim_status(int group, const char *file, char *buf, unsigned int size)
{
	return sysfs_read(buf, size, SHIM_CLASS "/group%d/%s", group, file);
}

uint64_t shim_number(int group, const char *file)
{
	char buf[32], *end = buf;
	uint64_t number = 0;

	if (shim_status(group, file, buf, sizeof(buf)) > 0)
		number = strtoull(buf, &end, 10);
	REQUIRE(end != buf && !*end, "group%d/%s is not a number", group, file);
	return number;
}

uint64_t shim_recovery_ms(int group)
{
	uint64_t ns = shim_number(group, "stats/recovery_ns_last");

	REQUIRE(ns, "group%d has not recovered", group);
	return ns / NS_PER_MS;
}

bool shim_is(int group, const char *state)
{
	char buf[32];

	return shim_status(group, "state", buf, sizeof(buf)) > 0 && !strcmp(buf, state);
}

bool shim_wait(int group, const char *state, unsigned int ms)
{
	uint64_t end = now_ns() + patient_ms(ms) * NS_PER_MS;
	char path[64], buf[32];
	struct pollfd p = { .events = POLLPRI };
	/* nobody is told that a user's own reset begins */
	bool look = !strcmp(state, "resetting");
	bool is = false;
	ssize_t len;

	snprintf(path, sizeof(path), SHIM_CLASS "/group%d/state", group);
	p.fd = open(path, O_RDONLY | O_CLOEXEC);
	if (p.fd < 0)
		return false;
	for (;;) {
		len = pread(p.fd, buf, sizeof(buf) - 1, 0);
		buf[len < 0 ? 0 : len] = 0;
		buf[strcspn(buf, "\n")] = 0;
		is = !strcmp(buf, state);
		if (is || now_ns() >= end)
			break;
		poll(&p, 1, look ? 1 : (end - now_ns()) / NS_PER_MS + 1);
	}
	close(p.fd);
	return is;
}
