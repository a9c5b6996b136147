// SPDX-License-Identifier: GPL-2.0
//! Growth as curves, in SVG: one panel for each axis, one curve for each path.

use std::fs;
use std::path::Path;

use anyhow::{anyhow, Result};
use plotters::coord::Shift;
use plotters::prelude::*;

use super::growth::{Axis, Point};
use super::plot::distinct;

/// Pixels of all panels, two of which are beside each other.
const SIZE: (u32, u32) = (900, 960);

/// Height of letters.
const LETTERS: u32 = 13;

/// Numbers at an axis, about.
const NUMBERS: usize = 5;

type Error = DrawingAreaErrorKind<std::io::Error>;
type Panel<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws growth.svg into a directory, if there are points.
pub fn draw(points: &[Point], directory: &Path) -> Result<()> {
    if points.is_empty() {
        return Ok(());
    }
    fs::create_dir_all(directory)?;
    let path = directory.join("growth.svg");
    draw_all(points, &path).map_err(|error| anyhow!("cannot draw {}: {error}", path.display()))
}

fn draw_all(points: &[Point], path: &Path) -> Result<(), Error> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    for (axis, panel) in Axis::ALL.into_iter().zip(root.split_evenly((3, 2))) {
        let of_axis: Vec<_> = points.iter().filter(|point| point.axis == axis).collect();
        draw_panel(axis, &of_axis, &panel)?;
    }
    root.present()
}

fn draw_panel(axis: Axis, points: &[&Point], panel: &Panel<'_>) -> Result<(), Error> {
    let (mut x, y) = (
        range(points, |point| f64::from(point.value)),
        range(points, |point| point.us),
    );
    // Beside the curves is room for their names.
    x.end *= (x.end / x.start).powf(0.4);
    let mut chart = ChartBuilder::on(panel)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(x.log_scale(), y.log_scale())?;
    chart
        .configure_mesh()
        .x_desc(axis.name())
        .y_desc("us for each")
        .x_labels(NUMBERS)
        .x_label_formatter(&|value| value.to_string())
        .y_label_formatter(&|value| value.to_string())
        .label_style(("sans-serif", LETTERS))
        .light_line_style(TRANSPARENT)
        .draw()?;
    let paths = distinct(points.iter().map(|point| point.path));
    for (index, path) in paths.into_iter().enumerate() {
        let colour = Palette99::pick(index).mix(0.8);
        let of_path = points.iter().filter(|point| point.path == path);
        let places: Vec<_> = of_path
            .map(|point| (f64::from(point.value), point.us))
            .collect();
        let dots = places.clone().into_iter();
        chart.draw_series(dots.map(|place| Circle::new(place, 3, colour.filled())))?;
        chart
            .draw_series([PathElement::new(places, colour.stroke_width(2))])?
            .label(path)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 12, y)], colour));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK)
        .label_font(("sans-serif", LETTERS))
        .draw()
}

/// All values, with as much room around them as a fifth of a power of ten.
fn range(points: &[&Point], of: fn(&Point) -> f64) -> std::ops::Range<f64> {
    let values = points.iter().map(|point| of(point));
    let (least, most) = values.fold((f64::MAX, 0.0), |(least, most): (f64, f64), value| {
        (least.min(value), most.max(value))
    });
    let room = 10f64.powf(0.2);
    least / room..most * room
}
