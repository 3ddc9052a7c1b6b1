//! Profiles: what a message looks like between two partners, as data. See `profiles/README.md` for the format.

mod access;
mod compile;
mod compile_sub;
mod load;
mod raw;
mod spec;

pub use load::{MAX_ANCESTORS, builtin_names, builtin_text};
pub use spec::FieldSpec;

use crate::bits::FieldSet;
use crate::error::ProfileError;
use crate::framing::Framing;
use crate::layout::{Layout, SubfieldId};
use crate::mask::Mask;
use crate::message::Message;
use crate::mti::Mti;
use crate::table::Table;
use crate::wire::{Encoding, Wire};

/// What a message looks like between two partners, compiled for speed. Build it once, share it freely.
#[derive(Debug)]
pub struct Profile {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) mti: MtiForm,
    pub(crate) bitmap: BitmapForm,
    /// By field number.
    pub(crate) wires: Vec<Option<Wire>>,
    /// By field number.
    pub(crate) infos: Vec<Info>,
    /// The fields whose mask is not clear.
    pub(crate) hidden: FieldSet,
    pub(crate) echo: FieldSet,
    pub(crate) framing: Framing,
    /// Every value stands on the wire as it is: nothing is translated.
    pub(crate) verbatim: bool,
    pub(crate) cvv2: Option<Role>,
    pub(crate) card_password: Option<Role>,
}

/// How the MTI is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MtiForm {
    Ascii,
    Ebcdic,
    Bcd,
}

/// When there is a secondary bitmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Secondary {
    /// When bit 1 says so.
    Auto,
    /// Always, and bit 1 says so.
    Always,
    /// Always, and bit 1 is never set.
    Unmarked,
}

/// Where the tertiary bitmap stands, if bit 65 announces one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tertiary {
    /// There is none: bit 65 announces field 65.
    None,
    /// Right after the secondary.
    Follows,
    /// In the place of field 65.
    InPlace,
}

/// How bitmaps are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BitmapForm {
    pub(crate) encoding: Encoding,
    pub(crate) secondary: Secondary,
    pub(crate) tertiary: Tertiary,
}

/// What the hot path does not need to know of a field.
#[derive(Debug, Default)]
pub(crate) struct Info {
    pub(crate) name: Box<str>,
    pub(crate) mask: Mask,
    pub(crate) layout: Option<Layout>,
}

/// The place of a value the gateway must find whatever the partner: a field, or a subfield of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) field: u8,
    pub(crate) id: Option<SubfieldId>,
}

impl Profile {
    /// A profile that is built in: `iso87-ascii`, `iso87-hexbitmap`, `iso87-bcd`, `iso87-ebcdic` or `iso93`.
    ///
    /// # Errors
    /// [`ProfileError::Unknown`] for any other name.
    pub fn builtin(name: &str) -> Result<Self, ProfileError> {
        let text = builtin_text(name).ok_or_else(|| ProfileError::Unknown(name.to_owned()))?;
        Self::from_toml(text, |_| None)
    }

    /// A profile from its text. Ancestors (`extends`) are built-in profiles, or texts that `resolver` finds by name.
    ///
    /// # Errors
    /// A [`ProfileError`] that names the key at fault.
    pub fn from_toml(text: &str, resolver: impl Fn(&str) -> Option<String>) -> Result<Self, ProfileError> {
        compile::compile(&load::load(text, &resolver)?)
    }

    /// The profile's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the profile is for.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// How frames are told apart on the partner's connection.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// The fields the profile defines.
    pub fn fields(&self) -> FieldSet {
        let mut set = FieldSet::EMPTY;
        for (number, _) in self.wires.iter().zip(0u8..).filter_map(|(wire, n)| wire.map(|w| (n, w))) {
            set.insert(number);
        }
        set
    }

    /// What the profile says of a field.
    pub fn field(&self, field: u8) -> Option<FieldSpec<'_>> {
        Some(FieldSpec { wire: self.wire(field)?, info: self.info(field)? })
    }

    /// The name the profile gives a field, or an empty one.
    pub fn field_name(&self, field: u8) -> &str {
        self.info(field).map_or("", |info| &info.name)
    }

    /// A message without fields that knows which of its fields to mask.
    pub fn message(&self, mti: Mti) -> Message {
        let mut message = Message::new(mti);
        message.hidden = self.hidden;
        message
    }

    /// The beginning of the answer to `message`: the type of the answer, and the fields that answers echo (`echo` of
    /// the profile) as they came. `None` if the message wants no answer.
    pub fn reply_to(&self, message: &Message) -> Option<Message> {
        let mut reply = self.message(message.mti().reply_mti()?);
        for field in self.echo.iter() {
            // Copying cannot fail: the value was in a message already.
            let _ = reply.copy_from(message, field);
        }
        Some(reply)
    }

    /// The message as a table for people, sensitive fields masked.
    pub fn table<'a>(&'a self, message: &'a Message) -> Table<'a> {
        Table::new(self, message)
    }

    #[inline]
    pub(crate) fn wire(&self, field: u8) -> Option<Wire> {
        self.wires.get(usize::from(field)).copied().flatten()
    }

    pub(crate) fn info(&self, field: u8) -> Option<&Info> {
        self.infos.get(usize::from(field)).filter(|_| self.wire(field).is_some())
    }

    pub(crate) fn layout(&self, field: u8) -> Option<&Layout> {
        self.info(field).and_then(|info| info.layout.as_ref())
    }
}
