// SPDX-License-Identifier: GPL-2.0
//! The file: its keys, and what is wrong with it.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

use super::{Console, Machine};
use crate::fabric::{Settings, WindowMode};
use crate::profile::{self, line_of, DoorbellCount, Profile, Size};

/// An endpoint, or several, and the root complex that they are linked to. Paths are relative to the directory of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// Where the sockets are.
    #[serde(default = "default_directory")]
    pub directory: PathBuf,
    /// What joins the machines.
    #[serde(default)]
    pub emulator: Emulator,
    /// The endpoint.
    pub ep: Machine,
    /// More endpoints.
    #[serde(default)]
    pub endpoint: Vec<Endpoint>,
    /// The root complex.
    pub rc: Machine,
    /// Where all of this was written.
    #[serde(skip)]
    source: Source,
}

/// An endpoint with what joins it to a root port of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// What joins it.
    #[serde(default)]
    pub emulator: Emulator,
    /// Its machine.
    pub ep: Machine,
}

/// What joins the machines; the keys are the options of `run` without a file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Emulator {
    /// The board, or a file whose name ends in `.toml`.
    pub profile: Option<Spanned<String>>,
    /// How the outbound window reaches RC memory.
    pub window: WindowMode,
    /// Size of the outbound window instead of the profile's.
    pub window_size: Option<Spanned<Size>>,
    /// Trap every access of the RC to a BAR.
    pub trap_bars: bool,
    /// Number of doorbells instead of the profile's.
    pub doorbells: Option<Spanned<u16>>,
    /// File that gets one line per transaction.
    pub trace: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Source {
    path: PathBuf,
    text: String,
}

/// Why a topology cannot be used.
#[derive(Debug, Error)]
pub enum TopologyError {
    /// The file cannot be read.
    #[error("cannot read the topology {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// What is written there will not do.
    #[error("{file}:{line}: {reason}", file = file.display())]
    Wrong {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and what was expected.
        reason: String,
    },
}

impl Topology {
    /// Reads a file, and checks what can be checked without starting anything.
    ///
    /// # Errors
    ///
    /// See [`TopologyError`].
    pub fn load(path: &Path) -> Result<Self, TopologyError> {
        let text = fs::read_to_string(path).map_err(|source| TopologyError::Read {
            path: path.to_owned(),
            source,
        })?;
        let source = Source {
            path: path.to_owned(),
            text,
        };
        let mut topology: Self = toml::from_str(&source.text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            source.wrong(offset, error.message().replace('\n', ", "))
        })?;
        topology.source = source;
        topology.resolve()?;
        Ok(topology)
    }

    /// All endpoints, with what joins each.
    pub fn endpoints(&self) -> impl Iterator<Item = (&Emulator, &Machine)> {
        let more = self.endpoint.iter();
        let more = more.map(|endpoint| (&endpoint.emulator, &endpoint.ep));
        std::iter::once((&self.emulator, &self.ep)).chain(more)
    }

    /// What an emulator is to be.
    ///
    /// # Errors
    ///
    /// [`TopologyError::Wrong`] for what the board cannot be.
    pub fn settings(&self, emulator: &Emulator) -> Result<Settings, TopologyError> {
        let mut profile = match &emulator.profile {
            None => self.at(0, Profile::load(profile::DEFAULT))?,
            Some(name) => {
                let name_or_path = match name.get_ref() {
                    file if file.ends_with(".toml") => {
                        self.path(Path::new(file)).display().to_string()
                    }
                    name => name.clone(),
                };
                self.at(name.span().start, Profile::load(&name_or_path))?
            }
        };
        if let Some(size) = &emulator.window_size {
            self.at(size.span().start, profile.outbound.resize(*size.get_ref()))?;
        }
        if let Some(count) = &emulator.doorbells {
            let checked = DoorbellCount::try_from(*count.get_ref());
            profile.doorbells = self.at(count.span().start, checked)?;
        }
        Ok(Settings {
            profile,
            window_mode: emulator.window,
            trap_bars: emulator.trap_bars,
        })
    }

    /// Makes paths independent of the directory in which the program runs, and looks for the files.
    fn resolve(&mut self) -> Result<(), TopologyError> {
        let base = self.source.base();
        let mut terminals = 0;
        let more = self.endpoint.iter_mut();
        let (mut emulators, mut machines) =
            (vec![&mut self.emulator], vec![&mut self.ep, &mut self.rc]);
        for endpoint in more {
            emulators.push(&mut endpoint.emulator);
            machines.push(&mut endpoint.ep);
        }
        for machine in machines {
            machine
                .resolve(&base)
                .map_err(|(offset, reason)| self.source.wrong(offset, reason))?;
            terminals += usize::from(machine.console == Console::Terminal);
        }
        if terminals > 1 {
            let reason = "one machine can have the terminal: expected 'lines' or a file as the other's console";
            return Err(self.source.wrong(0, reason.to_owned()));
        }
        self.directory = base.join(&self.directory);
        for emulator in emulators {
            emulator.trace = emulator.trace.as_ref().map(|path| base.join(path));
        }
        Ok(())
    }

    fn path(&self, path: &Path) -> PathBuf {
        self.source.base().join(path)
    }

    /// Adds file and line to an error.
    fn at<T, E: ToString>(&self, offset: usize, result: Result<T, E>) -> Result<T, TopologyError> {
        result.map_err(|error| self.source.wrong(offset, error.to_string()))
    }
}

impl Source {
    fn base(&self) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).to_owned()
    }

    fn wrong(&self, offset: usize, reason: String) -> TopologyError {
        TopologyError::Wrong {
            file: self.path.clone(),
            line: line_of(&self.text, offset),
            reason,
        }
    }
}

fn default_directory() -> PathBuf {
    PathBuf::from("run")
}
