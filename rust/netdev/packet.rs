// SPDX-License-Identifier: GPL-2.0

//! A packet, and a list of packets.
//!
//! Context: any but hard interrupts, unless stated. The list has a lock of its own, taken with
//! interrupts off and for one list operation only.

use crate::bindings;
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    prelude::*,
    types::Opaque, //
};

/// The length of the header that tells what is left undone of a packet, in bytes: a `struct
/// virtio_net_hdr_v1`, little-endian (include/uapi/linux/virtio_net.h).
pub const HEADER_LEN: usize = bindings::NETDEV_HELPER_HEADER_LEN as usize;

/// A packet that nobody else has; it is freed when dropped.
///
/// # Invariants
///
/// `ptr` is a `struct sk_buff` that this object owns.
pub struct SkBuff {
    ptr: NonNull<bindings::sk_buff>,
}

// SAFETY: A packet may be used and freed by any thread.
unsafe impl Send for SkBuff {}

// SAFETY: What a shared reference allows does not change the packet.
unsafe impl Sync for SkBuff {}

impl SkBuff {
    /// # Safety
    ///
    /// `ptr` is a packet, and its ownership passes to the returned object.
    pub(crate) unsafe fn from_raw(ptr: NonNull<bindings::sk_buff>) -> Self {
        // INVARIANT: Required of the caller.
        Self { ptr }
    }

    /// Frees a packet that was sent; one that is dropped counts as lost for those who watch losses
    /// (`include/trace/events/skb.h`).
    pub fn consume(self) {
        // SAFETY: By the type invariant, this object owned the packet.
        unsafe { bindings::netdev_helper_skb_consume(self.into_raw()) }
    }

    /// Gives up ownership.
    pub(crate) fn into_raw(self) -> *mut bindings::sk_buff {
        let ptr = self.as_ptr();
        core::mem::forget(self);
        ptr
    }

    pub(crate) fn as_ptr(&self) -> *mut bindings::sk_buff {
        self.ptr.as_ptr()
    }

    /// Returns the length in bytes, the Ethernet header included.
    #[inline]
    pub fn len(&self) -> usize {
        // CAST: A kernel's `usize` has at least 32 bits.
        //
        // SAFETY: By the type invariant, this object owns the packet.
        unsafe { (*self.as_ptr()).len as usize }
    }

    /// Returns whether there is no byte.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the bytes from `offset` on, wherever in the packet they are, linear or not.
    ///
    /// # Errors
    ///
    /// `EFAULT`, `EOVERFLOW`: the packet has no such range.
    pub fn copy_bits(&self, offset: usize, to: &mut [u8]) -> Result {
        let (offset, len) = (i32::try_from(offset)?, i32::try_from(to.len())?);
        // SAFETY: By the type invariant, this object owns the packet; `to` is valid for writes of
        // its length. The function checks the range against the packet.
        to_result(unsafe {
            bindings::skb_copy_bits(self.as_ptr(), offset, to.as_mut_ptr().cast(), len)
        })
    }

    /// Returns the bytes from `offset` on that lie side by side.
    ///
    /// # Safety
    ///
    /// Nobody else has the pages of the packet, which are initialised.
    pub(crate) unsafe fn piece(&mut self, offset: usize) -> Option<&mut [u8]> {
        let offset = u32::try_from(offset).ok()?;
        let mut len = 0;
        // SAFETY: By the type invariant, this object owns the packet; `len` is valid for writes.
        let bytes =
            unsafe { bindings::netdev_helper_skb_piece(self.as_ptr(), offset, &mut len).cast() };
        let bytes = NonNull::<u8>::new(bytes)?;
        // SAFETY: There are `len` bytes, which by the requirements of this function belong to the packet
        // alone and are initialised; the reference borrows the packet.
        //
        // CAST: A kernel's `usize` has at least 32 bits.
        Some(unsafe { core::slice::from_raw_parts_mut(bytes.as_ptr(), len as usize) })
    }

    /// Returns the header that tells what is left undone of the packet. That its checksum was verified it
    /// tells if `has_data_valid`.
    ///
    /// # Errors
    ///
    /// `EINVAL`: no header can tell what it is.
    pub fn header(&self, has_data_valid: bool) -> Result<[u8; HEADER_LEN]> {
        let mut header = [0; HEADER_LEN];
        // SAFETY: By the type invariant, this object owns the packet; `header` is valid for writes of its
        // length.
        to_result(unsafe {
            bindings::netdev_helper_skb_describe(self.as_ptr(), has_data_valid, header.as_mut_ptr())
        })?;
        Ok(header)
    }

    /// Makes the packet shorter by the first `len` bytes, e.g. a header that is not for the kernel.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE`: the linear part of the packet is shorter.
    pub fn pull(&mut self, len: usize) -> Result {
        let count = u32::try_from(len)?;
        // SAFETY: By the type invariant, this object owns the packet; the function checks `count`
        // against the linear part.
        let data = unsafe { bindings::netdev_helper_skb_pull(self.as_ptr(), count) };
        if data.is_null() {
            return Err(EMSGSIZE);
        }
        Ok(())
    }

    /// Returns the transmit queue that the kernel chose for the packet.
    pub(crate) fn queue(&self) -> u16 {
        // SAFETY: By the type invariant, this object owns the packet.
        unsafe { bindings::netdev_helper_skb_queue(self.as_ptr()) }
    }

    /// Cuts the packet off from its sender, see helpers.c; returns whether there was memory to.
    pub(crate) fn detach(&mut self) -> bool {
        // SAFETY: By the type invariant, this object owns the packet.
        unsafe { bindings::netdev_helper_skb_detach(self.as_ptr()) }
    }
}

impl Drop for SkBuff {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, this object owns the packet.
        unsafe { bindings::netdev_helper_skb_free(self.as_ptr()) }
    }
}

/// A first-in, first-out list of packets; what is in it is freed when it is dropped.
///
/// # Invariants
///
/// The packets of the list belong to it.
#[pin_data(PinnedDrop)]
pub(crate) struct SkBuffList {
    #[pin]
    head: Opaque<bindings::sk_buff_head>,
}

// SAFETY: The list may be used and freed by any thread.
unsafe impl Send for SkBuffList {}

// SAFETY: The list has a lock of its own, which each operation takes.
unsafe impl Sync for SkBuffList {}

impl SkBuffList {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: `slot` is valid for writes and does not move once initialised.
            head <- Opaque::ffi_init(|slot| unsafe { bindings::netdev_helper_list_init(slot) }),
        })
    }

    /// Returns the list itself, which is initialised.
    pub(crate) fn as_ptr(&self) -> *mut bindings::sk_buff_head {
        self.head.get()
    }

    pub(crate) fn len(&self) -> u32 {
        // SAFETY: `new` initialised the list.
        unsafe { bindings::netdev_helper_list_len(self.head.get()) }
    }

    pub(crate) fn push(&self, packet: SkBuff) {
        // INVARIANT: The ownership of the packet passes to the list.
        //
        // SAFETY: `new` initialised the list, and the packet is on no other.
        unsafe { bindings::skb_queue_tail(self.head.get(), packet.into_raw()) }
    }

    pub(crate) fn pop(&self) -> Option<SkBuff> {
        // SAFETY: `new` initialised the list.
        let packet = unsafe { bindings::skb_dequeue(self.head.get()) };
        // SAFETY: By the type invariant, the packet belonged to the list, which it left.
        NonNull::new(packet).map(|packet| unsafe { SkBuff::from_raw(packet) })
    }

    /// Frees all packets.
    pub(crate) fn purge(&self) {
        // SAFETY: `new` initialised the list, and by the type invariant its packets belong to it.
        unsafe { bindings::netdev_helper_list_purge(self.head.get()) }
    }
}

#[pinned_drop]
impl PinnedDrop for SkBuffList {
    fn drop(self: Pin<&mut Self>) {
        self.purge();
    }
}
