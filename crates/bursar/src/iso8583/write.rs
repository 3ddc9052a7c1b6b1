//! From values to a message.

use bursar_iso8583::{Class, Message, Profile, SecretBytes};
use serde_json::{Map, Value};

use super::{Encode, input};
use crate::exit::Exit;

/// Longest file of values, in bytes.
const VALUES_MAX: u64 = 1024 * 1024;

pub(super) fn encode(arguments: &Encode) -> Result<(), Exit> {
    let profile = super::profile(&arguments.layout)?;
    let message = message(&profile, arguments).map_err(Exit::usage)?;
    let bytes = profile.encode(&message).map_err(|error| Exit::usage(error.to_string()))?;
    let mut out = SecretBytes::default();
    if arguments.layout.framed {
        let framed = profile.framing().write_plain(&bytes, &mut out);
        framed.map_err(|error| Exit::usage(error.to_string()))?;
    } else {
        out.extend(&bytes);
    }
    input::put(&input::written(&out, arguments.form))
}

fn message(profile: &Profile, arguments: &Encode) -> Result<Message, String> {
    let mti = arguments.mti.parse().map_err(|_| format!("--mti {}: is not four digits", arguments.mti))?;
    let mut message = profile.message(mti);
    if let Some(path) = &arguments.file {
        let values: Map<String, Value> = serde_json::from_slice(&input::bytes(path, VALUES_MAX)?)
            .map_err(|error| format!("{} is not one JSON object: {error}", path.display()))?;
        for (place, value) in &values {
            let value = value.as_str().ok_or_else(|| format!("{place}: the value is not a string"))?;
            set(profile, &mut message, place, value)?;
        }
    }
    for pair in &arguments.values {
        let (place, value) = pair.split_once('=').ok_or("a value is not FIELD=VALUE")?;
        set(profile, &mut message, place, value)?;
    }
    Ok(message)
}

fn set(profile: &Profile, message: &mut Message, place: &str, value: &str) -> Result<(), String> {
    let (field, subfield) = match place.split_once('.') {
        Some((field, subfield)) => (field, Some(subfield)),
        None => (place, None),
    };
    let number = field.parse::<u8>().map_err(|_| format!("`{place}` is no field"))?;
    let done = match subfield {
        Some(id) => profile.set_subfield(message, number, id, value),
        None if profile.field(number).is_some_and(|spec| spec.class() == Class::Binary) => {
            let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(value.as_bytes());
            message
                .set(number, bytes.map_err(|_| format!("field {number} is binary: give hexadecimal digits"))?)
        }
        None => message.set(number, value),
    };
    done.map_err(|error| error.to_string())
}
