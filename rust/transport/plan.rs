// SPDX-License-Identifier: GPL-2.0

//! How the EP places its regions.
//!
//! The RC knows nothing of this: it takes any legal layout.

use crate::layout::{
    DoorbellKind,
    Doorbells,
    Layout,
    LayoutError,
    Msix,
    Region,
    COMMAND_SIZE,
    IDENTITY_SIZE,
    MAX_CONFIG_SIZE,
    NUM_BARS,
    QUEUE_STRIDE, //
};
use crate::push::{
    PushAreas,
    PUSH_ALIGN, //
};

/// Where the EP wants its doorbells.
#[derive(Clone, Copy, Debug)]
pub enum Placement {
    /// Polled slots in the register BAR, on pages of their own.
    Here {
        /// Page size to align to, a power of two.
        page_size: u32,
        /// Bytes from slot to slot.
        stride: u32,
        /// Period of the EP's own scan of all queues in milliseconds; 0: none.
        scan_ms: u32,
    },
    /// At a given place, which may be in the register BAR, behind all other regions.
    At(Doorbells),
}

/// What the EP needs room for.
#[derive(Clone, Copy, Debug)]
pub struct LayoutRequest {
    /// Number of the register BAR.
    pub register_bar: u8,
    /// Number of queues.
    pub num_queues: u16,
    /// Size of the device config in bytes.
    pub config_size: u32,
    /// Number of MSI-X vectors with a table in the register BAR; 0: none.
    pub msix_vectors: u16,
    /// Length of the push area of each queue; 0: none.
    pub push_len: u32,
    /// Number of the BAR of the push areas.
    pub push_bar: u8,
    /// See [`PushAreas::below`].
    pub push_below: u32,
    /// The doorbells.
    pub doorbells: Placement,
}

impl Layout {
    /// Places what the EP needs: identity, command block, queue table, device config, MSI-X table,
    /// push areas unless they have a BAR of their own, doorbells.
    ///
    /// # Errors
    ///
    /// Whatever [`LayoutError`] names; a doorbell place given with [`Placement::At`] may overlap.
    pub fn plan(request: &LayoutRequest) -> Result<Self, LayoutError> {
        if request.config_size > MAX_CONFIG_SIZE {
            return Err(LayoutError::ConfigSize);
        }
        let mut cursor = Cursor(IDENTITY_SIZE);
        let command = cursor.take(COMMAND_SIZE, 4);
        let queue_table = cursor.take(u32::from(request.num_queues) * QUEUE_STRIDE, 4);
        let config = cursor.take(request.config_size, 8);
        let msix = (request.msix_vectors != 0).then(|| Msix {
            bar: request.register_bar,
            region: cursor.take(Msix::size(request.msix_vectors), 8),
        });
        let push = place_push_areas(request, &mut cursor)?;
        let layout = Self {
            register_bar: request.register_bar,
            num_queues: request.num_queues,
            command,
            queue_table,
            queue_stride: QUEUE_STRIDE,
            config,
            doorbells: place_doorbells(request, &mut cursor)?,
            msix,
            push,
        };
        // INVARIANT: Checked here; the BARs get the size that the regions need.
        layout.check(&[u64::MAX; NUM_BARS]).map(|()| layout)
    }
}

/// The end of what is placed so far.
struct Cursor(u32);

impl Cursor {
    /// The next `size` bytes at a multiple of `align`. What does not fit 32 bits ends at the last
    /// byte, and fails the check of the layout.
    fn take(&mut self, size: u32, align: u32) -> Region {
        let offset = self.0.checked_next_multiple_of(align).unwrap_or(u32::MAX);
        self.0 = offset.saturating_add(size);
        Region { offset, size }
    }
}

fn place_push_areas(
    request: &LayoutRequest,
    cursor: &mut Cursor,
) -> Result<Option<PushAreas>, LayoutError> {
    if request.push_len == 0 {
        return Ok(None);
    }
    let stride = request.push_len.checked_next_multiple_of(PUSH_ALIGN);
    let stride = stride.ok_or(LayoutError::PushAreas)?;
    let size = stride.checked_mul(u32::from(request.num_queues));
    let size = size.ok_or(LayoutError::PushAreas)?;
    let region = match request.push_bar == request.register_bar {
        true => cursor.take(size, PUSH_ALIGN),
        false => Region { offset: 0, size },
    };
    Ok(Some(PushAreas {
        bar: request.push_bar,
        region,
        stride,
        below: request.push_below,
    }))
}

fn place_doorbells(request: &LayoutRequest, cursor: &mut Cursor) -> Result<Doorbells, LayoutError> {
    match request.doorbells {
        Placement::At(doorbells) => Ok(doorbells),
        Placement::Here {
            page_size,
            stride,
            scan_ms,
        } => {
            let slots = stride.checked_mul(u32::from(request.num_queues));
            let size = slots.and_then(|slots| slots.checked_next_multiple_of(page_size));
            match size {
                Some(size) if page_size.is_power_of_two() => Ok(Doorbells {
                    kind: DoorbellKind::Polled,
                    bar: request.register_bar,
                    region: cursor.take(size, page_size),
                    stride,
                    scan_ms,
                }),
                _ => Err(LayoutError::Doorbells),
            }
        }
    }
}
