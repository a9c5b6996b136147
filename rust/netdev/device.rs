// SPDX-License-Identifier: GPL-2.0

//! A registered Ethernet device.
//!
//! # Locks
//!
//! [`Operations::opened`], [`Operations::stopped`] and [`Operations::offloads`] run under the RTNL lock;
//! registering, unregistering and [`NetDevice::update_offloads`] take it: none of these may happen with a
//! lock held that the callbacks take.

use crate::{
    allocated::Allocated,
    bindings,
    offloads::Offloads,
    packet::{
        SkBuff,
        HEADER_LEN, //
    },
};
use core::ptr::NonNull;
use kernel::{
    device,
    error::to_result,
    fmt,
    prelude::*, //
};

/// What the user of a device is told.
pub trait Operations: Send + Sync + 'static {
    /// The device was brought up. Context: process, under RTNL.
    fn opened(&self);

    /// The device was taken down; its queues are empty. Context: process, under RTNL.
    fn stopped(&self);

    /// Returns what the user does to packets at this moment. Context: process, under RTNL.
    fn offloads(&self) -> Offloads;

    /// There is a packet in transmit queue `queue`. Context: bottom halves off; must not sleep.
    fn transmit_ready(&self, queue: u16);
}

/// What a device is made of.
pub struct Config<'a> {
    /// The name, in which `%d` stands for the first free number.
    pub name: &'static CStr,
    /// The number of queue pairs, at least one.
    pub queues: u16,
    /// The MTU in bytes, which is also the largest that may be set later.
    pub mtu: u16,
    /// What [`Operations::offloads`] may return.
    pub offloads: Offloads,
    /// The device that it belongs to.
    pub parent: Option<&'a device::Device>,
}

/// The name of an interface, as users see it; empty by default.
#[derive(Default)]
pub struct InterfaceName([u8; bindings::IFNAMSIZ as usize]);

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = CStr::from_bytes_until_nul(&self.0).map_err(|_| fmt::Error)?;
        f.write_str(name.to_str().map_err(|_| fmt::Error)?)
    }
}

/// A registered network device with a random MAC address; dropping it unregisters it.
///
/// It begins without carrier. Context: process, unless stated.
pub struct NetDevice<T: Operations> {
    device: Allocated<T>,
}

impl<T: Operations> NetDevice<T> {
    /// Makes a device and registers it; `operations` is called from then on.
    ///
    /// # Errors
    ///
    /// - `EINVAL`: there is no queue.
    /// - `ENOMEM`: no memory.
    /// - `ENFILE`, `EEXIST`: no such name is free.
    pub fn register(config: Config<'_>, operations: T) -> Result<Self> {
        let device = Allocated::new(&config, operations)?;
        // SAFETY: The device is set up and not registered.
        unsafe {
            bindings::netif_carrier_off(device.as_ptr());
            to_result(bindings::register_netdev(device.as_ptr()))?;
        }
        Ok(Self { device })
    }

    /// Returns the name of the interface at this moment.
    pub fn name(&self) -> InterfaceName {
        let mut name = [0; bindings::IFNAMSIZ as usize];
        // SAFETY: The device is registered; `name` is valid for writes of its length.
        unsafe {
            bindings::netdev_helper_copy_name(
                self.device.as_ptr(),
                name.as_mut_ptr().cast(),
                name.len(),
            );
        }
        InterfaceName(name)
    }

    /// Returns whether the device is up.
    pub fn is_running(&self) -> bool {
        // SAFETY: The device is registered.
        unsafe { bindings::netdev_helper_is_running(self.device.as_ptr()) }
    }

    /// Says whether there is a link.
    pub fn set_carrier(&self, up: bool) {
        let dev = self.device.as_ptr();
        let change = if up {
            bindings::netif_carrier_on
        } else {
            bindings::netif_carrier_off
        };
        // SAFETY: The device is registered.
        unsafe { change(dev) }
    }

    /// Has the kernel transmit packets for what [`Operations::offloads`] returns from now on, and users see
    /// it. Packets that wait in the transmit queues remain as they are.
    ///
    /// Context: process; takes the RTNL lock.
    pub fn update_offloads(&self) {
        // SAFETY: The device is registered.
        unsafe { bindings::netdev_helper_update_features(self.device.as_ptr()) }
    }

    /// Spreads packets over the first `count` transmit queues from now on, by a hash of their flow; over
    /// all of them at first. There is no packet of the kernel's in the others when they are emptied after
    /// this: what it still has for them is dropped and counted.
    ///
    /// Context: process or bottom half; with no lock held that [`Operations::transmit_ready`] takes.
    pub fn use_transmit_queues(&self, count: u16) {
        self.device.private().use_queues(count);
        // SAFETY: The device is registered.
        unsafe { bindings::netdev_helper_synchronize_transmit(self.device.as_ptr()) };
    }

    /// Takes the first packet that waits in transmit queue `queue`.
    ///
    /// The user says later what became of it: [`transmitted`](Self::transmitted) or
    /// [`transmit_dropped`](Self::transmit_dropped); and of some together that it is done with them:
    /// [`complete_transmit`](Self::complete_transmit).
    pub fn next_transmit(&self, queue: u16) -> Option<SkBuff> {
        self.device.queue(queue)?.next_transmit()
    }

    /// Says that the user is done with all packets that it took from transmit queue `queue`, so that more may come:
    /// the kernel lets as many bytes wait as are taken from one such call to the next.
    pub fn complete_transmit(&self, queue: u16) {
        if let Some(queue) = self.device.queue(queue) {
            queue.complete_transmit();
        }
    }

    /// Counts a packet of `len` bytes as transmitted.
    pub fn transmitted(&self, len: usize) {
        // CAST: No packet is as long as 4 GiB.
        //
        // SAFETY: The device is registered.
        unsafe { bindings::netdev_helper_count_transmitted(self.device.as_ptr(), len as u32) }
    }

    /// Counts a packet as dropped on transmission.
    pub fn transmit_dropped(&self) {
        // SAFETY: The device is registered.
        unsafe { bindings::netdev_helper_count_transmit_drop(self.device.as_ptr()) }
    }

    /// Counts a packet as dropped on reception, before there was an [`SkBuff`].
    pub fn receive_dropped(&self) {
        // SAFETY: The device is registered.
        unsafe { bindings::netdev_helper_count_receive_drop(self.device.as_ptr()) }
    }

    /// Makes a packet of `len` bytes, which `fill` writes piece by piece: it is given the offset of each
    /// piece, in their order, and its bytes, which are zeroes. One that fits a page with what belongs to
    /// it, and the first 256 bytes of any, are one piece.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory, or more than packets can have; and those of `fill`.
    pub fn alloc(
        &self,
        len: usize,
        mut fill: impl FnMut(usize, &mut [u8]) -> Result,
    ) -> Result<SkBuff> {
        // SAFETY: The device is registered.
        let ptr =
            unsafe { bindings::netdev_helper_skb_alloc(self.device.as_ptr(), u32::try_from(len)?) };
        let ptr = NonNull::new(ptr).ok_or(ENOMEM)?;
        // SAFETY: The packet was allocated for the caller.
        let mut packet = unsafe { SkBuff::from_raw(ptr) };
        let mut offset = 0;
        // Each round is one of at most `MAX_SKB_FRAGS + 1` pieces.
        while offset < len {
            // SAFETY: The packet was just allocated, and nobody else knows its pages.
            let piece = unsafe { packet.piece(offset) }.ok_or(EMSGSIZE)?;
            fill(offset, piece)?;
            offset += piece.len();
        }
        Ok(packet)
    }

    /// Has a packet for the kernel, which begins with its Ethernet header, be what its header says, by whomever
    /// that is: each field is checked against the packet.
    ///
    /// # Errors
    ///
    /// `EINVAL`: they do not go together, or there is no Ethernet header; the packet is to be dropped.
    pub fn accept(&self, packet: &mut SkBuff, header: &[u8; HEADER_LEN]) -> Result {
        // SAFETY: The device is registered, the packet one that nobody else has, and `header` valid for reads
        // of its length.
        to_result(unsafe {
            bindings::netdev_helper_skb_accept(
                packet.as_ptr(),
                self.device.as_ptr(),
                header.as_ptr(),
            )
        })
    }

    /// Puts a packet into receive queue `queue`; [`deliver`](Self::deliver) has it delivered.
    ///
    /// It is dropped, and counted as such, when the device is down, when there is no Ethernet
    /// header, or when the queue is full.
    pub fn receive(&self, queue: u16, packet: SkBuff) {
        const HEADER: usize = bindings::ETH_HLEN as usize;

        let accepted = match self.device.queue(queue) {
            Some(queue) if self.is_running() && packet.len() >= HEADER => {
                queue.put_receive(packet).is_ok()
            }
            _ => false,
        };
        if !accepted {
            self.receive_dropped();
        }
    }

    /// Delivers to the kernel what is in receive queue `queue`.
    pub fn deliver(&self, queue: u16) {
        if let Some(queue) = self.device.queue(queue) {
            queue.schedule();
        }
    }
}

impl<T: Operations> Drop for NetDevice<T> {
    /// Takes the device down and waits until the kernel has forgotten it.
    fn drop(&mut self) {
        // SAFETY: The device is registered. No operation is called any more afterwards.
        unsafe { bindings::unregister_netdev(self.device.as_ptr()) }
    }
}
