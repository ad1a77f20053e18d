//! Compares a stored session with the one computed from its events, except for removed IP
//! addresses.
//!
//! IP addresses are removed from events by UTC date and from sessions by the day on which they
//! started. Near the last of these days, a session can therefore have an IP address that its events
//! have lost, or the reverse. This is not a difference, and a rebuild must not restore the IP
//! address.

use crate::event::Position;
use crate::ingest::parse::ip_masking;
use crate::session::{First, Last, Location, SessionSummary, UserProfile};
use crate::settings::IpPolicy;

/// Returns whether two summaries are equal, except for IP addresses that were removed from one.
pub(crate) fn session_eq(stored: &SessionSummary<'_>, computed: &SessionSummary<'_>) -> bool {
    if stored == computed {
        return true;
    }
    let mut other = computed.clone();
    if may_differ_by_removed_ip(&stored.location, &computed.location) {
        other.location = stored.location.clone();
    }
    for (user, profile) in &mut other.profiles {
        if let Some(stored) = stored.profiles.get(user)
            && eq_without_ip_addresses(stored, profile)
        {
            *profile = stored.clone();
        }
    }
    *stored == other
}

/// Returns whether two locations can come from the same events, with the IP address removed in one
/// of them. If an event's location is only an IP address, removing it leaves no location. The
/// session then has the location of a later event.
fn may_differ_by_removed_ip(a: &First<Location<'_>>, b: &First<Location<'_>>) -> bool {
    let has_ip = |location: &First<Location<'_>>| location.value().is_some_and(|l| l.ip_address.is_some());
    let position = |location: &First<Location<'_>>| location.0.as_ref().map(|(position, _)| *position);
    !has_ip(a) || !has_ip(b) || position(a) != position(b)
}

/// Returns whether two profiles are equal without the IP addresses in their metadata.
fn eq_without_ip_addresses(a: &Last<UserProfile<'_>>, b: &Last<UserProfile<'_>>) -> bool {
    fn masked<'p>(profile: &Last<UserProfile<'p>>) -> Option<(Position, UserProfile<'p>)> {
        let (position, mut profile) = profile.0.clone()?;
        if let Some(masked) =
            profile.user_metadata.as_deref().and_then(|text| ip_masking::mask_json(text, IpPolicy::Drop))
        {
            profile.user_metadata = Some(masked.into());
        }
        Some((position, profile))
    }
    masked(a) == masked(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(time: i64, ip: Option<&'static str>) -> First<Location<'static>> {
        let location = Location { ip_address: ip.map(Into::into), ..Location::default() };
        First(Some((Position { time, id: 1 }, location)))
    }

    #[test]
    fn ip_address_may_be_removed_but_not_changed() {
        let none = First(None);
        assert!(may_differ_by_removed_ip(&location(1, None), &location(1, Some("192.0.2.1"))));
        assert!(may_differ_by_removed_ip(&none, &location(1, Some("192.0.2.1"))));
        let (first, other) = (location(1, Some("192.0.2.1")), location(1, Some("192.0.2.2")));
        assert!(may_differ_by_removed_ip(&first, &location(2, Some("192.0.2.2"))));
        assert!(!may_differ_by_removed_ip(&first, &other));
    }
}
