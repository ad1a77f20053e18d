//! What went wrong, why, and what to do about it.
//!
//! The library never prints and never exits: it returns an [`Error`], and `main` alone turns its
//! [`Kind`] into an exit status.

use std::fmt;
use std::path::Path;

/// The library's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of a failure; each has one exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The work could not be done: a file, the store, the disk.
    Failed,
    /// The command line or the settings make no sense.
    Usage,
    /// More lines were refused than `--max-rejects` allows; nothing was committed.
    TooManyRefused,
    /// A figure did not meet a `--fail-if` condition.
    FigureFailed,
    /// Done, but some inputs could not be read to their end.
    PartialInput,
}

impl Kind {
    /// Returns the exit status of the process for this kind of failure.
    pub fn exit_status(self) -> u8 {
        match self {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::TooManyRefused | Kind::FigureFailed => 3,
            Kind::PartialInput => 4,
        }
    }
}

/// `EMFILE` of Linux, macOS and the BSDs; `ERROR_TOO_MANY_OPEN_FILES` of Windows.
const TOO_MANY_OPEN_FILES: i32 = if cfg!(windows) { 4 } else { 24 };

/// A failure: what was tried (and on which file), why it failed, what to do next.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    hint: Option<String>,
    missing_file: bool,
    too_many_open: bool,
}

impl Error {
    /// Makes a failure of the given kind; `message` says what was tried, on what.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error {
            kind,
            message: message.into(),
            cause: None,
            hint: None,
            missing_file: false,
            too_many_open: false,
        }
    }

    /// Makes a failure of kind [`Kind::Failed`].
    pub fn failed(message: impl Into<String>) -> Self {
        Error::new(Kind::Failed, message)
    }

    /// Makes a failure of kind [`Kind::Usage`].
    pub fn usage(message: impl Into<String>) -> Self {
        Error::new(Kind::Usage, message)
    }

    /// Makes a failure out of an I/O error: "cannot `verb` PATH".
    pub fn io(verb: &str, path: &Path, cause: std::io::Error) -> Self {
        let missing_file = cause.kind() == std::io::ErrorKind::NotFound;
        let too_many_open = cause.raw_os_error() == Some(TOO_MANY_OPEN_FILES);
        let full = cause.kind() == std::io::ErrorKind::StorageFull;
        let denied = cause.kind() == std::io::ErrorKind::PermissionDenied;
        let read_only = cause.kind() == std::io::ErrorKind::ReadOnlyFilesystem;
        let mut error = Error::failed(format!("cannot {verb} {}", path.display())).caused_by(cause);
        (error.missing_file, error.too_many_open) = (missing_file, too_many_open);
        if full {
            error = error.hint(
                "free some space on that disk and run the same command again: what was committed is kept",
            );
        } else if denied {
            error =
                error.hint("check the owner and the permissions of that path, and of the folders above it");
        } else if read_only {
            error =
                error.hint("that disk can only be read: reports work, and what changes the store does not");
        }
        error
    }

    /// Adds the underlying error.
    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Adds what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the kind of the failure.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns what to do next, where something can be done.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Tells whether a file was missing; a reader starts again on the new manifest then.
    pub fn is_missing_file(&self) -> bool {
        self.missing_file
    }

    /// Tells whether the process had as many files open as the system lets it.
    pub fn is_of_too_many_open_files(&self) -> bool {
        self.too_many_open
    }
}

impl fmt::Display for Error {
    /// Writes the message and the chain of causes, on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut cause = self.cause.as_deref().map(|c| c as &dyn std::error::Error);
        while let Some(c) = cause {
            write!(f, ": {c}")?;
            cause = c.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
