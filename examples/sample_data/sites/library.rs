//! The log of the library.

use super::super::calendar::{SECOND, plain};
use super::super::json::Object;
use super::super::log::{Identity, Line, Record};
use super::super::rng::Rng;
use super::super::traffic::{Action, Site, traffic};

/// A library: no event or session ids, times in whole seconds, the user agent on every line.
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
    bots: 8,
    slow_evenings: false,
};

/// Generates the lines.
pub fn library() -> Vec<Line> {
    let mut rng = Rng::new(3);
    let traffic = traffic(&LIBRARY, &mut rng);
    let mut lines = Vec::new();
    for visit in &traffic.visits {
        let visitor = &traffic.visitors[visit.visitor];
        for (i, step) in visit.steps.iter().enumerate() {
            let Action::Event(name, properties) = &step.action else { continue };
            let time = step.time / SECOND * SECOND;
            let line = Object::new()
                .text("chatbot_id", LIBRARY.chatbot)
                .text("anonymous_id", &visitor.id)
                .text("event_name", name)
                .object("properties", properties)
                .text("timestamp", &plain(time))
                .text("page_url", &format!("{}{}", LIBRARY.host, step.page))
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
            // Two identical lines in the same second are two events.
            if rng.chance(3) {
                lines.push(line.clone());
            }
            lines.push(line);
        }
    }
    lines
}
