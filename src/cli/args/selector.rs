//! Identifiers of the people or sessions to erase or export, from flags or standard input.

use std::io::BufRead;

use super::values;
use crate::error::{Error, Result};
use crate::identity::{Identifier, IdentifierKind};

/// The flags that select a person or a session.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct Args {
    /// A user, by user id (repeatable)
    #[arg(long, help_heading = "Selection", value_name = "ID", value_parser = values::non_empty)]
    user: Vec<String>,

    /// A visitor, by anonymous id (repeatable)
    #[arg(long, help_heading = "Selection", value_name = "ID", value_parser = values::non_empty)]
    anonymous_id: Vec<String>,

    /// A user, by email address (repeatable)
    #[arg(long, help_heading = "Selection", value_name = "EMAIL", value_parser = values::non_empty)]
    email: Vec<String>,

    /// A session, by the session id in the log (repeatable)
    #[arg(long, help_heading = "Selection", value_name = "ID", value_parser = values::non_empty)]
    session_id: Vec<String>,

    /// Read identifiers from standard input, one per line: user=ID, anonymous-id=ID, email=EMAIL or
    /// session-id=ID. Lines that start with # are skipped. Unlike flags, these identifiers do not
    /// appear in process lists and the shell history
    #[arg(long, help_heading = "Selection")]
    pub(crate) stdin: bool,
}

impl Args {
    /// Returns the identifiers from the flags, sorted and without duplicates.
    pub(crate) fn into_identifiers(self) -> Vec<Identifier> {
        let kinds = [
            (IdentifierKind::User, self.user),
            (IdentifierKind::AnonymousId, self.anonymous_id),
            (IdentifierKind::Email, self.email),
            (IdentifierKind::SessionId, self.session_id),
        ];
        let identifiers = kinds
            .into_iter()
            .flat_map(|(kind, values)| values.into_iter().map(move |value| Identifier::new(kind, value)));
        sorted(identifiers.collect())
    }
}

/// Reads identifiers, one per line, and returns them sorted and without duplicates. Skips blank
/// lines and lines that start with `#`.
///
/// # Errors
/// [`crate::ErrorKind::Usage`] if a line is invalid or there is no identifier. The message contains
/// the line number but not the text of the line, since that may identify a person.
pub(crate) fn read(input: impl BufRead) -> Result<Vec<Identifier>> {
    let mut identifiers = Vec::new();
    for (index, line) in input.split(b'\n').enumerate() {
        let line = line.map_err(|e| Error::failed("cannot read standard input").caused_by(e))?;
        let number = index + 1;
        let line = std::str::from_utf8(&line)
            .map_err(|_| Error::usage(format!("standard input, line {number}: not UTF-8")))?;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        identifiers.push(parse(line).ok_or_else(|| {
            Error::usage(format!("standard input, line {number}: not an identifier"))
                .hint("write user=ID, anonymous-id=ID, email=EMAIL or session-id=ID")
        })?);
    }
    if identifiers.is_empty() {
        return Err(Error::usage("standard input contains no identifiers")
            .hint("write one per line: user=ID, anonymous-id=ID, email=EMAIL or session-id=ID"));
    }
    Ok(sorted(identifiers))
}

fn parse(line: &str) -> Option<Identifier> {
    let (kind, value) = line.split_once('=')?;
    let kind = match kind.trim() {
        "user" | "user_id" => IdentifierKind::User,
        "anonymous-id" | "anonymous_id" => IdentifierKind::AnonymousId,
        "email" | "user_email" => IdentifierKind::Email,
        "session-id" | "session_id" => IdentifierKind::SessionId,
        _ => return None,
    };
    let value = value.trim();
    (!value.is_empty()).then(|| Identifier::new(kind, value))
}

fn sorted(mut identifiers: Vec<Identifier>) -> Vec<Identifier> {
    identifiers.sort();
    identifiers.dedup();
    identifiers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_read_one_per_line_without_duplicates() {
        let text = "# tickets 12, 13\n\nuser=u=1\n email = a@example.org \nuser=u=1\nsession_id=s\n";
        let expected = [
            Identifier::new(IdentifierKind::User, "u=1"),
            Identifier::new(IdentifierKind::Email, "a@example.org"),
            Identifier::new(IdentifierKind::SessionId, "s"),
        ];
        assert_eq!(read(text.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn invalid_line_error_has_its_number_but_not_its_text() {
        for text in ["user=1\nsecret\n", "user=1\nname=secret\n", "user=1\nuser=\n"] {
            let error = read(text.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), "standard input, line 2: not an identifier");
        }
        assert!(read(&b"\n# no identifiers\n"[..]).is_err());
        let error = read(&b"user=1\nuser=\xff\n"[..]).unwrap_err();
        assert_eq!(error.to_string(), "standard input, line 2: not UTF-8");
    }
}
