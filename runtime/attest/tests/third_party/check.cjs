// @sigstore/verify verifies our bundles; @sigstore/sign makes one. Usage: node check.cjs <samples>
const { bundleFromJSON, bundleToJSON } = require('@sigstore/bundle');
const { Verifier, toSignedEntity, toTrustMaterial } = require('@sigstore/verify');
const { DSSEBundleBuilder } = require('@sigstore/sign');
const assert = require('assert');
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');

const samples = process.argv[2];
const der = (pem) => Buffer.from(pem.replace(/-----[^-]*-----|\s/g, ''), 'base64');
const idOf = (spki) => crypto.createHash('sha256').update(spki).digest('hex');
const module_ = crypto.createHash('sha256').update(fs.readFileSync(path.join(samples, 'module.wasm'))).digest('hex');

function verify(json, spki, hint = idOf(spki)) {
  const root = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] };
  const trusted = toTrustMaterial(root, { [hint]: { rawBytes: spki } });
  // Offline: no Rekor, no timestamp authority.
  const verifier = new Verifier(trusted, { ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 0 });
  verifier.verify(toSignedEntity(bundleFromJSON(json)));
}

let checked = 0;
let refused = 0;
const ours = path.join(samples, 'ours');
for (const file of fs.readdirSync(ours).filter((name) => name.endsWith('.json')).sort()) {
  const bundle = JSON.parse(fs.readFileSync(path.join(ours, file), 'utf8'));
  const by = fs.readFileSync(path.join(ours, file.replace(/json$/, 'by')), 'utf8');
  const spki = der(fs.readFileSync(path.join(ours, `${by}.pub`), 'utf8'));
  verify(bundle, spki);
  assert.strictEqual(bundle.verificationMaterial.publicKey.hint, idOf(spki));
  const statement = JSON.parse(Buffer.from(bundle.dsseEnvelope.payload, 'base64'));
  assert.strictEqual(statement._type, 'https://in-toto.io/Statement/v1');
  assert.strictEqual(statement.subject[0].digest.sha256, module_);
  assert.ok(statement.predicateType.startsWith('https://portcullis.dev/attestation/policy-'));
  checked += 1;
  for (const [member, bytes] of [['payload', Buffer.from(bundle.dsseEnvelope.payload, 'base64')], ['sig', null]]) {
    const original = bytes ?? Buffer.from(bundle.dsseEnvelope.signatures[0].sig, 'base64');
    for (let at = 0; at < original.length; at += 7) {
      const changed = Buffer.from(original);
      changed[at] ^= 1;
      const forged = structuredClone(bundle);
      if (member === 'sig') forged.dsseEnvelope.signatures[0].sig = changed.toString('base64');
      else forged.dsseEnvelope.payload = changed.toString('base64');
      assert.throws(() => verify(forged, spki), { code: 'SIGNATURE_ERROR' });
      refused += 1;
    }
  }
  const other = crypto.generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' });
  assert.throws(() => verify(bundle, other, idOf(spki)), { code: 'SIGNATURE_ERROR' });
  refused += 1;
}
assert.ok(checked >= 2 && refused > 50);

async function make() {
  const pair = crypto.generateKeyPairSync('ed25519');
  const spki = pair.publicKey.export({ type: 'spki', format: 'der' });
  const signer = {
    async sign(data) {
      const key = { $case: 'publicKey', hint: idOf(spki), publicKey: pair.publicKey.export({ type: 'spki', format: 'pem' }) };
      return { key, signature: crypto.sign(null, data, pair.privateKey) };
    },
  };
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'module.wasm', digest: { sha256: module_ } }],
    predicateType: 'https://portcullis.dev/attestation/policy-signature/v1',
    predicate: {},
  };
  const builder = new DSSEBundleBuilder({ signer, witnesses: [], singleCertificate: true });
  const bundle = await builder.create({ data: Buffer.from(JSON.stringify(statement)), type: 'application/vnd.in-toto+json' });
  fs.writeFileSync(path.join(samples, 'theirs', 'sigstore.json'), JSON.stringify(bundleToJSON(bundle)));
  fs.writeFileSync(path.join(samples, 'theirs', 'sigstore.pub'), pair.publicKey.export({ type: 'spki', format: 'pem' }));
  console.log(`ok sigstore: ${checked} bundles, ${refused} changed ones refused; one made`);
}
make().catch((error) => {
  console.error(error);
  process.exit(1);
});
