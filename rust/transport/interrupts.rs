// SPDX-License-Identifier: GPL-2.0

//! Interrupts from the EP to the RC, as `SET_INTERRUPTS` and `QUEUE_SETUP` speak of them.
//!
//! Not here: raising them.

/// No vector, in `SET_INTERRUPTS` and `QUEUE_SETUP`.
pub const NO_VECTOR: u32 = 0xffff;

/// What the RC enabled in the function's PCI capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum InterruptMode {
    /// No interrupts.
    #[default]
    None = 0,
    /// The pin.
    IntX = 1,
    /// MSI.
    Msi = 2,
    /// MSI-X.
    MsiX = 3,
}

impl InterruptMode {
    /// The mode with the given number, if it can have so many vectors.
    fn check(mode: u32, vectors: u32) -> Option<Self> {
        match (mode, vectors) {
            (0, 0) => Some(Self::None),
            (1, 1) => Some(Self::IntX),
            (2, 1..=32) => Some(Self::Msi),
            (3, 1..=2048) => Some(Self::MsiX),
            _ => None,
        }
    }
}

/// The interrupts that the RC enabled, checked.
///
/// # Invariants
///
/// The number of vectors is legal for the mode, and the config vector is below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interrupts {
    mode: InterruptMode,
    vectors: u16,
    config_vector: Option<u16>,
}

impl Interrupts {
    /// Checks the arguments of `SET_INTERRUPTS`.
    pub(crate) fn check(mode: u32, vectors: u32, config_vector: u32) -> Option<Self> {
        let without_config = Self {
            mode: InterruptMode::check(mode, vectors)?,
            vectors: vectors.try_into().ok()?,
            config_vector: None,
        };
        // INVARIANT: The mode checked the number, `vector` checks the config vector.
        Some(Self {
            config_vector: without_config.vector(config_vector)?,
            ..without_config
        })
    }

    /// A vector of these, `None` if it is out of range.
    pub(crate) fn vector(&self, vector: u32) -> Option<Option<u16>> {
        match vector {
            NO_VECTOR => Some(None),
            vector if vector < u32::from(self.vectors) => Some(Some(vector as u16)),
            _ => None,
        }
    }

    /// How the EP interrupts the RC.
    pub fn mode(&self) -> InterruptMode {
        self.mode
    }

    /// Number of vectors.
    pub fn vectors(&self) -> u16 {
        self.vectors
    }

    /// Vector for changes of the device config and of `DEVICE_NEEDS_RESET`, counted from 0.
    pub fn config_vector(&self) -> Option<u16> {
        self.config_vector
    }
}
