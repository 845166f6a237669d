#!/usr/bin/env python3
"""Writes cases/*.json: envelopes signed by an implementation other than the policy's own.

Needs `pip install cryptography`. The keys are made from fixed seeds, so the files come out the same every time.
"""

import base64
import hashlib
import json
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

TYPE = "application/vnd.in-toto+json"
BUILDER = "https://builder.example.com/release@v3"
SOURCE = "https://github.com/acme/payment-api"
DIGEST = hashlib.sha256(b"payment-api v2.3.1").hexdigest()
OTHER = hashlib.sha256(b"payment-api v2.3.2").hexdigest()
IMAGE = f"registry.example.com/acme/payment-api@sha256:{DIGEST}"
CODE = "sample.release-evidence."


def key(name):
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def public(name, pem=False):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    encoding = serialization.Encoding.PEM if pem else serialization.Encoding.DER
    data = key(name).public_key().public_bytes(encoding, form)
    return data.decode() if pem else base64.b64encode(data).decode()


def pae(kind, payload):
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


def v1(digest=DIGEST, builder=BUILDER, source=SOURCE, materials=None, **more):
    materials = [{"uri": f"git+{SOURCE}@refs/tags/v2.3.1", "digest": {"gitCommit": "5d41402abc4b2a76b9719d911017c592ae2fe8a1"}}] if materials is None else materials
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "payment-api", "digest": {"sha256": digest}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "https://actions.github.io/buildtypes/workflow/v1",
                "externalParameters": {"workflow": {"ref": "refs/tags/v2.3.1", "repository": source}} if source else {},
                "resolvedDependencies": materials,
            },
            "runDetails": {"builder": {"id": builder}},
        },
        **more,
    }


def v0_2(digest=DIGEST, builder=BUILDER, source=f"git+{SOURCE}.git@refs/tags/v2.3.1"):
    return {
        "_type": "https://in-toto.io/Statement/v0.1",
        "subject": [{"name": "other", "digest": {"sha256": OTHER}}, {"name": "payment-api", "digest": {"sha256": digest}}],
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "predicate": {
            "builder": {"id": builder},
            "invocation": {"configSource": {"uri": source}},
            "materials": [{"uri": source, "digest": {"sha1": "5d41402abc4b2a76b9719d911017c592ae2fe8a1"}}],
        },
    }


def envelope(statement, signer="builder", keyid="builder", kind=TYPE, signed_kind=None, payload=None, url=False):
    payload = json.dumps(statement).encode() if payload is None else payload
    encode = base64.urlsafe_b64encode if url else base64.b64encode
    signature = key(signer).sign(pae(signed_kind or kind, payload))
    entry = {"sig": encode(signature).decode()}
    if keyid is not None:
        entry["keyid"] = keyid
    return {"payloadType": kind, "payload": encode(payload).decode(), "signatures": [entry]}


SETTINGS = {"keys": {"builder": {"public_key": public("builder"), "builders": [BUILDER]}}, "sources": [SOURCE]}


def case(name, outcome, codes=(), provenance=None, image=IMAGE, settings=SETTINGS, signature=None, requirements=None, service="payment-api"):
    evidence = {"image": image, "provenance": provenance, "signature": signature}
    expect = {"outcome": outcome}
    if codes:
        expect["codes"] = [CODE + code for code in codes]
    if requirements is not None:
        expect["requirements"] = requirements
    return {
        "name": name,
        "request": {
            "subject": {"type": "pipeline", "id": "release"},
            "action": {"name": "deploy"},
            "resource": {"type": "service", "id": service},
            "context": {"environment": "production", "evidence": {k: v for k, v in evidence.items() if v is not None}},
        },
        "settings": settings,
        "expect": expect,
    }


def provide(pointer):
    return [{"kind": "provide", "pointer": pointer}]


def with_settings(**more):
    return {**SETTINGS, **more}


def with_builders(*builders):
    return with_settings(keys={"builder": {"public_key": public("builder"), "builders": list(builders)}})


def tampered(envelope, **members):
    return {**envelope, **members}


def swapped(signed, other):
    return {**signed, "payload": other["payload"]}


OK = ("allow", ["verified"])
GOOD = envelope(v1())

CASES = {
    "verified": [
        case("SLSA v1 signed by a trusted builder", *OK, GOOD),
        case("SLSA v0.2 signed by a trusted builder", *OK, envelope(v0_2())),
        case("base64 in the alphabet for URLs", *OK, envelope(v1(), url=True)),
        case("a key as PEM", *OK, GOOD, settings=with_settings(keys={"builder": {"public_key": public("builder", pem=True), "builders": [BUILDER]}})),
        case("without a key id every key is tried", *OK, envelope(v1(), keyid=None)),
        case("with a key id that nobody knows every key is tried", *OK, envelope(v1(), keyid="sha256:0123")),
        case("one good signature among bad ones is enough", *OK, tampered(GOOD, signatures=[envelope(v1(), "stranger", "stranger")["signatures"][0]] + GOOD["signatures"])),
        case("a signature beside the envelope", *OK, tampered(GOOD, signatures=[]), signature=GOOD["signatures"][0]),
        case("an image with a tag before its digest", *OK, GOOD, image=IMAGE.replace("@", ":v2.3.1@")),
        case("every version of a builder", *OK, GOOD, settings=with_builders("https://builder.example.com/release@*")),
        case("every repository of an owner", *OK, GOOD, settings=with_settings(sources=["https://github.com/acme/*"])),
        case("a service with sources and images of its own", *OK, GOOD, settings=with_settings(sources=["https://github.com/acme/other"], services={"payment-api": {"sources": [SOURCE], "images": ["registry.example.com/acme/payment-api"]}})),
    ],
    "missing": [
        case("no image", "defer", ["image-missing"], GOOD, image=None, requirements=provide("/context/evidence/image")),
        case("no provenance", "defer", ["provenance-missing"], requirements=provide("/context/evidence/provenance")),
        case("no signature", "defer", ["signature-missing"], tampered(GOOD, signatures=[]), requirements=provide("/context/evidence/provenance/signatures")),
        case("no list of signatures", "defer", ["signature-missing"], {k: v for k, v in GOOD.items() if k != "signatures"}),
        case("no provenance for an image that is not allowed", "deny", ["image-not-allowed", "provenance-missing"], settings=with_settings(images=["registry.example.com/other"])),
        case("no commit of the source", "deny", ["materials-missing"], envelope(v1(materials=[]))),
        case("a source without a digest", "deny", ["materials-missing"], envelope(v1(materials=[{"uri": f"git+{SOURCE}"}]))),
        case("no source", "deny", ["source-untrusted"], envelope(v1(source=None))),
    ],
    "refused": [
        case("an image by its tag", "deny", ["image-not-pinned"], GOOD, image="registry.example.com/acme/payment-api:v2.3.1"),
        case("an image with a short digest", "deny", ["image-not-pinned"], GOOD, image="registry.example.com/acme/payment-api@sha256:2c26b46b"),
        case("an image of another repository", "deny", ["image-not-allowed"], GOOD, settings=with_settings(images=["registry.example.com/acme/payment"])),
        case("an image under the name of another service", "deny", ["image-not-allowed", "source-untrusted"], GOOD, service="ledger", settings=with_settings(services={"ledger": {"sources": ["https://github.com/acme/ledger"], "images": ["registry.example.com/acme/ledger"]}})),
        case("another image than the one released", "deny", ["digest-mismatch"], envelope(v1(digest=OTHER))),
        case("a stranger's signature", "deny", ["signature-invalid"], envelope(v1(), "stranger", None)),
        case("a stranger's signature in a trusted key's name", "deny", ["signature-invalid"], envelope(v1(), "stranger")),
        case("a trusted key's signature in another key's name", "deny", ["signature-invalid"], envelope(v1(), keyid="other"), settings=with_settings(keys={**SETTINGS["keys"], "other": {"public_key": public("other"), "builders": [BUILDER]}})),
        case("a payload that was changed after it was signed", "deny", ["signature-invalid"], swapped(envelope(v1(digest=OTHER)), GOOD)),
        case("a signature over another payload type", "deny", ["signature-invalid"], envelope(v1(), signed_kind="application/json")),
        case("a signature over the payload alone", "deny", ["signature-invalid"], tampered(GOOD, signatures=[{"sig": base64.b64encode(key("builder").sign(json.dumps(v1()).encode())).decode()}])),
        case("a signature of zeros", "deny", ["signature-invalid"], tampered(GOOD, signatures=[{"keyid": "builder", "sig": base64.b64encode(bytes(64)).decode()}])),
        case("a signature that is none", "deny", ["signature-invalid"], tampered(GOOD, signatures=[{"keyid": "builder", "sig": "not base64"}])),
        case("a builder that may not use the key", "deny", ["builder-untrusted"], envelope(v1(builder="https://laptop.example.com"))),
        case("a builder whose name only starts alike", "deny", ["builder-untrusted"], envelope(v1(builder=BUILDER + "1"))),
        case("another source", "deny", ["source-untrusted"], envelope(v1(source="https://github.com/mallory/payment-api"))),
        case("another source with the trusted one among its materials", "deny", ["source-untrusted"], envelope(v1(source="https://github.com/acme-evil/payment-api")), settings=with_settings(sources=["https://github.com/acme/*"])),
        case("a source that climbs out of its owner", "deny", ["source-untrusted"], envelope(v1(source="https://github.com/acme/../mallory/app")), settings=with_settings(sources=["https://github.com/acme/*"])),
        case("everything wrong at once", "deny", ["digest-mismatch", "builder-untrusted", "source-untrusted"], envelope(v1(OTHER, "https://laptop.example.com", "https://github.com/mallory/app"))),
        case("an envelope of another type", "deny", ["envelope-malformed"], envelope(v1(), kind="application/json")),
        case("a payload that is no base64", "deny", ["envelope-malformed"], tampered(GOOD, payload="{}")),
        case("a payload that is no JSON", "deny", ["statement-malformed"], envelope(None, payload=b"x")),
        case("a statement of another type", "deny", ["statement-malformed"], envelope(v1(_type="https://example.com/statement"))),
        case("a predicate of another type", "deny", ["statement-malformed"], envelope(v1(predicateType="https://spdx.dev/Document"))),
        case("a predicate without a builder", "deny", ["statement-malformed"], envelope(v1(predicate={"buildDefinition": {}}))),
        case("an envelope that is a text is a fault", "fault.error", (), "x"),
        case("a key that is none is refused", "load.settings", (), GOOD, settings=with_settings(keys={"builder": {"public_key": "x", "builders": [BUILDER]}})),
        case("a weak key is refused", "load.settings", (), GOOD, settings=with_settings(keys={"builder": {"public_key": "MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "builders": [BUILDER]}})),
        case("a key without builders is refused", "load.settings", (), GOOD, settings=with_builders()),
        case("no keys are refused", "load.settings", (), GOOD, settings=with_settings(keys={})),
    ],
}


def main():
    folder = Path(__file__).parent / "cases"
    for name, cases in CASES.items():
        (folder / f"{name}.json").write_text(json.dumps(cases, indent=2) + "\n")


if __name__ == "__main__":
    main()
