// SPDX-License-Identifier: GPL-2.0

//! The device status: what the driver side writes, and what the endpoint makes of it.
//!
//! Locks: `EpfDevice::state`, not held while a command is outstanding. Context: process.

use super::EpfDevice;
use kernel::prelude::*;
use pci_host::errno;
use transport::{
    Command,
    DeviceStatus,
    Reply, //
};

impl EpfDevice {
    /// Sets the status; a device that cannot be started is lost, as the driver side uses it from then
    /// on without another look at the status.
    pub(super) fn write_status(&self, status: u8) -> Result {
        let is_start = DeviceStatus::from_bits(status).contains(DeviceStatus::DRIVER_OK);
        let written = self.send_status(status).and_then(|()| match is_start {
            true => self.start_deferred(),
            false => Ok(()),
        });
        if written.is_err() && is_start {
            self.link.give_up();
        }
        written
    }

    /// Sends the driver features when the driver side is through with them, then the status.
    fn send_status(&self, status: u8) -> Result {
        let new = DeviceStatus::from_bits(status & !DeviceStatus::DEVICE_NEEDS_RESET.bits());
        let (before, features) = {
            let state = self.state.lock();
            (DeviceStatus::from_bits(state.status), state.driver_features)
        };
        let settles = DeviceStatus::FEATURES_OK;
        if new.contains(settles) && !before.contains(settles) {
            // The rest is met here.
            let features = features & self.link.device_features();
            self.link.command(&Command::SetFeatures(features))?;
        }
        let Reply::Status(accepted) = self.link.command(&Command::SetStatus(status))? else {
            return Err(errno::protocol());
        };
        if !is_acceptance(accepted, new) {
            return Err(errno::protocol());
        }
        self.state.lock().status = accepted.bits();
        Ok(())
    }

    /// Whether the endpoint gave up, or is gone.
    pub(super) fn needs_reset(&self) -> bool {
        let gave_up = |status: DeviceStatus| status.contains(DeviceStatus::DEVICE_NEEDS_RESET);
        self.link.is_lost() || self.link.device_status().is_none_or(gave_up)
    }
}

/// Whether `accepted` is what an endpoint can make of `asked`: it may refuse `FEATURES_OK`.
fn is_acceptance(accepted: DeviceStatus, asked: DeviceStatus) -> bool {
    let features_ok = DeviceStatus::FEATURES_OK;
    asked.contains(accepted) && accepted.with(features_ok).contains(asked)
}
