// SPDX-License-Identifier: GPL-2.0
//! Results as tables: for a terminal, and for the documentation, which includes them.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::growth::{Axis, Point};
use super::plan::{What, FRAME, SEGMENT};
use super::results::{Counted, Results, Timed};

/// A table.
struct Table {
    /// Name of its file.
    name: &'static str,
    header: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

/// Leaves a file for each table in a directory.
pub fn write(results: &Results, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)?;
    for table in tables(results) {
        let path = directory.join(format!("{}.inc", table.name));
        fs::write(&path, table.rst())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// All tables, for a terminal.
pub fn text(results: &Results) -> String {
    let tables = tables(results);
    tables.iter().map(|table| table.text() + "\n").collect()
}

/// Those that have rows.
fn tables(results: &Results) -> Vec<Table> {
    let all = [
        crossings(results),
        predictions(results),
        growth(results),
        timings(results),
    ];
    let filled = all.into_iter().filter(|table| !table.rows.is_empty());
    filled.collect()
}

fn crossings(results: &Results) -> Table {
    let row = |counted: &Counted| {
        let found = &counted.crossings;
        let figures = [
            found.ep_reads.all,
            found.ep_writes.all,
            found.rc_reads.all,
            found.rc_writes.all,
            found.rc_lines,
            found.dma,
            found.dma_bytes,
            found.doorbells,
            found.interrupts,
            found.config,
        ];
        let named = [counted.what.clone(), counted.peer.to_owned()].into_iter();
        named.chain(figures.map(short)).collect()
    };
    Table {
        name: "crossings",
        header: &[
            "transfer",
            "peer",
            "EP loads",
            "EP stores",
            "RC loads",
            "RC stores",
            "combined",
            "DMA",
            "bytes by DMA",
            "doorbells",
            "interrupts",
            "config",
        ],
        rows: by_what(&results.counted, |counted| &counted.what)
            .map(row)
            .collect(),
    }
}

fn predictions(results: &Results) -> Table {
    let counted = by_what(&results.counted, |counted| &counted.what);
    let rows = counted.flat_map(|counted| {
        counted.predictions.iter().map(|prediction| {
            let published = counted.published(prediction.board);
            let rate = |per_second| in_units(counted.transfer.what, per_second);
            vec![
                counted.what.clone(),
                counted.peer.to_owned(),
                prediction.board.to_owned(),
                short(prediction.rc_us),
                short(prediction.ep_us),
                rate(prediction.per_second),
                published.map_or("none".to_owned(), |published| rate(published.per_second)),
                published.map_or(String::new(), |published| {
                    let error = prediction.per_second / published.per_second - 1.0;
                    format!("{:+.0} %", 100.0 * error)
                }),
            ]
        })
    });
    Table {
        name: "predictions",
        header: &[
            "transfer",
            "peer",
            "board",
            "RC us",
            "EP us",
            "predicted",
            "published",
            "error",
        ],
        rows: rows.collect(),
    }
}

fn growth(results: &Results) -> Table {
    let row = |point: &Point| {
        let found = &point.crossings;
        let figures = [
            found.ep_reads.all,
            found.ep_writes.all,
            found.rc_writes.all,
            found.dma,
            point.us,
        ];
        let named = [
            point.axis.name().to_owned(),
            point.value.to_string(),
            point.path.to_owned(),
        ];
        named.into_iter().chain(figures.map(short)).collect()
    };
    let of_axis = |axis| results.grown.iter().filter(move |point| point.axis == axis);
    Table {
        name: "growth",
        header: &[
            "what grows",
            "to",
            "path",
            "EP loads",
            "EP stores",
            "RC stores",
            "DMA",
            "us",
        ],
        rows: Axis::ALL.into_iter().flat_map(of_axis).map(row).collect(),
    }
}

fn timings(results: &Results) -> Table {
    let row = |timed: &Timed| {
        // The first peer that has a load is ours.
        let ours = results.timed.iter().find(|other| other.what == timed.what);
        let rate = timed.timing.per_second;
        let ratio = ours.map(|ours| rate.median / ours.timing.per_second.median);
        vec![
            timed.what.clone(),
            timed.peer.to_owned(),
            short(rate.median),
            format!("{} to {}", short(rate.least), short(rate.most)),
            ratio.map_or(String::new(), |ratio| format!("{ratio:.2}")),
            short(timed.timing.rc_us.median),
            timed
                .timing
                .ep_us
                .map_or(String::new(), |us| short(us.median)),
        ]
    };
    Table {
        name: "timings",
        header: &[
            "load",
            "peer",
            "per second",
            "spread",
            "of ours",
            "RC us",
            "EP us",
        ],
        rows: by_what(&results.timed, |timed| &timed.what)
            .map(row)
            .collect(),
    }
}

/// Puts peers of the same transfer or load beside each other, in the order in which these first come.
fn by_what<T>(all: &[T], what: fn(&T) -> &String) -> impl Iterator<Item = &T> {
    let mut names: Vec<&String> = Vec::new();
    for item in all {
        if !names.contains(&what(item)) {
            names.push(what(item));
        }
    }
    let of = move |name| all.iter().filter(move |item| what(item) == name);
    names.into_iter().flat_map(of)
}

fn in_units(what: What, per_second: f64) -> String {
    match what {
        What::Read | What::Write => format!("{} kIOPS", short(per_second / 1e3)),
        What::ToEp | What::ToRc => {
            format!(
                "{} Mbit/s",
                short(per_second * f64::from(FRAME) * 8.0 / 1e6)
            )
        }
        What::RoundTrip => format!("{} us", short(1e6 / per_second)),
        What::StreamToEp | What::StreamToRc => {
            format!(
                "{} Mbit/s",
                short(per_second * f64::from(SEGMENT) * 8.0 / 1e6)
            )
        }
    }
}

/// Three digits that count, as far as a reader can tell them apart.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

impl Table {
    /// For the documentation: a file that another one includes.
    fn rst(&self) -> String {
        let mut text = String::from(
            ".. SPDX-License-Identifier: GPL-2.0\n.. Written by `make bench`.\n\n.. csv-table::\n",
        );
        let line = |cells: &[String]| {
            let cells: Vec<_> = cells.iter().map(|cell| format!("\"{cell}\"")).collect();
            cells.join(", ")
        };
        let header = self
            .header
            .iter()
            .map(|cell| (*cell).to_owned())
            .collect::<Vec<_>>();
        // Writing to a string does not fail.
        let _ = writeln!(text, "   :header: {}\n", line(&header));
        for row in &self.rows {
            let _ = writeln!(text, "   {}", line(row));
        }
        text
    }

    /// For a terminal.
    fn text(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            widest.max(self.header.get(column).map_or(0, |cell| cell.len()))
        };
        let widths: Vec<_> = (0..self.header.len()).map(width).collect();
        let line = |cells: Vec<&str>| {
            let padded = cells
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"));
            let line = padded.collect::<Vec<_>>().join("  ");
            line.trim_end().to_owned() + "\n"
        };
        let rows = self
            .rows
            .iter()
            .map(|row| line(row.iter().map(String::as_str).collect()));
        line(self.header.to_vec()) + &rows.collect::<String>()
    }
}
