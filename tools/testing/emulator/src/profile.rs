// SPDX-License-Identifier: GPL-2.0
//! Board profiles: what the endpoint controller of a board can do, and what it refuses.
//!
//! A profile is a TOML file. Those of `profiles/` are part of the program; each cites the kernel's driver
//! that it follows. What a profile says, the controller tells the EP's driver in its registers, and holds
//! the EP to it.

mod bars;
mod board;
mod dma;
mod interrupts;
mod registers;
mod rules;
mod size;
mod table;
mod translation;

pub use bars::BarRule;
pub use board::{BoardError, DoorbellCount, Event, FunctionCount, Profile};
pub use dma::Dma;
pub use interrupts::{Interrupts, Intx, Masked, Msix};
pub use size::{Size, SizeError};
pub use table::table;
pub use translation::{Inbound, Outbound, Space};

use std::{fs, io};

use thiserror::Error;

/// Name of the profile that is taken unless another one is named.
pub const DEFAULT: &str = "unlimited";

/// A profile that is part of the program.
#[derive(Clone, Copy, Debug)]
pub struct Builtin {
    /// Its name, which is that of its file.
    pub name: &'static str,
    /// The file.
    pub text: &'static str,
}

macro_rules! builtin {
    ($($name:literal),* $(,)?) => {
        &[$(Builtin {
            name: $name,
            text: include_str!(concat!("../profiles/", $name, ".toml")),
        }),*]
    };
}

/// All profiles that are part of the program.
pub const BUILTIN: &[Builtin] = builtin![
    "unlimited",
    "rcar-gen3",
    "rcar-gen4",
    "imx8mp",
    "imx95",
    "tegra234",
    "rk3588",
    "j721e",
];

/// Why a profile cannot be used.
#[derive(Debug, Error)]
pub enum ProfileError {
    /// No such profile.
    #[error("there is no profile '{name}': expected one of {known}, or a file whose name ends in .toml", known = names())]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The file cannot be read.
    #[error("cannot read the profile {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// The reason.
        source: io::Error,
    },
    /// The file is not a profile.
    #[error("{file}:{line}: {reason}")]
    Parse {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and what was expected.
        reason: String,
    },
}

impl Profile {
    /// Returns the profile of this name, or in this file if the name ends in `.toml`.
    ///
    /// # Errors
    ///
    /// See [`ProfileError`].
    pub fn load(name: &str) -> Result<Self, ProfileError> {
        if name.ends_with(".toml") {
            let text = fs::read_to_string(name).map_err(|source| ProfileError::Read {
                path: name.to_owned(),
                source,
            })?;
            return Self::parse(name, &text);
        }
        find(name)?.profile()
    }

    /// Reads the text of a profile; `file` is named in errors.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Parse`].
    pub fn parse(file: &str, text: &str) -> Result<Self, ProfileError> {
        toml::from_str(text).map_err(|error| ProfileError::Parse {
            file: file.to_owned(),
            line: error.span().map_or(1, |span| line_of(text, span.start)),
            reason: error.message().replace('\n', ", "),
        })
    }
}

impl Builtin {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// See [`Profile::parse`].
    pub fn profile(&self) -> Result<Profile, ProfileError> {
        Profile::parse(&format!("{}.toml", self.name), self.text)
    }
}

/// Returns the profile of this name that is part of the program.
///
/// # Errors
///
/// [`ProfileError::Unknown`].
pub fn find(name: &str) -> Result<Builtin, ProfileError> {
    let found = BUILTIN.iter().find(|builtin| builtin.name == name);
    found.copied().ok_or_else(|| ProfileError::Unknown {
        name: name.to_owned(),
    })
}

fn names() -> String {
    let names: Vec<_> = BUILTIN.iter().map(|builtin| builtin.name).collect();
    names.join(", ")
}

/// The line in which a byte is, from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}
