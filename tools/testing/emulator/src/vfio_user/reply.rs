// SPDX-License-Identifier: GPL-2.0
//! Replies of the server, as bytes.

use std::fs::File;
use std::sync::Arc;

use serde_json::json;

use super::device::{IrqInfo, Refusal, RegionInfo};
use super::message::{irq, MessageError, MAX_DATA, MAX_MESSAGE_FDS, REGION_COUNT};
use crate::wire::Message;

/// What goes back: the payload, and a file for the client to map.
#[derive(Default)]
pub(super) struct Reply {
    pub(super) payload: Vec<u8>,
    pub(super) file: Option<Arc<File>>,
}

pub(super) fn payload(payload: Vec<u8>) -> Reply {
    Reply {
        payload,
        file: None,
    }
}

pub(super) fn version(major: u16, minor: u16) -> Result<Reply, Refusal> {
    if major != 0 {
        return Err(MessageError::Flags(major.into()).into());
    }
    tracing::debug!("Client speaks vfio-user {major}.{minor}");
    let capabilities = json!({ "capabilities": {
        "max_msg_fds": MAX_MESSAGE_FDS,
        "max_data_xfer_size": MAX_DATA,
    }});
    let text = capabilities.to_string();
    let reply = Message::default()
        .u16(0)
        .u16(0)
        .bytes(text.as_bytes())
        .bytes(&[0]);
    Ok(payload(reply.0))
}

pub(super) fn device_info() -> Reply {
    const RESET: u32 = 1;
    const PCI: u32 = 2;
    let info = Message::default().u32(16).u32(RESET | PCI);
    payload(info.u32(REGION_COUNT).u32(irq::COUNT).0)
}

/// Describes a region; the list of mappable areas is a capability behind the fixed part, given only
/// when the client has room for it, which it learns from the size in the first reply. The file goes with
/// the list.
pub(super) fn region_info(argsz: u32, index: u32, info: RegionInfo) -> Reply {
    const FIXED: u32 = 32;
    const READ: u32 = 1;
    const WRITE: u32 = 2;
    const MMAP: u32 = 4;
    const CAPS: u32 = 8;
    let mut flags = if info.size > 0 { READ | WRITE } else { 0 };
    let Some(mappable) = info.mappable else {
        let fixed = Message::default().u32(FIXED).u32(flags).u32(index).u32(0);
        return payload(fixed.u64(info.size).u64(0).0);
    };
    flags |= MMAP | CAPS;
    let areas = sparse_areas(&mappable.areas);
    let needed = FIXED + areas.len() as u32;
    let fits = argsz >= needed;
    let head = Message::default().u32(needed).u32(flags).u32(index);
    let fixed = head.u32(FIXED).u64(info.size).u64(mappable.offset);
    Reply {
        payload: if fits { fixed.bytes(&areas).0 } else { fixed.0 },
        file: fits.then_some(mappable.file),
    }
}

fn sparse_areas(areas: &[(u64, u64)]) -> Vec<u8> {
    const SPARSE_MMAP: u16 = 1;
    const VERSION: u16 = 1;
    let head = Message::default().u16(SPARSE_MMAP).u16(VERSION).u32(0);
    let head = head.u32(areas.len() as u32).u32(0);
    areas
        .iter()
        .fold(head, |list, (offset, size)| list.u64(*offset).u64(*size))
        .0
}

pub(super) fn irq_info(index: u32, info: IrqInfo) -> Reply {
    const EVENTFD: u32 = 1;
    const MASKABLE: u32 = 2;
    const AUTOMASKED: u32 = 4;
    let flags = EVENTFD
        | if info.automasked {
            MASKABLE | AUTOMASKED
        } else {
            0
        };
    payload(
        Message::default()
            .u32(16)
            .u32(flags)
            .u32(index)
            .u32(info.count)
            .0,
    )
}

pub(super) fn region(region: u32, offset: u64, count: usize, data: &[u8]) -> Reply {
    let head = Message::default().u64(offset).u32(region).u32(count as u32);
    payload(head.bytes(data).0)
}
