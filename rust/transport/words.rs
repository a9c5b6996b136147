// SPDX-License-Identifier: GPL-2.0

//! Words of the identity that have a type of their own.

/// First word of the register BAR: the letters `EPFV`.
pub const MAGIC: u32 = u32::from_le_bytes(*b"EPFV");

/// Protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// Another major number is refused.
    pub major: u16,
    /// Any minor number is accepted.
    pub minor: u16,
}

impl Version {
    /// The version that this crate implements.
    pub const CURRENT: Self = Self { major: 1, minor: 2 };

    /// The version as it is written.
    pub const fn word(self) -> u32 {
        ((self.major as u32) << 16) | self.minor as u32
    }

    /// A version as it was read.
    pub const fn from_word(word: u32) -> Self {
        Self {
            major: (word >> 16) as u16,
            minor: word as u16,
        }
    }
}

/// A session of the EP; neither 0 nor all-ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(u32);

impl Epoch {
    /// The session with this number, if it is a legal one.
    pub const fn new(number: u32) -> Option<Self> {
        match number {
            0 | u32::MAX => None,
            number => Some(Self(number)),
        }
    }

    /// The number of the session.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// What the EP implements beyond the basic commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TransportFeatures(u32);

impl TransportFeatures {
    /// Nothing beyond the basic commands.
    pub const NONE: Self = Self(0);
    /// `SUSPEND` and `RESUME`.
    pub const SUSPEND: Self = Self(1 << 0);
    /// `MAP` and `UNMAP`.
    pub const MAP: Self = Self(1 << 1);
    /// `GROUP_SET_SPACE`, and the words of the identity and the queue table that tell of groups.
    pub const GROUPS: Self = Self(1 << 2);
    /// `QUEUE_PUSH`, and the words of the identity that tell where push areas are.
    pub const PUSH: Self = Self(1 << 3);
    /// The heartbeat goes on while a command executes.
    pub const STEADY_BEAT: Self = Self(1 << 4);

    /// All features of this version.
    const ALL: Self = Self::SUSPEND
        .with(Self::MAP)
        .with(Self::GROUPS)
        .with(Self::PUSH)
        .with(Self::STEADY_BEAT);

    /// Features as they were read; unknown bits are dropped.
    pub const fn from_word(word: u32) -> Self {
        Self(word & Self::ALL.0)
    }

    /// The features as they are written.
    pub const fn word(self) -> u32 {
        self.0
    }

    /// These features and the `other` ones.
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all `other` features are among these.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}
