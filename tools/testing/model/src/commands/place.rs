// SPDX-License-Identifier: GPL-2.0

//! The words of the register BAR: which of them are followed, and where they are.

use std::cell::RefCell;
use std::collections::HashMap;

use transport::{
    offset, BarSizes, Description, EndpointPort, Epoch, GroupCounts, Layout, LayoutRequest, Offset,
    Placement, QueueDescription, QueueSize, Registers, TransportFeatures,
};

use super::order::FEATURES;

pub const NUM_QUEUES: u16 = 2;
pub const BARS: BarSizes = [0x1000, 0, 0, 0, 0, 0];
/// Where `Layout::plan` puts the command block: behind the identity.
const COMMAND: u32 = 0x100;
/// Where it puts the queue table: behind the command block.
const QUEUE_TABLE: u32 = 0x300;

pub const CMD: Offset = command(offset::command::CMD);
pub const RC_HEARTBEAT: Offset = command(offset::command::RC_HEARTBEAT);
pub const ANSWER: Offset = command(offset::command::ANSWER);
pub const CMD_EPOCH: Offset = command(offset::command::CMD_EPOCH);
pub const ANSWER_EPOCH: Offset = command(offset::command::ANSWER_EPOCH);
pub const CMD_STATUS: Offset = command(offset::command::CMD_STATUS);

const fn command(offset: Offset) -> Offset {
    Offset::new(COMMAND + offset.bytes())
}

/// The `status` word of a queue.
pub fn queue_status(queue: u16) -> Offset {
    Offset::new(QUEUE_TABLE + 16 * u32::from(queue) + offset::queue::STATUS.bytes())
}

/// The queue whose `status` word this is.
pub fn queue_of(word: Offset) -> Option<u16> {
    (0..NUM_QUEUES).find(|queue| queue_status(*queue) == word)
}

pub fn layout() -> Layout {
    Layout::plan(&LayoutRequest {
        register_bar: 0,
        num_queues: NUM_QUEUES,
        config_size: 0,
        msix_vectors: 0,
        push_len: 0,
        push_bar: 0,
        push_below: 0,
        doorbells: Placement::Here {
            page_size: 4,
            stride: 4,
            scan_ms: 0,
        },
    })
    .expect("a legal request")
}

/// Starts a session; the vendor tells sessions apart.
pub fn start(port: &mut EndpointPort, regs: &impl Registers, epoch: u8) {
    start_with(port, regs, epoch, TransportFeatures::NONE);
}

/// Starts a session with these features.
pub fn start_with(
    port: &mut EndpointPort,
    regs: &impl Registers,
    epoch: u8,
    transport_features: TransportFeatures,
) {
    let queue = QueueDescription {
        size_max: QueueSize::new(2).expect("a power of two"),
        doorbell: 0,
        group: 0,
    };
    let description = Description {
        device_id: 1,
        vendor_id: epoch.into(),
        device_features: FEATURES,
        transport_features,
        groups: GroupCounts::ONE,
        queues: &[queue; NUM_QUEUES as usize],
    };
    let epoch = Epoch::new(epoch.into()).expect("sessions count from 1");
    port.start(regs, &description, epoch, 0)
        .expect("no session runs, and the description is legal");
}

/// The words that never change, and those that are none of this model's business.
///
/// Heartbeats and doorbells have models of their own; here they are always 0.
#[derive(Debug)]
pub struct FixedWords(HashMap<Offset, u32>);

impl FixedWords {
    pub fn new() -> Self {
        let recorder = Recorder::default();
        EndpointPort::announce(&recorder);
        start(&mut EndpointPort::new(layout()), &recorder, 1);
        let mut words = recorder.0.into_inner();
        words.retain(|word, _| !is_followed(*word));
        words.insert(offset::HEARTBEAT, 0);
        words.insert(RC_HEARTBEAT, 0);
        Self(words)
    }

    pub fn get(&self, word: Offset) -> Option<u32> {
        self.0.get(&word).copied()
    }
}

fn is_followed(word: Offset) -> bool {
    let identity = [
        offset::READY,
        offset::EPOCH,
        offset::DEVICE_STATUS,
        offset::VENDOR_ID,
    ];
    let is_command = (COMMAND..QUEUE_TABLE).contains(&word.bytes());
    identity.contains(&word) || is_command || queue_of(word).is_some()
}

/// Registers that keep what is written.
#[derive(Default)]
pub struct Recorder(RefCell<HashMap<Offset, u32>>);

impl Registers for Recorder {
    fn read32(&self, offset: Offset) -> u32 {
        self.0.borrow().get(&offset).copied().unwrap_or(0)
    }

    fn write32(&self, offset: Offset, value: u32) {
        self.0.borrow_mut().insert(offset, value);
    }

    fn read_barrier(&self) {}
    fn write_barrier(&self) {}
}
