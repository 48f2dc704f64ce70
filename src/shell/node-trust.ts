// Whom a hosted node believes, and in whose name it calls: its key, its certificate, and what it checks others' against.
import type { CallingNode } from '../api/peer-client.ts';
import type { ProvenCaller } from '../api/ports.ts';
import type { Config } from '../config.ts';
import type { SignedCall } from '../crypto/http-signature.ts';
import {
  checkMessages,
  isProvenRecord,
  provenMembers,
  verifyCertificate,
  type Authority,
} from '../crypto/signatures.ts';
import type { Driver } from '../protocol/driver.ts';
import type { Call, DeliveryCheck } from '../protocol/effects.ts';
import type { NodeState } from '../protocol/node-state.ts';
import { BOOT_GUID, type Certificate, type Delivery, type Guid, type Member } from '../protocol/types.ts';
import type { Identity } from './identity.ts';

export class NodeTrust {
  readonly #identity: Identity;
  readonly #driver: Driver;
  readonly #config: Config;
  readonly #isOwn: ((member: Member) => Promise<boolean>) | undefined;

  /** `isOwn`: whether a told member at an address of this deployment is the node there; without it none is believed to be. */
  constructor(identity: Identity, driver: Driver, config: Config, isOwn?: (member: Member) => Promise<boolean>) {
    this.#identity = identity;
    this.#driver = driver;
    this.#config = config;
    this.#isOwn = isOwn;
  }

  /** In whose name peers outside are called; null before there is a certificate. */
  caller(): CallingNode | null {
    const { membership } = this.#state;
    const certificate = membership?.certificate ?? null;
    if (!membership || !certificate) return null;
    return { signer: this.#identity.signer, credential: { guid: membership.guid, certificate } };
  }

  /** The call of a certified caller; null where its certificate does not prove who calls. */
  async certified({ publicKey, credential, nonce, expiresAt }: SignedCall): Promise<Call | null> {
    if (!credential) return null;
    const { guid, certificate } = credential;
    return (await this.isCertified(guid, publicKey, certificate))
      ? { guid, publicKey, certificate, nonce, expiresAt }
      : null;
  }

  /** Whether a certificate proves a GUID now. One that is stored was checked before it was; whether it has run out is looked at again. */
  async isCertified(guid: Guid, publicKey: string, certificate: Certificate): Promise<boolean> {
    const authority = this.#authority;
    if (!authority) return false;
    const known = this.#state.roster.get(guid);
    const isStored =
      known?.publicKey === publicKey &&
      known.certificate.signature === certificate.signature &&
      known.certificate.issuedAt === certificate.issuedAt &&
      known.certificate.expiresAt === certificate.expiresAt;
    if (isStored) return certificate.expiresAt > Date.now();
    this.#count(1);
    return await verifyCertificate(authority, guid, publicKey, certificate, Date.now());
  }

  /** The members of a list that are news and prove themselves. */
  async proven(members: readonly Member[]): Promise<readonly Member[]> {
    const authority = this.#authority;
    if (!authority) return [];
    const news = members.filter((member) => this.#state.roster.isNews(member));
    // Each has two: the boot node's and its own.
    this.#count(2 * news.length);
    return await provenMembers(news, authority, this.#config.protocol, Date.now(), this.#isOwn);
  }

  /** Whether messages are by those who they say. A newcomer may bring its own before this node has heard of it: it proved its key. */
  async check(deliveries: readonly Delivery[], bringer: ProvenCaller): Promise<readonly DeliveryCheck[]> {
    const bodies = deliveries.map(({ body }) => body);
    this.#count(bodies.length);
    const keyOf = (guid: Guid) => (guid === bringer.guid ? bringer.publicKey : this.#keyOf(guid));
    const authority = this.#authority;
    return await checkMessages(bodies, keyOf, async (member) => {
      this.#count(2);
      return authority !== null && (await isProvenRecord(member, authority, this.#config.protocol, this.#isOwn));
    });
  }

  #count(signatures: number): void {
    this.#state.counters.add('signatures_checked', signatures);
  }

  #keyOf(guid: Guid): string | null {
    const { guid: own, membership, roster } = this.#state;
    if (guid === own) return this.#identity.self.publicKey;
    return guid === BOOT_GUID ? (membership?.networkKey ?? null) : (roster.get(guid)?.publicKey ?? null);
  }

  /** What members and certificates are checked against; null before the network's key is known. */
  get #authority(): Authority | null {
    const networkKey = this.#state.membership?.networkKey ?? null;
    return networkKey === null ? null : { network: this.#config.protocol.network, networkKey };
  }

  get #state(): NodeState {
    return this.#driver.state;
  }
}
