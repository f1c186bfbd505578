//! The end of everything: what is kept, what is lifted, in which order.

use super::{Engine, Request, acting, records};
use crate::firewall::FirewallError;
use crate::store::Change;
use crate::time::Timestamp;

/// What is left of the bans at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// None.
    Nothing,
    /// Those that the kernel ends by itself. What scripts did is undone, since nobody else ever would.
    Kernel,
    /// All, and what scripts did too.
    All,
}

impl Engine {
    pub(super) fn end_all(
        &mut self,
        leave: Leave,
        now: Timestamp,
        out: &mut Vec<Request>,
    ) -> Result<(), FirewallError> {
        self.trusted.be_exact();
        self.flush(now, out);
        for (name, jail) in &self.jails {
            if leave != Leave::All {
                acting::stop(name, jail, out);
            }
            let lifted = match leave {
                Leave::Nothing => true,
                Leave::Kernel => !jail.in_kernel() && jail.settings.has_scripts(),
                Leave::All => false,
            };
            if lifted {
                out.extend(jail.bans.iter().map(|(id, _)| Request::Log(records::unbanned(name, id))));
            }
            out.push(Request::Keep(Change::Jail { name: name.to_string(), enabled: false }));
            out.push(Request::Log(records::stopped(name)));
        }
        if leave == Leave::Nothing { self.guard.stop() } else { Ok(()) }
    }
}
