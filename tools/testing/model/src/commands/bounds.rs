// SPDX-License-Identifier: GPL-2.0

//! How far a model is explored.

use super::Order;
use crate::fault::Fault;

/// How often each disturbance may happen on one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Disturbances {
    /// The RC gives a command up, at any moment.
    pub timeouts: u8,
    /// The EP's session ends and another one begins: controller deinitialised, backend gone.
    pub restarts: u8,
    /// The EP dies without a word, its memory is gone, and it boots.
    pub crashes: u8,
    /// The RC dies without a word, its memory is gone, and it boots.
    pub reboots: u8,
    /// The RC's driver is unloaded and loaded.
    pub reloads: u8,
    /// The link goes down, and comes back; the EP may be told or not.
    pub losses: u8,
    /// The device on the EP fails to do what it is asked for.
    pub failures: u8,
}

/// For each disturbance, the same with so many of it.
macro_rules! with {
    ($($name:ident)*) => {
        $(pub const fn $name(self, $name: u8) -> Self {
            Self { $name, ..self }
        })*
    };
}

impl Disturbances {
    pub const NONE: Self = Self {
        timeouts: 0,
        restarts: 0,
        crashes: 0,
        reboots: 0,
        reloads: 0,
        losses: 0,
        failures: 0,
    };

    with! { timeouts restarts crashes reboots reloads losses failures }
}

/// A model and its bounds.
#[derive(Clone, Debug)]
pub struct Bounds {
    pub name: &'static str,
    /// What the driver does, again from the start after each disturbance. Begins with `RESET`.
    pub program: &'static [Order],
    /// So many commands of the program are done before the exploration begins.
    pub prepared: usize,
    pub disturbances: Disturbances,
    /// How often the device accesses RC memory.
    pub work: u8,
    /// Whether writes of the EP without a barrier between them become visible in any order.
    pub is_weak: bool,
    pub fault: Option<Fault>,
}
