// SPDX-License-Identifier: GPL-2.0-only
/* vfio_device_ops.match_token_uuid; in 7.3, not in 6.12. */
#include <linux/vfio_pci_core.h>

struct vfio_device_ops probe = {
	.match_token_uuid = vfio_pci_core_match_token_uuid,
};
