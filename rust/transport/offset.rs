// SPDX-License-Identifier: GPL-2.0

//! Offsets of the words: the tables "Identity", "Command block" and "Queue table" of
//! `Documentation/transport.rst`. The only place that knows them.

use crate::registers::Offset;

macro_rules! offsets {
    ($($(#[$doc:meta])* $name:ident = $bytes:literal;)*) => {
        $($(#[$doc])* pub const $name: Offset = Offset::new($bytes);)*
    };
}

offsets! {
    /// Identity: magic.
    MAGIC = 0x00;
    /// Identity: major and minor version.
    VERSION = 0x04;
    /// Identity: the EP takes commands.
    READY = 0x08;
    /// Identity: session of the EP.
    EPOCH = 0x0c;
    /// Identity: counter of the EP's command loop.
    HEARTBEAT = 0x10;
    /// Identity: device status.
    DEVICE_STATUS = 0x14;
    /// Identity: generation of the device config.
    CONFIG_GENERATION = 0x18;
    /// Identity: transport features.
    TRANSPORT_FEATURES = 0x1c;
    /// Identity: device features, two words.
    DEVICE_FEATURES = 0x20;
    /// Identity: virtio device ID.
    DEVICE_ID = 0x28;
    /// Identity: virtio vendor ID.
    VENDOR_ID = 0x2c;
    /// Identity: number of queues.
    NUM_QUEUES = 0x30;
    /// Identity: largest size in the queue table.
    QUEUE_SIZE_MAX = 0x34;
    /// Identity: number of groups of queues.
    NUM_GROUPS = 0x38;
    /// Identity: number of address spaces.
    NUM_SPACES = 0x3c;
    /// Identity: offset and size of the command block, two words.
    COMMAND_REGION = 0x40;
    /// Identity: offset and size of the queue table, two words.
    QUEUE_TABLE_REGION = 0x48;
    /// Identity: bytes per entry of the queue table.
    QUEUE_STRIDE = 0x50;
    /// Identity: offset and size of the device config, two words.
    CONFIG_REGION = 0x54;
    /// Identity: kind of the doorbells.
    DOORBELL_KIND = 0x5c;
    /// Identity: BAR of the doorbells.
    DOORBELL_BAR = 0x60;
    /// Identity: offset and size of the doorbells, two words.
    DOORBELL_REGION = 0x64;
    /// Identity: bytes from slot to slot.
    DOORBELL_STRIDE = 0x6c;
    /// Identity: period of the EP's scan of all queues.
    DOORBELL_SCAN_MS = 0x70;
    /// Identity: BAR of the MSI-X table.
    MSIX_BAR = 0x74;
    /// Identity: offset and size of the MSI-X table and pending bits, two words.
    MSIX_REGION = 0x78;
    /// Identity: BAR of the push areas.
    PUSH_BAR = 0x80;
    /// Identity: offset and size of the push areas, two words.
    PUSH_REGION = 0x84;
    /// Identity: bytes from push area to push area.
    PUSH_STRIDE = 0x8c;
    /// Identity: length from which on buffers are not to be pushed.
    PUSH_BELOW = 0x90;
    /// Identity: reserved words up to its end.
    RESERVED = 0x94;
}

/// Offsets from the start of the command block.
pub mod command {
    use crate::registers::Offset;

    offsets! {
        /// RC: sequence and opcode.
        CMD = 0x000;
        /// RC: epoch of the session.
        CMD_EPOCH = 0x004;
        /// RC: counter.
        RC_HEARTBEAT = 0x008;
        /// RC: arguments, 16 words.
        ARGUMENT = 0x010;
        /// RC: data, 32 words.
        DATA = 0x080;
        /// EP: copy of the answered `cmd`.
        ANSWER = 0x100;
        /// EP: epoch of the answer.
        ANSWER_EPOCH = 0x104;
        /// EP: status of the answer.
        CMD_STATUS = 0x108;
        /// EP: results, 4 words.
        RESULT = 0x110;
    }
}

/// Offsets from the start of a queue table entry.
pub mod queue {
    use crate::registers::Offset;

    offsets! {
        /// EP: largest size of the queue.
        SIZE_MAX = 0x0;
        /// EP: bit 0, the queue is enabled.
        STATUS = 0x4;
        /// EP: value that kicks the queue.
        DOORBELL = 0x8;
        /// EP: group of the queue.
        GROUP = 0xc;
    }
}
