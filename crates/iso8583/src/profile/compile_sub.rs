//! Compiles the division of a field into subfields.

use super::compile::{Checked, Defaults, Keys, number, wire, wrong};
use super::raw::{RawCount, RawEncoding, RawPart, RawShape, RawSubfields, RawTag};
use crate::class::Class;
use crate::layout::{Layout, Part, Shape, SubfieldId, TagForm};
use crate::mask::Mask;
use crate::wire::{Encoding, Indicator, MAX_INDICATOR_BYTES, MAX_VALUE, Number, Pad, Wire};

/// A field is divided into this many parts at most: more than any network's.
const MAX_PARTS: usize = 256;

/// What describes an element of TLV data that the profile does not.
const UNKNOWN: Wire = Wire {
    class: Class::Any,
    encoding: Encoding::Ascii,
    indicator: None,
    max: MAX_VALUE,
    counts_bytes: true,
    pad: Pad { left: true, nibble: 0 },
};

pub(crate) fn layout(at: &str, raw: &RawSubfields, defaults: &Defaults<'_>) -> Checked<Layout> {
    if raw.parts.len() > MAX_PARTS {
        return wrong(at, format!("has more than {MAX_PARTS} parts"));
    }
    let shape = shape(at, raw, defaults)?;
    let mut parts: Vec<Part> = Vec::with_capacity(raw.parts.len());
    for part in &raw.parts {
        let at = format!("{at}.parts.{}", part.id);
        let part = compile_part(&at, part, shape, defaults)?;
        if parts.iter().any(|have| have.id == part.id) {
            return wrong(&at, "is there twice");
        }
        parts.push(part);
    }
    Ok(Layout { shape, parts })
}

fn shape(at: &str, raw: &RawSubfields, defaults: &Defaults<'_>) -> Checked<Shape> {
    let tlv_keys =
        raw.tag.is_some() || raw.tag_bytes.is_some() || raw.length.is_some() || raw.length_bytes.is_some();
    if raw.layout != RawShape::Tlv && (tlv_keys || raw.prefix > 0) {
        return wrong(at, "tag, length and prefix go with layout tlv only");
    }
    if raw.layout != RawShape::Bitmap && raw.encoding.is_some() {
        return wrong(at, "encoding goes with layout bitmap only");
    }
    Ok(match raw.layout {
        RawShape::Positional => Shape::Positional,
        RawShape::BerTlv => Shape::Ber,
        RawShape::Bitmap => Shape::Bitmap {
            hex: match raw.encoding {
                None | Some(RawEncoding::Binary) => None,
                Some(RawEncoding::Hex) => Some(defaults.hex),
                Some(_) => return wrong(&format!("{at}.encoding"), "is binary or hex"),
            },
        },
        RawShape::Tlv => {
            let length = raw.length.map_or(Number::Ascii, number);
            let length_bytes = raw.length_bytes.unwrap_or(2);
            let tag_bytes = raw.tag_bytes.unwrap_or(2);
            if length_bytes == 0 || length_bytes > MAX_INDICATOR_BYTES {
                return wrong(&format!("{at}.length-bytes"), format!("is not in 1..={MAX_INDICATOR_BYTES}"));
            }
            let tag = match raw.tag {
                None | Some(RawTag::Ascii) => TagForm::Text,
                Some(RawTag::Bytes) => TagForm::Bytes,
            };
            let longest = if tag == TagForm::Text { 8 } else { 4 };
            if tag_bytes == 0 || tag_bytes > longest {
                return wrong(&format!("{at}.tag-bytes"), format!("is not in 1..={longest}"));
            }
            let indicator = Indicator { number: length, bytes: length_bytes };
            Shape::Tlv {
                tag,
                tag_bytes,
                prefix: raw.prefix,
                default: Wire { indicator: Some(indicator), ..UNKNOWN },
            }
        }
    })
}

fn compile_part(at: &str, raw: &RawPart, shape: Shape, defaults: &Defaults<'_>) -> Checked<Part> {
    let Ok(id) = raw.id.parse::<SubfieldId>() else { return wrong(at, "is no id of 1 to 8 characters") };
    let mask = match raw.mask.as_deref() {
        None => Mask::Clear,
        Some(text) => Mask::parse(text).map_or_else(|| wrong(&format!("{at}.mask"), "is no mask"), Ok)?,
    };
    // The field's value is in canonical form already: its parts are ASCII or bytes unless they say otherwise.
    let encoding = raw.encoding.or_else(|| {
        let binary =
            raw.format.as_deref().is_some_and(|format| format.starts_with("b ") || format.starts_with("b."));
        Some(if binary { RawEncoding::Binary } else { RawEncoding::Ascii })
    });
    let mut keys = Keys {
        format: raw.format.as_deref().unwrap_or("ansb 999"),
        encoding,
        length: raw.length.or(Some(super::raw::RawNumber::Ascii)),
        length_bytes: raw.length_bytes,
        count: raw.count,
        pad: raw.pad.as_deref(),
    };
    let mut exact = false;
    let wire = match shape.indicator() {
        None => wire(at, &keys, defaults)?,
        Some(indicator) => {
            // A TLV length counts the bytes of the value, whatever they are.
            keys.count = Some(RawCount::Bytes);
            let compiled = wire(at, &keys, defaults)?;
            exact = raw.format.is_some() && compiled.indicator.is_none();
            let capacity = u16::try_from(indicator.capacity()).unwrap_or(u16::MAX);
            Wire {
                indicator: Some(indicator),
                counts_bytes: true,
                max: compiled.max.min(capacity),
                ..compiled
            }
        }
    };
    if matches!(shape, Shape::Bitmap { .. }) && !(1..=64u8).any(|n| SubfieldId::from_number(n) == id) {
        return wrong(at, "is no number from 1 to 64");
    }
    if matches!(shape, Shape::Ber) && id.as_str().parse::<crate::ber::Tag>().is_err() {
        return wrong(at, "is no BER tag");
    }
    Ok(Part { id, name: raw.name.as_str().into(), mask, wire, exact })
}
