// SPDX-License-Identifier: GPL-2.0

//! The instances in configfs: `/sys/kernel/config/vhost_net/<instance>/`.
//!
//! Documentation/ABI/testing/configfs-vhost-net describes the attributes.

use crate::{
    config::Offer,
    link::Interface,
    THIS_MODULE, //
};
use kernel::{
    fmt::Display,
    prelude::*,
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
    /// The address of the driver side.
    pub(crate) mac: MacAddress,
    pub(crate) mtu: u16,
    /// The interface, while a device uses the instance.
    pub(crate) interface: Option<Arc<Interface>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mac: MacAddress::random(),
            mtu: DEFAULT_MTU,
            interface: None,
        }
    }
}

impl Settings {
    pub(crate) fn offer(&self) -> Offer {
        Offer {
            mac: self.mac,
            mtu: self.mtu,
        }
    }
}

vhost_backend::configfs_directory! {
    name: c"vhost_net",
    settings: Settings,
    attributes: [
        mac: 0,
        mtu: 1,
        ifname: 2,
    ],
}

/// `mac`: the address of the driver side; a random one at first.
#[vtable]
impl Attribute<0> for Settings {
    fn show(&self) -> impl Display {
        self.mac
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
        let interface = self.interface.as_ref();
        interface
            .map(|interface| interface.name())
            .unwrap_or_default()
    }
}
