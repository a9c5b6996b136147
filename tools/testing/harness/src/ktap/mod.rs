// SPDX-License-Identifier: GPL-2.0
//! The kernel's test protocol, KTAP version 1 (Documentation/dev-tools/ktap.rst of the kernel):
//! what the harness prints, and what it reads from KUnit and kselftests.

mod parser;
mod writer;

pub use parser::parse;
pub use writer::Writer;

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should.
    Passed,
    /// Not so; the reason, which may be several lines.
    Failed(String),
    /// It could not be run here; the reason.
    Skipped(String),
}

/// A result with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Name without spaces at its ends; dots separate levels.
    pub name: String,
    /// The result.
    pub verdict: Verdict,
}

/// Numbers of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tests that passed.
    pub passed: usize,
    /// Tests that failed.
    pub failed: usize,
    /// Tests that were skipped.
    pub skipped: usize,
}

impl Tally {
    /// Counts one more result.
    pub fn count(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Passed => self.passed += 1,
            Verdict::Failed(_) => self.failed += 1,
            Verdict::Skipped(_) => self.skipped += 1,
        }
    }

    /// Adds the numbers of another part of the run.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// What the whole amounts to: failed if a part failed, skipped if nothing else happened.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self { failed: 1.., .. } => Verdict::Failed(format!("{} failed", self.failed)),
            Self {
                passed: 0,
                skipped: 1..,
                ..
            } => Verdict::Skipped("all parts".to_owned()),
            _ => Verdict::Passed,
        }
    }
}
