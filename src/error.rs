//! Errors: the kind of a failure, what was tried, the cause, and a hint.
//!
//! The library neither prints nor exits. It returns an [`Error`]; the command line prints it, and
//! `main` maps its [`ErrorKind`] to an exit status.

use std::fmt;
use std::path::Path;

/// The result type of the library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of a failure. `main` maps each kind to an exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// An operation on a file, the store or the disk failed.
    Failed,
    /// The command line or the settings are invalid.
    Usage,
    /// More lines were rejected than `--max-rejects` allows; nothing was committed.
    TooManyRejected,
    /// A condition of `--fail-if` is met, or there are more findings than `--fail-on` allows.
    ConditionMet,
    /// Some inputs could not be read to the end, or had no usable line. The rest is committed.
    PartialInput,
}

/// The OS error for too many open files: `EMFILE`, or `ERROR_TOO_MANY_OPEN_FILES` on Windows.
const TOO_MANY_OPEN_FILES: i32 = if cfg!(windows) { 4 } else { 24 };

/// A failure: the operation and its object, an optional cause, an optional hint.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    hint: Option<String>,
    missing_file: bool,
    too_many_open_files: bool,
}

impl Error {
    /// Creates an error of the given kind. `message` names the operation and its object.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error {
            kind,
            message: message.into(),
            cause: None,
            hint: None,
            missing_file: false,
            too_many_open_files: false,
        }
    }

    /// Creates an error of kind [`ErrorKind::Failed`].
    pub fn failed(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Failed, message)
    }

    /// Creates an error of kind [`ErrorKind::Usage`].
    pub fn usage(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Usage, message)
    }

    /// Creates the error `cannot VERB PATH: CAUSE` from an I/O error, with a hint for common
    /// causes.
    pub fn io(verb: &str, path: &Path, cause: std::io::Error) -> Self {
        use std::io::ErrorKind::{FileTooLarge, NotFound, PermissionDenied, ReadOnlyFilesystem, StorageFull};
        let (kind, os_error) = (cause.kind(), cause.raw_os_error());
        let mut error = Error::failed(format!("cannot {verb} {}", path.display())).caused_by(cause);
        error.missing_file = kind == NotFound;
        error.too_many_open_files = os_error == Some(TOO_MANY_OPEN_FILES);
        match kind {
            StorageFull => error
                .hint("free some disk space and run the same command again; committed data is not affected"),
            PermissionDenied => {
                error.hint("check the owner and the permissions of that path and of its parent folders")
            }
            ReadOnlyFilesystem => {
                error.hint("make the file system writable to change the store; reports work without it")
            }
            // With an OS error, the limit is one of the process or the file system. `regular_file`
            // returns this kind without an OS error.
            FileTooLarge if os_error.is_some() => error.hint(
                "raise the file size limit (`ulimit -f`) and run the same command again; committed data is \
                 not affected",
            ),
            _ => error,
        }
    }

    /// Sets the cause.
    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Sets the hint: an imperative sentence that says what the user can do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the hint.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Returns whether a file was missing. A writer may have removed it, so a reader then starts
    /// again from the current manifest.
    pub fn is_missing_file(&self) -> bool {
        self.missing_file
    }

    /// Returns whether the process reached its limit of open files.
    pub fn is_too_many_open_files(&self) -> bool {
        self.too_many_open_files
    }
}

impl fmt::Display for Error {
    /// Writes the message and the chain of causes on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut cause = self.cause.as_deref().map(|cause| cause as &dyn std::error::Error);
        while let Some(current) = cause {
            write!(f, ": {current}")?;
            cause = current.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
