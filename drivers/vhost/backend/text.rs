// SPDX-License-Identifier: GPL-2.0

//! The text of configfs attributes: one value per file, with a newline at the end.

use core::str::FromStr;
use kernel::{
    fmt::{
        Display,
        Write, //
    },
    page::PAGE_SIZE,
    prelude::*,
    str::{
        CString,
        Formatter, //
    },
};

/// Shows a value; returns the length of the text.
///
/// # Errors
///
/// `EINVAL`: the text is longer than a page.
pub(crate) fn show(page: &mut [u8; PAGE_SIZE], value: impl Display) -> Result<usize> {
    let mut text = Formatter::new(page);
    text.write_fmt(fmt!("{value}\n"))?;
    Ok(text.bytes_written())
}

/// Returns what was stored, without white space around it.
///
/// # Errors
///
/// `EINVAL`: it is not UTF-8.
pub(crate) fn trimmed(page: &[u8]) -> Result<&str> {
    Ok(core::str::from_utf8(page)?.trim())
}

/// Returns the value that was stored.
///
/// # Errors
///
/// `EINVAL`: it is not such a value.
pub fn parse<T: FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| EINVAL)
}

/// Returns the string that was stored, or `None` for an empty line.
///
/// # Errors
///
/// `EINVAL`: it has a zero byte; `ENOMEM`: no memory.
pub fn string(text: &str) -> Result<Option<CString>> {
    match text {
        "" => Ok(None),
        text => CString::try_from_fmt(fmt!("{text}")).map(Some),
    }
}

/// Returns the text of a string attribute that may be unset.
pub fn or_empty(string: Option<&CString>) -> &str {
    string.and_then(|string| string.to_str().ok()).unwrap_or("")
}
