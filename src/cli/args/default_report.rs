//! Makes `wa report` show the summary if no report is named, with or without options.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{ArgMatches, Command, Error};

const DEFAULT: &str = "summary";

/// Handles report options without a report name, such as `wa report --days 7`: inserts the name
/// `summary` and parses the arguments again.
///
/// # Errors
/// The original error, or the error of an option of the summary.
pub(in crate::cli) fn parse(
    error: Error,
    arguments: &[OsString],
    command: &mut Command,
) -> Result<ArgMatches, Error> {
    if error.kind() != ErrorKind::UnknownArgument {
        return Err(error);
    }
    let mut error = error;
    // The value of an option can also be `report`.
    for (index, _) in arguments.iter().enumerate().filter(|(_, argument)| *argument == "report") {
        let mut named = arguments.to_vec();
        named.insert(index + 1, DEFAULT.into());
        match command.try_get_matches_from_mut(named) {
            Ok(matches) => return Ok(matches),
            Err(other)
                if matches!(other.kind(), ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand) => {}
            Err(other) => error = other,
        }
    }
    Err(error)
}

#[cfg(test)]
mod tests {
    use crate::cli::parse;

    fn error(words: &str) -> String {
        parse(words.split(' ').map(Into::into)).unwrap_err().to_string()
    }

    #[test]
    fn report_without_a_name_has_the_options_of_the_summary() {
        for words in [
            "wa report",
            "wa report --store report",
            "wa report --days 7 --compare",
            "wa --store report report --days 7",
            "wa report --chatbot trends --format csv -q",
        ] {
            assert!(parse(words.split(' ').map(Into::into)).is_ok(), "{words}");
        }
        assert!(error("wa report --days x").contains("write a number of days"));
        assert!(error("wa report --dys 7").contains("--dys"));
        assert!(error("wa report trend --days 7").contains("'trends'"));
        assert!(error("wa ingest --days 7").contains("--days"));
    }
}
