//! The lines of the logs, and the facts about their events.

/// The identity of an event.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// The id of the event in the log.
    Id(String),
    /// The text of its line, and its index in the envelope.
    Content(String, usize),
}

/// The facts about an event in a line.
#[derive(Clone)]
pub struct Record {
    pub chatbot: &'static str,
    pub identity: Identity,
    /// The session key: the session id, or the visitor id if there is none.
    pub key: String,
    /// Milliseconds since 1970.
    pub time: i64,
    pub name: &'static str,
    pub visitor: String,
    pub is_bot: bool,
}

/// A line of a log.
#[derive(Clone)]
pub struct Line {
    /// The time of writing in milliseconds since 1970, which determines the order of lines.
    pub written: i64,
    pub text: String,
    pub records: Vec<Record>,
}

/// A log.
pub struct Log {
    pub name: &'static str,
    pub about: &'static str,
    pub gzip: bool,
    pub lines: Vec<Line>,
}

impl Log {
    /// Creates a log from lines, ordered by their time of writing.
    pub fn new(name: &'static str, about: &'static str, mut lines: Vec<Line>) -> Log {
        lines.sort_by_key(|line| line.written);
        Log { name, about, gzip: name.ends_with(".gz"), lines }
    }

    /// Returns the bytes of the file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = String::new();
        for line in &self.lines {
            text.push_str(&line.text);
            text.push('\n');
        }
        if self.gzip { super::compressed::gzip(text.as_bytes()) } else { text.into_bytes() }
    }

    /// Returns the number of events.
    pub fn events(&self) -> usize {
        self.lines.iter().map(|line| line.records.len()).sum()
    }
}
