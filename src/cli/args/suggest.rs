//! Wrong commands suggest the right one.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Words that people type, and the command that does it.
const WORDS: [(&str, &str); 26] = [
    ("add", "ingest"),
    ("import", "ingest"),
    ("load", "ingest"),
    ("read", "ingest"),
    ("clean", "gc"),
    ("cleanup", "gc"),
    ("compact", "gc"),
    ("prune", "gc"),
    ("retention", "gc"),
    ("vacuum", "gc"),
    ("delete", "forget"),
    ("erase", "forget"),
    ("remove", "forget"),
    ("dump", "export"),
    ("anonymise", "anonymize"),
    ("check", "verify"),
    ("fsck", "verify"),
    ("reindex", "rebuild"),
    ("info", "status"),
    ("settings", "config"),
    ("new", "init"),
    ("completion", "completions"),
    ("stats", "report summary"),
    ("overview", "report summary"),
    ("referrers", "report sources"),
    ("top", "report events"),
];

/// Names the command that was meant where an unknown one was typed: clap itself only knows those
/// that are spelled alike.
pub(crate) fn improve(mut error: clap::Error, command: &clap::Command) -> clap::Error {
    if !matches!(error.kind(), ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument) {
        return error;
    }
    let typed = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(typed)) => typed.to_lowercase(),
        _ => return error,
    };
    let word = WORDS.iter().find(|(word, _)| *word == typed).map(|(_, meant)| (*meant).to_owned());
    let spelled_alike = error.get(ContextKind::SuggestedSubcommand).is_some();
    if let Some(meant) = word.or_else(|| if spelled_alike { None } else { meant(&typed, command) }) {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![meant]));
    }
    error
}

fn meant(typed: &str, command: &clap::Command) -> Option<String> {
    // A report typed as a command: `wa summary`. Commands that are spelled alike go first.
    let report = command.find_subcommand("report")?;
    let commands = command.get_subcommands().map(|sub| sub.get_name().to_owned());
    let reports = report.get_subcommands().flat_map(|kind| {
        std::iter::once(kind.get_name()).chain(kind.get_all_aliases()).map(str::to_owned).collect::<Vec<_>>()
    });
    let candidates: Vec<String> = commands.chain(reports).collect();
    let near = crate::suggest::nearest(typed, candidates.iter().map(String::as_str))?;
    let top = command.find_subcommand(near).is_some();
    Some(if top { near.to_owned() } else { format!("report {near}") })
}

#[cfg(test)]
mod tests {
    use crate::cli::parse;

    fn suggestion(words: &str) -> String {
        let error = parse(words.split(' ').map(Into::into)).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn wrong_commands_suggest_the_right_one() {
        for (typed, meant) in [
            ("wa ingst", "ingest"),
            ("wa import", "ingest"),
            ("wa prune", "gc"),
            ("wa summary", "report summary"),
            ("wa sumary", "report summary"),
            ("wa traffic-sources", "report traffic-sources"),
            ("wa delete", "forget"),
            ("wa verfy", "verify"),
            ("wa report devcies", "devices"),
        ] {
            let text = suggestion(typed);
            assert!(text.contains(&format!("'{meant}'")), "{typed}: {text}");
        }
    }

    #[test]
    fn nonsense_suggests_nothing() {
        assert!(!suggestion("wa xyzzy").contains("similar"));
    }
}
