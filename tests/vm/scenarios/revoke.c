// SPDX-License-Identifier: GPL-2.0-only
/*
 * revoke=kill and holders that are hard to find or to wait for: one that has the
 * device neither among its descriptors nor mapped, and processes that hang.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "background.h"
#include "clock.h"
#include "holder.h"
#include "klog.h"
#include "mdev.h"
#include "module.h"
#include "scenario.h"
#include "shim.h"
#include "task.h"

#define PORT "rp_igb2"
#define BAR0 VFIO_PCI_BAR0_REGION_INDEX
#define REVOKE "300"
#define REVOKE_MS 300
/* beyond the bound: what it takes to look for holders, and to die */
#define SLACK_MS 2500
#define REMOVED_MS (REVOKE_MS + SLACK_MS)
#define SETTLE_MS 3000
/* longer than any removal here may take */
#define HANG "8000"
/* of a holder: begins before the kill, ends after it */
#define HOLD "1500"
#define HOLD_MS 1500
/* enough that looking at all of them takes longer than an exit, on any kernel */
#define MAPPINGS (30000 / patience / patience)

static struct vfio_user user;

static void make(struct shim *s)
{
	REQUIRE_OK(module_load("mdev_recovery_test"));
	REQUIRE_OK(shim_make(s, PORT, 0, "resume"));
	REQUIRE_OK(shim_set(s, "revoke", "kill"));
	REQUIRE_OK(shim_set(s, "revoke_timeout_ms", REVOKE));
}

static struct background start_removal(const char *uuid)
{
	return (struct background){ .call = mdev_remove, .name = uuid };
}

static void check_killed(pid_t pid)
{
	int status = 0;
	bool died = WAIT_FOR(waitpid(pid, &status, WNOHANG) == pid, SETTLE_MS);

	CHECK(died && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %#x", status);
}

static void remove_from(const struct shim *s, pid_t pid)
{
	struct background r = start_removal(s->uuid);
	uint64_t ms;

	background_start(&r);
	ms = background_ms(&r, REMOVED_MS);
	CHECK(ms >= REVOKE_MS, "removed after %ju ms", ms);
	MEASURE_BOUND("removed_ms", ms, REMOVED_MS);
	check_killed(pid);
}

static void kill_hidden(enum grip grip)
{
	struct shim s;

	make(&s);
	remove_from(&s, holder_fork(grip, s.uuid));
	CHECK(klog_count("which did not release it") == 1, "%u lines",
	      klog_count("which did not release it"));
}

SCENARIO(revoke_finds_socket, "revoke=kill: a user whose file is in a socket only is found")
{
	kill_hidden(GRIP_SOCKET);
}

SCENARIO(revoke_finds_socket_thread,
	 "revoke=kill: likewise if the first thread of its process has ended")
{
	kill_hidden(GRIP_SOCKET_THREAD);
}

SCENARIO(revoke_finds_ring, "revoke=kill: a user whose file is in an io_uring only is found")
{
	kill_hidden(GRIP_RING);
}

/* We open the device, a child gets it from us, and we let it go. */
static void kill_inherited(enum grip grip)
{
	struct shim s;
	pid_t pid;

	make(&s);
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	pid = holder_inherit(grip, &user);
	vfio_user_close(&user);
	/* this process opened it, and is still there to say so */
	remove_from(&s, pid);
}

SCENARIO(revoke_spares_opener,
	 "revoke=kill: a process that opened the device for another one is spared, its user is not")
{
	kill_inherited(GRIP_FILE);
}

SCENARIO(revoke_finds_own_files,
	 "revoke=kill: a user whose file is in the descriptors of one of its threads is found")
{
	kill_inherited(GRIP_OWN_FILES);
}

SCENARIO(revoke_spares_opener_of_hidden,
	 "revoke=kill: the same if the new user has it in an io_uring only")
{
	kill_inherited(GRIP_RING);
}

/* Keeps a copy of a user's file until the user has gone, as a service might. */
static pid_t keep_copy(pid_t user_pid, atomic_bool *ready)
{
	pid_t pid = fork();
	struct pollfd gone;
	int copy;

	if (pid)
		return pid;
	gone = (struct pollfd){ .fd = syscall(SYS_pidfd_open, user_pid, 0), .events = POLLIN };
	copy = syscall(SYS_pidfd_getfd, gone.fd, task_device(user_pid), 0);
	REQUIRE(copy >= 0, "pidfd_getfd: %s", strerror(errno));
	atomic_store(ready, true);
	poll(&gone, 1, -1);
	close(copy);
	_exit(0);
}

SCENARIO(revoke_kills_users_first,
	 "revoke=kill: a process that was only sent the file, and closes it in time, is spared")
{
	atomic_bool *ready = mmap(NULL, sizeof(*ready), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid, keeper;
	struct shim s;
	int status;

	make(&s);
	pid = holder_fork(GRIP_FILE, s.uuid);
	keeper = keep_copy(pid, ready);
	REQUIRE(WAIT_FOR(atomic_load(ready), SETTLE_MS), "no copy");
	remove_from(&s, pid);
	REQUIRE(waitpid(keeper, &status, 0) == keeper, "waitpid");
	CHECK(WIFEXITED(status) && !WEXITSTATUS(status), "its status is %#x", status);
}

SCENARIO(revoke_finds_inherited_file,
	 "revoke=kill: a process that never used the device, but has its file by fork(), is found")
{
	struct shim s;
	pid_t pid;

	make(&s);
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	pid = fork();
	if (!pid)
		for (;;)
			pause();
	REQUIRE(pid > 0, "fork");
	vfio_user_close(&user);
	remove_from(&s, pid);
}

/* Uses the device, lets it go, and lives on. */
static pid_t use_before(const char *uuid)
{
	atomic_bool *ready = mmap(NULL, sizeof(*ready), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();

	if (!pid) {
		REQUIRE_OK(vfio_user_open(&user, uuid));
		vfio_user_close(&user);
		atomic_store(ready, true);
		for (;;)
			pause();
	}
	REQUIRE(WAIT_FOR(atomic_load(ready), SETTLE_MS), "no user");
	return pid;
}

SCENARIO(revoke_spares_former_user,
	 "revoke=kill: nobody is left to kill, and a process that has closed the device is spared")
{
	struct background r;
	struct shim s;
	int hidden;
	pid_t pid;

	make(&s);
	pid = use_before(s.uuid);
	/* the removal is ours, so it spares us */
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	hidden = holder_hide(user.device);
	vfio_user_close(&user);
	r = start_removal(s.uuid);
	background_start(&r);
	REQUIRE(WAIT_FOR(klog_count("no process is known to use it"), REMOVED_MS),
		"it is not said that nobody is left");
	CHECK(!waitpid(pid, NULL, WNOHANG), "it was killed");
	CHECK(!atomic_load(&r.done), "removed with its file in a socket");
	close(hidden);
	MEASURE_BOUND("removed_ms", background_ms(&r, REMOVED_MS), REMOVED_MS);
	CHECK(!waitpid(pid, NULL, WNOHANG), "it was killed");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

SCENARIO(revoke_finds_inherited_mapping,
	 "revoke=kill: a process that never used the device, but has a mapping by fork(), is found")
{
	atomic_bool *ready = mmap(NULL, sizeof(*ready), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct shim s;
	pid_t pid;

	make(&s);
	REQUIRE_OK(vfio_user_open(&user, s.uuid));
	REQUIRE(vfio_user_map(&user, BAR0), "mmap");
	pid = fork();
	if (!pid) {
		close(user.device);
		close(user.own.groups[0].fd);
		close(user.own.container);
		atomic_store(ready, true);
		for (;;)
			pause();
	}
	REQUIRE(WAIT_FOR(atomic_load(ready), SETTLE_MS), "no child");
	vfio_user_unmap(&user, BAR0);
	vfio_user_close(&user);
	remove_from(&s, pid);
}

#define THREADS 400
/* as many as a distribution lets a user have */
#define DESCRIPTORS 524288

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

/* Has the device in a socket, many descriptors of nothing, and many threads. */
static pid_t hide_in_crowd(const char *uuid)
{
	/* a slow kernel needs seconds for the end of such a process alone */
	rlim_t descriptors = DESCRIPTORS / patience;
	struct rlimit limit = { .rlim_cur = descriptors, .rlim_max = descriptors };
	atomic_bool *ready = mmap(NULL, sizeof(*ready), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_attr_t attr;
	pthread_t thread;
	pid_t pid = fork();

	if (pid) {
		REQUIRE(WAIT_FOR(atomic_load(ready), 4 * SETTLE_MS), "no user");
		return pid;
	}
	REQUIRE_OK(vfio_user_open(&user, uuid));
	holder_hide(user.device);
	vfio_user_close(&user);
	REQUIRE(!setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
	while (dup(STDOUT_FILENO) >= 0)
		;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 1 << 16);
	for (unsigned int i = 0; i < THREADS / patience; i++)
		REQUIRE(!pthread_create(&thread, &attr, wait_for_ever, NULL), "no thread");
	atomic_store(ready, true);
	wait_for_ever(NULL);
	return 0;
}

SCENARIO(revoke_from_crowd,
	 "revoke=kill is bounded, though the user has many threads and descriptors, and its file in a socket",
	 .limit_s = 60)
{
	struct shim s;

	make(&s);
	remove_from(&s, hide_in_crowd(s.uuid));
}

/* Any child that hangs with its mmap_lock held for writing. */
static pid_t hang_fork(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	shim_test_set("hold_mmap_ms", HANG);
	_exit(0);
}

SCENARIO(revoke_beside_hung_process,
	 "revoke=kill is bounded, though a process that has no part in it hangs in mmap()")
{
	pid_t hung, pid;
	struct shim s;

	make(&s);
	pid = holder_fork(GRIP_FILE, s.uuid);
	hung = hang_fork();
	REQUIRE(task_in(hung, "test_hold_mmap_set", SETTLE_MS), "it does not hang");
	remove_from(&s, pid);
	CHECK(!waitpid(hung, NULL, WNOHANG), "it did not hang for long enough");
	waitpid(hung, NULL, 0);
}

static void *hold_mmap(void *arg)
{
	shim_test_set("hold_mmap_ms", HOLD);
	return arg;
}

/* Many mappings at addresses below that of the device's. */
static void map_many(void)
{
	long page = sysconf(_SC_PAGESIZE);
	char *area = mmap(NULL, MAPPINGS * page, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	REQUIRE(area != MAP_FAILED, "mmap");
	for (unsigned int i = 0; i < MAPPINGS; i += 2)
		REQUIRE(!mprotect(area + i * page, page, PROT_READ), "mprotect");
}

struct dying {
	atomic_bool ready;
	atomic_bool go;
};

static void hold_and_hang(const char *uuid, struct dying *d)
{
	pthread_t thread;

	REQUIRE_OK(vfio_user_open(&user, uuid));
	REQUIRE(vfio_user_map(&user, BAR0), "mmap");
	map_many();
	close(user.device);
	close(user.own.groups[0].fd);
	close(user.own.container);
	atomic_store(&d->ready, true);
	while (!atomic_load(&d->go))
		sleep_ms(1);
	pthread_create(&thread, NULL, hold_mmap, NULL);
	for (;;)
		pause();
}

SCENARIO(revoke_last_mapping,
	 "revoke=kill: a user dies while it is looked for; its last mapping goes all the same")
{
	struct dying *d = mmap(NULL, sizeof(*d), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct background r;
	struct shim s;
	pid_t pid;

	make(&s);
	pid = fork();
	if (!pid)
		hold_and_hang(s.uuid, d);
	REQUIRE(WAIT_FOR(atomic_load(&d->ready), 4 * SETTLE_MS), "no user");
	r = start_removal(s.uuid);
	atomic_store(&d->go, true);
	background_start(&r);
	sleep_ms(2 * REVOKE_MS);
	kill(pid, SIGKILL);
	MEASURE_BOUND("removed_ms", background_ms(&r, HOLD_MS + REMOVED_MS),
		      HOLD_MS + REMOVED_MS);
	waitpid(pid, NULL, 0);
}
