// SPDX-License-Identifier: GPL-2.0

//! The operations of the vDPA device, translated to commands and register reads.
//!
//! Locks: `state`, a mutex, protects what the driver side said so far; nothing is taken inside it,
//! and no command is outstanding while it is held. Contexts are those of `vdpa::ConfigOps`: process,
//! except kicks, which take no lock but those of `push`.

mod queues;
mod status;

use crate::{
    interrupt::{
        Interrupts,
        QueueSignal,
        Signals, //
    },
    last_config::LastConfig,
    link::Link,
    process::ProcessMemory,
    push::Pushes,
    queue::QueueSetup,
    takeover::Takeover, //
};
use kernel::{
    io::PhysAddr,
    new_mutex,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};
use transport::{
    Command,
    ConfigData,
    DeviceStatus,
    Generations,
    CONFIG_DATA_SIZE, //
};
use vdpa::{
    Callback,
    ConfigOps,
    DmaRange,
    NotificationArea,
    Provisioned,
    VendorStats,
    VqAddress,
    ENABLE_AFTER_DRIVER_OK, //
};
use virtio::ring::Position;

/// Alignment of the rings that the driver side allocates: any will do for modern virtio, a page
/// keeps a ring in as few outbound windows as possible.
const VQ_ALIGN: u32 = 4096;

/// The vDPA device of an endpoint function.
#[pin_data]
pub(crate) struct EpfDevice {
    link: Arc<Link>,
    signals: Arc<Signals>,
    interrupts: Arc<Interrupts>,
    takeover: Arc<Takeover>,
    pushes: Pushes,
    /// `None`: addresses are DMA addresses, whoever drives the device.
    process: Option<Arc<ProcessMemory>>,
    #[pin]
    provisioned: Provisioned,
    #[pin]
    last_config: LastConfig,
    #[pin]
    state: Mutex<State>,
}

/// What the driver side said.
struct State {
    queues: KVec<QueueSetup>,
    driver_features: u64,
    /// The status written last, as far as the endpoint accepted it.
    status: u8,
    is_suspended: bool,
    generations: Generations,
}

impl EpfDevice {
    /// The device on `link`, with what the user chose of it.
    pub(crate) fn new(
        link: Arc<Link>,
        signals: Arc<Signals>,
        interrupts: Arc<Interrupts>,
        takeover: Arc<Takeover>,
        process: Option<Arc<ProcessMemory>>,
        pushes: Pushes,
        provisioned: impl PinInit<Provisioned>,
    ) -> impl PinInit<Self, Error> {
        let num_queues = usize::from(link.identity().num_queues());
        let config_size = link.identity().config_size() as usize;
        try_pin_init!(Self {
            signals,
            interrupts,
            takeover,
            process,
            provisioned <- provisioned,
            pushes,
            last_config <- LastConfig::new(config_size),
            link,
            state <- new_mutex!(State::new(num_queues)?, "epf_vdpa::EpfDevice::state"),
        })
    }

    /// Gives a network device another MAC address. Under `cf_lock`, as `set_status` is.
    ///
    /// # Errors
    ///
    /// Those of [`Provisioned::set_mac`].
    pub(crate) fn set_mac(&self, mac: [u8; 6]) -> Result {
        let status = DeviceStatus::from_bits(self.state.lock().status);
        self.provisioned
            .set_mac(mac, status.contains(DeviceStatus::DRIVER_OK))
    }

    fn signal(&self, vq: u16) -> Result<&QueueSignal> {
        self.signals.queue(vq).ok_or(EINVAL)
    }

    fn kick(&self, vq: u16) {
        if let Some(signal) = self.signals.queue(vq) {
            signal.count_kick();
        }
        self.pushes.push(vq);
        self.link.kick(vq);
    }

    /// Changes the set-up of a queue.
    fn set_up<T>(&self, vq: u16, change: impl FnOnce(&mut QueueSetup) -> T) -> Result<T> {
        let mut state = self.state.lock();
        let setup = state.queues.get_mut(usize::from(vq)).ok_or(EINVAL)?;
        Ok(change(setup))
    }

    /// Keeps which address space the queues of a group are in.
    fn set_space(&self, group: u32, space: u32) -> Result {
        for vq in 0..self.link.identity().num_queues() {
            if self.link.queue_group(vq).map(u32::from) == Some(group) {
                self.set_up(vq, |setup| setup.space = space)?;
            }
        }
        Ok(())
    }

    fn stop_signals(&self) {
        for vq in 0..self.link.identity().num_queues() {
            if let Some(signal) = self.signals.queue(vq) {
                signal.set_ready(false);
            }
            self.takeover.queue_stopped(vq);
        }
        self.signals.config.clear();
        self.interrupts.synchronize();
    }

    fn write_config(&self, offset: usize, from: &[u8]) -> Result {
        let mut offset = u32::try_from(offset)?;
        for chunk in from.chunks(CONFIG_DATA_SIZE) {
            let data = ConfigData::new(chunk).ok_or(EINVAL)?;
            self.link.command(&Command::WriteConfig { offset, data })?;
            offset = offset.checked_add(CONFIG_DATA_SIZE as u32).ok_or(EINVAL)?;
        }
        Ok(())
    }

    /// Says what went wrong in an operation that cannot answer an error.
    fn report(&self, what: &str, result: Result) {
        if let Err(error) = result {
            dev_err!(self.link.dev(), "{} failed: {:?}\n", what, error);
        }
    }
}

impl State {
    fn new(num_queues: usize) -> Result<Self> {
        Ok(Self {
            queues: KVec::from_elem(QueueSetup::default(), num_queues, GFP_KERNEL)?,
            driver_features: 0,
            status: 0,
            is_suspended: false,
            generations: Generations::default(),
        })
    }

    fn reset(&mut self) {
        self.queues.as_mut_slice().fill(QueueSetup::default());
        self.driver_features = 0;
        self.status = 0;
        self.is_suspended = false;
    }
}

#[vtable]
impl ConfigOps for EpfDevice {
    /// Refused for a queue that is started: it cannot move while the device is suspended.
    fn set_vq_address(&self, vq: u16, address: VqAddress) -> Result {
        if self.signal(vq)?.is_ready() {
            return Err(EBUSY);
        }
        self.set_up(vq, |setup| setup.address = address)
    }

    fn set_vq_num(&self, vq: u16, size: u32) {
        let result = self.set_up(vq, |setup| setup.size = size);
        self.report("Setting the size of a queue", result);
    }

    fn kick_vq(&self, vq: u16) {
        match self.link.is_lost() {
            true => self.takeover.wake(),
            false => self.kick(vq),
        }
    }

    fn set_vq_cb(&self, vq: u16, callback: Option<Callback>) {
        if let Some(signal) = self.signals.queue(vq) {
            signal.callback.set(callback);
        }
    }

    fn set_vq_ready(&self, vq: u16, ready: bool) {
        let (what, result) = match ready {
            true => ("Starting a queue", self.start_queue(vq)),
            false => ("Stopping a queue", self.stop_queue(vq)),
        };
        self.report(what, result);
    }

    fn get_vq_ready(&self, vq: u16) -> bool {
        self.signals.queue(vq).is_some_and(QueueSignal::is_ready)
    }

    fn set_vq_state(&self, vq: u16, position: Position) -> Result {
        self.set_position(vq, position)
    }

    fn get_vq_state(&self, vq: u16) -> Result<Position> {
        self.position(vq)
    }

    fn get_vendor_vq_stats(&self, vq: u16, stats: &mut VendorStats) -> Result {
        let signal = self.signal(vq)?;
        stats.put(c"kicks", signal.kicks())?;
        stats.put(c"callbacks", signal.callback.calls())
    }

    /// While a hypervisor passes it on to its guest, it does not reach the callback, nor its count.
    fn get_vq_irq(&self, vq: u16) -> Result<u32> {
        self.interrupts.own_irq(vq)
    }

    /// No page is nowhere and has no bytes, which `vhost_vdpa` refuses to map by `ENOTSUPP`. There is none of
    /// queues that may be pushed, as a kick by it would bring nothing.
    fn get_vq_notification(&self, vq: u16) -> NotificationArea {
        let page = self.link.doorbell_page(vq);
        match page.filter(|_| !self.pushes.need_kicks_of_processes()) {
            Some(address) => NotificationArea {
                address,
                size: PAGE_SIZE as PhysAddr,
            },
            None => NotificationArea {
                address: 0,
                size: 0,
            },
        }
    }

    /// A group that does not exist is no group, which `vhost_vdpa` answers with `EIO`.
    fn get_vq_group(&self, vq: u16) -> u32 {
        self.link.queue_group(vq).map_or(u32::MAX, u32::from)
    }

    fn set_group_asid(&self, group: u32, space: u32) -> Result {
        let command = Command::SetGroupSpace { group, space };
        self.link.command(&command)?;
        self.set_space(group, space)
    }

    fn get_vq_size(&self, vq: u16) -> u16 {
        self.link.queue_size(vq)
    }

    fn get_vq_align(&self) -> u32 {
        VQ_ALIGN
    }

    fn get_vq_num_max(&self) -> u16 {
        self.link.identity().queue_size_max().get()
    }

    fn get_device_features(&self) -> u64 {
        let features = self.link.device_features();
        self.provisioned.offered(self.pushes.possible(features))
    }

    /// `QUEUE_ENABLE` needs no more than `FEATURES_OK`.
    fn get_backend_features(&self) -> u64 {
        ENABLE_AFTER_DRIVER_OK
    }

    fn set_driver_features(&self, features: u64) -> Result {
        if features & !self.get_device_features() != 0 {
            return Err(EINVAL);
        }
        self.state.lock().driver_features = features;
        Ok(())
    }

    fn get_driver_features(&self) -> u64 {
        self.state.lock().driver_features
    }

    fn set_config_cb(&self, callback: Option<Callback>) {
        self.signals.config.set(callback);
    }

    fn get_device_id(&self) -> u32 {
        self.link.identity().device_id()
    }

    fn get_vendor_id(&self) -> u32 {
        self.link.identity().vendor_id()
    }

    /// Of the endpoint's status only `DEVICE_NEEDS_RESET` is shown, and not after a reset: the driver
    /// side warns of bits that it did not set.
    fn get_status(&self) -> u8 {
        let status = self.state.lock().status;
        match status != 0 && self.needs_reset() {
            true => status | DeviceStatus::DEVICE_NEEDS_RESET.bits(),
            false => status,
        }
    }

    fn set_status(&self, status: u8) {
        let result = self.write_status(status);
        self.report("Setting the device status", result);
    }

    fn reset(&self) -> Result {
        // Before the endpoint is found again, so that no kick gives up what begins then.
        self.pushes.end_all();
        let reset = self.link.reset();
        self.stop_signals();
        self.state.lock().reset();
        if let Some(process) = &self.process {
            process.forgotten();
        }
        self.takeover.release();
        reset?;
        self.link.command(&self.interrupts.command()).map(drop)
    }

    fn suspend(&self) -> Result {
        self.suspend_all()
    }

    fn resume(&self) -> Result {
        self.resume_all()
    }

    fn get_config_size(&self) -> usize {
        let size = self.link.identity().config_size() as usize;
        self.provisioned.config_size(size)
    }

    fn get_config(&self, offset: usize, to: &mut [u8]) {
        let result = self.link.read_config_inside(offset, to);
        match result {
            Ok(()) => self.last_config.keep(offset, to),
            Err(_) => self.last_config.recall(offset, to),
        }
        self.report("Reading the device config", result);
        self.provisioned.lay_over(offset, to);
    }

    fn set_config(&self, offset: usize, from: &[u8]) {
        let result = self.write_config(offset, from);
        self.report("Writing the device config", result);
    }

    fn get_generation(&self) -> u32 {
        let seen = self.provisioned.generation(self.link.config_generation());
        self.state.lock().generations.tell(seen)
    }

    fn kernel_has_queue(&self, vq: u16) {
        let result = self.set_up(vq, |setup| setup.is_of_kernel = true);
        self.report("Making a queue of the kernel", result);
    }

    fn dma_map(&self, range: &DmaRange) -> Result {
        self.process.as_ref().ok_or(EINVAL)?.map(range)
    }

    fn dma_unmap(&self, space: u32, iova: u64, size: u64) {
        if let Some(process) = &self.process {
            process.unmap(space, iova, size);
        }
    }
}
