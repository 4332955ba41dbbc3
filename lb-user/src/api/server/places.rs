//! Places for clients. Whoever is idle makes room for somebody new.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

/// The places of a listener.
#[derive(Clone, Debug)]
pub(super) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    taken: Mutex<Taken>,
    /// A place was given back, or somebody is idle.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    by: HashMap<u64, Client>,
}

#[derive(Debug)]
struct Client {
    state: State,
    leave: Arc<Notify>,
}

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It asks nothing, since then.
    Idle(Instant),
    /// It is answered.
    Busy,
    /// It was idle, and is to go.
    Leaving,
}

impl Client {
    fn idle_since(&self) -> Option<Instant> {
        match self.state {
            State::Idle(since) => Some(since),
            State::Busy | State::Leaving => None,
        }
    }
}

/// A place; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    number: u64,
    leave: Arc<Notify>,
}

/// While this is there, the client is answered.
#[derive(Debug)]
pub(super) struct Busy {
    places: Places,
    number: u64,
}

impl Places {
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Shared { most, taken: Mutex::default(), changed: Notify::new() }))
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, number: u64, state: State) {
        if let Some(client) = self.taken().by.get_mut(&number) {
            client.state = state;
        }
    }

    /// Takes a place. If there is none, whoever is idle longest loses his.
    pub(super) async fn take(&self) -> Place {
        loop {
            let changed = self.0.changed.notified();
            if let Some(place) = self.try_take() {
                return place;
            }
            changed.await;
        }
    }

    fn try_take(&self) -> Option<Place> {
        let mut taken = self.taken();
        if taken.by.len() >= self.0.most {
            let one_leaves = taken.by.values().any(|client| client.state == State::Leaving);
            let idle = taken.by.values_mut().filter(|client| !one_leaves && client.idle_since().is_some());
            if let Some(client) = idle.min_by_key(|client| client.idle_since()) {
                client.state = State::Leaving;
                client.leave.notify_one();
            }
            return None;
        }
        let (number, leave) = (taken.next, Arc::new(Notify::new()));
        taken.next += 1;
        taken.by.insert(number, Client { state: State::Idle(Instant::now()), leave: Arc::clone(&leave) });
        Some(Place { places: self.clone(), number, leave })
    }
}

impl Place {
    /// Waits until the place is wanted by somebody else.
    pub(super) async fn wanted(&self) {
        let leaves = || self.places.taken().by.get(&self.number).is_none_or(|client| client.state == State::Leaving);
        loop {
            self.leave.notified().await;
            if leaves() {
                return;
            }
        }
    }

    /// The client is answered from now on; one that was to go may stay for that.
    pub(super) fn busy(&self) -> Busy {
        self.places.set(self.number, State::Busy);
        Busy { places: self.places.clone(), number: self.number }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().by.remove(&self.number);
        self.places.0.changed.notify_one();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.places.set(self.number, State::Idle(Instant::now()));
        self.places.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// Long enough for whatever could happen to have happened: time is paused.
    const LONG: Duration = Duration::from_secs(3600);

    #[tokio::test(start_paused = true)]
    async fn who_is_idle_longest_makes_room() {
        let places = Places::new(2);
        let (first, second) = (places.take().await, places.take().await);
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(first.busy());
        let third = tokio::spawn({
            let places = places.clone();
            async move { places.take().await }
        });
        timeout(LONG, second.wanted()).await.expect("the second is idle longer");
        drop(second);
        drop(third.await.expect("the place of the second"));
        assert!(timeout(LONG, first.wanted()).await.is_err(), "the first may stay");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_answered_is_waited_for() {
        let places = Places::new(1);
        let only = places.take().await;
        let busy = only.busy();
        assert!(timeout(LONG, places.take()).await.is_err());
        let leaves = tokio::spawn(async move { only.wanted().await });
        drop(busy);
        timeout(LONG, places.take()).await.expect("the answer was complete");
        leaves.await.expect("it was asked to leave");
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_before_he_has_left_is_answered() {
        let places = Places::new(1);
        let only = places.take().await;
        assert!(places.try_take().is_none(), "it is asked to leave");
        let busy = only.busy();
        assert!(timeout(LONG, only.wanted()).await.is_err(), "it may stay");
        drop(busy);
        assert!(places.try_take().is_none());
        timeout(LONG, only.wanted()).await.expect("now it has to go");
    }
}
