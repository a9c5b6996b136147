// SPDX-License-Identifier: GPL-2.0
/* Functions that stand for C inlines, for the crate `pci_host`. */
#include "bindings_helper.h"

bool pci_host_channel_offline(struct pci_dev *pdev)
{
	return pci_channel_offline(pdev);
}
