// Signed requests from outside: whether a caller is heard at all. Rates first, which cost nothing, then the nonce, which costs a row.
import { logged, type Call, type CallVerdict, type Context, type Effect } from './effects.ts';

/** Decides about one call. The caller's signature and certificate were checked by the shell. */
export function admitCall(context: Context, call: Call): { verdict: CallVerdict; effects: Effect[] } {
  const { state, now } = context;
  const verdict = judge(context, call);
  state.counters.add(`calls_${verdict}`);
  if (verdict === 'ok') state.roster.renew(call.guid, call.certificate);
  if (verdict !== 'other-key') return { verdict, effects: [] };
  // The boot node never certifies two keys for one GUID: it has lost its storage, or its key.
  const fields = {
    guid: call.guid,
    public_key: call.publicKey,
    known_key: state.roster.get(call.guid)?.publicKey ?? null,
  };
  return { verdict, effects: [logged('key_conflict', { ...fields, at: now / 1000 })] };
}

function judge({ state, self, now }: Context, call: Call): CallVerdict {
  if (state.guid === null || state.leftAt !== null) return 'not-joined';
  const known = call.guid === state.guid ? self.publicKey : state.roster.get(call.guid)?.publicKey;
  if (known !== undefined && known !== call.publicKey) return 'other-key';
  const standing = state.standings.admit(call.guid, now);
  if (standing !== 'ok') return standing;
  const nonce = state.nonces.use(call.guid, call.nonce, call.expiresAt, now);
  if (nonce === 'fresh') return 'ok';
  return nonce === 'replayed' ? 'replayed' : 'busy';
}
