// SPDX-License-Identifier: GPL-2.0
/* Functions for what the headers have as macros, inlines or per configuration. */
#include "bindings_helper.h"

int pci_ep_reach_64_bits(struct device *dev)
{
	return dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64));
}

void pci_ep_lock(struct pci_epc *epc)
{
	mutex_lock(&epc->lock);
}

void pci_ep_unlock(struct pci_epc *epc)
{
	mutex_unlock(&epc->lock);
}

/* Says whether there were any. The controller is out of configfs, so nobody else does this. */
bool pci_ep_unbind_functions(struct pci_epc *epc)
{
	struct pci_epf *epf, *next;
	bool any = !list_empty(&epc->pci_epf);

	list_for_each_entry_safe(epf, next, &epc->pci_epf, list) {
		pci_epf_unbind(epf);
		pci_epc_remove_epf(epc, epf, PRIMARY_INTERFACE);
	}
	return any;
}

/* Changes under another lock than the one which operations have. */
unsigned long pci_ep_functions(struct pci_epc *epc)
{
	return READ_ONCE(epc->function_num_map);
}

/* Tells one function of an event, as pci_epc_linkup() and its like tell all of them. */
#define PCI_EP_TELL_FUNCTION(event)						\
void pci_ep_tell_##event(struct pci_epc *epc, u8 func_no)			\
{										\
	struct pci_epf *epf;							\
										\
	mutex_lock(&epc->list_lock);						\
	list_for_each_entry(epf, &epc->pci_epf, list) {				\
		if (epf->func_no != func_no)					\
			continue;						\
		mutex_lock(&epf->lock);						\
		if (epf->event_ops && epf->event_ops->event)			\
			epf->event_ops->event(epf);				\
		mutex_unlock(&epf->lock);					\
	}									\
	mutex_unlock(&epc->list_lock);						\
}

PCI_EP_TELL_FUNCTION(link_up)
PCI_EP_TELL_FUNCTION(link_down)
PCI_EP_TELL_FUNCTION(bus_master_enable)

int pci_ep_alloc_doorbell(struct pci_epf *epf, u16 count)
{
	return pci_epf_alloc_doorbell(epf, count);
}

void pci_ep_free_doorbell(struct pci_epf *epf)
{
	pci_epf_free_doorbell(epf);
}

/* The RC may change or read BAR memory at any time: copies of it must not be optimised away. */
void pci_ep_read_memory(void *to, const void *from, size_t size)
{
	memcpy(to, from, size);
	barrier();
}

void pci_ep_write_memory(void *to, const void *from, size_t size)
{
	barrier();
	memcpy(to, from, size);
	barrier();
}

void pci_ep_read_window(void *to, const void __iomem *from, size_t size)
{
	memcpy_fromio(to, from, size);
}

void pci_ep_write_window(void __iomem *to, const void *from, size_t size)
{
	memcpy_toio(to, from, size);
}
