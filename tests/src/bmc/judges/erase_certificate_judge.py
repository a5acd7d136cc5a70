"""What jwcrypto and cryptography, which nobody here wrote, say of an exported erase certificate: file, authority's certificate, and the
rack whose agent must have signed."""

import base64
import datetime
import hashlib
import json
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from jwcrypto import jwk, jws

DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")


def opened(text, authority):
    """The payload of a compact JWS and the certificate that stands beside it, which this authority has issued."""
    token = jws.JWS()
    token.deserialize(text)
    token.allowed_algs = ["ES256"]
    header = json.loads(token.objects["protected"])
    certificate = x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0]))
    certificate.verify_directly_issued_by(authority)
    token.verify(jwk.JWK.from_pyca(certificate.public_key()))
    return json.loads(token.payload), certificate


def check(what, holds):
    if not holds:
        raise SystemExit(what)


def names(certificate):
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)


def purposes(certificate):
    return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def was_valid(certificate, text):
    at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00").split(".")[0].removesuffix("+00:00") + "+00:00")
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


with open(sys.argv[1]) as file:
    whole = json.load(file)
with open(sys.argv[2], "rb") as file:
    authority = x509.load_pem_x509_certificate(file.read())
rack = hashlib.sha256(sys.argv[3].encode()).digest()[:20].hex() + ".rack.bms.internal"

statement, agent = opened(whole["statement"], authority)
check("not an agent's certificate", purposes(agent) == [ExtendedKeyUsageOID.CLIENT_AUTH] and names(agent) == [rack])
check("the agent's certificate was not valid", was_valid(agent, statement["signed_at"]))
receipt, signer = opened(whole["receipt"], authority)
check("not the receipts' certificate", purposes(signer) == [DOCUMENT_SIGNING] and names(signer) == ["receipts.bms.internal"])
check("the receipts' certificate was not valid", was_valid(signer, receipt["received_at"]))
check("another statement", receipt["statement_sha256"] == hashlib.sha256(whole["statement"].encode()).hexdigest())
check("the receipt was changed", signer.fingerprint(hashes.SHA256()) != agent.fingerprint(hashes.SHA256()))
print("jwcrypto is content with", statement["erased"]["disk"]["serial"], "of", statement["server"]["serial"])
