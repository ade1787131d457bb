// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdr-agent: re-attaches a device that was evicted from a libvirt domain when
 * its IOMMU group is open again.
 *
 * One thread runs libvirt's event loop: uevents, libvirt's events, signals and one
 * timer each lead to a step of the agent.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <libudev.h>
#include <libvirt/virterror.h>

#include "agent.h"
#include "log.h"
#include "version.h"

/* Room for a burst of uevents, when a hundred functions recover at once. */
#define UEVENT_BUFFER	(1024 * 1024)

static struct agent agent = {
	.sysfs = "/sys",
	.state_dir = "/var/lib/mdr-agent",
	.domains.uri = "qemu:///system",
};

static bool stop;

static const char usage[] =
	"Usage: mdr-agent [OPTION...]\n"
	"Re-attaches devices that were evicted from running libvirt domains, when their\n"
	"IOMMU group is open again. Runs in the foreground and logs to stderr.\n"
	"\n"
	"  -c, --connect=URI    the libvirt connection (qemu:///system)\n"
	"  -s, --state=DIR      keeps evictions across a restart (/var/lib/mdr-agent)\n"
	"  -h, --help           print this text and exit\n"
	"  -V, --version        print the version and exit\n"
	"\n"
	"See mdr-agent(8).\n";

static int parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "connect", required_argument, NULL, 'c' },
		{ "state", required_argument, NULL, 's' },
		{ "sysfs", required_argument, NULL, 'S' },	/* for tests */
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{}
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:s:hV", options, NULL)) >= 0) {
		switch (option) {
		case 'c':
			agent.domains.uri = optarg;
			break;
		case 's':
			agent.state_dir = optarg;
			break;
		case 'S':
			agent.sysfs = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		case 'V':
			puts("mdr-agent " MDR_VERSION);
			exit(0);
		default:
			return -EINVAL;
		}
	}
	if (optind < argc) {
		log_error("unexpected argument '%s'; see --help", argv[optind]);
		return -EINVAL;
	}
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static void domains_changed(void *arg)
{
	struct agent *a = arg;

	a->due = true;
}

static void on_uevent(int watch, int fd, int events, void *arg)
{
	struct udev_device *device;
	const char *state;

	(void)watch;
	(void)fd;
	(void)events;
	/* the next step looks at all groups, so one that was lost is found there */
	agent.due = true;
	while ((device = udev_monitor_receive_device(arg))) {
		state = udev_device_get_property_value(device, "MDR_STATE");
		if (state)
			agent_group_changed(&agent, udev_device_get_sysname(device), state);
		udev_device_unref(device);
	}
}

static void on_signal(int watch, int fd, int events, void *arg)
{
	struct signalfd_siginfo info;

	(void)watch;
	(void)events;
	(void)arg;
	if (read(fd, &info, sizeof(info)) == sizeof(info))
		stop = true;
}

static void on_timer(int timer, void *arg)
{
	(void)timer;
	(void)arg;
	agent.due = true;
}

/* libvirt would print every error; the agent logs the ones that matter */
static void no_print(void *arg, virErrorPtr error)
{
	(void)arg;
	(void)error;
}

static int watch_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	return virEventAddHandle(fd, VIR_EVENT_HANDLE_READABLE, on_signal, NULL, NULL) < 0 ?
		-EIO : 0;
}

/* The kernel's own uevents: they need no udevd, and are not delayed by it. */
static int watch_uevents(struct udev *udev, struct udev_monitor **monitor)
{
	int ret;

	*monitor = udev_monitor_new_from_netlink(udev, "kernel");
	if (!*monitor)
		return -errno;
	udev_monitor_set_receive_buffer_size(*monitor, UEVENT_BUFFER);
	ret = udev_monitor_filter_add_match_subsystem_devtype(*monitor, "mdev_recovery", NULL);
	if (ret >= 0)
		ret = udev_monitor_enable_receiving(*monitor);
	if (ret < 0)
		return ret;
	return virEventAddHandle(udev_monitor_get_fd(*monitor), VIR_EVENT_HANDLE_READABLE,
				 on_uevent, *monitor, NULL) < 0 ? -EIO : 0;
}

static void read_boot(void)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (f && fgets(agent.boot, sizeof(agent.boot), f))
		agent.boot[strcspn(agent.boot, "\n")] = 0;
	if (f)
		fclose(f);
}

static void check_version(void)
{
	char loaded[VERSION_SIZE];

	if (version_differs(agent.sysfs, loaded))
		log_error("the loaded module mdev_recovery has version %s, not %s: reload it",
			  loaded, MDR_VERSION);
}

static int run(void)
{
	int timer = virEventAddTimeout(-1, on_timer, NULL, NULL);

	if (timer < 0)
		return -EIO;
	while (!stop) {
		if (agent.due)
			virEventUpdateTimeout(timer, agent_step(&agent, now_ms()));
		/* a step may find that there is more to do */
		if (agent.due)
			continue;
		if (virEventRunDefaultImpl() < 0)
			return -EIO;
	}
	log_info("stopped");
	return 0;
}

int main(int argc, char **argv)
{
	struct udev_monitor *monitor = NULL;
	struct udev *udev;
	int ret;

	if (parse(argc, argv))
		return 2;
	virSetErrorFunc(NULL, no_print);
	if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0) {
		log_error("cannot start libvirt's client library");
		return 1;
	}
	agent.domains.changed = domains_changed;
	agent.domains.arg = &agent;
	read_boot();

	ret = watch_signals();
	udev = udev_new();
	if (!ret)
		ret = udev ? watch_uevents(udev, &monitor) : -ENOMEM;
	if (ret) {
		log_error("cannot listen to signals and uevents: %s", strerror(-ret));
	} else {
		check_version();
		agent_load(&agent);
		ret = run();
		if (ret)
			log_error("libvirt's event loop failed");
	}
	agent_free(&agent);
	if (monitor)
		udev_monitor_unref(monitor);
	if (udev)
		udev_unref(udev);
	return !!ret;
}
