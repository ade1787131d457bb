/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MDR_COMPAT_LINUX_MM_H
#define MDR_COMPAT_LINUX_MM_H

#include_next <linux/mm.h>

/* Can go with 6.12. */
#ifndef MDR_HAVE_zap_special_vma_range
#define zap_special_vma_range zap_vma_ptes
#endif

#endif
