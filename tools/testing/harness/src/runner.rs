// SPDX-License-Identifier: GPL-2.0
//! Runs the cases of a suite one after the other on one bench, and reports each.
//!
//! A bench is what the cases of a suite need: nothing, one machine, or two joined by the emulator.
//! It is set up once. After a case that failed it is set up anew, so that one fault does not spoil
//! what follows. The kernel logs of its machines are looked at after each case; debug kernels are
//! asked for leaks when the suite ends.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{anyhow, bail, Result};

use crate::guest::Guest;
use crate::interrupt;
use crate::ktap::{Part, Tally, Verdict, Writer};
use crate::layout::Layout;
use crate::leaks;
use crate::progress::Progress;

/// What the cases of a suite run on.
pub trait Bench: Sized {
    /// Whether the cases leave the machines whole, so that debug kernels can be asked for leaks.
    const STAYS_WHOLE: bool = true;

    /// Makes it ready.
    fn set_up(layout: &Layout) -> Result<Self>;

    /// The machines whose kernel logs are watched.
    fn guests(&mut self) -> Vec<&mut Guest>;
}

/// One test with one purpose.
pub struct Case<B> {
    /// Short name, words joined by underscores.
    pub name: &'static str,
    /// What it shows, in one sentence.
    pub about: &'static str,
    /// The test: fails with an error, is skipped with [`Skip`].
    pub run: fn(&mut B, &mut Record) -> Result<()>,
}

/// What a case reports besides its end.
pub struct Record {
    case: &'static str,
    parts: Vec<Part>,
    notes: Vec<String>,
}

impl Record {
    fn new(case: &'static str) -> Self {
        Self {
            case,
            parts: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Name of the case, for those that differ in nothing else.
    pub fn case(&self) -> &'static str {
        self.case
    }

    /// Adds results of tests which the case has run. A failed part fails the case.
    pub fn parts(&mut self, parts: impl IntoIterator<Item = Part>) {
        self.parts.extend(parts);
    }

    /// Adds a line for the reader.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }
}

/// The error of a case that cannot run here, with the reason. Only for what is not required.
#[derive(Debug)]
pub struct Skip(pub String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// A suite, whatever its bench.
pub trait AnySuite {
    /// Short name, also that of its result file.
    fn name(&self) -> &'static str;
    /// Where it runs and what it is for.
    fn about(&self) -> &'static str;
    /// Names and purposes of its cases.
    fn list(&self) -> Vec<(&'static str, &'static str)>;
    /// Runs the cases that `wanted` accepts.
    fn run(
        &self,
        layout: &Layout,
        progress: &Progress,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Tally>;
}

/// Cases that share a bench.
pub struct Suite<B: 'static> {
    /// Short name, also that of its result file.
    pub name: &'static str,
    /// Where it runs and what it is for.
    pub about: &'static str,
    /// The cases in the order in which they run.
    pub cases: Vec<Case<B>>,
}

impl<B: Bench> AnySuite for Suite<B> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn list(&self) -> Vec<(&'static str, &'static str)> {
        self.cases
            .iter()
            .map(|case| (case.name, case.about))
            .collect()
    }

    fn run(
        &self,
        layout: &Layout,
        progress: &Progress,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Tally> {
        let mut cases: Vec<_> = self.cases.iter().filter(|case| wanted(case.name)).collect();
        let leaks = leaks::case();
        if layout.kernels().find_leaks() && B::STAYS_WHOLE {
            cases.push(&leaks);
        }
        let path = layout.results()?.join(format!("{}.ktap", self.name));
        let mut writer = Writer::begin_suite(progress, &path, self.name, cases.len())?;
        let mut stand = Stand {
            layout,
            progress,
            suite: self.name,
            bench: None,
            broken: None,
        };
        let mut tally = Tally::default();
        for case in cases {
            let mut record = Record::new(case.name);
            let begun = Instant::now();
            let own = stand.run(case, &mut record);
            interrupt::check()?;
            record.note(format!("{:.1} s", begun.elapsed().as_secs_f32()));
            let mut parts = Tally::default();
            record
                .parts
                .iter()
                .for_each(|part| parts.count(&part.verdict));
            // Parts count instead of the case they are part of, unless that has something to say.
            let verdict = match own {
                Verdict::Passed if !record.parts.is_empty() => parts.verdict(),
                own => {
                    tally.count(&own);
                    own
                }
            };
            tally.add(parts);
            writer.case(case.name, &record.parts, &record.notes, &verdict)?;
        }
        Ok(tally)
    }
}

/// The bench while a suite runs.
struct Stand<'a, B> {
    layout: &'a Layout,
    progress: &'a Progress,
    suite: &'static str,
    bench: Option<B>,
    /// Why the bench could not be set up. That is not tried again for every case.
    broken: Option<String>,
}

impl<B: Bench> Stand<'_, B> {
    fn run(&mut self, case: &Case<B>, record: &mut Record) -> Verdict {
        let progress = self.progress;
        let name = format!("{}.{}", self.suite, case.name);
        let result = self.bench().and_then(|bench| {
            progress.step(&name);
            run_case(bench, case, record)
        });
        match result {
            Ok(()) => Verdict::Passed,
            Err(error) => match error.downcast::<Skip>() {
                Ok(skip) => Verdict::Skipped(skip.0),
                Err(error) => {
                    let logs = match self.bench.take() {
                        Some(mut bench) => keep_logs(self.layout, &mut bench, &name),
                        None => Ok(None),
                    };
                    Verdict::Failed(match logs {
                        Ok(None) => format!("{error:#}"),
                        Ok(Some(path)) => format!("{error:#}\nlogs: {}", path.display()),
                        Err(other) => format!("{error:#}\nlogs are not kept: {other:#}"),
                    })
                }
            },
        }
    }

    fn bench(&mut self) -> Result<&mut B> {
        if let Some(reason) = &self.broken {
            bail!("not run, since the machines of this suite do not work: {reason}");
        }
        let bench = match self.bench.take() {
            Some(bench) => bench,
            None => {
                self.progress.step(&format!("{}: starting", self.suite));
                B::set_up(self.layout)
                    .inspect_err(|error| self.broken = Some(format!("{error:#}")))?
            }
        };
        Ok(self.bench.insert(bench))
    }
}

fn run_case<B: Bench>(bench: &mut B, case: &Case<B>, record: &mut Record) -> Result<()> {
    look_at_logs(bench, &format!("begin {}", case.name))
        .map_err(|error| anyhow!("before the case: {error:#}"))?;
    bench
        .guests()
        .into_iter()
        .try_for_each(Guest::rearm_warnings)?;
    let result = (case.run)(bench, record);
    let logs = look_at_logs(bench, &format!("end {}", case.name));
    match (result, logs) {
        (Err(error), Err(fault)) if !error.is::<Skip>() => bail!("{error:#}\n{fault:#}"),
        (Err(error), _) => Err(error),
        (Ok(()), logs) => logs,
    }
}

/// Fails when a machine logged a fault since the last look.
fn look_at_logs<B: Bench>(bench: &mut B, mark: &str) -> Result<()> {
    let mut found = Vec::new();
    for guest in bench.guests() {
        if guest.is_lost() {
            guest.rest_of_log()?;
        } else {
            guest.mark(mark)?;
        }
        let side = guest.side();
        let faults = guest.take_faults();
        found.extend(
            faults
                .iter()
                .map(|line| format!("{side} kernel log: {line}")),
        );
    }
    if !found.is_empty() {
        bail!("{}", found.join("\n"));
    }
    Ok(())
}

/// Copies what the machines and the emulator logged to where the next start of the machines leaves
/// it alone. Returns where that is, `None` when the bench has no machines.
fn keep_logs<B: Bench>(layout: &Layout, bench: &mut B, case: &str) -> Result<Option<PathBuf>> {
    if bench.guests().is_empty() {
        return Ok(None);
    }
    let directory = layout.results()?.join("logs").join(case);
    copy_logs(&layout.run()?, &directory)?;
    Ok(Some(directory))
}

/// Copies logs, and those of another endpoint, which has a directory in this one.
fn copy_logs(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let Some(name) = path.file_name() else {
            continue;
        };
        let to = to.join(name);
        let is_log = path
            .extension()
            .is_some_and(|end| end == "console" || end == "log");
        if is_log {
            fs::copy(&path, to)?;
        } else if path.join("emulator.log").exists() {
            copy_logs(&path, &to)?;
        }
    }
    Ok(())
}
