// SPDX-License-Identifier: GPL-2.0
/* Functions for what bindgen cannot see: static inlines and macros. */
#include "bindings_helper.h"

void vdpa_local_bh_disable(void)
{
	local_bh_disable();
}

void vdpa_local_bh_enable(void)
{
	local_bh_enable();
}

void *vdpa_page_address(const struct page *page)
{
	return page_address(page);
}

void *vdpa_alloc_pages_exact(size_t size, gfp_t gfp)
{
	return alloc_pages_exact(size, gfp);
}

void *vdpa_phys_to_virt(phys_addr_t first, u64 size)
{
	u64 last = first + size - 1;

	if (last < first || !pfn_valid(PHYS_PFN(first)) || !pfn_valid(PHYS_PFN(last)))
		return NULL;
	return phys_to_virt(first);
}
