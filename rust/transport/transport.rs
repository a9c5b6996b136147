// SPDX-License-Identifier: GPL-2.0

//! The transport between root complex and endpoint: `epf_vhost_reg` and its commands.
//!
//! Both ends of the protocol of `Documentation/transport.rst`, as state machines without I/O and
//! without a clock: words are read and written through [`Registers`], time is passed in. Step
//! numbers in comments (R1, E1, ...) are those of the document.
//!
//! This crate uses nothing but `core`. The kernel modules and the host's tests compile the same
//! files.

mod command;
mod config;
mod device;
mod doorbell;
mod endpoint;
mod identity;
mod layout;
mod liveness;
mod queue;
mod registers;
mod rootcomplex;
pub mod time;

pub use command::{Command, CommandError, CommandWord, ConfigData, Frame, Mapping, Opcode, Range};
pub use command::{ARGUMENT_WORDS, CONFIG_DATA_SIZE, DATA_WORDS};
pub use config::{read_config, ConfigReadError, ConfigSpace};
pub use device::{feature, CommandHandler, DeviceStatus, InterruptMode, Interrupts, NO_VECTOR};
pub use doorbell::{Doorbell, PolledSlot};
pub use endpoint::{Description, EndpointPort, Progress, QueueDescription, StartError};
pub use identity::{Identity, IdentityError};
pub use layout::offset;
pub use layout::{BarSizes, DoorbellKind, Doorbells, Epoch, Layout, LayoutError, LayoutRequest};
pub use layout::{Msix, Placement, Region, TransportFeatures, Version};
pub use layout::{MAGIC, MAX_QUEUES, NUM_BARS};
pub use queue::{QueueIndex, QueueRequest, QueueSetup, QueueSize, QueueState};
pub use registers::{Offset, Registers};
pub use rootcomplex::{AnswerError, Health, IssueError, Reply, RootComplexPort, Step};
