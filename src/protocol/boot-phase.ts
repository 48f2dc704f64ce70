// How a boot object stands to its network. A new one may be one that lost its storage, and it cannot tell by itself: it asks its nodes
// (boot-survey.ts). What they have pinned tells whether it still has the network's key.
import type { ProtocolConfig } from './config.ts';
import type { BootStore } from './store.ts';

/**
 * `surveying`: it has just begun, and has not heard from all of its nodes: it gives no GUID yet. `restoring`: a backup is being taken in,
 * and whoever comes now may be in the part that is still to come: it gives none either. `lost`: its nodes are of a network whose
 * key it has not: what it certifies nobody outside believes, so it lets in nodes of its own alone, until its operator restores the key or,
 * with NETWORK_KEY, takes the new one. `open`: all is well.
 */
export type BootPhase = 'surveying' | 'restoring' | 'lost' | 'open';

/** How far the survey is. */
export interface Survey {
  /** Slots from here on have not been asked. */
  readonly next: number;
  /** Slots that were, and did not answer. */
  readonly missed: readonly number[];
  readonly isDone: boolean;
}

/** What a phase depends on; a BootContext is one. */
export interface PhaseFacts {
  readonly store: BootStore;
  readonly config: Pick<ProtocolConfig, 'networkKey'>;
  /** The public key that this object signs with. */
  readonly networkKey: string;
}

/** Meta key: the survey, JSON. */
const SURVEY_KEY = 'survey';
/** Meta key: the network's key as nodes have pinned it, where it was not this object's when they were asked. */
const PINNED_KEY = 'pinned_key';

/** Meta key: whether a restore has begun and not ended. */
const RESTORING_KEY = 'restoring';
const ON = 'on';

/** The phase that a boot object is in. */
export function phaseOf(facts: PhaseFacts): BootPhase {
  if (!readSurvey(facts.store).isDone) return 'surveying';
  if (facts.store.meta.get(RESTORING_KEY) === ON) return 'restoring';
  return isLost(facts) ? 'lost' : 'open';
}

/** Whether the network's key is another than this object's, as far as nodes have told by now: also before all of them have. */
export function isLost({ store, config, networkKey }: PhaseFacts): boolean {
  const pinned = pinnedKey(store);
  return pinned !== null && pinned !== networkKey && config.networkKey !== networkKey;
}

/** The network's key as members know it: without its private half it is still the key of their network. */
export function knownKey(facts: PhaseFacts): string {
  return isLost(facts) ? (pinnedKey(facts.store) ?? facts.networkKey) : facts.networkKey;
}

/** Notes that this object has just begun: before anything else is stored. One of an earlier version goes on with what it has. */
export function beginSurvey(store: BootStore): void {
  if (store.meta.get(SURVEY_KEY) !== null || store.maxGuid() > 0) return;
  setSurvey(store, { next: 1, missed: [], isDone: false });
}

/** The operator says from where on GUIDs are free: nobody is asked any more. */
export function endSurvey(store: BootStore): void {
  const survey = readSurvey(store);
  if (!survey.isDone) setSurvey(store, { ...survey, missed: [], isDone: true });
}

/** Notes that a restore has begun, or that all of it is there. */
export function setRestoring(store: BootStore, isRestoring: boolean): void {
  if (isRestoring || store.meta.get(RESTORING_KEY) === ON) store.meta.set(RESTORING_KEY, isRestoring ? ON : '');
}

export function readSurvey(store: BootStore): Survey {
  const text = store.meta.get(SURVEY_KEY);
  return text === null ? { next: 1, missed: [], isDone: true } : (JSON.parse(text) as Survey);
}

export function setSurvey(store: BootStore, survey: Survey): void {
  store.meta.set(SURVEY_KEY, JSON.stringify(survey));
}

/** The network's key that nodes had pinned when they were asked, where it was another than the object's; else null. */
export function pinnedKey(store: BootStore): string | null {
  return store.meta.get(PINNED_KEY);
}

/**
 * Notes what a node has pinned. The first counts, since nodes of one deployment are of one network; and only while this object begins:
 * later one stray node must not have it take itself for lost.
 */
export function notePinned({ store, networkKey }: PhaseFacts, pinned: string | null): void {
  if (pinned === null || pinned === networkKey || pinnedKey(store) !== null) return;
  if (!readSurvey(store).isDone) store.meta.set(PINNED_KEY, pinned);
}
