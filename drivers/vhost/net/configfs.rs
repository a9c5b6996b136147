// SPDX-License-Identifier: GPL-2.0

//! The instances in configfs: `/sys/kernel/config/vhost_net/<instance>/`.
//!
//! Documentation/ABI/testing/configfs-vhost-net describes the attributes.

use crate::{
    config::{
        Offer,
        DEFAULT_MTU,
        MIN_MTU, //
    },
    link::Interface,
    THIS_MODULE, //
};
use kernel::{
    configfs::{
        self,
        AttributeOperations, //
    },
    configfs_attrs,
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc, //
};
use netdev::MacAddress;
use vhost_backend::{
    text,
    Entry,
    Registry, //
};

/// The directory of the module in configfs.
pub(crate) type Subsystem = configfs::Subsystem<Directory>;

/// What an instance is made of.
pub(crate) struct Settings {
    /// The address of the driver side.
    pub(crate) mac: MacAddress,
    pub(crate) mtu: u16,
    /// The interface, while a device uses the instance.
    pub(crate) interface: Option<Arc<Interface>>,
}

impl Settings {
    fn new() -> Self {
        Self {
            mac: MacAddress::random(),
            mtu: DEFAULT_MTU,
            interface: None,
        }
    }

    pub(crate) fn offer(&self) -> Offer {
        Offer {
            mac: self.mac,
            mtu: self.mtu,
        }
    }
}

/// The directory in which instances are made.
pub(crate) struct Directory {
    instances: Arc<Registry<Settings>>,
}

/// The directory of an instance.
pub(crate) struct Item {
    entry: Entry<Settings>,
}

/// Returns an initialiser of the directory, in which `mkdir` adds to `instances`.
pub(crate) fn subsystem(instances: Arc<Registry<Settings>>) -> impl PinInit<Subsystem, Error> {
    let item_type = configfs_attrs! {
        container: configfs::Subsystem<Directory>,
        data: Directory,
        child: Item,
        attributes: [],
    };
    Subsystem::new(
        c"vhost_net",
        item_type,
        Ok::<_, Error>(Directory { instances }),
    )
}

#[vtable]
impl configfs::GroupOperations for Directory {
    type Child = Item;

    fn make_group(&self, name: &CStr) -> Result<impl PinInit<configfs::Group<Item>, Error>> {
        let item_type = configfs_attrs! {
            container: configfs::Group<Item>,
            data: Item,
            attributes: [
                mac: 0,
                mtu: 1,
                ifname: 2,
            ],
        };
        let entry = self.instances.add(name, Settings::new())?;
        Ok(configfs::Group::new(
            name.try_into()?,
            item_type,
            Ok(Item { entry }),
        ))
    }
}

/// `mac`: the address of the driver side; a random one at first.
#[vtable]
impl AttributeOperations<0> for Item {
    type Data = Self;

    fn show(this: &Self, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        let mac = this.entry.instance().with(|settings| settings.mac);
        text::show(page, mac)
    }

    fn store(this: &Self, page: &[u8]) -> Result {
        let mac = text::trimmed(page)?.parse()?;
        this.entry.instance().change(|settings| {
            settings.mac = mac;
            Ok(())
        })
    }
}

/// `mtu`: the MTU of both sides in bytes.
#[vtable]
impl AttributeOperations<1> for Item {
    type Data = Self;

    fn show(this: &Self, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        let mtu = this.entry.instance().with(|settings| settings.mtu);
        text::show(page, mtu)
    }

    fn store(this: &Self, page: &[u8]) -> Result {
        let mtu = text::parse(page)?;
        if mtu < MIN_MTU {
            return Err(EINVAL);
        }
        this.entry.instance().change(|settings| {
            settings.mtu = mtu;
            Ok(())
        })
    }
}

/// `ifname`: the interface of this kernel; empty while no device uses the instance.
#[vtable]
impl AttributeOperations<2> for Item {
    type Data = Self;

    fn show(this: &Self, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        let name = this.entry.instance().with(|settings| {
            let interface = settings.interface.as_ref();
            interface.map(|interface| interface.name())
        });
        match name {
            Some(name) => text::show(page, name),
            None => text::show(page, ""),
        }
    }
}
