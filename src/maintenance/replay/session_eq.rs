//! Whether a stored session is what the events make.
//!
//! Addresses go from events by their UTC dates and from sessions by the days on which they started,
//! so at the edge one can have what the other has lost. Neither is a difference, and a rebuild does
//! not bring an address back.

use crate::event::Position;
use crate::ingest::parse::ip_masking;
use crate::session::{First, Last, Location, SessionSummary, UserProfile};
use crate::settings::IpPolicy;

/// Tells whether two summaries are one session, but for addresses that were removed from one of them.
pub fn session_eq(row: &SessionSummary<'_>, made: &SessionSummary<'_>) -> bool {
    if row == made {
        return true;
    }
    let mut other = made.clone();
    if address_went(&row.location, &made.location) {
        other.location = row.location.clone();
    }
    for (user, profile) in &mut other.profiles {
        if let Some(mine) = row.profiles.get(user)
            && same_but_addresses(mine, profile)
        {
            *profile = mine.clone();
        }
    }
    *row == other
}

/// Tells whether two places can be of the same events, one of them without an address: an event that
/// said no more than its address says nothing then, and a later one is the first that does.
fn address_went(a: &First<Location<'_>>, b: &First<Location<'_>>) -> bool {
    let address = |place: &First<Location<'_>>| place.value().is_some_and(|place| place.ip_address.is_some());
    let at = |place: &First<Location<'_>>| place.0.as_ref().map(|(at, _)| *at);
    !address(a) || !address(b) || at(a) != at(b)
}

/// Tells whether two profiles are the same but for addresses in the metadata.
fn same_but_addresses(a: &Last<UserProfile<'_>>, b: &Last<UserProfile<'_>>) -> bool {
    fn masked<'p>(profile: &Last<UserProfile<'p>>) -> Option<(Position, UserProfile<'p>)> {
        let (at, mut profile) = profile.0.clone()?;
        if let Some(masked) =
            profile.user_metadata.as_deref().and_then(|text| ip_masking::mask_json(text, IpPolicy::Drop))
        {
            profile.user_metadata = Some(masked.into());
        }
        Some((at, profile))
    }
    masked(a) == masked(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(time: i64, ip: Option<&'static str>) -> First<Location<'static>> {
        let place = Location { ip_address: ip.map(Into::into), ..Location::default() };
        First(Some((Position { time, id: 1 }, place)))
    }

    #[test]
    fn an_address_may_be_missing_but_not_be_another_one() {
        let nowhere = First(None);
        assert!(address_went(&place(1, None), &place(1, Some("192.0.2.1"))));
        assert!(address_went(&nowhere, &place(1, Some("192.0.2.1"))));
        assert!(address_went(&place(1, Some("192.0.2.1")), &place(2, Some("192.0.2.2"))));
        assert!(!address_went(&place(1, Some("192.0.2.1")), &place(1, Some("192.0.2.2"))));
    }
}
