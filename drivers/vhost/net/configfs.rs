// SPDX-License-Identifier: GPL-2.0

//! The instances in configfs: `/sys/kernel/config/vhost_net/<instance>/`.
//!
//! Documentation/ABI/testing/configfs-vhost-net describes the attributes.

use crate::{
    config::{
        Offer,
        MAX_QUEUE_PAIRS, //
    },
    filter::{
        Address,
        Filter, //
    },
    link::Interface,
    THIS_MODULE, //
};
use kernel::{
    fmt::Display,
    prelude::*,
    str::kstrtobool_bytes,
    sync::Arc, //
};
use netdev::MacAddress;
use vhost_backend::{
    text,
    Attribute, //
};
use virtio::net::{
    DEFAULT_MTU,
    MIN_MTU, //
};

/// What an instance is made of.
pub(crate) struct Settings {
    /// The address of the driver side, until that chooses another one.
    pub(crate) mac: MacAddress,
    pub(crate) mtu: u16,
    pub(crate) queue_pairs: u16,
    pub(crate) offloads: bool,
    /// What to look at while a device uses the instance.
    pub(crate) in_use: Option<InUse>,
}

/// The parts of a device that are shown.
pub(crate) struct InUse {
    pub(crate) interface: Arc<Interface>,
    pub(crate) filter: Arc<Filter>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mac: MacAddress::random(),
            mtu: DEFAULT_MTU,
            queue_pairs: 1,
            offloads: true,
            in_use: None,
        }
    }
}

impl Settings {
    pub(crate) fn offer(&self) -> Offer {
        Offer {
            mac: self.mac,
            mtu: self.mtu,
            queue_pairs: self.queue_pairs,
            offloads: self.offloads,
        }
    }

    /// The address that the driver side has now.
    fn driver_address(&self) -> MacAddress {
        let chosen = self.in_use.as_ref().map(|in_use| in_use.filter.address());
        chosen
            .and_then(|address: Address| MacAddress::from_bytes(address).ok())
            .unwrap_or(self.mac)
    }
}

vhost_backend::configfs_directory! {
    name: c"vhost_net",
    settings: Settings,
    attributes: [
        mac: 0,
        mtu: 1,
        ifname: 2,
        queue_pairs: 3,
        offloads: 4,
    ],
}

/// `mac`: the address of the driver side; a random one at first. While a device uses the instance, it
/// is the one that the driver side chose, if it did.
#[vtable]
impl Attribute<0> for Settings {
    fn show(&self) -> impl Display {
        self.driver_address()
    }

    fn store(&mut self, text: &str) -> Result {
        self.mac = text.parse()?;
        Ok(())
    }
}

/// `mtu`: the MTU of both sides in bytes.
#[vtable]
impl Attribute<1> for Settings {
    fn show(&self) -> impl Display {
        self.mtu
    }

    fn store(&mut self, text: &str) -> Result {
        let mtu = text::parse(text)?;
        if mtu < MIN_MTU {
            return Err(EINVAL);
        }
        self.mtu = mtu;
        Ok(())
    }
}

/// `ifname`: the interface of this kernel; empty while no device uses the instance.
#[vtable]
impl Attribute<2> for Settings {
    fn show(&self) -> impl Display {
        let in_use = self.in_use.as_ref();
        in_use
            .map(|in_use| in_use.interface.name())
            .unwrap_or_default()
    }
}

/// `queue_pairs`: how many pairs of queues are offered.
#[vtable]
impl Attribute<3> for Settings {
    fn show(&self) -> impl Display {
        self.queue_pairs
    }

    fn store(&mut self, text: &str) -> Result {
        let queue_pairs = text::parse(text)?;
        if !(1..=MAX_QUEUE_PAIRS).contains(&queue_pairs) {
            return Err(EINVAL);
        }
        self.queue_pairs = queue_pairs;
        Ok(())
    }
}

/// `offloads`: whether checksums and segments are offered.
#[vtable]
impl Attribute<4> for Settings {
    fn show(&self) -> impl Display {
        u8::from(self.offloads)
    }

    fn store(&mut self, text: &str) -> Result {
        self.offloads = kstrtobool_bytes(text.as_bytes())?;
        Ok(())
    }
}
