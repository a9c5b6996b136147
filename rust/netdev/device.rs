// SPDX-License-Identifier: GPL-2.0

//! A registered Ethernet device.
//!
//! # Locks
//!
//! [`Operations::opened`] and [`Operations::stopped`] run under the RTNL lock, and registering and
//! unregistering take it: neither may happen with a lock held that these callbacks take.

use crate::{
    bindings,
    packet::SkBuff,
    queue::Queue, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
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
    /// The device that it belongs to.
    pub parent: Option<&'a device::Device>,
}

/// The name of an interface, as users see it.
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

    /// Takes the first packet that waits in transmit queue `queue`.
    ///
    /// The user says later what became of it: [`transmitted`](Self::transmitted) or
    /// [`transmit_dropped`](Self::transmit_dropped).
    pub fn next_transmit(&self, queue: u16) -> Option<SkBuff> {
        self.device.queue(queue)?.next_transmit()
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

    /// Allocates an empty packet with room for `room` bytes.
    ///
    /// # Errors
    ///
    /// `ENOMEM`: no memory.
    pub fn alloc(&self, room: usize) -> Result<SkBuff> {
        let room = u32::try_from(room)?;
        // SAFETY: The device is registered.
        let ptr = unsafe { bindings::netdev_helper_skb_alloc(self.device.as_ptr(), room) };
        let ptr = NonNull::new(ptr).ok_or(ENOMEM)?;
        // SAFETY: The packet was allocated for the caller.
        Ok(unsafe { SkBuff::from_raw(ptr) })
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

/// What is in the private area of a device.
struct Private<T> {
    operations: T,
    queues: KVec<Pin<KBox<Queue>>>,
}

/// A device that is set up and not registered.
///
/// # Invariants
///
/// `ptr` is a network device that this object owns, and its private area is a `Private<T>`.
struct Allocated<T: Operations> {
    ptr: NonNull<bindings::net_device>,
    _owns: PhantomData<Private<T>>,
}

// SAFETY: A network device may be used and freed by any thread; `T` is `Send`.
unsafe impl<T: Operations> Send for Allocated<T> {}

// SAFETY: What a shared reference allows has its own synchronisation; `T` is `Sync`.
unsafe impl<T: Operations> Sync for Allocated<T> {}

impl<T: Operations> Allocated<T> {
    fn new(config: &Config<'_>, operations: T) -> Result<Self> {
        const {
            // The kernel aligns the private area to NETDEV_ALIGN.
            assert!(core::mem::align_of::<Private<T>>() <= 32);
        }
        if config.queues == 0 {
            return Err(EINVAL);
        }
        let raw = RawDevice::new(size_of::<Private<T>>(), config.name, config.queues)?;
        let private = Private {
            operations,
            queues: raw.make_queues(config.queues)?,
        };
        raw.prepare(Table::<T>::operations(), config);
        let ptr = raw.into_inner();
        // INVARIANT: The private area is written here.
        //
        // SAFETY: The private area has the size and alignment of `Private<T>`, and nobody uses it.
        unsafe { private_area(ptr.as_ptr()).write(private) };
        Ok(Self {
            ptr,
            _owns: PhantomData,
        })
    }

    fn as_ptr(&self) -> *mut bindings::net_device {
        self.ptr.as_ptr()
    }

    fn queue(&self, index: u16) -> Option<&Queue> {
        // SAFETY: By the type invariant, the private area is a `Private<T>`; only `drop` ends it.
        let private = unsafe { &*private_area::<T>(self.as_ptr()) };
        private.queue(index)
    }
}

impl<T: Operations> Drop for Allocated<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, this object owns the device and its private area; it is
        // not registered, so nobody else uses either. The queues go before the device.
        unsafe {
            private_area::<T>(self.as_ptr()).drop_in_place();
            bindings::free_netdev(self.as_ptr());
        }
    }
}

impl<T> Private<T> {
    fn queue(&self, index: u16) -> Option<&Queue> {
        self.queues
            .get(usize::from(index))
            .map(|queue| queue.as_ref().get_ref())
    }
}

/// Returns where the private area of a device is.
///
/// # Safety
///
/// `dev` is a network device, allocated with room for a `Private<T>`.
unsafe fn private_area<T>(dev: *mut bindings::net_device) -> *mut Private<T> {
    // SAFETY: Required of the caller.
    unsafe { bindings::netdev_helper_private(dev).cast() }
}

/// A device whose private area is not initialised yet.
///
/// # Invariants
///
/// `ptr` is a network device that this object owns.
struct RawDevice {
    ptr: NonNull<bindings::net_device>,
}

impl RawDevice {
    fn new(private_size: usize, name: &'static CStr, queues: u16) -> Result<Self> {
        // CAST: The constant fits its parameter.
        //
        // SAFETY: `name` is a C string; `ether_setup` is a set-up function for network devices.
        let ptr = unsafe {
            bindings::alloc_netdev_mqs(
                i32::try_from(private_size)?,
                name.as_char_ptr(),
                bindings::NET_NAME_ENUM as u8,
                Some(bindings::ether_setup),
                u32::from(queues),
                u32::from(queues),
            )
        };
        // INVARIANT: The device was allocated for the caller.
        Ok(Self {
            ptr: NonNull::new(ptr).ok_or(ENOMEM)?,
        })
    }

    fn make_queues(&self, count: u16) -> Result<KVec<Pin<KBox<Queue>>>> {
        let mut queues = KVec::with_capacity(usize::from(count), GFP_KERNEL)?;
        for index in 0..count {
            // SAFETY: The device has `count` queues, and frees them before itself.
            let queue = unsafe { Queue::new(self.ptr, index) };
            queues.push(KBox::pin_init(queue, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(queues)
    }

    fn prepare(&self, operations: &'static bindings::net_device_ops, config: &Config<'_>) {
        // SAFETY: By the type invariant, the device is one that nobody else uses; the operations
        // live for ever. `device::Device` is a transparent wrapper of `struct device`.
        unsafe {
            bindings::netdev_helper_prepare(self.ptr.as_ptr(), operations, u32::from(config.mtu));
            if let Some(parent) = config.parent {
                bindings::netdev_helper_set_parent(
                    self.ptr.as_ptr(),
                    core::ptr::from_ref(parent).cast_mut().cast(),
                );
            }
        }
    }

    fn into_inner(self) -> NonNull<bindings::net_device> {
        let ptr = self.ptr;
        core::mem::forget(self);
        ptr
    }
}

impl Drop for RawDevice {
    fn drop(&mut self) {
        // SAFETY: By the type invariant, this object owns the device.
        unsafe { bindings::free_netdev(self.ptr.as_ptr()) }
    }
}

/// The table of operations that the kernel calls, for one type of user.
struct Table<T>(PhantomData<T>);

impl<T: Operations> Table<T> {
    const OPERATIONS: bindings::net_device_ops = bindings::net_device_ops {
        ndo_open: Some(Self::open),
        ndo_stop: Some(Self::stop),
        ndo_start_xmit: Some(Self::start_xmit),
        ndo_set_mac_address: Some(bindings::eth_mac_addr),
        ndo_validate_addr: Some(bindings::eth_validate_addr),
        ..pin_init::zeroed()
    };

    const fn operations() -> &'static bindings::net_device_ops {
        &Self::OPERATIONS
    }

    /// # Safety
    ///
    /// `dev` is the device of an `Allocated<T>`, which lives for `'a`.
    unsafe fn private<'a>(dev: *mut bindings::net_device) -> &'a Private<T> {
        // SAFETY: The private area of an `Allocated<T>` is initialised.
        unsafe { &*private_area(dev) }
    }

    /// # Safety
    ///
    /// Called by the network core under RTNL with a registered device of this type.
    unsafe extern "C" fn open(dev: *mut bindings::net_device) -> i32 {
        // SAFETY: The device is registered, hence its `Allocated` lives.
        let private = unsafe { Self::private(dev) };
        for queue in &private.queues {
            queue.enable();
        }
        // SAFETY: The device is being opened.
        unsafe { bindings::netdev_helper_start_queues(dev) };
        private.operations.opened();
        0
    }

    /// # Safety
    ///
    /// Called by the network core under RTNL with a registered device of this type, after it has
    /// ended all transmissions.
    unsafe extern "C" fn stop(dev: *mut bindings::net_device) -> i32 {
        // SAFETY: The device is registered, hence its `Allocated` lives.
        let private = unsafe { Self::private(dev) };
        for queue in &private.queues {
            queue.disable();
        }
        private.operations.stopped();
        0
    }

    /// # Safety
    ///
    /// Called by the network core under the transmit lock, bottom halves off, with a registered
    /// device of this type; the ownership of the packet passes to the function.
    unsafe extern "C" fn start_xmit(
        skb: *mut bindings::sk_buff,
        dev: *mut bindings::net_device,
    ) -> bindings::netdev_tx_t {
        // SAFETY: The device is registered, hence its `Allocated` lives.
        let private = unsafe { Self::private(dev) };
        if let Some(skb) = NonNull::new(skb) {
            // SAFETY: The ownership of the packet passes to this function.
            let packet = unsafe { SkBuff::from_raw(skb) };
            if !private.transmit(packet) {
                // SAFETY: The device is registered.
                unsafe { bindings::netdev_helper_count_transmit_drop(dev) };
            }
        }
        bindings::netdev_tx_NETDEV_TX_OK
    }
}

impl<T: Operations> Private<T> {
    /// Queues a packet and tells the user; returns whether that was possible.
    fn transmit(&self, mut packet: SkBuff) -> bool {
        let index = packet.queue();
        let Some(queue) = self.queue(index) else {
            return false;
        };
        if !packet.detach() {
            return false;
        }
        queue.put_transmit(packet);
        self.operations.transmit_ready(index);
        true
    }
}
