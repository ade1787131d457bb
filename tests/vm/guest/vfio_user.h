/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A user of a VFIO device through group and type1 container, or through the
 * character device and iommufd (vfio_cdev.h). The device is named by PCI address
 * (vfio-pci) or by mdev UUID (ours). Functions return 0 or more, or -errno.
 */
#ifndef MDR_VFIO_USER_H
#define MDR_VFIO_USER_H

#include <linux/vfio.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The last is one of the tests' own vfio driver (module/mdev_recovery_vendor.c). */
#define VFIO_USER_REGIONS (VFIO_PCI_NUM_REGIONS + 1)
#define VFIO_CONFIG VFIO_PCI_CONFIG_REGION_INDEX

/*
 * Container and groups, or an iommufd with one address space. Several devices of a
 * process can share one, or have one each. -1 stands for a missing one.
 */
struct vfio_space {
	int container;
	int iommufd;
	uint32_t ioas;
	uint64_t next_iova;
	unsigned int nr_groups;
	struct {
		int number;
		int fd;
	} groups[4];
};

struct vfio_user {
	char name[48];
	struct vfio_space *space;
	struct vfio_space own;
	int device;
	struct vfio_device_info info;
	struct {
		uint64_t size;
		uint64_t offset;
		uint32_t flags;
		void *map;
	} regions[VFIO_USER_REGIONS];
};

struct vfio_dma {
	void *va;
	uint64_t iova;
	uint64_t size;
};

/*
 * Opens it with its own space, or with that of another user: a group can be opened
 * only once, so two functions in one group must share a space.
 */
int vfio_user_open(struct vfio_user *u, const char *name);
int vfio_user_open_in(struct vfio_user *u, const char *name, struct vfio_space *space);
/*
 * Through its group, with an iommufd in place of the container. Works where vfio_cdev.h
 * does.
 */
int vfio_user_open_compat(struct vfio_user *u, const char *name);
/* The way to the device that all of them take; vfio_cdev.h has another one. */
struct vfio_way {
	int (*space_init)(struct vfio_space *s);
	int (*open_device)(struct vfio_user *u);
};

int vfio_user_open_by(struct vfio_user *u, const char *name, struct vfio_space *space,
		      const struct vfio_way *way);
/* Reads the device info of an open device. */
int vfio_user_learn(struct vfio_user *u);
/* Unmaps and closes it, and its space if that is not shared. */
void vfio_user_close(struct vfio_user *u);

/* Maps a whole BAR; NULL and errno if that fails. */
void *vfio_user_map(struct vfio_user *u, unsigned int region);
void vfio_user_unmap(struct vfio_user *u, unsigned int region);

/* The length, or -errno. */
ssize_t vfio_user_pread(struct vfio_user *u, unsigned int region, void *buf,
			size_t len, uint64_t off);
ssize_t vfio_user_pwrite(struct vfio_user *u, unsigned int region, const void *buf,
			 size_t len, uint64_t off);
/* A register; all-ones if the read fails. */
uint32_t vfio_user_read(struct vfio_user *u, unsigned int region, uint64_t off,
			unsigned int width);
int vfio_user_write(struct vfio_user *u, unsigned int region, uint64_t off,
		    unsigned int width, uint32_t value);
#define vfio_user_command(u) ((uint16_t)vfio_user_read(u, VFIO_CONFIG, 0x04, 2))
int vfio_user_bus_master(struct vfio_user *u, bool on);

int vfio_user_reset(struct vfio_user *u);

/* DMA memory for the device. */
int vfio_user_dma_map(struct vfio_user *u, struct vfio_dma *dma, uint64_t size);
int vfio_user_dma_unmap(struct vfio_user *u, struct vfio_dma *dma);

#endif
