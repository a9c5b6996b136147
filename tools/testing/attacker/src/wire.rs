// SPDX-License-Identifier: GPL-2.0
//! Commands, word by word, as no honest driver sends them.
//!
//! Nothing is kept here: sequence number and epoch are what is in the registers, unless an attack has
//! others.

use std::time::Duration;

use anyhow::{bail, ensure, Result};
use transport::{
    offset, time, Command, CommandError, Offset, Opcode, Registers, STATUS_NONE, STATUS_OKAY,
};

use crate::bar::Bar;
use crate::patience::wait_for;

/// Number of result words.
const RESULTS: u32 = 4;
/// A sequence number has 24 bits.
pub const SEQUENCES: u32 = 1 << 24;

/// What the endpoint answered.
pub type Answer = Result<[u32; RESULTS as usize], CommandError>;

/// The command block.
pub struct Wire<'a> {
    registers: &'a Bar,
    block: u32,
}

impl<'a> Wire<'a> {
    /// The command block at the place that the identity has now.
    pub fn new(registers: &'a Bar) -> Self {
        Self {
            registers,
            block: registers.read32(offset::COMMAND_REGION),
        }
    }

    /// Place of a word of the block in the register BAR.
    pub fn place(&self, offset: Offset) -> Offset {
        Offset::new(self.block + offset.bytes())
    }

    /// Reads a word of the block.
    pub fn read(&self, offset: Offset) -> u32 {
        self.registers.read32(self.place(offset))
    }

    /// Writes a word of the block.
    pub fn write(&self, offset: Offset, value: u32) {
        self.registers.write32(self.place(offset), value);
    }

    /// The epoch of the session, as the register has it.
    pub fn epoch(&self) -> u32 {
        self.registers.read32(offset::EPOCH)
    }

    /// The sequence number that is to be used next.
    pub fn next_sequence(&self) -> u32 {
        (self.read(offset::command::CMD) >> 8).wrapping_add(1) % SEQUENCES
    }

    /// Writes the words of a command, but not the one that starts it (R2, R3).
    pub fn prepare(&self, epoch: u32, arguments: &[u32], data: &[u32]) {
        self.write(offset::command::CMD, 0);
        self.write(offset::command::CMD_EPOCH, epoch);
        for (n, word) in (0..).zip(arguments) {
            self.write(offset::command::ARGUMENT.word(n), *word);
        }
        for (n, word) in (0..).zip(data) {
            self.write(offset::command::DATA.word(n), *word);
        }
    }

    /// Starts a command (R4); returns its word.
    pub fn post(&self, sequence: u32, opcode: u8) -> u32 {
        let word = ((sequence % SEQUENCES) << 8) | u32::from(opcode);
        self.write(offset::command::CMD, word);
        word
    }

    /// Sends a command with this sequence number and epoch, and waits for the answer.
    pub fn send_as(
        &self,
        sequence: u32,
        epoch: u32,
        opcode: u8,
        arguments: &[u32],
    ) -> Result<Answer> {
        self.prepare(epoch, arguments, &[]);
        let word = self.post(sequence, opcode);
        self.answer(word)
    }

    /// Sends a command as it should be, with whatever arguments, and waits for the answer.
    pub fn send(&self, opcode: u8, arguments: &[u32]) -> Result<Answer> {
        self.send_as(self.next_sequence(), self.epoch(), opcode, arguments)
    }

    /// Sends a command of this version, and waits for the answer.
    pub fn execute(&self, command: &Command) -> Result<Answer> {
        let frame = command.encode();
        let sequence = self.next_sequence();
        self.prepare(self.epoch(), &frame.arguments, &frame.data);
        let word = self.post(sequence, frame.opcode as u8);
        self.answer(word)
    }

    /// Waits for the answer to a command (R5, R6).
    pub fn answer(&self, word: u32) -> Result<Answer> {
        let opcode = Opcode::from_number(word.to_le_bytes()[0]);
        let bound = opcode.map_or(time::COMMAND_MS, Opcode::bound_ms);
        wait_for(
            &format!("an answer to command {word:#x}"),
            Duration::from_millis(bound),
            || (self.read(offset::command::ANSWER) == word).then_some(()),
        )?;
        let mut results = [0; RESULTS as usize];
        for (n, result) in (0..).zip(&mut results) {
            *result = self.read(offset::command::RESULT.word(n));
        }
        match self.read(offset::command::CMD_STATUS) {
            STATUS_OKAY => Ok(Ok(results)),
            STATUS_NONE => bail!("command {word:#x} was answered with status NONE"),
            status => match CommandError::from_status(status) {
                Some(error) => Ok(Err(error)),
                None => bail!("command {word:#x} was answered with status {status:#x}"),
            },
        }
    }

    /// Sends a command that has to succeed.
    pub fn expect_okay(&self, command: &Command) -> Result<[u32; RESULTS as usize]> {
        match self.execute(command)? {
            Ok(results) => Ok(results),
            Err(error) => bail!("{command:?} was refused: {error:?}"),
        }
    }

    /// Sends a command that has to be refused, with this error.
    pub fn expect_error(&self, command: &Command, error: CommandError) -> Result<()> {
        expect_error(&format!("{command:?}"), self.execute(command)?, error)
    }

    /// Sends a command that has to be refused, with this error.
    pub fn expect_refusal(&self, opcode: u8, arguments: &[u32], error: CommandError) -> Result<()> {
        let what = format!("opcode {opcode:#x} with {arguments:x?}");
        expect_error(&what, self.send(opcode, arguments)?, error)
    }
}

/// Fails unless an answer is this error.
pub fn expect_error(what: &str, answer: Answer, error: CommandError) -> Result<()> {
    ensure!(
        answer == Err(error),
        "{what}: expected {error:?}, got {answer:x?}"
    );
    Ok(())
}
