// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "slow_page.h"

int slow_page_init(struct slow_page *p)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	p->before = mmap(NULL, 2 * SLOW_PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p->before == MAP_FAILED)
		return -errno;
	p->page = (char *)p->before + SLOW_PAGE_SIZE;
	memset(p->before, 0, SLOW_PAGE_SIZE);
	p->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (p->uffd < 0)
		return -errno;
	reg.range.start = (uintptr_t)p->page;
	reg.range.len = SLOW_PAGE_SIZE;
	if (ioctl(p->uffd, UFFDIO_API, &api) ||
	    ioctl(p->uffd, UFFDIO_REGISTER, &reg))
		return -errno;
	return 0;
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
		.range = { .start = (uintptr_t)p->page, .len = SLOW_PAGE_SIZE },
	};

	return ioctl(p->uffd, UFFDIO_ZEROPAGE, &zero) ? -errno : 0;
}

int slow_page_fill(struct slow_page *p, const void *data, size_t len)
{
	static _Alignas(4096) char content[SLOW_PAGE_SIZE];
	struct uffdio_copy copy = {
		.dst = (uintptr_t)p->page, .src = (uintptr_t)content, .len = SLOW_PAGE_SIZE,
	};

	memset(content, 0, sizeof(content));
	memcpy(content, data, len);
	return ioctl(p->uffd, UFFDIO_COPY, &copy) ? -errno : 0;
}

int slow_page_take(struct slow_page *p)
{
	return madvise(p->page, SLOW_PAGE_SIZE, MADV_DONTNEED) ? -errno : 0;
}
