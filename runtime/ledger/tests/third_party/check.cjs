// @sigstore/verify: the envelopes as Sigstore bundles with a public key. Usage: node check.cjs <samples>
const { bundleFromJSON } = require('@sigstore/bundle');
const { Verifier, toSignedEntity, toTrustMaterial } = require('@sigstore/verify');
const assert = require('assert');
const fs = require('fs');
const path = require('path');

const samples = process.argv[2];
const [name, hash, ...rest] = fs.readFileSync(path.join(samples, 'log.vkey'), 'utf8').trim().split('+');
const raw = Buffer.from(rest.join('+'), 'base64').subarray(1);
// SubjectPublicKeyInfo of an Ed25519 key: RFC 8410.
const spki = (key) => Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), key]);
const keyid = `${name}+${hash}`;

function verify(envelope, key = raw) {
  const root = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] };
  const trusted = toTrustMaterial(root, { [keyid]: { rawBytes: spki(key) } });
  // The log is our own, and what proves inclusion in it is in the payload: no Rekor, no timestamp authority.
  const verifier = new Verifier(trusted, { ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 0 });
  const bundle = bundleFromJSON({
    mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
    verificationMaterial: { publicKey: { hint: envelope.signatures[0].keyid }, tlogEntries: [] },
    dsseEnvelope: envelope,
  });
  verifier.verify(toSignedEntity(bundle));
}

function change(base64, at) {
  const bytes = Buffer.from(base64, 'base64');
  bytes[at] ^= 1;
  return bytes.toString('base64');
}

let checked = 0;
let refused = 0;
for (const file of fs.readdirSync(path.join(samples, 'envelopes')).sort()) {
  const envelope = JSON.parse(fs.readFileSync(path.join(samples, 'envelopes', file), 'utf8'));
  verify(envelope);
  checked += 1;
  const [signature] = envelope.signatures;
  const forged = [{ ...envelope, payloadType: 'application/json' }];
  for (let at = 0; at < Buffer.from(envelope.payload, 'base64').length; at += 97) {
    forged.push({ ...envelope, payload: change(envelope.payload, at) });
  }
  for (let at = 0; at < 64; at += 7) {
    forged.push({ ...envelope, signatures: [{ ...signature, sig: change(signature.sig, at) }] });
  }
  for (const other of forged) {
    assert.throws(() => verify(other), { code: 'SIGNATURE_ERROR' }, file);
    refused += 1;
  }
  assert.throws(() => verify(envelope, Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex')), {
    code: 'SIGNATURE_ERROR',
  });
  assert.throws(() => verify({ ...envelope, signatures: [{ ...signature, keyid: 'other' }] }), { code: 'PUBLIC_KEY_ERROR' });
}
assert.strictEqual(checked, 4);
console.log(`ok sigstore: ${checked} envelopes as bundles; ${refused + 2 * checked} changed ones refused`);
