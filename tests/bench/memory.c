// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that assigning one function allocates and keeps: the allocations of this
 * process minus what it frees again, from the kernel's own trace. Dentries and inodes
 * do not count: they exist because a process looked.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "mdev.h"
#include "scenario.h"
#include "sysfs.h"
#include "trace.h"

#define PORT "rp_igb2"
#define MAX_LIVE 8192
#define PAGE 4096

struct allocation {
	unsigned long long at;
	unsigned long bytes;
};

static struct allocation live[MAX_LIVE];
static unsigned int nr_live;
static struct bench_side side;

static unsigned long long number(const char *entry, const char *key, int base)
{
	const char *p = strstr(entry, key);

	return p ? strtoull(p + strlen(key), NULL, base) : 0;
}

static void gone(unsigned long long at)
{
	for (unsigned int i = 0; i < nr_live; i++)
		if (live[i].at == at) {
			live[i] = live[--nr_live];
			return;
		}
}

static void came(unsigned long long at, unsigned long bytes)
{
	if (nr_live < MAX_LIVE)
		live[nr_live++] = (struct allocation){ at, bytes };
}

/* A page that belongs neither to a process nor to the slab allocator. */
static bool is_plain_page(const char *entry)
{
	return strstr(entry, "gfp_flags=GFP_KERNEL") && !strstr(entry, "ACCOUNT") &&
	       !strstr(entry, "__GFP_COMP");
}

static bool is_cache_of_names(const char *entry)
{
	return strstr(entry, "call_site=__d_alloc") || strstr(entry, "alloc_inode") ||
	       strstr(entry, "security_inode_alloc");
}

static void see(const char *entry, void *arg)
{
	(void)arg;
	if (is_cache_of_names(entry))
		return;
	if (!strncmp(entry, "kmalloc:", 8) || !strncmp(entry, "kmem_cache_alloc:", 17))
		came(number(entry, "ptr=", 16), number(entry, "bytes_alloc=", 10));
	else if (!strncmp(entry, "kfree:", 6) || !strncmp(entry, "kmem_cache_free:", 16))
		gone(number(entry, "ptr=", 16));
	else if (!strncmp(entry, "mm_page_alloc:", 14) && is_plain_page(entry))
		came(number(entry, "pfn=0x", 16),
		     (unsigned long)PAGE << number(entry, "order=", 10));
	else if (!strncmp(entry, "mm_page_free:", 13))
		gone(number(entry, "pfn=0x", 16));
}

static void start(void)
{
	static const char * const events[] = {
		"kmalloc", "kfree", "kmem_cache_alloc", "kmem_cache_free",
		"mm_page_alloc", "mm_page_free",
	};

	REQUIRE_OK(trace_start(NULL));
	/* addresses as they are */
	REQUIRE_OK(sysfs_write("0", TRACE_INSTANCE "/options/hash-ptr"));
	REQUIRE_OK(trace_task(getpid()));
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		REQUIRE_OK(sysfs_write("1", TRACE_INSTANCE "/events/kmem/%s/enable", events[i]));
}

static void stop(const char *metric)
{
	unsigned long sum = 0;

	trace_stop();
	CHECK(!trace_lost(), "a part of the trace is lost");
	REQUIRE_OK(trace_each(see, NULL));
	trace_end();
	CHECK(nr_live < MAX_LIVE, "too many allocations");
	for (unsigned int i = 0; i < nr_live; i++)
		sum += live[i].bytes;
	nr_live = 0;
	CHECK(sum, "no allocation seen");
	bench_say_one(&side, "bytes", metric, sum);
}

/* Caches that stay are filled after the first round. */
static void warm_up(const char *name)
{
	bench_assign(&side, name, PORT, 0);
	if (bench_is_shim(&side))
		REQUIRE_OK(mdev_remove(side.shim.uuid));
	REQUIRE_OK(pci_unbind(side.shim.addr));
}

static long module_size(const char *name)
{
	long size = sysfs_read_number("/sys/module/%s/coresize", name);

	CHECK(size > 0, "size of %s: %ld", name, size);
	return size;
}

SCENARIO(memory_vfio_pci, "memory that a function takes with vfio_pci")
{
	warm_up("vfio_pci");
	start();
	REQUIRE_OK(pci_bind(side.shim.addr, "vfio-pci"));
	stop("memory_mdev");
	bench_say_one(&side, "bytes", "module_size", module_size("vfio_pci"));
	bench_say_one(&side, "bytes", "module_size_library",
		      module_size("vfio_pci_core"));
}

/* The group with its status and the types come with the function, not the mdev. */
SCENARIO(memory_resume, "memory that a function and its mdev take")
{
	warm_up("resume");
	start();
	REQUIRE_OK(pci_bind(side.shim.addr, "mdr-pci"));
	stop("memory_function");
	start();
	REQUIRE_OK(shim_create(&side.shim, "resume"));
	stop("memory_mdev");
	bench_say_one(&side, "bytes", "module_size",
		      module_size("mdev_recovery") + module_size("mdev_recovery_pci"));
}
