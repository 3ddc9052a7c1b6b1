//! `bursar iso8583`: messages as a table, and from values to bytes. Sensitive values are shown masked only.

mod input;
mod write;

use std::path::PathBuf;

use bursar_iso8583::{FrameDecoder, Profile, profile};
use clap::{Args, Subcommand, ValueEnum};

use crate::exit::Exit;

pub(crate) use input::bytes;

/// Longest text of a profile that is read from a file, in bytes.
const PROFILE_MAX: u64 = 256 * 1024;

#[derive(Debug, Subcommand)]
pub(crate) enum Iso8583 {
    /// Shows a message as a table, sensitive fields masked. Whatever could be read of a damaged one is shown.
    #[command(
        after_help = "Examples:\n  bursar iso8583 decode 3038303082200000000000000400000000000000313132363130333030303030303034323330310a\n  bursar iso8583 decode --file captured.bin --framed --profile partner.toml\n  base64 -w0 message.bin | bursar iso8583 decode --file - --form base64\n\nExit codes: 0 read to the end; 64 not to be read as asked; 70 damaged."
    )]
    Decode(Decode),
    /// Makes a message of values, and writes it as hexadecimal digits.
    #[command(
        after_help = "Examples:\n  bursar iso8583 encode --mti 0800 7=1126103000 11=000042 70=301\n  bursar iso8583 encode --mti 0100 --file fields.json --framed --form bytes > message.bin\n\nValues are FIELD=VALUE or FIELD.SUBFIELD=VALUE; those of binary fields are hexadecimal digits. A file holds them as one\nJSON object: {\"4\": \"000000001250\", \"48.92\": \"737\"}. Give card data in a file, not on the command line."
    )]
    Encode(Encode),
}

/// How bytes are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Hexadecimal digits; spaces and line ends do not count.
    Hex,
    /// Base64; spaces and line ends do not count.
    Base64,
    /// The bytes themselves.
    Bytes,
}

/// Which layout the message has.
#[derive(Debug, Args)]
pub(crate) struct Layout {
    /// Built-in profile (iso87-ascii, iso87-hexbitmap, iso87-bcd, iso87-ebcdic, iso93), or a file with one (*.toml).
    #[arg(long, value_name = "NAME|FILE", default_value = "iso87-ascii")]
    pub(crate) profile: String,
    /// The message has the profile's length and headers in front of it.
    #[arg(long)]
    pub(crate) framed: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Decode {
    /// The message.
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub(crate) message: Option<String>,
    /// File that holds the message; `-`: standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// How the message is written down. Without it: hex on the command line, bytes in a file.
    #[arg(long, value_enum)]
    pub(crate) form: Option<Form>,
    #[command(flatten)]
    pub(crate) layout: Layout,
}

#[derive(Debug, Args)]
pub(crate) struct Encode {
    /// Type of the message: four digits.
    #[arg(long, value_name = "0100")]
    pub(crate) mti: String,
    /// Values: FIELD=VALUE or FIELD.SUBFIELD=VALUE.
    #[arg(value_name = "FIELD=VALUE")]
    pub(crate) values: Vec<String>,
    /// File with more values as one JSON object; `-`: standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// How the message is written.
    #[arg(long, value_enum, default_value = "hex")]
    pub(crate) form: Form,
    #[command(flatten)]
    pub(crate) layout: Layout,
}

/// Runs one of them.
pub(crate) fn run(command: &Iso8583) -> Result<(), Exit> {
    match command {
        Iso8583::Decode(arguments) => decode(arguments),
        Iso8583::Encode(arguments) => write::encode(arguments),
    }
}

/// The profile that is built in under a name, or stands in a file; its ancestors stand beside it.
fn profile(layout: &Layout) -> Result<Profile, Exit> {
    let name = layout.profile.as_str();
    let wrong = |error: &dyn std::fmt::Display| Exit::usage(format!("--profile {name}: {error}"));
    if profile::builtin_text(name).is_some() {
        return Profile::builtin(name).map_err(|error| wrong(&error));
    }
    if !name.ends_with(".toml") {
        let known: Vec<&str> = profile::builtin_names().collect();
        return Err(wrong(&format!("is none of {}, and no file *.toml", known.join(", "))));
    }
    let path = PathBuf::from(name);
    let text = input::text(&path, PROFILE_MAX).map_err(|problem| wrong(&problem))?;
    let folder = path.parent().map(PathBuf::from).unwrap_or_default();
    let beside = |ancestor: &str| {
        let file = format!("{ancestor}.toml");
        // A name, not a path out of the folder.
        if file.contains(['/', '\\']) { None } else { input::text(&folder.join(file), PROFILE_MAX).ok() }
    };
    Profile::from_toml(&text, beside).map_err(|error| wrong(&error))
}

fn decode(arguments: &Decode) -> Result<(), Exit> {
    let profile = profile(&arguments.layout)?;
    let bytes = input::message(arguments).map_err(Exit::usage)?;
    let mut decoder = FrameDecoder::new(profile.framing());
    let message = if arguments.layout.framed {
        let mut rest = &bytes[..];
        let frame = decoder.next(&mut rest).map_err(|error| Exit::software(error.to_string()))?;
        let frame = frame.ok_or_else(|| Exit::software("the frame is not complete: it was cut short"))?;
        if !rest.is_empty() {
            return Err(Exit::usage(format!(
                "{} bytes follow the first message: give one at a time",
                rest.len()
            )));
        }
        frame.message().to_vec().into()
    } else {
        bytes
    };
    let decoded = profile.decode(&message);
    if let Some(message) = &decoded.message {
        input::say(profile.table(message).to_string().trim_end());
    }
    match decoded.error {
        None => Ok(()),
        Some(error) => Err(Exit::software(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(profile: &str) -> Layout {
        Layout { profile: profile.to_owned(), framed: false }
    }

    #[test]
    fn a_profile_is_found_by_name_and_in_a_file_with_its_ancestor_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("network.toml", "name = \"network\"\nextends = \"iso87-bcd\"\n");
        write(
            "partner.toml",
            "name = \"partner\"\nextends = \"network\"\n[framing]\nlength = \"bcd\"\nbytes = 2\n",
        );
        assert_eq!(profile(&layout("iso93")).unwrap().name(), "iso93");
        let file = folder.path().join("partner.toml").display().to_string();
        assert_eq!(profile(&layout(&file)).unwrap().name(), "partner");
        for wrong in ["iso2003", "/nonexistent.toml"] {
            let exit = profile(&layout(wrong)).unwrap_err();
            assert_eq!(exit.code, crate::exit::USAGE, "{exit}");
        }
    }
}
