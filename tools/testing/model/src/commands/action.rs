// SPDX-License-Identifier: GPL-2.0

//! What can happen.

/// What happens between two states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The RC begins to read the identity (I1 to I6).
    Probe,
    /// The RC issues the next command of its program (R1 to R4).
    Issue,
    /// The RC begins to look for the answer (R5, R6).
    Look,
    /// The same at the bound (R7).
    TimeOut,
    /// The RC begins to look after the EP (H2).
    Watch,
    /// The RC gets the word it reads.
    RcRead,
    /// A posted write arrives.
    Deliver(usize),
    /// A write of the EP becomes visible.
    Drain(usize),
    /// The EP begins to look for a command (E1).
    Poll,
    /// The EP gets the word it reads.
    EpRead,
    /// The device does what the EP asks it for, or fails to.
    Call {
        fails: bool,
    },
    /// The EP begins a session (S1 to S4).
    Start,
    /// The EP begins to end its session (Z1, Z2).
    Stop,
    /// The EP boots.
    Boot,
    /// The device begins an access to RC memory.
    Access(u16),
    /// The access reaches RC memory.
    Touch(u16),
    LinkUp,
    /// The link goes down; the EP is told or not.
    LinkDown {
        is_told: bool,
    },
    /// The EP is told to end its session.
    Restart,
    Crash,
    Reboot,
    Reload,
    /// Nothing can happen, and that is wrong.
    Stuck,
}
