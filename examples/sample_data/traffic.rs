//! Visitors and their visits, independent of the log format of a site.

use super::calendar::{DAY, DAYS, HOUR, MINUTE, SECOND, at, is_weekend};
use super::json::Object;
use super::rng::Rng;
use super::world::{self, BOTS, DEVICES, Device, LOCATIONS, Person, SOURCES, Source};

/// A site and its chatbot.
pub struct Site {
    pub chatbot: &'static str,
    pub host: &'static str,
    pub pages: &'static [(u64, (&'static str, &'static str))],
    /// Initial visits per day: on working days, on weekends.
    pub visits: (i64, i64),
    /// Percentage of visits that open the widget, and of these that send messages.
    pub opens: u64,
    pub talks: u64,
    /// Percentage of visitors that are identified.
    pub known: u64,
    /// Percentage of visits by bots.
    pub bots: u64,
    /// Whether people answer in the evening, more slowly than the chatbot.
    pub slow_evenings: bool,
}

/// A person or bot with one device.
pub struct Visitor {
    pub id: String,
    pub device: &'static Device,
    pub ip_address: String,
    pub location: (&'static str, &'static str),
    pub person: Option<Person>,
    pub is_bot: bool,
}

/// One step of a visit.
pub struct Step {
    pub time: i64,
    pub action: Action,
    pub page: &'static str,
    pub title: &'static str,
}

/// The action of a step.
pub enum Action {
    /// An event with its properties.
    Event(&'static str, Object),
    /// The visitor is identified.
    Identify,
}

/// One visit: a series of steps.
pub struct Visit {
    pub visitor: usize,
    pub session: String,
    pub source: Source,
    pub steps: Vec<Step>,
}

/// A site's visitors, and its visits in order of their start.
pub struct Traffic {
    pub visitors: Vec<Visitor>,
    pub visits: Vec<Visit>,
}

/// Generates forty days of visits.
pub fn traffic(site: &Site, rng: &mut Rng) -> Traffic {
    let mut traffic = Traffic { visitors: Vec::new(), visits: Vec::new() };
    for day in 0..DAYS {
        let usual = if is_weekend(day) { site.visits.1 } else { site.visits.0 };
        // Traffic grows by half within the forty days.
        let visits = usual + usual * day / (2 * DAYS) + rng.from(-1, 2);
        let mut starts: Vec<i64> = (0..visits).map(|_| at(day, moment(rng))).collect();
        starts.sort_unstable();
        for start in starts {
            let visitor = traffic.visitor(site, rng);
            let visit = visit(site, visitor, &traffic.visitors[visitor], start, rng);
            traffic.visits.push(visit);
        }
    }
    traffic
}

/// Returns a time of day: mostly between 08:00 and 22:00, a few at night.
fn moment(rng: &mut Rng) -> i64 {
    let hour =
        *rng.pick(&[(2, 0), (1, 6), (5, 8), (8, 10), (9, 12), (8, 14), (8, 16), (9, 18), (9, 20), (4, 22)]);
    // The last visits of a day start before midnight, and some end after it.
    hour * HOUR + rng.from(0, 2 * HOUR - 1)
}

impl Traffic {
    /// Returns the visitor of a visit: a bot, a returning visitor or a new one.
    fn visitor(&mut self, site: &Site, rng: &mut Rng) -> usize {
        let is_bot = rng.chance(site.bots);
        if !is_bot && !self.visitors.is_empty() && rng.chance(35) {
            let known = rng.below(self.visitors.len() as u64) as usize;
            if !self.visitors[known].is_bot {
                return known;
            }
        }
        let number = self.visitors.len();
        let person = (!is_bot && rng.chance(site.known)).then(|| world::person(100 + number, rng));
        self.visitors.push(Visitor {
            id: format!("v_{}", rng.hex(12)),
            device: if is_bot { rng.pick(BOTS) } else { rng.pick(DEVICES) },
            ip_address: world::ip_address(rng),
            location: *rng.pick(LOCATIONS),
            person,
            is_bot,
        });
        number
    }
}

/// Generates one visit.
pub fn visit(site: &Site, number: usize, visitor: &Visitor, start: i64, rng: &mut Rng) -> Visit {
    let mut visit = Visit {
        visitor: number,
        session: format!("s_{}", rng.hex(16)),
        source: if visitor.is_bot { Source::default() } else { rng.pick(SOURCES).clone() },
        steps: Vec::new(),
    };
    let mut now = start;
    let (mut page, mut title) = *rng.pick(site.pages);
    let mut add_step = |after: i64, action: Action, page: &'static str, title: &'static str| {
        now += after;
        visit.steps.push(Step { time: now, action, page, title });
    };
    let event = |name: &'static str| Action::Event(name, Object::new());

    add_step(0, event("page_viewed"), page, title);
    add_step(
        rng.from(80, 900),
        Action::Event("widget_loaded", Object::new().number("load_time_ms", rng.from(90, 1400))),
        page,
        title,
    );
    if visitor.is_bot {
        return visit;
    }
    while rng.chance(35) {
        (page, title) = *rng.pick(site.pages);
        add_step(rng.from(5 * SECOND, 4 * MINUTE), event("page_viewed"), page, title);
    }
    if visitor.person.is_some() && rng.chance(70) {
        add_step(rng.from(SECOND, 30 * SECOND), Action::Identify, page, title);
    }
    let opens = if visit.source.is_failing() { site.opens / 8 } else { site.opens };
    if !rng.chance(opens) {
        if rng.chance(4) {
            let properties =
                Object::new().text("message", "Cannot read properties of null").text("file", "widget.js");
            add_step(rng.from(SECOND, MINUTE), Action::Event("widget_error", properties), page, title);
        }
        return visit;
    }
    let trigger = rng.pick(&[(6, "button"), (3, "proactive"), (1, "exit_intent")]);
    add_step(
        rng.from(2 * SECOND, 90 * SECOND),
        Action::Event("widget_opened", Object::new().text("triggered_by", trigger)),
        page,
        title,
    );
    if rng.chance(50) {
        add_step(rng.from(SECOND, 3 * SECOND), event("pre_chat_form_shown"), page, title);
        if rng.chance(75) {
            add_step(rng.from(6 * SECOND, 50 * SECOND), event("pre_chat_form_submitted"), page, title);
        }
    }
    if rng.chance(site.talks) {
        let is_evening = site.slow_evenings && start.rem_euclid(DAY) >= 18 * HOUR;
        let mut questions = 0;
        while questions == 0 || (questions < 4 && rng.chance(40)) {
            questions += 1;
            let button = Object::new().text("button_id", "send_message");
            if rng.chance(40) {
                add_step(
                    rng.from(4 * SECOND, 80 * SECOND),
                    Action::Event("button_clicked", button),
                    page,
                    title,
                );
            }
            let sent = Object::new().number("message_length", rng.from(8, 240));
            add_step(rng.from(SECOND, 20 * SECOND), Action::Event("message_sent", sent), page, title);
            // In the evening, some messages get no reply.
            if is_evening && rng.chance(25) {
                continue;
            }
            if rng.chance(3) {
                let failed = Object::new().number("status", *rng.pick(&[(2, 502), (1, 504), (1, 429)]));
                add_step(rng.from(SECOND, 9 * SECOND), Action::Event("api_error", failed), page, title);
                continue;
            }
            let response = match (is_evening, rng.chance(7)) {
                (true, _) => rng.from(40 * SECOND, 9 * MINUTE),
                (false, true) => rng.from(3001, 8200),
                (false, false) => rng.from(350, 2800),
            };
            let received = Object::new().number("response_time_ms", response);
            add_step(response, Action::Event("message_received", received), page, title);
            if response > 3000 {
                let slow = Object::new().number("response_time_ms", response);
                add_step(15, Action::Event("slow_response", slow), page, title);
            }
        }
        if rng.chance(12) {
            let reason = *rng.pick(&[(3, "asked_for_person"), (2, "no_answer")]);
            let handoff = Object::new().text("reason", reason);
            add_step(rng.from(SECOND, 20 * SECOND), Action::Event("handoff_requested", handoff), page, title);
            if rng.chance(60) {
                add_step(rng.from(MINUTE, 6 * MINUTE), event("conversation_resolved"), page, title);
            }
        }
        if rng.chance(30) {
            let stars = if is_evening { rng.from(1, 4) } else { rng.from(2, 5) };
            let rating = Object::new().number("rating", stars);
            add_step(rng.from(3 * SECOND, 40 * SECOND), Action::Event("feedback_given", rating), page, title);
        }
    }
    if rng.chance(60) {
        add_step(rng.from(2 * SECOND, 3 * MINUTE), event("widget_minimized"), page, title);
    }
    visit
}

/// Adds a visit of a new visitor with page views at the given times.
pub fn page_views(site: &Site, traffic: &mut Traffic, times: &[i64], rng: &mut Rng) {
    let number = traffic.visitors.len();
    traffic.visitors.push(Visitor {
        id: format!("v_{}", rng.hex(12)),
        device: rng.pick(DEVICES),
        ip_address: world::ip_address(rng),
        location: *rng.pick(LOCATIONS),
        person: None,
        is_bot: false,
    });
    let (page, title) = site.pages[0].1;
    let view =
        |time: &i64| Step { time: *time, action: Action::Event("page_viewed", Object::new()), page, title };
    traffic.visits.push(Visit {
        visitor: number,
        session: format!("s_{}", rng.hex(16)),
        source: Source::default(),
        steps: times.iter().map(view).collect(),
    });
}

/// Adds the edge cases of the gap rule: see `sample-data/README.md`.
pub fn edge_cases(site: &Site, traffic: &mut Traffic, rng: &mut Rng) {
    let noon = at(6, 12 * HOUR);
    let midnight = at(12, DAY);
    let month = at(30, DAY);
    // A gap of exactly the timeout keeps one session; a millisecond more makes two.
    page_views(site, traffic, &[noon, noon + 30 * MINUTE], rng);
    page_views(site, traffic, &[noon, noon + 30 * MINUTE + 1], rng);
    // Past midnight, and past the end of the month, when the log is rotated.
    page_views(site, traffic, &[midnight - 10 * MINUTE, midnight - MINUTE, midnight + 9 * MINUTE], rng);
    page_views(
        site,
        traffic,
        &[month - 20 * MINUTE, month - 2 * MINUTE, month + 12 * MINUTE, month + 40 * MINUTE],
        rng,
    );
}
