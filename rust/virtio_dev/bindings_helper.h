/* SPDX-License-Identifier: GPL-2.0 */
#include <linux/virtio.h>
#include <linux/virtio_config.h>

bool virtio_dev_get_shm_region(struct virtio_device *vdev,
			       struct virtio_shm_region *region, u8 id);
