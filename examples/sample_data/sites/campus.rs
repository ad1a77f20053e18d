//! The log of the campus app.

use super::super::calendar::{MINUTE, SECOND, rfc3339};
use super::super::json::Object;
use super::super::log::{Identity, Line, Record};
use super::super::rng::Rng;
use super::super::traffic::{Action, Site, traffic};

/// A campus app whose widget posts envelopes.
static CAMPUS: Site = Site {
    chatbot: "3f2b8c1e-7d54-4c0a-9b1e-52a6d0c4e8f7",
    host: "https://app.campus.example",
    pages: &[(5, ("/timetable", "Timetable")), (3, ("/canteen", "Canteen")), (2, ("/exams", "Exams"))],
    visits: (2, 1),
    opens: 60,
    talks: 65,
    known: 0,
    bots: 0,
    slow_evenings: false,
};

/// Generates the lines.
pub fn campus() -> Vec<Line> {
    let mut rng = Rng::new(4);
    let traffic = traffic(&CAMPUS, &mut rng);
    let mut lines = Vec::new();
    for visit in &traffic.visits {
        let visitor = &traffic.visitors[visit.visitor];
        // The visitor's clock is wrong by up to seven minutes in either direction.
        let skew = rng.from(-7 * MINUTE, 7 * MINUTE);
        let mut first = true;
        for batch in visit.steps.chunks(4) {
            let Some(last) = batch.last() else { continue };
            let sent = last.time + rng.from(SECOND, 5 * SECOND);
            let delay = rng.from(30, 400);
            let mut events = Vec::new();
            let mut times = Vec::new();
            for step in batch {
                let Action::Event(name, properties) = &step.action else { continue };
                let event = Object::new()
                    .text("event_name", name)
                    .object("properties", properties)
                    .text("page_url", &format!("{}{}", CAMPUS.host, step.page))
                    .text("page_title", step.title)
                    .text("client_timestamp", &rfc3339(step.time + skew));
                events.push(event.json());
                times.push((step.time + delay, *name));
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
                    .text("ipAddress", &visitor.ip_address);
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
