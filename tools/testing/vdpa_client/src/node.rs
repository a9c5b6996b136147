// SPDX-License-Identifier: GPL-2.0
//! A device node of `vhost_vdpa`, and memory of this process for its device.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};
use rustix::io::Errno;
use vhost::vhost_kern::vdpa::VhostKernVdpa;
use vhost::vhost_kern::VhostKernFeatures;
use vhost::{vdpa::VhostVdpa, VhostBackend, VringConfigData};
use virtio::features::{IN_ORDER, RING_PACKED};
use virtio::status::Status;
use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};
use vmm_sys_util::eventfd::EventFd;

/// Where the device finds the memory: out of the way of what an IOMMU reserves.
pub const IOVA: u64 = 0x10_0000;

/// Size of the memory in bytes: each area of a queue has a page.
pub const SIZE: u64 = 16 * PAGE;

/// Size of the areas of a queue in bytes.
pub const AREAS: u64 = 3 * PAGE;

/// Size of a page in bytes.
pub const PAGE: u64 = 4096;

/// Number of descriptors of the queues that are set up here.
pub const QUEUE_SIZE: u16 = 16;

/// Messages about mappings have their second form, with an address space.
const BACKEND_FEATURES: u64 = (1 << 1) | (1 << 3);

/// How long a device may take to see what is wrong with a queue.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at what it does.
pub const PAUSE: Duration = Duration::from_millis(1);

type Memory = Arc<GuestMemoryMmap>;

/// An open device node.
pub struct Node {
    device: VhostKernVdpa<Memory>,
    /// The same open file.
    file: Arc<File>,
    memory: Memory,
}

impl Node {
    /// Opens the device node at `path`, as the only process that has it.
    pub fn open(path: &str) -> Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .with_context(|| format!("cannot open {path}"))?;
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(IOVA), SIZE as usize)])?;
        let memory = Arc::new(memory);
        let mut device = VhostKernVdpa::with(file.try_clone()?, memory.clone(), 0);
        device.set_owner()?;
        device.set_backend_features(BACKEND_FEATURES)?;
        Ok(Self {
            device,
            file: Arc::new(file),
            memory,
        })
    }

    /// The device.
    pub fn device(&self) -> &VhostKernVdpa<Memory> {
        &self.device
    }

    /// The open file.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// The memory, by the addresses that the device has for it.
    pub fn memory(&self) -> &GuestMemoryMmap {
        &self.memory
    }

    /// Where the memory is in this process.
    pub fn host_address(&self) -> Result<*const u8> {
        Ok(self.memory.get_host_address(GuestAddress(IOVA))?)
    }

    /// Maps the memory.
    pub fn map(&self) -> Result<()> {
        Ok(self
            .device
            .dma_map(IOVA, SIZE, self.host_address()?, false)?)
    }

    /// Maps the memory in an address space.
    pub fn map_in(&self, space: u32) -> Result<()> {
        const UPDATE: u8 = 2;
        let host = self.host_address()? as u64;
        Ok(self.write(&mapping(space, host, UPDATE))?)
    }

    /// Unmaps the memory in an address space.
    pub fn unmap_in(&self, space: u32) -> Result<()> {
        const INVALIDATE: u8 = 3;
        Ok(self.write(&mapping(space, 0, INVALIDATE))?)
    }

    /// Kicks a queue.
    pub fn kick(&self, queue: usize) -> Result<()> {
        let kick = EventFd::new(0)?;
        self.device.set_vring_kick(queue, &kick)?;
        Ok(kick.write(1)?)
    }

    /// Waits until the status has a bit.
    pub fn wait_for_status(&self, wanted: Status) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.status()?.contains(wanted) {
            let found = self.status()?;
            ensure!(
                Instant::now() < deadline,
                "expected status {wanted:?} within {PATIENCE:?}, found {found:?}"
            );
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Empties the memory.
    pub fn clear(&self) -> Result<()> {
        Ok(self
            .memory
            .write_slice(&[0; SIZE as usize], GuestAddress(IOVA))?)
    }

    /// Writes a message that may have any form.
    pub fn write(&self, message: &[u8]) -> vhost::Result<()> {
        let written = (&*self.file).write(message);
        written.map(drop).map_err(vhost::Error::IOError)
    }

    /// Number of queues.
    pub fn queues(&self) -> Result<usize> {
        Ok(self.device.get_vqs_count()? as usize)
    }

    /// The device status.
    pub fn status(&self) -> Result<Status> {
        Ok(Status::from_bits(self.device.get_status()?))
    }

    /// Resets the device, which must be possible whatever happened.
    pub fn reset(&self) -> Result<()> {
        self.device.set_status(0)?;
        self.expect_status(Status::RESET)
    }

    /// Fails unless the status is `expected`.
    pub fn expect_status(&self, expected: Status) -> Result<()> {
        let found = self.status()?;
        ensure!(
            found == expected,
            "expected status {expected:?}, found {found:?}"
        );
        Ok(())
    }

    /// Resets the device, and sets it up to FEATURES_OK, with all features that it offers but those of
    /// rings that [`Requests`](crate::requests::Requests) does not know.
    pub fn negotiate(&self) -> Result<Status> {
        self.negotiate_rings(0)
    }

    /// The same with features of rings, which the device has to offer.
    pub fn negotiate_rings(&self, rings: u64) -> Result<Status> {
        self.reset()?;
        let known = Status::ACKNOWLEDGE.with(Status::DRIVER);
        self.device.set_status(known.bits())?;
        let offered = self.device.get_features()?;
        ensure!(
            offered & rings == rings,
            "expected that {rings:#x} is offered, found {offered:#x}"
        );
        let features = offered & !(RING_PACKED | IN_ORDER) | rings;
        self.device.set_features(features)?;
        let settled = known.with(Status::FEATURES_OK);
        self.device.set_status(settled.bits())?;
        self.expect_status(settled)?;
        Ok(settled)
    }

    /// Where the areas of a queue are.
    pub fn areas() -> VringConfigData {
        Self::areas_at(IOVA)
    }

    /// The areas of a queue from an address on.
    pub fn areas_at(address: u64) -> VringConfigData {
        VringConfigData {
            queue_max_size: QUEUE_SIZE,
            queue_size: QUEUE_SIZE,
            flags: 0,
            desc_table_addr: address,
            avail_ring_addr: address + PAGE,
            used_ring_addr: address + 2 * PAGE,
            log_addr: None,
        }
    }

    /// Has a device run whose features are settled.
    pub fn run(&self) -> Result<()> {
        let running = self.status()?.with(Status::DRIVER_OK);
        self.device.set_status(running.bits())?;
        self.expect_status(running)
    }

    /// Sets a queue up, empty, and enables it.
    pub fn start_queue(&self, queue: usize, areas: &VringConfigData) -> Result<()> {
        self.start_queue_at(queue, areas, 0)
    }

    /// Sets a queue up to go on at an available index, and enables it.
    pub fn start_queue_at(&self, queue: usize, areas: &VringConfigData, base: u16) -> Result<()> {
        self.set_up_queue(queue, areas, base)?;
        Ok(self.device.set_vring_enable(queue, true)?)
    }

    /// Sets a queue up to go on at an available index once it is enabled, for a device that does not run yet.
    pub fn set_up_queue(&self, queue: usize, areas: &VringConfigData, base: u16) -> Result<()> {
        self.device.set_vring_num(queue, QUEUE_SIZE)?;
        self.device.set_vring_base(queue, base)?;
        Ok(self.device.set_vring_addr(queue, areas)?)
    }
}

/// `struct vhost_msg_v2` about all of the memory, which is at `host` in this process, to read and to write.
fn mapping(space: u32, host: u64, what: u8) -> Vec<u8> {
    const MESSAGE_V2: u32 = 2;
    const SIZE_OF_MESSAGE: usize = 72;
    const READ_WRITE: u8 = 3;
    let mut message = [MESSAGE_V2, space].map(u32::to_le_bytes).concat();
    message.extend([IOVA, SIZE, host].map(u64::to_le_bytes).concat());
    message.extend([READ_WRITE, what]);
    message.resize(SIZE_OF_MESSAGE, 0);
    message
}

/// Fails unless the kernel answered `expected`.
pub fn refused<T>(what: &str, result: vhost::Result<T>, expected: Errno) -> Result<()> {
    let error = match result {
        Ok(_) => bail!("{what}: expected {expected:?}, but it succeeded"),
        Err(vhost::Error::IoctlError(error) | vhost::Error::IOError(error)) => error,
        Err(error) => bail!("{what}: not even tried, as there is an {error}"),
    };
    ensure!(
        error.raw_os_error() == Some(expected.raw_os_error()),
        "{what}: expected {expected:?}, got {error}"
    );
    Ok(())
}
