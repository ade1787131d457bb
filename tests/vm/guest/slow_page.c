// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "slow_page.h"

#define PAGE 4096

int slow_page_init(struct slow_page *p)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	p->page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p->page == MAP_FAILED)
		return -errno;
	p->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (p->uffd < 0)
		return -errno;
	reg.range.start = (uintptr_t)p->page;
	reg.range.len = PAGE;
	if (ioctl(p->uffd, UFFDIO_API, &api) ||
	    ioctl(p->uffd, UFFDIO_REGISTER, &reg))
		return -errno;
	return 0;
}

static void *read_slowly(void *arg)
{
	struct slow_page *p = arg;

	vfio_user_pread(p->reader, VFIO_CONFIG, p->page, 4, 0);
	return NULL;
}

int slow_page_read(struct slow_page *p, struct vfio_user *u)
{
	int ret = slow_page_init(p);
	pthread_t thread;

	p->reader = u;
	return ret ? ret : -pthread_create(&thread, NULL, read_slowly, p);
}

bool slow_page_touched(struct slow_page *p, unsigned int ms)
{
	struct pollfd poll_fd = { .fd = p->uffd, .events = POLLIN };
	struct uffd_msg msg;

	return poll(&poll_fd, 1, ms) == 1 &&
	       read(p->uffd, &msg, sizeof(msg)) == sizeof(msg) &&
	       msg.event == UFFD_EVENT_PAGEFAULT;
}

int slow_page_release(struct slow_page *p)
{
	struct uffdio_zeropage zero = {
		.range = { .start = (uintptr_t)p->page, .len = PAGE },
	};

	return ioctl(p->uffd, UFFDIO_ZEROPAGE, &zero) ? -errno : 0;
}
