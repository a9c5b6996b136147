// SPDX-License-Identifier: GPL-2.0

//! An Ethernet network device made of software: packets that the kernel transmits wait in a queue
//! until they are taken, packets given to it are delivered by NAPI.
//!
//! ```text
//!   kernel --start_xmit--> transmit queue --NetDevice::next_transmit--> user of this crate
//!   kernel <--NAPI poll--- receive queue <--NetDevice::receive--------- user of this crate
//! ```
//!
//! Packets come and go with complete checksums and at most of MTU size, unless the user of the crate
//! takes that work on ([`Offloads`]): then packets have headers that tell what is left undone. All
//! queues are bounded; what does not fit is dropped and counted. There may be several of each: a flow
//! stays in one transmit queue, which is stopped and woken by itself.

mod address;
mod allocated;
#[path = "../bindings.rs"]
mod bindings;
mod device;
mod offloads;
mod packet;
mod queue;
mod table;

pub use address::MacAddress;
pub use device::{
    Config,
    InterfaceName,
    NetDevice,
    Operations, //
};
pub use offloads::Offloads;
pub use packet::{
    SkBuff,
    HEADER_LEN, //
};
