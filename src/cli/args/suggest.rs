//! Suggestions for unknown commands, and the reason why a report lacks an option.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// Synonyms of commands.
const SYNONYMS: [(&str, &str); 30] = [
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
    ("combine", "merge"),
    ("join", "merge"),
    ("union", "merge"),
    ("info", "status"),
    ("settings", "config"),
    ("new", "init"),
    ("completion", "completions"),
    ("stats", "report summary"),
    ("overview", "report summary"),
    ("referrers", "report sources"),
    ("places", "report locations"),
    ("top", "report events"),
];

/// Adds a suggestion to the error about an unknown command. clap suggests only commands with a
/// similar spelling. This function also suggests commands for synonyms, and for names of reports.
/// If an option exists only in other reports, the error gets the reason why this report lacks it.
pub(in crate::cli) fn improve(mut error: clap::Error, command: &clap::Command) -> clap::Error {
    if !matches!(error.kind(), ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument) {
        return error;
    }
    if let Some(reason) = missing_option(&error) {
        error.remove(ContextKind::SuggestedArg);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![reason.into()]));
        return error;
    }
    let typed = match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(typed)) => typed.to_lowercase(),
        _ => return error,
    };
    let synonym = SYNONYMS.iter().find(|(word, _)| *word == typed).map(|(_, name)| (*name).to_owned());
    let has_suggestion = error.get(ContextKind::SuggestedSubcommand).is_some();
    let suggestion = synonym.or_else(|| if has_suggestion { None } else { similar(&typed, command) });
    if let Some(suggestion) = suggestion {
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(vec![suggestion]));
    }
    error
}

/// Returns the reason why a report lacks an option that other reports have; `None` for all other
/// errors.
fn missing_option(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else { return None };
    let usage = error.get(ContextKind::Usage)?.to_string();
    let report = usage.split_once(" report ")?.1.split_whitespace().next()?;
    let option = option.split('=').next()?;
    Some(match (option, report) {
        ("--fail-if", _) => format!(
            "{report} has no single figures; use --fail-if with a report that has some, such as summary"
        ),
        ("--compare", "active") => {
            "a moment has no previous period; compare days with 'wa report summary --compare'".to_owned()
        }
        ("--compare", "sessions") => "each period has its own sessions; compare their number with \
                                      'wa report summary --compare'"
            .to_owned(),
        ("--interval", _) => {
            "only trends has rows for intervals, and only retention has cohorts by interval".to_owned()
        }
        _ => return None,
    })
}

/// Returns the command or report with the most similar name.
fn similar(typed: &str, command: &clap::Command) -> Option<String> {
    let report = command.find_subcommand("report")?;
    let commands = command.get_subcommands().map(|sub| sub.get_name().to_owned());
    let reports = report.get_subcommands().flat_map(|kind| {
        std::iter::once(kind.get_name()).chain(kind.get_all_aliases()).map(str::to_owned).collect::<Vec<_>>()
    });
    let candidates: Vec<String> = commands.chain(reports).collect();
    let name = crate::suggest::nearest(typed, candidates.iter().map(String::as_str))?;
    let is_command = command.find_subcommand(name).is_some();
    Some(if is_command { name.to_owned() } else { format!("report {name}") })
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
    fn unknown_command_suggests_the_right_one() {
        for (typed, expected) in [
            ("wa ingst", "ingest"),
            ("wa import", "ingest"),
            ("wa places", "report locations"),
            ("wa prune", "gc"),
            ("wa summary", "report summary"),
            ("wa sumary", "report summary"),
            ("wa traffic-sources", "report traffic-sources"),
            ("wa delete", "forget"),
            ("wa verfy", "verify"),
            ("wa report devcies", "devices"),
        ] {
            let text = suggestion(typed);
            assert!(text.contains(&format!("'{expected}'")), "{typed}: {text}");
        }
    }

    #[test]
    fn option_of_other_reports_has_a_reason() {
        for (typed, reason) in [
            ("wa report events --fail-if x<1", "events has no single figures"),
            ("wa report heatmap --fail-if=x<1", "heatmap has no single figures"),
            ("wa report active --compare", "a moment has no previous period"),
            ("wa report sessions --compare", "each period has its own sessions"),
            ("wa report funnel --interval week", "only trends has rows for intervals"),
        ] {
            let text = suggestion(typed);
            assert!(text.contains(&format!("tip: {reason}")), "{typed}: {text}");
        }
        assert!(!suggestion("wa report events --fail-it").contains("single figures"));
    }

    #[test]
    fn unrelated_word_suggests_nothing() {
        assert!(!suggestion("wa xyzzy").contains("similar"));
    }
}
