// SPDX-License-Identifier: GPL-2.0
//! Packets of a network device (VIRTIO 1.2, section 5.1.6).
//!
//! What goes out is a request of the address resolution protocol (RFC 826) for the address of the
//! endpoint's interface; what comes in is the answer.

use std::time::Duration;

use anyhow::{bail, ensure, Result};
use virtio::net::{features, Header};

use crate::dma::Place;
use crate::driver::Driver;
use crate::patience::{watch_for, PATIENCE};

/// The queue of received packets.
pub const RECEIVE: u16 = 0;
/// The queue of packets to be sent.
pub const TRANSMIT: u16 = 1;
/// A buffer with room for any packet.
pub const ROOM: usize = 2048;

/// Address of the endpoint's interface; whoever starts the attacker gives it that one.
pub const ENDPOINT: [u8; 4] = [10, 7, 0, 2];
const OURS: [u8; 4] = [10, 7, 0, 1];
/// A hardware address of our own.
const HARDWARE: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
const BROADCAST: [u8; 6] = [0xff; 6];
/// Ethernet type, then hardware and protocol types with the lengths of their addresses.
const ARP: [u8; 8] = [0x08, 0x06, 0, 1, 0x08, 0, 6, 4];
const REQUEST: [u8; 2] = [0, 1];
const REPLY: [u8; 2] = [0, 2];

/// How long an answer may take before the request is sent again: the interface of the endpoint takes
/// packets once its link watch has run, and drops them before.
pub const ANSWER: Duration = Duration::from_millis(300);

/// The frame that asks for the endpoint's address.
pub fn question() -> Vec<u8> {
    [
        &BROADCAST[..],
        &HARDWARE,
        &ARP,
        &REQUEST,
        &HARDWARE,
        &OURS,
        &[0; 6],
        &ENDPOINT,
    ]
    .concat()
}

/// Whether a frame answers it.
fn is_answer(frame: &[u8]) -> bool {
    let sender = frame.get(28..32);
    frame.get(12..20) == Some(&ARP)
        && frame.get(20..22) == Some(&REPLY)
        && sender == Some(&ENDPOINT)
}

/// Adds a receive buffer, without a kick; returns where it is.
pub fn add_buffer(driver: &mut Driver<'_>) -> Result<Place> {
    let place = driver.target.memory.take(ROOM)?;
    let ring = driver.ring(RECEIVE)?;
    let head = ring.chain(&[], &[place]);
    ring.offer(head);
    Ok(place)
}

/// Sends bytes, header included, and waits until the device has used them.
pub fn send(driver: &mut Driver<'_>, bytes: &[u8]) -> Result<()> {
    let place = driver.target.memory.take(bytes.len())?;
    driver.target.memory.write(place, 0, bytes);
    driver.submit(TRANSMIT, &[place], &[])?;
    driver.wait_used(TRANSMIT).map(drop)
}

/// A frame behind a header that asks for nothing.
pub fn with_header(frame: &[u8]) -> Vec<u8> {
    [&Header::default().to_bytes()[..], frame].concat()
}

/// Asks for the endpoint's address until it answers into one of these buffers, in their order.
pub fn expect_answer(driver: &mut Driver<'_>, buffers: &[Place]) -> Result<()> {
    let memory = driver.target.memory.clone();
    let mut buffers = buffers.iter();
    let attempts = PATIENCE.as_millis() / ANSWER.as_millis();
    for _ in 0..attempts {
        send(driver, &with_header(&question()))?;
        // A packet of the endpoint's own may come in between.
        while let Some(used) = watch_for(ANSWER, || driver.ring(RECEIVE).ok()?.take_used()) {
            let Some(buffer) = buffers.next() else {
                bail!("more packets came than buffers were given");
            };
            let packet = memory.read(buffer.part(0, used.len as usize));
            ensure!(packet.len() > Header::LEN, "a packet has no header");
            if is_answer(&packet[Header::LEN..]) {
                return Ok(());
            }
        }
    }
    bail!("no answer came to {attempts} requests for the endpoint's address")
}

/// Brings the device up, and has the endpoint answer.
pub fn expect_usable(driver: &mut Driver<'_>) -> Result<()> {
    driver.bring_up(features::MRG_RXBUF)?;
    expect_echo(driver)?;
    driver.expect_working()
}

/// Has the endpoint answer into new buffers.
pub fn expect_echo(driver: &mut Driver<'_>) -> Result<()> {
    let buffers = (0..32).map(|_| add_buffer(driver));
    let buffers = buffers.collect::<Result<Vec<_>>>()?;
    driver.kick(RECEIVE)?;
    expect_answer(driver, &buffers)
}
