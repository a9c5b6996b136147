// SPDX-License-Identifier: GPL-2.0

//! What the driver of the RC wants from the EP.

use transport::{feature, Command, QueueRequest, NO_VECTOR};

use crate::memory::Tag;
use crate::replay::Call;

/// What the driver negotiates.
pub const FEATURES: u64 = feature::OFFERED;
/// `ACKNOWLEDGE`, `DRIVER` and `FEATURES_OK`.
const FEATURES_OK: u8 = 1 | 2 | 8;
/// The same with `DRIVER_OK`.
const DRIVER_OK: u8 = FEATURES_OK | 4;

/// One command of a driver's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    Reset,
    SetFeatures,
    FeaturesOk,
    DriverOk,
    SetUp(u16),
    Enable(u16),
    Disable(u16),
}

impl Order {
    /// The command, recognisable by its number where it has room for that.
    pub fn command(self, serial: u8) -> Command {
        match self {
            Self::Reset => Command::Reset,
            Self::SetFeatures => Command::SetFeatures(FEATURES),
            Self::FeaturesOk => Command::SetStatus(FEATURES_OK),
            Self::DriverOk => Command::SetStatus(DRIVER_OK),
            Self::SetUp(queue) => Command::SetupQueue(QueueRequest {
                queue: queue.into(),
                size: 2,
                vector: NO_VECTOR,
                desc_area: area(serial),
                driver_area: 0,
                device_area: 0,
            }),
            Self::Enable(queue) => Command::EnableQueue(queue.into()),
            Self::Disable(queue) => Command::DisableQueue(queue.into()),
        }
    }

    /// Whether the EP does the right thing for this order with the number of `tag`.
    pub fn allows(self, tag: Tag, call: Call) -> bool {
        match (self, call) {
            (Self::Reset, Call::Reset) | (Self::DriverOk, Call::DriverOk) => true,
            (Self::FeaturesOk, Call::AcceptsFeatures(features)) => features == FEATURES,
            (Self::SetUp(queue), Call::SetupQueue(index, desc_area)) => {
                queue == index.get() && desc_area == area(tag.serial)
            }
            (Self::Enable(queue), Call::EnableQueue(index))
            | (Self::Disable(queue), Call::DisableQueue(index)) => queue == index.get(),
            _ => false,
        }
    }
}

/// The descriptor area of a queue that was set up by the command with this number.
fn area(serial: u8) -> u64 {
    u64::from(serial) << 4
}
