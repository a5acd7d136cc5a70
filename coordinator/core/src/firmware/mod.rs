//! Edges: firmware: files of it, and its updates, each given to its BMC once. What to do next is decided in
//! [`domain::firmware::update`], whose firmware may be updated in [`domain::firmware::rules`].
//!
//! ```text
//!   asked (API, or Ironic at the facade) --> its turn in its rack --> Ironic's node and the switch ports read now --> stored --> agent
//!       --> BMC --> its task and its versions looked at, again and again --> done, or failed with the reason
//! ```

mod asked;
mod files;
mod prepare;
#[cfg(test)]
mod tests;
mod work;

pub use self::{
    asked::Wanted,
    files::{FileError, FirmwareFiles},
    work::Updates,
};
