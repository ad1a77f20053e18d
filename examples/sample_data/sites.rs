//! Four sites, each of which logs in its own way.

use super::calendar::{DAY, HOUR, MINUTE, SECOND, at, plain, rfc3339, rfc3339_berlin};
use super::json::{Object, quote};
use super::log::{Identity, Line, Log, Record};
use super::rng::Rng;
use super::traffic::{Happening, Site, Traffic, Visit, Visitor, What, edge_cases, traffic};

/// A coffee shop: every event with an id of its own, context with the first of a visit.
static COFFEE: Site = Site {
    chatbot: "harbor-coffee",
    host: "https://www.harbor-coffee.example",
    pages: &[
        (9, ("/", "Harbor Coffee")),
        (6, ("/beans", "Beans")),
        (4, ("/beans/autumn-blend", "Autumn Blend")),
        (3, ("/pricing", "Subscriptions")),
        (2, ("/checkout", "Checkout")),
        (2, ("/help/shipping", "Shipping")),
    ],
    visits: (5, 7),
    opens: 55,
    talks: 60,
    known: 0,
    robots: 6,
};

/// The help center of a software: session lines and identify lines beside the events, camelCase,
/// times in milliseconds.
static HELP: Site = Site {
    chatbot: "help-center",
    host: "https://help.tideline.example",
    pages: &[
        (5, ("/", "Help")),
        (5, ("/articles/import-a-file", "Import a file")),
        (4, ("/articles/billing", "Billing")),
        (3, ("/articles/single-sign-on", "Single sign-on")),
        (3, ("/contact", "Contact")),
    ],
    visits: (5, 1),
    opens: 75,
    talks: 75,
    known: 55,
    robots: 3,
};

/// A library: no ids of events or sessions, times to the second, the user agent on every line.
static LIBRARY: Site = Site {
    chatbot: "city-library",
    host: "https://library.city.example",
    pages: &[
        (6, ("/", "City Library")),
        (5, ("/opening-hours", "Öffnungszeiten")),
        (4, ("/catalogue", "Katalog")),
        (2, ("/events/reading-night", "Lesenacht")),
    ],
    visits: (3, 2),
    opens: 40,
    talks: 50,
    known: 0,
    robots: 8,
};

/// A campus app, whose widget posts envelopes.
static CAMPUS: Site = Site {
    chatbot: "3f2b8c1e-7d54-4c0a-9b1e-52a6d0c4e8f7",
    host: "https://app.campus.example",
    pages: &[(5, ("/timetable", "Timetable")), (3, ("/canteen", "Canteen")), (2, ("/exams", "Exams"))],
    visits: (2, 1),
    opens: 60,
    talks: 65,
    known: 0,
    robots: 0,
};

/// Makes all logs.
pub fn logs() -> Vec<Log> {
    let (coffee, late) = coffee();
    let (october, november) = split(coffee);
    let (help_october, help_november) = split(help());
    let library = library();
    let mut late = late;
    // A copy of lines without ids, in another file: it adds nothing.
    late.extend(library.iter().skip(40).take(12).cloned());
    vec![
        Log::new("harbor-coffee-2026-10.ndjson", "a coffee shop in October: events with UUIDs, context with the first of a visit; some lines twice", october),
        Log::new("harbor-coffee-2026-11.ndjson", "the same in November; one visit goes on from the file before", november),
        Log::new("help-center-2026-10.ndjson", "the help center of a software in October: session, identify and event lines in camelCase, times in milliseconds, ids that are no UUIDs", help_october),
        Log::new("help-center-2026-11.ndjson", "the same in November", help_november),
        Log::new("city-library.ndjson", "a library: no ids of events or sessions, times to the second, two identical lines here and there that are two events", library),
        Log::new("widget-posts.ndjson", "a campus app: envelopes as its widget posts them, on clocks that are wrong by minutes", campus()),
        Log::new("late.ndjson.gz", "what came late: first, middle and last events of visits of the coffee shop, lines that are in its other files too, and copies of lines of the library", late),
    ]
}

/// Splits lines where the month ends: that is when the logs are rotated.
fn split(lines: Vec<Line>) -> (Vec<Line>, Vec<Line>) {
    lines.into_iter().partition(|line| line.written < at(30, DAY))
}

fn coffee() -> (Vec<Line>, Vec<Line>) {
    let mut rng = Rng::new(1);
    let mut traffic = traffic(&COFFEE, &mut rng);
    edge_cases(&COFFEE, &mut traffic, &mut rng);
    let (mut lines, mut late) = (Vec::new(), Vec::new());
    for visit in &traffic.visits {
        let visitor = &traffic.visitors[visit.visitor];
        let held_back = rng.chance(6).then(|| rng.below(visit.happenings.len() as u64) as usize);
        for (i, happening) in visit.happenings.iter().enumerate() {
            let mut line = coffee_line(visit, visitor, happening, i == 0, &rng.uuid());
            if held_back == Some(i) {
                line.written += rng.from(DAY, 5 * DAY);
                late.push(line);
                continue;
            }
            // The widget did not hear that its event had arrived, and sent it again.
            if rng.chance(2) {
                let mut again = line.clone();
                again.written += rng.from(SECOND, MINUTE);
                if rng.chance(30) { late.push(again) } else { lines.push(again) }
            }
            lines.push(line);
        }
    }
    late.extend(joining_line(&traffic, &mut lines, &mut rng));
    (lines, late)
}

/// Two page views an hour apart are two sessions, until the late line between them makes them one.
fn joining_line(traffic: &Traffic, lines: &mut Vec<Line>, rng: &mut Rng) -> Option<Line> {
    let visitor = traffic.visitors.iter().find(|visitor| !visitor.is_bot)?;
    let visit = Visit { visitor: 0, session: "s_joined_by_a_late_line".to_owned(), source: Default::default(), happenings: Vec::new() };
    let start = at(20, 15 * HOUR);
    let mut made = [0, 25, 50].into_iter().map(|minutes| {
        let what = What::Event("page_viewed", Object::new());
        let happening = Happening { time: start + minutes * MINUTE, what, page: "/beans", title: "Beans" };
        coffee_line(&visit, visitor, &happening, minutes == 0, &rng.uuid())
    });
    let (first, mut middle, last) = (made.next()?, made.next()?, made.next()?);
    middle.written += 2 * DAY;
    lines.extend([first, last]);
    Some(middle)
}

fn coffee_line(visit: &Visit, visitor: &Visitor, happening: &Happening, first: bool, id: &str) -> Line {
    let What::Event(name, properties) = &happening.what else { unreachable!("nobody is known there") };
    let mut url = format!("{}{}", COFFEE.host, happening.page);
    let source = &visit.source;
    if let (true, Some(query)) = (first, source.query) {
        url = format!("{url}?{query}");
    }
    // A page that was reached from another page of the shop names that as its referrer.
    let own = format!("{}/", COFFEE.host);
    let mut line = Object::new()
        .text("event_id", id)
        .text("chatbot_id", COFFEE.chatbot)
        .text("session_id", &visit.session)
        .text("anonymous_id", &visitor.id)
        .text("event_name", name)
        .object("properties", properties)
        .text("timestamp", &rfc3339(happening.time))
        .text("page_url", &url)
        .maybe("referrer", if first { source.referrer } else { (*name == "page_viewed").then_some(&own) });
    if first {
        line = line
            .text("page_title", happening.title)
            .maybe("utm_source", source.utm_source)
            .maybe("utm_medium", source.utm_medium)
            .maybe("utm_campaign", source.utm_campaign)
            .text("user_agent", visitor.device.agent)
            .number("screen_width", visitor.device.width)
            .number("screen_height", visitor.device.height)
            .text("ip_address", &visitor.address)
            .text("country_code", visitor.place.0)
            .text("city", visitor.place.1)
            .text("widget_version", "4.2.0");
    }
    let record = Record {
        chatbot: COFFEE.chatbot,
        identity: Identity::Id(id.to_owned()),
        key: visit.session.clone(),
        time: happening.time,
        name,
        visitor: visitor.id.clone(),
        is_bot: visitor.is_bot,
    };
    Line { written: happening.time + 40, text: line.json(), records: vec![record] }
}

fn help() -> Vec<Line> {
    let mut rng = Rng::new(2);
    let traffic = traffic(&HELP, &mut rng);
    let mut lines = Vec::new();
    let mut number = 40_000;
    for visit in &traffic.visits {
        let visitor = &traffic.visitors[visit.visitor];
        let start = visit.happenings[0].time;
        let session = Object::new()
            .text("type", "session")
            .text("chatbotId", HELP.chatbot)
            .text("sessionId", &visit.session)
            .text("anonymousId", &visitor.id)
            .maybe("referrer", visit.source.referrer)
            .text("landingPage", visit.happenings[0].page)
            .maybe("utmSource", visit.source.utm_source)
            .maybe("utmMedium", visit.source.utm_medium)
            .maybe("utmCampaign", visit.source.utm_campaign)
            .text("userAgent", visitor.device.agent)
            .number("screenWidth", visitor.device.width)
            .number("screenHeight", visitor.device.height)
            .text("ipAddress", &visitor.address)
            .text("timestamp", &rfc3339_berlin(start));
        let record = |time: i64, name: &'static str, identity: Identity| Record {
            chatbot: HELP.chatbot,
            identity,
            key: visit.session.clone(),
            time,
            name,
            visitor: visitor.id.clone(),
            is_bot: visitor.is_bot,
        };
        let mut push = |written: i64, text: String, time: i64, name: &'static str, id: Option<String>| {
            let identity = id.map_or_else(|| Identity::Content(text.clone(), 0), Identity::Id);
            lines.push(Line { written, records: vec![record(time, name, identity)], text });
        };
        push(start, session.json(), start, "session_updated", None);
        for happening in &visit.happenings {
            let time = happening.time;
            match (&happening.what, &visitor.person) {
                (What::Event(name, properties), _) => {
                    number += 1;
                    let id = format!("evt-{number}");
                    let event = Object::new()
                        .text("id", &id)
                        .text("chatbotId", HELP.chatbot)
                        .text("sessionId", &visit.session)
                        .text("eventName", name)
                        .object("properties", properties)
                        .text("pageUrl", &format!("{}{}", HELP.host, happening.page))
                        .number("timestamp", time);
                    push(time, event.json(), time, name, Some(id));
                }
                (What::Identify, Some(person)) => {
                    let identify = Object::new()
                        .text("type", "identify")
                        .text("chatbotId", HELP.chatbot)
                        .text("sessionId", &visit.session)
                        .text("userId", &person.id)
                        .text("userEmail", &person.email)
                        .text("userName", &person.name)
                        .object("userMetadata", &Object::new().text("plan", person.plan))
                        .number("timestamp", time);
                    push(time, identify.json(), time, "user_identified", None);
                }
                (What::Identify, None) => {}
            }
        }
    }
    lines
}

fn library() -> Vec<Line> {
    let mut rng = Rng::new(3);
    let traffic = traffic(&LIBRARY, &mut rng);
    let mut lines = Vec::new();
    for visit in &traffic.visits {
        let visitor = &traffic.visitors[visit.visitor];
        for (i, happening) in visit.happenings.iter().enumerate() {
            let What::Event(name, properties) = &happening.what else { continue };
            let time = happening.time / SECOND * SECOND;
            let line = Object::new()
                .text("chatbot_id", LIBRARY.chatbot)
                .text("anonymous_id", &visitor.id)
                .text("event_name", name)
                .object("properties", properties)
                .text("timestamp", &plain(time))
                .text("page_url", &format!("{}{}", LIBRARY.host, happening.page))
                .maybe("referrer", if i == 0 { visit.source.referrer } else { None })
                .text("user_agent", visitor.device.agent);
            let text = line.json();
            let record = Record {
                chatbot: LIBRARY.chatbot,
                identity: Identity::Content(text.clone(), 0),
                key: visitor.id.clone(),
                time,
                name,
                visitor: visitor.id.clone(),
                is_bot: visitor.is_bot,
            };
            let line = Line { written: time, text, records: vec![record] };
            // Two in the same second: two events, which nothing but their number tells apart.
            if rng.chance(3) {
                lines.push(line.clone());
            }
            lines.push(line);
        }
    }
    lines
}

fn campus() -> Vec<Line> {
    let mut rng = Rng::new(4);
    let traffic = traffic(&CAMPUS, &mut rng);
    let mut lines = Vec::new();
    for visit in &traffic.visits {
        let visitor = &traffic.visitors[visit.visitor];
        // The visitor's clock is off by up to seven minutes, one way or the other.
        let skew = rng.from(-7 * MINUTE, 7 * MINUTE);
        let mut first = true;
        for batch in visit.happenings.chunks(4) {
            let Some(last) = batch.last() else { continue };
            let sent = last.time + rng.from(SECOND, 5 * SECOND);
            let delay = rng.from(30, 400);
            let mut events = Vec::new();
            let mut times = Vec::new();
            for happening in batch {
                let What::Event(name, properties) = &happening.what else { continue };
                let event = Object::new()
                    .text("event_name", name)
                    .object("properties", properties)
                    .text("page_url", &format!("{}{}", CAMPUS.host, happening.page))
                    .text("page_title", happening.title)
                    .text("client_timestamp", &rfc3339(happening.time + skew));
                events.push(event.json());
                times.push((happening.time + delay, *name));
            }
            let mut envelope = Object::new()
                .text("chatbotId", CAMPUS.chatbot)
                .text("sessionId", &visit.session)
                .text("anonymousId", &visitor.id);
            if first {
                envelope = envelope
                    .maybe("referrer", visit.source.referrer)
                    .text("userAgent", visitor.device.agent)
                    .number("screenWidth", visitor.device.width)
                    .number("screenHeight", visitor.device.height)
                    .text("ipAddress", &visitor.address);
            }
            let text = envelope
                .text("sentAt", &rfc3339(sent + skew))
                .text("receivedAt", &rfc3339(sent + delay))
                .raw("events", &format!("[{}]", events.join(",")))
                .json();
            let records = times.iter().enumerate().map(|(i, (time, name))| Record {
                chatbot: CAMPUS.chatbot,
                identity: Identity::Content(text.clone(), i),
                key: visit.session.clone(),
                time: *time,
                name,
                visitor: visitor.id.clone(),
                is_bot: visitor.is_bot,
            });
            lines.push(Line { written: sent + delay, records: records.collect(), text });
            first = false;
        }
    }
    lines
}

/// A good line, for the files with a defect.
pub fn good_line(file: &str, number: u32) -> String {
    format!(
        "{{\"event_id\":{},\"chatbot_id\":\"samples\",\"session_id\":\"s-1\",\"event_name\":\"page_viewed\",\"timestamp\":\"2026-11-01T12:00:{number:02}Z\"}}",
        quote(&format!("{file}-{number}"))
    )
}
