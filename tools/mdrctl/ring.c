// SPDX-License-Identifier: GPL-2.0-only
/*
 * A ring can be read through trace_pipe_raw, as libtracefs does, which takes the entries
 * out: what one reader has, the next one misses. It can also be mapped. The mapping has
 * all parts of the ring, and to look at them takes nothing out.
 *
 * The kernel writes on meanwhile. Before it uses a part again, it sets the length in the
 * part's head to 0; a copy is good if the head was the same before and after it.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ring.h"

/* To copy a part takes microseconds. */
#define TRIES 100

/* The head of the mapping. An old libc has no linux/trace_mmap.h. */
struct ring_meta {
	uint32_t size;		/* the first part begins here */
	uint32_t struct_size;
	uint32_t part_size;
	uint32_t parts;
	uint64_t reader_lost;
	uint32_t reader_id;
	uint32_t reader_read;
	uint64_t flags;
	uint64_t entries;
	uint64_t overwritten;	/* entries */
	uint64_t taken;
};

#if __has_include("linux/trace_mmap.h")
#include <linux/trace_mmap.h>

#define SAME(ours, theirs)						\
	_Static_assert(offsetof(struct ring_meta, ours) ==		\
		       offsetof(struct trace_buffer_meta, theirs), #ours)
SAME(size, meta_page_size);
SAME(part_size, subbuf_size);
SAME(parts, nr_subbufs);
SAME(overwritten, overrun);
SAME(taken, read);
#endif

/* Copies a part, and loads the copy; false if the kernel writes faster. */
static bool load(struct kbuffer *kbuf, const char *part, char *copy, size_t size)
{
	size_t head = kbuffer_start_of_data(kbuf);

	for (int i = 0; i < TRIES; i++) {
		memcpy(copy, part, head);
		atomic_thread_fence(memory_order_acquire);
		memcpy(copy + head, part + head, size - head);
		atomic_thread_fence(memory_order_acquire);
		if (!memcmp(copy, part, head))
			return !kbuffer_load_subbuffer(kbuf, copy);
	}
	return false;
}

static int each_part(const char *parts, uint32_t count, size_t size, struct kbuffer *kbuf,
		     void (*see)(struct kbuffer *kbuf, void *arg), void *arg, bool *is_whole)
{
	char *copy = calloc(1, size);

	if (!copy)
		return -ENOMEM;
	/* only what is loaded knows where its data starts */
	kbuffer_load_subbuffer(kbuf, copy);
	for (uint32_t i = 0; i < count; i++) {
		if (!load(kbuf, parts + i * size, copy, size))
			*is_whole = false;
		else if (kbuffer_subbuffer_size(kbuf))
			see(kbuf, arg);
	}
	free(copy);
	return 0;
}

int ring_each(int fd, struct kbuffer *kbuf, void (*see)(struct kbuffer *kbuf, void *arg),
	      void *arg, bool *is_whole)
{
	size_t page = sysconf(_SC_PAGESIZE), size;
	const struct ring_meta *meta;
	const char *parts;
	int ret;

	meta = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
	if (meta == MAP_FAILED)
		return -errno;
	size = (size_t)meta->part_size * meta->parts;
	*is_whole = !meta->overwritten && !meta->taken;
	parts = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, meta->size);
	if (parts == MAP_FAILED) {
		ret = -errno;
	} else {
		ret = each_part(parts, meta->parts, meta->part_size, kbuf, see, arg, is_whole);
		munmap((void *)parts, size);
	}
	munmap((void *)meta, page);
	return ret;
}
