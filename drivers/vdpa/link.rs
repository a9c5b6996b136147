// SPDX-License-Identifier: GPL-2.0

//! The protocol with the endpoint: one command at a time (`command`), what becomes of the session
//! (`loss`), and word to user space when a lost endpoint is there again (`notice`).
//!
//! An endpoint that is gone, or that gave up, is *lost*: it is cut off from memory at once, and stays
//! so until a reset succeeds, whatever it does meanwhile. `takeover` finishes what it left.
//!
//! Locks: `port`, a mutex, is held while a command is outstanding, so for as long as its bound in
//! "Time bounds" of `Documentation/transport.rst`, and while `is_lost` changes. It is taken inside
//! `vdpa_dev_lock`, `cf_lock` and the lock of `process`; `notice` is taken inside it. Kicks take no lock.
//!
//! Context: process, unless stated.

mod command;
mod loss;
mod notice;

use crate::{
    hw::{
        self,
        Bars, //
    },
    identify, //
};
use kernel::{
    device::Bound,
    io::PhysAddr,
    new_mutex,
    page::PAGE_SIZE,
    pci,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::Atomic,
        Mutex, //
    },
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    }, //
};
pub(crate) use loss::Loss;
use loss::NEVER;
use notice::Notice;
use pci_host::errno;
use transport::{
    read_config,
    time,
    BarSizes,
    ConfigReadError,
    DeviceStatus,
    Doorbell,
    Identity,
    PushAreas,
    QueueIndex,
    Registers,
    RootComplexPort,
    TransportFeatures, //
};
use virtio::features::{
    NOTIFICATION_DATA,
    RING_PACKED, //
};

/// Features that the driver side does without. A packed ring does not tell what a lost endpoint left
/// (`takeover`), and what a kick writes is the endpoint's choice (D2).
const NOT_PASSED_ON: u64 = RING_PACKED | NOTIFICATION_DATA;

/// Size of a page.
// CAST: Pages have at most 64 KiB.
const PAGE: u32 = PAGE_SIZE as u32;

/// The link to one endpoint function.
#[pin_data]
pub(crate) struct Link {
    pdev: ARef<pci::Device>,
    started: Instant<Monotonic>,
    sizes: BarSizes,
    bars: Bars,
    /// What the endpoint was when the driver took it over; only its epoch may change.
    identity: Identity,
    doorbells: KVec<Doorbell>,
    /// How long the endpoint may show no heartbeat.
    silent_ms: u64,
    is_lost: Atomic<bool>,
    /// It is to be given up.
    has_failed: Atomic<bool>,
    /// When requests have to have ended, in milliseconds like `now_ms`; `NEVER`: nobody waits for that.
    ends_by: Atomic<u64>,
    /// The function is being reset, by a user of the RC.
    is_in_reset: Atomic<bool>,
    #[pin]
    notice: Mutex<Notice>,
    #[pin]
    port: Mutex<RootComplexPort>,
}

impl Link {
    /// Finds the endpoint's registers, waits until it is ready and resets it (I1 to I7).
    ///
    /// It is lost when it shows no heartbeat for `silent_ms`, or `EP_SILENT` if that is longer.
    ///
    /// # Errors
    ///
    /// `ENODEV`: not our function, another major version, or a layout that is not legal;
    /// `ETIMEDOUT`: not ready in time; `EIO`: the link is dead; and those of [`Link::command`].
    pub(crate) fn new(
        pdev: &pci::Device<Bound>,
        silent_ms: u64,
    ) -> Result<impl PinInit<Self, Error> + '_> {
        let started = Instant::now();
        let sizes = hw::bar_sizes(pdev);
        let registers = identify::find_registers(pdev, &sizes)?;
        let identity = identify::wait_ready(pdev.as_ref(), &registers, &sizes, time::READY_MS)?;
        let bars = Bars::new(pdev, registers, identity.layout())?;
        let doorbells = identify::doorbells(&identity, &bars)?;
        let port = RootComplexPort::new(identity.clone(), bars.registers(), now_ms(started));
        Ok(try_pin_init!(Self {
            pdev: pdev.into(),
            started,
            sizes,
            bars,
            identity,
            doorbells,
            silent_ms: silent_ms.max(time::EP_SILENT_MS),
            is_lost: Atomic::new(false),
            has_failed: Atomic::new(false),
            ends_by: Atomic::new(NEVER),
            is_in_reset: Atomic::new(false),
            notice <- new_mutex!(Notice::None, "epf_vdpa::Link::notice"),
            port <- new_mutex!(port, "epf_vdpa::Link::port"),
        }))
    }

    /// What the endpoint is. Context: any.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What the driver side may use of the device. Context: any.
    pub(crate) fn device_features(&self) -> u64 {
        self.identity.device_features() & !NOT_PASSED_ON
    }

    /// The device, for messages. Context: any.
    pub(crate) fn dev(&self) -> &kernel::device::Device {
        (*self.pdev).as_ref()
    }

    /// Whether the endpoint can be suspended. Context: any.
    pub(crate) fn can_suspend(&self) -> bool {
        let features = self.identity.transport_features();
        features.contains(TransportFeatures::SUSPEND)
    }

    /// Whether the endpoint translates addresses. Context: any.
    pub(crate) fn can_map(&self) -> bool {
        let features = self.identity.transport_features();
        features.contains(TransportFeatures::MAP)
    }

    /// The queue with this index, if the endpoint has it. Context: any.
    pub(crate) fn queue(&self, index: u16) -> Result<QueueIndex> {
        self.identity.queue(index).ok_or(EINVAL)
    }

    /// Largest size of a queue; 0 if there is none.
    pub(crate) fn queue_size(&self, index: u16) -> u16 {
        let size = |queue| self.identity.queue_size(self.bars.registers(), queue);
        self.identity
            .queue(index)
            .and_then(size)
            .map_or(0, |size| size.get())
    }

    /// Group of a queue; `None` if there is no such queue, or its group does not exist. Context: any.
    pub(crate) fn queue_group(&self, index: u16) -> Option<u16> {
        let queue = self.identity.queue(index)?;
        self.identity.queue_group(self.bars.registers(), queue)
    }

    /// Kicks a queue. Context: any, also with interrupts off.
    pub(crate) fn kick(&self, index: u16) {
        if let Some(doorbell) = self.doorbells.get(usize::from(index)) {
            self.bars.ring(doorbell);
        }
    }

    /// Writes bytes to push areas, from the start of their BAR. Context: any, also with interrupts off.
    pub(crate) fn push(&self, areas: &PushAreas, offset: usize, from: &[u8]) {
        self.bars.push(areas, offset, from);
    }

    /// The page of a queue's doorbell, if user space may kick by it: it is alone on the page, and the
    /// endpoint understands the index of the queue. Context: any.
    pub(crate) fn doorbell_page(&self, index: u16) -> Option<PhysAddr> {
        let doorbell = self.doorbells.get(usize::from(index))?;
        let is_alone = self.identity.layout().doorbells().is_mappable(PAGE);
        let may = is_alone && doorbell.is_rung_by_index(self.identity.queue(index)?);
        may.then(|| self.bars.doorbells().physical(doorbell.offset()))
    }

    /// The device status as the endpoint has it; `None` if the session is over.
    pub(crate) fn device_status(&self) -> Option<DeviceStatus> {
        self.port.lock().device_status(self.bars.registers())
    }

    /// Reads device config; waits while the endpoint is changing it (G4 to G6).
    ///
    /// # Errors
    ///
    /// `EINVAL`: not inside the device config; `EIO`: the link is dead; `ENOTCONN`: the endpoint
    /// restarted; `ETIMEDOUT`: it kept changing.
    fn read_config(&self, offset: usize, to: &mut [u8]) -> Result {
        let port = self.port.lock();
        let deadline = self.now_ms() + time::CONFIG_MS;
        // Bounded by the deadline.
        loop {
            match read_config(port.identity(), self.bars.registers(), offset, to) {
                Ok(_) => return Ok(()),
                Err(ConfigReadError::OutOfRange) => return Err(EINVAL),
                Err(ConfigReadError::LinkDead) => return Err(EIO),
                Err(ConfigReadError::Restarted) => return Err(errno::not_connected()),
                Err(ConfigReadError::Changing) if self.now_ms() >= deadline => {
                    return Err(ETIMEDOUT)
                }
                Err(ConfigReadError::Changing) => {
                    fsleep(Delta::from_micros(time::ANSWER_SLEEP_MIN_US as i64))
                }
            }
        }
    }

    /// Reads device config as far as there is any, and leaves the rest of `to` as it is.
    ///
    /// # Errors
    ///
    /// As for [`Link::read_config`].
    pub(crate) fn read_config_inside(&self, offset: usize, to: &mut [u8]) -> Result {
        let size = self.identity.config_size() as usize;
        let inside = size.saturating_sub(offset).min(to.len());
        match to.get_mut(..inside) {
            Some(to) => self.read_config(offset, to),
            None => Ok(()),
        }
    }

    /// A number that changes with the device config.
    pub(crate) fn config_generation(&self) -> u32 {
        self.bars
            .registers()
            .read32(transport::offset::CONFIG_GENERATION)
    }

    fn now_ms(&self) -> u64 {
        now_ms(self.started)
    }
}

/// Milliseconds since `start`, on a clock that never goes back.
fn now_ms(start: Instant<Monotonic>) -> u64 {
    start.elapsed().as_millis().max(0) as u64
}
