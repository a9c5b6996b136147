// SPDX-License-Identifier: GPL-2.0
//! Forms of rings, and which one a virtio driver has.

use anyhow::{ensure, Result};
use virtio::features::{IN_ORDER, RING_PACKED};

use crate::commands::vdpa::{RcDevice, VdpaDevice};
use crate::guest::Guest;

/// Those that virtio_ring of Linux 7.2 knows.
pub const FORMS: [Form; 4] = [
    Form {
        name: "split",
        features: 0,
    },
    Form {
        name: "split, in order",
        features: IN_ORDER,
    },
    Form {
        name: "packed",
        features: RING_PACKED,
    },
    Form {
        name: "packed, in order",
        features: RING_PACKED | IN_ORDER,
    },
];

/// What a device has if nobody chooses.
pub const DEFAULT: &Form = &FORMS[1];

/// A form of rings.
pub struct Form {
    /// What it is called.
    pub name: &'static str,
    features: u64,
}

impl Form {
    /// Fails unless the driver of a device has this form.
    pub fn expect(&self, guest: &mut Guest, vdpa: &VdpaDevice) -> Result<()> {
        let features = vdpa.features(guest)?;
        ensure!(
            features & (RING_PACKED | IN_ORDER) == self.features,
            "expected rings that are {}, the driver has features {features:#x}",
            self.name
        );
        Ok(())
    }

    /// Adds a device whose rings have this form, and else what a driver negotiates of one that is as it is.
    pub fn add(&self, guest: &mut Guest, name: &str, mgmtdev: &str) -> Result<VdpaDevice> {
        let usual = VdpaDevice::add(guest, name, mgmtdev)?;
        DEFAULT.expect(guest, &usual)?;
        let features = usual.features(guest)? & !(RING_PACKED | IN_ORDER) | self.features;
        usual.delete(guest)?;
        let attributes = format!("device_features {features:#x}");
        let vdpa = VdpaDevice::add_with(guest, name, mgmtdev, &attributes)?;
        self.expect(guest, &vdpa)?;
        Ok(vdpa)
    }
}
