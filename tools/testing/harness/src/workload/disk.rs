// SPDX-License-Identifier: GPL-2.0
//! Writes to a disk, with and without a file system, and checks what comes back.

use std::fmt;
use std::time::Duration;

use anyhow::{ensure, Context, Result};
use serde::{Deserialize, Serialize};

use crate::guest::Guest;

/// For one run of fio; the slowest seen takes a tenth of it.
pub(super) const FIO_BOUND: Duration = Duration::from_secs(240);

/// For one step with a file system.
const FILES_BOUND: Duration = Duration::from_secs(120);

/// How a disk is written.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pattern {
    /// From the first block to the last, in large blocks.
    Sequential,
    /// Each small block once, in random order.
    Random,
}

impl Pattern {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::Random => "random",
        }
    }
}

/// What a run of fio measured.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// How the disk was written.
    pub pattern: Pattern,
    /// Written, and read back with its checksums compared.
    pub verified_mib: u64,
    /// While writing.
    pub write_mib_per_s: f64,
    /// While writing.
    pub write_iops: f64,
    /// While reading back.
    pub read_mib_per_s: f64,
    /// While reading back.
    pub read_iops: f64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} MiB verified, written at {:.1} MiB/s, read at {:.1} MiB/s",
            self.pattern.name(),
            self.verified_mib,
            self.write_mib_per_s,
            self.read_mib_per_s
        )
    }
}

#[derive(Deserialize)]
struct FioOutput {
    jobs: Vec<FioJob>,
}

#[derive(Deserialize)]
struct FioJob {
    error: i32,
    read: FioDirection,
    write: FioDirection,
}

#[derive(Deserialize)]
struct FioDirection {
    io_bytes: u64,
    bw_bytes: u64,
    iops: f64,
    total_ios: u64,
}

const MIB: u64 = 1 << 20;

/// Writes the first `mib` of a disk with checksums in each block, then reads and compares them.
pub fn verify(guest: &mut Guest, disk: &str, pattern: Pattern, mib: u32) -> Result<Figures> {
    let target = format!("--ioengine=libaio --direct=1 --filename={disk}");
    let text = guest.sh_within(FIO_BOUND, &verification(&target, pattern, mib))?;
    Figures::of_verification(&text, pattern, mib)
}

/// The same by as many jobs as there are processors, at the same time: each stays on a processor and has a
/// part of the disk, so that every queue of it has requests.
pub fn verify_on_processors(
    guest: &mut Guest,
    disk: &str,
    pattern: Pattern,
    mib: u32,
    processors: u32,
) -> Result<Figures> {
    let part = mib / processors;
    let target = format!(
        "--ioengine=libaio --direct=1 --filename={disk} --numjobs={processors} --offset_increment={part}m \
         --group_reporting --cpus_allowed=0-{} --cpus_allowed_policy=split",
        processors - 1
    );
    let text = guest.sh_within(FIO_BOUND, &verification(&target, pattern, part))?;
    Figures::of_verification(&text, pattern, part * processors)
}

/// The command that does so with what fio calls `target`.
pub(super) fn verification(target: &str, pattern: Pattern, mib: u32) -> String {
    let (mode, block) = match pattern {
        Pattern::Sequential => ("write", "128k"),
        Pattern::Random => ("randwrite", "4k"),
    };
    format!(
        "fio --name=verify {target} --rw={mode} --bs={block} --size={mib}m --iodepth=32 \
         --verify=crc32c --verify_fatal=1 --output-format=json"
    )
}

impl Figures {
    /// Takes them from what fio printed, if it verified all of it.
    pub(super) fn of_verification(text: &str, pattern: Pattern, mib: u32) -> Result<Self> {
        let job = only_job(text)?;
        let expected = u64::from(mib) * MIB;
        ensure!(
            job.write.io_bytes == expected && job.read.io_bytes == expected,
            "expected {expected} bytes written and verified, fio wrote {} and read {}",
            job.write.io_bytes,
            job.read.io_bytes
        );
        Ok(Self {
            pattern,
            verified_mib: job.read.io_bytes / MIB,
            write_mib_per_s: job.write.bw_bytes as f64 / MIB as f64,
            write_iops: job.write.iops,
            read_mib_per_s: job.read.bw_bytes as f64 / MIB as f64,
            read_iops: job.read.iops,
        })
    }
}

/// Reads or writes so many blocks of 4 KiB, in batches of `depth`, each by a request of its own.
pub fn transfer(guest: &mut Guest, disk: &str, mode: &str, depth: u32, blocks: u32) -> Result<()> {
    // What belongs to a disk of several paths has a queue of its own, in which requests may merge.
    let command = format!(
        "for queue in /sys/block/*/queue; do echo 2 >$queue/nomerges || exit; done; fio --name=transfer --filename={disk} --rw={mode} --bs=4k \
         --size={}k --ioengine=libaio --direct=1 --iodepth={depth} --iodepth_batch_submit={depth} \
         --iodepth_batch_complete_min={depth}",
        4 * blocks
    );
    guest.sh_within(FIO_BOUND, &command).map(drop)
}

/// A load that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// What fio calls it: `randread`, `write` and so on.
    pub mode: &'static str,
    /// KiB of each request.
    pub kib: u32,
    /// Requests at a time of each job.
    pub depth: u32,
    /// Processes that make requests.
    pub jobs: u32,
}

/// What a load achieved.
#[derive(Clone, Copy, Debug)]
pub struct Achieved {
    /// Requests.
    pub operations: u64,
    /// The same, in a second.
    pub per_second: f64,
}

/// Puts a load on the first `mib` of a disk, for some seconds.
pub fn measure(
    guest: &mut Guest,
    disk: &str,
    mib: u32,
    load: &Load,
    seconds: u32,
) -> Result<Achieved> {
    let Load {
        mode,
        kib,
        depth,
        jobs,
    } = load;
    let text = guest.sh_within(
        FIO_BOUND,
        &format!(
            "fio --name=measure --filename={disk} --rw={mode} --bs={kib}k --size={mib}m --iodepth={depth} \
             --numjobs={jobs} --group_reporting --ioengine=libaio --direct=1 --time_based --runtime={seconds} \
             --output-format=json"
        ),
    )?;
    let job = only_job(&text)?;
    let done = match job.read.total_ios {
        0 => job.write,
        _ => job.read,
    };
    ensure!(done.total_ios > 0, "fio did nothing: {text}");
    Ok(Achieved {
        operations: done.total_ios,
        per_second: done.iops,
    })
}

/// The figures of the only job, or of all of them together, if it ended well.
fn only_job(text: &str) -> Result<FioJob> {
    let json = text.find('{').map_or("", |start| &text[start..]);
    let output: FioOutput =
        serde_json::from_str(json).with_context(|| format!("fio printed no figures: {text}"))?;
    let job = output.jobs.into_iter().next().context("fio ran no job")?;
    ensure!(job.error == 0, "fio ended with error {}", job.error);
    Ok(job)
}

/// Makes an ext4 file system on a disk, fills it, checks it, and compares what it holds. Returns
/// how many files it took.
pub fn fill_file_system(guest: &mut Guest, disk: &str) -> Result<u32> {
    let mut step = |script: &str| guest.sh_within(FILES_BOUND, &format!("set -e; {script}"));
    step(&format!(
        "mkfs.ext4 -q -F {disk}; mount -t ext4 {disk} /mnt"
    ))?;
    step("dd if=/dev/urandom of=/tmp/seed bs=1M count=7 2>/dev/null")?;
    let count = step(
        "n=0; while cp /tmp/seed /mnt/$n 2>/dev/null; do n=$((n + 1)); done; rm /mnt/$n; sync; echo $n",
    )?;
    step(&format!("umount /mnt; fsck.ext4 -f -n {disk}"))?;
    step(&format!(
        "mount -t ext4 {disk} /mnt; md5sum </tmp/seed >/tmp/sum; for f in /mnt/[0-9]*; do md5sum <$f | cmp - /tmp/sum; done"
    ))?;
    step("umount /mnt; rm /tmp/seed /tmp/sum")?;
    let count = count
        .parse()
        .with_context(|| format!("no count of files in '{count}'"))?;
    ensure!(
        count > 1,
        "expected a full file system, it took {count} files"
    );
    Ok(count)
}

/// Starts random reads and writes that go on until the disk is gone, and waits until they flow.
pub fn start_load(guest: &mut Guest, disk: &str) -> Result<()> {
    guest.sh(&format!(
        "fio --name=load --filename={disk} --rw=randrw --bs=4k --size=64m --iodepth=32 --ioengine=libaio \
         --direct=1 --allow_file_create=0 --time_based --runtime=300 >/tmp/load.log 2>&1 &"
    ))?;
    load_flows(guest, disk)
}

/// Requests that a load makes soon if it flows.
const FLOWING: u64 = 200;

/// Waits until a load has gone on.
pub fn load_flows(guest: &mut Guest, disk: &str) -> Result<()> {
    let requests = format!("{} {}", requests(), statistics(disk));
    let before: u64 = guest
        .sh(&requests)?
        .parse()
        .context("no number of requests")?;
    let flows = format!("[ $({requests}) -gt {} ]", before + FLOWING);
    guest.wait_until(FILES_BOUND, &flows)
}

/// Command that counts the requests that a disk has ended, by its statistics.
fn requests() -> &'static str {
    "awk '{ print $1 + $5 }'"
}

fn statistics(disk: &str) -> String {
    format!("{}/stat", disk.replace("/dev", "/sys/block"))
}

/// Waits until the load ended, as it does when its disk is gone.
pub fn wait_for_end_of_load(guest: &mut Guest, bound: Duration) -> Result<()> {
    guest.wait_until(bound, "! pidof fio >/dev/null")?;
    guest.sh("rm /tmp/load.log").map(drop)
}

/// Waits until the load of a disk ended, while those of others may go on.
pub fn wait_for_end_of_load_on(guest: &mut Guest, disk: &str, bound: Duration) -> Result<()> {
    // A pattern that does not match the command with it.
    let pattern = disk.replace("/dev/", "filename=/[d]ev/");
    guest.wait_until(
        bound,
        &format!("! grep -qs '{pattern}' /proc/[0-9]*/cmdline"),
    )
}

/// How many copies there are, half of which read. Each makes one request at a time.
const COPIES: u32 = 8;

/// Starts copies from and to a disk that go on until it is gone, without fio, and waits until they flow. fio takes
/// shared memory of System V, which the EP's kernel has not.
pub fn start_copies(guest: &mut Guest, disk: &str) -> Result<()> {
    guest.sh(&format!(
        "for copy in $(seq {COPIES}); do
             case $((copy % 2)) in
             0) direction='if={disk} of=/dev/null iflag=direct' ;;
             1) direction='if=/dev/zero of={disk} oflag=direct' ;;
             esac
             (while [ -b {disk} ] && dd $direction bs=4k count=1024; do :; done) >/dev/null 2>&1 &
         done"
    ))?;
    load_flows(guest, disk)
}

/// Waits until the copies ended, as they do when their disk is gone.
pub fn wait_for_end_of_copies(guest: &mut Guest, bound: Duration) -> Result<()> {
    guest.wait_until(bound, "! pidof dd >/dev/null")
}

/// How many requests a drive has at a time, at least, whose requests overlap: an eighth of what is asked for here, as a
/// machine that is emulated makes them in bursts.
const OVERLAPPING: f64 = 4.0;

/// Fails unless a drive had many requests at a time.
pub fn expect_overlapping(depth: f64) -> Result<()> {
    ensure!(
        depth >= OVERLAPPING,
        "the drive had {depth:.1} requests at a time, expected {OVERLAPPING} or more"
    );
    Ok(())
}

/// Writes the first `mib` of a disk, all different, then reads and compares them; without fio.
pub fn compare(guest: &mut Guest, disk: &str, mib: u32) -> Result<()> {
    compare_in_blocks(guest, disk, mib << 10, [64 << 10, 4 << 10])
}

/// Writes the first `kib` of a disk, all different, then reads and compares them, each in blocks of so many bytes.
pub fn compare_in_blocks(
    guest: &mut Guest,
    disk: &str,
    kib: u32,
    [written, read]: [u32; 2],
) -> Result<()> {
    let bytes = kib << 10;
    let count = bytes.div_ceil(read);
    let script = format!(
        "set -e; dd if=/dev/urandom of=/tmp/written bs=1k count={kib}
         dd if=/tmp/written of={disk} bs={written} oflag=direct
         dd if={disk} bs={read} count={count} iflag=direct | cmp -n {bytes} - /tmp/written; rm /tmp/written"
    );
    guest.sh_within(FILES_BOUND, &script).map(drop)
}
