// SPDX-License-Identifier: GPL-2.0
/* Functions for what bindgen cannot see: static inlines and macros. */
#include <linux/dma-direct.h>
#include <linux/dma-map-ops.h>
#include <linux/highmem.h>
#include <linux/iommu.h>
#include <net/netlink.h>
#include "bindings_helper.h"

int vdpa_put_vendor_stat(struct sk_buff *message, const char *name, u64 value)
{
	return nla_put_string(message, VDPA_ATTR_DEV_VENDOR_ATTR_NAME, name) ?:
	       nla_put_u64_64bit(message, VDPA_ATTR_DEV_VENDOR_ATTR_VALUE, value, VDPA_ATTR_PAD);
}

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
	/* High memory is behind all other. */
	if (PageHighMem(pfn_to_page(PHYS_PFN(last))))
		return NULL;
	return phys_to_virt(first);
}

/* The physical address, or the highest one if there is none for kernel drivers. */
static phys_addr_t dma_physical(struct device *dev, dma_addr_t address)
{
#if IS_ENABLED(CONFIG_IOMMU_API)
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	if (domain && iommu_is_dma_domain(domain))
		return iommu_iova_to_phys(domain, address);
	if (domain && domain->type != IOMMU_DOMAIN_IDENTITY)
		return PHYS_ADDR_MAX; /* A process's: it sees by itself that the device is gone. */
#endif
	return dma_to_phys(dev, address);
}

struct page *vdpa_dma_page(struct device *dev, dma_addr_t address)
{
	phys_addr_t first = dma_physical(dev, address);

	return pfn_valid(PHYS_PFN(first)) ? phys_to_page(first) : NULL;
}

void vdpa_read_page(struct page *page, size_t offset, void *to, size_t len)
{
	memcpy_from_page(to, page, offset, len);
}

void *vdpa_map_pages(struct device *dev, struct page **pages, size_t count)
{
	/* As the DMA API maps coherent memory, for a device that does not see the caches. */
	bool coherent = dev_is_dma_coherent(dev);
	pgprot_t prot = coherent ? PAGE_KERNEL : pgprot_dmacoherent(PAGE_KERNEL);

	return vmap(pages, count, VM_MAP, prot);
}

bool vdpa_has_iommu(struct device *dev)
{
	/* What vhost_vdpa asks for before it makes a domain. */
	return device_iommu_capable(dev, IOMMU_CAP_CACHE_COHERENCY);
}

static enum dma_data_direction direction_of(u32 permission)
{
	switch (permission) {
	case VHOST_MAP_RO:
		return DMA_TO_DEVICE;
	case VHOST_MAP_WO:
		return DMA_FROM_DEVICE;
	default:
		return DMA_BIDIRECTIONAL;
	}
}

/* Nobody says when either side is done, so there is no time to copy or to flush caches. */
#define PINNED_ATTRIBUTES DMA_ATTR_REQUIRE_COHERENT

int vdpa_map_pinned(struct device *dev, phys_addr_t memory, size_t size, u32 permission,
		    dma_addr_t *address)
{
	unsigned long pfn;

	*address = dma_map_phys(dev, memory, size, direction_of(permission), PINNED_ATTRIBUTES);
	if (dma_mapping_error(dev, *address))
		return -EOPNOTSUPP;
	/* vhost_vdpa unpins the pages just before it says that they are to be unmapped. */
	for (pfn = PHYS_PFN(memory); pfn <= PHYS_PFN(memory + size - 1); pfn++)
		get_page(pfn_to_page(pfn));
	return 0;
}

void vdpa_unmap_pinned(struct device *dev, phys_addr_t memory, dma_addr_t address, size_t size,
		       u32 permission)
{
	unsigned long pfn;

	dma_unmap_phys(dev, address, size, direction_of(permission), PINNED_ATTRIBUTES);
	for (pfn = PHYS_PFN(memory); pfn <= PHYS_PFN(memory + size - 1); pfn++)
		put_page(pfn_to_page(pfn));
}
