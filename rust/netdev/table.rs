// SPDX-License-Identifier: GPL-2.0

//! The operations of a network device as the network core calls them.

use crate::{
    allocated::{
        private_area,
        Private, //
    },
    bindings,
    device::Operations,
    offloads::Offloads,
    packet::SkBuff, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// The table of operations that the kernel calls, for one type of user.
pub(crate) struct Table<T>(PhantomData<T>);

impl<T: Operations> Table<T> {
    const OPERATIONS: bindings::net_device_ops = bindings::net_device_ops {
        ndo_open: Some(Self::open),
        ndo_stop: Some(Self::stop),
        ndo_start_xmit: Some(Self::start_xmit),
        ndo_select_queue: Some(Self::select_queue),
        ndo_fix_features: Some(Self::fix_features),
        ndo_set_mac_address: Some(bindings::eth_mac_addr),
        ndo_validate_addr: Some(bindings::eth_validate_addr),
        ..pin_init::zeroed()
    };

    pub(crate) const fn operations() -> &'static bindings::net_device_ops {
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

    /// Leaves the offloads that the user does not do.
    ///
    /// # Safety
    ///
    /// Called by the network core under RTNL with a device of this type.
    unsafe extern "C" fn fix_features(
        dev: *mut bindings::net_device,
        features: bindings::netdev_features_t,
    ) -> bindings::netdev_features_t {
        // SAFETY: The device is registered or being so, hence its `Allocated` lives.
        let private = unsafe { Self::private(dev) };
        features & (private.operations.offloads().features() | !Offloads::ALL.features())
    }

    /// Spreads flows over the queues that are used. Not called for a device of one queue.
    ///
    /// # Safety
    ///
    /// Called by the network core, bottom halves off, with a registered device of this type and a packet
    /// that nobody else has.
    unsafe extern "C" fn select_queue(
        dev: *mut bindings::net_device,
        skb: *mut bindings::sk_buff,
        _subordinate: *mut bindings::net_device,
    ) -> u16 {
        // SAFETY: The device is registered, hence its `Allocated` lives.
        let private = unsafe { Self::private(dev) };
        // SAFETY: The packet is one that nobody else has.
        unsafe { bindings::netdev_helper_skb_pick_queue(skb, private.used_queues()) }
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
    ///
    /// A queue that is not used any more has no packet from here, and lets go of those that the kernel
    /// had for it.
    fn transmit(&self, mut packet: SkBuff) -> bool {
        let index = packet.queue();
        let Some(queue) = self.queue(index).filter(|_| index < self.used_queues()) else {
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
