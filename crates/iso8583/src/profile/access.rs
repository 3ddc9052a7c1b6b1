//! Subfields, and the values that stand in another place with each partner.

use super::{Profile, Role};
use crate::error::{EncodeError, Fault};
use crate::layout::{Shape, SubfieldId};
use crate::message::Message;
use crate::secret::SecretBytes;
use crate::subfields::Subfields;

/// A field is read into this many subfields at most when one of them is changed.
const MAX_SUBFIELDS: usize = 512;

impl Profile {
    /// The subfields of `field`: `None` if the field is absent or the profile does not divide it.
    pub fn subfields<'a>(&'a self, message: &'a Message, field: u8) -> Option<Subfields<'a>> {
        Some(Subfields::new(self.layout(field)?, message.get(field)?))
    }

    /// The value of a subfield such as `(48, "92")`, if it is there and well formed.
    pub fn subfield(&self, message: &Message, field: u8, id: &str) -> Option<SecretBytes> {
        self.find(message, Role { field, id: Some(id.parse().ok()?) })
    }

    /// Sets a subfield, value in canonical form. The others stay as they are; a new one goes to the end.
    ///
    /// # Errors
    /// [`Fault::NoSubfield`] if the profile does not divide the field so; the fault of the field as it is if it cannot
    /// be read; the fault of the value if it does not suit.
    pub fn set_subfield(
        &self,
        message: &mut Message,
        field: u8,
        id: &str,
        value: impl AsRef<[u8]>,
    ) -> Result<(), EncodeError> {
        let failed = |fault| EncodeError::field(field, fault);
        let id = id.parse::<SubfieldId>().map_err(failed)?;
        let layout = self.layout(field).ok_or(failed(Fault::NoSubfield))?;
        let mut kept: Vec<(SubfieldId, SecretBytes)> = Vec::new();
        for subfield in self.subfields(message, field).into_iter().flatten() {
            let subfield = subfield.map_err(|e| failed(e.fault))?;
            if kept.len() >= MAX_SUBFIELDS {
                return Err(failed(Fault::TooLong));
            }
            kept.push((subfield.id(), subfield.value().map_err(failed)?));
        }
        let value = value.as_ref();
        match kept.iter_mut().find(|(have, _)| *have == id) {
            Some((_, old)) => *old = SecretBytes::copy_of(value),
            None => kept.push((id, SecretBytes::copy_of(value))),
        }
        let items: Vec<(SubfieldId, &[u8])> = kept.iter().map(|(id, value)| (*id, &value[..])).collect();
        let written = layout.write(&items).map_err(failed)?;
        message.set(field, &written)
    }

    /// Sets a field from its subfields, values in canonical form: TLV elements in the order given.
    ///
    /// # Errors
    /// As [`Profile::set_subfield`].
    pub fn set_subfields(
        &self,
        message: &mut Message,
        field: u8,
        subfields: &[(&str, &[u8])],
    ) -> Result<(), EncodeError> {
        let failed = |fault| EncodeError::field(field, fault);
        let layout = self.layout(field).ok_or(failed(Fault::NoSubfield))?;
        let items = subfields
            .iter()
            .map(|(id, value)| Ok((id.parse::<SubfieldId>().map_err(failed)?, *value)))
            .collect::<Result<Vec<_>, EncodeError>>()?;
        let written = layout.write(&items).map_err(failed)?;
        message.set(field, &written)
    }

    /// The CVV2 (three or four digits), where the profile has a place for it (`roles.cvv2`).
    pub fn cvv2(&self, message: &Message) -> Option<SecretBytes> {
        self.find(message, self.cvv2?)
    }

    /// Puts the CVV2 where the profile has its place.
    ///
    /// # Errors
    /// [`Fault::NoSubfield`] if it has none; otherwise as [`Profile::set_subfield`].
    pub fn set_cvv2(&self, message: &mut Message, cvv2: impl AsRef<[u8]>) -> Result<(), EncodeError> {
        self.put(message, self.cvv2, cvv2.as_ref())
    }

    /// The card password block, where the profile has a place for it (`roles.card-password`).
    pub fn card_password(&self, message: &Message) -> Option<SecretBytes> {
        self.find(message, self.card_password?)
    }

    /// Puts the card password block where the profile has its place.
    ///
    /// # Errors
    /// As [`Profile::set_cvv2`].
    pub fn set_card_password(
        &self,
        message: &mut Message,
        block: impl AsRef<[u8]>,
    ) -> Result<(), EncodeError> {
        self.put(message, self.card_password, block.as_ref())
    }

    fn find(&self, message: &Message, role: Role) -> Option<SecretBytes> {
        let Some(id) = role.id else { return message.get(role.field).map(SecretBytes::copy_of) };
        self.subfields(message, role.field)?
            .map_while(Result::ok)
            .find(|subfield| subfield.id() == id)
            .and_then(|subfield| subfield.value().ok())
    }

    fn put(&self, message: &mut Message, role: Option<Role>, value: &[u8]) -> Result<(), EncodeError> {
        match role {
            None => Err(EncodeError { place: crate::error::Place::Message, fault: Fault::NoSubfield }),
            Some(Role { field, id: None }) => message.set(field, value),
            Some(Role { field, id: Some(id) }) => self.set_subfield(message, field, id.as_str(), value),
        }
    }

    /// True if the profile has the place a role names.
    pub(super) fn has_place(&self, role: Role) -> bool {
        match (role.id, self.layout(role.field)) {
            (None, _) => self.wire(role.field).is_some(),
            (Some(id), Some(layout)) => {
                layout.part(id).is_some() || matches!(layout.shape, Shape::Tlv { .. })
            }
            (Some(_), None) => false,
        }
    }
}
