//! Who is to be erased or exported: identifiers from flags or from standard input.

use std::io::BufRead;

use super::values;
use crate::error::{Error, Result};
use crate::privacy::{Identifier, Kind};

/// The flags that name a person.
#[derive(clap::Args, Debug, Default)]
pub struct Args {
    /// A user, by the id given at identification (repeatable)
    #[arg(long, help_heading = "Who", value_name = "ID", value_parser = values::filled)]
    pub user: Vec<String>,

    /// A visitor, by the anonymous id (repeatable)
    #[arg(long, help_heading = "Who", value_name = "ID", value_parser = values::filled)]
    pub anonymous_id: Vec<String>,

    /// A user, by the e-mail address (repeatable)
    #[arg(long, help_heading = "Who", value_name = "ADDRESS", value_parser = values::filled)]
    pub email: Vec<String>,

    /// A session, by the log's session id (repeatable)
    #[arg(long, help_heading = "Who", value_name = "ID", value_parser = values::filled)]
    pub session_id: Vec<String>,

    /// Read them from standard input, one a line: user=ID, anonymous-id=ID, email=ADDRESS or
    /// session-id=ID; lines that begin with # are left out. This keeps them out of the list of
    /// processes and the history of the shell
    #[arg(long, help_heading = "Who")]
    pub stdin: bool,
}

/// What names a person, or a session.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selector {
    /// A `user_id`.
    User(String),
    /// An `anonymous_id`.
    AnonymousId(String),
    /// A `user_email`.
    Email(String),
    /// A `session_id`.
    SessionId(String),
}

impl From<Selector> for Identifier {
    fn from(selector: Selector) -> Identifier {
        let (kind, value) = match selector {
            Selector::User(value) => (Kind::User, value),
            Selector::AnonymousId(value) => (Kind::AnonymousId, value),
            Selector::Email(value) => (Kind::Email, value),
            Selector::SessionId(value) => (Kind::SessionId, value),
        };
        Identifier { kind, value }
    }
}

impl Args {
    /// Returns what the flags name, each once.
    pub fn selectors(self) -> Vec<Selector> {
        let mut all: Vec<Selector> = Vec::new();
        all.extend(self.user.into_iter().map(Selector::User));
        all.extend(self.anonymous_id.into_iter().map(Selector::AnonymousId));
        all.extend(self.email.into_iter().map(Selector::Email));
        all.extend(self.session_id.into_iter().map(Selector::SessionId));
        all.sort();
        all.dedup();
        all
    }
}

/// Reads identifiers, one a line; blank lines and those that begin with `#` are left out.
///
/// # Errors
/// [`crate::Kind::Usage`] with the number of the line that makes no sense, and nothing of what
/// stands in it; the same where there is none at all.
pub fn read(input: impl BufRead) -> Result<Vec<Selector>> {
    let mut selectors = Vec::new();
    for (at, line) in input.split(b'\n').enumerate() {
        let line = line.map_err(|e| Error::failed("cannot read standard input").caused_by(e))?;
        let line = std::str::from_utf8(&line)
            .map_err(|_| Error::usage(format!("standard input, line {}: it is not UTF-8", at + 1)))?;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        selectors.push(selector(line).ok_or_else(|| {
            Error::usage(format!("standard input, line {}: there is no identifier in it", at + 1))
                .hint("write user=ID, anonymous-id=ID, email=ADDRESS or session-id=ID")
        })?);
    }
    selectors.sort();
    selectors.dedup();
    if selectors.is_empty() {
        return Err(Error::usage("standard input names nobody")
            .hint("write one a line: user=ID, anonymous-id=ID, email=ADDRESS or session-id=ID"));
    }
    Ok(selectors)
}

fn selector(line: &str) -> Option<Selector> {
    let (kind, value) = line.split_once('=')?;
    let value = Some(value.trim()).filter(|value| !value.is_empty())?.to_owned();
    match kind.trim() {
        "user" | "user_id" => Some(Selector::User(value)),
        "anonymous-id" | "anonymous_id" => Some(Selector::AnonymousId(value)),
        "email" | "user_email" => Some(Selector::Email(value)),
        "session-id" | "session_id" => Some(Selector::SessionId(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_read_one_a_line_each_once() {
        let text = "# tickets 12, 13\n\nuser=u=1\n email = a@example.org \nuser=u=1\nsession_id=s\n";
        let expected = [
            Selector::User("u=1".into()),
            Selector::Email("a@example.org".into()),
            Selector::SessionId("s".into()),
        ];
        assert_eq!(read(text.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn a_line_without_an_identifier_is_named_but_not_quoted() {
        for text in ["user=1\nsecret\n", "user=1\nname=secret\n", "user=1\nuser=\n"] {
            let error = read(text.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), "standard input, line 2: there is no identifier in it");
        }
        assert!(read(&b"\n# nobody\n"[..]).is_err());
        let error = read(&b"user=1\nuser=\xff\n"[..]).unwrap_err();
        assert_eq!(error.to_string(), "standard input, line 2: it is not UTF-8");
    }
}
