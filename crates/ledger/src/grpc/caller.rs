//! In whose name a command is given.

use bursar_ledger_engine::{Action, Actor, Command, Name, Role};
use bursar_service::{CallContext, Identity};
use bursar_types::RequestId;

use crate::journal::{Body, Fingerprint};
use crate::writer::Order;

/// In whose name a call is made.
pub(super) fn actor(context: &CallContext) -> Actor {
    let caller = context.caller.name();
    let (role, name) = match (&context.customer, context.caller) {
        (Some(customer), _) => (Role::Customer, Name::new(&customer.customer_id.to_string())),
        (None, Identity::Operator) => (Role::Operator, Name::new(caller)),
        (None, Identity::Gateway) => (Role::Network, Name::new(caller)),
        (None, _) => (Role::Service, Name::new(caller)),
    };
    Actor { role, name: name.unwrap_or_default() }
}

/// Who gives commands: worked out once for a call, and once for all commands of a stream.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    actor: Actor,
    principal: String,
}

impl Caller {
    pub(super) fn of(context: &CallContext) -> Self {
        Self { actor: actor(context), principal: context.principal() }
    }

    /// The body of a request for `method`.
    pub(super) fn body(&self, method: &'static str) -> Body {
        Body::new(method, &self.principal)
    }

    /// The command on its way.
    pub(super) fn order(
        &self,
        request_id: RequestId,
        action: Action,
        body: (Fingerprint, Vec<&'static str>),
    ) -> Order {
        let command = Command { request_id, actor: self.actor.clone(), action };
        Order { command, body: Some(body), proof: None }
    }
}
