// SPDX-License-Identifier: GPL-2.0

//! The disk that an instance describes: its store, opened, and its identifier.

use crate::configfs::Settings;
use kernel::{
    fmt,
    prelude::*,
    str::{
        BStr,
        CString, //
    },
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};
use storage::{
    Access,
    Caching,
    Store, //
};
use virtio::blk::{
    RequestStatus,
    ID_LEN,
    SECTOR_SIZE, //
};

/// A store that is ready to be served.
pub(crate) struct Disk {
    pub(crate) store: Arc<Store>,
    /// What a request for the identifier reads, padded with zeroes.
    pub(crate) id: [u8; ID_LEN],
    /// A failure of the store has been logged since the device was started.
    has_failed: Atomic<bool>,
}

impl Disk {
    /// Opens what the settings describe; `name` is the identifier when they have none.
    pub(crate) fn open<'a>(settings: &'a Settings, name: &CStr) -> Result<Self, OpenError<'a>> {
        let path = settings.backing_file.as_ref().ok_or(OpenError::NoFile)?;
        let store = open_store(path, settings.access(), settings.caching())?;
        let store = Arc::new(store, GFP_KERNEL).map_err(|_| OpenError::Open {
            path,
            access: settings.access(),
            error: ENOMEM,
        })?;
        let serial = settings.serial.as_ref().map_or(name, |serial| serial);
        Ok(Self::new(store, serial))
    }

    pub(crate) fn new(store: Arc<Store>, serial: &CStr) -> Self {
        Self {
            store,
            id: identifier(serial),
            has_failed: Atomic::new(false),
        }
    }

    /// The device is started: the next failure is logged.
    pub(crate) fn start(&self) {
        self.has_failed.store(false, Relaxed);
    }

    /// Turns a failure of the store into a status. The driver side can repeat it at will, so the
    /// first one is logged and no other.
    pub(crate) fn failed(&self, what: &str, offset: u64, error: Error) -> RequestStatus {
        if !self.has_failed.xchg(true, Relaxed) {
            let id = self.id.split(|byte| *byte == 0).next().unwrap_or_default();
            let id = BStr::from_bytes(id);
            pr_err!("Disk {id}: {what} at {offset:#x} failed: {error:?}; more is not logged\n");
        }
        RequestStatus::IoErr
    }
}

/// Opens a backing file and checks that there is a sector in it.
pub(crate) fn open_store(
    path: &CString,
    access: Access,
    caching: Caching,
) -> Result<Store, OpenError<'_>> {
    let store = Store::open(path, access, caching).map_err(|error| OpenError::Open {
        path,
        access,
        error,
    })?;
    let size = store.size();
    if size < u64::from(SECTOR_SIZE) {
        return Err(OpenError::TooSmall { path, size });
    }
    Ok(store)
}

/// Why there is no disk.
pub(crate) enum OpenError<'a> {
    NoFile,
    Open {
        path: &'a CString,
        access: Access,
        error: Error,
    },
    TooSmall {
        path: &'a CString,
        size: u64,
    },
}

impl OpenError<'_> {
    /// `ENOENT`: no backing file is set; `EINVAL`: it is too small; else why it does not open.
    pub(crate) fn errno(&self) -> Error {
        match self {
            Self::NoFile => ENOENT,
            Self::Open { error, .. } => *error,
            Self::TooSmall { .. } => EINVAL,
        }
    }
}

impl fmt::Display for OpenError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile => f.write_str("no backing file is set, write its path to backing_file"),
            Self::Open {
                path,
                access,
                error,
            } => {
                let purpose = match access {
                    Access::ReadOnly => "reading",
                    Access::ReadWrite => "reading and writing",
                };
                write!(
                    f,
                    "backing file {} cannot be opened for {purpose}: {error:?}",
                    fmt::Adapter(&***path),
                )
            }
            Self::TooSmall { path, size } => write!(
                f,
                "backing file {} has {size} bytes, expected at least a sector of {SECTOR_SIZE}",
                fmt::Adapter(&***path),
            ),
        }
    }
}

fn identifier(serial: &CStr) -> [u8; ID_LEN] {
    let mut id = [0; ID_LEN];
    for (slot, byte) in id.iter_mut().zip(serial.to_bytes()) {
        *slot = *byte;
    }
    id
}
