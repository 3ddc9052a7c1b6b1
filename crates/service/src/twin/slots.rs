//! The commands of a stream that are being worked on, by a number that serves again and again.

use tokio::time::Instant;

/// One command.
#[derive(Debug)]
struct Entry {
    /// Names the answer; taken when the answer is given.
    request_id: Option<String>,
    /// Until when the answer is of use.
    deadline: Instant,
}

/// The commands.
#[derive(Debug)]
pub(super) struct Slots {
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    max: usize,
    unanswered: usize,
}

impl Slots {
    /// Room for `max` commands.
    pub(super) fn new(max: usize) -> Self {
        Self { entries: Vec::new(), free: Vec::new(), max, unanswered: 0 }
    }

    /// Whether there is room for one more.
    pub(super) fn has_room(&self) -> bool {
        !self.free.is_empty() || self.entries.len() < self.max
    }

    /// Whether every command has its answer.
    pub(super) fn all_answered(&self) -> bool {
        self.unanswered == 0
    }

    /// A place for a command. There must be room.
    pub(super) fn put(&mut self, request_id: String, deadline: Instant) -> u32 {
        self.unanswered += 1;
        let entry = Some(Entry { request_id: Some(request_id), deadline });
        if let Some(tag) = self.free.pop() {
            if let Some(place) = self.place(tag) {
                *place = entry;
            }
            return tag;
        }
        self.entries.push(entry);
        // There are at most `max` of them, a small number.
        u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
    }

    fn place(&mut self, tag: u32) -> Option<&mut Option<Entry>> {
        self.entries.get_mut(usize::try_from(tag).ok()?)
    }

    /// Frees the place; the request id, unless the command was answered before.
    pub(super) fn done(&mut self, tag: u32) -> Option<String> {
        let entry = self.place(tag)?.take()?;
        self.free.push(tag);
        self.unanswered -= usize::from(entry.request_id.is_some());
        entry.request_id
    }

    /// Takes the request ids of those whose time is over; the places stay taken until their work ends. Also tells when
    /// the next one's time is.
    pub(super) fn expire(&mut self, now: Instant) -> (Vec<String>, Option<Instant>) {
        let (mut over, mut next) = (Vec::new(), None::<Instant>);
        for entry in self.entries.iter_mut().flatten().filter(|entry| entry.request_id.is_some()) {
            if entry.deadline <= now {
                over.extend(entry.request_id.take());
            } else {
                next = Some(next.map_or(entry.deadline, |next| next.min(entry.deadline)));
            }
        }
        self.unanswered -= over.len();
        (over, next)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_number_serves_again_once_its_work_has_ended() {
        let now = Instant::now();
        let mut slots = Slots::new(2);
        let a = slots.put("a".into(), now + Duration::from_secs(1));
        let b = slots.put("b".into(), now + Duration::from_secs(2));
        assert!(!slots.has_room() && !slots.all_answered());
        let (over, next) = slots.expire(now + Duration::from_secs(1));
        assert_eq!((over, next), (vec!["a".to_owned()], Some(now + Duration::from_secs(2))));
        // Answered, but its work goes on.
        assert!(!slots.has_room() && !slots.all_answered());
        assert_eq!(slots.done(a), None);
        assert_eq!(slots.done(b).as_deref(), Some("b"));
        assert!(slots.has_room() && slots.all_answered());
        assert_eq!(slots.done(b), None);
        assert_eq!(slots.put("c".into(), now), b);
    }
}
