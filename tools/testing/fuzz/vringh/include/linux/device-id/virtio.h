/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's own, which its tools/virtio lacks a way to; relative to that directory. */
#include "../../include/linux/device-id/virtio.h"
