// SPDX-License-Identifier: GPL-2.0

//! Which operations a device has: those that its type implements, and that suit what it is made from.

use super::Vtable;
use crate::{
    bindings,
    config_ops::ConfigOps,
    device::{
        Memory,
        Options, //
    },
};

/// Fills a slot of the table if the optional operation is implemented.
macro_rules! optional {
    ($has:ident, $name:ident) => {
        if T::$has {
            Some(Self::$name)
        } else {
            None
        }
    };
}

impl<T: ConfigOps> Vtable<T> {
    const TABLE: bindings::vdpa_config_ops = bindings::vdpa_config_ops {
        set_vq_address: Some(Self::set_vq_address),
        set_vq_num: Some(Self::set_vq_num),
        kick_vq: Some(Self::kick_vq),
        kick_vq_with_data: optional!(HAS_KICK_VQ_WITH_DATA, kick_vq_with_data),
        set_vq_cb: Some(Self::set_vq_cb),
        set_vq_ready: Some(Self::set_vq_ready),
        get_vq_ready: Some(Self::get_vq_ready),
        set_vq_state: Some(Self::set_vq_state),
        get_vq_state: Some(Self::get_vq_state),
        get_vendor_vq_stats: optional!(HAS_GET_VENDOR_VQ_STATS, get_vendor_vq_stats),
        get_vq_notification: optional!(HAS_GET_VQ_NOTIFICATION, get_vq_notification),
        get_vq_irq: optional!(HAS_GET_VQ_IRQ, get_vq_irq),
        get_vq_size: optional!(HAS_GET_VQ_SIZE, get_vq_size),
        get_vq_align: Some(Self::get_vq_align),
        get_device_features: Some(Self::get_device_features),
        get_backend_features: optional!(HAS_GET_BACKEND_FEATURES, get_backend_features),
        set_driver_features: Some(Self::set_driver_features),
        get_driver_features: Some(Self::get_driver_features),
        set_config_cb: Some(Self::set_config_cb),
        get_vq_num_max: Some(Self::get_vq_num_max),
        get_vq_num_min: optional!(HAS_GET_VQ_NUM_MIN, get_vq_num_min),
        get_device_id: Some(Self::get_device_id),
        get_vendor_id: Some(Self::get_vendor_id),
        get_status: Some(Self::get_status),
        set_status: Some(Self::set_status),
        reset: Some(Self::reset),
        suspend: optional!(HAS_SUSPEND, suspend),
        resume: optional!(HAS_RESUME, resume),
        get_config_size: Some(Self::get_config_size),
        get_config: Some(Self::get_config),
        set_config: Some(Self::set_config),
        get_generation: optional!(HAS_GET_GENERATION, get_generation),
        get_vq_map: optional!(HAS_KERNEL_HAS_QUEUE, get_dma_vq_map),
        free: Some(Self::free),
        ..pin_init::zeroed()
    };

    /// The table of a device with a [`KernelMap`](crate::KernelMap).
    const KERNEL_TABLE: bindings::vdpa_config_ops = bindings::vdpa_config_ops {
        dma_map: Some(Self::map_pinned),
        dma_unmap: Some(Self::unmap_pinned),
        reset_map: Some(Self::unmap_all_pinned),
        get_vq_map: Some(Self::get_vq_map),
        get_vq_group: optional!(HAS_GET_VQ_GROUP, get_vq_group),
        set_group_asid: optional!(HAS_SET_GROUP_ASID, set_group_asid),
        ..Self::TABLE
    };

    /// The table of a device that translates addresses itself.
    const TRANSLATED_TABLE: bindings::vdpa_config_ops = bindings::vdpa_config_ops {
        dma_map: optional!(HAS_DMA_MAP, map_translated),
        dma_unmap: optional!(HAS_DMA_MAP, unmap_translated),
        reset_map: optional!(HAS_DMA_MAP, unmap_all_translated),
        get_vq_group: optional!(HAS_GET_VQ_GROUP, get_vq_group),
        set_group_asid: optional!(HAS_SET_GROUP_ASID, set_group_asid),
        ..Self::TABLE
    };

    /// Returns the table of a device that is made from `options`.
    pub(crate) const fn of(options: &Options<'_>) -> &'static bindings::vdpa_config_ops {
        match (&options.memory, options.can_suspend) {
            (Memory::Dma(_), true) => &const { Self::TABLE },
            (Memory::Dma(_), false) => &const { without_suspend(Self::TABLE) },
            (Memory::Translated { .. }, true) => &const { Self::TRANSLATED_TABLE },
            (Memory::Translated { .. }, false) => {
                &const { without_suspend(Self::TRANSLATED_TABLE) }
            }
            (Memory::Kernel(_), true) => &const { Self::KERNEL_TABLE },
            (Memory::Kernel(_), false) => &const { without_suspend(Self::KERNEL_TABLE) },
        }
    }
}

const fn without_suspend(table: bindings::vdpa_config_ops) -> bindings::vdpa_config_ops {
    bindings::vdpa_config_ops {
        suspend: None,
        resume: None,
        ..table
    }
}
