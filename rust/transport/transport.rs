// SPDX-License-Identifier: GPL-2.0

//! The transport between root complex and endpoint: `epf_vhost_reg` and its commands.
//!
//! Both ends of the protocol of `Documentation/transport.rst`, as state machines without I/O and
//! without a clock: words are read and written through [`Registers`], time is passed in. Step
//! numbers in comments (R1, E1, ...) are those of the document.
//!
//! This crate uses nothing but `core` and `virtio`. The kernel modules and the host's tests compile
//! the same files.
//!
//! # Examples
//!
//! The EP offers a device and serves commands, in one thread:
//!
//! ```
//! # use transport::*;
//! fn serve(
//!     ep: &mut EndpointPort,
//!     regs: &impl Registers,
//!     offer: &Description<'_>,
//!     device: &mut impl CommandHandler,
//!     epoch: Epoch,
//!     mut tick_ms: impl FnMut() -> Option<u64>,
//! ) -> Result<(), StartError> {
//!     ep.start(regs, offer, epoch, 0)?;
//!     while let Some(now_ms) = tick_ms() {
//!         let progress = ep.poll(regs, device, now_ms);
//!         if progress.is_rc_silent {
//!             break;
//!         }
//!     }
//!     ep.stop(regs, device);
//!     Ok(())
//! }
//! ```
//!
//! The RC finds it, and waits for a command as it likes:
//!
//! ```
//! # use transport::*;
//! fn find(regs: &impl Registers, bars: &BarSizes) -> Result<RootComplexPort, IdentityError> {
//!     let identity = Identity::read(regs, 0, bars)?;
//!     Ok(RootComplexPort::new(identity, regs, 0))
//! }
//!
//! fn reset(
//!     rc: &mut RootComplexPort,
//!     regs: &impl Registers,
//!     mut sleep_ms: impl FnMut() -> u64,
//! ) -> Result<Step, IssueError> {
//!     rc.issue(regs, &Command::Reset, sleep_ms())?;
//!     loop {
//!         // Bounded: the port answers `TimedOut` at the latest after `QUIESCE`.
//!         match rc.step(regs, sleep_ms()) {
//!             Step::Pending => continue,
//!             step => return Ok(step),
//!         }
//!     }
//! }
//! ```

mod address_space;
mod comeback;
mod command;
mod config;
mod device;
mod doorbell;
mod endpoint;
pub mod feature;
mod fixed;
mod frame;
mod group;
mod handler;
mod identity;
mod interrupts;
mod layout;
mod liveness;
pub mod offset;
mod plan;
mod push;
mod queue;
mod registers;
mod rootcomplex;
mod session;
pub mod time;
mod words;

pub use address_space::{Access, AddressSpace, Piece};
pub use comeback::Comeback;
pub use command::{Command, CommandError, CommandWord, ConfigData, Mapping, Opcode, Range};
pub use command::{CONFIG_DATA_SIZE, MAP_ALIGN, STATUS_NONE, STATUS_OKAY};
pub use config::{read_config, ConfigReadError, ConfigSpace, Generations};
pub use doorbell::{Doorbell, PolledSlot};
pub use endpoint::{Description, EndpointPort, Progress, QueueDescription, StartError};
pub use frame::{Frame, ARGUMENT_WORDS, DATA_WORDS};
pub use group::{GroupCounts, MAX_GROUPS, MAX_SPACES};
pub use handler::CommandHandler;
pub use identity::{Identity, IdentityError};
pub use interrupts::{InterruptMode, Interrupts, NO_VECTOR};
pub use layout::{BarSizes, DoorbellKind, Doorbells, Layout, LayoutError, Msix, Region};
pub use layout::{MAX_QUEUES, NUM_BARS};
pub use liveness::Pulse;
pub use plan::{LayoutRequest, Placement};
pub use push::PushAreas;
pub use queue::{QueueIndex, QueueRequest, QueueSetup, QueueSize, QueueState};
pub use registers::{Offset, Registers};
pub use rootcomplex::{AnswerError, Health, IssueError, Reply, RootComplexPort, Step};
pub use virtio::status::Status as DeviceStatus;
pub use words::{Epoch, TransportFeatures, Version, MAGIC};
