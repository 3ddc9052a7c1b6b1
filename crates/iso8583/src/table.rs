//! A message as a table for people.

use std::fmt;

use crate::mask::{Mask, Masked};
use crate::message::Message;
use crate::profile::Profile;

/// A message laid out for people: one line for each field and subfield, sensitive ones masked.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    profile: &'a Profile,
    message: &'a Message,
}

/// The width of the column of names: most of the standard's fit.
const NAME_WIDTH: usize = 36;

/// A field's line is followed by at most this many lines for its subfields.
const SUBFIELD_LINES: usize = 128;

impl<'a> Table<'a> {
    pub(crate) fn new(profile: &'a Profile, message: &'a Message) -> Self {
        Self { profile, message }
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mti = self.message.mti();
        writeln!(f, "{:<9} {:<NAME_WIDTH$} {}", "MTI", mti.describe(), mti)?;
        for (field, value) in self.message.iter() {
            let (name, mask) = match self.profile.info(field) {
                Some(info) => (&*info.name, info.mask),
                None => ("", Mask::standard(field)),
            };
            writeln!(f, "{field:>3}       {name:<NAME_WIDTH$} {}", Masked::new(value, mask))?;
            for subfield in
                self.profile.subfields(self.message, field).into_iter().flatten().take(SUBFIELD_LINES)
            {
                match subfield {
                    Ok(sub) => {
                        writeln!(
                            f,
                            "{field:>3}.{:<5} {:<NAME_WIDTH$} {}",
                            sub.id(),
                            sub.name(),
                            sub.masked()
                        )?;
                    }
                    Err(error) => writeln!(f, "{field:>3}.?     {error}")?,
                }
            }
        }
        Ok(())
    }
}
