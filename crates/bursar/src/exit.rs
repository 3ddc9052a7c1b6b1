//! How the command ends when it cannot go on: one line that says what and what to do, and an exit code of
//! `sysexits.h`.

use std::fmt;
use std::process::ExitCode;

/// Configuration: the caller must change something (EX_USAGE).
pub(crate) const USAGE: u8 = 64;
/// Something that is needed is not there now (EX_UNAVAILABLE).
pub(crate) const UNAVAILABLE: u8 = 69;
/// A step of a demo, a check or a verification did not hold, or a fault of ours (EX_SOFTWARE).
pub(crate) const SOFTWARE: u8 = 70;

/// Why the command ends.
#[derive(Debug)]
pub(crate) struct Exit {
    /// Exit code.
    pub(crate) code: u8,
    /// One line: what is wrong and what to do.
    pub(crate) line: String,
}

impl Exit {
    pub(crate) fn usage(line: impl Into<String>) -> Self {
        Self { code: USAGE, line: line.into() }
    }

    pub(crate) fn unavailable(line: impl Into<String>) -> Self {
        Self { code: UNAVAILABLE, line: line.into() }
    }

    pub(crate) fn software(line: impl Into<String>) -> Self {
        Self { code: SOFTWARE, line: line.into() }
    }

    /// Tells the person and gives the code to end with.
    #[allow(clippy::print_stderr)] // the one place where the command says why it ends
    pub(crate) fn report(self) -> ExitCode {
        let line = self.line.replace('\n', " ");
        eprintln!("bursar: {line}");
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}
