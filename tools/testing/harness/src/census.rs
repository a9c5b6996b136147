// SPDX-License-Identifier: GPL-2.0
//! What a kernel holds, to see that nothing is left behind. Debug kernels hold freed memory back,
//! so there memory is not counted; they are asked for leaks instead (`leaks`), which takes no cycles.

use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};

use crate::guest::Guest;
use crate::runner::Bench;

/// How often something is made and taken away between two looks at the memory.
const CYCLES: u32 = 25;

/// Cycles before the first look, which fill the caches of allocators.
const WARM_UP: u32 = 5;

/// How often it is looked at least: 50 cycles.
const MIN_LOOKS: u32 = 2;

/// How often it is looked at most before growth is called a leak. Caches fill up once; a leak grows
/// each time.
const MAX_LOOKS: u32 = 6;

/// How much more memory may be in use after `CYCLES`. The smallest leak, a page each, is more.
const NOISE_KIB: i64 = 96;

/// For memory that is given back later (RCU, lazy unmapping) to be given back.
const SETTLE_BOUND: Duration = Duration::from_secs(5);

/// Repeats something that makes and takes away, and fails when a machine of the bench keeps threads,
/// interrupts or mappings, or holds more memory each time.
pub fn leaves_nothing<B: Bench>(
    bench: &mut B,
    mut cycle: impl FnMut(&mut B) -> Result<()>,
) -> Result<()> {
    (0..WARM_UP).try_for_each(|_| cycle(bench))?;
    if bench
        .guests()
        .iter()
        .all(|guest| guest.kernels().find_leaks())
    {
        return Ok(());
    }
    let mut censuses = count_all(bench)?;
    for look in 1..=MAX_LOOKS {
        (0..CYCLES).try_for_each(|_| cycle(bench))?;
        for (guest, census) in bench.guests().into_iter().zip(&mut censuses) {
            census.look(guest)?;
        }
        if look >= MIN_LOOKS && censuses.iter().all(Census::has_kept_still) {
            break;
        }
    }
    let mut guests = bench.guests().into_iter().zip(&censuses);
    guests.try_for_each(|(guest, census)| {
        let (side, growth) = (guest.side(), census.least_growth_kib);
        ensure!(
            census.has_kept_still(),
            "{side}: at least {growth} KiB more in use after each {CYCLES} cycles"
        );
        Ok(())
    })
}

fn count_all<B: Bench>(bench: &mut B) -> Result<Vec<Census>> {
    bench.guests().into_iter().map(Census::take).collect()
}

/// Threads of the kernel (those of shared pools come and go), interrupts, mappings of devices. One file tells of a
/// thread, as a process may end between two.
const THINGS: &str = r#"
    for task in /proc/[0-9]*; do
        awk '/^Name:/ { name = $2 } /^PPid:/ && $2 == 2 { print "thread", name }' $task/status
    done 2>/dev/null | grep -v 'kworker/[0-9u]' | sort
    awk 'NR > 1 { print "interrupt", $1, $NF }' /proc/interrupts | sort
    awk '/ioremap/ { print "mapping", $2, $3 }' /proc/vmallocinfo | sort
"#;

/// Memory that is in use for more than caches, in KiB. Pages on the lists of a processor are free,
/// but no part of MemFree. Slabs keep pages without an object in them, where the kernel lets one ask.
const MEMORY: &str = r#"
    sync; echo 3 >/proc/sys/vm/drop_caches
    for slab in /sys/kernel/slab/*/shrink; do [ ! -w $slab ] || echo 1 >$slab; done
    awk '/^(MemFree|Buffers|Cached|SReclaimable):/ { free += $2 } /^ +count:/ { free += 4 * $2 }
        /^MemTotal:/ { all = $2 } END { print all - free }' /proc/meminfo /proc/zoneinfo
"#;

/// What one machine held, and how it changed.
struct Census {
    /// At the first look.
    things: String,
    /// At the last look.
    memory_kib: i64,
    /// Between two looks.
    least_growth_kib: i64,
}

impl Census {
    /// Counts.
    fn take(guest: &mut Guest) -> Result<Self> {
        Ok(Self {
            things: guest.sh(THINGS)?,
            memory_kib: memory_kib(guest)?,
            least_growth_kib: i64::MAX,
        })
    }

    fn has_kept_still(&self) -> bool {
        self.least_growth_kib <= NOISE_KIB
    }

    /// Compares; fails when there are things that the guest did not have at first.
    fn look(&mut self, guest: &mut Guest) -> Result<()> {
        let things = guest.sh(THINGS)?;
        let left = surplus(&things, &self.things);
        let side = guest.side();
        ensure!(left.is_empty(), "{side}: left behind: {}", left.join(", "));
        let now_kib = self.settled_kib(guest)?;
        self.least_growth_kib = self.least_growth_kib.min(now_kib - self.memory_kib);
        self.memory_kib = now_kib;
        Ok(())
    }

    /// Memory in use once all is given back, or the bound is over.
    fn settled_kib(&self, guest: &mut Guest) -> Result<i64> {
        let deadline = Instant::now() + SETTLE_BOUND;
        let mut least = memory_kib(guest)?;
        while least - self.memory_kib > NOISE_KIB && Instant::now() < deadline {
            least = least.min(memory_kib(guest)?);
        }
        Ok(least)
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
