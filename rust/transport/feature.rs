// SPDX-License-Identifier: GPL-2.0

//! Feature bits that the transport itself looks at (VIRTIO 1.2, section 6).

pub use virtio::features::{
    ACCESS_PLATFORM,
    ORDER_PLATFORM,
    RING_PACKED,
    VERSION_1, //
};

/// Always offered.
pub const OFFERED: u64 = VERSION_1 | ACCESS_PLATFORM | ORDER_PLATFORM;
/// `FEATURES_OK` is refused without them.
pub const REQUIRED: u64 = VERSION_1 | ACCESS_PLATFORM;
