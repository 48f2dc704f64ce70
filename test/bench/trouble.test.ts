import { expect, it } from 'vitest';
import { isTrouble } from '../../bench/trouble.ts';

it.each([
  ['a log line of level ERROR', '{"level":"ERROR","event":"unexpected"}', true],
  ['one of level CRITICAL', '{"level":"CRITICAL","event":"boot_storage_lost"}', true],
  ['one of level WARNING', '{"level":"WARNING","event":"peer_refused"}', false],
  ['whatever else the runtime prints', 'workerd/server/server.c++:4712: info: disk full', true],
  [
    'an alarm that was overtaken',
    'workerd/server/server.c++: warning: alarm handler canceled with requestScheduledAlarm; actorId = 1c',
    false,
  ],
  [
    'an alarm that was moved, and is late at its new time',
    'NOSENTRY SQLite alarm overdue, running despite AlarmManager mismatch; scheduledTime = 1795933425.315s; localAlarmTime = 1795933426.321s; currentTime = 1795933427.075139373s; actorId = 1c',
    false,
  ],
])('trouble, or not: %s', (_, text, expected) => {
  expect(isTrouble(text)).toBe(expected);
});
