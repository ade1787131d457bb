// SPDX-License-Identifier: GPL-2.0-only
/* zap_special_vma_range(), the later name of zap_vma_ptes(); in 7.3. */
#include <linux/mm.h>

void probe(struct vm_area_struct *vma);
void probe(struct vm_area_struct *vma)
{
	zap_special_vma_range(vma, 0, PAGE_SIZE);
}
