// SPDX-License-Identifier: GPL-2.0
//! All profiles of the program side by side, for people.

use epc_regs::BarKind;

use super::{BarRule, Dma, Intx, Masked, Profile, ProfileError, Size, BUILTIN};

const HEAD: [&str; 10] = [
    "name",
    "functions",
    "windows",
    "space",
    "align",
    "BARs",
    "interrupts",
    "events",
    "doorbells",
    "DMA",
];

/// Returns one line per profile, in columns.
///
/// # Errors
///
/// See [`ProfileError`].
pub fn table() -> Result<String, ProfileError> {
    let mut rows = vec![HEAD.map(str::to_owned)];
    for builtin in BUILTIN {
        rows.push(row(builtin.name, &builtin.profile()?));
    }
    let mut widths = [0; HEAD.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    let line = |row: &[String; HEAD.len()]| {
        let cells = row.iter().zip(widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    Ok(rows.iter().map(line).collect())
}

fn row(name: &str, profile: &Profile) -> [String; HEAD.len()] {
    let (outbound, inbound) = (&profile.outbound, &profile.inbound);
    let align = inbound
        .align
        .map_or("-".to_owned(), |size| size.to_string());
    [
        name.to_owned(),
        profile.functions.get().to_string(),
        windows(profile),
        outbound
            .spaces
            .iter()
            .map(Size::to_string)
            .collect::<Vec<_>>()
            .join("+"),
        format!("{} out, {align} in", outbound.align),
        bars(profile),
        interrupts(profile),
        profile.events.len().to_string(),
        profile.doorbells.get().to_string(),
        dma(&profile.dma),
    ]
}

fn windows(profile: &Profile) -> String {
    let (outbound, inbound) = (&profile.outbound, &profile.inbound);
    let of_each = if inbound.per_function { " each" } else { "" };
    format!("{} out, {} in{of_each}", outbound.windows, inbound.windows)
}

fn dma(dma: &Dma) -> String {
    let counts = [(dma.read, "read"), (dma.write, "write"), (dma.copy, "copy")];
    let some = counts.into_iter().filter(|(count, _)| *count > 0);
    let words: Vec<_> = some
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if words.is_empty() {
        return "-".to_owned();
    }
    words.join(", ")
}

fn bars(profile: &Profile) -> String {
    let name = |bar: &BarRule| {
        let kind = match bar.kind {
            BarKind::Programmable => "any".to_owned(),
            BarKind::Fixed => bar.size.map_or_else(String::new, |size| size.to_string()),
            BarKind::Resizable => ">=1M".to_owned(),
            BarKind::Reserved => "own".to_owned(),
            BarKind::Disabled => "-".to_owned(),
        };
        format!("{kind}{}", if bar.only_64bit { "/64" } else { "" })
    };
    profile.bars.iter().map(name).collect::<Vec<_>>().join(" ")
}

fn interrupts(profile: &Profile) -> String {
    let interrupts = &profile.interrupts;
    let intx = match interrupts.intx {
        Intx::None => None,
        Intx::Unannounced => Some("(INTx)".to_owned()),
        Intx::Announced => Some("INTx".to_owned()),
    };
    let msi = (interrupts.msi > 0).then(|| format!("{} MSI", interrupts.msi));
    let msix = interrupts.msix.map(|msix| {
        let masked = match msix.masked {
            Masked::Pending => "",
            Masked::Refused => " (masked: refused)",
            Masked::Sent => " (masked: sent)",
        };
        format!("{} MSI-X{masked}", msix.vectors)
    });
    [intx, msi, msix]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}
