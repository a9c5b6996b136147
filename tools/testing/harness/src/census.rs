// SPDX-License-Identifier: GPL-2.0
//! What a kernel holds, to see that nothing is left behind.

use std::time::Duration;

use anyhow::{ensure, Context, Result};

use crate::guest::Guest;
use crate::interrupt::wait_for;
use crate::runner::Bench;

/// How often something is made and taken away between two counts.
const CYCLES: u32 = 50;

/// Cycles before the first count, which fill the caches of allocators.
const WARM_UP: u32 = 5;

/// How often counts are compared before growth is called a leak. Caches fill up once; a leak grows
/// each time.
const ROUNDS: u32 = 3;

/// How much more memory may be in use after `CYCLES`. The smallest leak, a page each, is more.
const NOISE_KIB: i64 = 128;

/// For memory that is given back later (RCU, lazy unmapping) to be given back.
const SETTLE_BOUND: Duration = Duration::from_secs(5);

/// Repeats something that makes and takes away, and fails when a machine of the bench holds more
/// each time.
pub fn leaves_nothing<B: Bench>(
    bench: &mut B,
    mut cycle: impl FnMut(&mut B) -> Result<()>,
) -> Result<()> {
    (0..WARM_UP).try_for_each(|_| cycle(bench))?;
    let mut result = Ok(());
    for _ in 0..ROUNDS {
        let before = count_all(bench)?;
        (0..CYCLES).try_for_each(|_| cycle(bench))?;
        let mut guests = bench.guests().into_iter().zip(&before);
        result = guests.try_for_each(|(guest, before)| before.compare(guest));
        if result.is_ok() {
            break;
        }
    }
    result
}

fn count_all<B: Bench>(bench: &mut B) -> Result<Vec<Census>> {
    bench.guests().into_iter().map(Census::take).collect()
}

/// Threads of the kernel (those of shared pools come and go), interrupts, mappings of devices.
const THINGS: &str = r#"
    for task in /proc/[0-9]*; do
        [ -z "$(tr -d '\0' <$task/cmdline)" ] && echo "thread $(cat $task/comm)"
    done 2>/dev/null | grep -v 'kworker/[0-9u]' | sort
    awk 'NR > 1 { print "interrupt", $1, $NF }' /proc/interrupts | sort
    awk '/ioremap/ { print "mapping", $2, $3 }' /proc/vmallocinfo | sort
"#;

/// Memory that is in use for more than caches, in KiB. Pages on the lists of a processor are free,
/// but no part of MemFree.
const MEMORY: &str = r#"
    sync; echo 3 >/proc/sys/vm/drop_caches
    awk '/^(MemFree|Buffers|Cached|SReclaimable):/ { free += $2 } /^ +count:/ { free += 4 * $2 }
        /^MemTotal:/ { all = $2 } END { print all - free }' /proc/meminfo /proc/zoneinfo
"#;

/// A count at one moment.
struct Census {
    things: String,
    memory_kib: i64,
}

impl Census {
    /// Counts.
    fn take(guest: &mut Guest) -> Result<Self> {
        Ok(Self {
            things: guest.sh(THINGS)?,
            memory_kib: memory_kib(guest)?,
        })
    }

    /// Fails when the guest holds more than at the time of this count.
    fn compare(&self, guest: &mut Guest) -> Result<()> {
        let side = guest.side();
        let now = guest.sh(THINGS)?;
        let left = surplus(&now, &self.things);
        ensure!(left.is_empty(), "{side}: left behind: {}", left.join(", "));
        let mut growth = i64::MAX;
        wait_for("the return of all memory", SETTLE_BOUND, || {
            growth = growth.min(memory_kib(guest)? - self.memory_kib);
            Ok((growth <= NOISE_KIB).then_some(()))
        })
        .with_context(|| format!("{side}: {growth} KiB more than before are in use"))
    }
}

fn memory_kib(guest: &mut Guest) -> Result<i64> {
    let text = guest.sh(MEMORY)?;
    text.parse().with_context(|| format!("no number: '{text}'"))
}

/// Returns the lines of `now` that `before` does not have as often.
fn surplus<'a>(now: &'a str, before: &str) -> Vec<&'a str> {
    let mut before: Vec<_> = before.lines().collect();
    now.lines()
        .filter(|line| match before.iter().position(|old| old == line) {
            Some(index) => {
                before.swap_remove(index);
                false
            }
            None => true,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surplus_counts_equal_lines() {
        assert_eq!(surplus("a\na\nb", "a\nc"), ["a", "b"]);
        assert!(surplus("a\nb", "b\na").is_empty());
    }
}
