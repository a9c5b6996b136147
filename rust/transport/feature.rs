// SPDX-License-Identifier: GPL-2.0

//! Feature bits that the transport itself looks at (VIRTIO 1.2, section 6).

pub use virtio::features::{
    ACCESS_PLATFORM,
    EVENT_IDX,
    ORDER_PLATFORM,
    RING_PACKED,
    VERSION_1, //
};

/// Always offered.
pub const OFFERED: u64 = VERSION_1 | ACCESS_PLATFORM | ORDER_PLATFORM;
/// `FEATURES_OK` is refused without them.
pub const REQUIRED: u64 = VERSION_1 | ACCESS_PLATFORM;
/// Queues of a device that negotiated one of these are not pushed: a wish for kicks is in RC memory, and
/// so is what the device side writes to a packed ring.
pub const NOT_PUSHED: u64 = EVENT_IDX | RING_PACKED;
