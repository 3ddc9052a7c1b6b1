//! Decodes and encodes messages a line at a time, for tests against other implementations.
//!
//! ```text
//! iso8583_json PROFILE [FILE.toml]    one JSON object for each line of standard input
//! iso8583_json --describe PROFILE     the profile's layout as one JSON object
//! ```
//!
//! In: `{"decode": "HEX"}` or `{"encode": {"t": "0100", "2": "4111…", …}}`. Out: `{"t": …, "2": …}` or `{"hex": "HEX"}`,
//! or `{"error": "…"}` with what could be read in `partial`. Text fields are JSON strings of code points 0–255, binary
//! fields upper-case hexadecimal digits.
//!
//! Values are printed as they are: for made-up messages only.

use std::error::Error;
use std::io::{BufRead, BufWriter, Write};

use bursar_iso8583::{Class, Message, Profile};
use data_encoding::HEXUPPER;
use serde_json::{Map, Value, json};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut out = BufWriter::new(std::io::stdout().lock());
    match arguments[..] {
        ["--describe", name] => writeln!(out, "{}", describe(&Profile::builtin(name)?))?,
        [name] => answer_lines(&Profile::builtin(name)?, &mut out)?,
        [_, file] => answer_lines(&Profile::from_toml(&std::fs::read_to_string(file)?, |_| None)?, &mut out)?,
        _ => return Err("usage: iso8583_json PROFILE [FILE.toml] | --describe PROFILE".into()),
    }
    out.flush()?;
    Ok(())
}

fn answer_lines(profile: &Profile, out: &mut impl Write) -> Outcome<()> {
    for line in std::io::stdin().lock().lines() {
        let answer = answer(profile, &line?).unwrap_or_else(|error| json!({ "error": error.to_string() }));
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

fn answer(profile: &Profile, line: &str) -> Outcome<Value> {
    let asked: Value = serde_json::from_str(line)?;
    if let Some(hex) = asked["decode"].as_str() {
        let decoded = profile.decode(&HEXUPPER.decode(hex.to_uppercase().as_bytes())?);
        let fields = decoded.message.map(|message| to_json(profile, &message));
        return Ok(match decoded.error {
            None => json!(fields),
            Some(error) => json!({ "error": error.to_string(), "partial": fields }),
        });
    }
    let message = from_json(profile, asked["encode"].as_object().ok_or("neither decode nor encode")?)?;
    Ok(json!({ "hex": HEXUPPER.encode(&profile.encode(&message)?) }))
}

fn is_binary(profile: &Profile, field: u8) -> bool {
    profile.field(field).is_some_and(|spec| spec.class() == Class::Binary)
}

fn to_json(profile: &Profile, message: &Message) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("t".to_owned(), json!(message.mti().to_string()));
    for (field, value) in message.iter() {
        let text = if is_binary(profile, field) {
            HEXUPPER.encode(value)
        } else {
            value.iter().copied().map(char::from).collect()
        };
        object.insert(field.to_string(), json!(text));
    }
    object
}

fn from_json(profile: &Profile, object: &Map<String, Value>) -> Outcome<Message> {
    let mut message = profile.message(object.get("t").and_then(Value::as_str).unwrap_or_default().parse()?);
    for (key, value) in object.iter().filter(|(key, _)| *key != "t") {
        let field = key.parse()?;
        let text = value.as_str().ok_or("a value is no string")?;
        let value = if is_binary(profile, field) {
            HEXUPPER.decode(text.as_bytes())?
        } else {
            text.chars().map(|c| u8::try_from(u32::from(c))).collect::<Result<_, _>>()?
        };
        message.set(field, value)?;
    }
    Ok(message)
}

fn describe(profile: &Profile) -> Value {
    let fields = profile.fields().iter().filter_map(|field| {
        let spec = profile.field(field)?;
        let (nibble, left) = spec.padding();
        let described = json!({
            "class": spec.class().as_str(),
            "max": spec.max_length(),
            "encoding": spec.encoding(),
            "length": spec.length_indicator().map(|(encoding, bytes)| json!({ "encoding": encoding, "bytes": bytes })),
            "counts_bytes": spec.counts_bytes(),
            "pad": { "nibble": format!("{nibble:X}"), "left": left },
        });
        Some((field.to_string(), described))
    });
    // How the head of a message is written shows in an empty one.
    let head = "0800".parse().ok().and_then(|mti| profile.encode(&profile.message(mti)).ok());
    json!({
        "name": profile.name(),
        "empty_0800": head.map(|bytes| HEXUPPER.encode(&bytes)),
        "fields": fields.collect::<Map<String, Value>>(),
    })
}
