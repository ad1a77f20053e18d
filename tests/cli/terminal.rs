//! The screen after commands on a terminal of 80 columns.
//!
//! `script` of util-linux provides the terminal. Without `script`, these tests do nothing.
#![cfg(target_os = "linux")]

use std::process::Stdio;

use crate::harness::{NOW, Sandbox};

/// The screen of a terminal without a height limit. It supports the sequences that progress bars
/// and colors use.
#[derive(Default)]
struct Screen {
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

impl Screen {
    const WIDTH: usize = 80;

    fn write(&mut self, text: &str) {
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match c {
                '\r' => self.column = 0,
                '\n' => self.row += 1,
                '\u{1b}' => {
                    assert_eq!(rest.next(), Some('['), "an unknown sequence");
                    let mut number = String::new();
                    let end = loop {
                        match rest.next().unwrap() {
                            digit if digit.is_ascii_digit() || digit == ';' => number.push(digit),
                            end => break end,
                        }
                    };
                    let count = number.parse().unwrap_or(1);
                    match end {
                        'A' => self.row -= count,
                        'B' => self.row += count,
                        'C' => self.column += count,
                        'D' => self.column -= count,
                        'K' if number == "2" => self.line().clear(),
                        'm' => {}
                        other => panic!("unknown sequence {number}{other}"),
                    }
                }
                c => self.put(c),
            }
        }
    }

    fn line(&mut self) -> &mut Vec<char> {
        while self.lines.len() <= self.row {
            self.lines.push(Vec::new());
        }
        &mut self.lines[self.row]
    }

    fn put(&mut self, c: char) {
        if self.column == Screen::WIDTH {
            (self.row, self.column) = (self.row + 1, 0);
        }
        let column = self.column;
        let line = self.line();
        line.resize(line.len().max(column + 1), ' ');
        line[column] = c;
        self.column += 1;
    }

    fn text(&self) -> String {
        let lines = self.lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned());
        lines.collect::<Vec<_>>().join("\n").trim_end().to_owned() + "\n"
    }
}

/// Runs `wa` on a terminal and returns its screen; `None` without `script`.
fn screen(sandbox: &Sandbox, arguments: &str) -> Option<String> {
    let mut screen = Screen::default();
    screen.write(&terminal_output(sandbox, arguments)?);
    Some(screen.text())
}

/// Runs `wa` on a terminal and returns everything it wrote; `None` without `script`.
fn terminal_output(sandbox: &Sandbox, arguments: &str) -> Option<String> {
    output_at_width(sandbox, arguments, Screen::WIDTH)
}

/// Runs `wa` on a terminal of the given width and returns everything it wrote.
fn output_at_width(sandbox: &Sandbox, arguments: &str, width: usize) -> Option<String> {
    output_with_status(sandbox, arguments, width, 0)
}

/// Runs `wa` on a terminal, checks its exit status and returns everything it wrote.
fn output_with_status(sandbox: &Sandbox, arguments: &str, width: usize, status: i32) -> Option<String> {
    let wa = sandbox.command();
    let command = format!(
        "stty cols {} rows 50; exec '{}' --now {NOW} {arguments}",
        width,
        wa.get_program().to_str().unwrap()
    );
    let output = std::process::Command::new("script")
        .args(["-qefc", &command, "/dev/null"])
        .current_dir(sandbox.path("."))
        .env("TERM", "xterm-256color")
        .env_remove("COLUMNS")
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        output => output.unwrap(),
    };
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(status), "{text}");
    Some(text)
}

#[test]
fn wait_for_a_writer_is_shown_and_removed() {
    let sandbox = Sandbox::new();
    sandbox.write("a.ndjson", "");
    sandbox.wa("init").exits(0);
    let path = sandbox.path("wa-store/lock");
    for command in ["gc", "ingest a.ndjson"] {
        let lock = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        lock.lock().unwrap();
        std::io::Write::write_all(&mut &lock, b"process 4711 (wa ingest)\n").unwrap();
        let release = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(3000));
            lock.set_len(0).unwrap();
        });
        let Some(output) = terminal_output(&sandbox, &format!("{command} --lock-timeout 100s")) else {
            return;
        };
        release.join().unwrap();
        for text in
            ["waiting for process 4711 (wa ingest), ", " s of at most 100 s", "it has been writing since 2"]
        {
            assert!(output.contains(text), "{output}");
        }
        let (until_the_end, _) = output.rsplit_once("waiting for").unwrap();
        assert!(!until_the_end.contains(" left"), "{output}");
        let mut screen = Screen::default();
        screen.write(&output);
        assert!(!screen.text().contains("writing since"), "{}", screen.text());
        assert!(!screen.text().contains("waiting for"), "{}", screen.text());
    }
}

#[test]
fn progress_bar_is_cleared_at_the_end() {
    let sandbox = Sandbox::new();
    let event = "{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"e\",\"timestamp\":\"2026-11-09T12:00:00Z\"}\n";
    sandbox.write("a.ndjson", event);
    let Some(ingest) = screen(&sandbox, "ingest a.ndjson") else { return };
    // Only the note and the table remain.
    assert!(ingest.starts_with("wa: created the store ./wa-store\nfile "), "{ingest}");
    assert!(ingest.trim_end().ends_with(" 1       1          0         0           0"), "{ingest}");
    let verify = screen(&sandbox, "verify").unwrap();
    assert!(verify.starts_with("4 files, "), "{verify}");
    assert!(verify.ends_with("\nno differences found\n"), "{verify}");
    // Colors do not count as columns.
    let gc = screen(&sandbox, "gc --dry-run").unwrap();
    assert!(gc.starts_with("would be pruned  days  from  to  rows  files  bytes\n─"), "{gc}");
    let rebuild = screen(&sandbox, "rebuild").unwrap();
    assert!(rebuild.starts_with("sessions: 1 before, 1 now;"), "{rebuild}");
    assert!(rebuild.ends_with("\nno changes were necessary\n"), "{rebuild}");
}

#[test]
fn status_fits_a_narrow_terminal() {
    let sandbox = Sandbox::new();
    let event = |time: &str| {
        let chatbot = "0b7c3f0e-4f1d-4c59-9d3c-2f6a1e8b7d40";
        format!(r#"{{"chatbot_id":"{chatbot}","session_id":"s","event_name":"a","timestamp":"{time}"}}"#)
            + "\n"
    };
    sandbox.write("a.ndjson", event("2026-09-09T08:00:00Z") + &event("2026-11-09T08:00:00Z"));
    sandbox.wa("ingest a.ndjson").exits(0);
    for width in [60, 80] {
        let output = |command| output_at_width(&sandbox, command, width);
        let (Some(status), Some(formats)) = (output("status"), output("formats")) else { return };
        assert!(formats.lines().all(|line| line.trim_end().chars().count() <= width), "{formats}");
        let mut screen = Screen::default();
        screen.write(&status);
        let text = screen.text();
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
        assert_eq!(text.contains("not shown: files"), width == 60, "{text}");
        assert!(text.contains("2 months"), "{text}");
    }
}

#[test]
fn html_is_not_written_to_a_terminal() {
    let sandbox = Sandbox::new();
    sandbox.wa("init").exits(0);
    for (arguments, hint) in [
        ("dashboard", "wa dashboard --output dashboard.html"),
        ("dashboard --output -", "wa dashboard --output dashboard.html"),
        ("report summary --format html", "wa report --format html > report.html"),
    ] {
        let Some(output) = output_with_status(&sandbox, arguments, Screen::WIDTH, 2) else { return };
        assert!(output.contains("HTML cannot be shown on a terminal"), "{output}");
        assert!(output.contains(hint) && !output.contains("<html"), "{output}");
    }
    let output = terminal_output(&sandbox, "dashboard --output page.html");
    assert!(output.is_none_or(|output| !output.contains("<html")) && sandbox.path("page.html").exists());
}
