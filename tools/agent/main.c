// SPDX-License-Identifier: GPL-2.0-only
/*
 * mdr-agent: what happens to a guest when a PCI function that it has as an mdev of
 * mdev_recovery meets an error. See decide.h for the ladder that it follows.
 *
 * The main thread waits for uevents, answers of the backend, signals and the time, and
 * makes a step of the agent after each. It calls neither libvirt nor QEMU.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <unistd.h>

#include "agent.h"
#include "check.h"
#include "domains.h"
#include "log.h"
#include "notify.h"
#include "qmp.h"
#include "uevent.h"
#include "version.h"

#define JOURNAL		"/run/systemd/journal/socket"
#define STUCK_MS	10000	/* without an answer, until that is worth a message */
#define STUCK_LOOK_MS	1000
#define UEVENTS_MOST	64	/* at a time */
#define END_MS		500	/* at most, once all is saved */

static struct agent agent = {
	.sysfs = "/sys",
	.state_dir = "/var/lib/mdr-agent",
};

static const char *uri = "qemu:///system", *socket_path, *other_end = "libvirt";
static struct domains domains;
static struct qmp qmp;
static struct mailbox *mailbox;
static const char *check_name;
static bool stop;

static const char usage[] =
	"Usage: mdr-agent [OPTION...]\n"
	"Tells guests of errors of their PCI functions, and re-attaches functions that were\n"
	"evicted from running libvirt domains. Runs in the foreground.\n"
	"\n"
	"  -c, --connect=URI    the libvirt connection (qemu:///system)\n"
	"  -q, --qmp=SOCKET     one QEMU without libvirt, by its monitor\n"
	"  -s, --state=DIR      directory of the state file (/var/lib/mdr-agent)\n"
	"  -k, --check=DOMAIN   check whether a domain's guest can be told of errors, print JSON\n"
	"  -h, --help           print this text and exit\n"
	"  -V, --version        print the version and exit\n"
	"\n"
	"SIGHUP starts the attempts to re-attach devices anew. See mdr-agent(8).\n";

static int parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "connect", required_argument, NULL, 'c' },
		{ "qmp", required_argument, NULL, 'q' },
		{ "state", required_argument, NULL, 's' },
		{ "sysfs", required_argument, NULL, 'S' },	/* for tests */
		{ "check", required_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{}
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:q:s:k:hV", options, NULL)) >= 0) {
		switch (option) {
		case 'c':
			uri = optarg;
			break;
		case 'q':
			socket_path = optarg;
			break;
		case 's':
			agent.state_dir = optarg;
			break;
		case 'k':
			check_name = optarg;
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

static int open_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	/* before there are threads, which inherit it */
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static void take_signals(int fd)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			agent_retry(&agent);
		else
			stop = true;
	}
}

/* Not all of a flood at once: systemd, signals and answers do not wait for its end. */
static int take_uevents(int fd)
{
	struct uevent uevent;
	int ret;

	for (int i = 0; i < UEVENTS_MOST && (ret = uevent_read(fd, &uevent)) != -EAGAIN; i++) {
		if (ret == -ENOBUFS) {
			log_info("some uevents were lost; looking at all groups");
			agent.due = true;
		} else if (ret == -EINTR || ret == -ENOENT) {
			continue;
		} else if (ret) {
			return ret;
		} else if (uevent.state[0]) {
			agent_group_changed(&agent, uevent.group, uevent.state, now_ms());
		} else {
			/* a group has come or gone */
			agent.due = true;
		}
	}
	return 0;
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

/* Says once that a call is not answered, and once that it is. */
static void check_stuck(void)
{
	static bool said;
	const char *call;
	int64_t ms = mailbox_stuck_ms(mailbox, now_ms(), &call);

	if (ms >= STUCK_MS && !said) {
		log_error("%s has not answered for %lld s (%s); nothing is known of the domains",
			  other_end, (long long)ms / 1000, call);
		notify("STATUS=%s does not answer", other_end);
		said = true;
	} else if (ms < STUCK_MS && said) {
		log_info("%s answers again", other_end);
		notify("STATUS=");
		said = false;
	}
}

static int shorter(int64_t a, int64_t b)
{
	if (a < 0 || (b >= 0 && b < a))
		return b;
	return a;
}

static int run(int signals, int uevents)
{
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = uevents, .events = POLLIN },
		{ .fd = mailbox->fd, .events = POLLIN },
	};
	int watchdog_ms = notify_watchdog_ms();
	int64_t next_ms = -1, left = -1;
	const char *call;
	int timeout, ret;

	notify("READY=1");
	while (!stop) {
		while (agent.due) {
			left = agent_step(&agent, now_ms());
			next_ms = left < 0 ? -1 : now_ms() + left;
		}
		left = next_ms < 0 ? -1 : next_ms - now_ms();
		timeout = shorter(watchdog_ms, left < 0 && next_ms >= 0 ? 0 : left);
		mailbox_stuck_ms(mailbox, now_ms(), &call);
		if (call)
			timeout = shorter(timeout, STUCK_LOOK_MS);
		if (poll(fds, 3, timeout) < 0 && errno != EINTR)
			return -errno;
		notify("WATCHDOG=1");
		take_signals(signals);
		ret = take_uevents(uevents);
		if (ret)
			return ret;
		mailbox_dispatch(mailbox, &agent, now_ms());
		check_stuck();
		if (next_ms >= 0 && now_ms() >= next_ms)
			agent.due = true;
	}
	return 0;
}

static int start(int *signals, int *uevents)
{
	int ret;

	*signals = open_signals();
	if (*signals < 0)
		return *signals;
	*uevents = uevent_open();
	if (*uevents < 0)
		return *uevents;
	if (socket_path) {
		other_end = "QEMU";
		mailbox = &qmp.mailbox;
		ret = qmp_start(&qmp, socket_path);
	} else {
		mailbox = &domains.mailbox;
		ret = domains_start(&domains, uri);
	}
	agent.backend = &mailbox->backend;
	return ret;
}

static int code;

static void on_alarm(int signo)
{
	(void)signo;
	_exit(code);
}

/*
 * A thread may hang in libvirt and hold locks that libvirt needs to shut down, so do not
 * wait for it. Never call exit(): it would tear libvirt down under that thread, and wait
 * for the locks of its streams.
 */
static void end(void) __attribute__((noreturn));
static void end(void)
{
	const struct itimerval at_most = { .it_value.tv_usec = END_MS * 1000 };

	signal(SIGALRM, on_alarm);
	setitimer(ITIMER_REAL, &at_most, NULL);
	notify("STOPPING=1");
	log_info("stopped");
	if (socket_path)
		qmp_stop(&qmp);
	else
		domains_stop(&domains);
	_exit(code);
}

int main(int argc, char **argv)
{
	int signals, uevents, ret;

	if (parse(argc, argv))
		return 2;
	if (check_name)
		return check_print(agent.sysfs, uri, check_name);
	if (log_is_service())
		log_to_journal(JOURNAL);
	ret = start(&signals, &uevents);
	if (ret) {
		log_error("cannot start: %s", strerror(-ret));
		return 1;
	}
	read_boot();
	check_version();
	agent_load(&agent);
	ret = run(signals, uevents);
	if (ret)
		log_error("cannot wait for events: %s", strerror(-ret));
	code = !!ret;
	agent_save(&agent);
	end();
}
