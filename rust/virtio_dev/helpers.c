// SPDX-License-Identifier: GPL-2.0
/* Functions for what the headers have as inlines. */
#include "bindings_helper.h"

bool virtio_dev_get_shm_region(struct virtio_device *vdev,
			       struct virtio_shm_region *region, u8 id)
{
	return virtio_get_shm_region(vdev, region, id);
}
