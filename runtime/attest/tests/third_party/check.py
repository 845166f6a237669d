"""securesystemslib: verifies the envelopes of our bundles, signs with our key, and makes one of its own. Usage: check.py <samples>"""

import base64
import hashlib
import json
import pathlib
import sys

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

samples = pathlib.Path(sys.argv[1])
module = hashlib.sha256((samples / "module.wasm").read_bytes()).hexdigest()


def public(private, keyid):
    raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return SSlibKey(keyid, "ed25519", "ed25519", {"public": raw.hex()})


def holds(envelope, key):
    try:
        Envelope.from_dict(json.loads(json.dumps(envelope))).verify([key], 1)
        return True
    except VerificationError:
        return False


def changed(data, at):
    return base64.b64encode(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]).decode()


checked = refused = 0
for file in sorted((samples / "ours").glob("*.json")):
    bundle = json.loads(file.read_text())
    envelope = bundle["dsseEnvelope"]
    private = load_pem_private_key((samples / "ours" / file.with_suffix(".by").read_text()).read_bytes(), None)
    hint = bundle["verificationMaterial"]["publicKey"]["hint"]
    der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert hashlib.sha256(der).hexdigest() == hint, file
    key = public(private, hint)
    assert holds(envelope, key), file
    checked += 1
    payload, signature = base64.b64decode(envelope["payload"]), envelope["signatures"][0]
    assert json.loads(payload)["subject"][0]["digest"]["sha256"] == module
    forged = [{**envelope, "payloadType": "application/json"}]
    forged += [{**envelope, "payload": changed(payload, at)} for at in range(0, len(payload), 7)]
    sig = base64.b64decode(signature["sig"])
    forged += [{**envelope, "signatures": [{**signature, "sig": changed(sig, at)}]} for at in range(64)]
    for other in forged:
        assert not holds(other, key), file
        refused += 1
assert checked >= 2 and refused > 100

# A review that securesystemslib signs with a key that we made, as a bundle around its envelope.
private = load_pem_private_key((samples / "ours" / "alice").read_bytes(), None)
der = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
keyid = hashlib.sha256(der).hexdigest()
statement = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": "module.wasm", "digest": {"sha256": module}}],
    "predicateType": "https://portcullis.dev/attestation/policy-review/v1",
    "predicate": {"reviewer": "Alice", "reviewedAt": "2026-03-14T09:30:00+01:00"},
}
envelope = Envelope(json.dumps(statement).encode(), "application/vnd.in-toto+json", {})
envelope.sign(CryptoSigner(private, public(private, keyid)))
bundle = {
    "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
    "verificationMaterial": {"publicKey": {"hint": keyid}},
    "dsseEnvelope": envelope.to_dict(),
}
(samples / "theirs" / "securesystemslib.json").write_text(json.dumps(bundle, indent=2))
(samples / "theirs" / "securesystemslib.pub").write_bytes((samples / "ours" / "alice.pub").read_bytes())
print(f"ok securesystemslib: {checked} envelopes, {refused} changed ones refused; one made")
