/* SPDX-License-Identifier: GPL-2.0 */
#include <linux/bottom_half.h>
#include <linux/device.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/skbuff.h>
#include <linux/vdpa.h>
#include <linux/vhost_iotlb.h>
#include <linux/virtio_config.h>
#include <linux/vmalloc.h>
#include <uapi/linux/vdpa.h>
#include <uapi/linux/vhost_types.h>

/* Inlines and macros, defined in helpers.c. */
int vdpa_put_vendor_stat(struct sk_buff *message, const char *name, u64 value);
void vdpa_local_bh_disable(void);
void vdpa_local_bh_enable(void);
void *vdpa_page_address(const struct page *page);
/* Null if there is no memory that has kernel addresses. */
void *vdpa_phys_to_virt(phys_addr_t first, u64 size);
void *vdpa_alloc_pages_exact(size_t size, gfp_t gfp);
/* Null if the DMA API has mapped no memory at this address for kernel drivers. */
struct page *vdpa_dma_page(struct device *dev, dma_addr_t address);
void vdpa_read_page(struct page *page, size_t offset, void *to, size_t len);
void *vdpa_map_pages(struct device *dev, struct page **pages, size_t count);
bool vdpa_has_iommu(struct device *dev);
/* Keeps the pages. EOPNOTSUPP if the device would need a copy; the permission is one of VHOST_MAP_*. */
int vdpa_map_pinned(struct device *dev, phys_addr_t memory, size_t size, u32 permission,
		    dma_addr_t *address);
void vdpa_unmap_pinned(struct device *dev, phys_addr_t memory, dma_addr_t address, size_t size,
		       u32 permission);
