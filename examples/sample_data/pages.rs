//! The pages that say what is in the sample data.

use std::fmt::Write;

use super::bad::{Bad, file_name};
use super::log::Log;
use super::truth::truth;

/// Writes `sample-data/README.md`.
pub fn logs_page(logs: &[Log]) -> String {
    let truth = truth(logs);
    let mut text = String::from(
        "# Sample data\n\n\
         Forty days, 2026-10-01 to 2026-11-09, of four made-up sites, each of which logs in its own way. Made by\n\
         `cargo run --release --example sample_data`, which writes the same bytes every time; a test holds it to that. The\n\
         figures below are counted by the generator, which shares no code with `wa`.\n\n\
         ```sh\nwa ingest sample-data/*.ndjson*\n```\n\n\
         | file | lines | events | what is in it |\n| --- | ---: | ---: | --- |\n",
    );
    for log in logs {
        let _ = writeln!(text, "| `{}` | {} | {} | {} |", log.name, log.lines.len(), log.events(), log.about);
    }
    let _ = write!(
        text,
        "\nAll together: {} events are read, {} are stored, {} are there already (a line of an id that was there, or\n\
         copies of lines without ids in another file).\n\n\
         All forty days, robots left out of all columns but the last two:\n\n\
         | chatbot | sessions | visitors | conversations | messages sent | received | sessions of robots | events |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        truth.read,
        truth.stored,
        truth.read - truth.stored
    );
    for chatbot in truth.chatbots() {
        let all = truth.figures(Some(chatbot), 40);
        let _ = writeln!(
            text,
            "| `{chatbot}` | {} | {} | {} | {} | {} | {} | {} |",
            all.sessions,
            all.visitors,
            all.conversations,
            all.sent,
            all.received,
            all.bot_sessions,
            truth.events(chatbot)
        );
    }
    let all = truth.figures(None, 40);
    let month = truth.figures(None, 30);
    let _ = write!(
        text,
        "| all | {} | {} | {} | {} | {} | {} | {} |\n\n\
         The last 30 days: {} sessions, {} visitors, {} conversations.\n",
        all.sessions,
        all.visitors,
        all.conversations,
        all.sent,
        all.received,
        all.bot_sessions,
        truth.stored,
        month.sessions,
        month.visitors,
        month.conversations
    );
    text.push_str(
        "\nTo look for in the coffee shop's log:\n\n\
         - 2026-10-07 12:00: two visitors, one with a gap of exactly 30 minutes (one session), one with a millisecond more\n  (two sessions).\n\
         - 2026-10-13 23:50 and 2026-10-31 23:40: visits over midnight; the second also goes over from one file to the next.\n\
         - 2026-10-21 15:00: page views at 15:00 and 15:50, and in `late.ndjson.gz` the one at 15:25 that makes them one session.\n\n\
         [bad/](bad/README.md) holds logs with one defect each. They lie in a folder of their own, since `wa ingest sample-data`\n\
         takes in all folders below.\n",
    );
    text
}

/// Writes `sample-data/bad/README.md`.
pub fn bad_page(all: &[Bad]) -> String {
    let mut text = String::from(
        "# Logs with one defect each\n\n\
         Made by `cargo run --release --example sample_data`. In most of them the defect stands between two good lines, which\n\
         are never lost.\n\n\
         | file | what is wrong | what becomes of it |\n| --- | --- | --- |\n",
    );
    for bad in all {
        let _ = writeln!(text, "| `{}` | {} | {} |", file_name(bad), bad.wrong, bad.outcome);
    }
    text
}
