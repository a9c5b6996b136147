// SPDX-License-Identifier: GPL-2.0

//! A channel: the descriptor that the engine has, and those that wait for it.
//!
//! Locking: the lock of the virtual channel guards its lists and [`State`]; [`Locked`] is the right to
//! use them. Context: any, but for [`Channel::synchronize`].

use super::{
    descriptor::{
        Descriptor,
        Limits,
        Transfer, //
    },
    failures::Failures,
    Engine,
    Fault,
    Progress, //
};
use crate::{
    bindings,
    Direction, //
};
use core::{
    cell::UnsafeCell,
    marker::PhantomPinned,
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::NonNull, //
};
use kernel::{
    dma::DmaAddress,
    prelude::*,
    sync::Arc,
    types::{
        NotThreadSafe,
        Opaque, //
    }, //
};

/// A channel of a registered engine.
///
/// # Invariants
///
/// Once [`Channel::attach`] was called, `raw` is an initialised virtual channel whose descriptors are all
/// [`Descriptor`]s; before, nobody else has a reference to `self`.
pub(super) struct Channel<E: Engine> {
    raw: Opaque<bindings::virt_dma_chan>,
    state: UnsafeCell<State>,
    engine: Arc<E>,
    number: usize,
    direction: Direction,
    limits: Limits,
    _pin: PhantomPinned,
}

/// What the lock guards.
///
/// # Invariants
///
/// `running` is a descriptor that is in no list of the virtual channel.
pub(super) struct State {
    running: Option<NonNull<bindings::virt_dma_desc>>,
    /// Whether the engine can be used.
    present: bool,
    /// The addresses at the device that the client configured.
    source: DmaAddress,
    destination: DmaAddress,
    failures: Failures,
}

// SAFETY: Everything that changes is guarded by a lock that works from any thread; descriptors are
// plain memory.
unsafe impl<E: Engine> Send for Channel<E> {}

// SAFETY: As above.
unsafe impl<E: Engine> Sync for Channel<E> {}

impl<E: Engine> Channel<E> {
    pub(super) fn new(engine: Arc<E>, number: usize, direction: Direction, limits: Limits) -> Self {
        Self {
            raw: Opaque::zeroed(),
            state: UnsafeCell::new(State {
                running: None,
                present: true,
                source: 0,
                destination: 0,
                failures: Failures::default(),
            }),
            engine,
            number,
            direction,
            limits,
            _pin: PhantomPinned,
        }
    }

    /// Makes it a channel of `device`.
    ///
    /// # Safety
    ///
    /// This is called once, before the channel is used in any other way. `device` has an initialised list
    /// of channels, and is used for as long as this channel exists.
    pub(super) unsafe fn attach(self: Pin<&Self>, device: *mut bindings::dma_device) {
        let raw = self.raw.get();
        // SAFETY: By the requirements of this function nobody else uses the virtual channel, and it is
        // pinned, so that lists and tasklet may point to it. Descriptors are freed as they are made.
        unsafe {
            (*raw).desc_free = Some(Descriptor::free);
            bindings::vchan_init(raw, device);
        }
    }

    /// # Safety
    ///
    /// `chan` must be that of a channel of an engine `E`, which was attached and is valid for `'a`.
    pub(super) unsafe fn from_raw<'a>(chan: *mut bindings::dma_chan) -> &'a Self {
        // SAFETY: By the requirements of this function; `Opaque` is transparent.
        unsafe {
            let raw = kernel::container_of!(chan, bindings::virt_dma_chan, chan);
            let raw = raw.cast::<Opaque<bindings::virt_dma_chan>>();
            &*kernel::container_of!(raw, Self, raw)
        }
    }

    fn chan(&self) -> *mut bindings::dma_chan {
        // SAFETY: The field is in `raw`; no reference is made.
        unsafe { &raw mut (*self.raw.get()).chan }
    }

    pub(super) fn direction(&self) -> Direction {
        self.direction
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    pub(super) fn lock(&self) -> Locked<'_, E> {
        // SAFETY: The lock is initialised by the type invariant.
        let flags = unsafe { bindings::virt_dma_lock(self.raw.get()) };
        Locked {
            channel: self,
            flags,
            _not_send: NotThreadSafe,
        }
    }

    /// Makes a descriptor that the client can submit.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn prepare(
        &self,
        transfer: Transfer,
        flags: usize,
    ) -> Result<*mut bindings::dma_async_tx_descriptor> {
        let raw = Descriptor::allocate(transfer)?;
        // SAFETY: Both are valid, and the descriptor is the channel's from here on. The channel's lock
        // is not held.
        Ok(unsafe { bindings::virt_dma_prepare(self.raw.get(), raw, flags) })
    }

    /// Has the engine carry out what was submitted.
    pub(super) fn issue(&self) {
        let mut locked = self.lock();
        // SAFETY: The virtual channel is valid and its lock is held.
        unsafe { bindings::virt_dma_issue(self.raw.get()) };
        locked.start_next();
    }

    /// Looks whether the transfer that runs has ended, and starts the next one if so.
    pub(super) fn interrupt(&self) {
        let mut locked = self.lock();
        if locked.running.is_none() {
            return;
        }
        let progress = self.engine.progress(self.number);
        if progress.state != super::State::Running {
            locked.end(progress);
            locked.start_next();
        }
    }

    /// Ends and forgets all transfers, without callbacks.
    pub(super) fn terminate(&self) {
        let head = Opaque::<bindings::list_head>::uninit();
        {
            let mut locked = self.lock();
            locked.abort();
            // SAFETY: The virtual channel is valid and its lock is held; the function initialises the
            // head, which stays where it is until the list is freed below.
            unsafe { bindings::virt_dma_take_all(self.raw.get(), head.get()) };
        }
        // SAFETY: The list has descriptors of this channel which nobody else has.
        unsafe { bindings::vchan_dma_desc_free_list(self.raw.get(), head.get()) };
    }

    /// Waits until callbacks of earlier transfers have returned; process context.
    pub(super) fn synchronize(&self) {
        // SAFETY: The virtual channel is valid and its lock is not held.
        unsafe { bindings::virt_dma_synchronize_channel(self.raw.get()) };
    }

    /// Forgets what a client did with the channel.
    pub(super) fn release(&self) {
        self.terminate();
        let mut locked = self.lock();
        locked.failures = Failures::default();
        (locked.source, locked.destination) = (0, 0);
    }

    /// Lets nothing reach the engine any more: what was issued fails, with callbacks, now and later.
    pub(super) fn withdraw(&self) {
        let mut locked = self.lock();
        locked.present = false;
        if locked.running.is_some() {
            self.engine.abort(self.number);
            locked.end(Progress::NONE);
        }
        locked.start_next();
    }

    /// Says how a transfer fares, and fills in `state` unless it is null.
    ///
    /// # Safety
    ///
    /// `state` must be null or valid for writes.
    pub(super) unsafe fn status(
        &self,
        cookie: bindings::dma_cookie_t,
        state: *mut bindings::dma_tx_state,
    ) -> bindings::dma_status {
        let locked = self.lock();
        // SAFETY: The channel is valid, `state` by the requirements of this function.
        let status = unsafe { bindings::virt_dma_cookie_status(self.chan(), cookie, state) };
        if status == bindings::dma_status_DMA_COMPLETE {
            return match locked.failures.contains(cookie) {
                true => bindings::dma_status_DMA_ERROR,
                false => status,
            };
        }
        // SAFETY: By the requirements of this function.
        unsafe { bindings::virt_dma_set_residue(state, locked.left_of(cookie)) };
        status
    }
}

impl Progress {
    fn result(self) -> bindings::dmaengine_tx_result {
        match self.state {
            super::State::Running | super::State::Done => {
                bindings::dmaengine_tx_result_DMA_TRANS_NOERROR
            }
            super::State::Failed(Fault::Read) => {
                bindings::dmaengine_tx_result_DMA_TRANS_READ_FAILED
            }
            super::State::Failed(Fault::Write) => {
                bindings::dmaengine_tx_result_DMA_TRANS_WRITE_FAILED
            }
            super::State::Failed(Fault::Aborted) => bindings::dmaengine_tx_result_DMA_TRANS_ABORTED,
        }
    }
}

/// The right to use the lists and the state of a channel.
#[must_use = "the lock is released when this is dropped"]
pub(super) struct Locked<'a, E: Engine> {
    channel: &'a Channel<E>,
    flags: usize,
    _not_send: NotThreadSafe,
}

impl<E: Engine> Locked<'_, E> {
    /// Remembers where the device is.
    pub(super) fn configure(&mut self, source: DmaAddress, destination: DmaAddress) {
        (self.source, self.destination) = (source, destination);
    }

    /// Returns where the device is.
    pub(super) fn device(&self) -> DmaAddress {
        match self.channel.direction {
            Direction::MemoryToDevice => self.destination,
            Direction::DeviceToMemory | Direction::MemoryToMemory => self.source,
        }
    }

    /// Starts the next transfer that was issued, if none runs.
    fn start_next(&mut self) {
        // Each turn takes a descriptor from the list.
        while self.running.is_none() {
            // SAFETY: The virtual channel is valid and its lock is held.
            let next = unsafe { bindings::virt_dma_take_issued(self.channel.raw.get()) };
            // INVARIANT: It was taken from its list.
            self.running = NonNull::new(next);
            let Some(raw) = self.running else { return };
            // SAFETY: Descriptors of this channel are `Descriptor`s by its invariant, and this one lives
            // until it is given back below or in `end`.
            let descriptor = unsafe { Descriptor::from_raw(raw.as_ptr()) };
            let segments = descriptor.transfer().segments();
            let engine = &self.channel.engine;
            if !self.present || engine.start(self.channel.number, segments).is_err() {
                self.end(Progress::NONE);
            }
        }
    }

    /// Ends the transfer that runs, if one does; its callback follows.
    fn end(&mut self, progress: Progress) {
        let Some(raw) = self.running.take() else {
            return;
        };
        let result = progress.result();
        // SAFETY: The descriptor is valid by the type invariant of `State`.
        let size = unsafe { Descriptor::from_raw(raw.as_ptr()) }
            .transfer()
            .size();
        // SAFETY: As above; the lock is held, so the tasklet does not look at it yet.
        let cookie = unsafe {
            (*raw.as_ptr()).tx_result = bindings::dmaengine_result {
                result,
                residue: size.saturating_sub(progress.moved),
            };
            (*raw.as_ptr()).tx.cookie
        };
        if result != bindings::dmaengine_tx_result_DMA_TRANS_NOERROR {
            self.failures.add(cookie);
        }
        // SAFETY: The descriptor was issued, is in no list, and is not used any more after this.
        unsafe { bindings::virt_dma_complete(raw.as_ptr()) };
    }

    /// Ends the transfer that runs, if one does, without a callback.
    fn abort(&mut self) {
        if let Some(raw) = self.running.take() {
            self.channel.engine.abort(self.channel.number);
            // SAFETY: The descriptor is in no list, and is not used any more after this.
            unsafe { bindings::virt_dma_terminate(raw.as_ptr()) };
        }
    }

    /// Returns how many bytes of a transfer that has not ended are left.
    fn left_of(&self, cookie: bindings::dma_cookie_t) -> u32 {
        // SAFETY: The virtual channel is valid and its lock is held.
        let issued = unsafe { bindings::vchan_find_desc(self.channel.raw.get(), cookie) };
        // SAFETY: What runs is valid by the type invariant of `State`, what was issued as long as the
        // lock is held.
        let size = |raw| unsafe { Descriptor::from_raw(raw) }.transfer().size();
        if !issued.is_null() {
            return size(issued);
        }
        let runs = |raw: &NonNull<bindings::virt_dma_desc>| {
            // SAFETY: As above.
            unsafe { (*raw.as_ptr()).tx.cookie == cookie }
        };
        self.running.filter(runs).map_or(0, |raw| {
            let moved = self.channel.engine.progress(self.channel.number).moved;
            size(raw.as_ptr()).saturating_sub(moved)
        })
    }
}

impl<E: Engine> Deref for Locked<'_, E> {
    type Target = State;

    fn deref(&self) -> &State {
        // SAFETY: The lock is held, hence nobody else has a reference to the state.
        unsafe { &*self.channel.state.get() }
    }
}

impl<E: Engine> DerefMut for Locked<'_, E> {
    fn deref_mut(&mut self) -> &mut State {
        // SAFETY: The lock is held and borrowed mutably, hence this is the only reference.
        unsafe { &mut *self.channel.state.get() }
    }
}

impl<E: Engine> Drop for Locked<'_, E> {
    fn drop(&mut self) {
        // SAFETY: The lock was taken by `lock` on this processor, which gave these flags.
        unsafe { bindings::virt_dma_unlock(self.channel.raw.get(), self.flags) };
    }
}
