//! Edges: the certificates that a BMC shows, and how one is replaced.

use protocol::redfish::read::certificate::Certificate;
use serde_json::json;

use super::super::{
    RedfishBmc,
    call::{Call, Listed, Said},
};
use crate::bmc::BmcError;

impl RedfishBmc {
    /// The certificates of the BMC.
    ///
    /// # Errors
    /// As of [`RedfishBmc::inventory`].
    pub async fn certificates(&self) -> Result<Listed<Certificate>, BmcError> {
        let mut call = self.call().await?;
        let certificates = call.certificates().await?;
        Ok(call.listed(certificates))
    }

    /// Has the BMC make a key and ask for a certificate for it; gives the request (PKCS #10, PEM). `names`: the first one is the common
    /// name, all of them are alternative names.
    ///
    /// # Errors
    /// It makes no requests, or refuses.
    pub async fn certificate_request(
        &self,
        certificate: &Certificate,
        names: &[String],
    ) -> Result<String, BmcError> {
        let mut call = self.call().await?;
        let service = call.certificate_service().await?;
        let action = service
            .as_ref()
            .and_then(|service| service.node().action("CertificateService.GenerateCSR", "KeyUsage"));
        let Some(action) = action else {
            return Err(call.refuse("it makes no certificate requests (GenerateCSR)"));
        };
        let collection =
            certificate.path.trim_end_matches('/').rsplit_once('/').map_or("", |(above, _)| above);
        let body = json!({
            "CommonName": names.first(),
            "AlternativeNames": names,
            "CertificateCollection": { "@odata.id": collection },
        });
        match call.post(&action.target, &body).await? {
            Said::Refused(refused) => Err(call.refused(refused)),
            Said::Begun => Err(call.refuse("it is still making the request; ask again")),
            // It is longer than other texts.
            Said::Done(answer) => match answer.value().get("CSRString").and_then(|text| text.as_str()) {
                Some(request) => Ok(request.to_owned()),
                None => Err(call.refuse("it has accepted it, and gave no request (CSRString)")),
            },
        }
    }

    /// Puts a certificate (PEM) in another one's place. The BMC shows it from then on: a pin must be changed with it.
    ///
    /// # Errors
    /// It replaces none, or refuses.
    pub async fn replace_certificate(&self, certificate: &Certificate, pem: &str) -> Result<(), BmcError> {
        let mut call = self.call().await?;
        let service = call.certificate_service().await?;
        let action = service.as_ref().and_then(|service| {
            service.node().action("CertificateService.ReplaceCertificate", "CertificateType")
        });
        let Some(action) = action else {
            return Err(call.refuse("it replaces no certificates (ReplaceCertificate)"));
        };
        let body = json!({
            "CertificateString": pem,
            "CertificateType": "PEM",
            "CertificateUri": { "@odata.id": certificate.path },
        });
        let said = call.post(&action.target, &body).await?;
        call.must(said)
    }
}

impl Call<'_> {
    async fn certificate_service(&mut self) -> Result<Option<protocol::redfish::node::Resource>, BmcError> {
        match self.root().await? {
            Some(root) => self.follow(root.node(), "CertificateService").await,
            None => Ok(None),
        }
    }

    /// As the certificate service lists them, or those of the manager's HTTPS.
    async fn certificates(&mut self) -> Result<Vec<Certificate>, BmcError> {
        let mut links: Vec<String> = Vec::new();
        if let Some(service) = self.certificate_service().await?
            && let Some(locations) = self.follow(service.node(), "CertificateLocations").await?
        {
            links.extend(locations.node().at("Links").links("Certificates").into_iter().map(str::to_owned));
        }
        let mut found = self.linked(&links, "a certificate").await?;
        if found.is_empty() {
            for (_, manager) in self.managers().await? {
                if let Some(protocols) = self.follow(manager.node(), "NetworkProtocol").await? {
                    found.extend(self.members(protocols.node().at("HTTPS"), "Certificates").await?);
                }
            }
        }
        Ok(found.iter().map(|(path, certificate)| Certificate::of(path, certificate.node())).collect())
    }
}
