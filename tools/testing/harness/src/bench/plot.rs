// SPDX-License-Identifier: GPL-2.0
//! Results as bars, in SVG: one group for each transfer or load, one bar for each peer.

use std::fs;
use std::path::Path;

use anyhow::{anyhow, Result};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::peers::PEERS;
use super::prediction::drawn;
use super::results::Results;

/// Pixels: of the whole width, of the names of groups, of one bar, and of what is above and below them.
const WIDTH: u32 = 900;
const NAMES: u32 = 250;
const BAR: u32 = 13;
const FRAME: u32 = 90;

/// Height of letters, and pixels between a name and its bars.
const LETTERS: u32 = 13;
const GAP: i32 = 6;

/// A value of a peer in a group.
struct Bar {
    group: String,
    peer: &'static str,
    value: f64,
    /// The least and the most of several runs.
    spread: Option<(f64, f64)>,
}

/// Bars that share an axis.
struct Chart {
    name: &'static str,
    axis: &'static str,
    bars: Vec<Bar>,
}

/// Where the names of groups are, and the bars: the middle of each name, and the upper edge of each bar.
struct Placed<'a> {
    names: Vec<(String, f64)>,
    bars: Vec<(&'a Bar, f64)>,
}

/// Draws all charts that have something to show into a directory.
pub fn draw(results: &Results, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)?;
    let charts = [predicted(results), timed(results)];
    let shown = charts.iter().filter(|chart| !chart.bars.is_empty());
    shown.into_iter().try_for_each(|chart| {
        let path = directory.join(format!("{}.svg", chart.name));
        chart
            .draw(&path)
            .map_err(|error| anyhow!("cannot draw {}: {error}", path.display()))
    })
}

fn predicted(results: &Results) -> Chart {
    let bars = results.counted.iter().filter_map(|counted| {
        let prediction = drawn(&counted.predictions)?;
        Some(Bar {
            group: counted.what.clone(),
            peer: counted.peer,
            value: prediction.rc_us.max(prediction.ep_us),
            spread: None,
        })
    });
    Chart {
        name: "predicted",
        axis: "microseconds of the slower side for each transfer, predicted for rk3588, DMA polled",
        bars: bars.collect(),
    }
}

fn timed(results: &Results) -> Chart {
    let bars = results.timed.iter().map(|timed| {
        let rate = timed.timing.per_second;
        Bar {
            group: timed.what.clone(),
            peer: timed.peer,
            value: rate.median,
            spread: (results.runs > 1).then_some((rate.least, rate.most)),
        }
    });
    Chart {
        name: "timed",
        axis: "operations per second, on emulated machines",
        bars: bars.collect(),
    }
}

impl Chart {
    fn draw(&self, path: &Path) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
        let groups = distinct(self.bars.iter().map(|bar| bar.group.as_str()));
        // Each group has its bars, and a gap of one.
        let rows = self.bars.len() + groups.len();
        let height = FRAME + BAR * u32::try_from(rows).unwrap_or(u32::MAX);
        let (low, high) = self.range();
        let root = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .margin(20)
            .x_label_area_size(40)
            .y_label_area_size(NAMES)
            .build_cartesian_2d((low..high).log_scale(), rows as f64..0.0)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .x_desc(self.axis)
            .x_label_formatter(&|value| value.to_string())
            .label_style(("sans-serif", LETTERS))
            .draw()?;
        let style = ("sans-serif", LETTERS)
            .into_text_style(&root)
            .pos(Pos::new(HPos::Right, VPos::Center));
        let Placed { names, bars } = self.place(&groups);
        chart.draw_series(names.into_iter().map(|(name, middle)| {
            EmptyElement::at((low, middle)) + Text::new(name, (-GAP, 0), style.clone())
        }))?;
        // A peer has the same colour in each chart.
        for (index, peer) in PEERS.iter().map(|peer| peer.name).enumerate() {
            let colour = Palette99::pick(index).mix(0.8);
            let mut of_peer = bars.iter().filter(|(bar, _)| bar.peer == peer).peekable();
            if of_peer.peek().is_none() {
                continue;
            }
            let drawn = of_peer.map(|(bar, top)| {
                Rectangle::new([(low, *top), (bar.value, top + 0.9)], colour.filled())
            });
            chart.draw_series(drawn)?.label(peer).legend(move |(x, y)| {
                Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled())
            });
        }
        chart.draw_series(bars.iter().filter_map(|(bar, top)| {
            let (least, most) = bar.spread?;
            Some(PathElement::new(
                [(least, top + 0.45), (most, top + 0.45)],
                BLACK,
            ))
        }))?;
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK)
            .label_font(("sans-serif", LETTERS))
            .draw()?;
        root.present()
    }

    /// All values, from a power of ten on, with a fifth of the axis left for the legend.
    fn range(&self) -> (f64, f64) {
        let values = self.bars.iter().map(|bar| bar.value);
        let (least, most) = values.fold((f64::MAX, 0.0), |(least, most), value| {
            (value.min(least), value.max(most))
        });
        let low = 10f64.powf((least * 0.8).log10().floor());
        (low, most * (most / low).powf(0.25))
    }

    /// Puts the bars of each group below each other.
    fn place(&self, groups: &[&str]) -> Placed<'_> {
        let (mut names, mut bars) = (Vec::new(), Vec::new());
        let mut top = 0.5;
        for group in groups {
            let first = top;
            for bar in self.bars.iter().filter(|bar| bar.group == *group) {
                bars.push((bar, top));
                top += 1.0;
            }
            names.push(((*group).to_owned(), (first + top) / 2.0));
            top += 1.0;
        }
        Placed { names, bars }
    }
}

/// Names in the order in which they first come, each once.
pub fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    names.fold(Vec::new(), |mut all, name| {
        if !all.contains(&name) {
            all.push(name);
        }
        all
    })
}
