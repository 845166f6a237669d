"""pymerkle: roots and inclusion proofs. securesystemslib: DSSE envelopes. Usage: check.py <tool> <samples>"""

import base64
import json
import pathlib
import struct
import sys

tool, samples = sys.argv[1], pathlib.Path(sys.argv[2])


def entries():
    """The log's entries, from the bundles of the export."""
    found = []
    for bundle in sorted((samples / "export/tile/entries").iterdir(), key=lambda path: path.name):
        files = [bundle] if bundle.is_file() else list(bundle.iterdir())
        for file in files:
            data = file.read_bytes()
            while data:
                (length,) = struct.unpack(">H", data[:2])
                found.append(data[2 : 2 + length])
                data = data[2 + length :]
    return found


def changed(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def pymerkle():
    from pymerkle import InclusionProof, InmemoryTree, InvalidProof, verify_inclusion

    proofs = json.loads((samples / "proofs.json").read_text())
    tree = InmemoryTree("sha256")
    for entry in entries():
        tree.append_entry(entry)
    roots = [bytes.fromhex(root) for root in proofs["roots"]]
    assert tree.get_size() == len(roots) - 1 > 500
    for size in range(1, len(roots)):
        assert tree.get_root(size) == roots[size], f"root of {size}"

    def holds(leaf, index, size, path, root):
        rule = tree.prove_inclusion(index + 1, size).rule
        proof = InclusionProof("sha256", True, size, index + 1, rule, [leaf, *path])
        try:
            verify_inclusion(leaf, root, proof, index=index + 1, size=size, algorithm="sha256")
            return True
        except InvalidProof:
            return False

    checked = refused = 0
    for case in proofs["inclusion"]:
        index, size = case["index"], case["size"]
        path, leaf = [bytes.fromhex(node) for node in case["proof"]], tree.get_leaf(index + 1)
        assert holds(leaf, index, size, path, roots[size]), f"leaf {index} of {size}"
        checked += 1
        assert not holds(changed(leaf, 0), index, size, path, roots[size])
        assert not holds(leaf, index, size, path, changed(roots[size], 31))
        for n, node in enumerate(path):
            assert not holds(leaf, index, size, path[:n] + [changed(node, n)] + path[n + 1 :], roots[size])
            refused += 1
    assert checked > 30 and refused > 100
    print(f"ok pymerkle: {len(roots) - 1} roots, {checked} inclusion proofs; {refused + 2 * checked} changed ones refused")


def securesystemslib():
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError
    from securesystemslib.signer import SSlibKey

    name, key_hash, key = (samples / "log.vkey").read_text().strip().split("+", 2)
    public = base64.b64decode(key)[1:].hex()
    key = SSlibKey(f"{name}+{key_hash}", "ed25519", "ed25519", {"public": public})

    def holds(envelope, key=key):
        try:
            Envelope.from_dict(json.loads(json.dumps(envelope))).verify([key], 1)
            return True
        except VerificationError:
            return False

    checked = refused = 0
    for file in sorted((samples / "envelopes").iterdir()):
        envelope = json.loads(file.read_text())
        assert holds(envelope), file
        checked += 1
        payload = base64.b64decode(envelope["payload"])
        signature = base64.b64decode(envelope["signatures"][0]["sig"])
        forged = [{**envelope, "payloadType": "application/json"}]
        for at in range(0, len(payload), 97):
            forged.append({**envelope, "payload": base64.b64encode(changed(payload, at)).decode()})
        for at in range(0, 64, 7):
            sig = base64.b64encode(changed(signature, at)).decode()
            forged.append({**envelope, "signatures": [{**envelope["signatures"][0], "sig": sig}]})
        for other in forged:
            assert not holds(other), file
            refused += 1
        other = SSlibKey(key.keyid, "ed25519", "ed25519", {"public": "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"})
        assert not holds(envelope, other)
        statement = json.loads(payload)
        assert statement["_type"] == "https://in-toto.io/Statement/v1" and statement["subject"][0]["digest"]["sha256"]
    assert checked == 4
    print(f"ok securesystemslib: {checked} envelopes; {refused + checked} changed ones refused")


{"pymerkle": pymerkle, "securesystemslib": securesystemslib}[tool]()
