// SPDX-License-Identifier: GPL-2.0

//! The state of everything.

use std::sync::Arc;

use transport::{EndpointPort, RootComplexPort};

use super::bounds::{Bounds, Disturbances};
use super::device::Device;
use super::endpoint::EpJob;
use super::link::Link;
use super::place::{self, NUM_QUEUES};
use super::root_complex::RcJob;
use crate::memory::Tag;
use crate::property::Property;
use crate::replay::Access;

/// A step of an end that was stopped at an access.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stopped<Job> {
    pub job: Job,
    /// What its accesses were answered so far.
    pub answers: Vec<u32>,
    /// The access that waits for an answer.
    pub access: Access,
    /// Of the `cmd` or `answer` word that it works with.
    pub tag: Option<Tag>,
}

/// What the driver of the RC takes for true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Belief {
    pub status: u8,
    pub is_enabled: [bool; NUM_QUEUES as usize],
}

/// The RC.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RootComplex {
    /// `None`: no driver, or one that looks for the EP.
    pub port: Option<Arc<RootComplexPort>>,
    pub step: Option<Stopped<RcJob>>,
    /// The next command of the program.
    pub at: u8,
    pub outstanding: Option<Tag>,
    /// The `cmd` word of the outstanding command.
    pub word: u32,
    pub belief: Belief,
    /// No access of the device to this queue is allowed: a reset or a disable was acknowledged.
    pub is_quiet: [bool; NUM_QUEUES as usize],
    /// Which command was taken for done last, and whether it was refused.
    pub taken: Option<(u8, bool)>,
}

/// The EP.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    pub port: Arc<EndpointPort>,
    pub step: Option<Stopped<EpJob>>,
    pub device: Device,
    pub is_alive: bool,
    pub must_stop: bool,
    /// The number of the session, the last one if none runs.
    pub epoch: u8,
    /// The command that was executed last.
    pub executed: u8,
    /// Which command was answered last, and whether it was refused.
    pub answered: Option<(u8, bool)>,
    /// How many were answered, for the fault that needs to know.
    pub answers: u8,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub link: Link,
    pub rc: RootComplex,
    pub ep: Endpoint,
    /// What may still happen.
    pub disturbances: Disturbances,
    pub work: u8,
    /// The number of the command that was issued last.
    pub serial: u8,
    pub violated: Option<Property>,
}

impl State {
    /// Nothing is up yet.
    pub fn cold(bounds: &Bounds) -> Self {
        Self {
            link: Link::new(),
            rc: RootComplex {
                port: None,
                step: None,
                at: 0,
                outstanding: None,
                word: 0,
                belief: Belief::default(),
                is_quiet: Default::default(),
                taken: None,
            },
            ep: Endpoint {
                port: Arc::new(EndpointPort::new(place::layout())),
                step: None,
                device: Device::default(),
                is_alive: true,
                must_stop: false,
                epoch: 0,
                executed: 0,
                answered: None,
                answers: 0,
            },
            disturbances: bounds.disturbances,
            work: bounds.work,
            serial: 0,
            violated: None,
        }
    }

    /// Remembers the first violation.
    pub fn violate(&mut self, property: Property) {
        self.violated.get_or_insert(property);
    }

    pub fn require(&mut self, property: Property, holds: bool) {
        if !holds {
            self.violate(property);
        }
    }
}
