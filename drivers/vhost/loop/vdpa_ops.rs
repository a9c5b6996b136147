// SPDX-License-Identifier: GPL-2.0

//! The device as `virtio_vdpa` sees it: each operation is one of the queue, of the transport or of
//! the bus.
//!
//! Contexts and locks of the callers: `vdpa::ConfigOps`. None of these operations takes a lock of
//! the vDPA core. Lock: `registration`, a mutex, held for an exchange alone.

use crate::{
    device::Loop,
    queue::Queue, //
};
use kernel::{
    new_mutex,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};
use vdpa::{
    Callback,
    ConfigOps,
    Provisioned,
    VendorStats,
    VqAddress,
    ENABLE_AFTER_DRIVER_OK, //
};
use vhost_bus::{
    ConfigOps as _,
    Device,
    Registration, //
};
use virtio::{
    ring::Position,
    status::Status, //
};

/// The PCI vendor of virtio devices, as software devices have it by custom.
const VENDOR: u32 = 0x1af4;

/// A vDPA device's data.
#[pin_data]
pub(crate) struct LoopOps {
    transport: Arc<Loop>,
    device: Arc<Device>,
    /// The vhost device is on its bus.
    #[pin]
    registration: Mutex<Option<Registration>>,
    #[pin]
    provisioned: Provisioned,
}

impl LoopOps {
    pub(crate) fn new(
        transport: Arc<Loop>,
        registration: Registration,
        provisioned: impl PinInit<Provisioned>,
    ) -> impl PinInit<Self, Error> {
        let device = registration.device().clone();
        try_pin_init!(Self {
            transport,
            device,
            registration <- new_mutex!(Some(registration), "vhost_loop::LoopOps::registration"),
            provisioned <- provisioned,
        })
    }

    /// Takes the vhost device off its bus, after which its backend's instance is free.
    ///
    /// Context: process; no operation is called any more.
    pub(crate) fn leave_bus(&self) {
        let registration = self.registration.lock().take();
        // Without the lock: this waits for the backend.
        drop(registration);
    }

    /// Gives a network device another MAC address. Under `cf_lock`, as `set_status` is.
    ///
    /// # Errors
    ///
    /// Those of [`Provisioned::set_mac`].
    pub(crate) fn set_mac(&self, mac: [u8; 6]) -> Result {
        let status = self.transport.get_status();
        self.provisioned
            .set_mac(mac, status.contains(Status::DRIVER_OK))
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    fn queue(&self, index: u16) -> Result<&Queue> {
        self.transport.queue(index).map(|q| &**q).ok_or(EINVAL)
    }

    /// Does something with a queue that the vDPA core has checked to exist.
    fn with_queue(&self, index: u16, operation: impl FnOnce(&Queue)) {
        if let Ok(queue) = self.queue(index) {
            operation(queue);
        }
    }

    fn start(&self, index: u16) -> Result {
        let features = self.transport.get_features();
        self.queue(index)?
            .start(self.transport.map().clone(), features)
    }
}

#[vtable]
impl ConfigOps for LoopOps {
    /// Refused for a queue that is started: it cannot move while the device is suspended.
    fn set_vq_address(&self, vq: u16, address: VqAddress) -> Result {
        let queue = self.queue(vq)?;
        if queue.is_started() {
            return Err(EBUSY);
        }
        queue.set_up(|setup| setup.address = address);
        Ok(())
    }

    fn set_vq_num(&self, vq: u16, size: u32) {
        self.with_queue(vq, |queue| queue.set_up(|setup| setup.size = size));
    }

    fn kick_vq(&self, vq: u16) {
        self.with_queue(vq, Queue::kick);
    }

    fn set_vq_cb(&self, vq: u16, callback: Option<Callback>) {
        self.with_queue(vq, |queue| queue.callback().set(callback));
    }

    fn set_vq_ready(&self, vq: u16, ready: bool) {
        if !ready {
            self.with_queue(vq, Queue::stop);
        } else if let Err(error) = self.start(vq) {
            self.device()
                .needs_reset(fmt!("queue {} cannot be started: {:?}", vq, error));
        }
    }

    fn get_vq_ready(&self, vq: u16) -> bool {
        self.queue(vq).is_ok_and(Queue::is_started)
    }

    fn set_vq_state(&self, vq: u16, position: Position) -> Result {
        self.queue(vq)?.set_position(position)
    }

    fn get_vq_state(&self, vq: u16) -> Result<Position> {
        Ok(self.queue(vq)?.position(self.get_driver_features()))
    }

    fn get_vendor_vq_stats(&self, vq: u16, stats: &mut VendorStats) -> Result {
        let queue = self.queue(vq)?;
        stats.put(c"kicks", queue.kicks())?;
        stats.put(c"callbacks", queue.callback().calls())
    }

    fn get_vq_group(&self, vq: u16) -> u32 {
        self.queue(vq).map_or(0, Queue::group)
    }

    fn set_group_asid(&self, group: u32, space: u32) -> Result {
        self.transport.set_group_space(group, space);
        Ok(())
    }

    fn get_vq_size(&self, vq: u16) -> u16 {
        self.queue(vq).map_or(0, Queue::max_size)
    }

    fn get_vq_align(&self) -> u32 {
        // CAST: A page is smaller than 4 GiB.
        PAGE_SIZE as u32
    }

    fn get_vq_num_max(&self) -> u16 {
        let sizes = self.transport.queues().iter().map(|queue| queue.max_size());
        sizes.max().unwrap_or(0)
    }

    fn get_device_features(&self) -> u64 {
        self.provisioned.offered(self.device().device_features())
    }

    /// A backend takes up a queue that is set up while it works.
    fn get_backend_features(&self) -> u64 {
        ENABLE_AFTER_DRIVER_OK
    }

    fn set_driver_features(&self, features: u64) -> Result {
        if features & !self.get_device_features() != 0 {
            return Err(EINVAL);
        }
        // The rest is met here.
        self.device()
            .driver_features(features & self.device().device_features())?;
        self.transport.keep_features(features);
        Ok(())
    }

    fn get_driver_features(&self) -> u64 {
        self.transport.get_features()
    }

    fn set_config_cb(&self, callback: Option<Callback>) {
        self.transport.config_callback().set(callback);
    }

    fn get_device_id(&self) -> u32 {
        self.device().id().get()
    }

    fn get_vendor_id(&self) -> u32 {
        VENDOR
    }

    fn get_status(&self) -> u8 {
        self.transport.get_status().bits()
    }

    fn set_status(&self, status: u8) {
        let device = self.device();
        if let Err(error) = device.driver_status(Status::from_bits(status)) {
            dev_err!(
                device.dev(),
                "Status {:#04x} refused: {:?}\n",
                status,
                error
            );
        }
    }

    fn reset(&self) -> Result {
        self.device().reset();
        Ok(())
    }

    fn suspend(&self) -> Result {
        self.device().suspend()
    }

    fn resume(&self) -> Result {
        self.device().resume()
    }

    fn get_config_size(&self) -> usize {
        self.provisioned.config_size(self.transport.config_size())
    }

    fn get_config(&self, offset: usize, to: &mut [u8]) {
        self.transport.read_config(offset, to);
        self.provisioned.lay_over(offset, to);
    }

    fn set_config(&self, offset: usize, from: &[u8]) {
        let device = self.device();
        if let Err(error) = device.config_written(offset, from) {
            dev_err!(
                device.dev(),
                "Config write at {:#x} refused: {:?}\n",
                offset,
                error
            );
        }
    }

    fn get_generation(&self) -> u32 {
        self.provisioned.generation(self.transport.generation())
    }
}
