// SPDX-License-Identifier: GPL-2.0

//! The instances in configfs: `/sys/kernel/config/vhost_blk/<instance>/`.
//!
//! Documentation/ABI/testing/configfs-vhost-blk describes the attributes.

use crate::{
    config::MAX_QUEUES,
    disk::open_store,
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
    str::{
        kstrtobool_bytes,
        CString, //
    },
    sync::Arc, //
};
use storage::Access;
use vhost_backend::{
    text,
    Entry,
    Registry, //
};
use virtio::blk::ID_LEN;

/// The directory of the module in configfs.
pub(crate) type Subsystem = configfs::Subsystem<Directory>;

/// What an instance is made of.
pub(crate) struct Settings {
    pub(crate) backing_file: Option<CString>,
    pub(crate) read_only: bool,
    /// The identifier; the name of the instance stands in.
    pub(crate) serial: Option<CString>,
    pub(crate) num_queues: u16,
}

impl Settings {
    const NEW: Self = Self {
        backing_file: None,
        read_only: false,
        serial: None,
        num_queues: 1,
    };

    pub(crate) fn access(&self) -> Access {
        match self.read_only {
            true => Access::ReadOnly,
            false => Access::ReadWrite,
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
        c"vhost_blk",
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
                backing_file: 0,
                read_only: 1,
                serial: 2,
                num_queues: 3,
            ],
        };
        let entry = self.instances.add(name, Settings::NEW)?;
        Ok(configfs::Group::new(
            name.try_into()?,
            item_type,
            Ok(Item { entry }),
        ))
    }
}

/// `backing_file`: the path of a file or a block device. It is opened once to see that it works.
#[vtable]
impl AttributeOperations<0> for Item {
    type Data = Self;

    fn show(this: &Self, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        this.entry
            .instance()
            .with(|settings| text::show(page, text::or_empty(settings.backing_file.as_ref())))
    }

    fn store(this: &Self, page: &[u8]) -> Result {
        let path = text::string(page)?;
        this.entry.instance().change(|settings| {
            if let Some(path) = &path {
                check_backing_file(path, settings.access())?;
            }
            settings.backing_file = path;
            Ok(())
        })
    }
}

/// `read_only`: whether the driver side may only read.
#[vtable]
impl AttributeOperations<1> for Item {
    type Data = Self;

    fn show(this: &Self, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        let read_only = this.entry.instance().with(|settings| settings.read_only);
        text::show(page, u8::from(read_only))
    }

    fn store(this: &Self, page: &[u8]) -> Result {
        let read_only = kstrtobool_bytes(page)?;
        this.entry.instance().change(|settings| {
            settings.read_only = read_only;
            Ok(())
        })
    }
}

/// `serial`: the identifier that the driver side reads, of at most 20 bytes.
#[vtable]
impl AttributeOperations<2> for Item {
    type Data = Self;

    fn show(this: &Self, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        this.entry
            .instance()
            .with(|settings| text::show(page, text::or_empty(settings.serial.as_ref())))
    }

    fn store(this: &Self, page: &[u8]) -> Result {
        let serial = text::string(page)?;
        if serial
            .as_ref()
            .is_some_and(|serial| serial.to_bytes().len() > ID_LEN)
        {
            return Err(EINVAL);
        }
        this.entry.instance().change(|settings| {
            settings.serial = serial;
            Ok(())
        })
    }
}

/// `num_queues`: how many queues are offered.
#[vtable]
impl AttributeOperations<3> for Item {
    type Data = Self;

    fn show(this: &Self, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        let num_queues = this.entry.instance().with(|settings| settings.num_queues);
        text::show(page, num_queues)
    }

    fn store(this: &Self, page: &[u8]) -> Result {
        let num_queues = text::parse(page)?;
        if !(1..=MAX_QUEUES).contains(&num_queues) {
            return Err(EINVAL);
        }
        this.entry.instance().change(|settings| {
            settings.num_queues = num_queues;
            Ok(())
        })
    }
}

fn check_backing_file(path: &CString, access: Access) -> Result {
    match open_store(path, access) {
        Ok(_) => Ok(()),
        Err(error) => {
            pr_err!("Instance is not changed: {error}\n");
            Err(error.errno())
        }
    }
}
