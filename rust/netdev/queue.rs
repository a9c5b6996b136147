// SPDX-License-Identifier: GPL-2.0

//! A pair of packet queues of a network device: transmit, emptied by the user of the crate, and
//! receive, emptied by NAPI.
//!
//! Flow control of the transmit queue: it is stopped when full and woken when half empty. Both
//! sides change the length first and look at the other's word after a full barrier, so one of them
//! sees that the queue has to be woken. Besides, the kernel's byte queue limits (BQL) keep it as short as lets the user
//! never run dry: bytes are told of when they are queued, and when the user is done with those that it took, some at
//! a time.

use crate::{
    bindings,
    packet::{
        SkBuff,
        SkBuffList, //
    },
};
use core::ptr::NonNull;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        barrier::smp_mb, //
    },
    types::Opaque, //
};

/// How many packets wait in a transmit queue before the kernel is told to stop.
///
/// As long as a common ring: enough for a batch in flight and one to come. They are at most 0.4 MB of Ethernet frames;
/// of segments of 64 KiB, the byte queue limits let no more wait than the other side takes soon.
pub(crate) const TRANSMIT_DEPTH: u32 = 256;

/// How many packets may be left when a stopped transmit queue is woken.
const TRANSMIT_WAKE: u32 = TRANSMIT_DEPTH / 2;

/// How many packets wait for NAPI; the rest is dropped. As `net.core.netdev_max_backlog`.
const RECEIVE_DEPTH: u32 = 1000;

/// A pair of packet queues.
///
/// # Invariants
///
/// `dev` is the network device that the queue belongs to and does not outlive.
#[pin_data(PinnedDrop)]
pub(crate) struct Queue {
    dev: NonNull<bindings::net_device>,
    index: u16,
    #[pin]
    transmit: SkBuffList,
    /// Bytes that were taken from it and not completed.
    taken: Atomic<usize>,
    #[pin]
    receive: SkBuffList,
    #[pin]
    napi: Opaque<bindings::napi_struct>,
}

// SAFETY: The device and the NAPI context may be used by any thread.
unsafe impl Send for Queue {}

// SAFETY: The lists have their locks, the NAPI context has atomic state.
unsafe impl Sync for Queue {}

impl Queue {
    /// Returns an initialiser of queue `index` of a device.
    ///
    /// # Safety
    ///
    /// `dev` is a network device with more than `index` queues, and outlives the queue.
    pub(crate) unsafe fn new(dev: NonNull<bindings::net_device>, index: u16) -> impl PinInit<Self> {
        // INVARIANT: Required of the caller.
        pin_init!(Self {
            dev,
            index,
            transmit <- SkBuffList::new(),
            taken: Atomic::new(0),
            receive <- SkBuffList::new(),
            napi <- Opaque::ffi_init(|slot: *mut bindings::napi_struct| {
                // SAFETY: `slot` is valid for writes and does not move once initialised; the device
                // is one by the requirements of this function. A NAPI context has to be zeroed.
                unsafe {
                    slot.write_bytes(0, 1);
                    bindings::netdev_helper_napi_add(dev.as_ptr(), slot, Some(Self::poll));
                }
            }),
        })
    }

    /// Allows NAPI to run. Context: process, the device is being opened.
    pub(crate) fn enable(&self) {
        // SAFETY: `new` added the NAPI context.
        unsafe { bindings::napi_enable(self.napi.get()) }
    }

    /// Waits until NAPI has ended and frees all packets. Context: process, the device is being
    /// closed.
    pub(crate) fn disable(&self) {
        // SAFETY: `new` added the NAPI context, and `enable` was called.
        unsafe { bindings::napi_disable(self.napi.get()) };
        self.receive.purge();
        // Nothing is added any more. Whoever takes packets at the same time completes those.
        let mut bytes = 0;
        while let Some(packet) = self.transmit.pop() {
            bytes += packet.len();
        }
        self.complete(bytes);
    }

    /// Adds a packet to the transmit queue. Context: bottom halves off, under the transmit lock.
    pub(crate) fn put_transmit(&self, packet: SkBuff) {
        // CAST: No packet is as long as 4 GiB.
        //
        // SAFETY: By the type invariant, the device has this queue; the caller has its transmit lock.
        unsafe {
            bindings::netdev_helper_sent(self.dev.as_ptr(), self.index, packet.len() as u32);
        }
        self.transmit.push(packet);
        if self.transmit.len() < TRANSMIT_DEPTH {
            return;
        }
        // SAFETY: By the type invariant, the device has this queue.
        unsafe { bindings::netdev_helper_stop_queue(self.dev.as_ptr(), self.index) };
        self.wake_transmit();
    }

    /// Takes the first packet of the transmit queue. Context: process or bottom half.
    pub(crate) fn next_transmit(&self) -> Option<SkBuff> {
        let packet = self.transmit.pop()?;
        self.taken.fetch_add(packet.len(), Relaxed);
        self.wake_transmit();
        Some(packet)
    }

    /// Tells the kernel that those packets are done with which were taken so far. Context: process or bottom half.
    pub(crate) fn complete_transmit(&self) {
        self.complete(self.taken.xchg(0, Relaxed));
    }

    fn complete(&self, bytes: usize) {
        // CAST: What waits in a queue is less than 4 GiB.
        //
        // SAFETY: By the type invariant, the device has this queue. Each byte was told of when it was queued, and is
        // completed once: by who took it. The list is initialised.
        unsafe {
            bindings::netdev_helper_completed(
                self.dev.as_ptr(),
                self.index,
                bytes as u32,
                self.transmit.as_ptr(),
            );
        }
    }

    /// Wakes the transmit queue if it is stopped although there is room.
    fn wake_transmit(&self) {
        // ORDERING: The length, or the stop, that this side changed becomes visible before the
        // other's is read.
        smp_mb();
        if self.transmit.len() <= TRANSMIT_WAKE {
            // SAFETY: By the type invariant, the device has this queue.
            unsafe { bindings::netdev_helper_wake_queue(self.dev.as_ptr(), self.index) };
        }
    }

    /// Adds a packet to the receive queue, or gives it back when that is full.
    pub(crate) fn put_receive(&self, packet: SkBuff) -> Result<(), SkBuff> {
        if self.receive.len() >= RECEIVE_DEPTH {
            return Err(packet);
        }
        // SAFETY: The packet is one, has an Ethernet header as the caller checked, and by the type
        // invariant the device is one.
        unsafe {
            bindings::netdev_helper_skb_set_protocol(packet.as_ptr(), self.dev.as_ptr());
        }
        self.receive.push(packet);
        Ok(())
    }

    /// Has NAPI deliver what is in the receive queue. Context: process or bottom half.
    pub(crate) fn schedule(&self) {
        // SAFETY: `new` added the NAPI context.
        unsafe { bindings::netdev_helper_napi_schedule(self.napi.get()) }
    }

    /// Delivers packets; a packet queued meanwhile has scheduled the context again.
    ///
    /// # Safety
    ///
    /// Called by NAPI, bottom halves off, with the `napi` of a live `Queue`.
    unsafe extern "C" fn poll(napi: *mut bindings::napi_struct, budget: i32) -> i32 {
        // SAFETY: `napi` is the field of a `Queue`, which lives: its `drop` removes the context.
        let queue = unsafe { &*kernel::container_of!(Opaque::cast_from(napi), Queue, napi) };
        let mut done = 0;
        while done < budget {
            let Some(packet) = queue.receive.pop() else {
                // SAFETY: The context is being polled and has not used up its budget.
                unsafe { bindings::napi_complete_done(napi, done) };
                break;
            };
            // CAST: No packet is as long as 4 GiB.
            let len = packet.len() as u32;
            // SAFETY: By the type invariant, the device is one; the context is being polled, and
            // the ownership of the packet passes to it.
            unsafe {
                bindings::netdev_helper_count_received(queue.dev.as_ptr(), len);
                bindings::netdev_helper_napi_receive(napi, packet.into_raw());
            }
            done += 1;
        }
        done
    }
}

#[pinned_drop]
impl PinnedDrop for Queue {
    /// Context: process.
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: `new` added the NAPI context, and the device is closed or was never open.
        unsafe { bindings::netdev_helper_napi_remove(self.napi.get()) }
    }
}
