//! Edges: what whoever had a server could have changed in its BMC, by IPMI: users and the BMC's firmware. Boot order and Secure Boot are
//! told by Redfish only.

use protocol::{
    footprint::{ENTRIES_MAX, Footprint, Part},
    ipmi::{
        command::{Request, Response},
        users::{GetAccess, GetName},
    },
};

use super::{CallError, IpmiBmc};
use crate::bmc::{BmcError, who::words};

/// "The channel that this request comes by".
const THIS_CHANNEL: u8 = 0x0e;

impl IpmiBmc {
    pub(super) async fn footprint(&self) -> Result<Footprint, BmcError> {
        let Response::DeviceId(id) = self.ask(Request::DeviceId).await? else {
            return Err(self.odd(Request::DeviceId));
        };
        let mut unread = vec![Part::BootOrder, Part::SecureBoot];
        let users = match self.users().await {
            Ok(users) => users,
            Err(CallError::Bmc(error)) => return Err(error),
            // It does not tell them to a user of our privilege.
            Err(_) => {
                unread.push(Part::Users);
                vec![]
            }
        };
        let firmware = vec![format!("BMC {}", id.firmware())];
        Ok(Footprint { users, boot_order: vec![], secure_boot: None, firmware, unread })
    }

    /// Each user that has a name or a privilege, with its number and what it may do on this channel.
    async fn users(&self) -> Result<Vec<String>, CallError> {
        let mut users = vec![];
        let mut number = 1;
        loop {
            let access = self.call(&GetAccess { channel: THIS_CHANNEL, user: number }).await?;
            let name = match self.call(&GetName(number)).await {
                Ok(name) => words(Some(name.text())),
                Err(CallError::Bmc(error)) => return Err(error.into()),
                // A user without a name.
                Err(_) => String::new(),
            };
            if !name.is_empty() || access.privilege.is_some() {
                let privilege = access.privilege.map_or("no access", |privilege| privilege.name());
                let state = match access.is_enabled {
                    Some(true) => ", enabled",
                    Some(false) => ", disabled",
                    None => "",
                };
                users.push(format!("{number} {name:?} {privilege}{state}"));
            }
            if number >= access.users_max || usize::from(number) >= ENTRIES_MAX {
                return Ok(users);
            }
            number += 1;
        }
    }
}
