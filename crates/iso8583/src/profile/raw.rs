//! A profile as it is written in TOML. See `profiles/README.md` for what each key means.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawProfile {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) description: String,
    /// Read while the ancestors are merged; nothing is left to do with it then.
    #[serde(rename = "extends")]
    pub(crate) _extends: Option<String>,
    #[serde(default)]
    pub(crate) mti: RawMti,
    #[serde(default)]
    pub(crate) bitmap: RawBitmap,
    #[serde(default)]
    pub(crate) defaults: RawDefaults,
    pub(crate) framing: Option<RawFraming>,
    #[serde(default)]
    pub(crate) roles: RawRoles,
    #[serde(default)]
    pub(crate) echo: Vec<u8>,
    #[serde(default)]
    pub(crate) fields: BTreeMap<String, RawField>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawEncoding {
    Ascii,
    Ebcdic,
    Bcd,
    Binary,
    Hex,
    HexEbcdic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawNumber {
    Ascii,
    Ebcdic,
    Bcd,
    Binary,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct RawMti {
    pub(crate) encoding: RawEncoding,
}

impl Default for RawMti {
    fn default() -> Self {
        Self { encoding: RawEncoding::Ascii }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawSecondary {
    Auto,
    Always,
    Unmarked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawTertiary {
    None,
    Follows,
    InPlace,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct RawBitmap {
    pub(crate) encoding: RawEncoding,
    pub(crate) secondary: RawSecondary,
    pub(crate) tertiary: RawTertiary,
}

impl Default for RawBitmap {
    fn default() -> Self {
        Self { encoding: RawEncoding::Binary, secondary: RawSecondary::Auto, tertiary: RawTertiary::None }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawCount {
    Digits,
    Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawCase {
    Upper,
    Lower,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawCodePage {
    Cp500,
    Cp037,
}

/// What holds for each field that does not say otherwise.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct RawDefaults {
    pub(crate) text: RawEncoding,
    pub(crate) numeric: RawEncoding,
    pub(crate) track: RawEncoding,
    pub(crate) binary: RawEncoding,
    pub(crate) length: RawNumber,
    pub(crate) count: RawCount,
    pub(crate) pad: String,
    pub(crate) track_pad: String,
    pub(crate) hex_case: RawCase,
    pub(crate) code_page: RawCodePage,
}

impl Default for RawDefaults {
    fn default() -> Self {
        Self {
            text: RawEncoding::Ascii,
            numeric: RawEncoding::Ascii,
            track: RawEncoding::Ascii,
            binary: RawEncoding::Binary,
            length: RawNumber::Ascii,
            count: RawCount::Digits,
            pad: "left-0".to_owned(),
            track_pad: "right-F".to_owned(),
            hex_case: RawCase::Upper,
            code_page: RawCodePage::Cp500,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawOrder {
    Big,
    Little,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawFraming {
    pub(crate) length: RawNumber,
    pub(crate) bytes: u8,
    #[serde(default)]
    pub(crate) inclusive: bool,
    pub(crate) order: Option<RawOrder>,
    #[serde(default)]
    pub(crate) reserved: u8,
    #[serde(default)]
    pub(crate) tpdu: bool,
    #[serde(default)]
    pub(crate) header: u8,
    #[serde(default)]
    pub(crate) header_first_byte: bool,
    pub(crate) max: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct RawRoles {
    pub(crate) cvv2: Option<String>,
    pub(crate) card_password: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawField {
    /// Needed unless the field is absent.
    pub(crate) format: Option<String>,
    #[serde(default)]
    pub(crate) name: String,
    pub(crate) encoding: Option<RawEncoding>,
    pub(crate) length: Option<RawNumber>,
    pub(crate) length_bytes: Option<u8>,
    pub(crate) count: Option<RawCount>,
    pub(crate) pad: Option<String>,
    pub(crate) mask: Option<String>,
    pub(crate) subfields: Option<RawSubfields>,
    /// The profile has not this field of its ancestor.
    #[serde(default)]
    pub(crate) absent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawShape {
    Positional,
    Tlv,
    BerTlv,
    Bitmap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RawTag {
    Ascii,
    Bytes,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawSubfields {
    pub(crate) layout: RawShape,
    pub(crate) tag: Option<RawTag>,
    pub(crate) tag_bytes: Option<u8>,
    pub(crate) length: Option<RawNumber>,
    pub(crate) length_bytes: Option<u8>,
    #[serde(default)]
    pub(crate) prefix: u8,
    pub(crate) encoding: Option<RawEncoding>,
    #[serde(default)]
    pub(crate) parts: Vec<RawPart>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RawPart {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: String,
    pub(crate) format: Option<String>,
    pub(crate) encoding: Option<RawEncoding>,
    pub(crate) length: Option<RawNumber>,
    pub(crate) length_bytes: Option<u8>,
    pub(crate) count: Option<RawCount>,
    pub(crate) pad: Option<String>,
    pub(crate) mask: Option<String>,
}
