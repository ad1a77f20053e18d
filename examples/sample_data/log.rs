//! The lines of the logs, and what is known of the events in them.

/// How an event is told from others.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// By its own id.
    Id(String),
    /// By the text of its line, and its place in the envelope.
    Content(String, usize),
}

/// What is known of an event in a line.
#[derive(Clone)]
pub struct Record {
    pub chatbot: &'static str,
    pub identity: Identity,
    /// What holds its session together: the session's id, or the visitor's where there is none.
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
    /// When it was written, in milliseconds since 1970: the order of the lines.
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
    /// Makes a log out of lines, in the order in which they were written.
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

    /// Returns how many events its lines hold.
    pub fn events(&self) -> usize {
        self.lines.iter().map(|line| line.records.len()).sum()
    }
}
