/* SPDX-License-Identifier: GPL-2.0 */
/* What the crate `pci_host` uses of C: headers, and the wrappers of helpers.c. */
#include <linux/interrupt.h>
#include <linux/pci.h>

bool pci_host_channel_offline(struct pci_dev *pdev);
