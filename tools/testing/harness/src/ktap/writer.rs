// SPDX-License-Identifier: GPL-2.0
//! Prints results: nested on standard output, and one suite as a document of its own in a file.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

use super::{Part, Verdict};
use crate::progress::Progress;

const VERSION: &str = "KTAP version 1";
const INDENT: &str = "    ";

/// Where the results of one suite go.
pub struct Writer<'a> {
    progress: &'a Progress,
    file: File,
    count: usize,
}

impl<'a> Writer<'a> {
    /// Prints the head of the document which the suites are part of.
    pub fn begin_document(progress: &Progress, suites: usize) {
        progress.say(VERSION);
        progress.say(&format!("1..{suites}"));
    }

    /// Prints the result of a suite in that document.
    pub fn end_suite(progress: &Progress, number: usize, name: &str, verdict: &Verdict) {
        progress.say(&result_line(number, name, verdict));
    }

    /// Begins a suite of `plan` cases, also written to `path`.
    pub fn begin_suite(
        progress: &'a Progress,
        path: &Path,
        name: &str,
        plan: usize,
    ) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
        let mut writer = Self {
            progress,
            file,
            count: 0,
        };
        writer.line(0, VERSION)?;
        writer.line(0, &format!("# Subtest: {name}"))?;
        writer.line(0, &format!("1..{plan}"))?;
        Ok(writer)
    }

    /// Prints the result of a case, after the results of its parts.
    pub fn case(
        &mut self,
        name: &str,
        parts: &[Part],
        notes: &[String],
        verdict: &Verdict,
    ) -> Result<()> {
        if !parts.is_empty() {
            self.line(1, VERSION)?;
            self.line(1, &format!("# Subtest: {name}"))?;
            self.line(1, &format!("1..{}", parts.len()))?;
        }
        for (index, part) in parts.iter().enumerate() {
            self.result(1, index + 1, &part.name, &part.verdict)?;
        }
        for note in notes {
            self.comment(0, note)?;
        }
        self.count += 1;
        self.result(0, self.count, name, verdict)
    }

    fn result(&mut self, depth: usize, number: usize, name: &str, verdict: &Verdict) -> Result<()> {
        if let Verdict::Failed(reason) = verdict {
            self.comment(depth, reason)?;
        }
        self.line(depth, &result_line(number, name, verdict))
    }

    fn comment(&mut self, depth: usize, text: &str) -> Result<()> {
        for line in text.lines() {
            self.line(depth, &format!("# {line}"))?;
        }
        Ok(())
    }

    fn line(&mut self, depth: usize, text: &str) -> Result<()> {
        writeln!(self.file, "{}{text}", INDENT.repeat(depth))?;
        self.progress
            .say(&format!("{}{text}", INDENT.repeat(depth + 1)));
        Ok(())
    }
}

fn result_line(number: usize, name: &str, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Passed => format!("ok {number} {name}"),
        Verdict::Failed(_) => format!("not ok {number} {name}"),
        Verdict::Skipped(reason) => format!("ok {number} {name} # SKIP {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_have_the_form_of_the_protocol() {
        assert_eq!(result_line(1, "a", &Verdict::Passed), "ok 1 a");
        assert_eq!(
            result_line(2, "a", &Verdict::Failed("x".into())),
            "not ok 2 a"
        );
        assert_eq!(
            result_line(3, "a", &Verdict::Skipped("no y".into())),
            "ok 3 a # SKIP no y"
        );
    }
}
