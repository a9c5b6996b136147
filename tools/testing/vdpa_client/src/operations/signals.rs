// SPDX-License-Identifier: GPL-2.0
//! Who is signalled, and when: the eventfds of a queue and of the device config.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{ensure, Context, Result};
use vhost::{vdpa::VhostVdpa, VhostBackend};
use virtio::status::Status;
use vmm_sys_util::eventfd::{EventFd, EFD_NONBLOCK};

use super::Operation;
use crate::disk::Disk;
use crate::ioctl;
use crate::node::{Node, PATIENCE, PAUSE};

/// Requests, each of which ends while the signal of its queue is moved to and fro.
const REQUESTS: u16 = 500;

pub fn catalogue() -> Vec<Operation> {
    vec![
        Operation {
            name: "signal_moves",
            about: "each request is signalled once to who is to be told, also if that changes meanwhile",
            run: signal_moves,
        },
        Operation {
            name: "signal_moves_in_a_storm",
            about: "the same while another thread moves it as fast as it can",
            run: signal_moves_in_a_storm,
        },
        Operation {
            name: "signal_ends",
            about: "nobody is signalled who does not want to be, nor after a stop or a reset",
            run: signal_ends,
        },
        Operation {
            name: "config_is_signalled",
            about: "a device that needs a reset signals that",
            run: config_is_signalled,
        },
    ]
}

/// Somebody who waits for signals.
struct Ear(EventFd);

impl Ear {
    fn new() -> Result<Self> {
        Ok(Self(EventFd::new(EFD_NONBLOCK)?))
    }

    /// How many signals came since the last time.
    fn heard(&self) -> Result<u64> {
        match self.0.read() {
            Ok(count) => Ok(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error).context("an eventfd cannot be read"),
        }
    }
}

/// Waits until one of these hears something, and returns what each of them heard.
fn wait<const N: usize>(ears: [&Ear; N]) -> Result<[u64; N]> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut heard = [0; N];
        for (count, ear) in heard.iter_mut().zip(ears) {
            *count = ear.heard()?;
        }
        if heard != [0; N] {
            return Ok(heard);
        }
        ensure!(Instant::now() < deadline, "nobody is signalled");
        thread::sleep(PAUSE);
    }
}

fn signal_moves(node: &Node) -> Result<()> {
    let ears = [Ear::new()?, Ear::new()?];
    let device = node.device();
    let mut disk = Disk::start(node)?;
    for number in 0..REQUESTS {
        let [now, before] = [usize::from(number % 2), usize::from((number + 1) % 2)];
        let listen = |which: usize| device.set_vring_call(0, &ears[which].0);
        listen(now)?;
        disk.begin_write(number.into(), [number as u8; 512])?;
        node.kick(0)?;
        // It may end before or after that.
        listen(before)?;
        listen(now)?;
        let [first, second] = wait([&ears[0], &ears[1]])?;
        ensure!(
            first + second == 1,
            "request {number}: expected one signal, got {first} and {second}"
        );
        disk.end(|| Ok(()))?;
    }
    Ok(())
}

fn signal_moves_in_a_storm(node: &Node) -> Result<()> {
    let ears = [Ear::new()?, Ear::new()?];
    let device = node.device();
    let mut disk = Disk::start(node)?;
    device.set_vring_call(0, &ears[0].0)?;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let storm = scope.spawn(|| -> Result<u64> {
            let mut moves = 0;
            while !is_over.load(Ordering::Relaxed) {
                ears.iter()
                    .try_for_each(|ear| device.set_vring_call(0, &ear.0))?;
                moves += 2;
            }
            Ok(moves)
        });
        let outcome = each_is_signalled_once(node, &mut disk, [&ears[0], &ears[1]]);
        is_over.store(true, Ordering::Relaxed);
        let moves = storm.join().expect("the thread does not panic")?;
        outcome?;
        ensure!(
            moves >= REQUESTS.into(),
            "{moves} moves during {REQUESTS} requests are no storm"
        );
        Ok(())
    })
}

fn each_is_signalled_once(node: &Node, disk: &mut Disk, ears: [&Ear; 2]) -> Result<()> {
    for number in 0..REQUESTS {
        disk.begin_write(number.into(), [number as u8; 512])?;
        node.kick(0)?;
        let heard: u64 = wait(ears)?.iter().sum();
        ensure!(
            heard == 1,
            "request {number}: expected one signal, got {heard}"
        );
        disk.end(|| Ok(()))?;
    }
    let heard = [ears[0].heard()?, ears[1].heard()?];
    ensure!(heard == [0; 2], "expected no more signals, got {heard:?}");
    Ok(())
}

fn signal_ends(node: &Node) -> Result<()> {
    let [first, second, last] = [Ear::new()?, Ear::new()?, Ear::new()?];
    let device = node.device();
    let mut disk = Disk::start(node)?;
    for ear in [&first, &second] {
        device.set_vring_call(0, &ear.0)?;
        disk.write(0, [1; 512], || node.kick(0))?;
        wait([ear])?;
    }
    ioctl::signal_nobody(node, 0)?;
    disk.write(0, [2; 512], || node.kick(0))?;
    // The signal of that request may still come, but once the queue is stopped none does.
    device.set_vring_call(0, &last.0)?;
    device.set_vring_enable(0, false)?;
    last.heard()?;
    disk.begin_write(0, [3; 512])?;
    node.kick(0)?;
    ensure!(
        !disk.requests().ends_soon()?,
        "a request ends, though its queue is stopped"
    );
    node.reset()?;
    let heard = [first.heard()?, second.heard()?, last.heard()?];
    ensure!(heard == [0; 3], "expected no more signals, got {heard:?}");
    Ok(())
}

fn config_is_signalled(node: &Node) -> Result<()> {
    let ear = Ear::new()?;
    let mut disk = Disk::start(node)?;
    node.device().set_config_call(&ear.0)?;
    disk.write(0, [1; 512], || node.kick(0))?;
    ensure!(ear.heard()? == 0, "a disk that works signals its config");
    disk.requests().break_ring()?;
    node.kick(0)?;
    wait([&ear])?;
    let found = node.status()?;
    ensure!(
        found.contains(Status::DEVICE_NEEDS_RESET),
        "the config is signalled, but the status is {found:?}"
    );
    Ok(())
}
