// SPDX-License-Identifier: GPL-2.0

//! The registration of an engine, and its interrupts.

use super::{
    channel::Channel,
    descriptor::Limits,
    operations::Operations,
    Engine, //
};
use crate::{
    bindings,
    Direction, //
};
use core::marker::PhantomPinned;
use kernel::{
    device::Device,
    error::to_result,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        Arc, //
    },
    types::Opaque, //
};

/// What the framework has to know of an engine.
pub struct Config<'a> {
    /// Between what each channel moves data, by its number: all of them slaves, or none.
    pub channels: &'a [Direction],
    /// How many segments a transfer has at most.
    pub max_segments: usize,
    /// How many bytes a transfer moves at most.
    pub max_size: u32,
}

/// A registered engine; dropping it takes its channels from clients.
///
/// Transfers of clients that have a channel still fail from then on. Process context; it must not be dropped
/// in a callback.
pub struct Registration<E: Engine>(Arc<Provider<E>>);

/// Tells a channel that its engine raised an interrupt.
pub struct InterruptHandler<E: Engine> {
    provider: Arc<Provider<E>>,
    channel: usize,
}

/// The device of the framework, with its channels.
#[pin_data]
struct Provider<E: Engine> {
    #[pin]
    raw: Opaque<bindings::dma_device>,
    channels: KVec<Pin<KBox<Channel<E>>>>,
    /// Whether the framework and all clients have let go of it.
    released: Atomic<u32>,
    device: ARef<Device>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: The framework's device is used through its functions alone, which have locks.
unsafe impl<E: Engine> Send for Provider<E> {}

// SAFETY: As above.
unsafe impl<E: Engine> Sync for Provider<E> {}

impl<E: Engine> Registration<E> {
    /// Registers the channels of `engine` for clients of `device`, which must have a driver.
    ///
    /// They are given only to clients who ask for a channel of their own, not to the pool of those
    /// that anybody may use.
    ///
    /// # Errors
    ///
    /// `EINVAL` without channels, or when some are slaves and some are not; `ENOMEM`, and those of
    /// `dma_async_device_register()`.
    pub fn new(device: &Device, engine: Arc<E>, config: &Config<'_>) -> Result<Self> {
        let provider = Provider::new(device, engine, config)?;
        provider.attach(config)?;
        Ok(Self(provider))
    }

    /// Returns what is to be called when the engine raises an interrupt for `channel`.
    pub fn interrupt(&self, channel: usize) -> InterruptHandler<E> {
        InterruptHandler {
            provider: self.0.clone(),
            channel,
        }
    }
}

impl<E: Engine> InterruptHandler<E> {
    /// Looks what has ended, and starts what waits; any context.
    pub fn handle(&self) {
        if let Some(channel) = self.provider.channels.get(self.channel) {
            channel.interrupt();
        }
    }
}

impl<E: Engine> Provider<E> {
    fn new(device: &Device, engine: Arc<E>, config: &Config<'_>) -> Result<Arc<Self>> {
        let first = config.channels.first().ok_or(EINVAL)?;
        let like_first = |other: &Direction| other.is_slave() == first.is_slave();
        if !config.channels.iter().all(like_first) {
            return Err(EINVAL);
        }
        let limits = Limits {
            segments: config.max_segments,
            size: config.max_size,
        };
        let mut channels = KVec::with_capacity(config.channels.len(), GFP_KERNEL)?;
        for (number, direction) in config.channels.iter().enumerate() {
            let channel = Channel::new(engine.clone(), number, *direction, limits);
            channels.push(KBox::pin(channel, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        let this = pin_init!(Self {
            raw: Opaque::zeroed(),
            channels,
            released: Atomic::new(0),
            device: device.into(),
            _pin: PhantomPinned,
        });
        Arc::pin_init(this, GFP_KERNEL)
    }

    /// Gives the device to the framework; called once.
    fn attach(&self, config: &Config<'_>) -> Result {
        let raw = self.raw.get();
        let directions = config.channels.iter().map(|channel| 1 << channel.as_raw());
        {
            // SAFETY: Nobody else has the device yet.
            let device = unsafe { &mut *raw };
            Operations::<E>::install(device);
            device.device_release = Some(Self::release);
            // CAST: `Device` is a transparent wrapper of `Opaque<struct device>`.
            device.dev = Opaque::cast_into(core::ptr::from_ref(&*self.device).cast());
            device.directions = directions.fold(0, |all, one: u32| all | one);
            device.max_sg_burst = config.max_segments.try_into()?;
            device.residue_granularity =
                bindings::dma_residue_granularity_DMA_RESIDUE_GRANULARITY_BURST;
        }
        // SAFETY: As above. The device has a driver by the requirements on callers, is pinned, and exists
        // until the framework and its clients have let go of it, see `drop`.
        unsafe {
            bindings::virt_dma_init_channels(raw);
            for channel in &self.channels {
                channel.as_ref().attach(raw);
            }
            let private = bindings::dma_transaction_type_DMA_PRIVATE;
            bindings::virt_dma_set_capability(raw, private);
            to_result(bindings::dma_async_device_register(raw))?;
        }
        // The framework takes the owner from the device's driver, which may be that of another module. No
        // client finds a channel before the device can do something, so nobody has taken that owner for
        // who must stay; whoever sees the capability sees the owner, too.
        //
        // SAFETY: The device is registered.
        unsafe {
            (*raw).owner = E::OWNER.as_ptr();
            bindings::synchronize_rcu();
            let interleaved = bindings::dma_transaction_type_DMA_INTERLEAVE;
            bindings::virt_dma_set_capability(raw, interleaved);
            bindings::virt_dma_set_capability(raw, kind_of(config.channels));
        }
        Ok(())
    }

    /// The framework calls this when nobody has a reference to the device any more.
    extern "C" fn release(raw: *mut bindings::dma_device) {
        let raw = raw.cast::<Opaque<bindings::dma_device>>();
        // SAFETY: The device is that of a `Self`, which exists at least until this is called.
        let this = unsafe { &*kernel::container_of!(raw, Self, raw) };
        this.released.store(1, Release);
    }
}

fn kind_of(channels: &[Direction]) -> bindings::dma_transaction_type {
    match channels.first() {
        Some(channel) if channel.is_slave() => bindings::dma_transaction_type_DMA_SLAVE,
        _ => bindings::dma_transaction_type_DMA_MEMCPY,
    }
}

impl<E: Engine> Drop for Registration<E> {
    fn drop(&mut self) {
        let provider = &self.0;
        // SAFETY: The device is registered, once, and until here.
        unsafe { bindings::dma_async_device_unregister(provider.raw.get()) };
        for channel in &provider.channels {
            channel.withdraw();
        }
        if provider.released.load(Acquire) == 0 {
            // The framework touches a channel after it has said that it is released
            // (`dma_release_channel()`), so this memory can never be freed.
            dev_warn!(
                provider.device,
                "The DMA engine went away with channels in use\n"
            );
            return core::mem::forget(provider.clone());
        }
        for channel in &provider.channels {
            channel.synchronize();
        }
    }
}
