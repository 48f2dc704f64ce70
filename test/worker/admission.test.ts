// Admission as it is in production: no peer may have an address that leads inwards, and none of them is called.
import { beforeAll, describe, expect, it } from 'vitest';
import { bootFacade } from '../../src/durable/boot-facade.ts';
import { freshNonce, signRequest } from '../../src/crypto/http-signature.ts';
import { generateKey, openSigner, type Signer } from '../../src/crypto/keys.ts';
import { signRecord } from '../../src/crypto/signatures.ts';
import { solveWork } from '../../src/protocol/admission.ts';
import { CAPABILITIES } from '../../src/protocol/limits.ts';
import { bindings, serve } from './support.ts';

const JOIN = 'https://pychain.example/api/v1/network/join';

let signer: Signer;
beforeAll(async () => {
  signer = openSigner(await generateKey());
});

/** A newcomer's join that is right in all but what a test makes wrong. */
async function join(address: string, changes: Readonly<Record<string, unknown>> = {}) {
  const { challenge } = await bootFacade(bindings).challenge();
  const record = await signRecord(signer, 'test', { address, incarnation: 0, capabilities: CAPABILITIES });
  const body = JSON.stringify({
    public_key: record.publicKey,
    address,
    incarnation: 0,
    capabilities: CAPABILITIES,
    signature: record.signature,
    challenge,
    solution: solveWork(challenge, record.publicKey, address, 0, 10_000_000),
    ...changes,
  });
  const request = await signRequest({ method: 'PUT', url: JOIN, body }, signer, null, freshNonce(), Date.now());
  const response = await serve(request);
  return { status: response.status, body: (await response.json()) as { detail: string; errors?: { path: string }[] } };
}

describe('a joiner', () => {
  it.each([
    'http://n1.example.net',
    'https://127.0.0.1',
    'https://2130706433',
    'https://0x7f.1',
    'https://[::1]',
    'https://10.0.0.7',
    'https://169.254.169.254',
    'https://localhost',
    'https://printer.local',
    'https://metadata.google.internal',
    'https://intranet',
    'https://n1.example.net:8443',
  ])('may not be at %s', async (address) => {
    const { status, body } = await join(address);
    expect(status).toBe(422);
    expect(body.errors?.[0]?.path).toBe('address');
    expect((await bootFacade(bindings).status()).maxGuid).toBe(0);
  });

  it.each([
    ['credentials', 'https://user:secret@n1.example.net'],
    ['a query', 'https://n1.example.net/?x=1'],
    ['a fragment', 'https://n1.example.net/#x'],
    ['another scheme', 'ftp://n1.example.net'],
  ])('may not have %s in its address', async (_, address) => {
    const { status, body } = await join(address);
    expect(status).toBe(422);
    expect(JSON.stringify(body)).not.toContain('secret');
  });

  it.each([
    ['no work', { challenge: undefined, solution: undefined }, 403],
    ['a challenge of its own', { challenge: `9999999999.0.${'0'.repeat(32)}.${'0'.repeat(32)}` }, 422],
    ['work for another address', { address: 'https://n2.example.net' }, 403],
  ])('with %s is not let in', async (_, changes, status) => {
    expect((await join('https://n1.example.net', changes)).status).toBe(status);
    expect((await bootFacade(bindings).status()).maxGuid).toBe(0);
  });

  it('with too little work is not let in', async () => {
    const address = 'https://n1.example.net';
    const { challenge } = await bootFacade(bindings).challenge();
    const wrong = Array.from({ length: 100 }, (_, index) => index).find(
      (index) => solveWork(challenge, signer.publicKey, address, index, 1) === null,
    );
    expect((await join(address, { challenge, solution: (wrong ?? 0).toString(36) })).status).toBe(403);
    expect((await bootFacade(bindings).status()).maxGuid).toBe(0);
  });

  it('whose record is signed by another is not let in', async () => {
    const other = openSigner(await generateKey());
    const facts = { address: 'https://n1.example.net', incarnation: 0, capabilities: CAPABILITIES };
    const { signature } = await signRecord(other, 'test', facts);
    expect((await join('https://n1.example.net', { signature })).status).toBe(422);
    expect((await bootFacade(bindings).status()).maxGuid).toBe(0);
  });
});
