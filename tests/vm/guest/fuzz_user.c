// SPDX-License-Identifier: GPL-2.0-only
/* The user of fuzz.h: two threads on one container, group and device. */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"
#include "nic_user.h"
#include "vfio_cdev.h"

#define PAGE 4096u
#define ROOM (4 * PAGE)
#define CONFIG_SIZE 4096u
#define NR_MAPS 8
#define IOMMUFD_BASE 0x80
#define NR_REGIONS (VFIO_PCI_NUM_REGIONS + 2)
#define OFFSET(region) ((uint64_t)(region) << 40)

/* Descriptors of containers, and above them those of groups; all others are below. */
#define FIRST_CONTAINER 64
#define FIRST_GROUP 128

struct fuzz_count *fuzz_count;

/* Other threads may close or replace each of them at any time. */
static struct {
	const struct fuzz_target *target;
	atomic_int container, group, iommufd, device;
	/*
	 * The group is in the container, and stays there as long as the caller holds in_use.
	 * When the last group leaves, the kernel frees what an ioctl of the container may
	 * still use (see "A bug of vfio" in Documentation/testing.md).
	 */
	bool is_joined;
	pthread_mutex_t in_use;
	/* addresses */
	atomic_uintptr_t maps[NR_MAPS];
	atomic_uint config;
} shared;

struct thread {
	unsigned int seed;
	/* ROOM bytes, and then a page that is not there */
	char *room;
};

unsigned int fuzz_below(unsigned int *seed, unsigned int n)
{
	return (unsigned int)rand_r(seed) % n;
}

uint32_t fuzz_word(unsigned int *seed)
{
	static const uint32_t words[] = {
		0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 20, 24, 31, 32, 40, 63, 64, 255, 256,
		4095, 4096, 8192, 65535, 65536, 0x7fffffff, 0x80000000, UINT32_MAX,
		UINT32_MAX - 1, 0x10000000, 0xfe00, 0xfe01, 0xfe02, 0xfe03,
	};
	unsigned int n = fuzz_below(seed, 2 * sizeof(words) / sizeof(words[0]));

	if (n < sizeof(words) / sizeof(words[0]))
		return words[n];
	return (uint32_t)rand_r(seed) << (fuzz_below(seed, 2) ? 0 : fuzz_below(seed, 24));
}

#define below(n) fuzz_below(&t->seed, n)
#define word() fuzz_word(&t->seed)

static long made(long ret)
{
	fuzz_count->calls++;
	fuzz_count->done += ret >= 0;
	return ret;
}

/* Some descriptor of this process, or none. */
static int any_fd(struct thread *t)
{
	switch (below(6)) {
	case 0:
		return shared.container;
	case 1:
		return shared.group;
	case 2:
		return shared.device;
	case 3:
		return -1;
	default:
		return below(24);
	}
}

/* size bytes to be passed: at the end of what is there, or somewhere that is no good. */
static void *place(struct thread *t, unsigned int size)
{
	switch (below(24)) {
	case 0:
		return NULL;
	case 1:
		return t->room + ROOM - 3;
	case 2:
		return (void *)(UINTPTR_MAX - below(PAGE));
	case 3:
		return (void *)shared.maps[below(NR_MAPS)];
	default:
		return t->room + ROOM - (size < ROOM ? size : ROOM);
	}
}

/* Fills room: words, descriptors, addresses of room itself. Returns a size for it. */
static unsigned int fill(struct thread *t, unsigned int header)
{
	unsigned int size = below(3) ? header + 4 * below(8) : word() % ROOM;
	uint32_t *at = (uint32_t *)(t->room + ROOM - size % ROOM / 4 * 4);

	for (; (char *)at + 4 <= t->room + ROOM; at++) {
		switch (below(8)) {
		case 0:
			*at = any_fd(t);
			break;
		case 1:
			if ((char *)at + 8 <= t->room + ROOM)
				memcpy(at++, &t->room, 8);
			break;
		default:
			*at = word();
		}
	}
	return size;
}

/* Of a container or a group, if the other thread does not use one. */
static void call_type1(int fd, unsigned long cmd, void *arg)
{
	int ret;

	if (pthread_mutex_trylock(&shared.in_use))
		return;
	if (fd >= FIRST_GROUP || shared.is_joined) {
		ret = ioctl(fd, cmd, arg);
		made(ret);
		if (!ret && cmd == VFIO_GROUP_SET_CONTAINER)
			shared.is_joined = true;
		if (!ret && cmd == VFIO_GROUP_UNSET_CONTAINER)
			shared.is_joined = false;
	}
	pthread_mutex_unlock(&shared.in_use);
}

static void call(struct thread *t, int fd, unsigned long cmd, unsigned int size)
{
	uint32_t argsz = below(6) ? size : word();
	char *arg = place(t, size);

	/* the first word of nearly all of them is their size */
	if (size >= 4 && arg == t->room + ROOM - size)
		memcpy(arg, &argsz, 4);
	if (fd < FIRST_CONTAINER)
		made(ioctl(fd, cmd, arg));
	else
		call_type1(fd, cmd, arg);
}

static void any_ioctl(struct thread *t)
{
	unsigned int nr = below(8) ? VFIO_BASE + below(24) : word() & 0xff;

	call(t, below(8) ? shared.device : any_fd(t), _IO(VFIO_TYPE, nr), fill(t, 8));
}

static void info(struct thread *t)
{
	static const unsigned long cmds[] = {
		VFIO_DEVICE_GET_INFO, VFIO_DEVICE_GET_REGION_INFO, VFIO_DEVICE_GET_IRQ_INFO,
		VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
	};
	unsigned int size = fill(t, 16);

	/* index */
	if (size >= 12)
		((uint32_t *)(t->room + ROOM - size))[2] = below(NR_REGIONS + 1);
	call(t, shared.device, cmds[below(4)], size);
}

static void set_irqs(struct thread *t)
{
	unsigned int count = below(6) ? below(12) : word(), entries = count < 64 ? count : 4;
	unsigned int size = sizeof(struct vfio_irq_set) + 4 * entries;
	struct vfio_irq_set *set = (void *)(t->room + ROOM - size);

	set->flags = below(8) ? 1u << below(3) | 8u << below(3) : word();
	set->index = below(16) ? below(VFIO_PCI_NUM_IRQS + 1) : word();
	set->start = below(4) ? 0 : word();
	set->count = count;
	for (unsigned int i = 0; i < entries; i++)
		((int32_t *)set->data)[i] = below(2) ? any_fd(t) : -1;
	call(t, shared.device, VFIO_DEVICE_SET_IRQS, size);
}

static void feature(struct thread *t)
{
	static const uint32_t directions[] = {
		VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_SET, VFIO_DEVICE_FEATURE_PROBE, 0,
	};
	unsigned int size = fill(t, sizeof(struct vfio_device_feature));
	struct vfio_device_feature *f = (void *)(t->room + ROOM - size);

	if (size >= sizeof(*f)) {
		f->flags = below(2) ? 0xfe00 + below(4) : below(15);
		f->flags |= directions[below(4)] | directions[below(4)];
		if (!below(8))
			f->flags = word();
	}
	call(t, shared.device, VFIO_DEVICE_FEATURE, size);
}

static void reset(struct thread *t)
{
	struct {
		struct vfio_pci_hot_reset head;
		int32_t groups[4];
	} *arg = (void *)(t->room + ROOM - sizeof(*arg));

	if (below(2)) {
		made(ioctl(shared.device, VFIO_DEVICE_RESET, word()));
		return;
	}
	arg->head.flags = below(8) ? 0 : word();
	arg->head.count = below(8) ? below(3) : word();
	for (unsigned int i = 0; i < 4; i++)
		arg->groups[i] = below(4) ? shared.group : any_fd(t);
	call(t, shared.device, VFIO_DEVICE_PCI_HOT_RESET, sizeof(*arg));
}

static void space(struct thread *t)
{
	struct vfio_iommu_type1_dma_map *map = (void *)(t->room + ROOM - sizeof(*map));

	switch (below(4)) {
	case 0:
		call(t, shared.container, _IO(VFIO_TYPE, VFIO_BASE + below(20)), fill(t, 16));
		break;
	case 1:
		call(t, shared.group, _IO(VFIO_TYPE, VFIO_BASE + 3 + below(4)), fill(t, 8));
		break;
	case 2:
		call(t, shared.iommufd, _IO(VFIO_TYPE, IOMMUFD_BASE + below(20)), fill(t, 24));
		break;
	default:
		map->flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
		map->vaddr = (uintptr_t)t->room;
		map->iova = (uint64_t)below(64) * PAGE;
		map->size = (1 + below(4)) * PAGE;
		call(t, shared.container, below(3) ? VFIO_IOMMU_MAP_DMA : VFIO_IOMMU_UNMAP_DMA,
		     sizeof(*map));
	}
}

static void read_some(struct thread *t)
{
	unsigned int size = below(4) ? below(17) : word() % ROOM;
	uint64_t off = below(8) ? below(2 * PAGE) : word();

	made(pread(shared.device, place(t, size), size, OFFSET(below(NR_REGIONS)) + off));
}

/* All of config space, byte by byte, and more of where it matters. */
static void write_config(struct thread *t)
{
	unsigned int size = below(16) ? 1u << below(3) : below(64);
	unsigned int off = below(3) ? shared.config++ : below(0x100);

	fill(t, size + 8);
	made(pwrite(shared.device, place(t, size), size,
		    OFFSET(VFIO_PCI_CONFIG_REGION_INDEX) + off % (CONFIG_SIZE + 8)));
}

/* A register that does nothing, and regions that cannot be written. */
static void write_some(struct thread *t)
{
	unsigned int size = 1u << below(3);
	uint64_t at = OFFSET(VFIO_PCI_BAR0_REGION_INDEX) + NIC_SCRATCH;

	if (!below(3))
		at = OFFSET(VFIO_PCI_ROM_REGION_INDEX + 3 * below(2)) + word();
	fill(t, size);
	made(pwrite(shared.device, place(t, size), size, at));
}

static void map_some(struct thread *t)
{
	unsigned int slot = below(NR_MAPS), length = PAGE << below(6);
	uint64_t off = OFFSET(below(NR_REGIONS)) + (below(4) ? 0 : PAGE * (uint64_t)below(64));
	char *map;

	map = mmap(NULL, length, below(4), below(8) ? MAP_SHARED : MAP_PRIVATE, shared.device,
		   off);
	made(map == MAP_FAILED ? -1 : 0);
	if (map == MAP_FAILED)
		return;
	/* what was there stays mapped, but for a page, until the process ends */
	map = (char *)atomic_exchange(&shared.maps[slot], (uintptr_t)map);
	if (map)
		munmap(map, PAGE);
}

static __thread sigjmp_buf way_out;

static void on_fault(int signal_number)
{
	siglongjmp(way_out, signal_number);
}

/* One that was unmapped meanwhile faults as well. */
static void load_some(struct thread *t)
{
	volatile uint32_t *at = (void *)shared.maps[below(NR_MAPS)];

	if (!at)
		return;
	if (sigsetjmp(way_out, 1)) {
		fuzz_count->faults++;
		return;
	}
	(void)at[NIC_STATUS / 4];
	fuzz_count->loads++;
}

static int open_from(const char *path, int first)
{
	int fd = open(path, O_RDWR | O_CLOEXEC), high = fcntl(fd, F_DUPFD_CLOEXEC, first);

	if (fd >= 0)
		close(fd);
	return high;
}

static void open_by_group(struct thread *t, const struct shim *s)
{
	char path[32];
	int fd;

	shared.container = open_from("/dev/vfio/vfio", FIRST_CONTAINER);
	snprintf(path, sizeof(path), "/dev/vfio/%d", s->group);
	shared.group = open_from(path, FIRST_GROUP);
	fd = shared.container;
	pthread_mutex_lock(&shared.in_use);
	shared.is_joined = !ioctl(shared.group, VFIO_GROUP_SET_CONTAINER, &fd);
	pthread_mutex_unlock(&shared.in_use);
	if (below(16))
		ioctl(shared.container, VFIO_SET_IOMMU, below(8) ? VFIO_TYPE1v2_IOMMU : word());
	shared.device = ioctl(shared.group, VFIO_GROUP_GET_DEVICE_FD,
			      below(4) ? s->uuid : s->addr);
}

static void open_by_cdev(struct thread *t, const struct shim *s)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };

	shared.iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	shared.device = vfio_cdev_open(s->uuid);
	bind.iommufd = shared.iommufd;
	if (below(16))
		made(ioctl(shared.device, VFIO_DEVICE_BIND_IOMMUFD, &bind));
}

static void close_one(atomic_int *fd)
{
	int old = atomic_exchange(fd, -1);

	if (old > 2)
		close(old);
}

static void close_group(void)
{
	pthread_mutex_lock(&shared.in_use);
	shared.is_joined = false;
	close_one(&shared.group);
	pthread_mutex_unlock(&shared.in_use);
}

/*
 * Anew, in the middle of what the other thread does with the old one. If both did this, each
 * would close what the other is just opening, and none would ever have a device.
 */
static void open_again(struct thread *t)
{
	static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
	const struct shim *s = &shared.target->mdevs[below(shared.target->count)];

	if (pthread_mutex_trylock(&opening))
		return;
	close_one(&shared.device);
	close_group();
	close_one(&shared.container);
	close_one(&shared.iommufd);
	if (below(2) && !access("/dev/iommu", F_OK))
		open_by_cdev(t, s);
	else
		open_by_group(t, s);
	if (made(shared.device) >= 0)
		fuzz_count->opens++;
	pthread_mutex_unlock(&opening);
}

static void close_some(struct thread *t)
{
	switch (below(8)) {
	case 0:
		close_group();
		break;
	case 1:
		close_one(&shared.container);
		break;
	case 2:
		close_one(&shared.iommufd);
		break;
	case 3:
		close(dup(shared.device));
		break;
	default:
		close_one(&shared.device);
	}
}

/* A child has copies of the mappings and of the descriptors, for a moment. */
static void fork_some(struct thread *t)
{
	pid_t pid = fork();

	if (pid < 0)
		return;
	if (!pid) {
		load_some(t);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static const struct {
	void (*make)(struct thread *t);
	unsigned int weight;
} kinds[] = {
	{ any_ioctl, 8 }, { info, 6 }, { set_irqs, 10 }, { feature, 12 }, { reset, 1 },
	{ space, 6 }, { read_some, 10 }, { write_config, 16 }, { write_some, 4 },
	{ map_some, 5 }, { load_some, 10 }, { close_some, 1 }, { fork_some, 1 },
};

static void *draw(void *arg)
{
	struct thread *t = arg;

	for (;;) {
		unsigned int i, at = below(90);

		if (shared.device < 0 && !below(2)) {
			open_again(t);
			continue;
		}
		for (i = 0; at >= kinds[i].weight; i++)
			at -= kinds[i].weight;
		kinds[i].make(t);
	}
	return NULL;
}

void fuzz_user(const struct fuzz_target *target, unsigned int seed)
{
	static struct thread threads[2];
	pthread_t thread;

	shared.target = target;
	shared.container = -1;
	shared.group = -1;
	shared.iommufd = -1;
	shared.device = -1;
	pthread_mutex_init(&shared.in_use, NULL);
	signal(SIGBUS, on_fault);
	signal(SIGSEGV, on_fault);
	for (unsigned int i = 0; i < 2; i++) {
		threads[i].seed = 2 * seed + i;
		threads[i].room = mmap(NULL, ROOM + PAGE, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		mprotect(threads[i].room + ROOM, PAGE, PROT_NONE);
	}
	pthread_create(&thread, NULL, draw, &threads[1]);
	draw(&threads[0]);
	_exit(0);
}
