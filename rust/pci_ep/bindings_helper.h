/* SPDX-License-Identifier: GPL-2.0 */
#include <linux/configfs.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/pci-ep-msi.h>
#include <linux/pci-epc.h>
#include <linux/pci-epf.h>

int pci_ep_reach_64_bits(struct device *dev);
void pci_ep_lock(struct pci_epc *epc);
void pci_ep_unlock(struct pci_epc *epc);
bool pci_ep_unbind_functions(struct pci_epc *epc);
unsigned long pci_ep_functions(struct pci_epc *epc);
void pci_ep_tell_link_up(struct pci_epc *epc, u8 func_no);
void pci_ep_tell_link_down(struct pci_epc *epc, u8 func_no);
void pci_ep_tell_bus_master_enable(struct pci_epc *epc, u8 func_no);
int pci_ep_alloc_doorbell(struct pci_epf *epf, u16 count);
void pci_ep_free_doorbell(struct pci_epf *epf);
void pci_ep_read_memory(void *to, const void *from, size_t size);
void pci_ep_write_memory(void *to, const void *from, size_t size);
void pci_ep_read_window(void *to, const void __iomem *from, size_t size);
void pci_ep_write_window(void __iomem *to, const void *from, size_t size);
