//! What is read and written down by `bursar iso8583`.

use std::io::{Read as _, Write as _};
use std::path::Path;

use bursar_iso8583::{MAX_MESSAGE_BYTES, SecretBytes};

use super::{Decode, Form};
use crate::exit::Exit;

/// Longest input in bytes: the longest message with its headers, written down as hexadecimal digits with spaces.
const INPUT_MAX: u64 = 4 * MAX_MESSAGE_BYTES as u64;

/// The message that is asked about.
pub(super) fn message(arguments: &Decode) -> Result<SecretBytes, String> {
    let (input, form) = match (&arguments.message, &arguments.file) {
        (Some(text), _) => (text.clone().into_bytes(), arguments.form.unwrap_or(Form::Hex)),
        (None, Some(path)) => (bytes(path, INPUT_MAX)?, arguments.form.unwrap_or(Form::Bytes)),
        (None, None) => return Err("give a message, or --file FILE".to_owned()),
    };
    let input = SecretBytes::from(input);
    read(&input, form)
}

fn read(input: &[u8], form: Form) -> Result<SecretBytes, String> {
    let dense = || -> Vec<u8> { input.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect() };
    let read = match form {
        Form::Bytes => Ok(input.to_vec()),
        Form::Hex => data_encoding::HEXLOWER_PERMISSIVE.decode(&dense()),
        Form::Base64 => data_encoding::BASE64.decode(&dense()),
    };
    match read {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) => Err(format!("the message is not written down as {form:?} (--form): {error}")),
    }
}

/// A message written down.
pub(super) fn written(message: &[u8], form: Form) -> Vec<u8> {
    let text = match form {
        Form::Bytes => return message.to_vec(),
        Form::Hex => data_encoding::HEXLOWER.encode(message),
        Form::Base64 => data_encoding::BASE64.encode(message),
    };
    format!("{text}\n").into_bytes()
}

/// The bytes of a file of at most `max` bytes; `-` is standard input.
pub(crate) fn bytes(path: &Path, max: u64) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut bytes = Vec::new();
    let source: Box<dyn std::io::Read> = match path.as_os_str() == "-" {
        true => Box::new(std::io::stdin().lock()),
        false => Box::new(std::fs::File::open(path).map_err(failed)?),
    };
    source.take(max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > max {
        return Err(format!("{} is longer than {max} bytes", path.display()));
    }
    Ok(bytes)
}

/// The text of a file of at most `max` bytes.
pub(super) fn text(path: &Path, max: u64) -> Result<String, String> {
    String::from_utf8(bytes(path, max)?).map_err(|_| format!("{} is not UTF-8", path.display()))
}

#[allow(clippy::print_stdout)] // the table is the output
pub(super) fn say(text: &str) {
    println!("{text}");
}

/// Writes bytes as they are.
pub(super) fn put(bytes: &[u8]) -> Result<(), Exit> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(|error| Exit::unavailable(format!("standard output: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_message_however_it_is_written_down() {
        let message = b"0800\x82\x20\x00\xff";
        for form in [Form::Hex, Form::Base64, Form::Bytes] {
            assert_eq!(read(&written(message, form), form).as_deref(), Ok(&message[..]), "{form:?}");
        }
        assert_eq!(read(b"30 38\n30 30", Form::Hex).as_deref(), Ok(&b"0800"[..]));
        assert!(read(b"zz", Form::Hex).is_err_and(|problem| problem.contains("--form")));
    }
}
