// SPDX-License-Identifier: GPL-2.0

//! What a device on the EP must be able to do: the border between protocol and endpoint function.

use crate::command::{
    CommandError,
    Mapping,
    Range, //
};
use crate::interrupts::Interrupts;
use crate::liveness::Pulse;
use crate::queue::{
    QueueIndex,
    QueueSetup,
    QueueState, //
};
use crate::DeviceStatus;

/// What a device does for the commands of the RC.
///
/// All arguments are checked. Called from [`EndpointPort::poll`](crate::EndpointPort::poll), thus
/// in the EP's command thread; may sleep, within the bound of the command. A method that fails
/// must have changed nothing.
pub trait CommandHandler {
    /// A command begins, and `pulse` is to beat until it is over, by another thread (H1).
    ///
    /// A device that offers [`STEADY_BEAT`](crate::TransportFeatures::STEADY_BEAT) implements this and
    /// [`command_ends`](Self::command_ends).
    fn command_begins(&mut self, _pulse: Pulse) {}

    /// The command is over. When it returns, the pulse that it gives back does not beat any more.
    fn command_ends(&mut self) -> Option<Pulse> {
        None
    }

    /// Does Q1 to Q3: when it returns, nothing touches RC memory or raises an interrupt, and
    /// nothing is mapped. Publishes the device config (Q4). Also called at the end of a session,
    /// and for a device that is reset.
    fn reset(&mut self);

    /// Whether the device can work with these features (`FEATURES_OK`).
    fn accepts_features(&mut self, negotiated: u64) -> bool;

    /// Starts the device (`DRIVER_OK`).
    ///
    /// # Errors
    ///
    /// The device cannot start; `DRIVER_OK` stays clear.
    fn driver_ok(&mut self) -> Result<(), CommandError>;

    /// The device status, without `DEVICE_NEEDS_RESET`, is now `status`. Not called for resets.
    fn status_changed(&mut self, status: DeviceStatus);

    /// Whether the device gave up since the last reset (`DEVICE_NEEDS_RESET`).
    fn needs_reset(&self) -> bool;

    /// Uses these interrupts from now on.
    ///
    /// # Errors
    ///
    /// `BadArgument` if the controller was not given that many vectors in that mode.
    fn set_interrupts(&mut self, interrupts: &Interrupts) -> Result<(), CommandError>;

    /// Writes device config and publishes the outcome; `offset` and length are inside of it.
    ///
    /// # Errors
    ///
    /// `BadArgument` if these bytes cannot be written.
    fn write_config(&mut self, offset: usize, from: &[u8]) -> Result<(), CommandError>;

    /// Takes the set-up of a queue that is not enabled; its state becomes the initial one.
    ///
    /// # Errors
    ///
    /// `NoResources` if the queue could not be enabled.
    fn setup_queue(&mut self, setup: &QueueSetup) -> Result<(), CommandError>;

    /// Takes the driver side's half of a queue, which is set up and not enabled, from its push area from its
    /// next enable on, until it is set up again.
    ///
    /// # Errors
    ///
    /// `NotSupported` unless the EP offers [`PUSH`](crate::TransportFeatures::PUSH).
    fn push_queue(&mut self, _queue: QueueIndex) -> Result<(), CommandError> {
        Err(CommandError::NotSupported)
    }

    /// Maps a queue, whose addresses are those of address space `space`, and looks at its available index
    /// once, as if kicked (D5).
    ///
    /// # Errors
    ///
    /// `NoResources` if it cannot be mapped; `BadState` if an area is not in the address space.
    fn enable_queue(&mut self, queue: QueueIndex, space: u16) -> Result<(), CommandError>;

    /// Stops and unmaps an enabled queue; its state is kept. When it returns, nothing touches the
    /// queue or its buffers.
    fn disable_queue(&mut self, queue: QueueIndex);

    /// Sets where a queue that is not running goes on.
    ///
    /// # Errors
    ///
    /// `Failed` if the queue cannot go on there.
    fn set_queue_state(&mut self, queue: QueueIndex, state: QueueState)
        -> Result<(), CommandError>;

    /// Where a queue is; exact when it is not running.
    ///
    /// # Errors
    ///
    /// `Failed` if the queue is in no state to go on.
    fn queue_state(&mut self, queue: QueueIndex) -> Result<QueueState, CommandError>;

    /// Suspends the device: buffers completed or returned, no access to RC memory after it.
    ///
    /// # Errors
    ///
    /// `NotSupported` unless the EP offers [`SUSPEND`](crate::TransportFeatures::SUSPEND).
    fn suspend(&mut self) -> Result<(), CommandError> {
        Err(CommandError::NotSupported)
    }

    /// Resumes the device and scans all enabled queues.
    ///
    /// # Errors
    ///
    /// `NotSupported` unless the EP offers [`SUSPEND`](crate::TransportFeatures::SUSPEND).
    fn resume(&mut self) -> Result<(), CommandError> {
        Err(CommandError::NotSupported)
    }

    /// Adds a mapping. From the first `map` or `unmap` after a reset on, all addresses are IOVAs.
    ///
    /// # Errors
    ///
    /// `NotSupported` unless the EP offers [`MAP`](crate::TransportFeatures::MAP); else those of
    /// [`AddressSpace::insert`](crate::AddressSpace::insert).
    fn map(&mut self, _mapping: &Mapping) -> Result<(), CommandError> {
        Err(CommandError::NotSupported)
    }

    /// Removes the mappings in a range, if any. When it returns, nothing touches them, and queues with
    /// areas there have given up.
    ///
    /// # Errors
    ///
    /// `NotSupported` unless the EP offers [`MAP`](crate::TransportFeatures::MAP); else those of
    /// [`AddressSpace::remove`](crate::AddressSpace::remove).
    fn unmap(&mut self, _range: &Range) -> Result<(), CommandError> {
        Err(CommandError::NotSupported)
    }
}
