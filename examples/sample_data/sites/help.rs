//! The log of the help center.

use super::super::calendar::rfc3339_berlin;
use super::super::json::Object;
use super::super::log::{Identity, Line, Record};
use super::super::rng::Rng;
use super::super::traffic::{Action, Site, traffic};

/// A software help center: session lines and identify lines in addition to events, camelCase, times
/// in milliseconds.
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
    bots: 3,
    slow_evenings: true,
};

/// Generates the lines.
pub fn help() -> Vec<Line> {
    let mut rng = Rng::new(2);
    let traffic = traffic(&HELP, &mut rng);
    let mut lines = Vec::new();
    let mut number = 40_000;
    for visit in &traffic.visits {
        let visitor = &traffic.visitors[visit.visitor];
        let start = visit.steps[0].time;
        let session = Object::new()
            .text("type", "session")
            .text("chatbotId", HELP.chatbot)
            .text("sessionId", &visit.session)
            .text("anonymousId", &visitor.id)
            .maybe("referrer", visit.source.referrer)
            .text("landingPage", visit.steps[0].page)
            .maybe("utmSource", visit.source.utm_source)
            .maybe("utmMedium", visit.source.utm_medium)
            .maybe("utmCampaign", visit.source.utm_campaign)
            .text("userAgent", visitor.device.agent)
            .number("screenWidth", visitor.device.width)
            .number("screenHeight", visitor.device.height)
            .text("ipAddress", &visitor.ip_address)
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
        for step in &visit.steps {
            let time = step.time;
            match (&step.action, &visitor.person) {
                (Action::Event(name, properties), _) => {
                    number += 1;
                    let id = format!("evt-{number}");
                    let event = Object::new()
                        .text("id", &id)
                        .text("chatbotId", HELP.chatbot)
                        .text("sessionId", &visit.session)
                        .text("eventName", name)
                        .object("properties", properties)
                        .text("pageUrl", &format!("{}{}", HELP.host, step.page))
                        .number("timestamp", time);
                    push(time, event.json(), time, name, Some(id));
                }
                (Action::Identify, Some(person)) => {
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
                (Action::Identify, None) => {}
            }
        }
    }
    lines
}
