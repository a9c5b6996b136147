// SPDX-License-Identifier: GPL-2.0

//! vDPA devices and their management, for drivers that provide them.
//!
//! A driver implements [`ConfigOps`] for its data, puts it into a [`Device`] and registers that,
//! either from [`Management::dev_add`] (the user's `vdpa dev add`) or by itself with a
//! [`Registration`]. `virtio_vdpa` or `vhost_vdpa` then binds to the device and uses it through
//! the operations.
//!
//! Not supported: virtual addresses (`use_va`), `set_map` and queue affinity.
//!
//! C header: [`include/linux/vdpa.h`](srctree/include/linux/vdpa.h)

#[path = "../bindings.rs"]
mod bindings;

mod callback;
mod config_ops;
mod device;
mod dma;
mod map;
mod mgmtdev;
mod pinned;
mod provision;
mod state;
mod stats;
mod vtable;

pub use self::{
    callback::{
        Callback,
        CallbackSlot, //
    },
    config_ops::{
        ConfigOps,
        DmaRange,
        NotificationArea,
        Permission,
        VqAddress,
        ENABLE_AFTER_DRIVER_OK, //
    },
    device::{
        Device,
        Memory,
        Options,
        Registration,
        Unregistered, //
    },
    dma::{
        read_dma,
        DmaMemory, //
    },
    map::{
        KernelMap,
        MappedQueue, //
    },
    mgmtdev::{
        Capabilities,
        Management,
        ManagementRegistration, //
    },
    pinned::has_iommu,
    provision::{
        Attributes,
        Chosen,
        Provisioned, //
    },
    stats::VendorStats,
};
