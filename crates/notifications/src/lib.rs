//! Notifications: messages to people, webhooks to systems, fed by the event streams of the others.
