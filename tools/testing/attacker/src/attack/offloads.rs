// SPDX-License-Identifier: GPL-2.0
//! Packets whose headers leave to the device what it cannot do, or what makes no sense of the packet (VIRTIO 1.2,
//! section 5.1.6.2).

use anyhow::{ensure, Result};
use virtio::net::{features, gso, header_flags, offloads, Header};

use super::{Attack, Device};
use crate::dma::Place;
use crate::driver::Driver;
use crate::packet::{self, question, TRANSMIT};
use crate::target::Target;

/// The longest packet that a device with segments takes, and its header: IP behind Ethernet with two VLAN tags.
const LONGEST: usize = Header::LEN + 65535 + 22;

/// Protocol numbers and lengths of a packet of TCP over IPv4.
const TCP: u8 = 6;
const ETHERNET_LEN: usize = 14;
const IP_LEN: usize = 20;

pub fn attacks() -> Vec<Attack> {
    vec![
        Attack {
            name: "offload_headers_that_lie",
            about: "sums and segments are where no packet is, of no size, or of another protocol",
            device: Device::Network,
            run: offload_headers_that_lie,
        },
        Attack {
            name: "offloads_that_were_not_negotiated",
            about: "headers ask for segments of the family, and of the protocols, that the device was not asked for",
            device: Device::Network,
            run: offloads_that_were_not_negotiated,
        },
        Attack {
            name: "segments_of_all_lengths",
            about: "packets to be segmented have no byte up to more than the device takes",
            device: Device::Network,
            run: segments_of_all_lengths,
        },
    ]
}

/// Brings the device up with some of the offloads, all of which it offers.
fn running(target: &Target, offloads: u64) -> Result<Driver<'_>> {
    let mut driver = target.driver()?;
    let found = driver.bring_up(features::MRG_RXBUF | offloads)?;
    ensure!(
        found & offloads == offloads,
        "the device offers {found:#x}, expected {offloads:#x} among it"
    );
    Ok(driver)
}

fn expect_going_on(mut driver: Driver<'_>) -> Result<()> {
    packet::expect_echo(&mut driver)?;
    driver.expect_working()
}

/// Sends a packet of so many bytes by way of memory that it may have, and waits until it is used.
fn send(
    driver: &mut Driver<'_>,
    room: Place,
    header: &Header,
    frame: &[u8],
    len: usize,
) -> Result<()> {
    let memory = driver.target.memory.clone();
    let packet = [&header.to_bytes()[..], frame].concat();
    let len = len.min(room.len);
    memory.write(room, 0, &packet[..packet.len().min(len)]);
    driver.submit(TRANSMIT, &[room.part(0, len)], &[])?;
    driver.wait_used(TRANSMIT).map(drop)
}

/// The headers of TCP over IPv4, to the endpoint, with sums that are not complete.
fn segment() -> Vec<u8> {
    let mut frame = question();
    frame.resize(ETHERNET_LEN + IP_LEN + 20, 0);
    frame[12..].fill(0);
    frame[12] = 0x08;
    frame[ETHERNET_LEN] = 0x45;
    frame[ETHERNET_LEN + 8] = 64;
    frame[ETHERNET_LEN + 9] = TCP;
    frame[ETHERNET_LEN + 16..][..4].copy_from_slice(&packet::ENDPOINT);
    frame[ETHERNET_LEN + IP_LEN + 12] = 0x50;
    frame
}

/// What a driver of Linux says of it.
fn honest() -> Header {
    Header {
        flags: header_flags::NEEDS_CSUM,
        gso_type: gso::TCPV4,
        hdr_len: 54,
        gso_size: 1460,
        csum_start: 34,
        csum_offset: 16,
        num_buffers: 0,
    }
}

fn offload_headers_that_lie(target: &Target) -> Result<()> {
    let mut driver = running(target, offloads::HOST)?;
    let room = target.memory.take(4096)?;
    let numbers = [
        0,
        1,
        14,
        33,
        34,
        42,
        54,
        4083,
        4084,
        0x7fff,
        0x8000,
        u16::MAX,
    ];
    let types = [gso::NONE, gso::TCPV4, gso::TCPV6, gso::TCPV4 | gso::ECN];
    let frames = [question(), segment()];
    for (gso_type, frame) in types
        .iter()
        .flat_map(|kind| frames.iter().map(move |f| (*kind, f)))
    {
        let honest = Header {
            gso_type,
            ..honest()
        };
        for number in numbers {
            for header in [
                Header {
                    hdr_len: number,
                    ..honest
                },
                Header {
                    gso_size: number,
                    ..honest
                },
                Header {
                    gso_size: number,
                    flags: 0,
                    ..honest
                },
                Header {
                    csum_start: number,
                    ..honest
                },
                Header {
                    csum_offset: number,
                    ..honest
                },
                Header {
                    csum_start: number,
                    csum_offset: number,
                    ..honest
                },
            ] {
                send(&mut driver, room, &header, frame, 4096)?;
            }
        }
    }
    expect_going_on(driver)
}

fn offloads_that_were_not_negotiated(target: &Target) -> Result<()> {
    let mut driver = running(target, features::CSUM | features::HOST_TSO4)?;
    let room = target.memory.take(4096)?;
    for gso_type in (0..=u8::MAX).filter(|kind| *kind != gso::TCPV4) {
        for flags in [0, header_flags::NEEDS_CSUM, u8::MAX] {
            let header = Header {
                flags,
                gso_type,
                ..honest()
            };
            send(&mut driver, room, &header, &segment(), 4096)?;
        }
    }
    expect_going_on(driver)
}

fn segments_of_all_lengths(target: &Target) -> Result<()> {
    let mut driver = running(target, offloads::HOST)?;
    let room = target.memory.take(LONGEST + 4096)?;
    let short = Header::LEN..Header::LEN + 80;
    let long = [
        4096,
        65535,
        LONGEST - 1,
        LONGEST,
        LONGEST + 1,
        LONGEST + 4096,
    ];
    for len in short.chain(long) {
        for header in [
            honest(),
            Header {
                flags: 0,
                ..honest()
            },
            Header::default(),
        ] {
            send(&mut driver, room, &header, &segment(), len)?;
        }
    }
    expect_going_on(driver)
}
