// SPDX-License-Identifier: GPL-2.0
//! What needs no machine: style, lints, documentation, tests of the pure crates, of the emulator
//! and of the harness itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};

use crate::guest::Guest;
use crate::ktap::{parse, Part, Verdict};
use crate::layout::Layout;
use crate::process::{command, tail_of, Process};
use crate::runner::{AnySuite, Bench, Case, Record, Suite};

/// For a tool that reads files.
const QUICK: Duration = Duration::from_secs(300);

/// For a tool that compiles everything from nothing on a busy machine.
const COMPILE: Duration = Duration::from_secs(1800);

/// Executions of each fuzz target: the whole case takes half a minute, `make fuzz` as long as one likes.
const FUZZ_RUNS: &str = "100000";

/// This machine, inside the build sysroot.
pub(super) struct Host {
    layout: Layout,
}

impl Bench for Host {
    fn set_up(layout: &Layout) -> Result<Self> {
        Ok(Self {
            layout: layout.clone(),
        })
    }

    fn guests(&mut self) -> Vec<&mut Guest> {
        Vec::new()
    }
}

/// The suite with its cases.
pub fn suite() -> impl AnySuite {
    Suite::<Host> {
        name: "host",
        about: "style, lints, documentation and the tests that need no machine",
        cases: vec![
            Case {
                name: "format",
                about: "all Rust code is formatted",
                run: |host, _| host.script(QUICK, "tools/build/format.sh", &["--check"]),
            },
            Case {
                name: "licences",
                about: "each file begins with its licence",
                run: licences,
            },
            Case {
                name: "unsafe_is_confined",
                about: "drivers have no unsafe code, unless the head of the file gives the reason",
                run: unsafe_is_confined,
            },
            Case {
                name: "scripts",
                about: "shellcheck finds nothing in the scripts",
                run: scripts,
            },
            Case {
                name: "check_kdir",
                about: "a kernel that the modules cannot be built for is refused in one sentence",
                run: |host, record| {
                    host.ktap(record, QUICK, "tools/testing/cases/check-kdir.sh", &[])
                },
            },
            Case {
                name: "documentation",
                about: "the documentation builds without a warning",
                run: documentation,
            },
            Case {
                name: "clippy_host",
                about: "clippy finds nothing in the host code",
                run: |host, _| host.script(COMPILE, "tools/build/host.sh", &["clippy"]),
            },
            Case {
                name: "clippy_rc",
                about: "clippy finds nothing in the modules of the RC",
                run: |host, _| host.clippy("rc"),
            },
            Case {
                name: "clippy_ep",
                about: "clippy finds nothing in the modules of the EP",
                run: |host, _| host.clippy("ep"),
            },
            Case {
                name: "cargo_test",
                about: "the tests of the pure crates, the emulator and the harness pass",
                run: cargo_test,
            },
            Case {
                name: "fuzz",
                about: "the fuzz targets bear their corpora and some more",
                run: |host, record| {
                    host.ktap(
                        record,
                        COMPILE,
                        "tools/build/fuzz.sh",
                        &["smoke", FUZZ_RUNS],
                    )
                },
            },
        ],
    }
}

impl Host {
    /// Runs a program in the tree, and returns what it printed and whether it succeeded. The log
    /// has the name of the program and of `what` it does.
    fn output(
        &self,
        bound: Duration,
        program: &str,
        what: &str,
        arguments: &[&str],
    ) -> Result<Printed> {
        let stem = Path::new(program)
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy();
        let log = self.logs()?.join(format!("{stem}-{what}.log"));
        let mut command = command(program);
        command
            .args(arguments)
            .current_dir(self.layout.tree())
            .env("TERM", "dumb");
        let status = Process::start(program, command, &log)?.wait(bound)?;
        let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        Ok(Printed {
            good: status.success(),
            text,
            log,
        })
    }

    /// Runs a script of the tree that must succeed.
    fn script(&self, bound: Duration, script: &str, arguments: &[&str]) -> Result<()> {
        self.output_of_script(bound, script, arguments).map(drop)
    }

    /// The same; returns what it printed.
    pub(super) fn output_of_script(
        &self,
        bound: Duration,
        script: &str,
        arguments: &[&str],
    ) -> Result<String> {
        let path = self.layout.tree().join(script);
        let what = arguments.first().copied().unwrap_or_default();
        let printed = self.output(
            bound,
            &path.to_string_lossy(),
            what.trim_matches('-'),
            arguments,
        )?;
        printed.check()?;
        Ok(printed.text)
    }

    /// Runs a script of the tree that prints KTAP, and records its results.
    fn ktap(
        &self,
        record: &mut Record,
        bound: Duration,
        script: &str,
        arguments: &[&str],
    ) -> Result<()> {
        let path = self.layout.tree().join(script);
        let printed = self.output(bound, &path.to_string_lossy(), "test", arguments)?;
        let parts = parse(printed.text.lines());
        ensure!(!parts.is_empty(), "no results: {}", printed.text);
        record.parts(parts);
        Ok(())
    }

    fn clippy(&self, side: &str) -> Result<()> {
        self.script(COMPILE, "tools/build/modules.sh", &[side, "CLIPPY=1"])
    }

    fn logs(&self) -> Result<PathBuf> {
        let path = self.layout.results()?.join("logs");
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// Returns the files that git knows, relative to the tree, with one of the given ends.
    fn files(&self, ends: &[&str]) -> Result<Vec<String>> {
        let tree = self.layout.tree();
        let output = Command::new("git")
            .args(["-c", "safe.directory=*", "ls-files"])
            .current_dir(tree)
            .output()
            .context("cannot start git")?;
        ensure!(
            output.status.success(),
            "git: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout)
            .lines()
            .filter(|path| ends.iter().any(|end| path.ends_with(end)) && tree.join(path).exists())
            .map(str::to_owned)
            .collect())
    }
}

/// What a program left.
struct Printed {
    good: bool,
    text: String,
    log: PathBuf,
}

impl Printed {
    fn check(&self) -> Result<()> {
        ensure!(
            self.good,
            "{}\nthe whole log is {}",
            tail_of(&self.log),
            self.log.display()
        );
        Ok(())
    }
}

fn licences(host: &mut Host, _: &mut Record) -> Result<()> {
    let ends = [
        ".rs", ".sh", ".c", ".h", ".rst", ".md", ".toml", ".config", "Kbuild", "Makefile",
    ];
    let mut missing = Vec::new();
    for file in host.files(&ends)? {
        let text = fs::read_to_string(host.layout.tree().join(&file))?;
        if !text
            .lines()
            .take(2)
            .any(|line| line.contains("SPDX-License-Identifier: "))
        {
            missing.push(file);
        }
    }
    ensure!(missing.is_empty(), "no SPDX line in {}", missing.join(", "));
    Ok(())
}

fn unsafe_is_confined(host: &mut Host, _: &mut Record) -> Result<()> {
    let mut found = Vec::new();
    for file in host.files(&[".rs"])? {
        if !file.starts_with("drivers/") && !file.starts_with("tools/testing/modules/") {
            continue;
        }
        let text = fs::read_to_string(host.layout.tree().join(&file))?;
        let code = |line: &&str| !line.trim_start().starts_with("//");
        let head: Vec<_> = text.lines().take_while(|line| !code(line)).collect();
        let uses = text.lines().filter(code).any(|line| {
            line.split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|word| word == "unsafe")
        });
        if uses && !head.iter().any(|line| line.contains("unsafe")) {
            found.push(file);
        }
    }
    ensure!(
        found.is_empty(),
        "unsafe code without a reason in the head of {}",
        found.join(", ")
    );
    Ok(())
}

fn scripts(host: &mut Host, _: &mut Record) -> Result<()> {
    let mut scripts = host.files(&[".sh"])?;
    // Those that are only sourced are read with the scripts that do so.
    scripts.retain(|path| !path.ends_with("/cache.sh") && !path.ends_with("/mirror.sh"));
    let others = [
        "tools/testing/run",
        "tools/testing/images/init",
        "tools/testing/harness/src/guest/nested.init",
        "tools/testing/emulator/example/run",
        "tools/testing/emulator/example/ep.init",
        "tools/testing/emulator/example/rc.init",
    ];
    scripts.extend(others.map(str::to_owned));
    let arguments: Vec<_> = scripts.iter().map(String::as_str).collect();
    host.output(QUICK, "shellcheck", "all", &arguments)?.check()
}

fn documentation(host: &mut Host, _: &mut Record) -> Result<()> {
    let source = "Documentation";
    let output = host.layout.results()?.join("html");
    let output = output.to_string_lossy();
    let arguments = ["-q", "-W", "-b", "html", "-c", source, source, &output];
    host.output(QUICK, "sphinx-build", "html", &arguments)?
        .check()
}

fn cargo_test(host: &mut Host, record: &mut Record) -> Result<()> {
    let script = host.layout.tree().join("tools/build/host.sh");
    let printed = host.output(COMPILE, &script.to_string_lossy(), "test", &["test"])?;
    let parts = parse_cargo(&printed);
    let explained = parts
        .iter()
        .any(|part| matches!(part.verdict, Verdict::Failed(_)));
    if !explained {
        printed.check()?;
    }
    if parts.is_empty() {
        bail!(
            "cargo ran no test; the whole log is {}",
            printed.log.display()
        );
    }
    record.parts(parts);
    Ok(())
}

/// Reads what the test programs print: "Running ... (target/.../deps/NAME-HASH)" in front of each
/// program, and "test NAME ... ok" for each test.
fn parse_cargo(printed: &Printed) -> Vec<Part> {
    let mut program = String::new();
    let mut parts = Vec::new();
    for line in printed.text.lines().map(str::trim) {
        if let Some((_, path)) = line
            .strip_prefix("Running ")
            .and_then(|rest| rest.split_once('('))
        {
            let file = path
                .trim_end_matches(')')
                .rsplit('/')
                .next()
                .unwrap_or(path);
            program = file
                .rsplit_once('-')
                .map_or(file, |(name, _)| name)
                .to_owned();
        } else if let Some(name) = line.strip_prefix("Doc-tests ") {
            program = format!("{name}.doc");
        } else if let Some((name, result)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.rsplit_once(" ... "))
        {
            let verdict = match result {
                "ok" => Verdict::Passed,
                "FAILED" => Verdict::Failed(format!("the log is {}", printed.log.display())),
                _ => Verdict::Skipped(result.trim_start_matches("ignored, ").to_owned()),
            };
            let name = name.split(" - ").next().unwrap_or(name);
            parts.push(Part {
                name: format!("{program}.{name}"),
                verdict,
            });
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_results_get_the_name_of_their_program() {
        let text = "     Running unittests src/lib.rs (/c/target/debug/deps/virtio-0123abcd)\n\
            running 2 tests\ntest split::pops ... ok\ntest split::hangs - should panic ... FAILED\n\
            test slow ... ignored, takes a day\n";
        let printed = Printed {
            good: false,
            text: text.into(),
            log: "cargo.log".into(),
        };
        let parts = parse_cargo(&printed);
        let names: Vec<_> = parts.iter().map(|part| part.name.as_str()).collect();
        assert_eq!(
            names,
            ["virtio.split::pops", "virtio.split::hangs", "virtio.slow"]
        );
        assert_eq!(parts[0].verdict, Verdict::Passed);
        assert!(matches!(parts[1].verdict, Verdict::Failed(_)));
        assert_eq!(parts[2].verdict, Verdict::Skipped("takes a day".into()));
    }
}
