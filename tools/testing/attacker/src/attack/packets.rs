// SPDX-License-Identifier: GPL-2.0
//! Packets and receive buffers that make no sense.

use anyhow::{ensure, Result};
use transport::Command;
use virtio::net::{features, gso, header_flags, Header};

use super::{Attack, Device};
use crate::driver::Driver;
use crate::packet::{
    self, add_buffer, question, send, with_header, ANSWER, RECEIVE, ROOM, TRANSMIT,
};
use crate::patience::{wait_for, watch_for, PATIENCE};
use crate::ring::Ring;
use crate::target::Target;

pub fn attacks() -> Vec<Attack> {
    vec![
        Attack {
            name: "packet_headers_are_wrong",
            about: "headers ask for offloads that were not negotiated; the packets are dropped",
            device: Device::Network,
            run: packet_headers_are_wrong,
        },
        Attack {
            name: "packets_of_all_lengths",
            about: "frames have no byte up to more than the device takes",
            device: Device::Network,
            run: packets_of_all_lengths,
        },
        Attack {
            name: "packet_without_header",
            about: "a packet is shorter than its header: the queue stops",
            device: Device::Network,
            run: |target| expect_broken(target, TRANSMIT, |driver| {
                let place = driver.target.memory.take(Header::LEN - 1)?;
                driver.submit(TRANSMIT, &[place], &[]).map(drop)
            }),
        },
        Attack {
            name: "packet_is_writable",
            about: "a packet to be sent is for the device to write: the queue stops",
            device: Device::Network,
            run: |target| expect_broken(target, TRANSMIT, |driver| {
                let place = driver.target.memory.take(ROOM)?;
                driver.submit(TRANSMIT, &[place], &[place]).map(drop)
            }),
        },
        Attack {
            name: "receive_buffer_is_readable",
            about: "a receive buffer is for the device to read: the queue stops",
            device: Device::Network,
            run: |target| expect_receive_broken(target, |driver| {
                let place = driver.target.memory.take(ROOM)?;
                driver.submit(RECEIVE, &[place], &[]).map(drop)
            }),
        },
        Attack {
            name: "receive_buffers_are_tiny",
            about: "receive buffers have no room for a header: the queue stops",
            device: Device::Network,
            run: |target| expect_receive_broken(target, |driver| {
                let place = driver.target.memory.take(Header::LEN - 1)?;
                driver.submit(RECEIVE, &[], &[place]).map(drop)
            }),
        },
        Attack {
            name: "receive_buffers_of_one_byte",
            about: "after the header a packet would take more buffers than there are",
            device: Device::Network,
            run: receive_buffers_of_one_byte,
        },
        Attack {
            name: "receive_buffer_at_nothing",
            about: "a receive buffer is where no memory is: the queue stops",
            device: Device::Network,
            run: |target| expect_receive_broken(target, |driver| {
                let place = driver.target.memory.take(ROOM)?.elsewhere(1 << 52);
                driver.submit(RECEIVE, &[], &[place]).map(drop)
            }),
        },
        Attack {
            name: "packet_at_nothing",
            about: "a packet is where no memory is; it is dropped",
            device: Device::Network,
            run: packet_at_nothing,
        },
        Attack {
            name: "packet_of_many_pieces",
            about: "each byte of a packet is a descriptor of its own",
            device: Device::Network,
            run: packet_of_many_pieces,
        },
        Attack {
            name: "receive_buffers_are_taken_back",
            about: "a receive queue is disabled and set up with other buffers; the old ones are left alone",
            device: Device::Network,
            run: receive_buffers_are_taken_back,
        },
        Attack {
            name: "resets_under_traffic",
            about: "the device is reset while packets are sent and received",
            device: Device::Network,
            run: resets_under_traffic,
        },
    ]
}

/// What memory has that nobody writes to.
const CANARY: u8 = 0xc5;

fn running(target: &Target) -> Result<Driver<'_>> {
    let mut driver = target.driver()?;
    driver.bring_up(features::MRG_RXBUF)?;
    Ok(driver)
}

/// What was sent was dropped, and what is sent now goes through.
fn expect_going_on(mut driver: Driver<'_>) -> Result<()> {
    packet::expect_echo(&mut driver)?;
    driver.expect_working()
}

fn packet_headers_are_wrong(target: &Target) -> Result<()> {
    let mut driver = running(target)?;
    let honest = Header::default();
    let headers = [
        Header {
            flags: header_flags::NEEDS_CSUM,
            csum_start: 14,
            csum_offset: 6,
            ..honest
        },
        Header {
            flags: 0xff,
            ..honest
        },
        Header {
            gso_type: gso::TCPV4,
            gso_size: 1,
            hdr_len: 0xffff,
            ..honest
        },
        Header {
            gso_type: gso::UDP,
            ..honest
        },
        Header {
            gso_type: 0xff,
            gso_size: 0xffff,
            ..honest
        },
        Header {
            csum_start: 0xffff,
            csum_offset: 0xffff,
            num_buffers: 0xffff,
            ..honest
        },
    ];
    for header in headers {
        let packet = [&header.to_bytes()[..], &question()].concat();
        send(&mut driver, &packet)?;
    }
    expect_going_on(driver)
}

fn packets_of_all_lengths(target: &Target) -> Result<()> {
    let mut driver = running(target)?;
    let frame = [question(), vec![0; 4000]].concat();
    for len in (0..20).chain([42, 60, 1514, 1515, 1522, 1523, 2000, 4000]) {
        send(&mut driver, &with_header(&frame[..len]))?;
    }
    expect_going_on(driver)
}

/// A queue is broken; the device says so.
fn expect_broken(
    target: &Target,
    queue: u16,
    break_it: impl FnOnce(&mut Driver<'_>) -> Result<()>,
) -> Result<()> {
    let mut driver = running(target)?;
    break_it(&mut driver)?;
    driver.expect_needs_reset()?;
    ensure!(
        driver.ring(queue)?.take_used().is_none(),
        "a buffer that breaks the rules was used"
    );
    Ok(())
}

/// A receive queue is broken by the first packet that comes; the transmit queue goes on.
fn expect_receive_broken(
    target: &Target,
    break_it: impl FnOnce(&mut Driver<'_>) -> Result<()>,
) -> Result<()> {
    let mut driver = running(target)?;
    break_it(&mut driver)?;
    provoke(&mut driver)?;
    driver.expect_needs_reset()?;
    send(&mut driver, &with_header(&question()))
}

/// Asks until the endpoint's answer has met the receive queue, and the device gave up.
fn provoke(driver: &mut Driver<'_>) -> Result<()> {
    wait_for("an answer that meets the queue", PATIENCE, || {
        send(driver, &with_header(&question())).ok()?;
        watch_for(ANSWER, || driver.has_given_up().then_some(()))
    })
}

fn receive_buffers_of_one_byte(target: &Target) -> Result<()> {
    let mut driver = running(target)?;
    let header = target.memory.take(Header::LEN)?;
    let byte = target.memory.take(1)?;
    let ring = driver.ring(RECEIVE)?;
    let head = ring.chain(&[], &[header]);
    ring.offer(head);
    // The endpoint's answer has 42 bytes, fewer than there are buffers.
    for _ in 1..ring.size() {
        let head = ring.chain(&[], &[byte]);
        ring.offer(head);
    }
    driver.kick(RECEIVE)?;
    send(&mut driver, &with_header(&question()))?;
    // What becomes of the packet depends on how long it is; the device goes on or says that it gave up.
    let _ = driver.settles(RECEIVE)?;
    Ok(())
}

fn packet_at_nothing(target: &Target) -> Result<()> {
    let mut driver = running(target)?;
    let place = target.memory.take(100)?;
    driver.submit(TRANSMIT, &[place.elsewhere(1 << 52)], &[])?;
    driver.wait_used(TRANSMIT)?;
    expect_going_on(driver)
}

fn packet_of_many_pieces(target: &Target) -> Result<()> {
    let mut driver = running(target)?;
    let packet = with_header(&question());
    let place = target.memory.take(packet.len())?;
    target.memory.write(place, 0, &packet);
    let pieces: Vec<_> = (0..packet.len()).map(|at| place.part(at, 1)).collect();
    driver.submit(TRANSMIT, &pieces, &[])?;
    driver.wait_used(TRANSMIT)?;
    expect_going_on(driver)
}

fn receive_buffers_are_taken_back(target: &Target) -> Result<()> {
    let mut driver = running(target)?;
    let buffers = (0..32).map(|_| add_buffer(&mut driver));
    let buffers = buffers.collect::<Result<Vec<_>>>()?;
    driver.kick(RECEIVE)?;
    // The endpoint takes several buffers at a time, and has some left after the first packets.
    packet::expect_answer(&mut driver, &buffers)?;
    driver.command(&Command::DisableQueue(RECEIVE.into()))?;
    for buffer in &buffers {
        target.memory.write(*buffer, 0, &[CANARY; ROOM]);
    }
    *driver.ring(RECEIVE)? = Ring::new(&target.memory, 64)?;
    let request = driver.ring(RECEIVE)?.request(RECEIVE);
    driver.command(&Command::SetupQueue(request))?;
    driver.command(&Command::EnableQueue(RECEIVE.into()))?;
    packet::expect_echo(&mut driver)?;
    for buffer in &buffers {
        let bytes = target.memory.read(*buffer);
        ensure!(
            bytes.iter().all(|byte| *byte == CANARY),
            "a buffer at {:#x} was written after its queue was disabled",
            buffer.address
        );
    }
    driver.expect_working()
}

fn resets_under_traffic(target: &Target) -> Result<()> {
    let mut driver = running(target)?;
    for _ in 0..5 {
        for _ in 0..8 {
            add_buffer(&mut driver)?;
        }
        driver.kick(RECEIVE)?;
        let place = target.memory.take(ROOM)?;
        target.memory.write(place, 0, &with_header(&question()));
        for _ in 0..16 {
            driver.submit(TRANSMIT, &[place], &[])?;
        }
        driver.reset()?;
        driver.bring_up(features::MRG_RXBUF)?;
    }
    expect_going_on(driver)
}
