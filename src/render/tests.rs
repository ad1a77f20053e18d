//! Snapshots of every report in every format, and properties of all of them.

use insta::assert_snapshot;

use super::each_chatbot::ChatbotWriter;
use super::events::{EventRenderer, LineFormat};
use super::*;
use crate::report::tests::memory_tables::{Event, MemoryTables, Session, day, event, session, time};
use crate::report::{Query, ReportKind, ReportRequest, Window, run, run_each_chatbot};
use crate::store::frame::Frame;
use crate::time::Zone;

/// Ten days of two chatbots and the previous week, with a bot and with long, wide and hostile
/// names.
fn tables() -> MemoryTables {
    let mut sessions = Vec::new();
    let referrers = [
        None,
        Some("google.com"),
        Some("google.com"),
        Some("news.ycombinator.com"),
        Some("日本語のとても長いドメイン名です.example"),
    ];
    let pages =
        ["/", "/pricing", "/docs/start", "/blog/a-long-title-of-a-post-about-many-things", "/\u{1b}[31m🙂|*"];
    let devices =
        [("desktop", "Chrome", "Windows"), ("mobile", "Safari", "iOS"), ("mobile", "Chrome", "Android")];
    for n in 0..64usize {
        let date = day("2026-05-25").plus((n * n % 17) as i32);
        let (device, browser, os) = devices[n % 3];
        let talk = (n % 5) as u64;
        sessions.push(Session {
            chatbot: if n % 4 == 3 { "docs" } else { "shop" },
            seconds: (n as i64 * 37) % 900,
            bot: n % 16 == 15,
            counts: if n % 3 == 0 {
                vec![("widget_loaded", 1), ("widget_opened", 2)]
            } else {
                vec![("widget_loaded", 1), ("message_sent", talk + 1), ("message_received", talk)]
            },
            errors: u64::from(n % 7 == 0),
            response_us: vec![900_000 + n as u64 * 50_000],
            utm: [None, Some("google"), Some("newsletter")][n % 3],
            domain: referrers[n % 5],
            channel: [None, Some("Paid Search"), Some("Organic Search"), Some("Referral"), Some("Email")]
                [n % 5],
            page: Some(pages[n * 3 % 5]),
            device: Some(device),
            browser: Some(browser),
            os: Some(os),
            country: [Some("DE"), Some("FR"), None][n % 3],
            city: [Some("Bonn"), Some("Paris"), None][n % 3],
            ..session(&format!("{date}T10:{:02}:00Z", n % 60), &format!("visitor {}", n % 23))
        });
    }
    sessions.push(Session {
        session: Some("=HYPERLINK(\"http://evil\")".to_owned()),
        anonymous: Some("@cmd\u{1b}[2J".to_owned()),
        ..session("2026-06-10T23:00:00Z", "")
    });
    let mut tables = MemoryTables::new(sessions);
    let first =
        tables.sessions.iter().find(|s| tables.day_of(s) >= day("2026-06-01") && !s.bot).cloned().unwrap();
    let at = |seconds: i64| first.start + (first.seconds.min(seconds)) * 1_000_000;
    let base = Event {
        chatbot: first.chatbot,
        ..event("2026-06-01", &first.session.clone().unwrap(), "widget_loaded")
    };
    tables.events = vec![
        Event {
            time: at(0),
            properties: Some(r#"{"load_time_ms":240}"#.into()),
            url: Some("https://shop.example/"),
            ..base.clone()
        },
        Event { time: at(1), name: "message_sent", ..base.clone() },
        Event {
            time: at(2),
            name: "message_received",
            properties: Some(r#"{"response_time_ms":1500}"#.into()),
            ..base.clone()
        },
        Event {
            time: at(3),
            name: "api_error",
            category: Some("error"),
            properties: Some("{\"message\":\"line\\nbreak\"}".into()),
            ..base
        },
    ];
    tables
}

fn query() -> Query {
    Query::new(Window { from: day("2026-06-01"), to: day("2026-06-10"), today: day("2026-06-12") })
}

fn request(kind: ReportKind) -> ReportRequest {
    ReportRequest {
        limit: kind.default_limit(true),
        ..ReportRequest::new(kind, query(), time("2026-06-10T10:30:00Z"))
    }
}

fn rendered(request: &ReportRequest, format: Format, width: usize) -> String {
    render(&run(&tables(), request).unwrap(), format, &Style::plain(width)).unwrap()
}

#[test]
fn table_of_every_report_at_80_columns() {
    for kind in ReportKind::ALL.into_iter().filter(|kind| *kind != ReportKind::All) {
        assert_snapshot!(format!("table_80_{}", kind.name()), rendered(&request(kind), Format::Table, 80));
    }
}

#[test]
fn list_of_conversations_fits_80_columns() {
    let mut request = request(ReportKind::Conversations);
    request.sequences.lists_conversations = true;
    assert_snapshot!("list_80_conversations", rendered(&request, Format::Table, 80));
}

#[test]
fn list_of_conversations_with_uuids_fits() {
    const ID: &str = "0b7c3f0e-4f1d-4c59-9d3c-2f6a1e8b7d40";
    let mut tables = tables();
    let old = tables.events[0].session.clone();
    for session in tables.sessions.iter_mut().filter(|session| session.session == old) {
        session.session = Some(ID.to_owned());
    }
    tables.events.iter_mut().for_each(|event| event.session = Some(ID.to_owned()));
    let mut request = request(ReportKind::Conversations);
    request.sequences.lists_conversations = true;
    let table =
        |width| render(&run(&tables, &request).unwrap(), Format::Table, &Style::plain(width)).unwrap();
    for width in [60, 61, 70, 79, 80, 83, 100, 120] {
        let table = table(width);
        assert!(table.lines().all(|line| text::display_width(line) <= width), "{table}");
        assert!(table.contains(" answered "), "{table}");
        assert_eq!(table.contains(ID), width >= 70, "{table}");
    }
    // Columns of 19, 8, 36 and 14, and three gaps of 2.
    let has_response = |width| table(width).lines().any(|line| line.ends_with("  First response"));
    assert!(!has_response(82) && has_response(83), "{}", table(83));
}

#[test]
fn table_at_60_and_120_columns() {
    for kind in [
        ReportKind::Trends,
        ReportKind::Sources,
        ReportKind::Pages,
        ReportKind::Sessions,
        ReportKind::Performance,
    ] {
        for width in [60, 120] {
            let table = rendered(&request(kind), Format::Table, width);
            assert_snapshot!(format!("table_{width}_{}", kind.name()), table);
        }
    }
}

#[test]
fn table_with_the_previous_period() {
    for kind in [ReportKind::Summary, ReportKind::Trends, ReportKind::Events, ReportKind::Sources] {
        let request = ReportRequest { compare: true, limit: Some(3), ..request(kind) };
        assert_snapshot!(format!("compare_80_{}", kind.name()), rendered(&request, Format::Table, 80));
    }
    let request = ReportRequest { compare: true, ..request(ReportKind::Trends) };
    assert_snapshot!("compare_120_trends", rendered(&request, Format::Table, 120));
}

#[test]
fn limit_leaves_a_row_for_the_rest() {
    let request = ReportRequest { limit: Some(2), ..request(ReportKind::Sources) };
    assert_snapshot!("limit_table", rendered(&request, Format::Table, 80));
    assert_snapshot!("limit_csv", rendered(&request, Format::Csv, 80));
}

#[test]
fn summaries_by_chatbot_are_rows_of_one_table() {
    let request = ReportRequest { by_chatbot: true, ..request(ReportKind::Summary) };
    assert_snapshot!("by_chatbot_80", rendered(&request, Format::Table, 80));
    assert_snapshot!("by_chatbot_csv", rendered(&request, Format::Csv, 80));
}

#[test]
fn chatbots_one_by_one_equal_all_together() {
    let tables = tables();
    for (kind, format) in
        ReportKind::ALL.into_iter().flat_map(|kind| [(kind, Format::Json), (kind, Format::Csv)])
    {
        for compare in [false, kind.supports_compare()] {
            let request = ReportRequest { compare, by_chatbot: true, limit: Some(2), ..request(kind) };
            let (mut writer, mut text) = (ChatbotWriter::new(format, Style::plain(80)), String::new());
            run_each_chatbot(&tables, &request, &mut |outcome| writer.add(&outcome, &mut text)).unwrap();
            writer.finish(&mut text);
            assert_eq!(text, rendered(&request, format, 80), "{kind:?} as {format:?}");
        }
    }
}

#[test]
fn csv_columns_have_distinct_names() {
    for kind in ReportKind::ALL {
        for (compare, by_chatbot) in [(false, false), (false, true), (kind.supports_compare(), true)] {
            let csv = rendered(&ReportRequest { compare, by_chatbot, ..request(kind) }, Format::Csv, 80);
            let mut names: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{kind:?}: {csv}");
        }
    }
    let sessions = ReportRequest { by_chatbot: true, ..request(ReportKind::Sessions) };
    let csv = rendered(&sessions, Format::Csv, 80);
    let mut reader = csv_reader(&csv);
    let at = reader.headers().unwrap().iter().position(|name| name == "chatbot_id").unwrap();
    let mut chatbots: Vec<String> =
        reader.records().map(|row| row.unwrap().get(at).unwrap().to_owned()).collect();
    assert_eq!(chatbots.len(), 27);
    chatbots.dedup();
    assert_eq!(chatbots, ["shop", "docs"]);
}

#[test]
fn selected_session_shows_its_values_and_events() {
    let id = tables().events[0].session.clone();
    let request = ReportRequest { session_id: id, ..request(ReportKind::Sessions) };
    assert_snapshot!("look_up_80", rendered(&request, Format::Table, 80));
}

#[test]
fn csv_of_every_report() {
    for kind in ReportKind::ALL.into_iter().filter(|kind| *kind != ReportKind::All) {
        assert_snapshot!(
            format!("csv_{}", kind.name()),
            rendered(&request(kind), Format::Csv, 80).replace('\r', "")
        );
    }
    let request = ReportRequest { compare: true, ..request(ReportKind::Sources) };
    assert_snapshot!("csv_compare_sources", rendered(&request, Format::Csv, 80).replace('\r', ""));
}

#[test]
fn markdown_of_some_reports() {
    for kind in [ReportKind::Summary, ReportKind::Sources, ReportKind::Pages] {
        assert_snapshot!(format!("markdown_{}", kind.name()), rendered(&request(kind), Format::Markdown, 80));
    }
}

#[test]
fn json_is_pretty_and_escaped() {
    assert_snapshot!("json_trends", rendered(&request(ReportKind::Trends), Format::Json, 80));
    let sessions = rendered(&request(ReportKind::Sessions), Format::Json, 80);
    assert!(sessions.contains(r"@cmd\u001b[2J"));
}

#[test]
fn table_without_a_maximum_width_loses_nothing() {
    let request = ReportRequest { compare: true, limit: None, ..request(ReportKind::Trends) };
    let table = rendered(&request, Format::Table, usize::MAX);
    let header = table.lines().nth(4).unwrap();
    assert_eq!(header.matches("Prev.").count(), 4, "{table}");
    assert!(!table.contains("not shown"), "{table}");
    for kind in ReportKind::ALL {
        let table = rendered(&self::request(kind), Format::Table, usize::MAX);
        assert!(!table.contains('…') && !table.contains("not shown"), "{table}");
    }
}

#[test]
fn table_fits_its_width_without_control_characters() {
    for kind in ReportKind::ALL {
        for compare in [false, true] {
            let request = ReportRequest { compare: compare && kind.supports_compare(), ..request(kind) };
            for width in [60, 61, 70, 80, 100, 120, 200] {
                let table = rendered(&request, Format::Table, width);
                for line in table.lines() {
                    assert!(text::display_width(line) <= width, "{} at {width}: {line}", kind.name());
                    assert!(!line.chars().any(char::is_control), "{}: {line:?}", kind.name());
                }
            }
        }
    }
}

#[test]
fn csv_rows_match_their_header_without_formulas() {
    for kind in ReportKind::ALL {
        for (compare, by_chatbot) in [(false, false), (true, false), (false, true), (true, true)] {
            let compare = compare && kind.supports_compare();
            let request = ReportRequest { compare, by_chatbot, limit: Some(2), ..request(kind) };
            let csv = rendered(&request, Format::Csv, 80);
            let mut reader = csv_reader(&csv);
            let cells = reader.headers().unwrap().len();
            for record in reader.records() {
                let record = record.unwrap();
                assert_eq!(record.len(), cells, "{}: {record:?}", kind.name());
                for cell in &record {
                    let formula =
                        cell.starts_with(['=', '+', '-', '@', '\t']) && cell.parse::<f64>().is_err();
                    assert!(!formula, "{}: {cell:?}", kind.name());
                }
            }
        }
    }
}

fn csv_reader(text: &str) -> ::csv::Reader<&[u8]> {
    ::csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes())
}

#[test]
fn csv_on_a_terminal_has_control_characters_escaped() {
    let outcome = run(&tables(), &request(ReportKind::Sessions)).unwrap();
    let style = Style { terminal: true, ..Style::plain(80) };
    let csv = render(&outcome, Format::Csv, &style).unwrap();
    assert!(csv.contains("'@cmd\\u{1b}[2J"));
    assert!(!csv.contains('\u{1b}'));
    assert!(render(&outcome, Format::Csv, &Style::plain(80)).unwrap().contains('\u{1b}'));
}

#[test]
fn color_only_adds_escape_codes() {
    for kind in ReportKind::ALL {
        let outcome = run(&tables(), &request(kind)).unwrap();
        let colored = render(&outcome, Format::Table, &Style { color: true, ..Style::plain(80) }).unwrap();
        let stripped =
            ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m"].iter().fold(colored, |t, code| t.replace(code, ""));
        let trimmed: Vec<&str> = stripped.lines().map(str::trim_end).collect();
        let plain = render(&outcome, Format::Table, &Style::plain(80)).unwrap();
        assert_eq!(trimmed, plain.lines().collect::<Vec<_>>());
    }
}

#[test]
fn times_are_in_the_time_zone_of_the_store() {
    let mut tables = MemoryTables::new(vec![session("2026-06-01T22:30:00Z", "anna")]);
    tables.zone = Zone::parse("Europe/Berlin").unwrap();
    let table =
        render(&run(&tables, &request(ReportKind::Sessions)).unwrap(), Format::Table, &Style::plain(80))
            .unwrap();
    assert!(table.contains("2026-06-02 00:30:00"), "{table}");
    assert!(table.contains("time zone Europe/Berlin"), "{table}");
}

#[test]
fn empty_window_renders_in_every_format() {
    for kind in ReportKind::ALL {
        for format in [Format::Table, Format::Json, Format::Csv, Format::Markdown] {
            let outcome = run(&MemoryTables::new(Vec::new()), &request(kind)).unwrap();
            let text = render(&outcome, format, &Style::plain(80)).unwrap();
            assert!(text.ends_with('\n'), "{} {format:?}", kind.name());
        }
    }
}

fn render_events(frame: &Frame, format: LineFormat, escape_control: bool) -> String {
    let renderer = EventRenderer::new(format, escape_control).unwrap();
    renderer.header().unwrap().unwrap_or_default() + &renderer.render(frame).unwrap()
}

#[test]
fn event_is_a_line_that_ingest_reads_back() {
    use crate::store::columns::Table;
    use crate::store::frame::{Cell, FrameBuilder};
    let mut builder = FrameBuilder::new(Table::Events);
    let id = "0190aaaa-0000-8000-8000-000000000001";
    let both = [
        ("id", Cell::Text(id)),
        ("chatbot_id", Cell::Text("shop")),
        ("event_name", Cell::Text("click\u{9b}")),
        ("properties", Cell::Json(r#"{"b":1,"a":[2]}"#)),
        ("timestamp", Cell::Time(time("2026-06-01T10:00:00.5Z"))),
        ("screen_width", Cell::Int(390)),
        ("browser_name", Cell::Text("Chrome")),
        ("is_bot", Cell::Bool(false)),
        ("created_at", Cell::Time(0)),
    ];
    builder.row(&both);
    let more =
        [("event_id", Cell::Text("e1")), ("extra", Cell::Json(r#"{"screen_height":"tall","plan":{"x":1}}"#))];
    builder.row(&[&both[..], &more[..]].concat());
    let frame = builder.finish().unwrap();
    // Unchanged in a file, escaped on a terminal.
    assert!(render_events(&frame, LineFormat::Ndjson, false).contains("\"click\u{9b}\""));
    let lines = render_events(&frame, LineFormat::Ndjson, true);
    let lines: Vec<&str> = lines.lines().collect();
    // Derived columns, such as the browser, are omitted: an ingest derives them again.
    assert_eq!(
        lines[0],
        "{\"event_id\":\"0190aaaa-0000-8000-8000-000000000001\",\"chatbot_id\":\"shop\",\
         \"event_name\":\"click\\u009b\",\"properties\":{\"b\":1,\"a\":[2]},\
         \"timestamp\":\"2026-06-01T10:00:00.500Z\",\"screen_width\":390}"
    );
    // The line has the id of the log, and the fields of `extra` at the top level.
    assert!(lines[1].starts_with("{\"event_id\":\"e1\","), "{}", lines[1]);
    let extra = ",\"screen_width\":390,\"screen_height\":\"tall\",\"plan\":{\"x\":1}}";
    assert!(lines[1].ends_with(extra), "{}", lines[1]);
    let csv = render_events(&frame, LineFormat::Csv, false);
    let rows: Vec<_> = csv_reader(&csv).records().map(Result::unwrap).collect();
    assert_eq!(rows.iter().map(|row| row.len()).collect::<Vec<_>>(), [Table::Events.columns().len(); 2]);
}

#[test]
fn events_render_as_a_table() {
    use crate::report::{EventQuery, ReportHead, list_events};
    use crate::store::columns::Table;
    use crate::store::frame::RecordReader;
    let tables = tables();
    let mut records = Vec::new();
    let listing =
        list_events(&tables, &EventQuery::all(query().window), &events::TABLE_COLUMNS, &mut |frame| {
            let reader = RecordReader::new(frame, Table::Events, &events::TABLE_COLUMNS)?;
            records.extend((0..frame.height()).map(|row| reader.record(row)));
            Ok(std::ops::ControlFlow::Continue(()))
        })
        .unwrap();
    let head = ReportHead::for_event_list(&tables, &query());
    let table = events::events_table(&head, &records, listing.more, &Style::plain(80));
    assert_snapshot!("events_80", table);
}
