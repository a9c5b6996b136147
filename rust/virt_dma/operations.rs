// SPDX-License-Identifier: GPL-2.0

//! The operations that the framework calls, over a [`Channel`].
//!
//! Context: any; the framework calls `free` and `synchronize` in process context.

use super::{
    channel::Channel,
    descriptor::{
        Chunk,
        Transfer, //
    },
    Engine, //
};
use crate::{
    bindings,
    Segment, //
};
use core::marker::PhantomData;
use kernel::{
    dma::DmaAddress,
    ffi::{
        c_int,
        c_uint,
        c_ulong,
        c_void, //
    },
    prelude::*, //
};

/// The operations of the channels of an engine.
pub(super) struct Operations<E: Engine>(PhantomData<E>);

impl<E: Engine> Operations<E> {
    /// Fills in the operations of `device`.
    pub(super) fn install(device: &mut bindings::dma_device) {
        device.device_free_chan_resources = Some(Self::free);
        device.device_prep_dma_memcpy = Some(Self::prepare_copy);
        device.device_prep_slave_sg = Some(Self::prepare_slave);
        device.device_prep_interleaved_dma = Some(Self::prepare_interleaved);
        device.device_caps = Some(Self::capabilities);
        device.device_config = Some(Self::configure);
        device.device_terminate_all = Some(Self::terminate);
        device.device_synchronize = Some(Self::synchronize);
        device.device_tx_status = Some(Self::status);
        device.device_issue_pending = Some(Self::issue);
    }

    /// # Safety
    ///
    /// `chan` must be a channel of a device with these operations; the framework and its clients call
    /// them only while they have the channel, and it exists as long as somebody may.
    unsafe fn channel<'a>(chan: *mut bindings::dma_chan) -> &'a Channel<E> {
        // SAFETY: By the requirements of this function.
        unsafe { Channel::from_raw(chan) }
    }

    extern "C" fn free(chan: *mut bindings::dma_chan) {
        // SAFETY: See `channel`.
        unsafe { Self::channel(chan) }.release();
    }

    extern "C" fn prepare_copy(
        chan: *mut bindings::dma_chan,
        destination: bindings::dma_addr_t,
        source: bindings::dma_addr_t,
        size: usize,
        flags: c_ulong,
    ) -> *mut bindings::dma_async_tx_descriptor {
        // SAFETY: See `channel`.
        let channel = unsafe { Self::channel(chan) };
        prepared(channel, flags, || {
            if channel.direction().is_slave() {
                return Err(EINVAL);
            }
            let segment = Segment {
                source,
                destination,
                size: size.try_into()?,
            };
            Transfer::new(core::iter::once(segment), 1, channel.limits())
        })
    }

    extern "C" fn prepare_slave(
        chan: *mut bindings::dma_chan,
        list: *mut bindings::scatterlist,
        count: c_uint,
        direction: bindings::dma_transfer_direction,
        flags: c_ulong,
        _context: *mut c_void,
    ) -> *mut bindings::dma_async_tx_descriptor {
        // SAFETY: See `channel`.
        let channel = unsafe { Self::channel(chan) };
        prepared(channel, flags, || {
            if direction != channel.direction().as_raw() {
                return Err(EINVAL);
            }
            let device = channel.lock().device();
            let memory = Mapped(list);
            let limits = channel.limits();
            Transfer::slave(channel.direction(), device, memory, count as usize, limits)
        })
    }

    extern "C" fn prepare_interleaved(
        chan: *mut bindings::dma_chan,
        template: *mut bindings::dma_interleaved_template,
        flags: c_ulong,
    ) -> *mut bindings::dma_async_tx_descriptor {
        // SAFETY: See `channel`; the template is valid for the time of the call.
        let (channel, pattern) = unsafe { (Self::channel(chan), &*template) };
        prepared(channel, flags, || {
            let advances = pattern.src_inc && pattern.dst_inc;
            if !advances || pattern.dir != channel.direction().as_raw() {
                return Err(EINVAL);
            }
            let count = pattern.numf.checked_mul(pattern.frame_size).ok_or(EINVAL)?;
            let (source, destination) = (pattern.src_start, pattern.dst_start);
            let chunks = Chunks { template, next: 0 };
            Transfer::interleaved(source, destination, chunks, count, channel.limits())
        })
    }

    extern "C" fn capabilities(
        chan: *mut bindings::dma_chan,
        capabilities: *mut bindings::dma_slave_caps,
    ) {
        // SAFETY: See `channel`; what is filled in is valid for the time of the call.
        unsafe {
            let direction = Self::channel(chan).direction();
            (*capabilities).directions = 1 << direction.as_raw();
        }
    }

    extern "C" fn configure(
        chan: *mut bindings::dma_chan,
        config: *mut bindings::dma_slave_config,
    ) -> c_int {
        // SAFETY: See `channel`; the configuration is valid for the time of the call.
        let (channel, config) = unsafe { (Self::channel(chan), &*config) };
        let mut locked = channel.lock();
        locked.configure(config.src_addr, config.dst_addr);
        0
    }

    extern "C" fn terminate(chan: *mut bindings::dma_chan) -> c_int {
        // SAFETY: See `channel`.
        unsafe { Self::channel(chan) }.terminate();
        0
    }

    extern "C" fn synchronize(chan: *mut bindings::dma_chan) {
        // SAFETY: See `channel`.
        unsafe { Self::channel(chan) }.synchronize();
    }

    extern "C" fn status(
        chan: *mut bindings::dma_chan,
        cookie: bindings::dma_cookie_t,
        state: *mut bindings::dma_tx_state,
    ) -> bindings::dma_status {
        // SAFETY: See `channel`; the state is null or valid for the time of the call.
        unsafe { Self::channel(chan).status(cookie, state) }
    }

    extern "C" fn issue(chan: *mut bindings::dma_chan) {
        // SAFETY: See `channel`.
        unsafe { Self::channel(chan) }.issue();
    }
}

/// Returns a descriptor of the transfer; null, as the framework wants it, when it cannot be made.
fn prepared<E: Engine>(
    channel: &Channel<E>,
    flags: usize,
    transfer: impl FnOnce() -> Result<Transfer>,
) -> *mut bindings::dma_async_tx_descriptor {
    let descriptor = transfer().and_then(|transfer| channel.prepare(transfer, flags));
    descriptor.unwrap_or(core::ptr::null_mut())
}

/// What is left of a list that was mapped for DMA: addresses and sizes.
struct Mapped(*mut bindings::scatterlist);

impl Iterator for Mapped {
    type Item = (DmaAddress, u32);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_null() {
            return None;
        }
        let entry = self.0;
        // SAFETY: The client's list is valid for the time of the call in which this is used, and ends
        // with null.
        unsafe {
            self.0 = bindings::virt_dma_sg_next(entry);
            Some((
                bindings::virt_dma_sg_address(entry),
                bindings::virt_dma_sg_size(entry),
            ))
        }
    }
}

/// The chunks of a template, whose frames repeat without end.
struct Chunks {
    template: *mut bindings::dma_interleaved_template,
    next: usize,
}

impl Iterator for Chunks {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        // SAFETY: The client's template is valid for the time of the call in which this is used.
        let frame = unsafe { (*self.template).frame_size };
        let index = self.next.checked_rem(frame)?;
        self.next = index + 1;
        // SAFETY: As above, and a frame has this chunk.
        let chunk = unsafe { bindings::virt_dma_chunk(self.template, index) };
        // CAST: A kernel's `u64` holds each `usize`.
        Some(Chunk {
            size: chunk.size as u64,
            source_gap: chunk.src_icg as u64,
            destination_gap: chunk.dst_icg as u64,
        })
    }
}
