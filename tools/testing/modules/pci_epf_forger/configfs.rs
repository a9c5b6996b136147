// SPDX-License-Identifier: GPL-2.0

//! The attributes by which a test tells the lies.
//!
//! Context: process, without `epf->lock`.

use crate::{
    device::Kind,
    function::Forger,
    lies::{
        Delay,
        Hold, //
    }, //
};
use core::str::SplitAsciiWhitespace;
use kernel::{
    fmt::Write,
    prelude::*, //
};
use pci_ep::configfs::{
    Attribute,
    Entry,
    Page, //
};
use transport::{
    Offset,
    Registers, //
};

/// All of them.
pub(crate) const ATTRIBUTES: &[Entry<Forger>] = &[
    Entry::new::<Device>(),
    Entry::new::<Peek>(),
    Entry::new::<HoldWord>(),
    Entry::new::<Churn>(),
    Entry::new::<DelayCommand>(),
    Entry::new::<Poke>(),
    Entry::new::<Raise>(),
    Entry::new::<Used>(),
    Entry::new::<Give>(),
    Entry::new::<BlockStatus>(),
    Entry::new::<Stall>(),
    Entry::new::<Honest>(),
];

/// The most interrupts by one line, so that a write to an attribute ends.
const MAX_INTERRUPTS: u32 = 10_000;

/// The numbers of a line, decimal or with `0x`.
struct Numbers<'a>(SplitAsciiWhitespace<'a>);

impl<'a> Numbers<'a> {
    fn of(text: &'a str) -> Self {
        Self(text.split_ascii_whitespace())
    }

    /// The next number, if there is one more.
    fn optional<T: TryFrom<u32>>(&mut self) -> Result<Option<T>> {
        let Some(text) = self.0.next() else {
            return Ok(None);
        };
        let number = match text.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => text.parse(),
        };
        let number = number.map_err(|_| EINVAL)?;
        number.try_into().map(Some).map_err(|_| ERANGE)
    }

    fn next<T: TryFrom<u32>>(&mut self) -> Result<T> {
        self.optional()?.ok_or(EINVAL)
    }

    fn offset(&mut self) -> Result<Offset> {
        self.next().map(Offset::new)
    }
}

/// `device`: net or blk.
struct Device;

#[vtable]
impl Attribute<Forger> for Device {
    const NAME: &'static CStr = c"device";

    fn store(function: &Forger, text: &str) -> Result {
        function.set_kind(match text {
            "net" => Kind::Net,
            "blk" => Kind::Block,
            _ => return Err(EINVAL),
        })
    }
}

/// `peek`: the word at the offset that was written last.
struct Peek;

#[vtable]
impl Attribute<Forger> for Peek {
    const NAME: &'static CStr = c"peek";

    fn show(function: &Forger, page: &mut Page<'_>) -> Result {
        let offset = Offset::new(function.peeked());
        let word = function.responder()?.bar().read32(offset);
        Ok(writeln!(page, "{word:#x}")?)
    }

    fn store(function: &Forger, text: &str) -> Result {
        function.set_peeked(Numbers::of(text).next()?);
        Ok(())
    }
}

/// Attributes that are orders.
macro_rules! orders {
    ($($(#[$doc:meta])* $type:ident = $name:literal, |$function:ident, $numbers:ident| $do:expr;)*) => {$(
        $(#[$doc])*
        struct $type;

        #[vtable]
        impl Attribute<Forger> for $type {
            const NAME: &'static CStr = $name;

            fn store($function: &Forger, text: &str) -> Result {
                #[allow(unused_mut)]
                let mut $numbers = Numbers::of(text);
                $do
            }
        }
    )*};
}

orders! {
    /// `hold`: a word that keeps its value.
    HoldWord = c"hold", |function, numbers| function.responder()?.hold(Hold {
        offset: numbers.offset()?,
        value: numbers.next()?,
        opcode: numbers.optional()?,
    });
    /// `churn`: a word that changes all the time.
    Churn = c"churn", |function, numbers| function.responder()?.lies().churn(numbers.offset()?);
    /// `delay`: a command that is answered late.
    DelayCommand = c"delay", |function, numbers| function.responder()?.lies().delay(Delay {
        opcode: numbers.next()?,
        ms: numbers.next()?,
    });
    /// `poke`: a word that changes once.
    Poke = c"poke", |function, numbers| {
        let offset = numbers.offset()?;
        function.responder()?.bar().poke(offset, numbers.next()?)
    };
    /// `raise`: interrupts.
    Raise = c"raise", |function, numbers| {
        let vector = numbers.next()?;
        let count = numbers.optional()?.unwrap_or(1);
        function.responder()?.raise(vector, MAX_INTERRUPTS.min(count))
    };
    /// `used`: an entry of the used ring.
    Used = c"used", |function, numbers| {
        let (queue, id, length) = (numbers.next()?, numbers.next()?, numbers.next()?);
        let advance = numbers.next()?;
        function.responder()?.with_device(|device| device.forge_used(queue, id, length, advance))
    };
    /// `give`: the next buffer with bytes in it.
    Give = c"give", |function, numbers| {
        let (queue, length) = (numbers.next()?, numbers.next()?);
        let mut bytes = KVec::new();
        while let Some(byte) = numbers.optional()? {
            bytes.push(byte, GFP_KERNEL)?;
        }
        function.responder()?.with_device(|device| device.give(queue, length, &bytes))
    };
    /// `block_status`: what block requests end with.
    BlockStatus = c"block_status", |function, numbers| {
        let status = numbers.next()?;
        function.responder()?.with_device(|device| {
            device.set_block_status(status);
            Ok(())
        })
    };
    /// `stall`: buffers stay where they are.
    Stall = c"stall", |function, _numbers| {
        function.responder()?.lies().stall();
        Ok(())
    };
    /// `honest`: no lies any more.
    Honest = c"honest", |function, _numbers| function.responder()?.be_honest();
}
