//! From the TOML shape to arrays indexed by field number, with every bound checked.

use super::raw::{
    RawCase, RawCodePage, RawCount, RawDefaults, RawEncoding, RawField, RawFraming, RawNumber, RawOrder,
    RawProfile, RawSecondary, RawTertiary,
};
use super::{BitmapForm, Info, MtiForm, Profile, Role, Secondary, Tertiary};
use crate::bits::{FieldSet, MAX_FIELD};
use crate::charset::CodePage;
use crate::class::Class;
use crate::error::ProfileError;
use crate::framing::{Framing, Header, MAX_MESSAGE_BYTES};
use crate::mask::Mask;
use crate::wire::{Encoding, Hex, Indicator, MAX_INDICATOR_BYTES, MAX_VALUE, Number, Pad, Wire};

/// A key of the profile and what is wrong with it.
pub(crate) struct Wrong {
    pub(crate) at: String,
    pub(crate) message: String,
}

pub(crate) type Checked<T> = Result<T, Wrong>;

pub(crate) fn wrong<T>(at: &str, message: impl Into<String>) -> Checked<T> {
    Err(Wrong { at: at.to_owned(), message: message.into() })
}

/// What holds where a field says nothing.
pub(crate) struct Defaults<'a> {
    pub(crate) raw: &'a RawDefaults,
    pub(crate) hex: Hex,
    pub(crate) page: CodePage,
}

/// The keys of a field or of a part of one.
pub(crate) struct Keys<'a> {
    pub(crate) format: &'a str,
    pub(crate) encoding: Option<RawEncoding>,
    pub(crate) length: Option<RawNumber>,
    pub(crate) length_bytes: Option<u8>,
    pub(crate) count: Option<RawCount>,
    pub(crate) pad: Option<&'a str>,
}

pub(crate) fn compile(raw: &RawProfile) -> Result<Profile, ProfileError> {
    compile_checked(raw).map_err(|Wrong { at, message }| ProfileError::Invalid {
        profile: raw.name.clone(),
        at,
        message,
    })
}

fn compile_checked(raw: &RawProfile) -> Checked<Profile> {
    let page = match raw.defaults.code_page {
        RawCodePage::Cp500 => CodePage::Cp500,
        RawCodePage::Cp037 => CodePage::Cp037,
    };
    let hex = Hex { upper: raw.defaults.hex_case == RawCase::Upper, page: None };
    let defaults = Defaults { raw: &raw.defaults, hex, page };
    let bitmap = bitmap(raw, &defaults)?;
    let mut profile = Profile {
        name: raw.name.clone(),
        description: raw.description.clone(),
        mti: match raw.mti.encoding {
            RawEncoding::Ascii => MtiForm::Ascii,
            RawEncoding::Ebcdic => MtiForm::Ebcdic,
            RawEncoding::Bcd => MtiForm::Bcd,
            _ => return wrong("mti.encoding", "is ascii, ebcdic or bcd"),
        },
        bitmap,
        wires: vec![None; usize::from(MAX_FIELD) + 1],
        infos: (0..=MAX_FIELD).map(|_| Info::default()).collect(),
        hidden: FieldSet::EMPTY,
        echo: FieldSet::of(&raw.echo),
        framing: raw.framing.as_ref().map_or(Ok(Framing::binary(2)), framing)?,
        verbatim: true,
        cvv2: role("roles.cvv2", raw.roles.cvv2.as_deref())?,
        card_password: role("roles.card-password", raw.roles.card_password.as_deref())?,
    };
    for (key, field) in raw.fields.iter().filter(|(_, field)| !field.absent) {
        let at = format!("fields.{key}");
        let number = match key.parse::<u8>() {
            Ok(number @ 2..=MAX_FIELD) => number,
            _ => return wrong(&at, format!("is no field from 2 to {MAX_FIELD}")),
        };
        if number == 65 && bitmap.tertiary != Tertiary::None
            || number > 128 && bitmap.tertiary == Tertiary::None
        {
            return wrong(&at, "does not go with bitmap.tertiary");
        }
        let (wire, info) = compile_field(&at, number, field, &defaults)?;
        profile.verbatim &= wire.verbatim();
        if info.mask != Mask::Clear {
            profile.hidden.insert(number);
        }
        if let (Some(w), Some(i)) =
            (profile.wires.get_mut(usize::from(number)), profile.infos.get_mut(usize::from(number)))
        {
            (*w, *i) = (Some(wire), info);
        }
    }
    for (at, role) in [("roles.cvv2", profile.cvv2), ("roles.card-password", profile.card_password)] {
        if role.is_some_and(|role| !profile.has_place(role)) {
            return wrong(at, "names no field, or no subfield, of the profile");
        }
    }
    Ok(profile)
}

fn bitmap(raw: &RawProfile, defaults: &Defaults<'_>) -> Checked<BitmapForm> {
    Ok(BitmapForm {
        encoding: match raw.bitmap.encoding {
            RawEncoding::Binary => Encoding::Binary,
            RawEncoding::Hex => Encoding::Hex(defaults.hex),
            RawEncoding::HexEbcdic => Encoding::Hex(Hex { page: Some(defaults.page), ..defaults.hex }),
            _ => return wrong("bitmap.encoding", "is binary, hex or hex-ebcdic"),
        },
        secondary: match raw.bitmap.secondary {
            RawSecondary::Auto => Secondary::Auto,
            RawSecondary::Always => Secondary::Always,
            RawSecondary::Unmarked => Secondary::Unmarked,
        },
        tertiary: match raw.bitmap.tertiary {
            RawTertiary::None => Tertiary::None,
            RawTertiary::Follows => Tertiary::Follows,
            RawTertiary::InPlace => Tertiary::InPlace,
        },
    })
}

fn compile_field(at: &str, number: u8, raw: &RawField, defaults: &Defaults<'_>) -> Checked<(Wire, Info)> {
    let keys = Keys {
        format: raw.format.as_deref().unwrap_or_default(),
        encoding: raw.encoding,
        length: raw.length,
        length_bytes: raw.length_bytes,
        count: raw.count,
        pad: raw.pad.as_deref(),
    };
    let wire = wire(at, &keys, defaults)?;
    let mask = match raw.mask.as_deref() {
        None => Mask::standard(number),
        Some(text) => Mask::parse(text).map_or_else(|| wrong(&format!("{at}.mask"), "is no mask"), Ok)?,
    };
    let layout = match &raw.subfields {
        None => None,
        Some(sub) => Some(super::compile_sub::layout(&format!("{at}.subfields"), sub, defaults)?),
    };
    Ok((wire, Info { name: raw.name.as_str().into(), mask, layout }))
}

/// Compiles what a field looks like on the wire.
pub(crate) fn wire(at: &str, keys: &Keys<'_>, defaults: &Defaults<'_>) -> Checked<Wire> {
    let Some((class, dots, max)) = parse_format(keys.format) else {
        return wrong(
            &format!("{at}.format"),
            format!("{:?} is no format such as \"n 6\" or \"ans..25\"", keys.format),
        );
    };
    if max == 0 || max > MAX_VALUE {
        return wrong(&format!("{at}.format"), format!("the length is not in 1..={MAX_VALUE}"));
    }
    let encoding = keys.encoding.unwrap_or(match class {
        Class::Numeric | Class::Signed => defaults.raw.numeric,
        Class::Track => defaults.raw.track,
        Class::Binary => defaults.raw.binary,
        _ => defaults.raw.text,
    });
    let encoding = match (encoding, class) {
        (RawEncoding::Binary, Class::Binary) => Encoding::Binary,
        (RawEncoding::Hex, Class::Binary) => Encoding::Hex(defaults.hex),
        (RawEncoding::HexEbcdic, Class::Binary) => {
            Encoding::Hex(Hex { page: Some(defaults.page), ..defaults.hex })
        }
        (RawEncoding::Bcd, Class::Numeric | Class::Track | Class::Signed) => Encoding::Bcd,
        (RawEncoding::Ascii, class) if class != Class::Binary => Encoding::Ascii,
        (RawEncoding::Ebcdic, class) if class != Class::Binary => Encoding::Ebcdic(defaults.page),
        (encoding, class) => {
            return wrong(
                &format!("{at}.encoding"),
                format!("{encoding:?} does not suit class {}", class.as_str()),
            );
        }
    };
    let counts_bytes = keys.count.unwrap_or(defaults.raw.count) == RawCount::Bytes;
    if encoding == Encoding::Bcd && class == Class::Signed && counts_bytes && dots > 0 {
        return wrong(&format!("{at}.count"), "a signed BCD number of variable length counts digits");
    }
    let pad = match (keys.pad, class) {
        (Some(text), _) => text,
        (None, Class::Track) => &defaults.raw.track_pad,
        (None, _) => &defaults.raw.pad,
    };
    let Some(pad) = parse_pad(pad) else {
        return wrong(
            &format!("{at}.pad"),
            format!("{pad:?} is no padding such as \"left-0\" or \"right-F\""),
        );
    };
    let mut wire = Wire { class, encoding, indicator: None, max, counts_bytes, pad };
    if dots > 0 {
        wire.indicator = Some(indicator(at, keys, defaults, dots, wire)?);
    }
    Ok(wire)
}

fn indicator(at: &str, keys: &Keys<'_>, defaults: &Defaults<'_>, dots: u8, wire: Wire) -> Checked<Indicator> {
    let number = number(keys.length.unwrap_or(defaults.raw.length));
    let bytes = keys.length_bytes.unwrap_or(match number {
        Number::Ascii | Number::Ebcdic => dots,
        Number::Bcd => dots.div_ceil(2),
        Number::Binary => 1 + u8::from(dots > 2),
    });
    if bytes == 0 || bytes > MAX_INDICATOR_BYTES {
        return wrong(&format!("{at}.length-bytes"), format!("is not in 1..={MAX_INDICATOR_BYTES}"));
    }
    let indicator = Indicator { number, bytes };
    let max = usize::from(wire.max);
    let longest = match wire.encoding {
        Encoding::Bcd if wire.counts_bytes => wire.packed(max),
        Encoding::Hex(_) if !wire.counts_bytes => max * 2,
        _ => max,
    };
    if longest as u64 > indicator.capacity() {
        return wrong(&format!("{at}.format"), "the length indicator cannot say the longest length");
    }
    Ok(indicator)
}

pub(crate) fn number(raw: RawNumber) -> Number {
    match raw {
        RawNumber::Ascii => Number::Ascii,
        RawNumber::Ebcdic => Number::Ebcdic,
        RawNumber::Bcd => Number::Bcd,
        RawNumber::Binary => Number::Binary,
    }
}

/// Reads the notation of the standard: class, then a length (`n 6`) or as many dots as the length has digits and the
/// longest length (`ans..25`).
fn parse_format(text: &str) -> Option<(Class, u8, u16)> {
    let class_end = text.find([' ', '.'])?;
    let (class, rest) = text.split_at_checked(class_end)?;
    let max = rest.trim_start_matches(['.', ' ']);
    let between = rest.strip_suffix(max)?;
    let dots = if between == " " {
        0
    } else if between.bytes().all(|b| b == b'.') {
        u8::try_from(between.len()).ok().filter(|dots| *dots <= 4)?
    } else {
        return None;
    };
    Some((Class::parse(class)?, dots, max.parse().ok()?))
}

fn parse_pad(text: &str) -> Option<Pad> {
    let (side, nibble) = text.split_once('-')?;
    let left = match side {
        "left" => true,
        "right" => false,
        _ => return None,
    };
    let mut digits = nibble.chars();
    let nibble = digits.next()?.to_digit(16)? as u8;
    digits.next().is_none().then_some(Pad { left, nibble })
}

fn framing(raw: &RawFraming) -> Checked<Framing> {
    if raw.bytes == 0 || raw.bytes > MAX_INDICATOR_BYTES {
        return wrong("framing.bytes", format!("is not in 1..={MAX_INDICATOR_BYTES}"));
    }
    if raw.header > 0 && raw.header_first_byte {
        return wrong("framing.header", "does not go with header-first-byte");
    }
    let max = raw.max.unwrap_or(crate::framing::DEFAULT_MAX_MESSAGE_BYTES as u32);
    if max == 0 || max as usize > MAX_MESSAGE_BYTES {
        return wrong("framing.max", format!("is not in 1..={MAX_MESSAGE_BYTES}"));
    }
    let base = Framing::binary(2).with_reserved(raw.reserved).with_max(max as usize);
    if base.reserved != raw.reserved {
        return wrong("framing.reserved", format!("is more than {}", base.reserved));
    }
    Ok(Framing {
        indicator: Indicator { number: number(raw.length), bytes: raw.bytes },
        little_endian: raw.order == Some(RawOrder::Little),
        inclusive: raw.inclusive,
        tpdu: raw.tpdu,
        header: if raw.header_first_byte { Header::FirstByte } else { Header::Fixed(raw.header) },
        ..base
    })
}

fn role(at: &str, text: Option<&str>) -> Checked<Option<Role>> {
    let Some(text) = text else { return Ok(None) };
    let (field, id) = match text.split_once('.') {
        Some((field, id)) => (field, Some(id)),
        None => (text, None),
    };
    match (field.parse(), id.map(str::parse).transpose()) {
        (Ok(field), Ok(id)) => Ok(Some(Role { field, id })),
        _ => wrong(at, format!("{text:?} is no place such as \"48.92\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_notation_of_the_standard() {
        assert_eq!(parse_format("n 6"), Some((Class::Numeric, 0, 6)));
        assert_eq!(parse_format("n..19"), Some((Class::Numeric, 2, 19)));
        assert_eq!(parse_format("x+n 16"), Some((Class::Signed, 0, 16)));
        assert_eq!(parse_format("ans...999"), Some((Class::Printable, 3, 999)));
        assert_eq!(parse_format("ansb....9999"), Some((Class::Any, 4, 9999)));
        for bad in ["", "n", "n6", "q 6", "n .6", "n.....6", "n..", "n -6", "n ..19"] {
            assert_eq!(parse_format(bad), None, "{bad:?}");
        }
        assert_eq!(parse_pad("right-F"), Some(Pad { left: false, nibble: 15 }));
        assert_eq!(parse_pad("left-00"), None);
    }
}
