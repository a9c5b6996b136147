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
    fmt::Display,
    prelude::*,
    str::{
        kstrtobool_bytes,
        CString, //
    },
};
use storage::{
    Access,
    Caching, //
};
use vhost_backend::{
    text,
    Attribute, //
};
use virtio::blk::ID_LEN;

/// What an instance is made of.
pub(crate) struct Settings {
    pub(crate) backing_file: Option<CString>,
    pub(crate) read_only: bool,
    /// The identifier; the name of the instance stands in.
    pub(crate) serial: Option<CString>,
    pub(crate) num_queues: u16,
    /// Data goes past the page cache where it can.
    pub(crate) direct_io: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            backing_file: None,
            read_only: false,
            serial: None,
            num_queues: 1,
            direct_io: true,
        }
    }
}

impl Settings {
    pub(crate) fn access(&self) -> Access {
        match self.read_only {
            true => Access::ReadOnly,
            false => Access::ReadWrite,
        }
    }

    pub(crate) fn caching(&self) -> Caching {
        match self.direct_io {
            true => Caching::Direct,
            false => Caching::Cached,
        }
    }
}

vhost_backend::configfs_directory! {
    name: c"vhost_blk",
    settings: Settings,
    attributes: [
        backing_file: 0,
        read_only: 1,
        serial: 2,
        num_queues: 3,
        direct_io: 4,
    ],
}

/// `backing_file`: the path of a file or a block device. It is opened once to see that it works.
#[vtable]
impl Attribute<0> for Settings {
    fn show(&self) -> impl Display {
        text::or_empty(self.backing_file.as_ref())
    }

    fn store(&mut self, text: &str) -> Result {
        let path = text::string(text)?;
        if let Some(path) = &path {
            check_backing_file(path, self.access(), self.caching())?;
        }
        self.backing_file = path;
        Ok(())
    }
}

/// `read_only`: whether the driver side may only read.
#[vtable]
impl Attribute<1> for Settings {
    fn show(&self) -> impl Display {
        u8::from(self.read_only)
    }

    fn store(&mut self, text: &str) -> Result {
        self.read_only = kstrtobool_bytes(text.as_bytes())?;
        Ok(())
    }
}

/// `serial`: the identifier that the driver side reads, of at most 20 bytes.
#[vtable]
impl Attribute<2> for Settings {
    fn show(&self) -> impl Display {
        text::or_empty(self.serial.as_ref())
    }

    fn store(&mut self, text: &str) -> Result {
        if text.len() > ID_LEN {
            return Err(EINVAL);
        }
        self.serial = text::string(text)?;
        Ok(())
    }
}

/// `num_queues`: how many queues are offered.
#[vtable]
impl Attribute<3> for Settings {
    fn show(&self) -> impl Display {
        self.num_queues
    }

    fn store(&mut self, text: &str) -> Result {
        let num_queues = text::parse(text)?;
        if !(1..=MAX_QUEUES).contains(&num_queues) {
            return Err(EINVAL);
        }
        self.num_queues = num_queues;
        Ok(())
    }
}

/// `direct_io`: whether data goes past the page cache where it can.
#[vtable]
impl Attribute<4> for Settings {
    fn show(&self) -> impl Display {
        u8::from(self.direct_io)
    }

    fn store(&mut self, text: &str) -> Result {
        self.direct_io = kstrtobool_bytes(text.as_bytes())?;
        Ok(())
    }
}

fn check_backing_file(path: &CString, access: Access, caching: Caching) -> Result {
    match open_store(path, access, caching) {
        Ok(_) => Ok(()),
        Err(error) => {
            pr_err!("Instance is not changed: {error}\n");
            Err(error.errno())
        }
    }
}
