//! Keys of a message that several threads use.
//!
//! A handle in JavaScript belongs to one thread. Another thread gets its own by presenting a ticket: 16
//! random bytes, so that it cannot be guessed, and never drawn again. The registry holds no key alive,
//! and the last handle to go takes its ticket along: nothing has to be released.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use cobblestone::{ChunkKeys, Error};

/// The length of a ticket in bytes.
pub const TICKET_LEN: usize = 16;

type Ticket = [u8; TICKET_LEN];

static REGISTRY: Mutex<Option<HashMap<Ticket, Weak<SharedKeys>>>> = Mutex::new(None);

/// The keys of one message, and the ticket once there is one.
pub struct SharedKeys {
    keys: ChunkKeys,
    ticket: OnceLock<Ticket>,
}

impl SharedKeys {
    pub fn new(keys: ChunkKeys) -> Arc<Self> {
        Arc::new(Self { keys, ticket: OnceLock::new() })
    }

    /// The ticket for these keys, the same at every call.
    pub fn ticket(shared: &Arc<Self>) -> Result<Ticket, Error> {
        let mut drawn = Ticket::default();
        cobblestone::random(&mut drawn)?;
        let ticket = *shared.ticket.get_or_init(|| drawn);
        registry().get_or_insert_default().insert(ticket, Arc::downgrade(shared));
        Ok(ticket)
    }

    /// The keys of a ticket, while some thread holds them.
    pub fn adopt(ticket: &[u8]) -> Option<Arc<Self>> {
        // The lock is released before the keys could be dropped, which takes it again.
        let weak = registry().as_ref()?.get(ticket).cloned();
        weak?.upgrade()
    }
}

impl Deref for SharedKeys {
    type Target = ChunkKeys;

    fn deref(&self) -> &ChunkKeys {
        &self.keys
    }
}

impl Drop for SharedKeys {
    fn drop(&mut self) {
        if let (Some(ticket), Some(registry)) = (self.ticket.get(), registry().as_mut()) {
            registry.remove(ticket);
        }
    }
}

/// A thread that panicked has left the map whole: each change of it is one call.
fn registry() -> MutexGuard<'static, Option<HashMap<Ticket, Weak<SharedKeys>>>> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{SharedKeys, registry};

    fn keys() -> std::sync::Arc<SharedKeys> {
        SharedKeys::new(cobblestone::HmacKey::new(&[7; 32]).derive(b"").unwrap().0)
    }

    #[test]
    fn forgets_a_ticket_with_the_last_handle() {
        let ours = keys();
        let ticket = SharedKeys::ticket(&ours).unwrap();
        assert_eq!(SharedKeys::ticket(&ours).unwrap(), ticket);
        let theirs =
            std::thread::spawn(move || SharedKeys::adopt(&ticket)).join().unwrap().unwrap();
        drop(ours);
        assert!(SharedKeys::adopt(&ticket).is_some());
        drop(theirs);
        assert!(SharedKeys::adopt(&ticket).is_none());
        assert!(!registry().as_ref().unwrap().contains_key(&ticket));
    }

    #[test]
    fn refuses_what_is_not_a_ticket() {
        assert!(SharedKeys::adopt(&[0; 16]).is_none());
        assert!(SharedKeys::adopt(b"short").is_none());
    }
}
