//! Work that is done while somebody looks at what came before.

use std::sync::mpsc::sync_channel;
use std::thread::Scope;

/// Makes the items of `items` in a thread of `scope`: the next one while the last one is looked at, and no
/// more, since each may be large. The thread ends when it has made all of them, or when what this returns
/// is dropped.
pub fn prefetch<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    mut items: impl Iterator<Item = T> + Send + 'scope,
) -> impl Iterator<Item = T> + 'scope {
    let (sender, receiver) = sync_channel(0);
    // Where nobody waits for an item, there is nothing left to do.
    scope.spawn(move || items.try_for_each(|item| sender.send(item)).unwrap_or_default());
    receiver.into_iter()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    use super::*;

    #[test]
    fn all_items_come_in_their_order() {
        let got: Vec<u32> = std::thread::scope(|scope| prefetch(scope, 0..1000).collect());
        assert_eq!(got, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn one_item_is_made_ahead_and_none_once_nobody_waits() {
        let made = AtomicU32::new(0);
        std::thread::scope(|scope| {
            let mut items = prefetch(scope, (0..).map(|item| (item, made.fetch_add(1, SeqCst)).0));
            assert_eq!(items.next(), Some(0));
            assert_eq!(items.next(), Some(1));
            assert!((2..=3).contains(&made.load(SeqCst)));
        });
        // The scope has ended, so the thread has.
        assert!((2..=3).contains(&made.load(SeqCst)));
    }
}
