// Which of the lines that a network writes while it is measured are trouble.

/** What workerd says of an alarm that was late on a busy machine. The alarm did its work, at its time or moved: nothing is lost. */
const LATE_ALARMS = [
  // A wake did what the alarm was due for, and set the next one, right before it rang.
  /alarm handler canceled with requestScheduledAlarm/,
  // It rang after it had been set later, and that time has come too: workerd runs it all the same
  // (src/workerd/io/actor-sqlite.c++, armAlarmHandler).
  /SQLite alarm overdue, running despite AlarmManager mismatch/,
];

/** Whether a line is one that nothing should have written: of level ERROR or CRITICAL, or the runtime's own and not of a late alarm. */
export function isTrouble(text: string): boolean {
  if (text.startsWith('{')) return /"level":"(ERROR|CRITICAL)"/.test(text);
  return !LATE_ALARMS.some((late) => late.test(text));
}
