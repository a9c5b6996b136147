// SPDX-License-Identifier: GPL-2.0

//! The device config as it was read last, for when the endpoint does not show it any more.
//!
//! A virtio driver looks at the config when it is told that the device needs a reset, and cannot be told
//! that there is none: a disk would have no sectors, and reads of it would end without data or error.
//!
//! Locks: `bytes`, a mutex; nothing is taken inside it. Context: process.

use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// A copy of the device config; bytes that were never read are 0.
#[pin_data]
pub(crate) struct LastConfig {
    #[pin]
    bytes: Mutex<KVec<u8>>,
}

impl LastConfig {
    /// A copy of a config of `size` bytes.
    pub(crate) fn new(size: usize) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            bytes <- new_mutex!(KVec::from_elem(0, size, GFP_KERNEL)?, "epf_vdpa::LastConfig::bytes"),
        })
    }

    /// Keeps what was read from `offset` on, as far as it is config.
    pub(crate) fn keep(&self, offset: usize, read: &[u8]) {
        let mut bytes = self.bytes.lock();
        let kept = bytes.get_mut(offset..).unwrap_or_default();
        kept.iter_mut().zip(read).for_each(|(to, from)| *to = *from);
    }

    /// Fills `to` with what was kept from `offset` on, as far as it is config.
    pub(crate) fn recall(&self, offset: usize, to: &mut [u8]) {
        let bytes = self.bytes.lock();
        let kept = bytes.get(offset..).unwrap_or_default();
        to.iter_mut().zip(kept).for_each(|(to, from)| *to = *from);
    }
}
