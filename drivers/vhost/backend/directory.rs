// SPDX-License-Identifier: GPL-2.0

//! The directory of a backend in configfs, `/sys/kernel/config/<backend>/<instance>/`.
//!
//! `mkdir` makes an instance, `rmdir` takes it away, and its attributes show and change its settings.
//! The backend says what the settings are: [`configfs_directory!`](crate::configfs_directory) names
//! their attributes, and an [`Attribute`] makes text of each.
//!
//! Context: process. Settings are shown and changed with the lock of their instance held.

use crate::{
    registry::{
        Entry,
        Registry, //
    },
    text, //
};
use kernel::{
    configfs,
    error::VTABLE_DEFAULT_ERROR,
    fmt::Display,
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc, //
};

/// What configfs calls for the directory of a backend.
pub type DirectoryType<S> = configfs::ItemType<configfs::Subsystem<Directory<S>>, Directory<S>>;

/// What configfs calls for the directory of an instance.
pub type ItemType<S> = configfs::ItemType<configfs::Group<Item<S>>, Item<S>>;

/// What an instance of a backend is made of; see [`configfs_directory!`](crate::configfs_directory).
pub trait Settings: Default + Unpin + Send + 'static {
    /// The name of the directory.
    const DIRECTORY: &'static CStr;

    /// Returns what configfs calls for the directory.
    fn directory_type() -> &'static DirectoryType<Self>;

    /// Returns what configfs calls for an instance.
    fn item_type() -> &'static ItemType<Self>;
}

/// The attribute number `ID` of an instance; without `store` it is read-only.
#[vtable]
pub trait Attribute<const ID: u64>: Settings {
    /// Returns what is read, without the newline at its end.
    fn show(&self) -> impl Display;

    /// Takes what a user wrote, without white space around it. No device uses the instance.
    ///
    /// # Errors
    ///
    /// Any error is what `write()` answers; the settings are as they were.
    fn store(&mut self, text: &str) -> Result {
        let _ = text;
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// Implements [`Settings`] in the module of a backend, which owns what configfs calls.
///
/// ```ignore
/// vhost_backend::configfs_directory! {
///     name: c"vhost_blk",
///     settings: Settings,
///     attributes: [backing_file: 0, read_only: 1],
/// }
/// ```
///
/// A new instance has the default settings. The numbers are those of [`Attribute`]. The caller has the
/// `THIS_MODULE` of its module in scope.
#[macro_export]
macro_rules! configfs_directory {
    (
        name: $name:literal,
        settings: $settings:ty,
        attributes: $attributes:tt $(,)?
    ) => {
        impl $crate::Settings for $settings {
            const DIRECTORY: &'static ::kernel::str::CStr = $name;

            fn directory_type() -> &'static $crate::DirectoryType<Self> {
                type Directory = $crate::Directory<$settings>;
                type Item = $crate::Item<$settings>;
                ::kernel::configfs_attrs! {
                    container: ::kernel::configfs::Subsystem<Directory>,
                    data: Directory,
                    child: Item,
                    attributes: [],
                }
            }

            fn item_type() -> &'static $crate::ItemType<Self> {
                type Item = $crate::Item<$settings>;
                ::kernel::configfs_attrs! {
                    container: ::kernel::configfs::Group<Item>,
                    data: Item,
                    attributes: $attributes,
                }
            }
        }
    };
}

/// The directory in which instances are made.
pub struct Directory<S: Settings> {
    instances: Arc<Registry<S>>,
}

impl<S: Settings> Directory<S> {
    /// Returns an initialiser of the directory, in which `mkdir` adds to `instances`.
    pub(crate) fn new(
        instances: Arc<Registry<S>>,
    ) -> impl PinInit<configfs::Subsystem<Self>, Error> {
        let directory = Ok::<_, Error>(Self { instances });
        configfs::Subsystem::new(S::DIRECTORY, S::directory_type(), directory)
    }
}

#[vtable]
impl<S: Settings> configfs::GroupOperations for Directory<S> {
    type Child = Item<S>;

    fn make_group(&self, name: &CStr) -> Result<impl PinInit<configfs::Group<Item<S>>, Error>> {
        let entry = self.instances.add(name, S::default())?;
        let item = Ok::<_, Error>(Item { entry });
        Ok(configfs::Group::new(name.try_into()?, S::item_type(), item))
    }
}

/// The directory of an instance.
pub struct Item<S: Settings> {
    entry: Entry<S>,
}

#[vtable]
impl<S: Attribute<ID>, const ID: u64> configfs::AttributeOperations<ID> for Item<S> {
    type Data = Self;

    const HAS_STORE: bool = S::HAS_STORE;

    fn show(item: &Self, page: &mut [u8; PAGE_SIZE]) -> Result<usize> {
        let instance = item.entry.instance();
        instance.with(|settings| text::show(page, settings.show()))
    }

    fn store(item: &Self, page: &[u8]) -> Result {
        let text = text::trimmed(page)?;
        item.entry
            .instance()
            .change(|settings| settings.store(text))
    }
}
