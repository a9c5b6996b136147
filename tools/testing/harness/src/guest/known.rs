// SPDX-License-Identifier: GPL-2.0
//! The one warning of debug kernels that is no fault of a module.
//!
//! `configfs::Subsystem::new` in the kernel's rust/kernel/configfs.rs is generic, so each module that
//! has a directory in configfs compiles its own. The key of the lock class of `su_mutex` is a static
//! in it, one for all modules; the name of the class is a literal, one in each module. Lockdep
//! compares the addresses of names, and warns when the second of two modules uses its directory
//! (look_up_lock_class() in kernel/locking/lockdep.c). The locking is right, and a module can do
//! nothing: the mutex is private, and in use as soon as it is made.

use super::log::message;

const BEGIN: &str = "------------[ cut here ]------------";
const END: &str = "---[ end trace";

/// A warning of which lines still come.
#[derive(Default)]
struct Open {
    faults: Vec<String>,
    known: bool,
}

/// Faults in the order in which the kernel logged them, without those of the known warning.
#[derive(Default)]
pub struct Faults {
    found: Vec<String>,
    open: Option<Open>,
}

impl Faults {
    /// Takes the next line of the log.
    pub fn add(&mut self, line: &str, is_fault: bool) {
        if line.contains(BEGIN) {
            self.close();
            self.open = Some(Open::default());
        }
        let Some(open) = &mut self.open else {
            self.found.extend(is_fault.then(|| line.to_owned()));
            return;
        };
        open.known |= is_known(message(line));
        open.faults.extend(is_fault.then(|| line.to_owned()));
        if line.contains(END) {
            self.close();
        }
    }

    /// Returns what was found since the last call.
    pub fn take(&mut self) -> Vec<String> {
        self.close();
        std::mem::take(&mut self.found)
    }

    fn close(&mut self) {
        let Some(Open { mut faults, known }) = self.open.take() else {
            return;
        };
        // Another processor's fault may have come in between.
        faults.retain(|line| !(known && is_head_of_known(message(line))));
        self.found.append(&mut faults);
    }
}

/// Says whether this is the text of the warning: equal names, and of the one place in the kernel.
fn is_known(text: &str) -> bool {
    text.strip_prefix("Looking for class \"")
        .and_then(|rest| rest.split_once("\" with key "))
        .is_some_and(|(name, rest)| {
            name.contains("/rust/kernel/configfs.rs:")
                && rest.ends_with(&format!(
                    "but found a different class \"{name}\" with the same key"
                ))
        })
}

/// Says whether this line is of every such warning, whatever its text.
fn is_head_of_known(line: &str) -> bool {
    line.starts_with("WARNING: kernel/locking/lockdep.c:") && line.contains("look_up_lock_class")
        || line.eq_ignore_ascii_case("call trace:")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = "[   73.438996] Looking for class \"/linux/rust/kernel/configfs.rs:168\" with key \
        _RNvNCNCNvMs0_NtCsb5MLIFMWygY_6kernel8configfsINtBb_9SubsystempE3news_005CLASS, but found a different class \
        \"/linux/rust/kernel/configfs.rs:168\" with the same key";
    const HEAD: &str =
        "[   73.448821] WARNING: kernel/locking/lockdep.c:942 at look_up_lock_class+0x150/0x158, CPU#0: mkdir/371";
    const TRACE: &str = "[   73.461846] Call trace:";

    /// Returns what is left of a warning with these lines in it, all of which look like faults.
    fn faults_of(lines: &[&str]) -> Vec<String> {
        let mut faults = Faults::default();
        faults.add(&format!("[  36.0] {BEGIN}"), false);
        for line in lines {
            faults.add(line, *line != KNOWN);
        }
        faults.add(&format!("[  36.4] {END} 0000000000000000 ]---"), false);
        faults.take()
    }

    #[test]
    fn known_warning_is_left_out() {
        assert!(faults_of(&[KNOWN, HEAD, TRACE]).is_empty());
    }

    #[test]
    fn nothing_but_the_known_warning_is_left_out() {
        assert_eq!(faults_of(&[HEAD, TRACE]), [HEAD, TRACE]);
        for other in [
            KNOWN.replace("configfs.rs", "workqueue.rs"),
            KNOWN.replacen(":168", ":170", 1),
        ] {
            assert_eq!(faults_of(&[&other, HEAD]), [&*other, HEAD]);
        }
        let bug = "[  36.3] BUG: KASAN: slab-use-after-free in f+0x1/0x2";
        assert_eq!(faults_of(&[KNOWN, HEAD, bug, TRACE]), [bug]);
    }

    #[test]
    fn faults_outside_of_warnings_and_in_open_ones_are_kept() {
        let mut faults = Faults::default();
        faults.add(TRACE, true);
        faults.add(BEGIN, false);
        faults.add(HEAD, true);
        assert_eq!(faults.take(), [TRACE, HEAD]);
    }
}
