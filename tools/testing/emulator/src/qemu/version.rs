// SPDX-License-Identifier: GPL-2.0
//! Which QEMU will do.

use std::ffi::OsStr;
use std::io;
use std::process::Command;

use thiserror::Error;

/// Major and minor version that is needed at least.
pub const NEEDED: (u32, u32) = (11, 1);

/// Why a QEMU cannot be used.
#[derive(Debug, Error)]
pub enum VersionError {
    /// There is no such program.
    #[error("cannot find {0}: install QEMU {major}.{minor} or newer, or name the program by the key 'qemu'", major = NEEDED.0, minor = NEEDED.1)]
    Missing(String),
    /// The program cannot be started.
    #[error("cannot start {program} --version: {source}")]
    Start {
        /// The program.
        program: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The program does not say which version it is.
    #[error(
        "{program} is not QEMU: expected 'QEMU emulator version X.Y' of --version, not '{said}'"
    )]
    NotQemu {
        /// The program.
        program: String,
        /// The first line that it printed.
        said: String,
    },
    /// The version lacks what the emulator needs.
    #[error("{program} is QEMU {}.{}, but {}.{} or newer is needed, whose vhost-user-test-device-pci lets the emulator map memory into the outbound window", version.0, version.1, NEEDED.0, NEEDED.1)]
    TooOld {
        /// The program.
        program: String,
        /// Its version.
        version: (u32, u32),
    },
}

/// Asks a program for its version.
///
/// # Errors
///
/// See [`VersionError`].
pub fn check(program: &OsStr) -> Result<(), VersionError> {
    let name = program.to_string_lossy().into_owned();
    let output = match Command::new(program).arg("--version").output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(VersionError::Missing(name))
        }
        Err(source) => {
            return Err(VersionError::Start {
                program: name,
                source,
            })
        }
    };
    let text = String::from_utf8_lossy(&output.stdout);
    match parse(&text) {
        None => Err(VersionError::NotQemu {
            program: name,
            said: text.lines().next().unwrap_or_default().to_owned(),
        }),
        Some(version) if version < NEEDED => Err(VersionError::TooOld {
            program: name,
            version,
        }),
        Some(_) => Ok(()),
    }
}

/// Finds major and minor version in what `--version` prints.
fn parse(text: &str) -> Option<(u32, u32)> {
    let version = text.strip_prefix("QEMU emulator version ")?;
    let mut numbers = version.split(|character: char| !character.is_ascii_digit());
    let mut number = || numbers.next()?.parse().ok();
    Some((number()?, number()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers() {
        let debian = "QEMU emulator version 11.1.3 (Debian 1:11.1.3+ds-1~bpo13+1)\nCopyright";
        assert_eq!(parse(debian), Some((11, 1)));
        assert_eq!(parse("QEMU emulator version 9.2"), Some((9, 2)));
        assert!(parse("QEMU emulator version 9.2") < Some(NEEDED));
        for text in [
            "",
            "QEMU",
            "QEMU emulator version ",
            "QEMU emulator version 11",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
