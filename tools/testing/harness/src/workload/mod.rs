// SPDX-License-Identifier: GPL-2.0
//! What is done with a disk and with a network link, whoever serves them, and the figures it
//! gives.

pub mod blkio;
pub mod disk;
pub mod network;
pub mod offloads;
pub mod packets;
pub mod provision;
pub mod reception;
pub mod rings;
pub mod steering;
pub mod suspension;

use crate::guest::Guest;

/// The two ends of a device.
pub trait Ends {
    /// The machine of the driver.
    fn driver(&mut self) -> &mut Guest;
    /// The machine of the backend.
    fn backend(&mut self) -> &mut Guest;
}

/// Both in one machine.
impl Ends for Guest {
    fn driver(&mut self) -> &mut Guest {
        self
    }

    fn backend(&mut self) -> &mut Guest {
        self
    }
}
