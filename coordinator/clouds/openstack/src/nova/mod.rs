//! Edges: Nova's API: flavors, key pairs, servers, a file each.

mod flavor;
mod key_pair;
mod server;

use http::Method;

use super::{Caller, Service, call::Call, error::Error, session::Session};
pub use domain::rim::{
    ComputeServer as Server, Flavor, FlavorSpec, NewComputeServer as NewServer, ProjectsShown, ServerNetworks,
};
pub use key_pair::KeyPair;
pub use server::{PAGE_SERVERS, PAGES_MAX, RebootHow};

/// API version that is asked for: 2.90 is OpenStack Xena; flavors carry their extra specs since 2.61.
pub const MICROVERSION: &str = "2.90";

/// The compute service.
#[derive(Clone, Debug)]
pub struct Nova {
    session: Session,
}

impl Nova {
    /// Asks with the given session; for flavors its user must be an administrator of a project.
    pub fn new(session: Session) -> Self {
        Self { session }
    }

    fn call<'a>(&self, caller: Caller<'a>, method: Method, path: String, operation: String) -> Call<'a> {
        Call::new(Service::Nova, method, path, operation)
            .header("x-openstack-nova-api-version", MICROVERSION)
            .caller(caller)
    }
}

fn done(result: Result<bytes::Bytes, Error>) -> Result<(), Error> {
    match result {
        Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
